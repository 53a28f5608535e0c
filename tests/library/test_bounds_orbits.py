"""Orbits (Propositions 5.5, 5.6, 6.1): intervals, suprema and distances by brute force."""

import math

import mpmath
import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import bounds
from mc_lib.errors import OutOfDomain

# -- Proposition 5.6 ---------------------------------------------------------------

norms = st.floats(0.1, 2.0)


@given(norms, norms, st.sampled_from([0.5, 1.0, 2.0, 3.0]), st.floats(0.1, 10.0))
def test_the_interval_holds_the_rescalings_that_stay_short(
    norm_in: float, norm_out: float, k: float, c: float
) -> None:
    def is_short(m: float) -> bool:
        return m * norm_in < c and m**-k * norm_out < c

    try:
        low, high = bounds.orbit_interval(norm_in, norm_out, k, c)
    except OutOfDomain:
        assert not any(is_short(10.0**e) for e in np.linspace(-5, 5, 201))
        return
    assert 0 < low < high
    inner = high / low > 1 + 1e-6
    assert not inner or (is_short(low * (1 + 1e-7)) and is_short(high * (1 - 1e-7)))
    assert not is_short(low * (1 - 1e-7)) and not is_short(high * (1 + 1e-7))


def test_the_interval_in_numbers(dtype: torch.dtype) -> None:
    k = torch.tensor([1.0, 2.0, 0.5], dtype=dtype)
    low, high = bounds.orbit_interval(2.0, 1.0, k, 16.0)
    torch.testing.assert_close(low, torch.tensor([1 / 16, 1 / 4, 1 / 256], dtype=dtype))
    assert torch.equal(high, torch.full_like(k, 8.0))


def test_an_interval_of_one_point_is_empty() -> None:
    with pytest.raises(OutOfDomain, match="no m keeps both below c"):
        bounds.orbit_interval(1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize(
    ("norm_in", "norm_out", "c"),
    [
        (1.0, 1.0, 3.0),
        (0.2, 1.0, 1.5),  # the upper end is the farther
        (1.0, 0.01, 1.5),  # the lower end is
        (0.1, 1.5, 1.0),  # m = 1 lies outside: W itself is too long
        (4.0, 0.001, 2.0),  # on the other side
    ],
)
def test_the_bound_is_the_supremum_over_the_orbit(
    norm_in: float, norm_out: float, c: float, k: float
) -> None:
    low, high = bounds.orbit_interval(norm_in, norm_out, k, c)
    bound = bounds.orbit_barrier_bound(norm_in, norm_out, k, c, 1.5)
    inside = torch.linspace(0, 1, 403, dtype=torch.float64)[1:-1, None]
    m = low ** (1 - inside) * high**inside
    alpha = torch.linspace(0, 1, 401, dtype=torch.float64)
    loss = (((1 - alpha + alpha * m**-k) * (1 - alpha + alpha * m) ** k - 1) * 1.5).square()
    assert loss.max() < bound
    assert loss.max() > bound * 0.9


def test_the_bound_is_the_larger_barrier_at_the_ends(dtype: torch.dtype) -> None:
    # m in (c⁻¹, c): both ends have the barrier of c
    c = torch.tensor([1.5, 2.0, 10.0], dtype=dtype)
    bound = bounds.orbit_barrier_bound(1.0, 1.0, 1.0, c, 8.0)
    torch.testing.assert_close(bound, (2 * (c + 1 / c - 2)) ** 2)


def test_a_longer_leash_has_a_larger_bound() -> None:
    c = torch.linspace(1.1, 50, 100, dtype=torch.float64)
    assert (bounds.orbit_barrier_bound(1.0, 1.0, 2.0, c, 1.0).diff() > 0).all()


# -- Proposition 5.5 ---------------------------------------------------------------


def squared_distance(w: np.ndarray, c: float) -> float:
    eye = np.eye(len(w))
    return float(((c * eye - w) ** 2).sum() + ((c * eye - np.linalg.inv(w)) ** 2).sum())


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("c", [1.0, 1.3, 2.0, 2.5, 6.0])
def test_no_matrix_is_nearer_than_the_closed_form(n: int, c: float) -> None:
    rng = np.random.default_rng(n)
    starts = [np.eye(n) * 1.1, *rng.normal(size=(6, n, n))]

    def objective(entries: np.ndarray) -> float:
        w = entries.reshape(n, n)
        return squared_distance(w, c) if abs(np.linalg.det(w)) > 1e-9 else 1e9

    found = [scipy.optimize.minimize(objective, w.ravel(), method="BFGS").fun for w in starts]
    expected = bounds.midpoint_distance_squared(c, n)
    assert min(found) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.floats(1, 20))
def test_the_distance_of_each_singular_value(c: float) -> None:
    a = np.geomspace(1e-3, 1, 20_001)  # a and 1/a are equally far
    brute = ((c - a) ** 2 + (c - 1 / a) ** 2).min()
    expected = bounds.midpoint_distance_squared(c, 1)
    assert expected <= brute * (1 + 1e-12) + 1e-15
    assert brute == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_beyond_two_the_nearest_points_need_not_be_multiples_of_the_identity() -> None:
    c = 3.0
    a = (c + math.sqrt(c**2 - 4)) / 2  # a + 1/a = c
    for w in (np.diag([a, a]), np.diag([a, 1 / a]), np.diag([1 / a, 1 / a])):
        assert squared_distance(w, c) == pytest.approx(14.0, rel=1e-12)
    assert bounds.midpoint_distance_squared(c, 2) == 14.0


def test_the_distance_in_numbers(dtype: torch.dtype) -> None:
    c = torch.tensor([1.0, 1.5, 2.0, 3.0, 10.0], dtype=dtype)
    expected = torch.tensor([0.0, 1.5, 6.0, 21.0, 294.0], dtype=dtype)
    assert torch.equal(bounds.midpoint_distance_squared(c, 3), expected)


def test_near_the_orbit_the_distance_keeps_its_digits() -> None:
    assert bounds.midpoint_distance_squared(1 + 2.0**-40, 2) == 4 * 2.0**-80


def test_the_middle_of_two_points_of_an_orbit(generator: torch.Generator) -> None:
    w1, w2 = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
    for beta in (0.1, 1.0, 2.0, 7.0):
        c = bounds.midpoint_scale(beta)
        torch.testing.assert_close((w1 / beta + w1 * beta) / 2, c * w1)
        torch.testing.assert_close((w2 * beta + w2 / beta) / 2, c * w2)
    assert bounds.midpoint_scale(0.5) == bounds.midpoint_scale(2.0) == 1.25


@given(st.floats(1e-5, 1e5))
def test_the_scale_is_at_least_one(beta: float) -> None:
    expected = (mpmath.mpf(beta) + 1 / mpmath.mpf(beta)) / 2
    assert bounds.midpoint_scale(beta) == pytest.approx(float(expected), rel=1e-15)
    assert bounds.midpoint_scale(beta) >= 1
