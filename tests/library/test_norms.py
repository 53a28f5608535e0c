"""Norms and inner products at any scale: what holds at 1 holds at 1e±150, and is exact there."""

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import grad, hessian, jacfwd, jvp, vmap

import mc_lib as mc
from mc_lib.errors import OutOfDomain
from mc_lib.norms import dot, holds, in_range, power_of_two, vector_norm

# torch loads forward mode with a call it deprecates
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

SCALES = {torch.float32: [1e-30, 1e-19, 1e18, 1e37], torch.float64: [1e-300, 1e-150, 1e150, 1e300]}
ordinary = st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=1, max_size=6)
any_size = st.floats(allow_nan=False, allow_infinity=False)
powers = st.integers(-1000, 1000)


def vector(numbers, dtype=torch.float64):
    return torch.tensor(numbers, dtype=dtype)


def exact(terms):
    with mpmath.workprec(5000):
        return mpmath.fsum(terms)


# -- right at any scale --------------------------------------------------------
@given(ordinary, powers)
def test_a_power_of_two_comes_out_of_a_norm_to_the_last_bit(numbers, k):
    x = vector(numbers)
    scaled = vector([math.ldexp(v, k) for v in numbers])
    if (scaled.abs() >= 1e-300).all():  # nothing was rounded
        assert float(vector_norm(scaled)) == math.ldexp(float(torch.linalg.vector_norm(x)), k)


@given(st.lists(any_size, min_size=1, max_size=6))
def test_the_norm_is_that_of_exact_arithmetic(numbers):
    found = float(vector_norm(vector(numbers)))
    right = mpmath.sqrt(exact([mpmath.mpf(v) ** 2 for v in numbers]))
    if right > torch.finfo(torch.float64).max:
        assert found == math.inf
    else:
        assert found == pytest.approx(float(right), rel=1e-14, abs=5e-324)


@given(st.lists(st.tuples(any_size, any_size), min_size=1, max_size=6))
def test_the_inner_product_is_that_of_exact_arithmetic_or_NaN(pairs):
    found = float(dot(*(vector(x) for x in zip(*pairs, strict=True))))
    terms = [mpmath.mpf(a) * mpmath.mpf(b) for a, b in pairs]
    right, size = exact(terms), exact(map(abs, terms))
    info = torch.finfo(torch.float64)
    if math.isnan(found):
        assert not info.tiny * 1.01 < abs(right) < info.max / 1.01
    else:
        assert abs(found - right) <= 1e-14 * size + 5e-324 * (right == 0)
        assert found != 0 or abs(right) <= 1e-14 * size


def test_points_as_large_as_the_dtype_allows(dtype):
    for c in SCALES[dtype]:
        u = (torch.tensor([[3 * c / 8]], dtype=dtype), torch.tensor([c / 2], dtype=dtype))
        v = (u[0] / 3, -u[1])
        close = {"rtol": 1e-6, "atol": 0}
        torch.testing.assert_close(mc.norm(u), torch.tensor(5 / 8, dtype=dtype) * c, **close)
        distance = torch.tensor(math.hypot(1 / 4, 1), dtype=dtype) * c
        torch.testing.assert_close(mc.distance(u, v), distance, **close)
        ones = tuple(torch.ones_like(x) / c for x in u)
        torch.testing.assert_close(mc.inner(u, ones), torch.tensor(7 / 8, dtype=dtype), **close)


@given(ordinary, powers.filter(lambda k: abs(k) < 480))
def test_what_is_ordinary_is_torchs_to_the_last_bit(numbers, k):
    x = torch.ldexp(vector(numbers), torch.tensor(float(k), dtype=torch.float64))
    plain = torch.linalg.vector_norm(x)
    if 1e-140 < plain < 1e150:
        assert vector_norm(x) == plain
        assert dot(x, x.flip(0)) == (x * x.flip(0)).sum()


def test_each_row_of_a_batch_has_its_own_scale():
    x = vector([[3, 4], [3e200, 4e200], [3e-200, 4e-200], [0, 0], [3e-200, 4e200]])
    expected = vector([5, 5e200, 5e-200, 0, 4e200])
    torch.testing.assert_close(vector_norm(x), expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(vmap(vector_norm)(x), expected, rtol=1e-15, atol=0)
    y = vector([[1, 1], [1e-200, 0], [1e200, 1e200], [1, 1], [1e200, 0]])
    expected = vector([7, 3, 7, 0, 3])
    torch.testing.assert_close(dot(x, y), expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(vmap(dot)(x, y), expected, rtol=1e-15, atol=0)
    by_points = vmap(lambda a, b: mc.inner((a,), (b,)))(x, y)
    torch.testing.assert_close(by_points, expected, rtol=1e-15, atol=0)


def test_terms_that_cancel_leave_zero_or_what_is_beside_them():
    u, v = vector([1e200, 1e200, 1e100]), vector([1e200, -1e200, 1.0])
    assert dot(u[:2], v[:2]) == 0
    assert float(dot(u, v)) == pytest.approx(1e100)
    assert math.isnan(dot(vector([1e200, 1e-200]), vector([0.0, 1e-150])))  # 1e-350
    assert dot(vector([1e-200, 0.0]), vector([0.0, 1e-200])) == 0


# -- gradients -----------------------------------------------------------------
@pytest.mark.parametrize("c", [1e-250, 1e-160, 1.0, 1e160, 1e250])
def test_gradients_flow_at_any_scale(c):
    x = vector([3 * c, -4 * c]).requires_grad_()
    mc.norm((x,)).backward()
    torch.testing.assert_close(x.grad, vector([0.6, -0.8]))
    y = vector([2 / c, 1 / c])
    torch.testing.assert_close(grad(lambda z: mc.inner((z,), (y,)))(x.detach()), y)
    torch.testing.assert_close(jacfwd(vector_norm)(x.detach()), vector([0.6, -0.8]))
    _, rate = jvp(lambda z: dot(z, y), (x.detach(),), (vector([c, 0.0]),))
    torch.testing.assert_close(rate, vector(2.0))


def test_the_gradient_of_an_inner_product_is_the_other_vector_where_products_overflow():
    x, y = vector([1e200, 1e200]), vector([1e200, -1e200])
    torch.testing.assert_close(grad(lambda z: dot(z, y))(x), y)
    tiny = vector([1e-100, 1e-100])
    torch.testing.assert_close(grad(lambda z: dot(z, z))(tiny), 2 * tiny)
    torch.testing.assert_close(hessian(lambda z: dot(z, z))(tiny), 2 * torch.eye(2).double())


# -- the words it is made of ---------------------------------------------------
def test_powers_of_two_are_exact_down_to_the_smallest_number():
    x = vector([5e-324, 2.0**-1073, 3.0, 1.7e308, 0.0, math.inf, math.nan])
    assert power_of_two(x).tolist() == [5e-324, 2.0**-1073, 2.0, 2.0**1023, 1.0, 1.0, 1.0]
    assert in_range(x, 1.0).tolist() == [False, False, True, True, False, False, False]
    assert not vmap(lambda y: torch.tensor(holds(y > 0)))(x).any()  # no value is known there


def test_empty_vectors_and_batches():
    assert vector_norm(torch.zeros(2, 0)).tolist() == [0.0, 0.0]
    assert vector_norm(torch.zeros(0, 2)).shape == (0,)
    assert dot(torch.zeros(2, 0), torch.zeros(2, 0)).tolist() == [0.0, 0.0]


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_what_leaves_the_dtype_is_refused_never_0_or_infinite():
    large, small = (vector([1.5e308, 1.5e308]),), (vector([1e-200, 1e-200]),)
    with pytest.raises(OutOfDomain, match=r"‖w‖ is outside the range .* entries up to 1.5e\+308$"):
        mc.norm(large)
    with pytest.raises(OutOfDomain, match="‖u − v‖ is outside .* 1.5e.308 and 1.5e.308$"):
        mc.distance(large, (-large[0],))
    for w in (large, small):
        with pytest.raises(OutOfDomain, match="⟨u, v⟩ is outside the range of torch.float64"):
            mc.inner(w, w)
    assert mc.norm((torch.stack([large[0] / 2, small[0]]),), 1).shape == (2,)
    with pytest.raises(OutOfDomain, match="‖w‖"):
        mc.norm((torch.stack([large[0], small[0]]),), 1)


@pytest.mark.bad_input
def test_what_is_not_finite_stays_so():
    w = (vector([1.0, math.inf]),)
    assert mc.norm(w) == math.inf
    assert math.isnan(mc.norm((vector([math.nan]),)))
    assert math.isnan(mc.inner((vector([math.nan]),), (vector([1.0]),)))


@pytest.mark.bad_input
def test_alignment_refuses_points_whose_squares_leave_float64():
    chain = mc.Symmetry.chain([mc.Layer(mc.Permutation(2))])
    u = (vector([[1.0], [2.0]]), vector([[3.0, 4.0]]))
    w = chain.act((torch.tensor([1, 0]),), u)
    for c in (1e-140, 1.0, 1e140):
        found = mc.align(chain, *(tuple(c * x for x in p) for p in (u, w)))
        assert found.g[0].tolist() == [1, 0]
    for c in (1e-170, 1e170):
        with pytest.raises(OutOfDomain, match="squared distance of points of norm"):
            mc.align(chain, *(tuple(c * x for x in p) for p in (u, w)))
    rows = ((1e-25 * u[0]).float(), (1e-25 * u[1].mT).float())
    turned = tuple(x.flip(0) for x in rows)
    assert mc.Permutation(2).nearest(rows, turned).tolist() == [1, 0]
