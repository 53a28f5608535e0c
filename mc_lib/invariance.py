"""Whether a loss really is invariant under a symmetry: measured on random elements."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mc_lib.checks import all_finite, tolerance
from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.groups.product import Elements
from mc_lib.kinds import require_count, require_kind, require_number
from mc_lib.points import Point, leaves, require_point
from mc_lib.symmetry import Symmetry

Loss = Callable[[Any], Tensor | float]
"""A function from one point (no batch) to one number."""


@dataclass(frozen=True, eq=False)
class Invariance:
    """The largest change |L(g·w) − L(w)| that was found, and the element g that made it."""

    holds: bool  # worst ≤ tolerance
    worst: float  # |L(g·w) − L(w)| / scale
    tolerance: float
    scale: float
    loss: float  # L(w)
    moved_loss: float  # L(g·w) for the worst g
    element: Elements  # the worst g, one entry for each hidden layer


def measure_invariance(
    loss: Loss,
    symmetry: Symmetry,
    w: Point,
    generator: torch.Generator,
    *,
    samples: int = 16,
    condition: float = 10.0,
    rtol: float | None = None,
    scale: float | None = None,
) -> Invariance:
    """Return the largest |L(g·w) − L(w)| / scale over random group elements g.

    One violation refutes the symmetry; agreement at a generic w makes it likely, and
    proves nothing. At a minimum of zero loss every L is rounding error and the default
    scale has no meaning: give ‖Y‖² there.

    Args:
        loss: L, a function of one point.
        symmetry: the action that is said to keep L.
        w: one point, without batch dimensions.
        generator: the source of randomness, on the device of w.
        samples: how many g to try, at least 1.
        condition: condition number of the entries of g whose group is not compact.
        rtol: the largest relative change that counts as none; by default the `equal`
            tolerance of the dtype.
        scale: what a change is compared with; by default the largest of |L(w)| and all
            the |L(g·w)|.

    Returns:
        The worst violation, and whether it is within the tolerance.

    Raises:
        OutOfDomain: samples < 1, or rtol or scale out of range.
        TypeError: an argument of another kind.
        NotFinite: the loss is NaN or infinite at w or at some g·w.
        McLibError: w does not fit the symmetry; see `Symmetry.act`.

    >>> from mc_lib.groups import GeneralLinear
    >>> from mc_lib.layers import Layer
    >>> symmetry = Symmetry.chain([Layer(GeneralLinear(1))])
    >>> w = (torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    >>> generator = torch.Generator().manual_seed(0)
    >>> measure_invariance(lambda w: w[1] @ w[0], symmetry, w, generator).holds
    True
    >>> measure_invariance(lambda w: w[1] + w[0], symmetry, w, generator).holds
    False
    """
    require_kind(symmetry, Symmetry, "the symmetry")
    require_kind(generator, torch.Generator, "the generator")
    require_point(w)
    dtype = leaves(w)[0].dtype
    rtol = tolerance(dtype).equal if rtol is None else rtol
    require_count(samples, "the number of samples", None)
    for x, what in ((rtol, "rtol"), (1.0 if scale is None else scale, "the scale of a loss")):
        require_number(x, what)
    if samples < 1 or not 0 <= rtol < float("inf"):
        raise OutOfDomain(f"expected samples ≥ 1 and a finite rtol ≥ 0, got {samples} and {rtol}")
    if scale is not None and not 0 < scale < float("inf"):
        raise OutOfDomain(f"the scale of a loss is a positive number, got {scale}")
    g = symmetry.group.sample(generator, (samples,), condition=condition, dtype=dtype)
    elements: list[Elements] = [tuple(gi[s] for gi in g) for s in range(samples)]
    symmetry.act(elements[0], w)  # refuses what does not fit, before the loss meets it
    before = _value(loss, w, "w")
    after = [_value(loss, symmetry.act(e, w), f"g·w (sample {s})") for s, e in enumerate(elements)]
    at = max(range(samples), key=lambda s: abs(after[s] - before))
    size = max(map(abs, [before, *after])) if scale is None else scale
    worst = abs(after[at] - before) / size if size > 0 else 0.0
    return Invariance(worst <= rtol, worst, rtol, size, before, after[at], elements[at])


def _value(loss: Loss, w: Point, where: str) -> float:
    value = torch.as_tensor(loss(w))
    if value.numel() != 1:
        raise ShapeMismatch(f"the loss at {where} is one number, got shape {tuple(value.shape)}")
    if not all_finite(value):
        raise NotFinite(f"the loss at {where} is {float(value)}")
    return float(value)
