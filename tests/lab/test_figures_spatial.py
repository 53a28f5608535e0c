"""Surfaces to turn: where the weights are, in the colour of their component, on fixed axes."""

import pytest
import torch

import mc_lib as mc
from lab import figures, homeomorphism
from lab.residual_sheets import residual_sheets

ALT = "A picture of something for a test."


def scalar_net(epsilon, dtype):
    one = torch.eye(1, dtype=dtype)
    if epsilon == 0:
        return homeomorphism.sheets(mc.DeepLinear(one, one, (1, 1)), 2.0, 5)
    return residual_sheets(mc.ResidualLinear(one, one, 1, epsilon), 2.5, 5.0, 5)


def test_every_figure_is_valid_for_plotly(require_valid, dtype):
    sheets = [scalar_net(epsilon, dtype) for epsilon in (-1.0, 0.0, 1.0)]
    require_valid(figures.rotatable_sheets("turn", sheets[1], ALT))
    require_valid(figures.slider_sheets("epsilon", [-1.0, 0.0, 1.0], sheets, ALT))


def test_a_sheet_is_drawn_where_the_weights_are_in_the_colour_of_its_component(spec, dtype):
    w, signs = scalar_net(1.0, dtype)
    traces = spec(figures.rotatable_sheets("turn", (w, signs), ALT))["frames"][0]["traces"]
    assert len(traces) == 3
    for i, trace in enumerate(traces):
        for axis, weight in zip("xyz", w, strict=True):
            drawn = torch.tensor(trace[axis], dtype=dtype)
            assert torch.allclose(drawn, weight[i, ..., 0, 0], rtol=1e-3)
        colour = figures.COMPONENT[tuple(signs[i].tolist())]
        assert {c for _, c in trace["colorscale"]} == {colour}


def test_the_axes_of_surfaces_hold_all_of_them_and_do_not_change(spec):
    epsilons = [-1.0, 0.0, 1.0]
    sheets = [scalar_net(epsilon, torch.float64) for epsilon in epsilons]
    scene = spec(figures.slider_sheets("epsilon", epsilons, sheets, ALT))["layout"]["scene"]
    for i, axis in enumerate(("xaxis", "yaxis", "zaxis")):
        reach = max(float(w[i].abs().max()) for w, _ in sheets)
        low, high = scene[axis]["range"]
        assert -high == low
        assert reach < high < 1.1 * reach


@pytest.mark.bad_input
def test_sheets_for_some_values_only_are_refused():
    one = scalar_net(1.0, torch.float64)
    with pytest.raises(mc.errors.ShapeMismatch, match="2 values, got 1"):
        figures.slider_sheets("epsilon", [0.0, 1.0], [one], ALT)


@pytest.mark.bad_input
def test_sheets_of_no_component_are_refused():
    w, signs = scalar_net(1.0, torch.float64)
    with pytest.raises(mc.errors.ShapeMismatch, match="components out of"):
        figures.rotatable_sheets("turn", (w, 2 * signs), ALT)
