"""The approximate symmetry of a two-layer network, which depends on its data (eq. 6).

Between two layers any g ∈ GL_h acts exactly only where the activation is linear. For
‖Uσ(VX) − Y‖² with another σ the paper moves V to gV and lets U follow as well as it
can, by a pseudoinverse. This is a map and not an action: g·(h·w) ≠ (gh)·w.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes, require_tensors, tolerance
from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.kinds import require_kind, require_number
from mc_lib.norms import holds


@dataclass(frozen=True, eq=False)
class ApproximateImage:
    """The image of (U, V) under the map (6), and how far it can be trusted.

    The pseudoinverse jumps where the rank of σ(gVX) changes: along a curve of g the image
    is continuous only while `rank` is constant and `smallest` stays away from 0.
    """

    U: Float[Tensor, "*batch m h"]
    V: Float[Tensor, "*batch h n"]
    rank: Int[Tensor, "*batch"]  # of σ(gVX): the singular values above rtol times the largest
    smallest: Float[Tensor, "*batch"]  # of the min(h, k) singular values of σ(gVX)


def approximate_act(
    g: Float[Tensor, "*#batch h h"],
    U: Float[Tensor, "*#batch m h"],
    V: Float[Tensor, "*#batch h n"],
    X: Float[Tensor, "n k"],
    activation: Callable[[Tensor], Tensor],
    *,
    rtol: float | None = None,
    nearest: bool = False,
) -> ApproximateImage:
    """Return g·(U, V) = (U σ(VX) σ(gVX)⁺, gV), eq. (6), for the network U σ(VX).

    With H = σ(gVX), h × k, the output becomes Uσ(VX) H⁺H, where H⁺H projects
    orthogonally onto the row space of H. It is Uσ(VX) again where H has full column rank
    k ≤ h, and otherwise moves by at most ‖Uσ(VX)‖ (Proposition 6.1). The identity of GL_h
    gives (Uσ(VX)σ(VX)⁺, V), which is (U, V) itself only where σ(VX) has full row rank
    h ≤ k, or the rows of U already lie in its column space.

    The U' that bring U'H nearest to Uσ(VX) form an affine space. (6) takes the smallest of
    them. `nearest` takes the one nearest to U, U' = U + (Uσ(VX) − UH) H⁺: the output is
    the same, and the identity of GL_h always gives (U, V) (ours).

    Args:
        g: elements of GL_h, shape (..., h, h), such as the points of a curve.
        U: second weights, shape (..., m, h).
        V: first weights, shape (..., h, n).
        X: inputs as columns, shape (n, k).
        activation: σ, applied entry by entry.
        rtol: singular values of σ(gVX) up to rtol times the largest count as zero; by
            default the rank tolerance of the dtype.
        nearest: whether to take the U' nearest to U instead of the smallest.

    Returns:
        The image, with the rank and the smallest singular value of σ(gVX).

    Raises:
        ShapeMismatch: the shapes do not fit, or σ changes the shape.
        DtypeMismatch: mixed dtypes or devices, or σ changes them.
        NotFinite: an input, or a value of σ, is NaN or infinite.
        NotInGroup: g is singular.
        OutOfDomain: rtol outside [0, 1).
        TypeError: rtol is no number, nearest no bool, or the activation returns no tensor.

    >>> one = torch.ones(1, 1)
    >>> approximate_act(4 * one, one, one, one, torch.square).U  # 1² / 4²
    tensor([[0.0625]])
    """
    batch = _require_fit(g, U, V, X)
    rtol = tolerance(X.dtype).rank if rtol is None else rtol
    require_number(rtol, "rtol")
    require_kind(nearest, bool, "nearest")
    if not 0 <= rtol < 1:
        raise OutOfDomain(f"rtol must lie in [0, 1), got {rtol}")
    GeneralLinear(V.shape[-2]).require(g)
    before, after = (features(activation, v, X) for v in (V, g @ V))
    a, s, bt = torch.linalg.svd(after, full_matrices=False)
    counts = s > rtol * s[..., :1]
    inverse = torch.where(counts, 1 / torch.where(counts, s, 1), 0)
    target = U @ before - U @ after if nearest else U @ before
    moved = target @ (bt.mT * inverse.unsqueeze(-2)) @ a.mT
    moved = U + moved if nearest else moved
    require_tensors([moved], "the image of U")
    return ApproximateImage(
        moved.expand(*batch, *moved.shape[-2:]),
        (g @ V).expand(*batch, *V.shape[-2:]),
        counts.sum(-1).expand(batch),
        s[..., -1].expand(batch),
    )


def features(
    activation: Callable[[Tensor], Tensor], v: Float[Tensor, "*batch h n"], x: Float[Tensor, "n k"]
) -> Float[Tensor, "*batch h k"]:
    """Return σ(VX), after checking that σ acts entry by entry and stays finite.

    Args:
        activation: σ.
        v: V, shape (..., h, n).
        x: X, shape (n, k).

    Returns:
        Shape (..., h, k).

    Raises:
        ShapeMismatch: σ changes the shape.
        DtypeMismatch: σ changes the dtype or the device.
        NotFinite: a value of σ is NaN or infinite.

    >>> features(torch.square, 3 * torch.eye(1), 2 * torch.eye(1))
    tensor([[36.]])
    """
    z = v @ x
    values = activation(z)
    require_kind(values, Tensor, "what the activation returns")
    if values.shape != z.shape:
        raise ShapeMismatch(
            f"the activation acts entry by entry: it was given shape {tuple(z.shape)} "
            f"and returned {tuple(values.shape)}"
        )
    if values.dtype != z.dtype or values.device != z.device:
        raise DtypeMismatch(
            f"the activation was given {z.dtype} on {z.device} "
            f"and returned {values.dtype} on {values.device}"
        )
    bad = ~torch.isfinite(values)
    if holds(bad.any()):
        raise NotFinite(
            f"{int(bad.sum())} of the {bad.numel()} values of the activation are NaN or infinite, "
            f"the first at {float(z[bad][0]):.3g}"
        )
    return values


def _require_fit(g: Tensor, U: Tensor, V: Tensor, X: Tensor) -> tuple[int, ...]:
    """Refuse tensors that are no g, U, V and X; return the shape of their batch."""
    require_tensors([g, U, V, X], "g, U, V and X")
    shapes = "g {}, U {}, V {}, X {}".format(*(tuple(x.shape) for x in (g, U, V, X)))
    if min(g.ndim, U.ndim, V.ndim) < 2 or X.ndim != 2 or 0 in X.shape:
        raise ShapeMismatch(f"g, U, V are (batches of) matrices and X is one, got {shapes}")
    h, n = V.shape[-2:]
    if g.shape[-2:] != (h, h) or U.shape[-1] != h or X.shape[0] != n:
        raise ShapeMismatch(
            f"g (..., h, h), U (..., m, h), V (..., h, n) and X (n, k) do not fit: got {shapes}"
        )
    try:
        return tuple(broadcast_shapes(g.shape[:-2], U.shape[:-2], V.shape[:-2]))
    except ValueError:
        raise ShapeMismatch(f"the batch dimensions do not broadcast: got {shapes}") from None
