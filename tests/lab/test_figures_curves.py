"""The figures of chapter 6: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from lab import figures
from lab.sliders import cassini_sweep
from mc_lib.errors import OutOfDomain, ShapeMismatch

F64 = torch.float64
ONE, TWO = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3.0, 0.5, 8.0])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_points_are_drawn_with_the_line_that_bounds_them():
    groups = {"a": (ONE, TWO), "b": (10 * ONE, 10 * TWO)}
    axes = figures.scatter(groups, ("x", "y"), diagonal="y = x").axes[0]
    for line, (x, y) in zip(axes.lines, groups.values(), strict=False):
        np.testing.assert_array_equal(line.get_xydata(), torch.stack([x, y], 1))
    (diagonal,) = axes.lines[2:]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert list(diagonal.get_xdata()) == [0.0, 40.0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("x", "y", "linear")
    assert len({line.get_color() for line in axes.lines}) == 3


def test_points_on_logarithmic_scales():
    axes = figures.scatter({"a": (ONE, TWO)}, ("x", "y"), diagonal="d", logarithmic=True).axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert list(axes.lines[1].get_xdata()) == [1.0, 4.0]
    bare = figures.scatter({"a": (ONE, TWO), "none": (ONE[:0], TWO[:0])}, ("x", "y")).axes[0]
    assert [len(line.get_xdata()) for line in bare.lines] == [len(ONE), 0]


def test_the_map_shows_the_values_and_the_line_k_equals_h():
    values = torch.arange(6.0).reshape(2, 3) / 6
    axes = figures.loss_map([2, 4, 8], 4, [0.1, 1.0], values).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    assert axes.images[0].get_clim() == (0, 1)
    assert list(axes.lines[0].get_xdata()) == [1.5, 1.5]
    assert [x.get_text() for x in axes.get_xticklabels()] == ["0.5", "1", "2"]
    assert [x.get_text() for x in axes.get_yticklabels()] == ["0.1", "1"]


def test_the_ovals_their_chords_and_both_radii():
    sweep = cassini_sweep(torch.tensor([1.2, 1.5], dtype=F64), points=11)
    figure = figures.cassini(sweep)
    for i, axes in enumerate(figure.axes):
        rest, curve, chord, bound, far = axes.lines
        np.testing.assert_array_equal(curve.get_xydata(), sweep.lobe[i])
        np.testing.assert_array_equal(rest.get_xdata(), -curve.get_xdata())
        assert max(chord.get_ydata()) == float(sweep.chord[i]) / 2
        for circle, radius in ((bound, sweep.bound[i]), (far, sweep.distance[i])):
            np.testing.assert_allclose(np.hypot(*circle.get_data()), float(radius))
        assert axes.get_aspect() == 1
    assert figure.axes[1].get_xlabel() == "$c = 1.5$"


def test_deviations_are_grouped_by_dimension_below_the_bound():
    turn, ratio = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.1, 0.2, 0.3])
    size = torch.tensor([2.0, 50.0, 2.0])
    axes = figures.deviations(turn, ratio, size, (ONE, TWO)).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines[:2]] == [[1.0, 3.0], [2.0]]
    np.testing.assert_array_equal(axes.lines[2].get_xydata(), torch.stack([ONE, TWO], 1))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("groups", "logarithmic", "error", "message"),
    [
        pytest.param(
            {},
            False,
            ShapeMismatch,
            r"expected pairs of shapes \(n,\), \(n,\), got \[\]",
            id="no group",
        ),
        pytest.param(
            {"a": (ONE[:0], TWO[:0])}, False, ShapeMismatch, "at least one point", id="no point"
        ),
        pytest.param(
            {"a": (ONE, TWO[:2])}, False, ShapeMismatch, r"got \[\(\(3,\), \(2,\)\)\]", id="shapes"
        ),
        pytest.param(
            {str(i): (ONE, TWO) for i in range(6)},
            False,
            OutOfDomain,
            "at most 5 groups, got 6",
            id="six groups",
        ),
        pytest.param(
            {"a": (ONE, 0 * TWO)}, True, OutOfDomain, "positive values only", id="logarithm of zero"
        ),
    ],
)
def test_points_that_cannot_be_drawn_are_refused(groups, logarithmic, error, message):
    with pytest.raises(error, match=message):
        figures.scatter(groups, ("x", "y"), logarithmic=logarithmic)


@pytest.mark.bad_input
def test_a_map_of_another_shape_is_refused():
    with pytest.raises(ShapeMismatch, match=r"expected values \(1, 2\), got \(2, 1\)"):
        figures.loss_map([1, 2], 1, [0.5], torch.zeros(2, 1))


@pytest.mark.bad_input
def test_an_oval_without_a_bound_is_refused():
    with pytest.raises(OutOfDomain, match="gives no d_max"):
        figures.cassini(cassini_sweep(torch.tensor([2.5], dtype=F64), points=3))


@pytest.mark.bad_input
def test_deviations_of_another_shape_are_refused():
    with pytest.raises(ShapeMismatch, match=r"three tensors \(n,\), got \(3,\), \(2,\) and"):
        figures.deviations(ONE, TWO[:2], ONE, (ONE, TWO))
