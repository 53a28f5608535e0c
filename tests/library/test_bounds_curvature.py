"""Chord and curve (Theorem 6.2): closed forms, random curves, and the counterexample."""

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mc_lib import bounds
from mc_lib.errors import OutOfDomain

mpmath.mp.dps = 60  # the same in every file: it is a global
EPS = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}
dtypes = st.sampled_from([torch.float32, torch.float64])
positive = st.floats(-6, 6).map(lambda e: 10.0**e)
unit = st.floats(0, 1)


def exact(*xs: Tensor) -> list[mpmath.mpf]:
    return [mpmath.mpf(float(x)) for x in xs]


# -- the closed forms --------------------------------------------------------------


@given(dtypes, positive, st.floats(0, 0.9))
def test_sagitta_is_equation_8(dtype: torch.dtype, kappa: float, x: float) -> None:
    k, d = torch.tensor([kappa, 2 * x / kappa], dtype=dtype)
    mk, md = exact(k, d)
    expected = 1 / mk - mpmath.sqrt(1 / mk**2 - (md / 2) ** 2)
    assert abs(float(bounds.sagitta(k, d)) - expected) <= 10 * EPS[dtype] * expected + 1e-37


@given(dtypes, positive, st.floats(0, math.pi), unit)
def test_chord_deviation_is_the_corrected_bound(
    dtype: torch.dtype, kappa: float, turn: float, part: float
) -> None:
    k, ell, d = torch.tensor([kappa, turn / kappa, part * turn / kappa], dtype=dtype)
    mk, ml, md = exact(k, ell, d)
    expected = md / 2 * mpmath.tan(mk * ml / 4)
    assert (
        abs(float(bounds.chord_deviation(k, ell, d)) - expected)
        <= 10 * EPS[dtype] * expected + 1e-37
    )


def test_sagitta_of_the_345_triangle_and_of_the_half_circle(dtype: torch.dtype) -> None:
    kappa = torch.tensor([0.2, 0.5, 3.0, 0.0], dtype=dtype)
    chord = torch.tensor([6.0, 4.0, 0.0, 7.0], dtype=dtype)  # R − √(R² − (d/2)²)
    expected = torch.tensor([1.0, 2.0, 0.0, 0.0], dtype=dtype)
    torch.testing.assert_close(bounds.sagitta(kappa, chord), expected)


def test_small_sagittas_keep_all_their_digits() -> None:
    kappa, chord = 1e-3, 1e-6
    naive = 1 / kappa - math.sqrt(1 / kappa**2 - (chord / 2) ** 2)
    assert naive == 0  # the formula as printed loses everything
    assert bounds.sagitta(kappa, chord) == pytest.approx(kappa * chord**2 / 8, rel=1e-15)


def test_extreme_lengths_do_not_overflow_on_the_way() -> None:
    assert bounds.sagitta(1e-200, 1e200) == pytest.approx(
        1e200 * (0.5 - 0.75**0.5 + 0.5), rel=1e-14
    )


BEYOND = {torch.float32: 1e-4, torch.float64: 1e-10}


def test_rounding_beyond_the_domain_is_forgiven(dtype: torch.dtype) -> None:
    one, just = torch.tensor(1.0, dtype=dtype), 1 + BEYOND[dtype] / 2
    assert float(bounds.sagitta(one, 2 * just)) == float(torch.tensor(just, dtype=dtype))
    half_circle = bounds.chord_deviation(one, math.pi * just, 2.0)
    torch.testing.assert_close(half_circle, one * math.tan(math.pi * just / 4))
    torch.testing.assert_close(
        bounds.chord_deviation(one, 2.0, 2.0 * just), one * just * math.tan(0.5)
    )


@pytest.mark.parametrize(
    "bound",
    [
        pytest.param(lambda one, beyond: bounds.sagitta(one, 2 * beyond), id="chord"),
        pytest.param(
            lambda one, beyond: bounds.chord_deviation(one, math.pi * beyond, 2.0), id="turn"
        ),
        pytest.param(
            lambda one, beyond: bounds.chord_deviation(one, 2.0, 2.0 * beyond),
            id="chord above length",
        ),
    ],
)
def test_more_than_rounding_is_not_forgiven(bound: Callable, dtype: torch.dtype) -> None:
    with pytest.raises(OutOfDomain):
        bound(torch.tensor(1.0, dtype=dtype), 1 + 2 * BEYOND[dtype])


def test_straight_curves_and_closed_points_deviate_by_nothing() -> None:
    assert bounds.chord_deviation(0.0, 5.0, 5.0) == 0
    assert bounds.chord_deviation(2.0, 0.0, 0.0) == 0


def test_the_loss_bound_is_the_product() -> None:
    assert bounds.lipschitz_loss_bound(3.0, 0.5) == 1.5
    assert bounds.lipschitz_loss_bound(0.0, 0.5) == bounds.lipschitz_loss_bound(3.0, 0.0) == 0


@given(positive, st.floats(0, math.pi), unit)
def test_chord_deviation_is_at_most_the_sagitta(kappa: float, turn: float, part: float) -> None:
    ell = turn / kappa
    shortest, longest = 2 / kappa * math.sin(turn / 2), min(ell, 2 / kappa)  # Schur's theorem
    d = shortest + part * (longest - shortest)
    assert bounds.chord_deviation(kappa, ell, d) <= bounds.sagitta(kappa, d) * (1 + 1e-6)


def test_the_two_bounds_compare_only_where_a_curve_exists() -> None:
    # no curve of curvature ≤ 1 and length π has ends 0.1 apart
    assert bounds.chord_deviation(1.0, math.pi, 0.1) > 30 * bounds.sagitta(1.0, 0.1)


# -- curves ------------------------------------------------------------------------


def curves(n: int, count: int, generator: torch.Generator, steps: int = 400) -> tuple:
    """Curves of circular arcs in Rⁿ, curvature ≤ 1, length ℓ in (0.3, π): exact vertices."""
    options = {"generator": generator, "dtype": torch.float64}
    ell = 0.3 + (math.pi - 0.3) * torch.rand(count, **options)
    h = (ell / steps)[:, None]
    t = torch.linspace(0, 1, steps, dtype=torch.float64)
    waves = torch.randn(3, count, n, 1, **options) * torch.stack(
        [torch.ones_like(t), (3 * t).cos(), (5 * t).sin()]
    ).reshape(3, 1, 1, -1)
    push = waves.sum(0)  # the direction in which each curve bends, smooth in t
    bend = torch.rand(count, 1, **options).sqrt() * torch.ones(steps, dtype=torch.float64)
    bend[::2] = 1  # every other curve bends as much as it may
    tangent = torch.nn.functional.normalize(torch.randn(count, n, **options), dim=-1)
    points = [torch.zeros(count, n, dtype=torch.float64)]
    for i in range(steps):
        v = push[..., i] - (push[..., i] * tangent).sum(-1, keepdim=True) * tangent
        normal, k = torch.nn.functional.normalize(v, dim=-1), bend[:, i : i + 1]
        angle = k * h
        points.append(points[-1] + (angle.sin() * tangent + (1 - angle.cos()) * normal) / k)
        tangent = angle.cos() * tangent + angle.sin() * normal
    return torch.stack(points, dim=1), ell


def farthest_segment_point(points: Tensor) -> tuple[Tensor, Tensor]:
    """The chord of each polygon, and how far from the polygon its farthest point is."""
    a, b = points[:, :1], points[:, -1:]
    on_chord = a + torch.linspace(0, 1, 41, dtype=points.dtype)[:, None] * (b - a)
    start, edge = points[:, None, :-1], points.diff(dim=1)[:, None]
    offset = on_chord[:, :, None] - start
    s = ((offset * edge).sum(-1) / edge.square().sum(-1)).clamp(0, 1)
    gaps = (offset - s.unsqueeze(-1) * edge).norm(dim=-1).amin(-1)
    return (b - a).norm(dim=-1).squeeze(-1), gaps.amax(-1)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_no_random_curve_breaks_the_corrected_bound(n: int, generator: torch.Generator) -> None:
    points, ell = curves(n, 60, generator)
    d, deviation = farthest_segment_point(points)
    ratio = deviation / bounds.chord_deviation(1.0, ell, d)
    assert ratio.max() <= 1 + 1e-3
    assert ratio.max() > 0.8  # and the curves come near it


@pytest.mark.parametrize("turn", [0.1, 1.0, 2.0, 3.0, math.pi])
def test_circular_arcs_attain_both_bounds(turn: float) -> None:
    radius = 2.5
    angle = torch.linspace(-turn / 2, turn / 2, 4001, dtype=torch.float64)
    points = radius * torch.stack([angle.cos(), angle.sin()], -1)[None]
    d, deviation = (float(x) for x in farthest_segment_point(points))
    assert deviation == pytest.approx(
        bounds.chord_deviation(1 / radius, radius * turn, d), rel=1e-5
    )
    assert deviation == pytest.approx(bounds.sagitta(1 / radius, d), rel=1e-5)


# -- the Cassini oval: equation (8) without κℓ ≤ π ---------------------------------


def cassini_lobe(c: float) -> tuple[float, float, float, float]:
    """κ_max, length, chord of the right lobe, and the distance of (0, 0) to the oval.

    L(x, y) = ((x−1)² + y²)((x+1)² + y²) = (r²+1)² − 4x² at level c, where
    r² = cos 2θ + √(c − sin² 2θ); curvature from the first and second derivatives of L.
    """
    theta = np.linspace(-np.pi / 2, np.pi / 2, 200_001)
    r2 = np.cos(2 * theta) + np.sqrt(c - np.sin(2 * theta) ** 2)
    x, y = np.sqrt(r2) * np.cos(theta), np.sqrt(r2) * np.sin(theta)
    lx, ly = 4 * x * (r2 - 1), 4 * y * (r2 + 1)
    lxx, lyy, lxy = 4 * (r2 - 1) + 8 * x**2, 4 * (r2 + 1) + 8 * y**2, 8 * x * y
    kappa = np.abs(lxx * ly**2 - 2 * lxy * lx * ly + lyy * lx**2) / np.hypot(lx, ly) ** 3
    length = float(np.hypot(np.diff(x), np.diff(y)).sum())
    return float(kappa.max()), length, float(y[-1] - y[0]), float(np.sqrt(r2.min()))


@pytest.mark.parametrize(
    ("c", "kappa", "d_max", "distance"),
    [(1.05, 6.057, 0.1145, 0.1571), (1.2, 2.673, 0.1631, 0.3089), (1.5, 1.765, 0.2564, 0.4741)],
)
def test_a_cassini_oval_breaks_equation_8(
    c: float, kappa: float, d_max: float, distance: float
) -> None:
    kappa_max, length, chord, far = cassini_lobe(c)
    root = math.sqrt(c)
    neck = (2 - root) / (root * math.sqrt(root - 1))
    tip = (2 + root) / (root * math.sqrt(root + 1))
    assert kappa_max == pytest.approx(max(neck, tip), rel=1e-8)
    assert chord / 2 == pytest.approx(math.sqrt(root - 1), rel=1e-8)
    assert far == pytest.approx(chord / 2, rel=1e-8)  # the ends are the nearest points
    assert bounds.sagitta(kappa_max, chord) < 0.75 * far
    shown = (kappa_max, bounds.sagitta(kappa_max, chord), far)
    assert shown == pytest.approx((kappa, d_max, distance), abs=5e-4)
    assert kappa_max * length > math.pi
    with pytest.raises(OutOfDomain, match="kappa · length ≤ π"):
        bounds.chord_deviation(kappa_max, length, chord)
