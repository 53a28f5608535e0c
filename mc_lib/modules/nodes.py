"""One node of an exported graph: its operation, its shape, and its value without casts.

Casts are left out when a graph is evaluated: an implementation that computes its norms in
float32 shows errors of 1e-5 where the truth is 1e-13.
"""

import operator
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

SHAPES = ("view", "reshape", "_unsafe_view", "permute", "transpose", "t", "unsqueeze", "squeeze")
SAME = ("clone", "alias", "contiguous", "_to_copy", "detach", "dropout", "lift_fresh_copy", "to")
GETITEM = operator.getitem


def operation(node: Node) -> str:
    """Return the name of the operation of a node, without its overload.

    Args:
        node: of an exported graph.

    Returns:
        Such as "linear"; the kind of the node where it is no operation.

    >>> operation(torch.fx.Graph().placeholder("x"))
    'placeholder'
    """
    if node.op != "call_function":
        return node.op
    return (
        str(getattr(node.target, "_schema", node.target))
        .partition("(")[0]
        .split("::")[-1]
        .split(".")[0]
    )


def shape(node: Node) -> tuple[int, ...]:
    """Return the shape of the tensor that a node makes.

    Args:
        node: of an exported graph.

    Returns:
        Its sizes; () where it makes no tensor.

    >>> shape(torch.fx.Graph().placeholder("x"))
    ()
    """
    found = node.meta.get("val")
    return tuple(found.shape) if isinstance(found, Tensor) else ()


def inputs(node: Node) -> Any:
    """Return the positional arguments of a node.

    Args:
        node: of an exported graph.

    Returns:
        A tuple of nodes and plain values.

    >>> inputs(torch.fx.Graph().placeholder("x"))
    ()
    """
    return node.args


def compute(node: Node, values: Mapping[Node, Any], dtype: torch.dtype) -> Any:
    """Return what one operation makes of the values of its inputs, without casts.

    Args:
        node: of an exported graph.
        values: those of its inputs, by node.
        dtype: in which everything floating is computed.

    Returns:
        A tensor, or several.

    >>> graph = torch.fx.Graph(); x = graph.placeholder("x")
    >>> node = graph.call_function(torch.ops.aten.relu.default, (x,))
    >>> compute(node, {x: torch.tensor([-1.0, 2.0])}, torch.float64).tolist()
    [0.0, 2.0]
    """
    given: list[Any] = [
        torch.fx.node.map_aggregate(x, lambda y: _plain(y, values, dtype))
        for x in (inputs(node), node.kwargs)
    ]
    args, kwargs = given
    target: Any = node.target
    if node.op == "output":
        return args[0]
    name = operation(node)
    if name in ("view", "_unsafe_view"):
        return args[0].reshape(args[1])
    if name == "_to_copy" and is_real(args[0]):
        return args[0] if is_real(node.meta["val"]) else target(*args, **kwargs)
    if "batch_norm" in name:
        return [_batch_norm(*args)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = target(*args, **kwargs)
    return torch.utils._pytree.tree_map(lambda x: cast(x, dtype), found)


def _batch_norm(
    x: Tensor, w: Tensor | None, b: Tensor | None, m: Tensor, v: Tensor, *rest: float
) -> Tensor:
    eps, size = rest[-1], (1, -1, *[1] * (x.ndim - 2))
    y = (x - m.reshape(size)) * (v.reshape(size) + eps).rsqrt()
    y = y if w is None else y * w.reshape(size)
    return y if b is None else y + b.reshape(size)


def _plain(x: Any, values: Mapping[Node, Any], dtype: torch.dtype) -> Any:
    if isinstance(x, Node):
        return cast(values[x], dtype)
    return dtype if isinstance(x, torch.dtype) and x.is_floating_point else x


def is_real(x: Any) -> bool:
    """Return whether a value is a floating-point tensor.

    Args:
        x: anything.

    Returns:
        True or False.

    >>> is_real(torch.ones(1)), is_real(1.0)
    (True, False)
    """
    return isinstance(x, Tensor) and x.is_floating_point()


def cast(x: Any, dtype: torch.dtype) -> Any:
    """Return a floating-point tensor in a dtype, and anything else as it is.

    Args:
        x: anything.
        dtype: the dtype.

    Returns:
        The value.

    >>> cast(torch.ones(1), torch.float64).dtype == torch.float64, cast(3, torch.float64)
    (True, 3)
    """
    return x.to(dtype) if is_real(x) else x
