"""Losses along curves and their barriers, against closed forms and fine grids."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mc_lib.curves import Line, OrbitCurve, PolygonalChain, RescalingCurve
from mc_lib.errors import DtypeMismatch, MixedBatch, NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.landscape import Barrier, barrier, loss_along
from mc_lib.networks import DeepLinear

F64 = torch.float64


def first(w: tuple[Tensor, ...]) -> Tensor:
    return w[0][..., 0]


def unit(dtype: torch.dtype = F64) -> Line:
    return Line((torch.zeros(1, dtype=dtype),), (torch.ones(1, dtype=dtype),))


def test_losses_have_the_shape_of_the_times(dtype: torch.dtype) -> None:
    t = torch.tensor([[0.0, 0.5, 1.0], [-1.0, 0.25, 2.0]], dtype=dtype)
    for times in (t, t[0], t[0, 1], t[:, :0]):
        losses = loss_along(unit(dtype), lambda w: 3 * first(w), times)
        assert losses.dtype == dtype
        assert torch.equal(losses, 3 * times)


def net_and_orbit(generator: torch.Generator) -> tuple[DeepLinear, OrbitCurve]:
    w = tuple(torch.randn(*s, generator=generator, dtype=F64) for s in ((4, 3), (2, 4)))
    net = DeepLinear(torch.eye(3, dtype=F64), torch.zeros(2, 3, dtype=F64), widths=(4,))
    m = torch.randn(4, 4, generator=generator, dtype=F64)
    return net, OrbitCurve(net.symmetry, (m,), w)


def test_losses_do_not_depend_on_the_chunks(generator: torch.Generator) -> None:
    net, curve = net_and_orbit(generator)
    line, t = Line(curve(0.0), curve(1.0)), torch.linspace(0, 1, 11, dtype=F64)
    sizes = []

    def loss(w: tuple[Tensor, ...]) -> Tensor:
        sizes.append(len(w[0]))
        return net.loss(w)

    whole = loss_along(line, loss, t)
    parts = loss_along(line, loss, t, max_bytes=3 * 20 * 8)  # 20 weights a point
    assert sizes == [11, 1, 3, 1, 3, 3, 2]  # one point of each call alone, for comparison
    torch.testing.assert_close(parts, whole, rtol=1e-13, atol=0)
    alone = torch.stack([net.loss(line(float(s))) for s in t])
    torch.testing.assert_close(whole, alone, rtol=1e-13, atol=0)


def test_the_loss_is_constant_on_an_orbit(generator: torch.Generator) -> None:
    net, curve = net_and_orbit(generator)
    losses = loss_along(curve, net.loss, torch.linspace(0, 1, 7, dtype=F64))
    torch.testing.assert_close(losses, losses[:1].expand(7), rtol=1e-12, atol=0)
    assert barrier(Line(curve(0.0), curve(1.0)), net.loss).excess > 0.1


@given(
    start=st.floats(-5, 5), end=st.floats(-5, 5), bump=st.floats(0.1, 10), at=st.floats(0.05, 0.95)
)
def test_barrier_of_a_tilted_bump(start: float, end: float, bump: float, at: float) -> None:
    def loss(w: tuple[Tensor, ...]) -> Tensor:
        t = first(w)
        return start + (end - start) * t + bump * t * (1 - t) * torch.exp(-4 * (t - at) ** 2)

    def at_time(t: float) -> float:
        return -float(loss((torch.tensor([t], dtype=F64),)))

    found = barrier(unit(), loss, points=33)
    grid = [i / 400 for i in range(401)]
    best = min(grid, key=at_time)
    around = (max(0.0, best - 1 / 400), min(1.0, best + 1 / 400))
    exact = scipy.optimize.minimize_scalar(
        at_time, bounds=around, method="bounded", options={"xatol": 1e-10}
    )
    height = max(-exact.fun, -at_time(0.0), -at_time(1.0))
    assert found.height == pytest.approx(height, abs=1e-12)
    assert -at_time(found.t) == pytest.approx(found.height, abs=1e-12)
    assert (found.start, found.end) == (-at_time(0.0), -at_time(1.0))
    tilt = (1 - found.excess_t) * start + found.excess_t * end
    assert -at_time(found.excess_t) - tilt == pytest.approx(found.excess, abs=1e-12)
    fine = max(-at_time(t) - ((1 - t) * start + t * end) for t in grid)
    assert fine - 1e-12 <= found.excess <= fine + 1e-3 * bump


def test_height_and_excess_differ_where_the_ends_do() -> None:
    found = barrier(unit(), lambda w: 8 * first(w) - 4 * first(w) ** 2 + 1, points=4)
    assert found.excess_t == pytest.approx(0.5, abs=1e-8)
    assert found.excess == pytest.approx(1.0, rel=1e-14)
    assert replace(found, excess_t=0.5, excess=1.0) == Barrier(
        height=5.0, t=1.0, excess=1.0, excess_t=0.5, start=1.0, end=5.0
    )


def test_no_barrier_below_the_line() -> None:
    found = barrier(unit(), lambda w: (first(w) - 0.25) ** 2)
    assert found.excess == 0.0 and found.excess_t in (0.0, 1.0)
    assert (found.height, found.t) == (0.5625, 1.0)


def test_the_location_is_finer_than_the_grid(dtype: torch.dtype) -> None:
    found = barrier(unit(dtype), lambda w: 2 - (first(w) - 0.3217) ** 2, points=11)
    close = {torch.float32: 1e-3, F64: 2e-8}[dtype]
    assert found.t == pytest.approx(0.3217, abs=close)
    assert found.height == pytest.approx(2, rel=1e-6 if dtype == torch.float32 else 1e-14)


def test_the_higher_of_two_peaks_is_found_also_if_the_grid_prefers_the_other() -> None:
    def loss(w: tuple[Tensor, ...]) -> Tensor:
        t = first(w)
        broad, narrow = torch.exp(-((t - 0.3) ** 2) / 0.02), torch.exp(-((t - 0.75) ** 2) / 5e-4)
        return broad + 1.2 * narrow

    found = barrier(unit(), loss, points=21 - 4)  # grid points at 0.75 ± 0 are avoided below
    shifted = barrier(unit(), lambda w: loss((w[0] + 0.02,)), points=11)
    assert found.t == pytest.approx(0.75, abs=1e-4)
    assert shifted.t == pytest.approx(0.73, abs=1e-4)
    assert shifted.height == pytest.approx(1.2, abs=1e-3)


def test_a_peak_at_a_corner_is_hit_exactly() -> None:
    points = [(torch.tensor([x], dtype=F64),) for x in (0.0, 7.0, 1.0, 2.0)]
    found = barrier(PolygonalChain(points), first, points=5)
    assert (found.height, found.t) == (7.0, 1 / 3)
    assert found.excess == pytest.approx(7 - 2 / 3, rel=1e-14)


def test_barrier_of_the_rescaling_segment_by_the_closed_form() -> None:
    y, m = 3.0, 5.0
    one = torch.ones(1, 1, dtype=F64)
    net = DeepLinear(one, y * one, widths=(1,))
    curve = RescalingCurve((one, y * one), m=m)
    found = barrier(Line(curve(0.0), curve(1.0)), net.loss, points=10)
    assert found.height == pytest.approx(((m + 1 / m - 2) / 4) ** 2 * y**2, rel=1e-13)
    assert found.t == pytest.approx(0.5, abs=1e-7)
    assert barrier(curve, net.loss).height < 1e-28


def hidden_peak(w: tuple[Tensor, ...]) -> Tensor:
    """A peak of height 3 and width 1e-4 at 0.31415, on a parabola of height 1/4."""
    t = first(w)
    return t * (1 - t) + 3 * torch.exp(-(((t - 0.31415) / 1e-4) ** 2))


def test_a_peak_narrower_than_the_grid_takes_more_points() -> None:
    exact = 3 + 0.31415 * (1 - 0.31415)
    assert barrier(unit(), hidden_peak).height == pytest.approx(0.25, rel=1e-12)
    assert barrier(unit(), hidden_peak, points=20_001).height == pytest.approx(exact, rel=1e-7)


def waves(n: int) -> Callable[[tuple[Tensor, ...]], Tensor]:
    """n waves under a Gaussian about t = 0.37."""

    def loss(w: tuple[Tensor, ...]) -> Tensor:
        t = first(w)
        return torch.exp(-(((t - 0.37) / 0.2) ** 2)) * torch.sin(n * math.pi * t) ** 2

    return loss


def highest_wave(loss: Callable[[tuple[Tensor, ...]], Tensor]) -> float:
    """The best of a million points, refined: no curve and no search of the library."""
    t = torch.linspace(0.3, 0.45, 1_000_001, dtype=F64)
    best = int(loss((t[:, None],)).argmax())
    at_time = lambda s: -float(loss((torch.tensor([s], dtype=F64),)))  # noqa: E731
    around = (float(t[best - 1]), float(t[best + 1]))
    found = scipy.optimize.minimize_scalar(
        at_time, bounds=around, method="bounded", options={"xatol": 1e-12}
    )
    return -float(found.fun)


@pytest.mark.parametrize("n", [97, 99, 203, 400])
def test_a_fast_oscillation_takes_a_tolerance_or_more_refinements(n: int) -> None:
    loss = waves(n)
    exact = highest_wave(loss)
    plain = barrier(unit(), loss).height
    assert plain < 0.999 * exact
    for points in (11, 101):
        found = barrier(unit(), loss, points=points, tolerance=1e-6)
        assert found.height == pytest.approx(exact, abs=1e-6)
        assert float(loss((torch.tensor([found.t], dtype=F64),))) == found.height
    refined = barrier(unit(), loss, points=4 * n, refine=4 * n)
    assert refined.height == pytest.approx(exact, rel=1e-9)


def test_a_corner_of_the_loss_is_resolved_too() -> None:
    loss = lambda w: 1 - (first(w) - 0.4321).abs() + 0.1 * torch.sin(300 * first(w))  # noqa: E731
    t = torch.linspace(0.3, 0.5, 1_000_001, dtype=F64)
    found = barrier(unit(), loss, tolerance=1e-8)
    assert found.height == pytest.approx(float(loss((t[:, None],)).max()), abs=1e-6)


def test_a_tolerance_that_one_grid_meets_changes_nothing() -> None:
    loss = lambda w: (first(w) - 0.3) ** 2 + first(w)  # noqa: E731
    assert barrier(unit(), loss, points=5, tolerance=1e-9).height == barrier(unit(), loss).height


def test_a_loss_of_rounding_only_is_no_mixture() -> None:
    net = DeepLinear(torch.eye(3, dtype=F64), torch.full((2, 3), 0.7, dtype=F64), widths=(4,))
    generator = torch.Generator().manual_seed(1)
    for size in (1e-3, 1.0, 1e3):  # unlike sizes: the rounding is that of their product
        m = torch.randn(4, 4, generator=generator, dtype=F64)
        v = size * torch.randn(4, 3, generator=generator, dtype=F64)
        u = 0.7 * torch.ones(2, 3, dtype=F64) @ torch.linalg.pinv(v)
        curve = OrbitCurve(net.symmetry, (m,), (v, u))
        assert float(loss_along(curve, net.loss, torch.linspace(0, 1, 7, dtype=F64)).max()) < 1e-24


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "mixed",
    [
        pytest.param(lambda x: x.mean().expand(len(x)), id="mean"),
        pytest.param(lambda x: x - x.mean() + 5, id="centred"),
        pytest.param(lambda x: x / (x.std(correction=0) + 1), id="scaled"),
        pytest.param(lambda x: x.cumsum(0), id="sum of those before"),
        pytest.param(lambda x: x + 1e-6 * x.sum(), id="a little"),
    ],
)
def test_a_loss_that_mixes_its_batch_is_refused(
    mixed: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    def loss(w: tuple[Tensor, ...]) -> Tensor:
        return mixed(1 - (2 * first(w).double() - 1) ** 2)

    message = r"^the loss at t = \S+ is \S+ in a batch of 101 points and \S+ alone: "
    with pytest.raises(MixedBatch, match=message):
        barrier(unit(dtype), loss)
    with pytest.raises(MixedBatch, match="in a batch of 3 points"):
        loss_along(unit(dtype), loss, torch.tensor([0.1, 0.4, 0.5], dtype=dtype))


@pytest.mark.bad_input
def test_what_cannot_be_resolved_is_refused() -> None:
    noise = lambda w: torch.sin(1e9 * first(w)) * first(w)  # noqa: E731
    with pytest.raises(OutOfDomain, match="^the loss is too rough: 20000 panels do not resolve it"):
        barrier(unit(), noise, tolerance=1e-6)
    for tolerance in (0.0, -1.0, math.nan):
        with pytest.raises(
            OutOfDomain, match=f"tolerance of a barrier is positive, got {tolerance}"
        ):
            barrier(unit(), first, tolerance=tolerance)
    with pytest.raises(OutOfDomain, match="refined maxima is 1 or more, got 0$"):
        barrier(unit(), first, refine=0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("loss", "message"),
    [
        pytest.param(
            lambda w: first(w).sum(),
            r"^the loss of 3 points has shape \(3,\), got \(\): "
            "the loss must accept a batch of points, as torch.func.vmap makes it",
            id="a number",
        ),
        pytest.param(lambda w: w[0], r"got \(3, 1\)", id="vectors"),
    ],
)
def test_a_loss_that_is_not_batched_is_refused(loss: Callable, message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        loss_along(unit(), loss, torch.zeros(3))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("loss", "max_bytes", "message"),
    [
        pytest.param(lambda w: 1 / first(w), 2**30, "^the loss at t = 0 is inf$", id="infinite"),
        pytest.param(
            lambda w: (first(w) - 0.5).sqrt(), 8, "^the loss at t = 0.25 is nan$", id="nan"
        ),
    ],
)
def test_losses_along_a_curve_are_finite(loss: Callable, max_bytes: int, message: str) -> None:
    with pytest.raises(NotFinite, match=message):
        loss_along(unit(), loss, torch.tensor([1.0, 0.25, 0.0], dtype=F64), max_bytes=max_bytes)


@pytest.mark.bad_input
def test_losses_of_a_barrier_are_finite() -> None:
    with pytest.raises(NotFinite, match="^the loss at t = 0 is -inf$"):
        barrier(unit(), lambda w: first(w).log())


@pytest.mark.bad_input
@pytest.mark.parametrize("most", [0, -5, math.nan])
def test_a_memory_of_nothing_holds_no_losses(most: float) -> None:
    with pytest.raises(OutOfDomain, match=f"^max_bytes is .*, got {most}$"):
        loss_along(unit(), first, torch.zeros(1), max_bytes=most)


@pytest.mark.bad_input
def test_one_point_has_no_barrier() -> None:
    with pytest.raises(OutOfDomain, match="got 1$"):
        barrier(unit(), first, points=1)


@pytest.mark.bad_input
def test_a_loss_of_one_point_is_told_how_to_become_one_of_a_batch() -> None:
    line = Line((torch.zeros(2),), (torch.ones(2),))
    for loss, got in (
        (lambda w: float(w[0].sum()), "got a float: torch.func.vmap makes such a loss"),
        (lambda w: w[0].sum(-1).tolist(), "got a list"),
        (lambda w: None, "got a NoneType"),
        (lambda w: w[0].sum(-1).long(), "got torch.int64"),
    ):
        for measure in (barrier, lambda c, f: loss_along(c, f, torch.tensor([0.0, 1.0]))):
            with pytest.raises(DtypeMismatch, match=got):
                measure(line, loss)
    one = lambda w: w[0].square().sum()  # noqa: E731
    with pytest.raises(ShapeMismatch, match=r"got \(\): .* a batch of points, as torch.func.vmap"):
        barrier(line, one)
    assert barrier(line, torch.func.vmap(one)).height == 2.0
