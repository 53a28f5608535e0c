"""The rescaling segment (Propositions 5.3, 5.4): exact values, maxima, and the network."""

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import bounds
from mc_lib.errors import OutOfDomain

mpmath.mp.dps = 60  # the same in every file: it is a global
EPS = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}
dtypes = st.sampled_from([torch.float32, torch.float64])
degrees = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0])
DEGREES = [0.25, 0.5, 1.0, 2.0, 3.0, 10.0]
FACTORS = [1e-6, 0.05, 0.5, 0.999, 1.001, 2.0, 7.0, 1e6]


def product(m: float, k: float, alpha: float) -> mpmath.mpf:
    """The factor f of the output: the loss (14) is (f − 1)² ‖Y‖²."""
    m, k, alpha = mpmath.mpf(m), mpmath.mpf(k), mpmath.mpf(alpha)
    return (1 - alpha + alpha * m**-k) * (1 - alpha + alpha * m) ** k


def exact_loss(m: float, k: float, alpha: float, y: float) -> mpmath.mpf:
    return ((product(m, k, alpha) - 1) * mpmath.mpf(y)) ** 2


def relative_error(value: float, expected: mpmath.mpf) -> float:
    return float(abs(mpmath.mpf(float(value)) - expected) / expected)


# -- the loss (14), (15) -----------------------------------------------------------


@given(dtypes, st.floats(-12, 12), degrees, st.floats(2.0**-20, 1 - 2.0**-20))
def test_the_loss_is_equation_14(dtype: torch.dtype, s: float, k: float, alpha: float) -> None:
    m, k, a = torch.tensor([math.exp(s), k, alpha], dtype=dtype)
    expected = exact_loss(float(m), float(k), float(a), 1.5)
    got = float(bounds.rescaling_loss(m, k, a, 1.5))
    if m == 1:
        assert got == 0
    else:  # below the smallest normal number an absolute spacing is left
        spacing = torch.finfo(dtype).tiny * EPS[dtype]
        assert abs(mpmath.mpf(got) - expected) <= 200 * EPS[dtype] * expected + spacing


@pytest.mark.parametrize("k", DEGREES)
@pytest.mark.parametrize("delta", [1e-15, -1e-12, 3e-9, -1e-5, 1e-2])
def test_tiny_losses_keep_all_their_digits(k: float, delta: float) -> None:
    m = 1 + delta
    for alpha in (1e-9, 0.25, 0.5, 0.9, 1 - 1e-9):
        got = bounds.rescaling_loss(m, k, alpha, 2.0)
        assert relative_error(got, exact_loss(m, k, alpha, 2.0)) < 2e-15
    assert (1 - (1 + m**-1) * (1 + m) / 4) ** 2 != bounds.rescaling_midpoint_loss(m, 1.0, 1.0)


@pytest.mark.parametrize("s", [0.999999, 1.0, 1.000001, -0.999999, -1.0, -1.000001])
@pytest.mark.parametrize("k", [0.5, 1.0, 2.0])
def test_nothing_jumps_where_the_computation_changes(s: float, k: float) -> None:
    for alpha in (0.3, 0.5, 0.5000001, 0.8):
        m = math.exp(s)
        got = bounds.rescaling_loss(m, k, alpha, 1.0)
        assert relative_error(got, exact_loss(m, k, alpha, 1.0)) < 5e-15


@pytest.mark.parametrize(
    ("m", "k", "alpha", "y"),
    [
        (1e200, 1.0, 0.5, 1e-190),  # f² overflows, f does not
        (1e200, 2.0, 0.5, 1e-300),  # f overflows
        (1e-150, 3.0, 0.75, 1e-300),  # m⁻ᵏ overflows
        (2e17, 1.0, 0.5, 1.0),  # just below e⁴⁰
        (3e18, 1.0, 0.5, 1.0),  # and above
        (1e150, 1.0, 0.25, 1e3),
    ],
)
def test_large_losses_do_not_overflow_on_the_way(
    m: float, k: float, alpha: float, y: float
) -> None:
    got = bounds.rescaling_loss(m, k, alpha, y)
    assert relative_error(got, exact_loss(m, k, alpha, y)) < 1e-12


def test_the_two_formulas_for_large_losses_meet() -> None:
    m = torch.logspace(17, 19, 200, dtype=torch.float64)
    got = bounds.rescaling_midpoint_loss(m, 1.0, 1.0)
    closed = ((m + 1 / m - 2) / 4) ** 2
    torch.testing.assert_close(got, closed, rtol=1e-13, atol=0)


def test_the_ends_of_the_segment_are_minima(dtype: torch.dtype) -> None:
    m = torch.tensor([1e-20, 0.3, 0.99, 1.0, 1.01, 5.0, 1e20], dtype=dtype)
    for alpha in (0.0, 1.0):
        assert torch.equal(bounds.rescaling_loss(m, 1.5, alpha, 3.0), torch.zeros_like(m))
    assert bounds.rescaling_loss(4.0, 2.0, 0.5, 0.0) == 0


def test_the_loss_of_a_network_on_the_segment(generator: torch.Generator) -> None:
    options = {"generator": generator, "dtype": torch.float64}
    x, w1, w2 = (torch.randn(*s, **options) for s in ((3, 5), (4, 3), (2, 4)))
    for k in (1, 2, 3):

        def output(u: torch.Tensor, v: torch.Tensor, k: int = k) -> torch.Tensor:
            z = v @ x
            return u @ torch.where(z > 0, z, -0.1 * z.abs()).mul(z.abs() ** (k - 1))

        y = output(w2, w1)
        for m in (0.2, 3.0):
            for alpha in (0.2, 0.5, 0.9):
                u = (1 - alpha + alpha * m**-k) * w2
                v = (1 - alpha + alpha * m) * w1
                measured = float((y - output(u, v)).square().sum())
                norm = float(y.norm())
                assert measured == pytest.approx(
                    bounds.rescaling_loss(m, float(k), alpha, norm), rel=1e-12
                )


@given(st.floats(1e-3, 1e3), degrees)
def test_the_middle_is_equation_15(m: float, k: float) -> None:
    mm, mk = mpmath.mpf(m), mpmath.mpf(k)
    expected = (2 ** -(mk + 1) * (1 + mm**-mk) * (1 + mm) ** mk - 1) ** 2 * 9
    got = bounds.rescaling_midpoint_loss(m, k, 3.0)
    assert got == 0 if m == 1 else relative_error(got, expected) < 1e-13
    assert bounds.rescaling_midpoint_loss(1 / m, k, 3.0) == pytest.approx(got, rel=1e-9, abs=1e-25)


@pytest.mark.parametrize("k", DEGREES)
@pytest.mark.parametrize("m", FACTORS)
def test_the_output_only_grows_on_the_segment(m: float, k: float) -> None:
    assert all(product(m, k, i / 64) > 1 for i in range(1, 64))


# -- the barrier -------------------------------------------------------------------


@pytest.mark.parametrize("k", DEGREES)
@pytest.mark.parametrize("m", FACTORS)
def test_the_barrier_is_the_maximum_over_a_grid(m: float, k: float) -> None:
    alpha, height = bounds.rescaling_barrier(m, k, 2.0)
    grid = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    f = (1 - grid + grid * m**-k) * (1 - grid + grid * m) ** k  # naive, fine away from m = 1
    best = int(f.argmax())
    assert abs(alpha - float(grid[best])) <= (1e-4 if abs(m - 1) > 0.01 else 1e-3)
    at_peak = exact_loss(m, k, alpha, 2.0)
    assert relative_error(height, at_peak) < 1e-12
    for step in (-1e-6, 1e-6):  # no neighbour is higher
        assert exact_loss(m, k, alpha + step * min(alpha, 1 - alpha), 2.0) < at_peak


@pytest.mark.parametrize("k", DEGREES)
@pytest.mark.parametrize("m", [*FACTORS, 1 + 1e-9, 1e25, 1e-25, math.exp(1), math.exp(-1)])
def test_the_peak_is_where_the_derivative_vanishes(m: float, k: float, dtype: torch.dtype) -> None:
    m, k = torch.tensor([m, k], dtype=dtype)
    a, b = mpmath.mpf(float(m)) ** -mpmath.mpf(float(k)) - 1, mpmath.mpf(float(m)) - 1
    if b == 0:
        expected = mpmath.mpf(0.5)
    else:
        expected = -(a + float(k) * b) / ((float(k) + 1) * a * b)
    alpha, _ = bounds.rescaling_barrier(m, k, 0.0)  # no height can overflow
    assert relative_error(float(alpha), expected) < 8 * EPS[dtype]


@given(st.floats(1e-5, 1e5), degrees)
def test_the_inverse_rescaling_has_the_mirrored_barrier(m: float, k: float) -> None:
    alpha, height = bounds.rescaling_barrier(m, k, 2.0)
    mirrored, same = bounds.rescaling_barrier(1 / m, k, 2.0)
    assert alpha + mirrored == pytest.approx(1, abs=1e-12)
    assert same == pytest.approx(height, rel=1e-9, abs=1e-25)


@given(st.floats(1e-6, 1e6))
def test_for_degree_one_the_barrier_is_at_one_half(m: float) -> None:
    alpha, height = bounds.rescaling_barrier(m, 1.0, 3.0)
    mm = mpmath.mpf(m)
    expected = ((mm + 1 / mm - 2) / 4) ** 2 * 9
    assert alpha == 0.5
    assert height == 0 if m == 1 else relative_error(height, expected) < 1e-13


def test_for_other_degrees_the_barrier_is_elsewhere() -> None:
    alpha, height = bounds.rescaling_barrier(2.0, 2.0, 1.0)
    assert alpha == pytest.approx(5 / 9, rel=1e-15)  # −(−3/4 + 2)/(3 · (−3/4) · 1)
    assert height == pytest.approx((7 / 12 * (14 / 9) ** 2 - 1) ** 2, rel=1e-14)
    assert height > bounds.rescaling_midpoint_loss(2.0, 2.0, 1.0)


def test_no_rescaling_has_no_barrier() -> None:
    assert bounds.rescaling_barrier(1.0, 2.0, 5.0) == (0.5, 0.0)


@pytest.mark.parametrize("k", [0.25, 2.0, 3.0])
def test_far_rescalings_peak_at_k_over_k_plus_1(k: float) -> None:
    assert bounds.rescaling_barrier(1e70, k, 0.0)[0] == pytest.approx(k / (k + 1), rel=1e-15)
    assert bounds.rescaling_barrier(1e-70, k, 0.0)[0] == pytest.approx(1 / (k + 1), rel=1e-15)


def test_the_barrier_takes_the_shape_of_all_arguments() -> None:
    y = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    alpha, height = bounds.rescaling_barrier(2.0, 1.0, y)
    assert torch.equal(alpha, torch.full_like(y, 0.5))
    torch.testing.assert_close(height, y**2 / 64)


# -- Proposition 5.3 ---------------------------------------------------------------


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("y", [1e-2, 1.0, 30.0])
def test_the_chosen_factor_exceeds_any_barrier(y: float, k: float, dtype: torch.dtype) -> None:
    b = torch.logspace(-6, 12, 181, dtype=dtype)
    m = bounds.rescaling_factor(b, k, y)
    assert (m > 1).all()
    assert (bounds.rescaling_midpoint_loss(m, k, y) > b).all()
    if dtype == torch.float64:  # and far beyond, where the margin is below rounding
        b = torch.logspace(12, 60, 97, dtype=dtype)
        assert (bounds.rescaling_midpoint_loss(bounds.rescaling_factor(b, k, y), k, y) > b).all()


@given(st.floats(-6, 60), degrees, st.floats(-3, 3))
def test_the_factor_is_that_of_the_proof(log_b: float, k: float, log_y: float) -> None:
    b, y = 10.0**log_b, 10.0**log_y
    power = 2 ** (mpmath.mpf(k) + 1) * (mpmath.sqrt(mpmath.mpf(b)) / mpmath.mpf(y) + 1)
    expected = power ** (1 / mpmath.mpf(k))
    got = bounds.rescaling_factor(b, k, y)
    slack = 16 * 2.0**-52 * (1 + float(mpmath.log(power))) / k
    excess = float((mpmath.mpf(got) - expected) / expected)
    assert 0.7 * slack < excess < 1.3 * slack


def test_the_factor_does_not_overflow_on_the_way() -> None:
    m = bounds.rescaling_factor(1e300, 3.0, 1e-200)  # √b/‖Y‖ = 1e350
    assert m == pytest.approx(2 ** (4 / 3) * 10 ** (350 / 3), rel=1e-10)
    with pytest.raises(OutOfDomain, match="result below"):
        bounds.rescaling_factor(1e300, 0.25, 1.0)
