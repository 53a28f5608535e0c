"""The shortest point of an orbit: what is left of a group after it is a compact one.

g·w of least norm is unique up to the maximal compact subgroup K (Kempf and Ness 1979; over the
reals Richardson and Slodowy 1990): O(n) for GL(n), ±1 for scalings that may be negative, nothing
for positive ones, a phase for complex ones. Two points of one orbit are then moved into one
another by K, for which Procrustes' problem and assignments are exact. The condition for it is
that incoming and outgoing weights weigh the same, ΣAAᵀ = ΣBBᵀ, a moment map that gradient flow
keeps as it is.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mc_lib.alignment.base import require_single
from mc_lib.alignment.scalings import scales
from mc_lib.groups import ComplexScaling, GeneralLinear, Group
from mc_lib.groups.base import Element
from mc_lib.layers import Fixed, Into, marks, places
from mc_lib.norms import power_of_two
from mc_lib.points import Point
from mc_lib.symmetry import Symmetry
from mc_lib.trees import named, renamed

ROUNDS = 100  # over the layers, at most; those that share no weight take one
SINGULAR = 1e-10  # of a Gram matrix: the orbit of a layer of lower rank has no shortest point


def balance(symmetry: Symmetry, w: Point) -> tuple[tuple[Element, ...], Point]:
    """Return the element b for which b·w has the least norm, and b·w.

    Layer after layer takes its own exact step, until no number changes: c⁴ = Σ‖out‖²/Σ‖in‖² for a
    scaling, gᵀg = P⁻¹ # Q for GL(n), the geometric mean of the inverse of P = Σ A Aᵀ and
    Q = Σ B Bᵀ, where A and B are the incoming and outgoing weights. A scaling that only one side
    meets, which the network forgets, makes the weight 1 in size; where a side is 0, or not of
    full rank, the orbit has no shortest point and the entry is the identity.

    Args:
        symmetry: any; compact and discrete layers stay at rest.
        w: a point, unbatched.

    Returns:
        b and b·w: the same function, undone by the inverse of b.

    Raises:
        McLibError: w is not one point on which the symmetry acts.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(GeneralLinear(1))])
    >>> balance(chain, (torch.tensor([[8.0]]), torch.tensor([[2.0]])))[1]
    (tensor([[4.]]), tensor([[4.]]))
    """
    require_single(symmetry, w)
    views = dict(named(w))
    first = next(iter(views.values()))
    like: dict[str, Any] = {"dtype": first.dtype, "device": first.device}
    group, names = symmetry.group, list(symmetry.layers)
    total = group.identity(**like)
    open_ = [name for name, x in symmetry.layers.items() if not x.group.compact]
    full = [name for name in open_ if _is_full(symmetry.layers[name].group)]
    scaled = [name for name in open_ if name not in full]
    for _ in range(ROUNDS):
        step = list(group.identity(**like))
        change = 0.0
        for name in full:
            g, size = _mean(_grams(symmetry, name, views))
            step[names.index(name)] = g
            change = max(change, size)
        for name, scale in scales(symmetry, scaled, views).items():
            step[names.index(name)] = _element(symmetry.layers[name].group, scale).to(**like)
            change = max(change, float(scale.log().abs().max()))
        if change <= torch.finfo(like["dtype"]).eps ** (2 / 3):
            break
        total = group.compose(step, total)
        views = dict(named(symmetry.act(total, w)))
    return total, renamed(w, views)


def _is_full(group: Group) -> bool:
    return isinstance(group, GeneralLinear) and group.n > 1


def part(symmetry: Symmetry, names: set[Any]) -> Symmetry:
    """Return the action of some layers on the weights that meet them; the others are fixed.

    Args:
        symmetry: any.
        names: layers of it; those over which they live come along.

    Returns:
        A symmetry of fewer weights, by their names or numbers.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(GeneralLinear(1))] * 2)
    >>> list(part(chain, {"layer 1"}).table)
    [0, 1]
    """
    kept = names.union(*(symmetry.layers[name].over for name in names))
    table = {
        key: tuple(x if not isinstance(x, Fixed) and x.layer in kept else Fixed() for x in axes)
        for key, axes in symmetry.table.items()
        if any(places(axes, name) for name in names)
    }
    return Symmetry(table, {k: x for k, x in symmetry.layers.items() if k in kept})


def _element(group: Group, scale: Tensor) -> Element:
    if isinstance(group, ComplexScaling):
        return torch.stack([scale, torch.zeros_like(scale)], -1)
    if isinstance(group, GeneralLinear):
        return scale[..., None, None]
    return scale if group.n > 1 else scale[..., None]


def _grams(
    symmetry: Symmetry, name: str, views: Mapping[Any, Tensor]
) -> tuple[Tensor | None, Tensor | None]:
    """Return P = Σ A Aᵀ over the incoming weights, and Q = Σ B Bᵀ over the outgoing ones."""
    found: list[Tensor | None] = [None, None]
    for key, x in views.items():
        for p, at in marks(symmetry.table[key], name, symmetry.layers[name].over):
            rows = x.movedim([*at, p], [*range(len(at) + 1)])[..., None].flatten(len(at) + 1)
            side = 0 if isinstance(symmetry.table[key][p], Into) else 1
            gram = rows @ rows.mT
            known = found[side]
            found[side] = gram if known is None else known + gram
    return found[0], found[1]


def _mean(grams: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor, float]:
    """Return g = (P⁻¹ # Q)^½, and how far it is from the identity."""
    p, q = grams
    like = p if p is not None else q
    assert like is not None
    eye = torch.eye(like.shape[-1]).to(like)
    if p is None or q is None:
        return eye.expand_as(like), 0.0
    unit = power_of_two(torch.maximum(p.amax(), q.amax()))
    p, q = (p / unit).double(), (q / unit).double()
    whole = torch.ones(p.shape[:-2], dtype=torch.bool, device=p.device)
    for x in (p, q):
        values = torch.linalg.eigvalsh(x)
        whole &= values[..., 0] > SINGULAR * values[..., -1]
    safe = [torch.where(whole[..., None, None], x, eye.double()) for x in (p, q)]
    root, back = _root(safe[0], 0.5), _root(safe[0], -0.5)
    mean = back @ _root(root @ safe[1] @ root, 0.5) @ back
    g = torch.where(whole[..., None, None], _root((mean + mean.mT) / 2, 0.5), eye.double())
    return g.to(like), float((g - eye.double()).abs().max())


def _root(x: Tensor, power: float) -> Tensor:
    """Return the power of a positive definite matrix."""
    values, vectors = torch.linalg.eigh((x + x.mT) / 2)
    return (vectors * values[..., None, :] ** power) @ vectors.mT
