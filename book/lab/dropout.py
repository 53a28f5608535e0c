"""Chapter 2: paths between networks that can lose half of their neurons.

A loss that is convex in the output is convex in the last layer, so a segment that moves
only the last layer stays below its ends. A neuron that nothing reads can be changed at no
cost. Together they lead from a network to the half of it that is kept, layer by layer, and
from one half to another that lives in the free places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from mc_lib.curves import PolygonalChain
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.networks import Weights
from mc_lib.networks.classifier import Classifier

Kept: TypeAlias = tuple[Int[Tensor, " _"], ...]
"""The neurons that are kept, for each hidden layer, as indices."""


@dataclass(frozen=True, eq=False)
class StablePath:
    """A path through two halved networks, and the loss that it cannot exceed.

    Args:
        curve: the chain of segments.
        bound: the largest loss of the two networks and of what is left of them as their
            layers are halved, from the last to the first. The path stays at or below it.
    """

    curve: PolygonalChain
    bound: float


def keep_half(net: Classifier, w: Weights) -> Kept:
    """Return half of the neurons of each layer, chosen one by one to keep the loss low.

    From the last hidden layer to the first, the neuron goes whose removal raises the loss
    the least, until ⌊h/2⌋ of h are left: a greedy choice, not the best of all.

    Args:
        net: gives the loss, on the data by which to choose.
        w: a point, unbatched.

    Returns:
        The neurons kept, sorted.

    Raises:
        McLibError: w is not a point of the network.

    >>> x = torch.eye(2)
    >>> net = Classifier.of_labels(x, torch.tensor([0, 1]), 2, (2,))
    >>> v = torch.tensor([[0.0, -1.0], [0.0, 1.0]])
    >>> keep_half(net, (x, v, 0 * x[0], 0 * x[0]))  # the first is read by no one
    (tensor([1]),)
    """
    _require_single(net, w)
    chosen: list[Tensor] = []
    for i in range(net.depth - 2, -1, -1):
        h = net.widths[i]
        keep = torch.ones(h, dtype=torch.bool, device=w[0].device)
        while int(keep.sum()) > h // 2:
            left = keep.nonzero()[:, 0]
            masks = keep.repeat(len(left), 1)
            masks[torch.arange(len(left)), left] = False
            tried = (*w[: i + 1], w[i + 1] * masks[:, None].to(w[0]), *w[i + 2 :])
            keep[left[net.loss(tried).argmin()]] = False
        w = (*w[: i + 1], w[i + 1] * keep.to(w[0]), *w[i + 2 :])
        chosen.insert(0, keep.nonzero()[:, 0])
    return tuple(chosen)


def dropped(net: Classifier, w: Weights, kept: Kept, layer: int) -> Weights:
    """Return θ_i: w without the neurons of the hidden layers i, i + 1, ... that are not kept.

    Args:
        net: the network.
        w: a point.
        kept: the neurons that stay.
        layer: i, from 1 for the first hidden layer.

    Returns:
        A point whose columns that read from those neurons are zero.

    Raises:
        ShapeMismatch: not one set of neurons for each hidden layer.

    >>> x = torch.eye(2)
    >>> net = Classifier.of_labels(x, torch.tensor([0, 1]), 2, (2,))
    >>> dropped(net, (x, x, x[0], x[0]), (torch.tensor([1]),), 1)[1]
    tensor([[0., 0.],
            [0., 1.]])
    """
    _require_kept(net, kept)
    return tuple(
        x * _mask(kept[i - 1], x.shape[-1]).to(x) if layer <= i < net.depth else x
        for i, x in enumerate(w)
    )


def dropout_path(net: Classifier, u: Weights, v: Weights, kept_u: Kept, kept_v: Kept) -> StablePath:
    """Return a chain of segments from u to v whose loss is bounded by that of their halves.

    Theorem 1 of Kuditipudi et al. (2019), without rescaling: if u and v keep a loss within
    ε of their own when the last layers are halved, and so on down to the first, the path
    stays within ε of the larger of the two losses.

    Args:
        net: gives the loss, convex in the output.
        u: the start.
        v: the end.
        kept_u: at most half of the neurons of each layer of u.
        kept_v: at most half of the neurons of each layer of v.

    Returns:
        The chain, and its bound.

    Raises:
        OutOfDomain: more than half of a layer is kept.
        ShapeMismatch: not one set of neurons for each hidden layer.
        McLibError: u or v is not a point of the network.

    >>> x = torch.eye(2)
    >>> net = Classifier.of_labels(x, torch.tensor([0, 1]), 2, (2,))
    >>> w = (x, x, x[0], x[0])
    >>> len(dropout_path(net, w, w, (torch.tensor([0]),), (torch.tensor([1]),)).curve.points)
    8
    """
    for w, kept in ((u, kept_u), (v, kept_v)):
        _require_single(net, w)
        _require_kept(net, kept)
    out, back = _halve(net, u, kept_u), _halve(net, v, kept_v)
    out += _make_room(net, out[-1], back[-1])
    a, b, last = out[-1], back[-1], net.depth - 1
    both = [x + y for x, y in zip(a, b, strict=True)]
    ends = [last, len(both) - 1]
    joint = [tuple(w[i] if i in ends else x for i, x in enumerate(both)) for w in (a, b)]
    halves = [
        dropped(net, w, kept, i)
        for w, kept in ((u, kept_u), (v, kept_v))
        for i in range(1, net.depth + 1)  # i = depth drops nothing
    ]
    bound = max(float(net.loss(w)) for w in halves)
    return StablePath(PolygonalChain([*out, *joint, *reversed(back)]), bound)


def _halve(net: Classifier, w: Weights, kept: Kept) -> list[Weights]:
    """Return the corners from w to the network of the kept neurons, all else zero."""
    depth = net.depth
    corners = [w, dropped(net, w, kept, depth - 1)]
    live = {depth - 1: kept[-1]}  # where the halved layers live, numbered from 1
    corners.append(_clear(net, corners[-1], live))
    for i in range(depth - 2, 0, -1):
        free = {j: _others(net, j, at)[: len(at)] for j, at in live.items()}
        x = [y.clone() for y in corners[-1]]
        for j, at in live.items():
            rows = x[j - 1][at]
            if j == i + 1:
                moved = rows * _mask(kept[i - 1], rows.shape[1]).to(rows)
            else:
                moved = torch.zeros_like(rows).index_copy(1, free[j - 1], rows[:, live[j - 1]])
            x[j - 1][free[j]] = moved
            x[depth + j - 1][free[j]] = x[depth + j - 1][at]
        corners.append(tuple(x))
        out = torch.zeros_like(x[depth - 1])
        out[:, free[depth - 1]] = x[depth - 1][:, live[depth - 1]]
        corners.append((*x[: depth - 1], out, *x[depth:]))
        live = {i: kept[i - 1], **free}
        corners.append(_clear(net, corners[-1], live))
    return corners


def _clear(net: Classifier, w: Weights, live: dict[int, Tensor]) -> Weights:
    """Return w without what enters the silent neurons of the given layers."""
    x = list(w)
    for j, at in live.items():
        mask = _mask(at, net.widths[j - 1]).to(w[0])
        x[j - 1], x[net.depth + j - 1] = mask[:, None] * x[j - 1], mask * x[net.depth + j - 1]
    return tuple(x)


def _make_room(net: Classifier, a: Weights, b: Weights) -> list[Weights]:
    """Return the corners on which a leaves the places where b lives, layer by layer."""
    corners, x = [], [y.clone() for y in a]
    for i, h in enumerate(net.widths):
        of_a, of_b = (_live(w, i, net.depth) for w in (x, b))
        source = (of_a & of_b).nonzero()[:, 0]
        if len(source) == 0:
            continue
        target = (~of_a & ~of_b).nonzero()[: len(source), 0]
        for j in (i, net.depth + i):
            x[j] = x[j].index_copy(0, target, x[j][source])
        corners.append(tuple(x))
        keep = 1 - _mask(source, h).to(x[0])
        x[i + 1] = x[i + 1].index_copy(1, target, x[i + 1][:, source]) * keep
        corners.append(tuple(x))
        for j in (i, net.depth + i):
            x[j] = x[j].index_fill(0, source, 0.0)
        corners.append(tuple(x))
    return corners


def _live(w: Sequence[Tensor], i: int, depth: int) -> Tensor:
    """Return which neurons of hidden layer i + 1 have a weight at all."""
    return (w[i] != 0).any(1) | (w[depth + i] != 0) | (w[i + 1] != 0).any(0)


def _mask(at: Tensor, h: int) -> Tensor:
    return torch.zeros(h, dtype=torch.bool, device=at.device).index_fill(0, at, True)


def _others(net: Classifier, j: int, at: Tensor) -> Tensor:
    return (~_mask(at, net.widths[j - 1])).nonzero()[:, 0]


def _require_single(net: Classifier, w: Weights) -> None:
    net.require_weights(w)
    if w[0].ndim != 2:
        raise ShapeMismatch(f"expected one point, got weights of shape {tuple(w[0].shape)}")


def _require_kept(net: Classifier, kept: Kept) -> None:
    if len(kept) != len(net.widths) or any(at.ndim != 1 for at in kept):
        raise ShapeMismatch(
            f"expected the kept neurons of {len(net.widths)} layers, got "
            f"{[tuple(at.shape) for at in kept]}"
        )
    for h, at in zip(net.widths, kept, strict=True):
        if len(set(at.tolist())) > h // 2 or not all(0 <= i < h for i in at.tolist()):
            raise OutOfDomain(
                f"keep at most {h // 2} of the neurons 0 to {h - 1}, got {at.tolist()}"
            )
