"""Two minima of a two-layer linear network: barriers, components, distances (Section 5.3, ours)."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from mc_lib import bounds
from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, ShapeMismatch

DOUBLE = {"dtype": torch.float64}
SEEDS = st.integers(0, 10_000)


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


def nuclear(a):
    return float(torch.linalg.svdvals(a).sum())


def balanced(a):
    """U √S and √S Vᵀ of A = U S Vᵀ: the shortest factors of A."""
    u, s, v = torch.linalg.svd(a, full_matrices=False)
    return u * s.sqrt(), s.sqrt()[:, None] * v


# -- the distance from a multiple of balanced factors --------------------------------
@given(st.integers(1, 4), st.integers(1, 4), st.floats(1, 20), SEEDS)
def test_the_lower_bound_and_a_point_of_s_agree_on_the_closed_form(m, n, c, seed):
    a = torch.randn(m, n, generator=generator_of(seed), **DOUBLE)
    u, v = balanced(a)
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


def test_points_of_s_are_at_distance_zero(dtype, generator):
    w1, w2 = torch.randn(2, 3, 3, generator=generator, dtype=dtype)
    rounding = 1e-2 if dtype == torch.float32 else 1e-6
    assert float(bounds.product_distance_bound(w1, w2, w1 @ w2)) < rounding


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
    u, v = balanced(a)
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
ONE, TWO = torch.eye(1, dtype=torch.float32), torch.eye(2, dtype=torch.float32)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("matrices", "error", "message"),
    [
        pytest.param((TWO, ONE, TWO), ShapeMismatch, r"M_1 \(m, h\)", id="shapes"),
        pytest.param((ONE, ONE, ONE.double()), DtypeMismatch, "mixed", id="dtypes"),
    ],
)
def test_a_distance_of_what_does_not_fit_is_refused(matrices, error, message):
    with pytest.raises(error, match=message):
        bounds.product_distance_bound(*matrices)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("matrices", "error", "message"),
    [
        pytest.param(
            (torch.ones(2, 3), torch.ones(2, 3), torch.eye(2)),
            ShapeMismatch,
            r"^product_barrier: D_1 \(\.\.\., h, n\), .* multiply",
            id="shapes",
        ),
        pytest.param((1e30 * ONE, 1e30 * ONE, ONE), OutOfDomain, "overflows", id="size"),
    ],
)
def test_a_barrier_of_what_does_not_fit_is_refused(matrices, error, message):
    with pytest.raises(error, match=message):
        bounds.product_barrier(*matrices)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(2, 3), (3,), (0, 0), (5, 2, 3), (2, 5, 0, 0)], ids=str)
def test_components_of_what_is_not_square_are_refused(shape):
    with pytest.raises(ShapeMismatch, match=rf"A is square, got {re.escape(str(shape))}"):
        bounds.component_distance(torch.ones(shape))


@pytest.mark.bad_input
def test_components_of_a_singular_matrix_are_refused():
    with pytest.raises(OutOfDomain, match="^component_distance: A is invertible"):
        bounds.component_distance(torch.zeros(2, 2))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("nuclear", "c", "needs"),
    [
        pytest.param(-1.0, 2.0, "nuclear ≥ 0", id="nuclear"),
        pytest.param(1.0, 0.5, "c ≥ 1", id="c"),
    ],
)
def test_a_balanced_distance_outside_its_domain_is_refused(nuclear, c, needs):
    with pytest.raises(OutOfDomain, match=f"^balanced_distance_squared needs {needs}, got"):
        bounds.balanced_distance_squared(nuclear, c)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("names", "call"),
    [
        pytest.param(
            "product_barrier: D_1, D_2, X",
            lambda x: bounds.product_barrier(x, x, x),
            id="product_barrier",
        ),
        pytest.param("component_distance: A", bounds.component_distance, id="component_distance"),
        pytest.param(
            "product_distance_bound: M_1, M_2, A",
            lambda x: bounds.product_distance_bound(x, x, x),
            id="product_distance_bound",
        ),
    ],
)
def test_nan_is_refused_by_the_names_of_the_matrices(names, call):
    with pytest.raises(NotFinite, match=f"^{names}: 1 of the 1 entries of tensor 0 "):
        call(torch.tensor([[math.nan]]))
