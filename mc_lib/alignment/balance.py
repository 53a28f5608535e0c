"""The shortest point of an orbit: what is left of a group after it is a compact one.

g·w of least norm is unique up to the maximal compact subgroup K (Kempf and Ness 1979; over the
reals Richardson and Slodowy 1990): O(n) for GL(n), ±1 for scalings that may be negative, nothing
for positive ones, a phase for complex ones. Two points of one orbit are then moved into one
another by K, for which Procrustes' problem and assignments are exact. The condition for it is
that incoming and outgoing weights weigh the same, ΣAAᵀ = ΣBBᵀ, a moment map that gradient flow
keeps as it is.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mc_lib.alignment.base import require_single
from mc_lib.groups import ComplexScaling, GeneralLinear, Group, PositiveScaling
from mc_lib.groups.base import Element
from mc_lib.layers import Axes, Fixed, Into, places
from mc_lib.norms import power_of_two
from mc_lib.points import Point
from mc_lib.symmetry import Symmetry
from mc_lib.trees import named

ROUNDS = 1000  # over the layers, at most; those that share no weight take one
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
    first = next(iter(named(w).values()))
    b = list(symmetry.group.identity(dtype=first.dtype, device=first.device))
    open_ = [i for i, x in enumerate(symmetry.layers.values()) if not x.group.compact]
    done = 100 * torch.finfo(first.dtype).eps
    parts = {i: _part(symmetry, list(symmetry.layers)[i]) for i in open_}
    views = dict(named(w))
    for _ in range(ROUNDS if open_ else 0):
        change = 0.0
        for i in open_:
            name, part = list(symmetry.layers)[i], parts[i]
            here = {key: views[key] for key in part.table}
            factor, size = _step(symmetry, name, here)
            if size <= done:
                continue
            change = max(change, size)
            g = list(part.group.identity(dtype=first.dtype, device=first.device))
            g[list(part.layers).index(name)] = factor
            views.update(named(part.act(g, here)))
            b[i] = symmetry.layers[name].group.compose(factor, b[i])
        if change <= done:
            break
    return tuple(b), symmetry.act(b, w)


def part(symmetry: Symmetry, names: set[str]) -> Symmetry:
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


def _part(symmetry: Symmetry, name: str) -> Symmetry:
    return part(symmetry, {name})


def _step(symmetry: Symmetry, name: str, views: Mapping[str, Tensor]) -> tuple[Element, float]:
    """Return the element that makes one layer shortest, and how far it is from the identity."""
    layer = symmetry.layers[name]
    if isinstance(layer.group, GeneralLinear) and layer.group.n > 1:
        return _mean(_grams(symmetry, name, views))
    scale = _scale(_powers(symmetry, name, views))
    return _element(layer.group, scale), float(scale.log().abs().max())


def _powers(symmetry: Symmetry, name: str, views: Mapping[str, Tensor]) -> dict[float, Tensor]:
    """Return ‖w‖² at each index, by the power with which a scaling multiplies the weights."""
    layer, found = symmetry.layers[name], dict[float, Tensor]()
    own = isinstance(layer.group, PositiveScaling)
    for key, x in views.items():
        powers: dict[tuple[int, ...], float] = {}
        for p, at in marks(symmetry, symmetry.table[key], name):
            where = (*at, p) if own and layer.group.n > 1 else at
            sign = 1.0 if isinstance(symmetry.table[key][p], Into) else -layer.degree
            powers[where] = powers.get(where, 0.0) + sign
        for where, power in powers.items():
            rest = [d for d in range(x.ndim) if d not in where]
            squares = x.square().sum(rest) if rest else x.square()
            order = sorted(range(len(where)), key=lambda i: where[i])
            squares = squares.permute([order.index(i) for i in range(len(where))])
            found[power] = found.get(power, 0) + squares
    found.pop(0.0, None)
    return found


def _scale(powers: Mapping[float, Tensor]) -> Tensor:
    """Return the c > 0 that minimises Σ_e N_e c²ᵉ, a convex function of log c."""
    up = sum((x for e, x in powers.items() if e > 0), torch.zeros(()))
    down = sum((x for e, x in powers.items() if e < 0), torch.zeros(()))
    if not powers:
        return torch.ones(())
    if all(e > 0 for e in powers) or all(e < 0 for e in powers):
        power, size = next(iter(powers.items())) if len(powers) == 1 else (1.0, up + down)
        return torch.where(size > 0, torch.where(size > 0, size, 1) ** (-1 / (2 * power)), 1)
    both = (up > 0) & (down > 0)
    sizes = {e: torch.where(both, x, 1.0) for e, x in powers.items()}
    s = torch.zeros_like(next(iter(sizes.values())))
    for _ in range(100):
        terms = {e: x * torch.exp(2 * e * s) for e, x in sizes.items()}
        slope = sum(e * x for e, x in terms.items())
        bend = sum(2 * e * e * x for e, x in terms.items())
        step = (slope / bend).clamp(-1, 1)
        s = s - step
        if float(step.abs().max()) < 1e-15:
            break
    return torch.where(both, s.exp(), 1.0)


def _element(group: Group, scale: Tensor) -> Element:
    if isinstance(group, ComplexScaling):
        return torch.stack([scale, torch.zeros_like(scale)], -1)
    if isinstance(group, GeneralLinear):
        return scale[..., None, None]
    return scale if group.n > 1 else scale[..., None]


def _grams(
    symmetry: Symmetry, name: str, views: Mapping[str, Tensor]
) -> tuple[Tensor | None, Tensor | None]:
    """Return P = Σ A Aᵀ over the incoming weights, and Q = Σ B Bᵀ over the outgoing ones."""
    found: list[Tensor | None] = [None, None]
    for key, x in views.items():
        for p, at in marks(symmetry, symmetry.table[key], name):
            rows = x.movedim([*at, p], [*range(len(at) + 1)])[..., None].flatten(len(at) + 1)
            side = 0 if isinstance(symmetry.table[key][p], Into) else 1
            gram = rows @ rows.mT
            found[side] = gram if found[side] is None else found[side] + gram
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


def marks(symmetry: Symmetry, axes: Axes, name: str) -> list[tuple[int, tuple[int, ...]]]:
    """Return the axes of a weight that meet a layer, each with those of the layers below it.

    Args:
        symmetry: any.
        axes: of one weight.
        name: of the layer.

    Returns:
        Pairs of a position and the positions of the layers over which it lives, in their order.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(GeneralLinear(1))])
    >>> marks(chain, chain.table[1], "layer 1")
    [(1, ())]
    """
    over = symmetry.layers[name].over
    found = []
    for p in places(axes, name):
        axis = axes[p]
        assert not isinstance(axis, Fixed)
        found.append((p, axis.at or tuple(places(axes, base)[0] for base in over)))
    return found
