"""The scalings of all layers at once that make a point shortest: matrix balancing.

Σ a_k exp(2⟨e_k, s⟩) is convex in the logarithms s of the scalings. Layer after layer is put at
its minimum, with the squares of the weights carried along; the weights are not touched.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mc_lib.groups import PositiveScaling
from mc_lib.layers import Into, marks
from mc_lib.symmetry import Symmetry

SWEEPS = 3000
Power = tuple[tuple[int, ...], float]  # the axes of a weight that index a scaling, and its power


def scales(
    symmetry: Symmetry, names: Sequence[str], views: Mapping[Any, Tensor]
) -> dict[Any, Tensor]:
    """Return the positive numbers by which some layers make a point shortest.

    Args:
        symmetry: any.
        names: of its layers: scalings of either sign, positive or complex ones.
        views: the weights of a point, by name.

    Returns:
        By the names, at each index of what the layer lives over, and of its own neurons where it
        has several; 1 where there is no shortest point, in float64.

    >>> from mc_lib.groups import GeneralLinear
    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(GeneralLinear(1))])
    >>> w = {0: torch.tensor([[8.0]]), 1: torch.tensor([[2.0]])}
    >>> scales(chain, ["layer 1"], w)["layer 1"].item()
    0.5
    """
    powers = {name: _powers(symmetry, name) for name in names}
    squares = {
        key: _reduced(views[key], [x[key] for x in powers.values() if key in x])
        for key in {key for x in powers.values() for key in x}
    }
    total: dict[Any, Tensor] = {}
    done = 100 * torch.finfo(torch.float64).eps
    for _ in range(SWEEPS):
        change = 0.0
        for name in names:
            c = _best(_sizes(powers[name], squares))
            size = float((c - 1).abs().max())
            total[name] = c * total[name] if name in total else c
            if size > done:
                change = max(change, size)
                for key, found in powers[name].items():
                    for where, power in found:
                        squares[key] = squares[key] * _along(c ** (2 * power), where, squares[key])
        if change <= done:
            break
    return total


def _powers(symmetry: Symmetry, name: str) -> dict[Any, list[Power]]:
    """Return by which powers a scaling multiplies the weights that meet it, and along what."""
    layer, found = symmetry.layers[name], dict[Any, list[Power]]()
    own = isinstance(layer.group, PositiveScaling) and layer.group.n > 1
    for key, axes in symmetry.table.items():
        powers: dict[tuple[int, ...], float] = {}
        for p, at in marks(axes, name, layer.over):
            where = (*at, p) if own else at
            sign = 1.0 if isinstance(axes[p], Into) else -layer.degree
            powers[where] = powers.get(where, 0.0) + sign
        kept = [(where, power) for where, power in powers.items() if power]
        if kept:
            found[key] = kept
    return found


def _reduced(x: Tensor, powers: Sequence[Sequence[Power]]) -> Tensor:
    """Return the squares of a weight, summed over the axes that index no scaling."""
    used = {d for found in powers for where, _ in found for d in where}
    rest = [d for d in range(x.ndim) if d not in used]
    squares = x.double().square()
    return squares.sum(rest, keepdim=True) if rest else squares


def _sizes(
    powers: Mapping[Any, Sequence[Power]], squares: Mapping[Any, Tensor]
) -> dict[float, Tensor]:
    """Return Σ ‖w‖² at each index of a layer, by the power with which it multiplies w."""
    found: dict[float, Tensor] = {}
    for key, here in powers.items():
        x = squares[key]
        for where, power in here:
            rest = [d for d in range(x.ndim) if d not in where]
            size = x.sum(rest) if rest else x
            order = sorted(where)
            size = size.permute([order.index(d) for d in where])
            found[power] = found[power] + size if power in found else size
    return found


def _along(c: Tensor, where: tuple[int, ...], x: Tensor) -> Tensor:
    """Return numbers at some axes of a tensor, with axes of size 1 elsewhere."""
    order = sorted(range(len(where)), key=where.__getitem__)
    sizes = [x.shape[d] if d in where else 1 for d in range(x.ndim)]
    return c.permute(order).reshape(sizes)


def _best(sizes: Mapping[float, Tensor]) -> Tensor:
    """Return the c > 0 that minimises Σ_e N_e c²ᵉ, a convex function of log c.

    Where only one side meets the scaling, the network forgets it, and c makes the size 1.
    """
    up = sum((x for e, x in sizes.items() if e > 0), torch.zeros((), dtype=torch.float64))
    down = sum((x for e, x in sizes.items() if e < 0), torch.zeros((), dtype=torch.float64))
    if not sizes:
        return torch.ones((), dtype=torch.float64)
    if min(sizes) > 0 or max(sizes) < 0:
        power, size = (next(iter(sizes)), up + down) if len(sizes) == 1 else (1.0, up + down)
        return torch.where(size > 0, torch.where(size > 0, size, 1) ** (-0.5 / power), 1)
    both = (up > 0) & (down > 0)
    if set(sizes) == {1.0, -1.0}:
        ratio = torch.where(both, down, 1) / torch.where(both, up, 1)
        return ratio.sqrt().sqrt()
    s = torch.zeros_like(up + down)
    safe = {e: torch.where(both, x, 1.0) for e, x in sizes.items()}
    for _ in range(100):
        terms = {e: x * torch.exp(2 * e * s) for e, x in safe.items()}
        slope = torch.stack([e * x for e, x in terms.items()]).sum(0)
        bend = torch.stack([2 * e * e * x for e, x in terms.items()]).sum(0)
        step = (slope / bend).clamp(-1, 1)
        s = s - step
        if float(step.abs().max()) < 1e-15:
            break
    return torch.where(both, s.exp(), 1.0)
