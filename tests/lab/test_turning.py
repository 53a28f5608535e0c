"""Random curves keep to the curvature and the turning that they promise."""

import math

import pytest
import torch

from lab.turning import turning_curves
from mc_lib.errors import OutOfDomain

F64 = torch.float64


@pytest.fixture(autouse=True)
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(F64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_curvature_is_at_most_1_and_the_whole_turning_at_most_pi(dimension):
    curves = turning_curves(200, dimension, torch.Generator().manual_seed(dimension))
    assert curves.shape == (200, 8 * 40 + 1, dimension)
    steps = curves.diff(dim=1)
    lengths = steps.norm(dim=2)
    cosines = (steps[:, 1:] * steps[:, :-1]).sum(2) / (lengths[:, 1:] * lengths[:, :-1])
    turns = cosines.clamp(max=1).acos()
    assert float(turns.sum(1).max()) < math.pi + 1e-4
    # a chord of an arc of curvature κ ≤ 1 turns by at most the arc between two middles
    between = (lengths[:, 1:] + lengths[:, :-1]) / 2
    rounding = 1e-15 / torch.minimum(lengths[:, 1:], lengths[:, :-1])  # of a difference of points
    assert bool((turns <= between * 1.01 + 1e-7 + 4 * rounding).all())
    assert float(turns.sum(1).max()) > 2  # and some do turn


@pytest.mark.bad_input
@pytest.mark.parametrize(("count", "dimension", "steps"), [(0, 2, 1), (1, 1, 1), (1, 2, 0)])
def test_what_is_no_curve_is_refused(count, dimension, steps):
    with pytest.raises(OutOfDomain, match="expected a curve and a step or more"):
        turning_curves(count, dimension, torch.Generator(), steps)
