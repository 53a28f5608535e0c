"""Losses along curves and their barriers, against closed forms and fine grids."""

import math
from dataclasses import replace

import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mc_lib.curves import Line, OrbitCurve, PolygonalChain, RescalingCurve
from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch
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
    assert sizes == [11, 3, 3, 3, 2]
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


@pytest.mark.bad_input
def test_a_loss_that_is_not_batched_is_refused() -> None:
    message = (
        r"^the loss of 3 points has shape \(3,\), got \(\): "
        "the loss must accept a batch of points$"
    )
    with pytest.raises(ShapeMismatch, match=message):
        loss_along(unit(), lambda w: first(w).sum(), torch.zeros(3))
    with pytest.raises(ShapeMismatch, match=r"got \(3, 1\)"):
        loss_along(unit(), lambda w: w[0], torch.zeros(3))


@pytest.mark.bad_input
def test_losses_are_finite() -> None:
    t = torch.tensor([1.0, 0.25, 0.0], dtype=F64)
    with pytest.raises(NotFinite, match="^the loss at t = 0 is inf$"):
        loss_along(unit(), lambda w: 1 / first(w), t)
    with pytest.raises(NotFinite, match="^the loss at t = 0.25 is nan$"):
        loss_along(unit(), lambda w: (first(w) - 0.5).sqrt(), t, max_bytes=8)
    with pytest.raises(NotFinite, match="^the loss at t = 0 is -inf$"):
        barrier(unit(), lambda w: first(w).log())


@pytest.mark.bad_input
def test_sizes_are_positive() -> None:
    for most in (0, -5, math.nan):
        with pytest.raises(OutOfDomain, match=f"^max_bytes is .*, got {most}$"):
            loss_along(unit(), first, torch.zeros(1), max_bytes=most)
    with pytest.raises(OutOfDomain, match="got 1$"):
        barrier(unit(), first, points=1)
