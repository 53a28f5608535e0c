"""The figures of Section 5 show the arrays they are given, and refuse all others."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from lab import figures
from lab.figures.style import CURVE, SEGMENT
from mc_lib.errors import OutOfDomain, ShapeMismatch

mpl.use("Agg")
T = torch.linspace(0, 1, 5, dtype=torch.float64)
X = torch.tensor([1.0, 10.0, 100.0])
ROWS = torch.stack([X, X**2])
POINTS = torch.stack([T, 1 - T])


@pytest.fixture(autouse=True)
def no_figures_left():
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


def texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_rescalings_show_the_minimum_the_segments_and_the_losses():
    ends = torch.tensor([[3.0, 4.0], [5.0, 6.0]])
    losses = torch.stack([T, 2 * T])
    figure = figures.rescalings(POINTS, POINTS[:, 0], ends, T, losses, torch.tensor([2.0, 8.0]))
    plane, loss = figure.axes
    np.testing.assert_array_equal(plane.lines[0].get_xydata(), POINTS.mT)
    for i in range(2):
        np.testing.assert_array_equal(plane.lines[i + 1].get_xydata(), [[0, 1], ends[i].tolist()])
        np.testing.assert_array_equal(loss.lines[i + 1].get_ydata(), losses[i])
        np.testing.assert_array_equal(loss.lines[i + 1].get_xdata(), T)
    assert list(loss.lines[0].get_ydata()) == [0, 0]  # the zero line
    colours = [to_hex(line.get_color()).upper() for line in plane.lines]
    assert colours == [CURVE, SEGMENT, SEGMENT]
    assert texts(figure) == ["minimum", "m = 2", "m = 8"]


def test_growth_shows_marks_and_lines_on_every_scale():
    measured = ROWS * 1.5
    figure = figures.growth(X, measured, ROWS, ["a", "b"], ("in", "out"), ("linear", "log"))
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log"]
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]
    for axes in figure.axes:
        for i in range(2):
            line, marks = axes.lines[2 * i : 2 * i + 2]
            np.testing.assert_array_equal(line.get_ydata(), ROWS[i])
            np.testing.assert_array_equal(marks.get_ydata(), measured[i])
            np.testing.assert_array_equal(marks.get_xdata(), X)
            assert marks.get_linestyle() == "None"
            assert marks.get_color() == line.get_color()
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("in", "out")
        assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "10", "100"]
    assert texts(figure) == ["a", "b"]


def test_marks_on_one_line_take_turns():
    line = ROWS[:1].expand(2, -1)
    for axes in figures.growth(X, line, line, ["a", "b"], ("x", "y")).axes:
        assert [marks.get_markevery() for marks in axes.lines[1::2]] == [(0, 2), (1, 2)]
    (axes,) = figures.growth(X, ROWS, ROWS, ["a", "b"], ("x", "y")).axes
    assert [marks.get_markevery() for marks in axes.lines] == [None] * 4


def test_many_values_are_not_all_named():
    x = torch.arange(1.0, 10.0)
    (axes,) = figures.growth(x, x[None], x[None], ["a"], ("in", "out")).axes
    assert len(axes.get_xticks()) != 9


def test_brackets_show_the_band_and_the_leading_term():
    figure = figures.brackets(X, ROWS / 2, ROWS, ROWS * 3, ["n = 4", "n = 8"])
    for i, axes in enumerate(figure.axes):
        upper, lower, leading = (line.get_ydata() for line in axes.lines)
        np.testing.assert_array_equal(upper, ROWS[i])
        np.testing.assert_array_equal(lower, ROWS[i] / 2)
        np.testing.assert_array_equal(leading, ROWS[i] * 3)
        assert axes.get_xlabel() == f"$m$\n{['n = 4', 'n = 8'][i]}"
        assert len(axes.collections) == 1
    assert texts(figure) == ["best permutation", "lower bound", "leading term"]


def test_four_brackets_stand_in_a_square():
    figure = figures.brackets(X, *[ROWS[[0, 1, 0]]] * 3, ["a", "b", "c"])
    spots = [axes.get_subplotspec().get_geometry()[:3] for axes in figure.axes]
    assert spots == [(2, 2, 0), (2, 2, 1), (2, 2, 2)]


def test_heatmaps_share_one_scale():
    scores = torch.stack([torch.eye(3), torch.full((3, 3), 0.5)])
    figure = figures.heatmaps(scores, ["sharp", "soft"], ("key", "query"))
    for axes, x, name in zip(figure.axes, scores, ["sharp", "soft"], strict=False):
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array(), x)
        assert image.get_clim() == (0, 1)
        assert (axes.get_title(), axes.get_xlabel()) == (name, "key")
    assert figure.axes[0].get_ylabel() == "query"


def test_pairs_show_both_kinds_and_all_three_bounds():
    same = torch.tensor([True, False, True])
    (axes,) = figures.pairs(X, ROWS[1], same, 0.5, 2.0, 7.0).axes
    one, two = axes.collections
    np.testing.assert_array_equal(one.get_offsets(), [[1, 1], [100, 10_000]])
    np.testing.assert_array_equal(two.get_offsets(), [[10, 100]])
    ceiling, floor, nearest = axes.lines
    np.testing.assert_array_equal(ceiling.get_ydata(), [2, 2e8])
    assert set(floor.get_ydata()) == {0.5}
    assert set(nearest.get_xdata()) == {7.0}
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_spreads_show_the_median_and_the_middle_80_percent():
    x = torch.arange(1.0, 102.0)
    (axes,) = figures.spreads([x, 10 * x], ["a", "b"], "size").axes
    for row, scale in enumerate((1, 10)):
        bar, dot = axes.lines[2 * row : 2 * row + 2]
        np.testing.assert_allclose(bar.get_xdata(), [11 * scale, 91 * scale])
        np.testing.assert_allclose(dot.get_xdata(), [51 * scale])
        assert list(bar.get_ydata()) == [row, row]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xlabel() == "size"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row on top


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(
            lambda: figures.rescalings(POINTS, POINTS[:, 0], POINTS, T, ROWS, X[:2]),
            id="rescalings",
        ),
        pytest.param(
            lambda: figures.rescalings(
                POINTS, POINTS[:, 0], torch.ones(5, 2), T, T.expand(5, 5), torch.ones(5)
            ),
            id="five rescalings",
        ),
        pytest.param(
            lambda: figures.growth(X, ROWS, ROWS[:1], ["a", "b"], ("x", "y")), id="growth"
        ),
        pytest.param(
            lambda: figures.growth(X, ROWS, ROWS, ["a"], ("x", "y")), id="growth with one name"
        ),
        pytest.param(lambda: figures.brackets(X, ROWS, ROWS, ROWS[:1], ["a", "b"]), id="brackets"),
        pytest.param(
            lambda: figures.brackets(X, ROWS[:0], ROWS[:0], ROWS[:0], []), id="no brackets"
        ),
        pytest.param(lambda: figures.heatmaps(torch.eye(2), ["a"], ("j", "i")), id="heatmaps"),
        pytest.param(
            lambda: figures.heatmaps(torch.eye(2)[None], ["a", "b"], ("j", "i")),
            id="heatmaps with two names",
        ),
        pytest.param(lambda: figures.pairs(X, X[:2], X > 1, 1.0, 1.0, 1.0), id="pairs"),
        pytest.param(
            lambda: figures.pairs(ROWS, ROWS, ROWS > 1, 1.0, 1.0, 1.0), id="pairs of rows"
        ),
        pytest.param(lambda: figures.spreads([X], ["a", "b"], "size"), id="spreads"),
        pytest.param(lambda: figures.spreads([X[:0]], ["a"], "size"), id="spread of nothing"),
    ],
)
def test_other_shapes_are_refused(draw):
    with pytest.raises(ShapeMismatch, match="expected"):
        draw()


@pytest.mark.bad_input
@pytest.mark.parametrize("scales", [(), ("log", "cubic")], ids=str)
def test_unknown_scales_are_refused(scales):
    with pytest.raises(OutOfDomain, match="'log' or 'linear'"):
        figures.growth(X, ROWS, ROWS, ["a", "b"], ("x", "y"), scales)
