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


def test_losses_are_drawn_as_mean_and_band():
    t = torch.tensor([0.0, 1.0])
    losses = torch.tensor([[1.0, 2.0], [3.0, 6.0], [1e-9, 1.0]])
    panels = {
        "(b)": {"curve": losses, "segment": 2 * losses},
        "(c)": {"segment": losses, "fibre": losses},
    }
    figure = figures.losses_with_spread(t, panels, "loss", floor=0.5)
    first, second = figure.axes
    np.testing.assert_allclose(first.lines[0].get_ydata(), [4.5 / 3, 3.0])
    band = first.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.5, 6.0)
    assert first.get_yscale() == second.get_yscale() == "log"
    assert first.lines[1].get_color() == second.lines[0].get_color()  # segments everywhere
    assert first.lines[0].get_color() != first.lines[1].get_color()
    assert (first.get_xlabel(), first.get_ylabel()) == ("$t$\n(b)", "loss")


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
def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeMismatch, match=r"expected pairs of shapes \(n,\), \(n,\), got \[\]"):
        figures.scatter({}, ("x", "y"))
    with pytest.raises(ShapeMismatch, match="at least one point"):
        figures.scatter({"a": (ONE[:0], TWO[:0])}, ("x", "y"))
    with pytest.raises(ShapeMismatch, match=r"got \[\(\(3,\), \(2,\)\)\]"):
        figures.scatter({"a": (ONE, TWO[:2])}, ("x", "y"))
    with pytest.raises(OutOfDomain, match="at most 5 groups, got 6"):
        figures.scatter({str(i): (ONE, TWO) for i in range(6)}, ("x", "y"))
    with pytest.raises(OutOfDomain, match="positive values only"):
        figures.scatter({"a": (ONE, 0 * TWO)}, ("x", "y"), logarithmic=True)
    with pytest.raises(ShapeMismatch, match=r"expected \(r, 3\), got \(3,\)"):
        figures.losses_with_spread(ONE, {"(b)": {"curve": TWO}}, "loss", 1e-9)
    many = {str(i): TWO[None] for i in range(5)}
    with pytest.raises(OutOfDomain, match="at most four kinds of curves are told apart, got 5"):
        figures.losses_with_spread(ONE, {"(b)": many}, "loss", 1e-9)
    with pytest.raises(ShapeMismatch, match=r"expected values \(1, 2\), got \(2, 1\)"):
        figures.loss_map([1, 2], 1, [0.5], torch.zeros(2, 1))
    with pytest.raises(OutOfDomain, match="gives no d_max"):
        figures.cassini(cassini_sweep(torch.tensor([2.5], dtype=F64), points=3))
    with pytest.raises(ShapeMismatch, match=r"three tensors \(n,\), got \(3,\), \(2,\) and"):
        figures.deviations(ONE, TWO[:2], ONE, (ONE, TWO))
