"""Coordinate descent over the layers of a symmetry, from several starts."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from mc_lib.alignment.base import Alignment, squared_distance
from mc_lib.errors import OutOfDomain
from mc_lib.kinds import require_count
from mc_lib.layers import Fixed, Into, OutOf
from mc_lib.points import Point, leaves
from mc_lib.symmetry import Symmetry

Step = Callable[[str, Any, Point, Collection[str] | None], Any]
"""Maps a layer, an element g, g·w and the layers to look at, None for all, to the element in
which that layer is better."""


@dataclass(frozen=True, eq=False)
class Descent:
    """The search for the g of least ‖u − g·w‖², one layer at a time.

    Raises:
        OutOfDomain: fewer than one round.
    """

    symmetry: Symmetry
    u: Point
    act: Callable[[Any], Point]
    step: Step
    rounds: int

    def __post_init__(self) -> None:
        require_count(self.rounds, "the number of rounds", None)
        if self.rounds < 1:
            raise OutOfDomain(f"alignment takes one round or more, got {self.rounds}")

    def best(self, identity: Any, others: Iterable[Any] = (), *, sides: bool = True) -> Alignment:
        """Return the best end of the descents from the identity, from both sides and `others`.

        A later start wins only where it gains more than rounding. Its objectives are the
        least so far: they begin with that of the identity, and never rise.
        """
        first = best = self.descend(identity)
        orders = outwards(self.symmetry) if sides and len(self.symmetry.layers) > 1 else ()
        grown = [(self.descend(self.grown(identity, order)), 0) for order in orders]
        more = [(self.descend(g), 1) for g in others]  # no layer was gone through before these
        gain = torch.finfo(leaves(self.u)[0].dtype).eps ** 0.5
        for found, skip in (*grown, *more):
            if found.after < (1 - gain) * best.after:
                values = (min(first.before, x) for x in found.objectives[skip:])
                best = Alignment(found.g, found.moved, (first.before, *values))
        return best

    def descend(self, g: Any) -> Alignment:
        """Go through the layers until a round gains less than rounding."""
        moved = self.act(g)
        objectives = [squared_distance(self.u, moved)]
        rounding = torch.finfo(leaves(self.u)[0].dtype).eps
        for _ in range(self.rounds):
            value = objectives[-1]
            for name in self.symmetry.layers:
                other = self.step(name, g, moved, None)
                there = self.act(other)
                if (found := squared_distance(self.u, there)) < value:
                    g, moved, value = other, there, found
            objectives.append(value)
            if objectives[-2] - value <= rounding * objectives[-2]:
                break
        return Alignment(g, moved, tuple(objectives))

    def grown(self, identity: Any, order: Iterable[str]) -> Any:
        """Match layer after layer, each by the weights that lead to what has been matched."""
        g, known = identity, list[str]()
        for name in order:
            g = self.step(name, g, self.act(g), known)
            known.append(name)
        return g


def outwards(symmetry: Symmetry) -> tuple[list[str], list[str]]:
    """Return the layers in breadth-first order from the inputs, and from the outputs.

    A layer is reached as soon as all that some weight between layers reads, or is read by,
    has been reached.

    >>> from mc_lib.groups import Permutation
    >>> from mc_lib.layers import Layer
    >>> outwards(Symmetry.chain([Layer(Permutation(2))] * 3))
    (['layer 1', 'layer 2', 'layer 3'], ['layer 3', 'layer 2', 'layer 1'])
    """
    return _order(symmetry, Into, OutOf), _order(symmetry, OutOf, Into)


def _order(symmetry: Symmetry, to: type[Into | OutOf], origin: type[Into | OutOf]) -> list[str]:
    tables = [axes for axes in symmetry.table.values() if len(axes) > 1]
    reached: list[str] = []
    while rest := [name for name in symmetry.layers if name not in reached]:
        wave = [
            name
            for name in rest
            if any(
                to(name) in axes
                and all(
                    x.layer in reached
                    for x in axes
                    if isinstance(x, origin) and not isinstance(x, Fixed)
                )
                for axes in tables
            )
        ]
        reached += wave or rest[:1]
    return reached
