"""The passage of Proposition 4.3: where W_1 changes its sign, and how narrow the gap is."""

import math

import pytest
import torch

from lab.crossing import crossing, forbidden_gap
from mc_lib import minima
from mc_lib.curves import Line
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.networks import ResidualLinear

ONE = torch.eye(1, dtype=torch.float64)


def net(epsilon: float, hidden: int = 1) -> ResidualLinear:
    return ResidualLinear(ONE, 3 * ONE, hidden=hidden, epsilon=epsilon)


def test_the_crossing_of_a_line_is_where_w1_vanishes(dtype):
    one = torch.eye(1, dtype=dtype)
    w1, w2 = crossing(Line((2 * one, 0 * one), (-1 * one, 3 * one)))  # at t = 2/3
    assert abs(float(w1)) < 1e-6 and float(w2) == pytest.approx(2.0, abs=1e-5)
    assert w2.dtype == dtype


@pytest.mark.parametrize("epsilon", [1.0, 0.1, -0.1, 1e-3])
def test_every_path_crosses_w1_at_the_same_height(epsilon):
    s = math.copysign(1.0, epsilon)
    ends = [(a * ONE, a * s * ONE, 3 * ONE / (s + epsilon)) for a in (1.0, -1.0)]
    w3 = crossing(minima.connect(net(epsilon), *ends))[2]
    assert abs(float(w3)) == pytest.approx(3 / abs(epsilon), rel=1e-9)


@pytest.mark.parametrize("epsilon", [2.0, -0.3, 1e-4])
def test_the_gap_is_that_of_the_two_vertices(epsilon):
    assert forbidden_gap(net(epsilon)) == pytest.approx(2 * math.sqrt(2 * abs(epsilon)))


def test_the_gap_of_few_points_is_never_too_small():
    assert forbidden_gap(net(1.0), points=4) > 2 * math.sqrt(2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("start", "ends"),
    [
        pytest.param(ONE, "1 and 2 at the ends", id="positive"),
        pytest.param(0 * ONE, "0 and 2 at the ends", id="zero"),
    ],
)
def test_a_curve_on_one_side_has_no_crossing(start, ends):
    with pytest.raises(OutOfDomain, match=ends):
        crossing(Line((start,), (2 * ONE,)))


@pytest.mark.bad_input
def test_a_crossing_needs_numbers():
    two = torch.eye(2, dtype=torch.float64)
    with pytest.raises(ShapeMismatch, match=r"got \(2, 2\)"):
        crossing(Line((two,), (-two,)))


@pytest.mark.bad_input
@pytest.mark.parametrize(("epsilon", "points"), [(0.0, 100), (1.0, 2)])
def test_a_gap_needs_two_branches_and_points(epsilon, points):
    with pytest.raises(OutOfDomain, match=f"got {epsilon} and {points}"):
        forbidden_gap(net(epsilon), points=points)


@pytest.mark.bad_input
def test_a_gap_needs_numbers():
    with pytest.raises(ShapeMismatch, match="2 hidden neurons"):
        forbidden_gap(net(1.0, hidden=2))
