"""Chapter 6b: how high the loss of one sigmoid neuron is on a square, in exact arithmetic.

The neuron w₂ s(w₁ x), s(z) = 1 / (1 + exp(−z)), is to give 1 at x = 1 and 1.1 at x = 2.
"""

import itertools
import math
from fractions import Fraction

from mc_lib.errors import OutOfDomain

TERMS = 60  # of the series of exp(−a): from a = 4 down the rest is below 1e-40
UNIT = 2**60  # bounds are multiples of 1 / UNIT, so that the fractions stay small


def sigmoid_bounds(a: Fraction) -> tuple[Fraction, Fraction]:
    """Return rational bounds of 1 / (1 + exp(−a)), which lie less than 1e-17 apart.

    Two partial sums of the alternating series of exp(−a) that follow each other enclose it.

    Raises:
        OutOfDomain: a is not in [0, 4], where the terms fall from the fourth on.

    >>> sigmoid_bounds(Fraction(0)) == (Fraction(1, 2), Fraction(1, 2))
    True
    """
    if not 0 <= a <= 4:
        raise OutOfDomain(f"expected a in [0, 4], got {a}")
    term, sums = Fraction(1), [Fraction(1)]
    for i in range(1, TERMS):
        term *= -a / i
        sums.append(sums[-1] + term)
    low, high = sorted(1 / (1 + x) for x in sums[-2:])
    return Fraction(math.floor(low * UNIT), UNIT), Fraction(math.ceil(high * UNIT), UNIT)


def highest_loss(center: tuple[Fraction, Fraction], half: Fraction, boxes: int) -> Fraction:
    """Return an upper bound of (1 − w₂ s(w₁))² + (1.1 − w₂ s(2w₁))² on a square.

    The square is divided; on each box both outputs lie between their values at two corners.

    Args:
        center: of the square, (w₁, w₂).
        half: half the length of its sides.
        boxes: along each side.

    Raises:
        OutOfDomain: no box, or a square that holds points with w₁ outside of [0, 2] or w₂ < 0.

    >>> highest_loss((Fraction(1), Fraction(0)), Fraction(0), 1) == 1 + Fraction(11, 10) ** 2
    True
    """
    if boxes < 1 or half < 0 or center[1] < half:
        raise OutOfDomain(f"expected a box or more and w₂ ≥ 0, got {boxes}, {center} ± {half}")
    steps = [half * Fraction(2 * i - boxes, boxes) for i in range(boxes + 1)]
    x, y = ([z + step for step in steps] for z in center)
    s = [[sigmoid_bounds(k * a) for a in x] for k in (1, 2)]

    def most(target: Fraction, bounds: list[tuple[Fraction, Fraction]], i: int, j: int) -> Fraction:
        ends = y[j] * bounds[i][0], y[j + 1] * bounds[i + 1][1]
        return max((target - z) ** 2 for z in ends)

    return max(
        most(Fraction(1), s[0], i, j) + most(Fraction(11, 10), s[1], i, j)
        for i, j in itertools.product(range(boxes), range(boxes))
    )
