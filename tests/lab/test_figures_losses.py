"""Losses over their times: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from lab import figures
from mc_lib.errors import OutOfDomain, ShapeMismatch

ONE, TWO = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3.0, 0.5, 8.0])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_losses_are_drawn_over_their_times_and_0_has_a_place():
    t = torch.tensor([0.0, 0.5, 1.0])
    path = torch.tensor([[0.0, 1e-33, 0.0], [1e-20, 2e-20, 0.0]], dtype=torch.float64)
    segment = torch.tensor([[0.0, 2.0, 0.0], [0.0, 3.0, 0.0]], dtype=torch.float64)
    axes = figures.path_against_segment(t, path, segment, linear=1.0).axes[0]
    assert axes.get_yscale() == "symlog" and axes.get_ylim()[0] < 0
    assert axes.yaxis.get_transform().linthresh == 1.0
    heights = [list(line.get_ydata()) for line in axes.lines]
    assert heights == [
        [0.0, 2.0, 0.0],
        [0.0, 3.0, 0.0],
        [0.0, 1e-33, 0.0],
        [1e-20, 2e-20, 0.0],
    ]
    colours = [line.get_color() for line in axes.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_losses_are_drawn_as_mean_and_band():
    t = torch.tensor([0.0, 1.0])
    losses = torch.tensor([[1.0, 2.0], [3.0, 6.0], [1e-9, 1.0]])
    panels = {
        "(b)": {"curve": losses, "segment": 2 * losses},
        "(c)": {"segment": losses, "fibre": losses},
    }
    figure = figures.losses_with_spread(t, panels, "loss", linear=0.5)
    first, second = figure.axes
    np.testing.assert_allclose(first.lines[0].get_ydata(), [(4 + 1e-9) / 3, 3.0])
    band = first.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (float(losses.min()), 6.0)
    assert first.get_yscale() == second.get_yscale() == "symlog"
    above = figures.losses_with_spread(t, panels, "loss", linear=1e-10).axes
    assert [axes.get_yscale() for axes in above] == ["log", "log"]  # nothing is below
    assert first.lines[1].get_color() == second.lines[0].get_color()  # segments everywhere
    assert first.lines[0].get_color() != first.lines[1].get_color()
    assert (first.get_xlabel(), first.get_ylabel()) == ("$t$\n(b)", "loss")


@pytest.mark.bad_input
@pytest.mark.parametrize("times", [3, 2])
def test_shapes_that_do_not_fit_are_refused(times):
    with pytest.raises(ShapeMismatch, match=rf"got \(3,\), \(1, 2\) and \(1, {times}\)"):
        figures.path_against_segment(
            torch.linspace(-1, 1, 3), torch.ones(1, 2), torch.ones(1, times), 1e-30
        )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("curves", "error", "message"),
    [
        pytest.param({"curve": TWO}, ShapeMismatch, r"expected \(r, 3\), got \(3,\)", id="one run"),
        pytest.param(
            {str(i): TWO[None] for i in range(5)},
            OutOfDomain,
            "at most four kinds of curves are told apart, got 5",
            id="five kinds",
        ),
    ],
)
def test_losses_that_cannot_be_drawn_are_refused(curves, error, message):
    with pytest.raises(error, match=message):
        figures.losses_with_spread(ONE, {"(b)": curves}, "loss", 1e-9)
