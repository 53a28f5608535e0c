"""Pieces of grid sets: faces join cells, corners do not, in any dimension."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as hnp

from lab import topology
from lab.topology import count_grid_components, label_grid
from mc_lib.errors import DtypeMismatch, OutOfDomain, ShapeMismatch

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
grids = hnp.arrays(bool, shapes).map(torch.from_numpy)


def flood(inside):
    """The labels by the textbook: from each new cell, flood all that faces reach."""
    labels = np.zeros(inside.shape, dtype=int)
    number = 0
    for cell in itertools.product(*map(range, inside.shape)):
        if not inside[cell] or labels[cell]:
            continue
        number += 1
        todo = [cell]
        while todo:
            here = todo.pop()
            labels[here] = number
            for axis, step in itertools.product(range(len(cell)), (-1, 1)):
                there = (*here[:axis], here[axis] + step, *here[axis + 1 :])
                ok = 0 <= there[axis] < inside.shape[axis]
                if ok and inside[there] and not labels[there]:
                    todo.append(there)
    return labels


# -- the labels ----------------------------------------------------------------
@given(grids)
def test_labels_are_those_of_a_flood(inside):
    expected = flood(inside.numpy())
    labels = label_grid(inside)
    assert labels.dtype == torch.int64
    np.testing.assert_array_equal(labels.numpy(), expected)
    assert count_grid_components(inside) == expected.max(initial=0)


def test_pieces_are_numbered_as_they_first_occur():
    # the third cell of the first row belongs to the first piece by way of the second row
    inside = torch.tensor([[1, 0, 1, 0, 1], [1, 1, 1, 0, 0]], dtype=torch.bool)
    assert label_grid(inside).tolist() == [[1, 0, 1, 0, 2], [1, 1, 1, 0, 0]]


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_a_checkerboard_falls_into_its_cells(dimension):
    index = torch.stack(torch.meshgrid(*[torch.arange(4)] * dimension, indexing="ij"))
    white = index.sum(0) % 2 == 0
    assert count_grid_components(white) == 4**dimension // 2
    assert count_grid_components(white | True) == 1


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_removing_the_axes_leaves_one_piece_for_each_choice_of_signs(dimension):
    axes = torch.meshgrid(*[torch.arange(-1, 2)] * dimension, indexing="ij")
    assert count_grid_components(torch.stack(axes).ne(0).all(0)) == 2**dimension


@given(grids, grids)
def test_counts_of_a_product_multiply(a, b):
    product = a.reshape(*a.shape, *[1] * b.ndim) & b
    assert count_grid_components(product) == count_grid_components(a) * count_grid_components(b)


def test_the_empty_set_and_the_empty_grid_have_no_piece():
    for shape in ((3,), (0,), (2, 0), (2, 3)):
        inside = torch.zeros(shape, dtype=torch.bool)
        assert count_grid_components(inside) == 0
        assert label_grid(inside).shape == shape
        assert label_grid(inside).dtype == torch.int64


def test_the_grid_is_left_alone():
    inside = torch.tensor([True, False, True])
    label_grid(inside)
    assert inside.tolist() == [True, False, True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_labels_stay_on_the_device_of_the_grid():
    inside = torch.tensor([True, False, True], device="cuda")
    assert label_grid(inside).device == inside.device
    assert label_grid(inside).tolist() == [1, 0, 2]


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize("function", [label_grid, count_grid_components])
@pytest.mark.parametrize(
    ("value", "got"),
    [
        pytest.param(torch.ones(2), "got torch.float64", id="float"),
        pytest.param(torch.ones(2, dtype=torch.int64), "got torch.int64", id="integer"),
        pytest.param([True, False], "got list", id="list"),
        pytest.param(np.ones(2, dtype=bool), "got ndarray", id="array"),
    ],
)
def test_what_holds_no_truth_values_is_refused(function, value, got):
    message = f"^the grid: expected a tensor of torch.bool, {got}$"
    with pytest.raises(DtypeMismatch, match=message):
        function(value)


@pytest.mark.bad_input
def test_a_single_truth_value_is_no_grid():
    message = r"^the grid: expected at least one dimension, got a single cell \(\)$"
    with pytest.raises(ShapeMismatch, match=message):
        label_grid(torch.tensor(True))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("size", "reach"), [(1, 2.0), (4, 3.0), (7, 0.5)])
def test_cells_of_the_plane_tile_the_square(size, reach):
    x, y = topology.plane_cells(size, reach)
    width = 2 * reach / size
    expected = torch.tensor([-reach + width * (i + 0.5) for i in range(size)], dtype=torch.float64)
    torch.testing.assert_close(x[:, 0], expected)
    assert x.equal(y.T) and x.equal(x[:, :1].expand_as(x))


def test_cells_near_points_are_those_within_the_radius():
    x, y = cells = topology.plane_cells(20)
    points = torch.tensor([[0.0, 0.0], [2.0, -1.0]], dtype=torch.float64)
    expected = torch.zeros(20, 20, dtype=torch.bool)
    for a, b in points.tolist():
        expected |= (x - a) ** 2 + (y - b) ** 2 < 0.7**2
    assert topology.cells_near(points, cells, 0.7).equal(expected)
    assert topology.count_grid_components(expected) == 2


def test_the_ring_the_disc_and_the_square_are_one_piece_each_and_apart():
    x, y = topology.plane_cells(120)
    layers = topology.ring_disc_square(x, y)
    assert [topology.count_grid_components(a) for a in layers] == [1, 1, 1]
    assert topology.count_grid_components(layers.any(0)) == 3
    area = layers.double().mean((1, 2)) * 36
    # π(1 − ¼), 0.64π, and that of |u|⁴ + |v|⁴ < 0.6⁴: 0.36 · Γ(¼)²/(2√π)
    assert area.tolist() == pytest.approx([2.356, 2.011, 1.335], abs=0.05)
    centres = [(a * z).sum().div(a.sum()).item() for a in layers for z in (x, y)]
    assert centres == pytest.approx([0, 1, -1.5, -1, 1.4, -1.2], abs=0.02)


def test_random_cells_do_not_depend_on_the_default_dtype():
    before, drawn = torch.get_default_dtype(), []
    for kind in (torch.float32, torch.float64):
        torch.set_default_dtype(kind)
        drawn.append(topology.random_cells(30, rng(5)))
    torch.set_default_dtype(before)
    assert drawn[0].equal(drawn[1])


def test_random_cells_are_the_same_shape_on_finer_grids():
    coarse, fine = (topology.random_cells(n, rng(3)) for n in (60, 120))
    agree = (coarse == fine[::2, ::2]).double().mean()
    assert agree > 0.97 and 0.1 < fine.double().mean() < 0.9
    assert not topology.random_cells(60, rng(4)).equal(coarse)


def test_random_intervals_have_one_to_four_pieces_and_all_numbers_occur():
    sets = [topology.random_intervals(rng(s), 12) for s in range(60)]
    assert {topology.count_grid_components(a) for a in sets} == {1, 2, 3, 4}
    assert all(a.shape == (12,) for a in sets)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("size", "reach"), [pytest.param(0, 3.0, id="no cell"), pytest.param(4, 0.0, id="a point")]
)
def test_a_plane_without_cells_is_refused(size, reach):
    with pytest.raises(OutOfDomain, match=f"got {size} and {reach}"):
        topology.plane_cells(size, reach)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("draw", "quoted"),
    [
        pytest.param(lambda: topology.random_cells(8, rng(0)), "got 8", id="random_cells"),
        pytest.param(lambda: topology.random_intervals(rng(0), 7), "got 7", id="random_intervals"),
    ],
)
def test_random_sets_of_few_cells_are_refused(draw, quoted):
    with pytest.raises(OutOfDomain, match=quoted):
        draw()
