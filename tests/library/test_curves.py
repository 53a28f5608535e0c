"""Curves given by control points, by a rescaling, or by other curves."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.curves import Concatenation, Curve, Line, PolygonalChain, QuadraticBezier
from mc_lib.curves import RescalingCurve as Rescaling
from mc_lib.curves.base import combine, locate, require_in_range
from mc_lib.curves.derivative import rate
from mc_lib.errors import DtypeMismatch, NotConnected, NotFinite, OutOfDomain, ShapeMismatch

F64 = torch.float64
Builder = Callable[[torch.Generator, torch.dtype], Curve]


def random_point(generator: torch.Generator, dtype: torch.dtype = F64) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(s, generator=generator, dtype=dtype) for s in ((3, 2), (2, 3), (2,)))


def of_points(kind: type, n: int) -> Builder:
    return lambda generator, dtype: kind(*(random_point(generator, dtype) for _ in range(n)))


def chain(generator: torch.Generator, dtype: torch.dtype) -> Curve:
    return PolygonalChain([random_point(generator, dtype) for _ in range(4)])


def rescaling(generator: torch.Generator, dtype: torch.dtype) -> Curve:
    return Rescaling(random_point(generator, dtype), m=3.0, k=2.0, inner=0, outer=1)


def concatenation(generator: torch.Generator, dtype: torch.dtype) -> Curve:
    a, b, c, d = (random_point(generator, dtype) for _ in range(4))
    return Concatenation([Line(a, b), QuadraticBezier(b, c, d), PolygonalChain([d, a, b])])


BUILDERS = {
    "line": of_points(Line, 2),
    "bezier": of_points(QuadraticBezier, 3),
    "chain": chain,
    "rescaling": rescaling,
    "concatenation": concatenation,
}
every_curve = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
AWAY = [0.05, 0.1, 0.21, 0.45, 0.6, 0.95]  # from every breakpoint


@every_curve
def test_velocity_and_acceleration_are_derivatives(
    build: Builder, generator: torch.Generator
) -> None:
    curve, h = build(generator, F64), 1e-5
    t = torch.tensor(AWAY, dtype=F64)
    for f, derivative in (
        (curve, curve.velocity(t)),
        (curve.velocity, curve.acceleration(t)),
    ):
        for above, below, exact in zip(f(t + h), f(t - h), derivative, strict=True):
            torch.testing.assert_close((above - below) / (2 * h), exact, rtol=1e-7, atol=1e-7)


@every_curve
def test_times_of_any_shape_are_batch(
    build: Builder, generator: torch.Generator, dtype: torch.dtype
) -> None:
    curve = build(generator, dtype)
    t = torch.tensor([AWAY[:3], AWAY[3:]], dtype=F64)
    for f in (curve, curve.velocity, curve.acceleration):
        shapes = [(3, 2), (2, 3), (2,)]
        assert [tuple(x.shape) for x in f(t)] == [(2, 3, *s) for s in shapes]
        assert [tuple(x.shape) for x in f(0.25)] == shapes
        assert [tuple(x.shape) for x in f(t[:0])] == [(0, 3, *s) for s in shapes]
        for i in range(2):
            for j in range(3):
                for x, y in zip(f(t), f(float(t[i, j])), strict=True):
                    torch.testing.assert_close(x[i, j], y)
                    assert x.dtype == dtype


@every_curve
def test_the_start_is_exact(build: Builder, generator: torch.Generator, dtype: torch.dtype) -> None:
    curve = build(generator, dtype)
    assert all(torch.equal(x, y) for x, y in zip(curve(0), curve.start, strict=True))


def test_control_points_are_reached_exactly(generator: torch.Generator, dtype: torch.dtype) -> None:
    points = [random_point(generator, dtype) for _ in range(50)]
    u, b, v = points[:3]
    t = torch.tensor([i / 49 for i in range(50)], dtype=F64)
    corners = PolygonalChain(points)(t)
    for i, x in enumerate(corners):
        assert torch.equal(x, torch.stack([p[i] for p in points]))
    for curve in (Line(u, v), QuadraticBezier(u, b, v), Concatenation([Line(u, b), Line(b, v)])):
        assert all(torch.equal(x, y) for x, y in zip(curve(1.0), v, strict=True))
        assert all(torch.equal(x, y) for x, y in zip(curve(0.0), u, strict=True))


def on_a_line(*xs: float) -> list[tuple[torch.Tensor]]:
    return [(torch.tensor([x], dtype=F64),) for x in xs]


def value(point: tuple[torch.Tensor, ...]) -> list[float]:
    return [round(float(x), 12) for x in point[0].reshape(-1)]


def test_line_by_hand() -> None:
    line = Line(*on_a_line(2, 5))
    t = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert value(line(t)) == [-1, 2, 3.5, 5, 8]
    assert value(line.velocity(t)) == [3] * 5
    assert value(line.acceleration(t)) == [0] * 5


def test_bezier_by_hand() -> None:
    curve = QuadraticBezier(*on_a_line(1, 4, 2))  # 1 + 6t − 5t²
    t = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert value(curve(t)) == [-10, 1, 2.75, 2, -7]
    assert value(curve.velocity(t)) == [16, 6, 1, -4, -14]
    assert value(curve.acceleration(t)) == [-10] * 5


def test_chain_by_hand() -> None:
    curve = PolygonalChain(on_a_line(0, 1, 5, 5, 2))
    t = torch.tensor([0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0])
    assert value(curve(t)) == [0, 0.5, 1, 3, 5, 5, 5, 3.5, 2]
    assert value(curve.velocity(t)) == [4, 4, 16, 16, 0, 0, -12, -12, -12]
    assert value(curve.acceleration(t)) == [0] * 9
    assert curve.breakpoints == (0.25, 0.5, 0.75)
    assert Line(*on_a_line(0, 1)).breakpoints == ()


def test_concatenation_by_hand() -> None:
    a, b, c, d = on_a_line(0, 1, 5, 2)
    curve = Concatenation([PolygonalChain([a, b, c]), QuadraticBezier(c, c, d)])
    assert curve.breakpoints == (0.25, 0.5)
    t = torch.tensor([0.75, 0.125, 1.0, 0.5, 0.25])  # not in order
    assert value(curve(t)) == [4.25, 0.5, 2, 5, 1]
    assert value(curve.velocity(t)) == [-6, 4, -12, 0, 16]  # twice that of the pieces
    assert value(curve.acceleration(t)) == [-24, 0, -24, -24, 0]  # four times


def test_concatenation_takes_a_curve_without_breakpoints() -> None:
    class Plain:
        def __call__(self, t: torch.Tensor | float) -> tuple[torch.Tensor]:
            return (torch.as_tensor(t, dtype=F64)[..., None],)

    a, b = on_a_line(1, 3)
    assert value(Concatenation([Plain(), Line(a, b)])(torch.tensor([0.25, 0.75]))) == [0.5, 2]


def test_joints_may_differ_by_the_tolerance() -> None:
    a, b, c = on_a_line(0, 1, 2)
    near, far = on_a_line(1 + 0.9e-10, 1 + 1.2e-10)
    assert value(Concatenation([Line(a, b), Line(near, c)])(1.0)) == [2]
    with pytest.raises(NotConnected):
        Concatenation([Line(a, b), Line(far, c)])


@given(m=st.floats(0.01, 100), k=st.floats(0.25, 4), t=st.floats(-1, 2), named=st.booleans())
def test_rescaling_keeps_the_function(m: float, k: float, t: float, named: bool) -> None:
    w = random_point(torch.Generator().manual_seed(3))
    point = dict(zip("abc", w, strict=True)) if named else w
    inner, outer = ("c", "a") if named else (-1, 0)
    curve = Rescaling(point, m=m, k=k, inner=inner, outer=outer)
    moved = curve(t)
    a, b, c = moved.values() if named else moved
    torch.testing.assert_close(c, w[2] * m**t, rtol=1e-12, atol=0)
    torch.testing.assert_close(a, w[0] / m ** (k * t), rtol=1e-12, atol=0)
    assert torch.equal(b, w[1])
    assert isinstance(moved, dict) == named


def test_rescaling_by_default_moves_the_last_two_weights() -> None:
    one = torch.ones(1, dtype=F64)
    curve = Rescaling((one, one, one), m=4.0)
    assert [float(x) for x in curve(0.5)] == [1, 2, 0.5]
    assert [float(x) for x in curve(1.0)] == [1, 4, 0.25]
    log = math.log(4.0)
    assert [float(x) for x in curve.velocity(0.5)] == [0, 2 * log, -0.5 * log]
    assert [float(x) for x in curve.acceleration(0.5)] == [0, 2 * log**2, 0.5 * log**2]


def test_gradients_reach_the_control_points() -> None:
    bend = torch.tensor([4.0], dtype=F64, requires_grad=True)
    (u,), (v,) = on_a_line(1, 2)
    QuadraticBezier((u,), (bend,), (v,))(0.25)[0].sum().backward()
    assert float(bend.grad) == 2 * 0.25 * 0.75  # type: ignore[arg-type]


def test_times_on_the_seams_belong_to_the_piece_that_begins() -> None:
    for n in (1, 3, 49):
        t = torch.tensor([i / n for i in range(n + 1)], dtype=F64)
        piece, s = locate(t, n)
        assert piece.tolist() == [*range(n), n - 1]
        assert s.tolist() == [0.0] * n + [1.0]


def test_combine_weighs_points() -> None:
    (x,) = combine(torch.tensor([[1.0, -2.0], [0.0, 3.0]], dtype=F64), on_a_line(5, 7))
    assert x.tolist() == [[-9.0], [21.0]]


def test_a_large_sum_of_finite_entries_is_in_range() -> None:
    huge = torch.full((2, 4), 3e38, dtype=torch.float32)
    assert not torch.isfinite(huge.sum())
    require_in_range((huge,), torch.tensor([0.0, 1.0]))


def test_rates_are_exact() -> None:
    assert [x.tolist() for x in rate(lambda t: (t**3, 2 * t))(torch.tensor([1.0, 2.0]))] == [
        [3.0, 12.0],
        [2.0, 2.0],
    ]
    assert rate(rate(lambda t: (t**3,)))(torch.tensor([2.0]))[0].tolist() == [12.0]


@pytest.mark.bad_input
@pytest.mark.parametrize("t", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("verb", ["__call__", "velocity", "acceleration"])
def test_times_are_finite(verb: str, t: float) -> None:
    with pytest.raises(NotFinite, match=f"^t holds {t}$"):
        getattr(Line(*on_a_line(0, 1)), verb)(t)


@pytest.mark.bad_input
@pytest.mark.parametrize("t", [math.nan, math.inf, -math.inf])
def test_all_times_are_finite(t: float) -> None:
    with pytest.raises(NotFinite, match=f"^t holds {t}$"):
        Line(*on_a_line(0, 1))(torch.tensor([0.0, t]))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("t", "got"),
    [
        (torch.tensor([0, 1]), "a tensor of torch.int64"),
        (torch.tensor(1j), "a tensor of torch.complex128"),
        ([0.0], "a list"),
        (True, "a bool"),
        (None, "a NoneType"),
    ],
)
def test_times_are_numbers(t: object, got: str) -> None:
    message = f"^t is a number or a floating-point tensor, got {got}$"
    with pytest.raises(DtypeMismatch, match=message):
        Line(*on_a_line(0, 1))(t)  # type: ignore[arg-type]


@pytest.mark.bad_input
@pytest.mark.parametrize("verb", ["__call__", "velocity", "acceleration"])
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda a, b, c: PolygonalChain([a, b, c]), id="PolygonalChain"),
        pytest.param(lambda a, b, c: Concatenation([Line(a, b)]), id="Concatenation"),
    ],
)
@pytest.mark.parametrize(("t", "shown"), [(-1e-9, "-1.0000000000000001e-09"), (1.5, "1.5")])
def test_pieces_do_not_continue(t: float, shown: str, build: Callable, verb: str) -> None:
    curve = build(*on_a_line(0, 1, 5))
    message = rf"^{type(curve).__name__} is defined for t in \[0, 1\], got {shown}$"
    with pytest.raises(OutOfDomain, match=message):
        getattr(curve, verb)(torch.tensor([0.0, 1.0, t], dtype=F64))


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_overflow_is_refused() -> None:
    one = torch.ones(1, 1)
    curve = Rescaling((one, one), m=1e4)
    assert float(curve(9.0)[0]) > 0.9e36
    with pytest.raises(NotFinite, match=r"at t = 10 the curve leaves the range of torch.float32"):
        curve(torch.tensor([1.0, 10.0, 11.0]))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda a, b, wrong: Line(a, wrong), id="line"),
        pytest.param(lambda a, b, wrong: QuadraticBezier(a, b, wrong), id="end"),
        pytest.param(lambda a, b, wrong: QuadraticBezier(a, wrong, b), id="bend"),
        pytest.param(lambda a, b, wrong: PolygonalChain([a, b, wrong]), id="chain"),
        pytest.param(
            lambda a, b, wrong: Concatenation([Line(a, b), Line(wrong, wrong)]), id="pieces"
        ),
    ],
)
def test_points_of_different_spaces_are_refused(build: Callable) -> None:
    with pytest.raises(ShapeMismatch, match=r"\[\(1,\)\] and \[\(2,\)\]"):
        build(*on_a_line(0, 1), (torch.zeros(2, dtype=F64),))


@pytest.mark.bad_input
def test_an_end_that_is_nan_is_refused() -> None:
    with pytest.raises(NotFinite):
        Line(*on_a_line(0), (torch.tensor([math.nan], dtype=F64),))


@pytest.mark.bad_input
def test_a_chain_of_one_point_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match="^a chain needs two points or more, got 1$"):
        PolygonalChain(on_a_line(0))


@pytest.mark.bad_input
def test_a_concatenation_of_nothing_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match="^a concatenation needs one curve or more, got none$"):
        Concatenation([])


@pytest.mark.bad_input
def test_a_gap_between_curves_is_quoted() -> None:
    a, b, c = on_a_line(0, 2, 5)
    message = (
        "^curve 1 ends at a distance 3 from the start of curve 2; "
        r"at most 2e-10 \(relative to the point's norm 2\) is allowed$"
    )
    with pytest.raises(NotConnected, match=message):
        Concatenation([Line(a, a), Line(a, b), Line(c, b)])


ONE = torch.ones(1, dtype=F64)


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("name", ["m", "k"])
def test_a_rescaling_is_by_positive_numbers(name: str, bad: float) -> None:
    with pytest.raises(OutOfDomain, match=f"^{name} is a positive number, got {bad}$"):
        Rescaling((ONE, ONE), **({"m": 2.0} | {name: bad}))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("inner", "message"),
    [
        pytest.param(1, "^inner and outer are one weight, 1$", id="twice"),
        pytest.param(2, r"^the point has the weights \[0, 1\], and no 2$", id="beyond"),
        pytest.param(-3, r"^the point has the weights \[0, 1\], and no -3$", id="before"),
        pytest.param("a", r"^the point has the weights \[0, 1\], and no 'a'$", id="a name"),
    ],
)
def test_a_rescaling_is_of_two_weights_of_the_point(inner: Any, message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        Rescaling((ONE, ONE), m=2.0, inner=inner)


@pytest.mark.bad_input
def test_a_rescaling_of_named_weights_is_told_their_names() -> None:
    with pytest.raises(ShapeMismatch, match=r"^the point has the weights \['a'\], and no -2$"):
        Rescaling({"a": ONE}, m=2.0)


@pytest.mark.bad_input
def test_a_rescaling_of_nan_is_refused() -> None:
    with pytest.raises(NotFinite):
        Rescaling((ONE, ONE * math.nan), m=2.0)
