"""What `find_symmetry` returns: an action, the chart in which it acts, and what stayed fixed."""

from collections import Counter
from dataclasses import dataclass
from math import log10, prod
from typing import Any

from mc_lib.layers import places
from mc_lib.modules.chart import Chart
from mc_lib.modules.graph import Graph
from mc_lib.modules.responses import Response
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
        graph: of the module.
        args: the example inputs.
        responses: the values of the graph by which layers are aligned on data.
    """

    symmetry: Symmetry
    chart: Chart
    fixed: tuple[FixedAxis, ...]
    unknown: tuple[str, ...]
    graph: Graph
    args: tuple[Any, ...]
    responses: tuple[Response, ...]

    @property
    def dimension(self) -> int:
        """The dimension of the group: that of its orbits at points in general position."""
        return self.symmetry.group.dimension

    @property
    def components(self) -> int:
        """The number of connected components of the group."""
        return self.symmetry.group.components

    def __str__(self) -> str:
        """Return a table: each layer with its group, dimension and the axes that meet it."""
        group, table = self.symmetry.group, self.symmetry.table
        rows = []
        for i, (name, layer) in enumerate(self.symmetry.layers.items()):
            over = f" over {' × '.join(map(repr, layer.over))}" if layer.over else ""
            dimension = prod(group.sizes(i)) * layer.group.dimension
            met = sum(len(places(axes, name)) for axes in table.values())
            rows.append(f"{name}: {layer.group}{over}, dimension {dimension}, {met} axes")
        n = self.components
        many = str(n) if n < 10**9 else f"about 1e{int(log10(n))}"
        fixed = Counter(axis.operation for axis in self.fixed)
        return "\n".join(
            [
                *rows,
                f"in all: dimension {self.dimension}, components {many}",
                f"axes fixed, by operation: {dict(fixed) or 'none'}",
                f"operations without a rule: {', '.join(dict.fromkeys(self.unknown)) or 'none'}",
            ]
        )
