"""The minimum with a skip connection: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from lab import figures
from mc_lib.errors import ShapeMismatch


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_pieces_are_drawn_where_they_are():
    x, y = torch.tensor([-2.0, -1.0, 1.0]), torch.tensor([-1.0, 3.0])
    piece = torch.tensor([[2, 4], [0, 2], [1, 3]])
    axes = figures.pieces(x, y, piece, epsilon=0.5).axes[0]
    drawn = axes.collections[0].get_array()
    assert drawn.shape == (2, 3)
    np.testing.assert_array_equal(drawn.filled(0), piece.T)
    assert drawn.mask.sum() == 1
    assert axes.get_xlim() == (-2, 1)
    assert axes.get_ylim() == (-1, 3)


def test_the_hyperbola_is_where_the_block_vanishes():
    x = torch.linspace(-2, 2, 4)
    axes = figures.pieces(x, x, torch.ones(4, 4), epsilon=0.5).axes[0]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    for line in dashed:
        np.testing.assert_allclose(line.get_xdata() * line.get_ydata(), -0.5)


def test_the_line_s0_stands_at_zero():
    x = torch.linspace(-2, 2, 4)
    axes = figures.pieces(x, x, torch.ones(4, 4), epsilon=0.5).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 3] == [[0, 0]]


def test_the_closing_passage_is_drawn_with_its_two_laws():
    epsilon = torch.tensor([0.5, 2.0], dtype=torch.float64)
    height, gap = torch.tensor([[2.0, 0.5], [3.0, 0.6]]), torch.tensor([[1.0, 4.0], [1.1, 4.1]])
    piece = torch.tensor([[[1, 2], [3, 4]], [[0, 1], [1, 0]]])
    left, right, below = figures.closing(piece, [1.0, -1.0], epsilon, height, gap).axes
    assert left.images[0].get_array().tolist() == [[1, 3], [2, 4]]  # W_1 to the right
    assert left.images[0].origin == "lower" and right.get_xlabel() == r"$\varepsilon = -1$"
    drawn = [line.get_ydata().tolist() for line in below.lines]
    assert drawn[0] == [2.0, 0.5] and drawn[3] == [2.0, 4.0]  # 1/ε and 2√(2ε)
    assert drawn[1:3] == height.tolist()
    assert torch.tensor(drawn[4:]).allclose(gap)
    assert below.get_xscale() == below.get_yscale() == "log"


@pytest.mark.bad_input
def test_pieces_of_another_shape_are_refused():
    x = torch.linspace(-1, 1, 3)
    with pytest.raises(ShapeMismatch, match=r"got \(3,\), \(3,\) and \(3, 2\)"):
        figures.pieces(x, x, torch.ones(3, 2), 1.0)


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", ["piece", "height", "gap", "shown"])
def test_a_closing_passage_of_other_shapes_is_refused(bad):
    given = {
        "piece": torch.ones(1, 2, 2),
        "shown": [1.0],
        "epsilon": torch.ones(3),
        "height": torch.ones(2, 3),
        "gap": torch.ones(2, 3),
    }
    wrong = {"piece": torch.ones(2, 2, 2), "shown": [], "height": torch.ones(3, 2)}
    given[bad] = wrong.get(bad, torch.ones(2, 4))
    with pytest.raises(ShapeMismatch, match="expected shapes"):
        figures.closing(**given)
