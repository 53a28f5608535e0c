"""SO(n): a rotation as plane rotations in an orthonormal basis, its logarithm and path."""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from mc_lib.checks import first_fault, require_tensors, tolerance
from mc_lib.errors import NotConnected, NotInGroup, ShapeMismatch
from mc_lib.groups.derivatives import differentiable_logarithm, without_derivative
from mc_lib.groups.logarithm import principal_logarithm
from mc_lib.groups.path import GroupPath, spread_times
from mc_lib.norms import holds

NO_DERIVATIVE = "a path has no derivative by the matrices that it joins: detach() them"


@dataclass(frozen=True, eq=False)
class RotationFrame:
    """Q = V R(θ) Vᵀ with V orthogonal and R(θ) = diag(R(θ_1), ..., R(θ_m)[, 1]).

    R(θ) turns the plane of two neighbouring columns of V by θ ∈ [−π, π]; m = ⌊n/2⌋, and
    for odd n the last column of V stays. Every rotation has this form: −1 is an
    eigenvalue of even multiplicity, taken in pairs with θ = ±π.
    """

    basis: Float[Tensor, "*batch n n"]  # V
    angles: Float[Tensor, "*batch m"]  # θ

    def turn(self, t: Tensor, x: Tensor, order: int = 0) -> Tensor:
        """Return the derivative of order 0, 1 or 2 of t ↦ R(tθ) x.

        >>> frame = RotationFrame(torch.eye(2), torch.tensor([torch.pi / 2]))
        >>> frame.turn(torch.ones(1), torch.tensor([[1.0], [0.0]])).round().flatten().abs()
        tensor([0., 1.])
        """
        m = self.angles.shape[-1]
        c, s = torch.cos(t * self.angles), torch.sin(t * self.angles)
        c, s = ((c, s), (-s, c), (-c, -s))[order]
        c, s = (f.mul(self.angles**order).unsqueeze(-1) for f in (c, s))
        a, b = x[..., 0 : 2 * m : 2, :], x[..., 1 : 2 * m : 2, :]
        turned = torch.stack((c * a - s * b, s * a + c * b), dim=-2).flatten(-3, -2)
        still = x[..., 2 * m :, :] * float(order == 0)
        return torch.cat((turned, still.expand(*turned.shape[:-2], *still.shape[-2:])), dim=-2)

    def log(self) -> Float[Tensor, "*batch n n"]:
        """Return the skew matrix V R'(0) Vᵀ, whose exponential is Q."""
        t = torch.zeros_like(self.angles[..., :1])
        m = self.basis @ self.turn(t, self.basis.mT, order=1)
        return (m - m.mT) / 2


@dataclass(frozen=True, eq=False)
class RotationPath(GroupPath):
    """P(t) = exp(t log Q) = V R(tθ) Vᵀ, all of it in SO(n)."""

    frame: RotationFrame

    @override
    def _derivative(self, t: Tensor, order: int) -> Tensor:
        v = self.frame.basis
        return v @ self.frame.turn(spread_times(t, self.frame.angles), v.mT, order)


def orthogonality_defect(q: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch"]:
    """Return ‖QᵀQ − I‖ / ‖I‖, which vanishes exactly on O(n).

    >>> orthogonality_defect(torch.tensor([[2.0]]))
    tensor(3.)
    """
    gap = q.mT @ q - torch.eye(q.shape[-1], dtype=q.dtype, device=q.device)
    defect = torch.linalg.matrix_norm(gap) / q.shape[-1] ** 0.5
    return defect.nan_to_num(nan=torch.inf, posinf=torch.inf)


def require_rotation(q: Float[Tensor, "*batch n n"]) -> None:
    """Refuse what is not in SO(n), within the dtype's tolerance.

    Raises:
        ShapeMismatch: q is not square.
        NotInGroup: QᵀQ ≠ I.
        NotConnected: Q is a reflection, det Q = −1.

    >>> require_rotation(torch.tensor([[-1.0]]))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotConnected: det Q = -1: ...
    """
    require_tensors([q], "a rotation")
    if q.ndim < 2 or q.shape[-1] != q.shape[-2]:
        raise ShapeMismatch(f"a rotation is a square matrix, got shape {tuple(q.shape)}")
    defect = orthogonality_defect(q)
    bent = ~(defect <= tolerance(q.dtype).equal)
    if holds(bent.any()):
        where, at = first_fault(bent)
        raise NotInGroup(
            f"not orthogonal{at}: ‖QᵀQ − I‖/‖I‖ = {float(defect[where]):.3g}, at most "
            f"{tolerance(q.dtype).equal:.3g} counts as zero in {q.dtype}"
        )
    flips = torch.linalg.slogdet(q.detach()).sign < 0
    if holds(flips.any()):
        raise NotConnected(
            f"det Q = -1{first_fault(flips)[1]}: a reflection is joined to the identity by no "
            "path in O(n) and has no skew logarithm; those of det Q = +1 are and have"
        )


def log_rotation(q: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return a real skew-symmetric M with exp(M) = Q, for every Q in SO(n).

    The angles of M lie in [−π, π]; for angles inside this interval M is the principal
    logarithm, and eigenvalues −1, where there is none, are turned in pairs by π. In
    float64 exp(M) = Q to 1e-12 √n in the Frobenius norm for every Q orthogonal to
    round-off (1e-4 √n in float32), repeated angles and angles near π included.

    Its derivatives are those of the principal logarithm of the nearest rotation; where an
    angle is within 1e-6 of π they are refused with `OutOfDomain` when they are asked for.

    Args:
        q: shape (..., n, n).

    Returns:
        Shape (..., n, n).

    Raises:
        NotInGroup: q is not orthogonal.
        NotConnected: det q = −1.

    >>> log_rotation(-torch.eye(2)).abs()
    tensor([[0.0000, 3.1416],
            [3.1416, 0.0000]])
    """
    require_rotation(q)
    nearest = straighten(q)
    m = differentiable_logarithm(nearest, lambda x: rotation_frame(x).log(), principal_logarithm)
    return (m - m.mT) / 2


def straighten(q: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return the orthogonal matrix nearest to q, to second order in the defect of q.

    >>> straighten(torch.tensor([[1.0001]])).round(decimals=6)
    tensor([[1.]])
    """
    return 1.5 * q - 0.5 * q @ (q.mT @ q)


def rotation_frame(q: Float[Tensor, "*batch n n"]) -> RotationFrame:
    """Return the frame of a rotation: planes and angles.

    The planes are the two-dimensional eigenspaces of (Q + Qᵀ)/2, whose eigenvalues are
    cos θ. Where those of several angles mix (equal angles, or cosines equal to round-off)
    V R(θ) Vᵀ misses Q, and the planes come from the real Schur form instead. Neither planes
    nor angles have derivatives by Q: these are refused with `OutOfDomain`. V R(θ) Vᵀ is Q to
    8 (n + 8) ε √n in the Frobenius norm.

    >>> rotation_frame(torch.eye(3)).angles.abs()
    tensor([0.])
    """
    return RotationFrame(*without_derivative(_planes, NO_DERIVATIVE, q))


def _planes(q: Tensor) -> tuple[Tensor, Tensor]:
    basis = torch.linalg.eigh((q + q.mT) / 2).eigenvectors
    angles, miss = _angles(basis, q)
    n = q.shape[-1]
    mixed = miss > 8 * (n + 8) * torch.finfo(q.dtype).eps
    if mixed.any():
        planes = [_schur_planes(a) for a in q[mixed].double().cpu().numpy()]
        basis[mixed] = torch.from_numpy(np.stack(planes)).to(basis)
        angles, _ = _angles(basis, q)
    return basis, angles


def _angles(basis: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Return the angle by which Q turns each plane, and ‖QV − V R(θ)‖ / ‖V‖."""
    moved = basis.mT @ q @ basis
    n = q.shape[-1]
    stay, below, above = (moved.diagonal(k, dim1=-2, dim2=-1) for k in (0, -1, 1))
    first, second = slice(0, n - n % 2, 2), slice(1, n, 2)
    angles = torch.atan2(below[..., ::2] - above[..., ::2], stay[..., first] + stay[..., second])
    stay[..., first] -= torch.cos(angles)  # in place: what stays of `moved` is the miss
    stay[..., second] -= torch.cos(angles)
    stay[..., n - n % 2 :] -= 1
    below[..., ::2] -= torch.sin(angles)
    above[..., ::2] += torch.sin(angles)
    return angles, torch.linalg.matrix_norm(moved) / n**0.5


def _schur_planes(q: np.ndarray) -> np.ndarray:
    """Return a Schur basis of Q ∈ SO(n): the planes, then −1 in pairs, then +1."""
    t, z = scipy.linalg.schur(q, output="real")
    planes: list[int] = []
    minus: list[int] = []
    plus: list[int] = []
    j, n = 0, len(q)
    while j < n:
        if j + 1 < n and t[j + 1, j] != 0:
            planes += [j, j + 1]
            j += 2
        else:
            (minus if t[j, j] < 0 else plus).append(j)
            j += 1
    return z[:, planes + minus + plus]
