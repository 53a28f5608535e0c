"""Length and curvature, against circles, helices, ellipses and brute force."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mc_lib.curves import Concatenation, Line, OrbitCurve, PolygonalChain, QuadraticBezier
from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.geometry import curvature, length, max_curvature
from mc_lib.groups import GeneralLinear
from mc_lib.layers import Layer
from mc_lib.symmetry import Symmetry

F64 = torch.float64


@dataclass(frozen=True)
class Helix:
    """(a cos ωt, b sin ωt, ct), the part t ↦ s(t) = t + bend·t² of it: a user's own class."""

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    turn: float = 2 * math.pi
    bend: float = 0.0
    dtype: torch.dtype = F64

    def _s(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        t = torch.as_tensor(t, dtype=self.dtype)
        return t + self.bend * t**2, 1 + 2 * self.bend * t

    def _frame(self, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        w, zero = self.turn, torch.zeros_like(s)
        sin, cos = torch.sin(w * s), torch.cos(w * s)
        x = torch.stack([self.a * cos, self.b * sin, self.c * s], -1)
        v = torch.stack([-w * self.a * sin, w * self.b * cos, self.c + zero], -1)
        acc = torch.stack([-w * w * self.a * cos, -w * w * self.b * sin, zero], -1)
        return x, v, acc

    def __call__(self, t: float | Tensor) -> tuple[Tensor]:
        return (self._frame(self._s(t)[0])[0],)

    def velocity(self, t: float | Tensor) -> tuple[Tensor]:
        s, ds = self._s(t)
        return (self._frame(s)[1] * ds[..., None],)

    def acceleration(self, t: float | Tensor) -> tuple[Tensor]:
        s, ds = self._s(t)
        _, v, acc = self._frame(s)
        return (acc * ds[..., None] ** 2 + 2 * self.bend * v,)


def flat(*points: tuple[float, float], dtype: torch.dtype = F64) -> list[tuple[Tensor]]:
    return [(torch.tensor(p, dtype=dtype),) for p in points]


LENGTH = {torch.float32: 1e-5, F64: 1e-10}


def test_length_of_a_circle_and_a_helix(dtype: torch.dtype) -> None:
    assert length(Helix(a=3, b=3, dtype=dtype)) == pytest.approx(6 * math.pi, rel=LENGTH[dtype])
    helix = Helix(a=3, b=3, c=5, bend=0.4, dtype=dtype)  # to s = 1.4
    assert length(helix) == pytest.approx(1.4 * math.hypot(6 * math.pi, 5), rel=LENGTH[dtype])


@given(a=st.floats(0.01, 100), b=st.floats(0.01, 100), bend=st.floats(0, 3))
def test_length_of_an_ellipse(a: float, b: float, bend: float) -> None:
    curve = Helix(a=a, b=b, turn=2 * math.pi / (1 + bend), bend=bend)
    big = max(a, b)
    exact = 4 * big * scipy.special.ellipe(1 - (min(a, b) / big) ** 2)
    assert length(curve) == pytest.approx(exact, rel=2e-10)


def test_length_is_exact_over_corners_and_joints() -> None:
    chain = PolygonalChain(flat((0, 0), (3, 4), (3, 4), (4, 4), (4, 1)))
    assert length(chain) == pytest.approx(9, rel=1e-14)
    joined = Concatenation([chain, *[Line(*flat((4, 1), (-1, 13)))] * 1])
    assert length(joined) == pytest.approx(22, rel=1e-14)
    assert length(Line(*flat((1, 2), (1, 2)))) == 0


def test_length_where_the_curve_stops_and_turns_back() -> None:
    back = QuadraticBezier(*flat((0, 0), (1, 0), (0, 0)))  # out to 1/2 and back
    assert length(back) == pytest.approx(1, rel=1e-10)
    off_centre = QuadraticBezier(*flat((0, 0), (1, 0), (0.3, 0)))  # out to 1 / 1.7
    assert length(off_centre) == pytest.approx(2 / 1.7 - 0.3, rel=1e-10)


def test_length_of_a_narrow_spike_meets_the_tolerance() -> None:
    e = 1e-3  # the Bézier curve through a sharp bend, by its closed form
    curve = QuadraticBezier(*flat((-1, 0), (0, e), (1, 0)))
    speed_end = 2 * math.hypot(1, e)
    exact = (speed_end + (2 / e) * math.asinh(e)) / 2
    assert length(curve) == pytest.approx(exact, rel=1e-10)
    assert length(curve, rtol=1e-3) == pytest.approx(exact, rel=1e-3)


def test_length_does_not_depend_on_the_chunks() -> None:
    curve = Helix(a=2, b=1)
    assert length(curve, max_bytes=7 * 24) == pytest.approx(length(curve), rel=1e-14)


def test_length_takes_as_many_panels_as_it_needs() -> None:
    times = []

    class Watched(Helix):
        def velocity(self, t: float | Tensor) -> tuple[Tensor]:
            times.append(len(t))  # type: ignore[arg-type]
            return super().velocity(t)

    length(Watched())
    assert times == [40, 80]  # four panels, then their halves, ten nodes each


def test_length_of_a_rough_curve_is_refused() -> None:
    class Noise(Helix):
        def velocity(self, t: float | Tensor) -> tuple[Tensor]:
            noise = torch.sin(1e9 * torch.as_tensor(t)) ** 2
            return (noise[..., None] * torch.ones(3, dtype=F64),)

    with pytest.raises(OutOfDomain, match=r"too rough .* rtol = 1e-10: \d{6} panels"):
        length(Noise())


class Straight:
    """A straight way along x with a speed given by its formula: a user's own class."""

    start = (torch.zeros(1, dtype=F64),)

    def __init__(self, speed: Callable[[Tensor], Tensor]) -> None:
        self.speed = speed

    def velocity(self, t: Tensor) -> tuple[Tensor]:
        return (self.speed(t)[:, None],)


def test_a_burst_of_speed_takes_points_that_meet_it() -> None:
    way = Straight(lambda t: 1 + 1e4 * torch.exp(-(((t - 0.31415) / 1e-4) ** 2)))
    exact = 1 + math.sqrt(math.pi)
    assert length(way) == pytest.approx(1, rel=1e-12)  # what the docstring says can be missed
    assert length(way, points=20_001) == pytest.approx(exact, rel=1e-10)
    assert length(Helix(a=3, b=3), points=1000) == pytest.approx(6 * math.pi, rel=1e-10)


def test_a_speed_that_halving_does_not_resolve_is_refused() -> None:
    way = Straight(lambda t: 0.5 * (t - 1 / 3).abs().rsqrt())  # 7e-7 of the length lies beside 1/3
    with pytest.raises(OutOfDomain, match=r"too rough .* rtol = 1e-10: \d+ panels"):
        length(way)
    assert length(way, rtol=1e-4) == pytest.approx(math.sqrt(1 / 3) + math.sqrt(2 / 3), rel=1e-4)


class Wave:
    """(t, e(t) sin 200t), e a Gaussian of height 1e-7 about 0.4137: a vertex at each crest."""

    start = (torch.zeros(2, dtype=F64),)
    n = 200.0

    def _wave(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        d, sin, cos = t - 0.4137, torch.sin(self.n * t), torch.cos(self.n * t)
        e, a, b = 1e-7 * torch.exp(-25 * d**2), -50 * d, 2500 * d**2 - 50  # e, e'/e, e''/e
        slope = a * sin + self.n * cos
        return e * sin, e * slope, e * ((b - self.n**2) * sin + 2 * self.n * a * cos)

    def __call__(self, t: Tensor) -> tuple[Tensor]:
        return (torch.stack([t, self._wave(t)[0]], -1),)

    def velocity(self, t: Tensor) -> tuple[Tensor]:
        return (torch.stack([torch.ones_like(t), self._wave(t)[1]], -1),)

    def acceleration(self, t: Tensor) -> tuple[Tensor]:
        return (torch.stack([torch.zeros_like(t), self._wave(t)[2]], -1),)


def test_the_highest_of_many_vertices_takes_more_refinements() -> None:
    fine = torch.linspace(0, 1, 2_000_001, dtype=F64)
    exact = float(Wave()._wave(fine)[2].abs().max())  # κ = |y''| to (y')² = 4e-10
    assert max_curvature(Wave(), points=34)[0] < 0.999 * exact
    assert max_curvature(Wave(), points=100, refine=70)[0] == pytest.approx(exact, rel=1e-7)


def test_curvature_of_a_circle_and_a_helix(dtype: torch.dtype) -> None:
    t = torch.tensor([[0.0, 0.3, 1.0]], dtype=dtype)
    k = curvature(Helix(a=4, b=4, bend=0.7, dtype=dtype), t)
    assert k.shape == t.shape and k.dtype == dtype
    torch.testing.assert_close(k, torch.full_like(t, 0.25), rtol=1e-5, atol=0)
    r, w, c = 3.0, 2 * math.pi, 5.0
    k = curvature(Helix(a=r, b=r, c=c, bend=0.7, dtype=dtype), 0.6)
    assert k.shape == ()
    assert float(k) == pytest.approx(r * w**2 / ((r * w) ** 2 + c**2), rel=1e-5)


@given(a=st.floats(0.1, 10), b=st.floats(0.1, 10), t=st.floats(0, 1))
def test_curvature_of_an_ellipse(a: float, b: float, t: float) -> None:
    s = 2 * math.pi * (t + 0.5 * t**2)
    exact = a * b / ((a * math.sin(s)) ** 2 + (b * math.cos(s)) ** 2) ** 1.5
    assert float(curvature(Helix(a=a, b=b, bend=0.5), t)) == pytest.approx(exact, rel=1e-9)


def test_curvature_survives_an_acceleration_along_the_velocity() -> None:
    # γ'' is 10⁷ times longer along γ' than across it: the textbook formula
    # √(‖γ'‖²‖γ''‖² − ⟨γ',γ''⟩²)/‖γ'‖³ loses every digit in float32
    curve = Helix(a=1, b=1, turn=1.0, bend=1e6, dtype=torch.float32)
    t = torch.tensor([1e-5])
    assert float(curvature(curve, t)) == pytest.approx(1.0, rel=1e-3)
    straight = QuadraticBezier(*flat((0, 0), (0.1, 0.3), (1, 3), dtype=torch.float32))
    assert float(curvature(straight, 0.4)) < 1e-6


def test_curvature_of_an_orbit_by_the_closed_form(generator: torch.Generator) -> None:
    m = torch.randn(3, 3, generator=generator, dtype=F64)
    w = tuple(torch.randn(*s, generator=generator, dtype=F64) for s in ((3, 2), (2, 3)))
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(3))]), (m,), w)
    v = torch.cat([(m @ w[0]).flatten(), -(w[1] @ m).flatten()])
    a = torch.cat([(m @ m @ w[0]).flatten(), (w[1] @ m @ m).flatten()])
    exact = ((v @ v) * (a @ a) - (v @ a) ** 2).sqrt() / v.norm() ** 3
    assert float(curvature(curve, 0.0)) == pytest.approx(float(exact), rel=1e-10)


def test_max_curvature_of_an_ellipse_is_at_its_vertex(dtype: torch.dtype) -> None:
    curve = Helix(a=3, b=1, turn=math.pi, bend=0.2, dtype=dtype)  # through s = 1 at t = 0.854…
    exact_t = (math.sqrt(1.8) - 1) / 0.4
    value, t = max_curvature(curve, points=24)
    assert value == pytest.approx(3, rel=1e-5)
    assert t in (0.0, pytest.approx(exact_t, abs=2e-3))
    inner = Helix(a=1, b=3, turn=math.pi, bend=0.1, dtype=dtype)  # its vertex is at s = 1/2
    value, t = max_curvature(inner, points=24)
    tight = {torch.float32: 1e-3, F64: 3e-8}[dtype]
    assert value == pytest.approx(3, rel=1e-5 if dtype == torch.float32 else 1e-13)
    assert t == pytest.approx((math.sqrt(1.2) - 1) / 0.2, abs=tight)
    assert isinstance(value, float) and isinstance(t, float)


@given(seed=st.integers(0, 10**6))
def test_max_curvature_is_that_of_a_fine_grid(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    controls = [(torch.randn(4, generator=generator, dtype=F64),) for _ in range(3)]
    curve = QuadraticBezier(*controls)
    k = curvature(curve, torch.linspace(0, 1, 2_001, dtype=F64))
    value, t = max_curvature(curve, points=101)
    assert float(k.max()) * (1 - 1e-14) <= value <= float(k.max()) * (1 + 1e-3)
    assert t == pytest.approx(float(k.argmax()) / 2_000, abs=1e-3)


def arc(radius: float, dtype: torch.dtype) -> Helix:
    return Helix(a=radius, b=radius, turn=math.pi, dtype=dtype)


@dataclass(frozen=True)
class Moved:
    """A curve shifted in x, to be joined to another."""

    curve: Helix
    by: float

    def __call__(self, t: float | Tensor) -> tuple[Tensor]:
        (x,) = self.curve(t)
        return (x + x.new_tensor([self.by, 0.0, 0.0]),)

    def velocity(self, t: float | Tensor) -> tuple[Tensor]:
        return self.curve.velocity(t)

    def acceleration(self, t: float | Tensor) -> tuple[Tensor]:
        return self.curve.acceleration(t)


def test_a_smooth_joint_is_no_corner(dtype: torch.dtype) -> None:
    turning_on = Moved(Helix(a=-2, b=-2, turn=math.pi, dtype=dtype), 1.0)  # (−1, 0) → (3, 0)
    joined = Concatenation([arc(1.0, dtype), turning_on])
    value, t = max_curvature(joined, points=8)
    assert value == pytest.approx(1, rel=1e-4)
    assert t < 0.5
    turned = Concatenation([turning_on, Moved(arc(1.0, dtype), 2.0)])  # begins at (3, 0)
    value, t = max_curvature(turned, points=8)
    assert value == pytest.approx(1, rel=1e-4)
    assert 0.5 < t <= 1


@pytest.mark.bad_input
def test_a_corner_has_no_curvature() -> None:
    chain = PolygonalChain(flat((0, 0), (1, 0), (2, 0), (2, 3)))
    with pytest.raises(OutOfDomain, match="^t = 0.666667 is a breakpoint"):
        curvature(chain, torch.tensor([0.1, 2 / 3], dtype=F64))
    assert float(curvature(chain, 0.6666)) == 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param(
            ((0, 0), (1, 0), (2, 0), (2, 3)),
            r"^the curve has a corner at t = 0.666667, where its direction jumps by 1.41:",
            id="right angle",
        ),
        pytest.param(((0, 0), (1, 0), (2, 1e-9)), "jumps by 1e-09", id="slight"),
    ],
)
def test_a_corner_is_refused(points: tuple, message: str) -> None:
    with pytest.raises(OutOfDomain, match=message):
        max_curvature(PolygonalChain(flat(*points)))


@pytest.mark.bad_input
def test_a_chain_along_a_line_has_no_corner() -> None:
    straight = PolygonalChain(flat((0, 0), (1, 0), (3, 0)))
    assert max_curvature(straight)[0] == 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(lambda back: curvature(back, torch.tensor([0.25, 0.5])), id="curvature"),
        pytest.param(lambda back: max_curvature(back, points=3), id="max_curvature"),
    ],
)
def test_curvature_needs_a_velocity(measure: Callable) -> None:
    message = r"^the curvature needs γ' ≠ 0, but ‖γ'‖ = 0 at t = 0.5, where ‖γ‖ = 1.12$"
    with pytest.raises(OutOfDomain, match=message):
        measure(QuadraticBezier(*flat((0, 1), (1, 1), (0, 1))))


@pytest.mark.bad_input
def test_a_velocity_is_compared_with_the_size_of_the_point() -> None:
    assert float(curvature(Line(*flat((1, 0), (1 + 2e-12, 0))), 0.5)) == 0
    with pytest.raises(OutOfDomain, match=r"‖γ'‖ = 5e-13 at t = 0.5, where ‖γ‖ = 1"):
        curvature(Line(*flat((1, 0), (1 + 5e-13, 0))), 0.5)


@pytest.mark.bad_input
@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, "1.19e-05"), (F64, "2.22e-14")])
def test_a_tolerance_below_the_dtype_is_refused(dtype: torch.dtype, least: str) -> None:
    line = Line(*flat((0, 0), (3, 4), dtype=dtype))
    with pytest.raises(OutOfDomain, match=f"^rtol is {least} or more in {dtype}, got 1e-15$"):
        length(line, rtol=1e-15)
    with pytest.raises(OutOfDomain, match="got nan$"):
        length(line, rtol=math.nan)
    assert length(line, rtol=float(least) * 1.01) == pytest.approx(5, rel=1e-5)


class Broken(Helix):
    """A curve whose velocity is nowhere a number."""

    def velocity(self, t: float | Tensor) -> tuple[Tensor]:
        return (super().velocity(t)[0] * math.nan,)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("measure", "message"),
    [
        pytest.param(length, r"^the speed at t = 0.003\d+ is nan$", id="length"),
        pytest.param(
            lambda curve: curvature(curve, 0.25),
            "^the curvature at t = 0.25 is nan$",
            id="curvature",
        ),
    ],
)
def test_what_a_user_curve_cannot_compute_is_refused(measure: Callable, message: str) -> None:
    with pytest.raises(NotFinite, match=message):
        measure(Broken())


@pytest.mark.bad_input
def test_a_grid_of_one_point_is_refused() -> None:
    with pytest.raises(OutOfDomain, match="^a grid on .* has 2 points or more, got 1$"):
        max_curvature(Helix(), points=1)


@dataclass
class Graph:
    """A graph (t, y(t)), y'' = 6 ε t before a break or 6 ε (1 − t) after it, else 0."""

    b: float
    rising: bool  # y'' is nonzero before the break, otherwise after it
    batches: list

    @property
    def breakpoints(self):
        return (self.b,)

    def _pieces(self, t):
        here = t < self.b if self.rising else t >= self.b
        u = t if self.rising else 1 - t
        return here, u

    def __call__(self, t):  # its size only says how exact the curvature can be
        t = torch.as_tensor(t, dtype=F64)
        return (torch.stack([t, torch.zeros_like(t)], -1),)

    def velocity(self, t):
        self.batches.append(len(t.reshape(-1)))
        here, u = self._pieces(t)
        b = self.b if self.rising else 1 - self.b
        sign = 1 if self.rising else -1
        slope = sign * 3 * EPS * torch.where(here, u**2, torch.full_like(u, b**2))
        return (torch.stack([torch.ones_like(t), slope], -1),)

    def acceleration(self, t):
        here, u = self._pieces(t)
        second = torch.where(here, 6 * EPS * u, torch.zeros_like(u))
        return (torch.stack([torch.zeros_like(t), second], -1),)


EPS = 1e-3


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("b", [0.5, 0.37])
def test_a_peak_at_a_break_is_found_on_its_own_side(b, rising):
    u = b if rising else 1 - b
    peak = 6 * EPS * u / (1 + (3 * EPS * u**2) ** 2) ** 1.5
    value, t = max_curvature(Graph(b, rising, []))
    assert value == pytest.approx(peak, rel=1e-13)
    assert (t < b) is rising and abs(t - b) < 1e-13


def test_the_length_holds_no_more_velocities_than_the_memory_allows():
    curve = Graph(0.5, True, [])
    length(curve, max_bytes=5 * 16)
    assert max(curve.batches) == 5


@dataclass
class TwoSpeeds:
    """The segment [0, 1], slow before t = 1/3 and fast after it."""

    breakpoints: tuple
    times: list

    @property
    def start(self):
        return (torch.zeros(1, dtype=F64),)

    def velocity(self, t):
        self.times.append(len(t.reshape(-1)))
        return (torch.where(t < 1 / 3, 1.0, 5.0).to(t).unsqueeze(-1),)


def test_the_panels_of_a_length_end_at_the_breakpoints():
    with_break, without = TwoSpeeds((1 / 3,), []), TwoSpeeds((), [])
    exact = 1 / 3 + 5 * 2 / 3
    assert length(with_break) == pytest.approx(exact, rel=1e-14)
    assert length(without) == pytest.approx(exact, rel=1e-9)
    assert len(with_break.times) == 2 < len(without.times)  # at once, against many halvings
