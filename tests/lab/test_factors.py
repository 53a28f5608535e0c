"""Pairs of factors of one matrix: distances, barriers, components (Section 5.3, ours)."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import mc_lib as mc
from lab.factors import balanced_factors, nearest_product
from mc_lib import bounds
from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, RankDeficient, ShapeMismatch

DOUBLE = {"dtype": torch.float64}
SEEDS = st.integers(0, 10_000)


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


def nuclear(a):
    return float(np.linalg.svd(a.numpy(), compute_uv=False).sum())


# -- balanced factors --------------------------------------------------------------
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), SEEDS)
def test_balanced_factors_multiply_to_the_matrix_and_are_balanced(m, n, spare, seed):
    a = torch.randn(m, n, generator=generator_of(seed), **DOUBLE)
    h = min(m, n) + spare
    u, v = balanced_factors(a, h)
    assert u.shape == (m, h)
    assert v.shape == (h, n)
    torch.testing.assert_close(u @ v, a, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(u.mT @ u, v @ v.mT, rtol=1e-12, atol=1e-12)
    assert float(u.square().sum()) == pytest.approx(nuclear(a))


def test_no_other_factors_are_shorter(generator):
    a = torch.randn(3, 3, generator=generator, **DOUBLE)
    shortest = sum(float(x.square().sum()) for x in balanced_factors(a, 3))
    for _ in range(20):
        w1 = torch.randn(3, 3, generator=generator, **DOUBLE)
        w2 = torch.linalg.solve(w1, a)
        assert float(w1.square().sum() + w2.square().sum()) >= shortest


def test_balanced_factors_keep_the_dtype(dtype, generator):
    a = torch.randn(2, 3, generator=generator, dtype=dtype)
    assert {x.dtype for x in balanced_factors(a, 2)} == {dtype}


def test_the_zero_matrix_has_factors_of_every_width():
    for h in (0, 1, 3):
        u, v = balanced_factors(torch.zeros(2, 3), h)
        assert (u.shape, v.shape) == ((2, h), (h, 3))
        assert not u.any() and not v.any()


# -- the distance from a multiple of balanced factors --------------------------------
@given(st.integers(1, 4), st.integers(1, 4), st.floats(1, 20), SEEDS)
def test_the_lower_bound_and_a_point_of_s_agree_on_the_closed_form(m, n, c, seed):
    a = torch.randn(m, n, generator=generator_of(seed), **DOUBLE)
    u, v = balanced_factors(a, 4)
    exact = bounds.balanced_distance_squared(nuclear(a), c)
    low = float(bounds.product_distance_bound(c * u, c * v, a)) ** 2
    total = max(c, 2.0)  # a + 1/a
    x = (total - math.sqrt(total**2 - 4)) / 2
    reached = float(mc.distance((c * u, c * v), (x * u, v / x))) ** 2
    size = nuclear(a) * c**2
    assert low == pytest.approx(exact, rel=1e-6, abs=1e-12 * size)
    assert reached == pytest.approx(exact, rel=1e-6, abs=1e-12 * size)


def test_the_closed_form_is_e4_at_the_identity():
    for n, c in ((1, 1.0), (2, 1.5), (3, 2.0), (2, 2.5), (1, 2.9), (2, 9.0)):
        expected = bounds.midpoint_distance_squared(c, n)
        assert bounds.balanced_distance_squared(n, c) == pytest.approx(expected)
    both = bounds.balanced_distance_squared(torch.tensor([1.0, 2.0]), torch.tensor([1.5, 3.0]))
    torch.testing.assert_close(both, torch.tensor([0.5, 14.0]))
    assert bounds.balanced_distance_squared(0.0, 3.0) == 0  # A = 0: the factors are 0


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("beta", [1.3, 3.0, 20.0])
def test_the_search_finds_the_closed_form(n, beta):
    for seed in range(3):
        generator = generator_of(seed)
        a = torch.randn(n, n, generator=generator, **DOUBLE)
        u, v = balanced_factors(a, n)
        c = bounds.midpoint_scale(beta)
        found = nearest_product(c * u, c * v, a, generator, starts=1)
        expected = math.sqrt(bounds.balanced_distance_squared(nuclear(a), c))
        assert found.distance == pytest.approx(expected, rel=1e-7)
        torch.testing.assert_close(found.first @ found.second, a, rtol=1e-7, atol=1e-9)
        assert found.distance == pytest.approx(
            float(mc.distance((found.first, found.second), (c * u, c * v)))
        )


@given(st.integers(1, 3), st.floats(0.2, 5), SEEDS)
def test_the_lower_bound_is_below_the_search_everywhere(n, scale, seed):
    generator = generator_of(seed)
    m1, m2, a = scale * torch.randn(3, n, n, generator=generator, **DOUBLE)
    low = float(bounds.product_distance_bound(m1, m2, a))
    found = nearest_product(m1, m2, a, generator, starts=1)
    assert 0 <= low <= found.distance * (1 + 1e-7) + 1e-9
    if n == 1:  # then the bound is the distance itself
        assert low == pytest.approx(found.distance, rel=1e-5, abs=1e-7)


def test_the_search_agrees_with_a_search_over_the_curve_of_numbers():
    for x, y, a in ((3.0, 3.0, 1.0), (-2.0, 1.0, 4.0), (0.5, -7.0, -2.0)):
        starts = (-9.0, -3.0, -1.0, -0.2, 0.2, 1.0, 3.0, 9.0)

        def gap(t, x=x, y=y, a=a):
            return (t[0] - x) ** 2 + (a / t[0] - y) ** 2

        expected = min(minimize(gap, [s], method="Nelder-Mead").fun for s in starts)
        point = [torch.tensor([[value]], **DOUBLE) for value in (x, y, a)]
        found = nearest_product(*point, generator_of(0))
        assert found.distance**2 == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_the_point_found_is_no_farther_than_those_over_m1_and_under_m2(seed):
    m1, m2, a = torch.randn(3, 2, 2, generator=generator_of(seed))
    m1, m2 = 3 * m1, 3 * m2
    found = nearest_product(m1, m2, a, generator_of(seed), starts=0).distance
    for w1, w2 in ((m1, torch.linalg.solve(m1, a)), (torch.linalg.solve(m2.mT, a.mT).mT, m2)):
        assert found <= float(mc.distance((w1, w2), (m1, m2))) * (1 + 1e-9)


def test_the_search_draws_from_its_generator_only():
    before, ones = torch.get_rng_state(), torch.ones(1, 1)
    a, b = (nearest_product(ones, ones, ones, generator_of(3), starts=2) for _ in range(2))
    assert a.distance == b.distance
    assert torch.equal(torch.get_rng_state(), before)


def test_the_search_takes_weights_that_are_being_trained():
    three, one = (torch.tensor([[x]], requires_grad=True) for x in (3.0, 1.0))
    found = nearest_product(three, three, one, generator_of(0), starts=0)
    assert found.distance**2 == pytest.approx(7)


def test_points_of_s_are_at_distance_zero(dtype, generator):
    w1, w2 = torch.randn(2, 3, 3, generator=generator, dtype=dtype)
    rounding = 1e-2 if dtype == torch.float32 else 1e-6
    assert float(bounds.product_distance_bound(w1, w2, w1 @ w2)) < rounding
    found = nearest_product(w1, w2, w1 @ w2, generator, starts=0)
    assert found.distance < rounding
    assert found.first.dtype == dtype


def test_the_distance_to_the_axes_where_a_is_zero():
    for x, y in ((50.0, 50.0), (3.0, 4.0), (-3.0, 1.0), (5.0, 0.0)):
        point = [torch.tensor([[value]], **DOUBLE) for value in (x, y, 0.0)]
        got = float(bounds.product_distance_bound(*point))
        assert got == pytest.approx(min(abs(x), abs(y)), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("c", [0.5, 1.0, 3.0])
def test_the_distance_of_opposite_factors_of_the_identity(c):
    """(x − c)² + (1/x + c)² is (v − c)² + c² + 2 at v = x − 1/x."""
    for n in (1, 3):
        eye = torch.eye(n)
        low = float(bounds.product_distance_bound(c * eye, -c * eye, eye)) ** 2
        assert low == pytest.approx(n * (c**2 + 2))


# -- two minima of a two-layer linear network ----------------------------------------
@given(st.integers(1, 4), st.integers(1, 4), SEEDS)
def test_the_barrier_is_that_of_the_network(n, h, seed):
    generator = generator_of(seed)
    if h < n:
        h = n
    net = mc.DeepLinear(*mc.GeneralLinear(n).sample(generator, (2,)), widths=(h,))
    w0, w1 = (mc.minima.sample(net, generator) for _ in range(2))
    steps = [b - a for a, b in zip(w0, w1, strict=True)]
    height = float(bounds.product_barrier(*steps, net.X))
    measured = mc.barrier(mc.Line(w0, w1), net.loss)
    assert measured.height == pytest.approx(height, rel=1e-6, abs=1e-20)
    ceiling = float(torch.linalg.svdvals(net.X)[0]) ** 2 * float(mc.distance(w0, w1)) ** 4 / 64
    assert height <= ceiling * (1 + 1e-12)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_no_two_points_of_different_components_are_nearer(n, generator):
    a = torch.randn(n, n, generator=generator, **DOUBLE)
    nearest = float(bounds.component_distance(a))
    u, v = balanced_factors(a, n)
    flip = torch.ones(n, **DOUBLE)
    flip[-1] = -1
    assert float(mc.distance((v, u), (flip[:, None] * v, u * flip))) == pytest.approx(nearest)
    net = mc.DeepLinear(torch.eye(n, **DOUBLE), a, (n,))
    small = 0.3 * torch.randn(2, 50, n, n, generator=generator, **DOUBLE)
    g = mc.GeneralLinear(n).exp(small)
    w0 = net.symmetry.act((g[0],), (v, u))
    w1 = net.symmetry.act((g[1] @ torch.diag(flip),), (v, u))
    assert (mc.distance(w0, w1, 1) >= nearest * (1 - 1e-12)).all()
    steps = [y - x for x, y in zip(w0, w1, strict=True)]
    floor = float(torch.linalg.svdvals(a)[-1]) ** 2
    assert (bounds.product_barrier(*steps, net.X) >= floor * (1 - 1e-12)).all()


def test_the_batch_is_that_of_single_matrices(generator, dtype):
    a = torch.randn(5, 3, 3, generator=generator, dtype=dtype)
    each = torch.stack([bounds.component_distance(x) for x in a])
    torch.testing.assert_close(bounds.component_distance(a), each)
    torch.testing.assert_close(bounds.component_distance(a[:, None]), each[:, None])
    assert bounds.component_distance(a[None, :0]).shape == (1, 0)
    steps = torch.randn(2, 5, 3, 3, generator=generator, dtype=dtype)
    got = bounds.product_barrier(*steps, a[0])
    each = torch.stack([bounds.product_barrier(*x, a[0]) for x in steps.transpose(0, 1)])
    torch.testing.assert_close(got, each)


# -- refusals --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_what_does_not_fit_is_refused(generator):
    one, two = torch.eye(1), torch.eye(2)
    with pytest.raises(ShapeMismatch, match="matrix"):
        balanced_factors(torch.ones(3), 1)
    with pytest.raises(RankDeficient, match="rank 2: no factors of inner width 1"):
        balanced_factors(two, 1)
    with pytest.raises(ShapeMismatch, match="three n × n"):
        nearest_product(one, two, two, generator)
    with pytest.raises(ShapeMismatch, match="three n × n"):
        nearest_product(*[torch.ones(2, 3)] * 3, generator)
    with pytest.raises(RankDeficient, match="^A is singular: S is not the graph"):
        nearest_product(two, two, torch.ones(2, 2), generator)
    with pytest.raises(OutOfDomain, match="starts ≥ 0"):
        nearest_product(one, one, one, generator, starts=-1)
    with pytest.raises(ShapeMismatch, match=r"M_1 \(m, h\)"):
        bounds.product_distance_bound(two, one, two)
    with pytest.raises(ShapeMismatch, match=r"^product_barrier: D_1 \(\.\.\., h, n\), .* multiply"):
        bounds.product_barrier(torch.ones(2, 3), torch.ones(2, 3), two)
    with pytest.raises(OutOfDomain, match="overflows"):
        bounds.product_barrier(1e30 * one, 1e30 * one, one)
    for shape in ((2, 3), (3,), (0, 0), (5, 2, 3), (2, 5, 0, 0)):
        with pytest.raises(ShapeMismatch, match=rf"A is square, got {re.escape(str(shape))}"):
            bounds.component_distance(torch.ones(shape))
    with pytest.raises(OutOfDomain, match="^component_distance: A is invertible"):
        bounds.component_distance(torch.zeros(2, 2))
    with pytest.raises(OutOfDomain, match="^balanced_distance_squared needs nuclear ≥ 0, got"):
        bounds.balanced_distance_squared(-1.0, 2.0)
    with pytest.raises(OutOfDomain, match="^balanced_distance_squared needs c ≥ 1, got"):
        bounds.balanced_distance_squared(1.0, 0.5)
    with pytest.raises(DtypeMismatch, match="mixed"):
        bounds.product_distance_bound(one, one, one.double())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("A", lambda x: balanced_factors(x, 1)),
        ("M_1, M_2, A", lambda x: nearest_product(x, x, x, generator_of(0))),
        ("product_barrier: D_1, D_2, X", lambda x: bounds.product_barrier(x, x, x)),
        ("component_distance: A", bounds.component_distance),
        ("product_distance_bound: M_1, M_2, A", lambda x: bounds.product_distance_bound(x, x, x)),
    ],
)
def test_nan_is_refused_by_the_names_of_the_matrices(name, call):
    with pytest.raises(NotFinite, match=f"^{name}: 1 of the 1 entries of tensor 0 "):
        call(torch.tensor([[math.nan]]))


@pytest.mark.bad_input
@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_the_rank_is_relative_to_the_largest_singular_value(scale, dtype):
    cut = {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    low, full = (scale * torch.diag(torch.tensor([1, x * cut], dtype=dtype)) for x in (0.5, 2))
    assert balanced_factors(low, 1)[0].shape == (2, 1)
    with pytest.raises(RankDeficient, match="rank 2: no factors of inner width 1"):
        balanced_factors(full, 1)
    with pytest.raises(RankDeficient, match="^A is singular"):
        nearest_product(low, low, low, generator_of(0), starts=0)
    assert nearest_product(full, full, full, generator_of(0), starts=0).distance >= 0


def test_the_search_begins_also_at_singular_points(generator):
    zero, two = torch.zeros(2, 2, **DOUBLE), torch.eye(2, **DOUBLE)
    found = nearest_product(zero, zero, two, generator, starts=0)
    assert found.distance == pytest.approx(2.0)  # the identity: ‖I‖² + ‖I‖² = 4
