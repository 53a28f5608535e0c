"""The figures that compare methods show the arrays they are given, and refuse all others."""

import matplotlib.pyplot as plt
import pytest
import torch

from lab import figures
from mc_lib.errors import ShapeMismatch


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_each_path_has_a_panel_over_the_segment():
    t = torch.linspace(0, 1, 5)
    figure = figures.paths_beside_segment(t, {n: 1 + t for n in "abcdef"}, 3 - t)
    assert [a.get_title() for a in figure.axes] == list("abcdef")
    for axes in figure.axes:
        segment, path = axes.lines
        assert segment.get_ydata().tolist() == (3 - t).tolist()
        assert path.get_ydata().tolist() == (1 + t).tolist()
        assert axes.get_yscale() == "log"
    below = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
    assert below == [False, True, True, True, True, True]  # the lowest panel of each column


def test_barriers_show_every_pair_and_the_mean():
    train, test = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([[2.0, 2.0], [0.5, 0.1]])
    axes = figures.barriers(["a", "b"], train, test).axes[0]
    shown = [line.get_xdata() for line in axes.lines]
    assert any(list(x) == [1.0, 3.0] for x in shown) and any(list(x) == [2.0, 2.0] for x in shown)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xlim()[0] < 0 and axes.get_ylim()[0] > axes.get_ylim()[1]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("curves", "message"),
    [
        pytest.param(
            {"a": torch.linspace(0, 0.5, 2)},
            r"each of the 3 times, got \{'a': \(2,\)\}",
            id="times",
        ),
        pytest.param({}, "3 times", id="none"),
    ],
)
def test_paths_without_a_loss_for_every_time_are_refused(curves, message):
    t = torch.linspace(0, 1, 3)
    with pytest.raises(ShapeMismatch, match=message):
        figures.paths_beside_segment(t, curves, t)


@pytest.mark.bad_input
def test_barriers_without_a_name_for_each_are_refused():
    with pytest.raises(ShapeMismatch, match="for 1 methods"):
        figures.barriers(["a"], torch.eye(2), torch.eye(2))
