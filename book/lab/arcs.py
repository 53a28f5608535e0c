"""Chapter 6b: random curves of circular arcs, whose κ and length are exact in any dimension."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch


@dataclass(frozen=True)
class ArcCurves:
    """B curves in Rᴺ, each of P circular arcs that meet with equal tangents.

    Arc i starts at x_i with the unit tangent T_i and bends towards the unit normal
    N_i ⟂ T_i: x_i + R_i (sin φ T_i + (1 − cos φ) N_i), φ in [0, κ_iℓ_i], R_i = 1/κ_i. The
    tangent turns at rate κ_i, so that κ_max and ℓ are exact, and so is the distance of a
    point: that to a circular arc is elementary.

    Args:
        points: x_0, ..., x_P, shape (B, P + 1, N).
        tangents: T_i, shape (B, P, N).
        normals: N_i, shape (B, P, N).
        curvatures: κ_i > 0, shape (B, P).
        lengths: ℓ_i > 0, shape (B, P).
    """

    points: Float[Tensor, "B P1 N"]
    tangents: Float[Tensor, "B P N"]
    normals: Float[Tensor, "B P N"]
    curvatures: Float[Tensor, "B P"]
    lengths: Float[Tensor, "B P"]

    @classmethod
    def random(
        cls,
        generator: torch.Generator,
        count: int,
        dimension: int,
        *,
        pieces: int = 8,
        turn: float = math.pi,
        dtype: torch.dtype | None = None,
    ) -> "ArcCurves":
        """Return random curves with κ_max = 1 and length ℓ, and so κ_max ℓ, in (0, turn].

        ℓ is uniform in turn/50 to turn, cut at random. Each curve keeps a strength s
        uniform in [0, 1]: its κ_i are 1 or, with probability s, uniform in (0, 1]; its
        normals mix the transported normal with weight 1 − s and a random one with weight
        s. So s = 0 is a circular arc, and s = 1 tumbles.

        Args:
            generator: the source of randomness.
            count: B ≥ 1.
            dimension: N ≥ 2.
            pieces: P ≥ 1.
            turn: the largest κ_max ℓ.
            dtype: of the result; torch's default dtype if None.

        Returns:
            The curves, starting at 0.

        Raises:
            OutOfDomain: a number outside these ranges.

        >>> curves = ArcCurves.random(torch.Generator().manual_seed(0), 3, 5)
        >>> curves.points.shape, bool((curves.max_curvature == 1).all())
        (torch.Size([3, 9, 5]), True)
        """
        if count < 1 or dimension < 2 or pieces < 1 or not 0 < turn < math.inf:
            raise OutOfDomain(
                f"random curves need count ≥ 1, dimension ≥ 2, pieces ≥ 1 and turn > 0, got "
                f"{count}, {dimension}, {pieces} and {turn}"
            )
        shape = (count, pieces)

        def uniform(*size: int) -> Tensor:
            x = torch.rand(size, generator=generator, dtype=dtype, device=generator.device)
            return 1 - x  # in (0, 1]

        strength = uniform(count, 1) - torch.finfo(dtype or torch.get_default_dtype()).eps
        straighter = uniform(*shape) < strength
        curvatures = torch.where(straighter, uniform(*shape), 1.0)
        curvatures = curvatures / curvatures.amax(1, keepdim=True)
        shares = uniform(*shape)
        total = turn * (0.02 + 0.98 * uniform(count, 1))
        noise = torch.randn(
            count, pieces + 1, dimension, generator=generator, dtype=dtype, device=generator.device
        )
        return _grown(noise, strength, curvatures, total * shares / shares.sum(1, keepdim=True))

    @property
    def max_curvature(self) -> Float[Tensor, "B"]:
        """The largest curvature of each curve."""
        return self.curvatures.amax(1)

    @property
    def length(self) -> Float[Tensor, "B"]:
        """The length of each curve."""
        return self.lengths.sum(1)

    @property
    def chord(self) -> Float[Tensor, "B"]:
        """The distance of the two ends of each curve."""
        return (self.points[:, -1] - self.points[:, 0]).norm(dim=-1)

    def distance(self, p: Float[Tensor, "B S N"]) -> Float[Tensor, "B S"]:
        """Return the distance of each of S points from its curve, exact up to rounding.

        The nearest point of a circle lies in the direction of the projection of p onto
        its plane; where the arc does not reach there, an end of the arc is nearest.

        Args:
            p: S points for each curve.

        Returns:
            Shape (B, S).

        Raises:
            ShapeMismatch: not points of the space of the curves, S for each.

        >>> curves = ArcCurves.random(torch.Generator().manual_seed(0), 2, 3)
        >>> bool(curves.distance(curves.points).max() < 1e-14)
        True
        """
        require_tensors([self.points, p], "the curves and the points")
        count, _, size = self.points.shape
        if p.ndim != 3 or p.shape[0] != count or p.shape[2] != size:
            raise ShapeMismatch(f"expected points ({count}, S, {size}), got {tuple(p.shape)}")
        best = (p[:, :, None] - self.points[:, None]).norm(dim=-1).amin(-1)
        for i in range(self.lengths.shape[1]):
            best = torch.minimum(best, self._to_arc(p, i))
        return best

    def on_chord(self, s: Float[Tensor, "S"]) -> Float[Tensor, "B S N"]:
        """Return the points (1 − s) γ(0) + s γ(ℓ) of the chords.

        Args:
            s: places in [0, 1].

        Returns:
            Shape (B, S, N).

        >>> curves = ArcCurves.random(torch.Generator().manual_seed(0), 2, 3)
        >>> bool((curves.on_chord(torch.ones(1).double())[:, 0] == curves.points[:, -1]).all())
        True
        """
        a, b = self.points[:, :1], self.points[:, -1:]
        return (1 - s)[:, None] * a + s[:, None] * b

    def _to_arc(self, p: Tensor, i: int) -> Tensor:
        """Return the distances from p to the nearest inner point of arc i; else infinity."""
        radius = 1 / self.curvatures[:, i, None]
        normal, tangent = self.normals[:, i], self.tangents[:, i]
        off = p - self.points[:, i, None]
        along, up = (torch.einsum("bsn,bn->bs", off, x) for x in (tangent, normal))
        angle = torch.atan2(along, radius - up)  # of the projection, seen from the centre
        inside = (angle >= 0) & (angle <= self.curvatures[:, i, None] * self.lengths[:, i, None])
        angle = torch.where(inside, angle, 0.0)
        near = (radius * angle.sin()).unsqueeze(-1) * tangent[:, None]
        near = near + (2 * radius * (angle / 2).sin().square()).unsqueeze(-1) * normal[:, None]
        return torch.where(inside, (off - near).norm(dim=-1), torch.inf)


def _grown(noise: Tensor, strength: Tensor, curvatures: Tensor, lengths: Tensor) -> ArcCurves:
    """Put the arcs end to end, each normal made orthogonal to its tangent."""
    unit = torch.nn.functional.normalize
    tangent = unit(noise[:, 0], dim=-1)
    normal = _across(noise[:, 1], tangent)
    points, tangents, normals = [torch.zeros_like(tangent)], [], []
    for i in range(lengths.shape[1]):
        mixed = (1 - strength) * normal + strength * unit(noise[:, i + 1], dim=-1)
        normal = _across(mixed, tangent)
        tangents.append(tangent)
        normals.append(normal)
        radius, angle = 1 / curvatures[:, i, None], (curvatures * lengths)[:, i, None]
        step = angle.sin() * tangent + 2 * (angle / 2).sin().square() * normal
        points.append(points[-1] + radius * step)
        tangent, normal = (
            unit(angle.cos() * tangent + angle.sin() * normal, dim=-1),
            angle.cos() * normal - angle.sin() * tangent,
        )
    return ArcCurves(
        torch.stack(points, 1),
        torch.stack(tangents, 1),
        torch.stack(normals, 1),
        curvatures,
        lengths,
    )


def _across(x: Tensor, tangent: Tensor) -> Tensor:
    """Return the unit vector in the direction of the part of x orthogonal to the tangent."""
    for _ in range(2):  # the second time removes what rounding left of the first
        x = torch.nn.functional.normalize(x - (x * tangent).sum(-1, keepdim=True) * tangent, dim=-1)
    return x
