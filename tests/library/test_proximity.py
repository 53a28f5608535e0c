"""Distances to a curve, against circles, chords and brute force."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mc_lib.curves import Line, PolygonalChain, QuadraticBezier
from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.proximity import Nearest, distance_to_curve, segment_distance

F64 = torch.float64


class Arc:
    """The arc (R cos θt, R sin θt), without breakpoints or start: a user's own class."""

    def __init__(self, radius: float, angle: float, dtype: torch.dtype = F64) -> None:
        self.radius, self.angle, self.dtype = radius, angle, dtype

    def _turned(self, t: float | Tensor, quarter: int) -> tuple[Tensor]:
        s = self.angle * torch.as_tensor(t, dtype=self.dtype) + quarter * math.pi / 2
        size = self.radius * self.angle**quarter
        return (size * torch.stack([torch.cos(s), torch.sin(s)], -1),)

    def __call__(self, t: float | Tensor) -> tuple[Tensor]:
        return self._turned(t, 0)

    def velocity(self, t: float | Tensor) -> tuple[Tensor]:
        return self._turned(t, 1)

    def acceleration(self, t: float | Tensor) -> tuple[Tensor]:
        return self._turned(t, 2)


def flat(*points: tuple[float, float], dtype: torch.dtype = F64) -> list[tuple[Tensor]]:
    return [(torch.tensor(p, dtype=dtype),) for p in points]


def test_distance_to_a_circle(dtype: torch.dtype) -> None:
    arc = Arc(2.0, math.pi, dtype)
    angle = torch.tensor([[0.3, 1.234], [2.0, 3.0]], dtype=dtype)
    radius = torch.tensor([[0.5, 2.0], [2.5, 70.0]], dtype=dtype)
    points = (radius[..., None] * torch.stack([torch.cos(angle), torch.sin(angle)], -1),)
    found = distance_to_curve(points, arc, samples=20)
    close = {torch.float32: 1e-6, F64: 1e-14}[dtype]
    assert found.distance.dtype == found.t.dtype == dtype
    torch.testing.assert_close(found.distance, (radius - 2).abs(), rtol=close, atol=2 * close)
    torch.testing.assert_close(found.t, angle / math.pi, rtol=0, atol=2 * close)


def test_the_ends_of_a_curve_are_near_points() -> None:
    arc = Arc(1.0, math.pi)
    (found,) = (distance_to_curve(p, arc) for p in flat((1.5, -2.0)))
    assert float(found.distance) == pytest.approx(math.hypot(0.5, 2), rel=1e-14)
    assert float(found.t) == 0.0
    (found,) = (distance_to_curve(p, arc) for p in flat((-1.5, -2.0)))
    assert float(found.t) == 1.0


def test_a_corner_is_a_near_point() -> None:
    roof = PolygonalChain(flat((0, 0), (1, 1), (2, 0), (5, 0)))
    found = distance_to_curve(flat((1.0, 3.0))[0], roof, samples=5)
    assert (float(found.distance), float(found.t)) == (2.0, 1 / 3)
    assert float(distance_to_curve(flat((2.0, 1.0))[0], roof, samples=5).distance) == (
        pytest.approx(math.sqrt(0.5), rel=1e-14)
    )


@given(seed=st.integers(0, 10**6))
def test_distance_is_that_of_a_fine_grid(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    controls = [(torch.randn(3, generator=generator, dtype=F64),) for _ in range(3)]
    curve = QuadraticBezier(*controls)
    p = torch.randn(4, 3, generator=generator, dtype=F64)
    found = distance_to_curve((p,), curve, samples=51)
    (fine,) = curve(torch.linspace(0, 1, 1001, dtype=F64))
    brute = (fine[:, None] - p).norm(dim=-1).min(0).values
    assert bool((found.distance <= brute * (1 + 1e-13)).all())
    torch.testing.assert_close(found.distance, brute, rtol=0, atol=1e-2)
    (near,) = curve(found.t)
    torch.testing.assert_close(found.distance, (near - p).norm(dim=-1), rtol=1e-13, atol=1e-14)
    inside = (found.t > 0) & (found.t < 1)
    slope = ((near - p) * curve.velocity(found.t)[0]).sum(-1)
    assert bool((slope[inside].abs() < 1e-12).all())


def test_the_nearest_time_is_right_where_the_distance_is_small_and_the_points_are_not() -> None:
    generator = torch.Generator().manual_seed(22369)
    controls = [(torch.randn(3, generator=generator, dtype=F64),) for _ in range(3)]
    curve, p = QuadraticBezier(*controls), torch.randn(4, 3, generator=generator, dtype=F64)[1:2]
    found = distance_to_curve((p,), curve, samples=51)
    slope = ((curve(found.t)[0] - p) * curve.velocity(found.t)[0]).sum()
    assert abs(float(slope)) < 1e-15


def test_points_of_the_curve_are_at_distance_zero() -> None:
    curve = QuadraticBezier(*flat((0, 0), (1, 3), (4, -1)))
    t = torch.tensor([0.123, 0.77], dtype=F64)
    found = distance_to_curve(curve(t), curve, samples=31)
    assert float(found.distance.max()) < 1e-14
    torch.testing.assert_close(found.t, t, rtol=0, atol=1e-14)


def test_distance_does_not_depend_on_the_chunks() -> None:
    points = (torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=F64),)
    whole = distance_to_curve(points, Arc(1.0, 2.0), samples=9)
    parts = distance_to_curve(points, Arc(1.0, 2.0), samples=9, max_bytes=7 * 16)
    assert isinstance(whole, Nearest)
    torch.testing.assert_close(parts.distance, whole.distance, rtol=1e-14, atol=0)
    torch.testing.assert_close(parts.t, whole.t, rtol=1e-13, atol=0)


@pytest.mark.parametrize("angle", [0.5, 2.0, math.pi])
def test_distance_from_a_chord_is_the_sagitta(angle: float, dtype: torch.dtype) -> None:
    found = segment_distance(Arc(3.0, angle, dtype), points=8, samples=12)
    close = {torch.float32: 2e-3, F64: 1e-7}[dtype]
    chord = 6 * math.sin(angle / 2)
    assert found.distance == pytest.approx(chord / 2 * math.tan(angle / 4), abs=close)
    if angle < math.pi:  # all points of a half circle are equally near its centre
        assert found.s == pytest.approx(0.5, abs=close)
        assert found.t == pytest.approx(0.5, abs=close)


def test_a_kink_of_the_distance_is_found() -> None:
    roof = PolygonalChain(flat((-1, 0), (0.5, 1.5), (1, 0)))
    found = segment_distance(roof, points=6, samples=9)
    s = torch.linspace(-1, 1, 1001, dtype=F64)
    left = (s + 1) / math.sqrt(2)
    right = (1 - s) * 3 / math.sqrt(10)
    best = torch.minimum(left, right)
    assert found.distance == pytest.approx(float(best.max()), abs=1e-3)
    slope = 6 / math.sqrt(10)  # √2 s on the left, slope (1 − s) on the right
    assert found.s == pytest.approx(slope / (slope + math.sqrt(2)), abs=1e-7)
    assert found.distance == pytest.approx(math.sqrt(2) * found.s, abs=1e-7)


def test_a_segment_is_on_itself() -> None:
    assert segment_distance(Line(*flat((0, 0), (1, 2))), points=5).distance < 1e-15


@given(seed=st.integers(0, 10**6))
def test_the_segment_distance_is_that_of_a_fine_grid(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    controls = [(torch.randn(3, generator=generator, dtype=F64),) for _ in range(3)]
    curve = QuadraticBezier(*controls)
    found = segment_distance(curve)
    t = torch.linspace(0, 1, 801, dtype=F64)
    (fine,), (chord,) = curve(t), Line(controls[0], controls[2])(t[::4])
    brute = torch.cdist(chord, fine).amin(1)
    assert found.distance == pytest.approx(float(brute.max()), abs=1e-2)
    assert found.distance >= float(brute.max()) - 2e-3
    assert 0 <= found.s <= 1
    (near,) = distance_to_curve(Line(controls[0], controls[2])(found.s), curve).distance[None]
    assert found.distance == pytest.approx(float(near), rel=1e-12)


def test_a_closed_curve_has_a_point_for_a_segment(dtype: torch.dtype) -> None:
    found = segment_distance(Arc(2.0, 2 * math.pi, dtype), points=3)
    assert found.distance < {torch.float32: 1e-5, F64: 1e-14}[dtype]


def test_beyond_half_a_turn_the_ends_are_nearest() -> None:
    found = segment_distance(Arc(1.0, 1.5 * math.pi))
    assert found.distance == pytest.approx(math.sin(0.75 * math.pi), rel=1e-7)
    assert found.s == pytest.approx(0.5, abs=1e-6)


class Graph:
    """The graph (t, y(t)) of a function with its two derivatives: a user's own class."""

    start = (torch.zeros(2, dtype=F64),)

    def __init__(self, *y: Callable[[Tensor], Tensor]) -> None:
        self.y = y

    def __call__(self, t: Tensor) -> tuple[Tensor]:
        return (torch.stack([t, self.y[0](t)], -1),)

    def velocity(self, t: Tensor) -> tuple[Tensor]:
        return (torch.stack([torch.ones_like(t), self.y[1](t)], -1),)

    def acceleration(self, t: Tensor) -> tuple[Tensor]:
        return (torch.stack([torch.zeros_like(t), self.y[2](t)], -1),)


def waves(n: int, size: float) -> Graph:
    w = n * math.pi
    return Graph(
        lambda t: size * torch.sin(w * t),
        lambda t: size * w * torch.cos(w * t),
        lambda t: -size * w**2 * torch.sin(w * t),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "size"), [(80, 1.0), (80, 0.1), (160, 1.0), (200, 1.0), (201, 0.3), (400, 0.5)]
)
def test_a_curve_that_crosses_the_segment_often_is_near_it(n: int, size: float) -> None:
    # halfway between two crossings, by symmetry; the nearest point is near the next crossing
    s = 0.5 / n
    exact = scipy.optimize.minimize_scalar(
        lambda t: math.hypot(t - s, size * math.sin(n * math.pi * t)),
        bounds=(s, 1.5 / n),
        method="bounded",
        options={"xatol": 1e-15},
    ).fun
    found = segment_distance(waves(n, size))
    assert exact - 3e-8 < found.distance <= exact * (1 + 1e-9)  # s is right to √ε
    assert math.remainder(found.s - s, 1 / n) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_waves_of_unlike_size() -> None:
    # crests under an envelope: the distances of a fine grid, its nearest points refined
    def size(t: Tensor) -> Tensor:
        return 0.3 * torch.exp(-(((t - 0.37) / 0.2) ** 2)) * torch.sin(97 * math.pi * t)

    t = torch.linspace(0, 1, 100_001, dtype=F64)
    curve, s = torch.stack([t, size(t)], -1), torch.linspace(0.3, 0.45, 1001, dtype=F64)
    flat = torch.stack([s, 0 * s], -1)
    part = curve[(t > 0.28) & (t < 0.47)]
    brute = float(
        torch.cdist(flat, part, compute_mode="donot_use_mm_for_euclid_dist").amin(1).max()
    )
    zero = lambda t: torch.zeros_like(t)  # noqa: E731
    assert segment_distance(Graph(size, zero, zero)).distance == pytest.approx(brute, rel=1e-2)


def dip(t: Tensor) -> Tensor:
    """A parabola that comes down to 0 at 0.5137 for a ten-thousandth of the way."""
    return 4 * t * (1 - t) * (1 - torch.exp(-(((t - 0.5137) / 1e-4) ** 2)))


@pytest.mark.slow
def test_a_short_detour_takes_more_samples() -> None:
    curve = Graph(dip, torch.zeros_like, torch.zeros_like)
    plain = Graph(lambda t: 4 * t * (1 - t), torch.zeros_like, torch.zeros_like)
    missed = segment_distance(plain).distance
    assert segment_distance(curve).distance == pytest.approx(missed, rel=1e-9)
    t = torch.linspace(0, 1, 100_001, dtype=F64)
    flat = torch.stack([t[::100], 0 * t[::100]], -1)
    part = torch.stack([t, dip(t)], -1)
    brute = float(
        torch.cdist(flat, part, compute_mode="donot_use_mm_for_euclid_dist").amin(1).max()
    )
    found = segment_distance(curve, samples=20_001)
    assert found.distance == pytest.approx(brute, rel=2e-3)
    assert found.distance < 0.99 * missed


def test_the_segment_distance_asks_for_few_points_of_the_curve() -> None:
    class Counting(Arc):
        asked = 0

        def __call__(self, t: float | Tensor) -> tuple[Tensor]:
            Counting.asked += torch.as_tensor(t).numel()
            return super().__call__(t)

    segment_distance(Counting(1.0, 1.0))
    assert Counting.asked < 250


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        pytest.param(
            (torch.zeros(3, dtype=F64),), ShapeMismatch, r"\[\(3,\)\] and \[\(2,\)\]", id="shape"
        ),
        pytest.param({"a": torch.zeros(2, dtype=F64)}, ShapeMismatch, "different trees", id="tree"),
        pytest.param(
            (torch.tensor([math.nan, 0.0], dtype=F64),),
            NotFinite,
            "^the points: 1 of the 2 entries",
            id="nan",
        ),
    ],
)
def test_points_of_another_space_are_refused(
    points: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        distance_to_curve(points, Arc(1.0, 1.0))


@pytest.mark.bad_input
def test_a_curve_has_two_samples_or_more() -> None:
    with pytest.raises(OutOfDomain, match="got 1$"):
        distance_to_curve(flat((0, 0))[0], Arc(1.0, 1.0), samples=1)


@pytest.mark.bad_input
def test_what_a_user_curve_cannot_compute_is_refused() -> None:
    broken = Arc(1.0, 1.0)
    broken.radius = math.nan
    with pytest.raises(NotFinite, match="^the distance at t = 0 is nan$"):
        distance_to_curve(flat((0, 0))[0], broken)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["points", "samples"])
def test_a_segment_has_two_points_or_more(name: str) -> None:
    with pytest.raises(OutOfDomain, match="has 2 points or more, got 1$"):
        segment_distance(Arc(1.0, 1.0), **{name: 1})
