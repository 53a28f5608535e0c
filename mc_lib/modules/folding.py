"""Gains of norms that their readers can take over.

y = γ·n is read by linear maps W alone: then Wγ and 1 do what W and γ did, the readers in the
coordinates Wγ see the normalised n, which may be rotated, and γ is free. It is a change of
chart, exact for γ ≠ 0. A gain that something else reads too, such as a skip connection or a
tied embedding, stays where it is, and costs the stream its rotations.
"""

from dataclasses import dataclass

from torch.fx import Node

from mc_lib.modules.graph import Graph
from mc_lib.modules.nodes import SAME, inputs, operation, shape

PASSING = (
    "view",
    "reshape",
    "_unsafe_view",
    "permute",
    "transpose",
    "unsqueeze",
    "slice",
    "select",
)


@dataclass(frozen=True)
class Fold:
    """A gain, the weights that read it with the axis on which they do, and the norm's bias."""

    gain: str
    readers: tuple[tuple[str, int], ...]
    bias: str | None


def folds(graph: Graph) -> dict[Node, Fold]:
    """Return the products with a gain that its readers can take over, by their nodes.

    Args:
        graph: any.

    Returns:
        A dict.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.LayerNorm(3), torch.nn.Linear(3, 2))
    >>> [fold.readers for fold in folds(Graph(net, (torch.ones(1, 3),))).values()]
    [(('1.weight', 1),)]
    """
    used: dict[str, int] = {}
    for node in graph.nodes:
        if (key := graph.key(node)) is not None:
            used[key] = used.get(key, 0) + len(node.users)
    found = {}
    for node in graph.nodes:
        for gain, bias in _gains(node):
            keys = [graph.key(x) for x in (gain, bias) if x is not None]
            if any(key is None or used[key] > 1 for key in keys):
                continue
            if bool((graph.state[str(keys[0])] == 0).any()):  # W/γ would not exist
                continue
            readers = _readers(graph, node, used)
            if readers:
                found[node] = Fold(str(keys[0]), readers, keys[1] if len(keys) > 1 else None)
    return found


def _gains(node: Node) -> list[tuple[Node, Node | None]]:
    """Return the gain, and the bias, with which a node multiplies its last axis."""
    name, args = operation(node), inputs(node)
    if name in ("layer_norm", "rms_norm") and len(args) > 2 and isinstance(args[2], Node):
        bias = args[3] if name == "layer_norm" and len(args) > 3 else None
        return [(args[2], bias if isinstance(bias, Node) else None)]
    if name == "mul":
        pairs = [(args[i], args[1 - i]) for i in (0, 1)]
        return [
            (a, None)
            for a, b in pairs
            if isinstance(a, Node)
            and isinstance(b, Node)
            and a.op == "placeholder"
            and shape(a) == shape(node)[-1:]
            and shape(b) == shape(node)
        ]
    return []


def _readers(graph: Graph, node: Node, used: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """Return the weights that read the last axis of a node; none where anything else does."""
    found: list[tuple[str, int]] = []
    for user in node.users:
        name, args = operation(user), inputs(user)
        if name in SAME or name in PASSING and _keeps_last(user):
            more = _readers(graph, user, used)
            if not more:
                return ()
            found += more
            continue
        at = {"linear": (0, 1, 1), "mm": (0, 1, 0), "addmm": (1, 2, 0), "matmul": (0, 1, 0)}.get(
            name
        )
        if at is None or args[at[0]] is not node or not isinstance(args[at[1]], Node):
            return ()
        key = graph.key(args[at[1]])
        if key is None or used[key] > 1:
            return ()
        found.append((key, at[2]))
    return tuple(found)


def _keeps_last(node: Node) -> bool:
    """Return whether an operation leaves the last axis whole and last."""
    name, rank = operation(node), len(shape(inputs(node)[0]))
    last, args = rank - 1, inputs(node)
    if shape(node)[-1:] != shape(args[0])[-1:]:
        return False
    if name == "permute":
        return args[1][-1] % rank == last
    if name in ("transpose", "slice", "select"):
        moved = args[1:3] if name == "transpose" else args[1:2]
        return all(d % rank != last for d in moved)
    return name != "unsqueeze" or args[1] % (rank + 1) != rank
