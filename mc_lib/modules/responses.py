"""What weights read: the values of a graph whose axes are those of layers, for a model on data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from mc_lib.modules.graph import Graph
from mc_lib.modules.nodes import inputs, operation
from mc_lib.modules.spaces import Atom, Leaf, Scaling, Value, expanded, root

READS = ("linear", "addmm", "mm", "bmm", "matmul", "conv1d", "conv2d", "conv3d", "convolution")


@dataclass(frozen=True)
class Response:
    """One value of the graph that a weight reads, with the layers that its axes belong to.

    Args:
        node: its name in the graph.
        sizes: of its axes, cut as finely as the layers ask for.
        layers: the layer of each, or None for data.
        signs: the layers of scalings by whose odd powers it is multiplied.
    """

    node: str
    sizes: tuple[int, ...]
    layers: tuple[str | None, ...]
    signs: tuple[str, ...]


def responses(
    graph: Graph, values: Mapping[Node, Any], names: Mapping[Leaf | Scaling, str]
) -> tuple[Response, ...]:
    """Return the values that weights read and that some layer moves.

    Args:
        graph: of the module.
        values: what the finder knows of each node.
        names: of the layers, by what they were found as.

    Returns:
        One for each value, in the order of the graph; values of pieces are left out.

    >>> import torch
    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> [x.layers for x in find_symmetry(net, (torch.ones(3, 2),)).responses]
    [(None, '0.weight axis 0')]
    """
    found: dict[str, Response] = {}
    for node in graph.nodes:
        if operation(node) not in READS:
            continue
        given = [x for x in inputs(node)[:3] if isinstance(x, Node)]
        if all(graph.key(x) is None for x in given):
            continue
        for x in given:
            value = values.get(x)
            if graph.key(x) is None and x in graph.depends and isinstance(value, Value):
                response = _response(x, value, names)
                if response is not None:
                    found.setdefault(x.name, response)
    return tuple(found.values())


def _response(node: Node, value: Value, names: Mapping[Leaf | Scaling, str]) -> Response | None:
    sizes, layers, signs = list[int](), list[str | None](), set[str]()
    for axis in value.axes:
        for factor in expanded(axis):
            name = None
            if isinstance(factor, Atom):
                name = names.get(root(factor.leaf)[0])
                signs |= {names[v] for v, e in factor.monomial.items() if e % 2 and v in names}
            elif hasattr(factor, "pieces"):
                return None
            sizes.append(factor.n)
            layers.append(name)
    known = [x for x in layers if x is not None]
    if not known or len(set(known)) < len(known):
        return None
    return Response(node.name, tuple(sizes), tuple(layers), tuple(sorted(signs)))
