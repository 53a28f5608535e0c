"""What `find_symmetry` returns: an action, the chart in which it acts, and what stayed fixed."""

from dataclasses import dataclass
from math import prod

from mc_lib.modules.chart import Chart
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True)
class FixedAxis:
    """An axis, or a piece of one, that no group moves, with the operation that fixed it."""

    weight: str
    axis: int
    operation: str


@dataclass(frozen=True, eq=False)
class FoundSymmetry:
    """The symmetries of a module, as `find_symmetry` returns them.

    Args:
        symmetry: the action on the points of the chart.
        chart: `point(model)` and `module(point)`.
        fixed: the axes left alone, each with the operation that fixed it.
        unknown: the operations without a rule, or whose rule did not fit; they fix what they
            touch, so that the group found may be smaller than the true one.
    """

    symmetry: Symmetry
    chart: Chart
    fixed: tuple[FixedAxis, ...]
    unknown: tuple[str, ...]

    @property
    def dimension(self) -> int:
        """The dimension of the group: that of its orbits at points in general position."""
        return self.symmetry.group.dimension

    @property
    def components(self) -> int:
        """The number of connected components of the group."""
        return self.symmetry.group.components

    def __str__(self) -> str:
        rows = []
        group = self.symmetry.group
        for i, (name, layer) in enumerate(self.symmetry.layers.items()):
            over = f" over {' × '.join(map(repr, layer.over))}" if layer.over else ""
            dimension = prod(group.sizes(i)) * layer.group.dimension
            rows.append(f"{name:<40} {layer.group}{over}: {dimension}")
        ops = ", ".join(sorted(set(self.unknown))) or "none"
        return "\n".join(
            [*rows, f"dimension {self.dimension}", f"operations without a rule: {ops}"]
        )
