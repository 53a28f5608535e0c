"""That what was found is all: the null space of the Jacobian against the tangents of the group.

The derivative of the outputs with respect to the parameters vanishes on the tangent of every
symmetry, so its nullity bounds their dimension from above. Equality says that the connected
part of the group is complete at this model; a surplus lives on the parameters named.

The oracle must be good, or the null space is larger than for all inputs. It wants more outputs
than parameters, fourfold (asked for), parameters in general position, statistics of batch norms
that fit the data, feature maps of 4 × 4 or more, sequences of more than one position, and norms
whose ε is not lost in rounding, 1e-2. ReLU neurons that are never or always on are counted.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.groups import CentredOrthogonal, Group, Orthogonal
from mc_lib.kinds import require_kind
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.graph import Graph
from mc_lib.modules.nodes import inputs, operation

ZERO = 1e-11  # a singular value below this, relative to the largest, is zero
MOST = 10_000  # parameters: the Jacobian has as many columns and rows


@dataclass(frozen=True)
class Completeness:
    """What `completeness` counts.

    Args:
        nullity: the dimension of the null space of the Jacobian.
        rank: that of the tangents of the symmetry.
        surplus: by name of a parameter, its share of the null space that no tangent explains,
            in dimensions; shares below 1e-6 are left out.
        gap: the smallest singular value kept and the largest dropped, over the largest.
        outside: the largest derivative along a tangent, relative: rounding, if it is a symmetry.
        switches: by name of a ReLU, how many of its neurons are never, and always, on.
    """

    nullity: int
    rank: int
    surplus: Mapping[str, float]
    gap: tuple[float, float]
    outside: float
    switches: Mapping[str, tuple[int, int]]


def completeness(
    found: FoundSymmetry,
    model: nn.Module,
    args: tuple[Any, ...],
    *,
    generator: torch.Generator | None = None,
) -> Completeness:
    """Return the nullity of the Jacobian beside the rank of the tangents.

    Args:
        found: the symmetry.
        model: a small model of its architecture, in general position.
        args: inputs, whose outputs have four times as many entries as the model parameters.
        generator: of the random elements; None for a fixed one.

    Returns:
        The two numbers, and where a surplus lives.

    Raises:
        OutOfDomain: too few outputs, or too many parameters.
        NotFinite: the outputs or their derivatives are NaN or infinite.
        McLibError: as `Chart.point` and `find_symmetry`.

    >>> from mc_lib.modules import find_symmetry
    >>> x = torch.randn(99, 2, generator=torch.Generator().manual_seed(0))
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    >>> certificate = completeness(find_symmetry(net, (x,)), net, (x,))
    >>> certificate.nullity, certificate.rank, sorted(certificate.surplus)
    (10, 9, ['0.bias', '0.weight', '1.bias', '1.weight'])
    """
    require_kind(found, FoundSymmetry, "what was found")
    r = torch.Generator() if generator is None else generator
    require_kind(r, torch.Generator, "the generator")
    graph = Graph(model, args)
    w = {k: x.double() for k, x in found.chart.point(model).items()}
    tensors = found.chart.tensors(w)
    sizes = {k: x.numel() for k, x in tensors.items()}
    jacobian = _combinations(graph, tensors, args, r)
    with warnings.catch_warnings():  # torch's own, on the first use of forward derivatives
        warnings.simplefilter("ignore", DeprecationWarning)
        moves = list(_tangents(found, w, r))
    tangents = torch.stack([*moves, torch.zeros(sum(sizes.values())).double()])
    if not torch.isfinite(jacobian).all():
        raise NotFinite("a derivative of the outputs is NaN or infinite at this model")
    _, s, v = torch.linalg.svd(jacobian)
    nullity, lengths = int((s <= ZERO * s[0]).sum()), tangents.norm(dim=1, keepdim=True)
    unit = tangents / (lengths + (lengths == 0))
    basis, strengths, _ = torch.linalg.svd(unit.T, full_matrices=False)
    basis = basis[:, strengths > ZERO * max(1.0, float(strengths[0]))]
    null = v[len(s) - nullity :]
    rest = null - (null @ basis) @ basis.T
    shares = rest.square().sum(0).split(list(sizes.values()))
    return Completeness(
        nullity,
        basis.shape[1],
        {k: float(x.sum()) for k, x in zip(sizes, shares, strict=True) if x.sum() > 1e-6},
        _gap(s, nullity),
        float((jacobian @ basis).abs().max() / s[0]) if basis.numel() and s[0] > 0 else 0.0,
        dict(_switches(graph, tensors, args)),
    )


def _combinations(
    graph: Graph, tensors: Mapping[str, Tensor], args: tuple[Any, ...], r: torch.Generator
) -> Tensor:
    """Return as many random combinations of the rows of the Jacobian as there are columns."""
    xs = {k: x.detach().clone().requires_grad_() for k, x in tensors.items()}
    total = sum(x.numel() for x in xs.values())
    if total > MOST:
        raise OutOfDomain(
            f"{total} parameters are above {MOST}: give the architecture small widths"
        )
    y = graph.output(xs, args, torch.float64)
    if y.numel() < 4 * total:
        raise OutOfDomain(
            f"the outputs have {y.numel()} entries for {total} parameters, and fewer than "
            f"{4 * total} may show symmetries of these inputs alone: give more inputs"
        )
    if not torch.isfinite(y).all():
        raise NotFinite("the outputs of the model are NaN or infinite on these inputs")
    rows = []
    for _ in range(total):
        weights = torch.randn(y.shape, generator=r, dtype=torch.float64)
        found = torch.autograd.grad(y, list(xs.values()), weights, True, allow_unused=True)
        pairs = zip(found, xs.values(), strict=True)
        rows.append(
            torch.cat([(x.new_zeros(x.shape) if d is None else d).flatten() for d, x in pairs])
        )
    return torch.stack(rows)


def _tangents(
    found: FoundSymmetry, w: Mapping[str, Tensor], r: torch.Generator
) -> Iterator[Tensor]:
    """Yield random tangents, for each layer as many as its dimension, in the parameters."""
    symmetry, group = found.symmetry, found.symmetry.group
    zero = [
        torch.zeros_like(x) if x.is_floating_point() else None
        for x in group.identity(dtype=torch.float64)
    ]
    for i, factor in enumerate(group.factors):
        for _ in range(math.prod(group.sizes(i)) * factor.dimension):
            shape = (*group.sizes(i), *factor.element_shape)
            m = _algebra(factor, torch.randn(shape, generator=r, dtype=torch.float64))
            step = symmetry.tangent([m if j == i else x for j, x in enumerate(zero)], w)
            moved = torch.func.jvp(found.chart.tensors, (dict(w),), (step,))[1]
            yield torch.cat([x.flatten() for x in moved.values()])


def _algebra(group: Group, m: Tensor) -> Tensor:
    """Return the part of a random tensor that is in the Lie algebra."""
    if isinstance(group, CentredOrthogonal):
        m = m - m.mean(-1, keepdim=True)
        m = m - m.mean(-2, keepdim=True)
    return m - m.mT if isinstance(group, Orthogonal) else m


def _gap(s: Tensor, nullity: int) -> tuple[float, float]:
    kept = len(s) - nullity
    ratio = (s / s[0]).tolist() if kept else []
    return (ratio[kept - 1], ratio[kept] if nullity else 0.0) if kept else (0.0, 0.0)


def _switches(
    graph: Graph, tensors: Mapping[str, Tensor], args: tuple[Any, ...]
) -> Iterator[tuple[str, tuple[int, int]]]:
    with torch.no_grad():
        values = graph.values(tensors, args, torch.float64)
    for node in graph.nodes:
        if operation(node) == "relu":
            x = values[inputs(node)[0]]
            on = (x.movedim(1 if x.ndim == 4 else -1, 0).flatten(1) > 0).double().mean(1)
            yield node.name, (int((on == 0).sum()), int((on == 1).sum()))
