"""The sheets of the 1 × 1 residual network: on the minimum, one a component, up to the height."""

import math

import pytest
import torch

from lab.residual_sheets import residual_sheets
from mc_lib import minima
from mc_lib.errors import OutOfDomain, RankDeficient
from mc_lib.networks import ResidualLinear

ONE, TWO = torch.eye(1), torch.eye(2)


@pytest.mark.parametrize("epsilon", [0.5, -2.0])
def test_each_sheet_lies_in_its_component_of_the_minimum(epsilon, dtype):
    net = ResidualLinear(ONE.to(dtype), 3 * ONE.to(dtype), 1, epsilon)
    w, signs = residual_sheets(net, extent=2.0, height=10.0, points=7)
    assert [x.shape for x in w] == [(3, 7, 7, 1, 1)] * 3
    assert all(x.dtype == dtype for x in w)
    assert minima.relative_loss(net, w) < (1e-10 if dtype == torch.float32 else 1e-26)
    assert (minima.component(net, w) == signs[:, None, None]).all()
    assert signs.tolist() == [[1, 0], [-1, 1], [-1, -1]]


@pytest.mark.parametrize("epsilon", [0.5, -2.0])
def test_every_sheet_reaches_the_height_and_none_exceeds_it(epsilon):
    net = ResidualLinear(ONE, 3 * ONE, 1, epsilon)
    w, _ = residual_sheets(net, extent=2.0, height=10.0, points=7)
    highest = w[2].abs().amax((1, 2)).flatten()
    torch.testing.assert_close(highest, torch.full((3,), 10.0))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "net",
    [
        pytest.param(ResidualLinear(ONE, ONE, 1, 0.0), id="no skip"),
        pytest.param(ResidualLinear(ONE, ONE, 2, 1.0), id="two neurons"),
        pytest.param(ResidualLinear(TWO, TWO, 1, 1.0), id="matrices"),
    ],
)
def test_only_numbers_with_a_skip_have_sheets(net):
    with pytest.raises(OutOfDomain, match="expected 1 × 1 weights and ε ≠ 0"):
        residual_sheets(net, 2.0, 8.0, 5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("extent", "height", "points"),
    [(0.0, 8.0, 5), (math.inf, 8.0, 5), (2.0, 1.0, 5), (2.0, math.inf, 5), (2.0, 8.0, 1)],
)
def test_a_grid_out_of_range_is_refused(extent, height, points):
    message = rf"height > \|A/ε\| = 1 and points ≥ 2, got {extent}, {height} and {points}"
    with pytest.raises(OutOfDomain, match=message):
        residual_sheets(ResidualLinear(ONE, ONE, 1, 1.0), extent, height, points)


@pytest.mark.bad_input
def test_the_zero_target_has_no_sheets():
    with pytest.raises(RankDeficient):
        residual_sheets(ResidualLinear(ONE, 0 * ONE, 1, 1.0), 2.0, 8.0, 5)
