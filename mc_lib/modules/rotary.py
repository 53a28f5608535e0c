"""Rotary embeddings, found by what they compute: a region that is linear in one value.

From a value x, the operations that depend on the parameters only through x and are linear in
it are followed to a value of the shape of x. On unit vectors the region gives a matrix at each
position. If all of them turn the same pairs of coordinates, what commutes with them holds
one complex number for each pair; no layout and no pattern of operations is assumed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from mc_lib.modules.graph import Graph
from mc_lib.modules.nodes import SAME, SHAPES, compute, inputs, operation, shape
from mc_lib.modules.rewriter import Rewriter
from mc_lib.modules.spaces import Atom, Unmatched, Value, atoms, expanded

LINEAR = {*SAME, *SHAPES, "mul", "neg", "slice", "select", "cat", "stack", "add", "sub", "flatten"}

MOST = 40  # operations of a region


@dataclass(frozen=True)
class Region:
    """Operations from a value `start` to one of its shape, linear with constant coefficients."""

    start: Node
    nodes: tuple[Node, ...]

    @property
    def end(self) -> Node:
        """The last operation."""
        return self.nodes[-1]


def regions(graph: Graph) -> Iterator[Region]:
    """Yield the regions of a graph that take apart and join the last axis of a value.

    Args:
        graph: any.

    Yields:
        The regions, which do not overlap.

    >>> list(regions(Graph(torch.nn.Linear(2, 2), (torch.ones(1, 2),))))
    []
    """
    for node in graph.nodes:
        sliced = [user for user in node.users if operation(user) in ("slice", *SHAPES, "mul")]
        if node in graph.depends and len(sliced) > 1 and (found := _region(graph, node)):
            yield found


def _region(graph: Graph, start: Node) -> Region | None:
    """Grow a region until one of its values is all that is used of it."""
    inside: dict[Node, None] = {}
    after = graph.nodes[graph.nodes.index(start) + 1 :]
    for node in after:
        if len(inside) > MOST:
            break
        given = [x for x in node.all_input_nodes if x is start or x in inside]
        if not given or not _is_linear(graph, node, given):
            continue
        inside[node] = None
        if shape(node) == shape(start):
            core = _ancestors(node, inside)
            joins = any(operation(x) in ("cat", "stack") for x in core)
            whole = all(set(x.users) <= set(core) for x in [start, *core[:-1]])
            if joins and whole:
                return Region(start, core)
    return None


def _is_linear(graph: Graph, node: Node, given: list[Node]) -> bool:
    name, sources = operation(node), node.all_input_nodes
    if name not in LINEAR or any(x in graph.depends and x not in given for x in sources):
        return False
    if name == "mul":
        return len(given) == 1 and inputs(node)[0] is not inputs(node)[1]
    if name in ("add", "sub", "cat", "stack"):
        scalar = name in ("add", "sub") and not all(isinstance(x, Node) for x in inputs(node)[:2])
        return len(given) == len(sources) and not scalar
    return inputs(node)[0] in given


def _ancestors(node: Node, inside: Mapping[Node, None]) -> tuple[Node, ...]:
    wanted = {node}
    for other in reversed(list(inside)):
        if other in wanted:
            wanted |= {x for x in other.all_input_nodes if x in inside}
    return tuple(x for x in inside if x in wanted)


def rotated(f: Rewriter, region: Region, x: Value, data: Mapping[Node, Any]) -> Value:
    """Return the value at the end of a region, after leaving its groups what commutes with it.

    Args:
        f: makes the demands.
        region: the operations.
        x: the value at its start.
        data: the numbers that the graph makes of its inputs, by node.

    Returns:
        The value.

    Raises:
        Unmatched: the region is no rotation of pairs of the last axis.

    >>> region = Region(torch.fx.Graph().placeholder("x"), ())
    >>> rotated(Rewriter(), region, Value(((),)), {})
    Traceback (most recent call last):
    ...
    mc_lib.modules.spaces.Unmatched
    """
    if not region.nodes:
        raise Unmatched
    matrices = _matrices(region, data)
    rest = _passed(matrices)
    turned = matrices.shape[-1] - rest
    layout = _layout(matrices[..., :turned, :turned])
    for i, axis in enumerate(x.axes[:-1]):
        if list(atoms([axis])) and not torch.allclose(matrices, matrices.roll(1, i), atol=1e-9):
            f.still([axis])
    sizes = [turned, rest] if rest else [turned]
    last = expanded(f.parts(x.axes[-1], sizes)[0])
    if layout is None or len(last) != 1 or not isinstance(last[0], Atom) or turned < 4:
        raise Unmatched
    f.pairs(last[0].leaf, interleaved=layout)
    return f.present(x)


def _passed(a: Tensor) -> int:
    """Return how many of the last coordinates pass unchanged, as in partial rotary embeddings."""
    n = a.shape[-1]
    same = (a - torch.eye(n, dtype=a.dtype)).abs().reshape(-1, n, n).amax(0) < 1e-9
    moved = ~(same.all(0) & same.all(1))
    return n - 1 - int(moved.nonzero().max()) if moved.any() else n


def _matrices(region: Region, data: Mapping[Node, Any]) -> Tensor:
    """Return the matrix of the region at each index of the other axes, shape (..., n, n)."""
    sizes = shape(region.start)

    def image(x: Tensor) -> Tensor:
        values = {**data, region.start: x}
        for node in region.nodes:
            values[node] = compute(node, values, torch.float64)
        return values[region.end]

    eye = torch.eye(sizes[-1], dtype=torch.float64)
    found = torch.stack([image(e.expand(sizes).clone()) for e in eye], -1)
    x = torch.randn(sizes, generator=torch.Generator(), dtype=torch.float64)
    if not torch.allclose(image(x), (found @ x.unsqueeze(-1)).squeeze(-1), atol=1e-9):
        raise Unmatched
    return found


def _layout(a: Tensor) -> bool | None:
    """Return whether the pairs are neighbours, or None where the matrices turn no pairs."""
    n = a.shape[-1]
    if n % 2:
        return None
    here = torch.arange(n)
    for interleaved, other in ((False, (here + n // 2) % n), (True, here ^ 1)):
        outside = torch.ones(n, n, dtype=torch.bool)
        outside[here, here] = outside[here, other] = False
        turns = a[..., here, here] - a[..., other, other], a[..., here, other] + a[..., other, here]
        if all(float(x.abs().max()) < 1e-9 for x in (a[..., outside], *turns)):
            return interleaved
    return None
