"""Rules of the operations that only rearrange entries."""

from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from mc_lib.modules.nodes import inputs, shape
from mc_lib.modules.rewriter import Rewriter
from mc_lib.modules.rules import rule
from mc_lib.modules.spaces import (
    Atom,
    Axis,
    Data,
    Factor,
    Joined,
    Unmatched,
    Value,
    atoms,
    expanded,
    length,
)


@rule("view", "reshape", "_unsafe_view", "flatten", "unflatten")
def _view(f: Rewriter, node: Node, x: Value, *_: Any) -> Value:
    """Cut the row-major list of factors anew; a factor that is cut is split."""
    factors: list[Factor] = [factor for axis in x.axes for factor in expanded(axis)]
    axes: list[Axis] = []
    for size in shape(node):
        mine: list[Factor] = []
        while (need := size // length(mine)) > 1:
            factor = factors.pop(0)
            if factor.n > need:
                if factor.n % need or isinstance(factor, Joined):
                    raise Unmatched
                if isinstance(factor, Atom):
                    f.halves(factor.leaf, need, outer=True, inner=True, both=False)
                    factors = [*expanded([factor]), *factors]
                    continue
                factors.insert(0, Data(factor.n // need, factor.constant))
                factor = Data(need, factor.constant)
            elif need % factor.n:
                raise Unmatched
            mine.append(factor)
        axes.append(tuple(mine))
    return f.present(Value(tuple(axes)))


@rule("permute")
def _permute(f: Rewriter, node: Node, x: Value, order: Sequence[int]) -> Value:
    return Value(tuple(x.axes[i] for i in order))


@rule("transpose", "t", "swapaxes", "numpy_T")
def _transpose(f: Rewriter, node: Node, x: Value, a: int = 0, b: int = -1) -> Value:
    axes = list(x.axes)
    axes[a], axes[b] = axes[b], axes[a]
    return Value(tuple(axes))


@rule("squeeze")
def _squeeze(f: Rewriter, node: Node, x: Value, dims: Any = None) -> Value:
    sizes = shape(inputs(node)[0])
    rank = len(sizes)
    chosen = range(rank) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {d % rank for d in chosen if sizes[d] == 1}
    return Value(tuple(axis for i, axis in enumerate(x.axes) if i not in gone))


@rule("unsqueeze")
def _unsqueeze(f: Rewriter, node: Node, x: Value, dim: int) -> Value:
    axes = list(x.axes)
    axes.insert(dim % (len(axes) + 1), ())
    return Value(tuple(axes))


@rule("expand", "broadcast_to")
def _expand(f: Rewriter, node: Node, x: Value, *_: Any) -> Value:
    sizes = shape(node)
    axes = ((),) * (len(sizes) - len(x.axes)) + x.axes
    pairs = zip(axes, sizes, strict=True)
    return Value(tuple(a if expanded(a) or n == 1 else (Data(n, True),) for a, n in pairs))


@rule("cat", "concat")
def _cat(f: Rewriter, node: Node, values: Sequence[Value], dim: int = 0) -> Value:
    dim %= len(values[0].axes)
    rest = values[0].axes
    for value in values[1:]:
        rest = tuple(
            a if i == dim else _beside(f, a, b)
            for i, (a, b) in enumerate(zip(rest, value.axes, strict=True))
        )
    sizes = [shape(x)[dim] for x in inputs(node)[0]]
    pieces = []
    for value, n in zip(values, sizes, strict=True):
        axis = expanded(value.axes[dim])
        pieces.append(axis if length(axis) == n and axis else (Data(n),))
    joined: Axis = (Joined(tuple(pieces)),) if list(atoms(pieces)) else (Data(sum(sizes)),)
    return f.present(Value((*rest[:dim], joined, *rest[dim + 1 :])))


def _beside(f: Rewriter, a: Axis, b: Axis) -> Axis:
    return f.unify(a, b, "same") if expanded(a) else a


@rule("stack")
def _stack(f: Rewriter, node: Node, values: Sequence[Value], dim: int = 0) -> Value:
    axes = values[0].axes
    for value in values[1:]:
        pairs = zip(axes, value.axes, strict=True)
        axes = tuple(_beside(f, a, b) for a, b in pairs)
    dim %= len(axes) + 1
    return f.present(Value((*axes[:dim], (Data(len(values)),), *axes[dim:])))


@rule("split", "split_with_sizes", "chunk")
def _split(f: Rewriter, node: Node, x: Value, by: Any, dim: int = 0) -> list[Value]:
    sizes = [tuple(part.shape)[dim] for part in node.meta["val"]]
    return [_with(f, x, dim, axis) for axis in f.parts(x.axes[dim], sizes)]


def _with(f: Rewriter, x: Value, dim: int, axis: Axis) -> Value:
    dim %= len(x.axes)
    return f.present(Value((*x.axes[:dim], axis, *x.axes[dim + 1 :])))


@rule("slice")
def _slice(f: Rewriter, node: Node, x: Value, dim: int = 0, *args: Any) -> Value:
    start, stop, step = list(args) + [0, None, 1][len(args) :]
    n = shape(inputs(node)[0])[dim]
    span = range(n)[start:stop:step]
    if len(span) == n:
        return x
    if step != 1:
        f.still([x.axes[dim]])
        return _with(f, x, dim, (Data(len(span)),))
    ends = [span.start, len(span), n - span.stop]
    pieces = f.parts(x.axes[dim], [size for size in ends if size])
    return _with(f, x, dim, pieces[min(span.start, 1)])


@rule("select")
def _select(f: Rewriter, node: Node, x: Value, dim: int, index: int) -> Value:
    dim %= len(x.axes)
    f.still([x.axes[dim]])
    return f.present(Value((*x.axes[:dim], *x.axes[dim + 1 :])))


@rule("index_select", "flip", "roll", "repeat_interleave", "index", "gather")
def _rearranged(f: Rewriter, node: Node, x: Value, *args: Any, **_: Any) -> Value:
    raise NotImplementedError
