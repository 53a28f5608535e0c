"""The finder: one pass over the exported graph, every operation a demand on index sets."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from mc_lib.modules import contractions as contractions
from mc_lib.modules import pointwise as pointwise
from mc_lib.modules import shaping as shaping
from mc_lib.modules.chart import Chart, Cut, View
from mc_lib.modules.folding import folds
from mc_lib.modules.found import FixedAxis, FoundSymmetry
from mc_lib.modules.graph import Graph
from mc_lib.modules.nodes import GETITEM, inputs, operation, shape
from mc_lib.modules.reading import Reading, group_of
from mc_lib.modules.responses import responses
from mc_lib.modules.rewriter import Rewriter
from mc_lib.modules.rotary import Region, regions, rotated
from mc_lib.modules.rules import RULES, still_value
from mc_lib.modules.spaces import Atom, Unmatched, Value, expanded, length
from mc_lib.modules.verification import certified
from mc_lib.symmetry import Symmetry


class Finder(Rewriter):
    """One pass over a graph: the value of each node, by the rule of its operation."""

    def __init__(self, graph: Graph, args: tuple[Any, ...]) -> None:
        self.graph, self.unknown = graph, []  # type: ignore[var-annotated]
        self.folds = folds(graph)
        self.values: dict[Node, Any] = {}
        self.parameters: dict[str, Value] = {}
        found = list(regions(graph))
        self.ends: dict[Node, Region] = {region.end: region for region in found}
        self.inner = {node for region in found for node in region.nodes[:-1]}
        self.data: Mapping[Node, Any] = graph.values(None, args, torch.float64) if found else {}

    def run(self) -> None:
        """Find the value of every node."""
        for node in self.graph.nodes:
            if node.op == "output":
                self.op = "output"
                found = torch.utils._pytree.tree_leaves(inputs(node))
                for x in found:
                    if isinstance(x, Node) and isinstance(self.values[x], Value):
                        self.still(self.values[x].axes)
            elif node not in self.inner:
                self.values[node] = self._value(node)

    def _value(self, node: Node) -> Any:
        key = self.graph.key(node) if node.op == "placeholder" else None
        if key is not None:
            if key not in self.parameters:
                axes = tuple(self.fresh(n) for n in shape(node))
                self.parameters[key] = Value(axes)
            return self.parameters[key]
        if node not in self.graph.depends:
            return self._still(node)
        if node.target is GETITEM:
            return self.values[inputs(node)[0]][inputs(node)[1]]
        self.op = operation(node)
        try:
            if node in self.ends:
                region = self.ends[node]
                return rotated(self, region, self.values[region.start], self.data)
            args, kwargs = (
                torch.fx.node.map_arg(x, self.values.__getitem__)
                for x in (inputs(node), node.kwargs)
            )
            found = RULES[self.op](self, node, *args, **kwargs)
            if isinstance(found, Value) and tuple(map(length, found.axes)) != shape(node):
                raise Unmatched  # an unbatched form, of other axes than the rule expects
            return found
        except Exception as error:
            return self._fix(node, error)

    def _fix(self, node: Node, error: Exception) -> Any:
        """Keep still what an operation touches for which there is no rule."""
        self.unknown.append(self.op if isinstance(error, KeyError) else f"{self.op} ({error!r})")
        region = self.ends.get(node)
        inputs = node.all_input_nodes if region is None else [region.start]
        for x in inputs:
            for value in self.values[x] if isinstance(self.values[x], list) else [self.values[x]]:
                if isinstance(value, Value):
                    self.still(value.axes)
        return self._still(node)

    def _still(self, node: Node) -> Any:
        found = node.meta.get("val")
        if isinstance(found, tuple | list):
            return [still_value(tuple(getattr(x, "shape", ()))) for x in found]
        return still_value(shape(node))


def find_symmetry(model: nn.Module, args: tuple[Any, ...]) -> FoundSymmetry:
    """Return the symmetries of a PyTorch module: all moves of its parameters that it forgets.

    The graph that `torch.export` records is interpreted once. What is found holds for the
    module in evaluation mode, for all parameters and for all inputs of these shapes. Every
    operation only makes the group smaller; one without a rule fixes the axes that it touches. A
    layer that moves the outputs of this model all the same is left out, and listed in `unknown`.

    Args:
        model: any module that `torch.export` can record; it is not changed.
        args: example inputs, a tuple; sequences of length 2 or more.

    Returns:
        The symmetry, its chart, and what stayed fixed and why.

    Raises:
        NotFinite: the outputs of the model are NaN or infinite.
        NotSymmetric: the module cannot be exported, as with flow that depends on the data.
        DtypeMismatch: parameters in half precision, integers, or without entries (meta).
        TypeError: no module, or inputs that are no tuple.

    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(1, 2),))
    >>> found.dimension, found.components
    (3, 6)
    """
    graph = Graph(model, args)
    finder = Finder(graph, args)
    finder.run()
    reading = Reading({key: finder.parameters[key] for key in graph.state})
    symmetry = reading.symmetry()
    chart = Chart(model, _shaped(reading, symmetry), tuple(dict.fromkeys(finder.folds.values())))
    read = responses(graph, finder.values, reading.names)
    found = FoundSymmetry(
        symmetry, chart, tuple(_fixed(reading)), tuple(finder.unknown), graph, args, read
    )
    return certified(found, graph, args)


def _shaped(reading: Reading, symmetry: Symmetry) -> dict[str, Cut | View]:
    """Return the cuts with the axes of size 1 on which scalings act."""

    def shaped(cut: Cut | View) -> Cut | View:
        if isinstance(cut, View):
            singles = len(symmetry.table[cut.name]) - len(cut.shape)
            return View(cut.name, cut.shape + (1,) * singles, singles)
        return Cut(cut.dim, cut.sizes, tuple(map(shaped, cut.parts)))

    return {key: shaped(cut) for key, cut in reading.cuts.items()}


def _fixed(reading: Reading) -> list[FixedAxis]:
    found = []
    for name, row in reading.rows.items():
        for d, (factor, _) in enumerate(row):
            if isinstance(factor, Atom) and group_of(factor.leaf) is None:
                flags = expanded([factor])[0].leaf.flags  # type: ignore[union-attr]
                found.append(FixedAxis(name, d, flags.get("still", "used by no operation")))
    return found
