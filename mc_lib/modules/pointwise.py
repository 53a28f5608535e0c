"""Rules of the operations that act entry by entry, and of what they are reduced by.

A nonlinear function of the entries passes permutations alone; one that is odd passes signs too,
one that is homogeneous positive numbers. A sum makes its terms move alike, an entrywise
product multiplies their scalings.
"""

from math import prod
from typing import Any

from torch.fx import Node

from mc_lib.modules.nodes import SAME, inputs, operation, shape
from mc_lib.modules.rewriter import Rewriter
from mc_lib.modules.rules import rule, still_value
from mc_lib.modules.spaces import Axis, Data, Value, atoms, expanded

ANY = (
    *("gelu", "silu", "sigmoid", "exp", "log", "rsqrt", "sqrt", "softplus", "elu", "celu", "selu"),
    *("hardswish", "hardsigmoid", "hardtanh", "mish", "log_sigmoid", "reciprocal", "cos", "clamp"),
    *("clamp_min", "clamp_max", "relu6", "expm1", "log1p", "square", "softmax", "_softmax"),
    *("log_softmax", "_log_softmax", "hardtanh_", "glu_jvp", "isnan", "eq", "ne", "lt", "gt", "le"),
)


@rule(*SAME, "neg", "type_as", "feature_dropout", "alpha_dropout", "positive")
def _same(f: Rewriter, node: Node, x: Value, *_: Any, **__: Any) -> Value:
    return x


@rule(*ANY)
def _any(f: Rewriter, node: Node, x: Value, *_: Any, **__: Any) -> Value:
    f.flag(x.axes, "mono")
    f.unscaled(x.axes)
    return x


@rule("tanh", "sin", "erf", "sinh", "asinh", "atan", "sign", "tanhshrink", "hardshrink")
def _odd(f: Rewriter, node: Node, x: Value, *_: Any) -> Value:
    f.flag(x.axes, "mono")
    f.restrict(x.axes, "unit")
    return x


@rule("relu", "leaky_relu", "abs")
def _homogeneous(f: Rewriter, node: Node, x: Value, *_: Any) -> Value:
    f.flag(x.axes, "mono")
    f.restrict(x.axes, "positive")
    return x


@rule("prelu")
def _prelu(f: Rewriter, node: Node, x: Value, slope: Value) -> Value:
    f.flag(x.axes, "mono")
    f.restrict(x.axes, "positive")
    f.unscaled(slope.axes)
    if len(x.axes) > 1:
        _axis(f, x.axes[1], slope.axes[0], "mul")
    return x


def _axis(f: Rewriter, a: Axis, b: Axis, how: str) -> Axis:
    """Combine two axes, one of which may be of size 1 and stand for all indices."""
    a, b = expanded(a), expanded(b)
    if a and b:
        return f.unify(a, b, how)
    if how == "same":
        f.flag([a, b], "one")
        f.unscaled([a, b])
    return a or b


def _broadcast(f: Rewriter, x: Value, y: Value, how: str) -> Value:
    rank = max(len(x.axes), len(y.axes))
    a, b = (((),) * (rank - len(v.axes)) + v.axes for v in (x, y))
    return f.present(Value(tuple(_axis(f, p, q, how) for p, q in zip(a, b, strict=True))))


@rule("add", "sub", "rsub")
def _add(f: Rewriter, node: Node, x: Any, y: Any, *_: Any, **__: Any) -> Value:
    if isinstance(x, Value) and isinstance(y, Value):
        return _broadcast(f, x, y, "same")
    value: Value = x if isinstance(x, Value) else y
    f.flag(value.axes, "one")
    f.unscaled(value.axes)
    return value


@rule("mul", "div", "true_divide")
def _mul(f: Rewriter, node: Node, x: Any, y: Any, *_: Any, **__: Any) -> Value:
    if not (isinstance(x, Value) and isinstance(y, Value)):
        if operation(node) != "mul" and isinstance(y, Value):
            return _any(f, node, y)
        return x if isinstance(x, Value) else y
    if node in f.folds:
        return f.folded(node, x, y)
    if operation(node) != "mul":
        _any(f, node, y)
    return _broadcast(f, x, y, "mul")


@rule("where")
def _where(f: Rewriter, node: Node, where: Value, x: Any, y: Any) -> Value:
    values = [v for v in (x, y) if isinstance(v, Value)]
    for v in values:
        _any(f, node, v)
    found = values[0] if len(values) == 1 else _broadcast(f, values[0], values[-1], "same")
    f.flag(found.axes, "one")
    return _broadcast(f, found, where, "mul")


@rule("masked_fill")
def _masked_fill(f: Rewriter, node: Node, x: Value, mask: Value, fill: Any) -> Value:
    if isinstance(fill, Value):
        f.still(fill.axes)
    return _broadcast(f, _any(f, node, x), mask, "mul")


# -- powers and means: the squares of a norm ------------------------------------------
@rule("pow")
def _pow(f: Rewriter, node: Node, x: Value, k: Any) -> Value:
    last = len(x.axes) - 1
    sums = all(
        operation(user) in ("mean", "sum") and _dims(inputs(user)[1:], last + 1) == {last}
        for user in node.users
    )
    if k != 2 or not sums:
        return _any(f, node, x)
    return _squared(f, x, last)


def _squared(f: Rewriter, x: Value, last: int) -> Value:
    """Return the squares of x, whose sum over the last axis an orthogonal group leaves."""
    f.flag(x.axes[last:], "orth")
    f.restrict(x.axes[last:], "unit")
    f.flag(x.axes[:last], "mono")
    f.unscaled(x.axes[:last])
    return Value((*x.axes[:last], (Data(shape_of(x.axes[last])),)))


def shape_of(axis: Axis) -> int:
    """Return the number of indices of an axis.

    Args:
        axis: its factors.

    Returns:
        The number, 1 where there are none.

    >>> shape_of(())
    1
    """
    return prod(factor.n for factor in axis)


def _dims(args: Any, rank: int) -> set[int]:
    dims = args[0] if args else None
    if dims is None or dims == []:
        return set(range(rank))
    return {d % rank for d in ([dims] if isinstance(dims, int) else dims)}


@rule("mean", "sum")
def _mean(f: Rewriter, node: Node, x: Value, *args: Any, **_: Any) -> Value:
    dims = _dims(args, len(x.axes))
    gone = [x.axes[d] for d in dims]
    f.flag(gone, "one")
    f.unscaled(gone)
    return _reduced(f, x, dims, len(shape(node)))


@rule("amax", "amin", "logsumexp")
def _amax(f: Rewriter, node: Node, x: Value, *args: Any, **_: Any) -> Value:
    dims = _dims(args, len(x.axes))
    f.flag(x.axes, "mono")
    f.unscaled(x.axes)
    return _reduced(f, x, dims, len(shape(node)))


@rule("linalg_vector_norm")
def _norm(f: Rewriter, node: Node, x: Value, order: Any = 2, *args: Any, **_: Any) -> Value:
    dims = _dims(args, len(x.axes))
    if order != 2 or dims != {len(x.axes) - 1}:
        return _amax(f, node, x, *args)
    return _reduced(f, _squared(f, x, len(x.axes) - 1), dims, len(shape(node)))


def _reduced(f: Rewriter, x: Value, dims: set[int], rank: int) -> Value:
    if rank == len(x.axes):
        axes = tuple(() if i in dims else axis for i, axis in enumerate(x.axes))
    else:
        axes = tuple(axis for i, axis in enumerate(x.axes) if i not in dims)
    return f.present(Value(axes))


# -- norms ------------------------------------------------------------------------------
@rule("layer_norm", "rms_norm")
def _layer_norm(
    f: Rewriter, node: Node, x: Value, sizes: Any, gain: Any = None, bias: Any = None, *_: Any
) -> Value:
    if len(sizes) != 1:
        raise NotImplementedError
    centred = operation(node) == "layer_norm"
    last = x.axes[-1:]
    f.flag(last, "orth", *(["one"] if centred else []))
    f.unscaled(last) if centred else f.restrict(last, "unit")
    f.flag(x.axes[:-1], "mono")
    f.unscaled(x.axes[:-1])
    if isinstance(gain, Value):
        x = f.folded(node, x, gain) if node in f.folds else _broadcast(f, x, gain, "mul")
    return _broadcast(f, x, bias, "same") if isinstance(bias, Value) else x


@rule("_native_batch_norm_legit_no_training")
def _batch_norm(f: Rewriter, node: Node, x: Value, *args: Any) -> list[Value]:
    gain, bias, mean, variance = args[:4]
    channel = f.unify(x.axes[1], mean.axes[0], "same")
    f.unscaled(variance.axes)
    channel = f.unify(channel, variance.axes[0], "mul")
    if isinstance(gain, Value):
        channel = f.unify(channel, gain.axes[0], "mul")
    if isinstance(bias, Value):
        channel = f.unify(channel, bias.axes[0], "same")
    y = f.present(Value((x.axes[0], channel, *x.axes[2:])))
    return [y, still_value((0,)), still_value((0,))]


@rule("group_norm")
def _group_norm(
    f: Rewriter, node: Node, x: Value, groups: int, gain: Any = None, bias: Any = None, *_: Any
) -> Value:
    channel = x.axes[1]
    f.flag([channel], "mono", *([] if groups == 1 else ["still"]))
    f.unscaled([channel])
    for part, how in ((gain, "mul"), (bias, "same")):
        if isinstance(part, Value):
            channel = f.unify(channel, part.axes[0], how)
    return f.present(Value((x.axes[0], channel, *x.axes[2:])))


# -- pooling ----------------------------------------------------------------------------
@rule(
    "avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_avg_pool1d", "_adaptive_avg_pool2d"
)
@rule("upsample_nearest2d", "upsample_bilinear2d", "constant_pad_nd", "pad", "reflection_pad2d")
def _space(f: Rewriter, node: Node, x: Value, *_: Any, **__: Any) -> Value:
    sizes, moved = shape(node), [i for i, axis in enumerate(x.axes) if list(atoms([axis]))]
    if any(sizes[i] != shape(inputs(node)[0])[i] for i in moved) or any(
        i >= len(sizes) - 1 for i in moved
    ):
        raise NotImplementedError
    rest = still_value(sizes).axes
    return Value(tuple(x.axes[i] if i in moved else rest[i] for i in range(len(sizes))))


@rule("max_pool1d", "max_pool2d", "adaptive_max_pool2d")
def _max_pool(f: Rewriter, node: Node, x: Value, *_: Any, **__: Any) -> Value:
    return _space(f, node, _homogeneous(f, node, x))
