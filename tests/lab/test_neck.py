"""The bounds of the neuron's loss are bounds, and close."""

import itertools
import math
from fractions import Fraction

import pytest

from lab.neck import highest_loss, sigmoid_bounds
from mc_lib.errors import OutOfDomain

CENTER = Fraction(881374, 10**6), Fraction(1339800, 10**6)


def loss(w1, w2):
    def s(z):
        return 1 / (1 + math.exp(-z))

    return (1 - w2 * s(w1)) ** 2 + (1.1 - w2 * s(2 * w1)) ** 2


@pytest.mark.parametrize("a", [Fraction(i, 7) for i in range(0, 29, 4)])
def test_the_sigmoid_lies_between_its_bounds(a):
    low, high = sigmoid_bounds(a)
    assert low <= high and high - low < Fraction(1, 10**17)
    assert abs(float(low) - 1 / (1 + math.exp(-a))) < 2e-16


def test_the_bound_is_above_the_loss_on_the_square_and_comes_near_it():
    half = Fraction(1, 50)
    ends = [[float(z + half * i / 10) for i in range(-10, 11)] for z in CENTER]
    found = max(itertools.starmap(loss, itertools.product(*ends)))
    bounds = [float(highest_loss(CENTER, half, boxes)) for boxes in (1, 4, 32)]
    assert bounds[0] > bounds[1] > bounds[2] > found
    assert bounds[2] < 1.1 * found


def test_of_a_point_the_bound_is_the_loss():
    assert float(highest_loss(CENTER, Fraction(0), 1)) == pytest.approx(loss(*map(float, CENTER)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("center", "half", "boxes"),
    [
        (CENTER, Fraction(1, 8), 0),
        (CENTER, Fraction(1), 2),
        ((CENTER[0], Fraction(0)), CENTER[0], 2),
    ],
    ids=["no box", "w₁ below 0", "w₂ below 0"],
)
def test_a_square_that_the_bounds_do_not_cover_is_refused(center, half, boxes):
    with pytest.raises(OutOfDomain, match="expected a"):
        highest_loss(center, half, boxes)
