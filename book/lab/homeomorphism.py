"""Chapter 4: the homeomorphism (10) of GL_h^{l-1} and a linear network's minimum."""

import itertools

import torch
from jaxtyping import Int
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.product import Elements
from mc_lib.minima.linear import component
from mc_lib.minima.zero_loss import attainable_map, require_minimum
from mc_lib.networks import DeepLinear, Weights


def from_group(net: DeepLinear, g: Elements) -> Weights:
    """Return f(g) = (g_1 X⁻¹, g_2, ..., g_{l-1}, Y g_1⁻¹ g_2⁻¹ ⋯ g_{l-1}⁻¹), eq. (10).

    f is a homeomorphism from GL_h^{l-1} to L⁻¹(0) (Proposition 4.1).

    Args:
        net: a network with square X, Y of rank h and all widths h.
        g: l − 1 invertible matrices, batched or not.

    Returns:
        A point of L⁻¹(0).

    Raises:
        ShapeMismatch: the network is not square, or g does not have l − 1 entries.
        RankDeficient: Y is singular.
        NotInGroup: an entry of g is singular.
        DtypeMismatch: g is not of the dtype and device of X.

    >>> two, six = torch.tensor([[2.0]]), torch.tensor([[6.0]])
    >>> from_group(DeepLinear(torch.eye(1), six, (1,)), (two,))
    (tensor([[2.]]), tensor([[3.]]))
    """
    _require_square(net)
    group, entries = GeneralLinear(net.widths[0]), net.symmetry.group.entries(g)
    require_tensors([net.X, *entries], "X and g")
    last = net.Y
    for gi in entries:
        group.require(gi)
        last = group.right_inverse(last, gi)
    return (group.right_inverse(entries[0], net.X), *entries[1:], last)


def to_group(net: DeepLinear, w: Weights) -> Elements:
    """Return f⁻¹(w) = (W_1 X, W_2, ..., W_{l-1}), the inverse of `from_group`.

    Args:
        net: a network with square X, Y of rank h and all widths h.
        w: a point of L⁻¹(0), batched or not.

    Returns:
        The group element g with f(g) = w.

    Raises:
        ShapeMismatch: the network is not square.
        RankDeficient: Y is singular.
        NotAMinimum: w has positive loss.

    >>> two, three = torch.tensor([[2.0]]), torch.tensor([[3.0]])
    >>> to_group(DeepLinear(torch.eye(1), torch.tensor([[6.0]]), (1,)), (two, three))
    (tensor([[2.]]),)
    """
    _require_square(net)
    require_minimum(net, w)
    return (w[0] @ net.X, *w[1:-1])


def sheets(net: DeepLinear, extent: float, points: int) -> tuple[Weights, Int[Tensor, "s b"]]:
    """Return a grid on each component of the minimum of a network with 1 × 1 weights.

    The image under f, eq. (10), of the grid on which each |g_i| runs over `points`
    logarithmically spaced values in [1/e, e], e the extent.

    Args:
        net: a network with X, Y and all widths of size 1.
        extent: e > 1.
        points: number of values on each axis, at least 2.

    Returns:
        The weights, each of shape (s, p, ..., p, 1, 1) with one axis of p points for each
        of the l − 1 group entries, and the component of each of the s = 2^{l-1} sheets.

    Raises:
        ShapeMismatch: the weights are not 1 × 1.
        OutOfDomain: extent ≤ 1 or points < 2.

    >>> one = torch.eye(1)
    >>> w, signs = sheets(DeepLinear(one, one, (1, 1)), extent=2.0, points=5)
    >>> w[0].shape, signs.tolist()
    (torch.Size([4, 5, 5, 1, 1]), [[1, 1], [1, -1], [-1, -1], [-1, 1]])
    """
    if set(net.sizes) != {1}:
        raise ShapeMismatch(f"expected weights of shape 1 × 1, got the widths {net.sizes}")
    if not 1 < extent < float("inf") or points < 2:
        raise OutOfDomain(f"expected extent > 1 and points ≥ 2, got {extent} and {points}")
    side = torch.logspace(-1, 1, points, base=extent, dtype=net.X.dtype, device=net.X.device)
    corners = list(itertools.product((1, -1), repeat=len(net.widths)))
    grids = torch.meshgrid(*[side] * len(net.widths), indexing="ij")
    g = tuple(
        torch.stack([corner[i] * grid for corner in corners])[..., None, None]
        for i, grid in enumerate(grids)
    )
    w = from_group(net, g)
    return w, component(net, w).reshape(len(corners), -1, len(net.widths))[:, 0]


def _require_square(net: DeepLinear) -> None:
    shapes = {*net.sizes, net.X.shape[1]}
    if len(shapes) > 1:
        raise ShapeMismatch(
            f"eq. (10) needs square X and Y and all widths equal, got X {tuple(net.X.shape)}, "
            f"Y {tuple(net.Y.shape)}, widths {net.widths}"
        )
    attainable_map(net)
