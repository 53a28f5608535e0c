"""The figures of the uses: what is drawn is what was given."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import mc_lib as mc
from lab import figures

mpl.use("Agg")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def test_means_and_spreads_are_over_the_seeds():
    scores = torch.tensor([[[0.1, 0.9], [0.3, 0.7]], [[0.5, 0.5], [0.7, 0.1]]])
    start = torch.tensor([[0.8, 0.0], [0.6, 0.0]])
    axes = figures.tradeoff({"a": scores}, ("old", "new"), start).axes[0]
    bars = axes.containers[0]
    assert np.allclose(bars.lines[0].get_xydata(), [[0.2, 0.8], [0.6, 0.3]])
    across = bars.lines[2][0].get_segments()[0]
    assert np.allclose(across[:, 0], [0.2 - 0.02**0.5, 0.2 + 0.02**0.5])
    assert np.allclose(axes.lines[-1].get_xdata(), 0.7)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("old", "new")


def test_without_a_start_there_is_no_reference_line():
    scores = torch.rand(2, 3, 2)
    labels = [x.get_text() for x in figures.tradeoff({"a": scores}, ("", "")).legends[0].texts]
    assert labels == ["a"]


def test_every_seed_and_the_mean_of_every_row_are_drawn():
    values = torch.tensor([[1.0, 3.0], [10.0, 30.0]])
    figure = figures.dots({"a": values}, ["x", "y"], "size", reference=(0.5, "one"))
    axes = figure.axes[0]
    assert [x.get_text() for x in axes.get_yticklabels()] == ["x", "y"]
    assert np.allclose(axes.lines[0].get_xydata(), [[1, 0], [10, 1]])
    assert np.allclose(axes.lines[1].get_xydata(), [[3, 0], [30, 1]])
    assert np.allclose(axes.lines[2].get_xydata(), [[2, 0], [20, 1]])
    assert np.allclose(axes.lines[3].get_xdata(), 0.5)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_kinds_stand_beside_one_another_in_their_row():
    groups = {"a": torch.ones(1, 2), "b": torch.ones(1, 2)}
    figure = figures.dots(groups, ["x"], "size", logarithmic=True)
    axes = figure.axes[0]
    heights = sorted({float(line.get_ydata()[0]) for line in axes.lines})
    assert np.allclose(heights, [-0.125, 0.125])
    assert axes.get_xscale() == "log"
    assert len({line.get_color() for line in axes.lines}) == 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("scores", "start", "message"),
    [
        pytest.param(torch.rand(2, 1, 2), None, r"\(s, r, 2\) with r ≥ 2", id="one seed"),
        pytest.param(torch.rand(2, 3, 2), torch.rand(3), r"start as \(r, 2\)", id="start"),
    ],
)
def test_scores_of_another_shape_are_refused(scores, start, message):
    with pytest.raises(mc.errors.ShapeMismatch, match=message):
        figures.tradeoff({"a": scores}, ("", ""), start)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("groups", "logarithmic", "error", "message"),
    [
        pytest.param(
            {"a": torch.ones(2, 3)},
            False,
            mc.errors.ShapeMismatch,
            r"expected \(1, seeds\)",
            id="rows",
        ),
        pytest.param(
            {"a": torch.zeros(1, 3)},
            True,
            mc.errors.OutOfDomain,
            "positive numbers only",
            id="logarithm of zero",
        ),
        pytest.param(
            {str(i): torch.ones(1, 2) for i in range(6)},
            False,
            mc.errors.OutOfDomain,
            "at most 5 kinds",
            id="six kinds",
        ),
    ],
)
def test_dots_that_cannot_be_drawn_are_refused(groups, logarithmic, error, message):
    with pytest.raises(error, match=message):
        figures.dots(groups, ["x"], "", logarithmic=logarithmic)
