import math

import pytest
import torch

from mc_lib import minima
from mc_lib.curves import Line
from mc_lib.errors import NotAMinimum, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.networks import DeepLinear, ResidualLinear

ONE = torch.eye(1, dtype=torch.float64)


def net(epsilon: float, hidden: int = 1) -> ResidualLinear:
    return ResidualLinear(ONE, 3 * ONE, hidden=hidden, epsilon=epsilon)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_crossing_of_a_line_is_where_w1_vanishes(dtype):
    one = torch.eye(1, dtype=dtype)
    w1, w2 = minima.crossing(Line((2 * one, 0 * one), (-1 * one, 3 * one)))  # at t = 2/3
    assert abs(float(w1)) < 1e-6 and float(w2) == pytest.approx(2.0, abs=1e-5)
    assert w2.dtype == dtype


@pytest.mark.parametrize("epsilon", [1.0, 0.1, -0.1, 1e-3])
def test_every_path_crosses_w1_at_the_same_height(epsilon):
    s = math.copysign(1.0, epsilon)
    ends = [(a * ONE, a * s * ONE, 3 * ONE / (s + epsilon)) for a in (1.0, -1.0)]
    w3 = minima.crossing(minima.connect(net(epsilon), *ends))[2]
    assert abs(float(w3)) == pytest.approx(3 / abs(epsilon), rel=1e-9)


@pytest.mark.parametrize("epsilon", [2.0, -0.3, 1e-4])
def test_the_gap_is_that_of_the_two_vertices(epsilon):
    assert minima.forbidden_gap(net(epsilon)) == pytest.approx(2 * math.sqrt(2 * abs(epsilon)))


def test_the_gap_of_few_points_is_never_too_small():
    assert minima.forbidden_gap(net(1.0), points=4) > 2 * math.sqrt(2)


def test_relative_loss_is_the_worst_of_the_batch_over_the_size_of_y():
    w = (ONE, torch.stack([ONE, 2 * ONE, -ONE]))  # Y = 3: losses 4, 1, 16
    plain = DeepLinear(ONE, 3 * ONE, (1,))
    assert minima.relative_loss(plain, w) == 16 / 9


def test_loss_between_is_a_loss_or_none():
    plain = DeepLinear(ONE, ONE, (1,))
    assert minima.loss_between(plain, (ONE, ONE), (-ONE, -ONE)) is None
    found = minima.loss_between(plain, (ONE, ONE), (8 * ONE, ONE / 8))
    curve = minima.connect(plain, (ONE, ONE), (8 * ONE, ONE / 8))
    t = torch.linspace(0, 1, 21, dtype=torch.float64)
    assert found == float(plain.loss(curve(t)).max()) < 1e-28


@pytest.mark.bad_input
def test_other_errors_than_not_connected_are_not_swallowed():
    with pytest.raises(NotAMinimum):
        minima.loss_between(DeepLinear(ONE, ONE, (1,)), (ONE, ONE), (ONE, 2 * ONE))


@pytest.mark.bad_input
def test_one_time_is_no_path():
    with pytest.raises(OutOfDomain, match="got points = 1"):
        minima.loss_between(DeepLinear(ONE, ONE, (1,)), (ONE, ONE), (ONE, ONE), points=1)


@pytest.mark.bad_input
def test_relative_loss_needs_a_target():
    with pytest.raises(RankDeficient, match="Y = 0"):
        minima.relative_loss(DeepLinear(ONE, 0 * ONE, (1,)), (ONE, ONE))


@pytest.mark.bad_input
def test_a_curve_on_one_side_has_no_crossing():
    with pytest.raises(OutOfDomain, match="1 and 2 at the ends"):
        minima.crossing(Line((ONE,), (2 * ONE,)))
    with pytest.raises(OutOfDomain, match="0 and 2 at the ends"):
        minima.crossing(Line((0 * ONE,), (2 * ONE,)))


@pytest.mark.bad_input
def test_a_crossing_needs_numbers():
    two = torch.eye(2, dtype=torch.float64)
    with pytest.raises(ShapeMismatch, match=r"got \(2, 2\)"):
        minima.crossing(Line((two,), (-two,)))


@pytest.mark.bad_input
@pytest.mark.parametrize(("epsilon", "points"), [(0.0, 100), (1.0, 2)])
def test_a_gap_needs_two_branches_and_points(epsilon, points):
    with pytest.raises(OutOfDomain, match=f"got {epsilon} and {points}"):
        minima.forbidden_gap(net(epsilon), points=points)


@pytest.mark.bad_input
def test_a_gap_needs_numbers():
    with pytest.raises(ShapeMismatch, match="2 hidden neurons"):
        minima.forbidden_gap(net(1.0, hidden=2))
