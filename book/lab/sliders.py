"""Chapters 6 and 6b: the arrays of one experiment, for each place of a slider."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lab.cassini import CassiniLobe
from mc_lib import bounds
from mc_lib.curves import ApproximateOrbit, Line
from mc_lib.errors import ShapeMismatch
from mc_lib.landscape import loss_along
from mc_lib.networks import TwoLayer, Weights
from mc_lib.points import distance


@dataclass(frozen=True)
class ApproximateSweep:
    """Losses on curves of the map (6) and on the segments between their ends.

    Args:
        scales: the sizes s of the group elements exp(sM), shape (S,).
        t: times, shape (T,).
        curve: the loss on γ, shape (S, T).
        segment: the loss on the segment from γ(0) to γ(1), shape (S, T).
        smallest: the smallest singular value of σ(VX) met on γ, shape (S,).
        start_distance: ‖γ(0) − w‖, the same for all S.
    """

    scales: Float[Tensor, "S"]
    t: Float[Tensor, "T"]
    curve: Float[Tensor, "S T"]
    segment: Float[Tensor, "S T"]
    smallest: Float[Tensor, "S"]
    start_distance: float


def approximate_sweep(
    net: TwoLayer,
    w: Weights,
    M: Float[Tensor, "h h"],
    scales: Float[Tensor, "S"],
    t: Float[Tensor, "T"],
    *,
    nearest: bool = False,
) -> ApproximateSweep:
    """Return what Figure 3(b, c) shows, for each size s of the group element exp(sM).

    Args:
        net: the network.
        w: weights (V, U).
        M: a direction in the Lie algebra of GL_h.
        scales: the sizes s.
        t: times in [0, 1].
        nearest: as for `ApproximateOrbit`.

    Returns:
        The arrays.

    Raises:
        ShapeMismatch: no scales.
        McLibError: as `ApproximateOrbit`.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=1, activation=torch.square)
    >>> t = torch.linspace(0, 1, 3)
    >>> found = approximate_sweep(net, (one, one), one, t[1:], t)
    >>> found.curve.shape, float(found.curve.max()) < 1e-28
    (torch.Size([2, 3]), True)
    """
    if scales.ndim != 1 or len(scales) == 0:
        raise ShapeMismatch(f"expected scales (S,), one or more, got {tuple(scales.shape)}")
    rows, smallest = [], []
    for s in scales:
        curve = ApproximateOrbit(net, s * M, w, nearest)
        segment = Line(curve(0.0), curve(1.0))
        rows.append(torch.stack([loss_along(x, net.loss, t) for x in (curve, segment)]))
        smallest.append(curve.image(t).smallest.min())
    losses = torch.stack(rows)
    start = float(distance(ApproximateOrbit(net, M, w, nearest).start, w))
    return ApproximateSweep(scales, t, losses[:, 0], losses[:, 1], torch.stack(smallest), start)


@dataclass(frozen=True)
class CassiniSweep:
    """The right lobes of Cassini ovals, and what (8) says of their chords.

    Args:
        levels: the levels c, shape (S,).
        lobe: points of the lobe, shape (S, T, 2); its ends are those of the chord.
        curvature: κ_max, shape (S,).
        chord: the length d of the chord, shape (S,).
        bound: d_max of (8), shape (S,); infinite where κ_max d/2 > 1 and (8) says nothing.
        distance: of the middle of the chord from L⁻¹(c), shape (S,).
    """

    levels: Float[Tensor, "S"]
    lobe: Float[Tensor, "S T 2"]
    curvature: Float[Tensor, "S"]
    chord: Float[Tensor, "S"]
    bound: Float[Tensor, "S"]
    distance: Float[Tensor, "S"]


def cassini_sweep(levels: Float[Tensor, "S"], points: int = 201) -> CassiniSweep:
    """Return the counterexample to Theorem 6.2 at each level, by its exact formulas.

    Args:
        levels: c, each above 1.
        points: how many points of each lobe.

    Returns:
        The arrays.

    Raises:
        ShapeMismatch: no levels.
        OutOfDomain: a level of 1 or below.

    >>> found = cassini_sweep(torch.tensor([1.5]))
    >>> bool(found.distance > found.bound)
    True
    """
    if levels.ndim != 1 or len(levels) == 0:
        raise ShapeMismatch(f"expected levels (S,), one or more, got {tuple(levels.shape)}")
    lobes = [CassiniLobe(float(c)) for c in levels]
    t = torch.linspace(0, 1, points).to(levels)
    kappa, chord, far = (
        torch.tensor([getattr(x, name) for x in lobes]).to(levels)
        for name in ("max_curvature", "chord", "distance")
    )
    defined = kappa * chord / 2 <= 1
    bound = bounds.sagitta(torch.where(defined, kappa, 0.0), chord)
    bound = torch.where(defined, torch.as_tensor(bound), torch.inf)
    return CassiniSweep(levels, torch.stack([x(t)[0] for x in lobes]), kappa, chord, bound, far)
