"""Curves run one after another, in equal shares of the time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import optree
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import tolerance
from mc_lib.curves.base import Curve, locate
from mc_lib.errors import NotConnected, ShapeMismatch
from mc_lib.points import Point, distance, leaves, norm, require_same_tree


@dataclass(frozen=True, eq=False)
class Concatenation(Curve):
    """The curve that runs through curves γ_0, ..., γ_{n-1}, each in a time 1/n.

    γ(t) = γ_i(nt − i) for t in [i/n, (i+1)/n). Velocities are those of γ_i times n,
    accelerations times n².

    Args:
        curves: one or more; each begins where the one before it ends.

    Raises:
        ShapeMismatch: no curves, or not in one space.
        NotConnected: an end and the next start are apart, by the gap that is quoted.

    >>> from mc_lib.curves import Line
    >>> a, b, c = ((torch.tensor([x]),) for x in (0.0, 1.0, 5.0))
    >>> Concatenation([Line(a, b), Line(b, c)])(0.75)
    (tensor([3.]),)
    """

    curves: Sequence[Any]
    continues: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if len(self.curves) == 0:
            raise ShapeMismatch("a concatenation needs one curve or more, got none")
        for i, (before, after) in enumerate(pairwise(self.curves)):
            _require_meeting(i, before(1.0), after(0.0))

    @property
    @override
    def start(self) -> Point:
        return self.curves[0](0.0)

    @property
    @override
    def breakpoints(self) -> tuple[float, ...]:
        """The times i/n where curves meet, and the breakpoints within the curves."""
        n = len(self.curves)
        return tuple(
            (i + b) / n
            for i, curve in enumerate(self.curves)
            for b in ((0.0,) if i else ()) + tuple(getattr(curve, "breakpoints", ()))
        )

    @override
    def _position(self, t: Float[Tensor, "T"]) -> Point:
        return self._piecewise(t, self.curves, 0)

    @override
    def _velocity(self, t: Float[Tensor, "T"]) -> Point:
        return self._piecewise(t, [curve.velocity for curve in self.curves], 1)

    @override
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point:
        return self._piecewise(t, [curve.acceleration for curve in self.curves], 2)

    def _piecewise(
        self, t: Float[Tensor, "T"], formulas: Sequence[Callable[[Tensor], Point]], order: int
    ) -> Point:
        piece, s = locate(t, len(formulas))
        back = torch.argsort(torch.argsort(piece, stable=True))
        parts = [formula(s[piece == i]) for i, formula in enumerate(formulas)]
        factor = len(formulas) ** order
        return optree.tree_map(lambda *xs: factor * torch.cat(xs)[back], *parts)


def _require_meeting(i: int, end: Point, start: Point) -> None:
    require_same_tree(end, start)
    gap, size = float(distance(end, start).detach()), float(norm(end).detach())
    allowed = tolerance(leaves(end)[0].dtype).equal * size
    if not gap <= allowed:
        raise NotConnected(
            f"curve {i} ends at a distance {gap:.3g} from the start of curve {i + 1}; "
            f"at most {allowed:.3g} (relative to the point's norm {size:.3g}) is allowed"
        )
