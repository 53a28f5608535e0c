"""Rules of what sums over an axis of two tensors: linear maps, convolutions, attention.

A contraction leaves its result alone if the one axis moves by g and the other by g⁻ᵀ. Axes
that stand for a batch in both move alike, by permutations.
"""

from typing import Any

from torch.fx import Node

from mc_lib.modules.nodes import inputs, shape
from mc_lib.modules.pointwise import _axis, _broadcast
from mc_lib.modules.rewriter import Rewriter
from mc_lib.modules.rules import rule, still_value
from mc_lib.modules.spaces import Axis, Data, Value, expanded


def _contract(f: Rewriter, a: Axis, b: Axis) -> None:
    a, b = expanded(a), expanded(b)
    if a and b:
        f.unify(a, b, "dual")
    else:
        f.still([a, b])


@rule("linear")
def _linear(f: Rewriter, node: Node, x: Value, w: Value, bias: Any = None) -> Value:
    _contract(f, x.axes[-1], w.axes[1])
    y = f.present(Value((*x.axes[:-1], w.axes[0])))
    return _broadcast(f, y, bias, "same") if isinstance(bias, Value) else y


@rule("mm", "bmm", "matmul", "mv", "dot")
def _matmul(f: Rewriter, node: Node, x: Value, y: Value) -> Value:
    inner = -2 if len(y.axes) > 1 else -1
    _contract(f, x.axes[-1], y.axes[inner])
    a, b = x.axes[:-2], y.axes[:-2]
    rank = max(len(a), len(b))
    a, b = (((),) * (rank - len(v)) + v for v in (a, b))
    batch = tuple(_axis(f, p, q, "mul") for p, q in zip(a, b, strict=True))
    rows = x.axes[-2:-1] if len(x.axes) > 1 else ()
    columns = y.axes[-1:] if len(y.axes) > 1 else ()
    return f.present(Value((*batch, *rows, *columns)))


@rule("addmm", "baddbmm")
def _addmm(f: Rewriter, node: Node, bias: Value, x: Value, y: Value, **_: Any) -> Value:
    return _broadcast(f, _matmul(f, node, x, y), bias, "same")


@rule("embedding")
def _embedding(f: Rewriter, node: Node, w: Value, ids: Value, *_: Any) -> Value:
    f.still(w.axes[:1])
    return Value((*ids.axes, w.axes[1]))


@rule("conv1d", "conv2d", "conv3d", "convolution")
def _convolution(
    f: Rewriter, node: Node, x: Value, w: Value, bias: Any = None, *args: Any
) -> Value:
    groups = args[-1] if len(args) >= 4 and isinstance(args[-1], int) else 1
    if len(args) > 4 and args[3] is True:
        raise NotImplementedError  # transposed
    sizes = shape(node)
    f.still([*w.axes[2:], *x.axes[2:]])
    if groups == 1:
        _contract(f, x.axes[1], w.axes[1])
        out = w.axes[0]
    elif shape(inputs(node)[1])[:2] == (groups, 1) and isinstance(inputs(node)[1], Node):
        out = f.unify(x.axes[1], w.axes[0], "mul")
    else:
        raise NotImplementedError
    y = f.present(Value((x.axes[0], out, *still_value(sizes[2:]).axes)))
    if isinstance(bias, Value):
        out = f.unify(y.axes[1], bias.axes[0], "same")
        y = f.present(Value((y.axes[0], out, *y.axes[2:])))
    return y


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _transposed(f: Rewriter, node: Node, x: Value, w: Value, bias: Any = None, *args: Any) -> Value:
    if len(args) >= 4 and args[3] != 1:
        raise NotImplementedError
    swapped = Value((w.axes[1], w.axes[0], *w.axes[2:]))
    return _convolution(f, node, x, swapped, bias)


@rule("scaled_dot_product_attention")
def _attention(
    f: Rewriter,
    node: Node,
    q: Value,
    k: Value,
    v: Value,
    mask: Any = None,
    *args: Any,
    **options: Any,
) -> Value:
    batch = q.axes[:-2]
    others = [k.axes[:-2], v.axes[:-2]]
    if options.get("enable_gqa"):  # each head of k and v serves r of q
        r = shape(inputs(node)[0])[-3] // shape(inputs(node)[1])[-3]
        others = [(*axes[:-1], (*axes[-1], Data(r, True))) for axes in others]
    if isinstance(mask, Value):
        f.still(mask.axes[-2:])
        missing = len(batch) - len(mask.axes) + 2
        others.append(((),) * missing + mask.axes[:-2])
    f.flag(batch, "mono")
    f.unscaled(batch)
    for other in others:
        batch = tuple(_axis(f, a, b, "batch") for a, b in zip(batch, other, strict=True))
    _contract(f, q.axes[-1], k.axes[-1])
    f.flag(q.axes[-2:-1], "mono")
    f.unscaled(q.axes[-2:-1])
    _axis(f, k.axes[-2], v.axes[-2], "batch")
    return f.present(Value((*batch, q.axes[-2], v.axes[-1])))
