"""How far a chord strays from a curve of bounded curvature (Theorem 6.2)."""

import math

from mc_lib.bounds.formula import Arguments, Number, Result
from mc_lib.checks import tolerance


def sagitta(kappa: Number, chord: Number) -> Result:
    """Return the height of the minor circular arc of curvature κ over a chord d.

    d_max = 1/κ − √(1/κ² − (d/2)²) for 0 ≤ κd/2 ≤ 1 (Theorem 6.2, eq. 8), about κd²/8 for
    small κd, computed without cancellation as (d/2) x / (1 + √(1 − x²)), x = κd/2. The
    paper bounds by it the distance from the segment between two points of a level set to
    that set. This needs one more hypothesis: the curve that joins the points in the set,
    of curvature ≤ κ and length ℓ, must have κℓ ≤ π (the corrected form of Theorem 6.2,
    proved in the book's appendix; a Cassini oval breaks it without). `chord_deviation`
    asks for ℓ and is never larger.

    Args:
        kappa: κ ≥ 0, one over length.
        chord: d ≥ 0, the distance between the ends; d ≤ 2/κ.

    Returns:
        d_max, a length between 0 and d/2.

    Raises:
        OutOfDomain: κ < 0, d < 0, or κd/2 above 1 by more than the tolerance of the dtype
            (within it, κd/2 counts as 1).

    >>> sagitta(1, 2), sagitta(0, 2), round(sagitta(0.2, 6.0), 12)
    (1.0, 0.0, 1.0)
    """
    given = Arguments.of("sagitta", kappa=kappa, chord=chord)
    k, d = given
    given.require(k >= 0, "kappa ≥ 0")
    given.require(d >= 0, "chord ≥ 0")
    x = k * (d / 2)
    given.require(x <= 1 + tolerance(k.dtype).equal, "kappa · chord / 2 ≤ 1")
    x = x.clamp(max=1)
    return given.result(d / 2 * x / (1 + ((1 - x) * (1 + x)).sqrt()))


def chord_deviation(kappa: Number, length: Number, chord: Number) -> Result:
    """Return (d/2) tan(κℓ/4), how far a chord can stray from its curve.

    Every point of the segment between the ends of a curve of curvature ≤ κ and length ℓ,
    κℓ ≤ π, is within this distance of the curve: the curve lies in the lens of two arcs
    over the chord that turn by κℓ, and the hyperplane through a point of the segment,
    orthogonal to it, meets the curve in the lens. Circular arcs attain it. Where
    κd/2 ≤ 1 it is at most `sagitta(kappa, chord)` (the corrected form of Theorem 6.2,
    proved in the book's appendix).

    Args:
        kappa: κ ≥ 0, one over length.
        length: ℓ ≥ 0, with κℓ ≤ π.
        chord: d ≥ 0, the distance between the ends; d ≤ ℓ.

    Returns:
        The bound, a length between 0 and d/2.

    Raises:
        OutOfDomain: a negative argument, or κℓ > π or d > ℓ by more than the relative
            tolerance of the dtype.

    >>> round(chord_deviation(1.0, math.pi, 2.0), 12)  # a half circle
    1.0
    """
    given = Arguments.of("chord_deviation", kappa=kappa, length=length, chord=chord)
    k, ell, d = given
    given.require(k >= 0, "kappa ≥ 0")
    given.require(d >= 0, "chord ≥ 0")
    slack = 1 + tolerance(k.dtype).equal
    given.require(d <= ell * slack, "chord ≤ length (a curve is no shorter than its chord)")
    given.require(k * ell <= math.pi * slack, "kappa · length ≤ π")
    return given.result(d / 2 * (k * ell / 4).tan())


def lipschitz_loss_bound(lipschitz: Number, deviation: Number) -> Result:
    """Return C_L δ, which bounds |L(w) − c| at distance δ from L⁻¹(c) (Theorem 6.2, eq. 9).

    C_L must be a Lipschitz constant of L on a set that holds w and its nearest point of
    the level set. The losses here grow like a power of w and have no global constant.

    Args:
        lipschitz: C_L ≥ 0, loss over length.
        deviation: δ ≥ 0, a length, from `chord_deviation`.

    Returns:
        A loss.

    Raises:
        OutOfDomain: a negative argument, or the product overflows.

    >>> lipschitz_loss_bound(3.0, 0.5)
    1.5
    """
    given = Arguments.of("lipschitz_loss_bound", lipschitz=lipschitz, deviation=deviation)
    c, delta = given
    given.require(c >= 0, "lipschitz ≥ 0")
    given.require(delta >= 0, "deviation ≥ 0")
    return given.result(c * delta)
