"""Factors of one matrix: the balanced ones, and those nearest to given factors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import mc_lib as mc
from lab.factors import balanced_factors, nearest_product
from mc_lib import bounds
from mc_lib.errors import NotFinite, OutOfDomain, RankDeficient, ShapeMismatch

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


# -- the nearest factors -------------------------------------------------------------
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


def test_a_point_of_s_is_found_at_once(dtype, generator):
    w1, w2 = torch.randn(2, 3, 3, generator=generator, dtype=dtype)
    found = nearest_product(w1, w2, w1 @ w2, generator, starts=0)
    assert found.distance < (1e-2 if dtype == torch.float32 else 1e-6)
    assert found.first.dtype == dtype


def test_the_search_begins_also_at_singular_points(generator):
    zero, two = torch.zeros(2, 2, **DOUBLE), torch.eye(2, **DOUBLE)
    found = nearest_product(zero, zero, two, generator, starts=0)
    assert found.distance == pytest.approx(2.0)  # the identity: ‖I‖² + ‖I‖² = 4


# -- refusals --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize(
    ("a", "error", "message"),
    [
        pytest.param([1.0, 1.0, 1.0], ShapeMismatch, "matrix", id="vector"),
        pytest.param(
            [[1.0, 0.0], [0.0, 1.0]],
            RankDeficient,
            "rank 2: no factors of inner width 1",
            id="rank",
        ),
    ],
)
def test_what_has_no_factors_of_width_one_is_refused(a, error, message):
    with pytest.raises(error, match=message):
        balanced_factors(torch.tensor(a), 1)


ONE, TWO = ([[1.0]], [[1.0, 0.0], [0.0, 1.0]])
WIDE, SINGULAR = [[1.0] * 3] * 2, [[1.0] * 2] * 2


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize(
    ("matrices", "starts", "error", "message"),
    [
        pytest.param((ONE, TWO, TWO), 8, ShapeMismatch, "three n × n", id="sizes"),
        pytest.param((WIDE, WIDE, WIDE), 8, ShapeMismatch, "three n × n", id="not square"),
        pytest.param(
            (TWO, TWO, SINGULAR),
            8,
            RankDeficient,
            "^A is singular: S is not the graph",
            id="singular",
        ),
        pytest.param((ONE, ONE, ONE), -1, OutOfDomain, "starts ≥ 0", id="starts"),
    ],
)
def test_a_search_without_an_answer_is_refused(generator, matrices, starts, error, message):
    with pytest.raises(error, match=message):
        nearest_product(*map(torch.tensor, matrices), generator, starts=starts)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "call"),
    [
        pytest.param("A", lambda x: balanced_factors(x, 1), id="balanced_factors"),
        pytest.param(
            "M_1, M_2, A",
            lambda x: nearest_product(x, x, x, generator_of(0)),
            id="nearest_product",
        ),
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
