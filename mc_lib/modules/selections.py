"""What is selected from an axis that a view has made, rewritten as a slice before the view.

view (..., 3, h, d), permute, select: queries, keys and values are three pieces of one axis,
and as pieces they move by groups of their own.
"""

from functools import partial
from math import prod
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from mc_lib.modules.nodes import SAME, inputs, operation, shape


def pull_selections(module: GraphModule) -> None:
    """Rewrite the selections of a graph, and what is unbound from an axis.

    Args:
        module: holds the graph, which is changed; its value is not.

    >>> module = torch.fx.symbolic_trace(torch.nn.ReLU())
    >>> pull_selections(module)
    """
    graph = module.graph
    for node in list(graph.nodes):
        if operation(node) == "unbind":
            source, dim = inputs(node)[0], inputs(node)[1] if len(inputs(node)) > 1 else 0
            for item in list(node.users):
                with graph.inserting_before(item):
                    chosen = graph.call_function(
                        torch.ops.aten.select.int, (source, dim, inputs(item)[1])
                    )
                chosen.meta = dict(item.meta)
                item.replace_all_uses_with(chosen)
    for node in list(graph.nodes):
        if operation(node) == "select":
            _pull(graph, node)


def _pull(graph: Graph, node: Node) -> None:
    """Move one select in front of the view that makes its axis."""
    dim = inputs(node)[1] % len(shape(inputs(node)[0]))
    chain: list[Node] = []
    at = inputs(node)[0]
    while operation(at) not in ("view", "reshape", "_unsafe_view"):
        name, rank = operation(at), len(shape(at))
        if name == "permute":
            dim = inputs(at)[1][dim] % rank
        elif name == "transpose":
            a, b = (x % rank for x in inputs(at)[1:3])
            dim = {a: b, b: a}.get(dim, dim)
        elif name == "unsqueeze":
            new = inputs(at)[1] % rank
            if new == dim:
                return
            dim -= new < dim
        elif name == "squeeze" and len(inputs(at)) == 2 and isinstance(inputs(at)[1], int):
            dim += inputs(at)[1] % len(shape(inputs(at)[0])) <= dim
        elif name not in SAME:
            return
        chain.append(at)
        at = inputs(at)[0]
    _sliced(graph, node, at, chain, dim)


def _sliced(graph: Graph, node: Node, view: Node, chain: list[Node], dim: int) -> None:
    source, sizes = inputs(view)[0], list(shape(view))
    before = shape(source)
    axis, total = 0, 1
    while axis < len(before) and (total < prod(sizes[:dim]) or before[axis] == 1):
        total *= before[axis]
        axis += 1
    if (
        axis == len(before)
        or total != prod(sizes[:dim])
        or before[axis] % sizes[dim]
        or before[axis] == sizes[dim]
    ):
        return
    width, i = before[axis] // sizes[dim], inputs(node)[2] % sizes[dim]
    sizes[dim] = 1
    with graph.inserting_before(node):
        piece = graph.call_function(
            torch.ops.aten.slice.Tensor, (source, axis, i * width, (i + 1) * width)
        )
        piece.meta["val"] = source.meta["val"].narrow(axis, i * width, width)
        last = graph.call_function(torch.ops.aten.view.default, (piece, sizes))
        last.meta["val"] = piece.meta["val"].reshape(sizes)
        for old in reversed(chain):
            new = graph.node_copy(old, partial(_replaced, inputs(old)[0], last))
            target: Any = old.target
            new.meta["val"] = target(last.meta["val"], *inputs(old)[1:], **old.kwargs)
            last = new
        chosen = graph.call_function(torch.ops.aten.select.int, (last, inputs(node)[1], 0))
        chosen.meta = dict(node.meta)
    node.replace_all_uses_with(chosen)


def _replaced(old: Node, new: Node, node: Node) -> Node:
    return new if node is old else node
