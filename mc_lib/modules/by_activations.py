"""Alignment of two models by what weights read from their layers on data, in one pass."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mc_lib.alignment.activations import apart
from mc_lib.alignment.anchored import Anchored, back
from mc_lib.alignment.balance import balance
from mc_lib.alignment.base import Alignment
from mc_lib.alignment.grams import Block, Term
from mc_lib.alignment.solving import Solver
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups import Permutation
from mc_lib.layers import OutOf, places
from mc_lib.modules.chart import Chart
from mc_lib.modules.find import find_symmetry
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.graph import Graph
from mc_lib.modules.moments import DEAD, Moments, moments
from mc_lib.modules.responses import Response
from mc_lib.points import Point
from mc_lib.trees import named, renamed


def by_activations(
    found: FoundSymmetry, u: Point, w: Point, batches: Sequence[tuple[Any, ...]]
) -> Alignment:
    """Return the alignment of two points by what weights read from their layers on data.

    Args:
        found: the symmetry of the architecture.
        u: the goal, a point of its chart.
        w: what is moved.
        batches: inputs, tuples of arguments.

    Returns:
        The alignment; its objective is the squared distance of the shortest points, which may
        grow.

    Raises:
        OutOfDomain: fewer than 2 samples.
        McLibError: as `find_symmetry`.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> w = found.chart.point(net)
    >>> x = torch.tensor([[1.0, 2.0], [0.0, 1.0], [-1.0, 3.0], [2.0, 0.5]])
    >>> by_activations(found, w, w, [(x,)]).after
    0.0
    """
    symmetry = found.symmetry
    base, short = balance(symmetry, u)
    first, start = balance(symmetry, w)
    state = Anchored(symmetry, dict(named(short)), dict(named(start)))
    before = state.distance
    graph, responses, same = traced(found, batches)
    tensors = (plain(found.chart, state.u), plain(found.chart, state.w))
    streams = {name for block in state.blocks if block.root is None for name in block.layers}
    seen = moments(graph, responses, tensors, same, streams)
    _require_rows(seen)
    settled: dict[Block, dict[str, Tensor]] = {}
    for block in sorted(state.blocks, key=lambda x: x.root is not None):  # streams first
        here = [x for x in responses if set(filter(None, x.layers)) & set(block.layers)]
        settled[block] = _by_data(state, block, here, seen)
        if settled[block]:
            state.move(block, settled[block])
    rest = [x for x in state.blocks if len(settled[x]) < len(x.layers)]
    rest.sort(key=lambda x: len(settled[x]))  # what no data see, then what lives at the heads
    for _ in range(2 if any(not settled[x] for x in rest) else 1):
        for block in rest:
            rested = {name: _identity_like(x) for name, x in settled[block].items()}
            if weights := state.terms(block):
                state.move(block, Solver(symmetry, block).solve(weights, rested))
    g = back(symmetry, base, state.g, first)
    moved = renamed(w, dict(named(symmetry.act(g, w))))
    return Alignment(g, moved, (before, state.distance))


def traced(
    found: FoundSymmetry, batches: Sequence[tuple[Any, ...]]
) -> tuple[Graph, tuple[Response, ...], list[tuple[Any, ...]]]:
    """Return the graph for data of these shapes, its responses, and the batches of one shape.

    The graph is recorded for one shape: batches of other shapes than the first are left out.

    Args:
        found: the symmetry of the architecture.
        batches: tuples of inputs.

    Returns:
        The three.

    Raises:
        ShapeMismatch: on inputs of these shapes the module has another symmetry.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> x = torch.ones(4, 2)
    >>> len(traced(found, [(x,), (x,), (x[:1],)])[2])
    2
    """
    shapes = [_shapes(x) for x in batches]
    same = [x for x, shape in zip(batches, shapes, strict=True) if shape == shapes[0]]
    if shapes[0] == _shapes(found.args):
        return found.graph, found.responses, same
    again = find_symmetry(found.chart.model, batches[0])
    if again.symmetry.table != found.symmetry.table:
        raise ShapeMismatch(
            f"on data of shapes {shapes[0]} the module has another symmetry than on the example "
            f"inputs of shapes {_shapes(found.args)}: give find_symmetry inputs as the data's"
        )
    return again.graph, again.responses, same


def _shapes(args: Any) -> list[Any]:
    leaves = torch.utils._pytree.tree_leaves(tuple(args))
    return [tuple(x.shape) if isinstance(x, Tensor) else x for x in leaves]


def plain(chart: Chart, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a point with the gains that readers have taken over put to 1.

    Args:
        chart: of the architecture.
        views: the point.

    Returns:
        The tensors by their names in the state dict.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.LayerNorm(3), torch.nn.Linear(3, 2))
    >>> _ = net[0].weight.data.fill_(2.0)
    >>> chart = find_symmetry(net, (torch.ones(1, 3),)).chart
    >>> torch.equal(plain(chart, chart.point(net))["1.weight"], 2 * net[1].weight)
    True
    """
    gains = {fold.gain for fold in chart.folds}
    ones = {k: torch.ones_like(x) if k in gains else x for k, x in views.items()}
    return chart.tensors(ones)


def _require_rows(seen: Mapping[str, Moments]) -> None:
    few = min((x.count for x in seen.values()), default=2)
    if few < 2:
        raise OutOfDomain(f"activations are compared over 2 samples or more, got {few}")


def _by_data(
    state: Anchored, block: Block, here: Sequence[Response], seen: Mapping[str, Moments]
) -> dict[str, Tensor]:
    """Return the matrices of the layers of a block that the data settle."""
    if block.root is None:
        name = block.layers[0]
        crosses = [seen[x.node].cross for x in here if x.layers.count(name) == 1 and _alone(x)]
        if not crosses:
            return {}
        return Solver(state.symmetry, block).solve(
            [Term((), (name,), sum(crosses[1:], crosses[0]))]
        )
    data = _data_terms(state, block, here, seen)
    if not data:
        return {}
    layers = {name for term in data for name in term.moving}
    smaller = Block(block.root, tuple(x for x in block.inner if x in layers))
    return Solver(state.symmetry, smaller).solve(data)


def _identity_like(x: Tensor) -> Tensor:
    return torch.eye(x.shape[-1]).to(x).expand_as(x)


def _alone(response: Response) -> bool:
    return len([x for x in response.layers if x is not None]) == 1


def _data_terms(
    state: Anchored, block: Block, here: Sequence[Response], seen: Mapping[str, Moments]
) -> list[Term]:
    """Return correlations as terms of the permutations of a block, and of signs over them."""
    found: dict[tuple[str, ...], Tensor] = {}
    layers = state.symmetry.layers
    for response in here:
        names = [x for x in response.layers if x is not None]
        if names[0] != block.root or not set(names) <= set(block.layers):
            continue
        sizes = [n for n, x in zip(response.sizes, response.layers, strict=True) if x is not None]
        turned = [x for x in names if not isinstance(layers[x].group, Permutation)]
        signs = [x for x in response.signs if x in block.inner]
        if len(turned) > 1 or (turned and names[-1] != turned[0]):
            continue
        if turned:
            table = _contributions(state, names, sizes, seen[response.node])
        else:
            names = [*names, *signs]
            table = _correlations([*sizes, *(1 for _ in signs)], seen[response.node])
        moving = tuple(x for x in names if x not in turned)
        if table is not None:
            found[moving] = found[moving] + table if moving in found else table
    return [Term((), moving, values) for moving, values in found.items()]


def _correlations(sizes: Sequence[int], x: Moments) -> Tensor:
    """Return corr of all pairs of units, a pair of axes for each layer; 0 where one is dead."""
    sides = []
    for side in (0, 1):
        square = x.squares[side].diagonal(dim1=1, dim2=2).flatten()
        variance = x.variance(side).diagonal(dim1=1, dim2=2).flatten()
        alive = variance > DEAD * square
        sides.append(torch.where(alive, 1 / torch.where(alive, variance, 1).sqrt(), 0))
    return _paired(x.covariance * sides[0][:, None] * sides[1], sizes) - _ties(sizes)


def _paired(table: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return a table of all units by all units with the axes (i, j) of each layer adjacent."""
    k = len(sizes)
    order = [x for i in range(k) for x in (i, k + i)]
    return table.reshape(*sizes, *sizes).permute(order)


def _ties(sizes: Sequence[int]) -> Tensor:
    """Return numbers that tell ties apart, to the nearest place, and nothing else."""
    return apart(sizes[0]).reshape(sizes[0], sizes[0], *(1,) * (2 * len(sizes) - 2))


def _contributions(
    state: Anchored, names: Sequence[str], sizes: Sequence[int], x: Moments
) -> Tensor | None:
    """Return the correlation of what each head writes, where readers contract its last layer.

    The inner product of contributions x_i A_iᵀ and y_j B_jᵀ is Σ (XᵀY)_ij ∘ (AᵀB)_ij.
    """
    readers = _readers(state, names)
    if not readers:
        return None
    k = len(names)
    kinds = ("uw", "uu", "ww")
    points = {"u": state.u, "w": state.w}
    inner: dict[str, Tensor] = {}
    for kind in kinds:
        total: Any = 0
        for key, order in readers:
            a, b = (points[s][key].double().movedim(order, [*range(k)]).flatten(k) for s in kind)
            if kind == "uw":
                total = total + _paired(a.flatten(0, k - 1) @ b.flatten(0, k - 1).mT, sizes)
            else:
                a = a.reshape(sizes[0], -1, sizes[-1], a.shape[-1])
                total = total + a @ a.mT
        inner[kind] = total
    cross = (_paired(x.covariance, sizes) * inner["uw"]).sum((-2, -1))
    norms = []
    for side, kind in enumerate(("uu", "ww")):
        n, many, d = inner[kind].shape[0], inner[kind].shape[1], sizes[-1]
        own = x.variance(side).reshape(n, many, d, many, d)
        own = torch.stack([own[:, i, :, i] for i in range(many)], 1)
        size = (own * inner[kind]).sum((-2, -1))
        scale = own.diagonal(dim1=-2, dim2=-1).sum(-1) * inner[kind].diagonal(dim1=-2, dim2=-1).sum(
            -1
        )
        alive = size > DEAD * scale
        norms.append(torch.where(alive, 1 / torch.where(alive, size, 1).sqrt(), 0))
    a, b = norms
    if len(names) == 2:
        return cross * a.reshape(-1, 1) * b.reshape(1, -1) - _ties(sizes[:1])
    return cross * a[:, None, :, None] * b[None, :, None, :] - _ties(sizes[:2])


def _readers(state: Anchored, names: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return the weights that read exactly these layers, with their axes in this order."""
    found = []
    for key, axes in state.symmetry.table.items():
        where = [places(axes, name) for name in names]
        if all(len(x) == 1 for x in where) and isinstance(axes[where[-1][0]], OutOf):
            if state.u[key].ndim == len(axes):
                found.append((key, [x[0] for x in where]))
    return found
