"""Chapter 5b: many pairs of minima of one linear network, each with distance and barrier."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lab.factors import balanced_factors
from lab.matching import match_permutation, match_rotation
from mc_lib.bounds.two_layers import product_barrier
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.minima.linear import component, sample, target_map
from mc_lib.networks import DeepLinear, Weights
from mc_lib.points import distance, lerp

PLACES = 41
"""On a segment of a network with more than two layers, where its barrier is sought."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of minima (w0, w1) of a linear network.

    Args:
        net: the network.
        w0: the first points, weights of shape (N, ...).
        w1: the second points.

    Raises:
        ShapeMismatch: not N points each.

    >>> one = torch.eye(1)
    >>> w0, w1 = (one[None], 6 * one[None]), (3 * one[None], 2 * one[None])
    >>> pairs = Pairs(DeepLinear(one, 6 * one, (1,)), w0, w1)
    >>> pairs.barrier * 36, pairs.same  # half way 2 · 4 = 8
    (tensor([4.]), tensor([True]))
    """

    net: DeepLinear
    w0: Weights
    w1: Weights

    def __post_init__(self) -> None:
        for w in (self.w0, self.w1):
            self.net.require_weights(w)
        batches = {tuple(x.shape[:-2]) for x in (*self.w0, *self.w1)}
        if len(batches) != 1 or len(batches.pop()) != 1:
            shapes = [tuple(x.shape) for x in (*self.w0, *self.w1)]
            raise ShapeMismatch(f"expected N points (N, ...) twice, got weights of shapes {shapes}")

    @classmethod
    def independent(cls, net: DeepLinear, generator: torch.Generator, count: int) -> "Pairs":
        """Return pairs of independent random minima, the situation of two trainings.

        Args:
            net: the network.
            generator: the source of randomness.
            count: how many.

        Returns:
            The pairs.

        >>> net = DeepLinear.square(2, 2, torch.Generator())
        >>> Pairs.independent(net, torch.Generator(), 5).distance.shape
        torch.Size([5])
        """
        w0, w1 = (sample(net, generator, (count,)) for _ in range(2))
        return cls(net, w0, w1)

    @classmethod
    def spread(cls, net: DeepLinear, generator: torch.Generator, count: int) -> "Pairs":
        """Return pairs at all distances, half of them in two components.

        Both points come from the shortest factors of A = Y X⁻¹, moved by exp(sM) with a
        normal M / 2 and s between 10⁻³ and 1; in every second pair the last neuron of the
        second point has the other sign first: with s → 0 that is the nearest pair of points
        of different components (see `bounds.component_distance`).

        Args:
            net: a network with two n × n weights.
            generator: the source of randomness.
            count: how many.

        Returns:
            The pairs.

        Raises:
            ShapeMismatch: a network of another form.

        >>> net = DeepLinear.square(2, 2, torch.Generator())
        >>> Pairs.spread(net, torch.Generator(), 4).same
        tensor([False,  True, False,  True])
        """
        n = net.X.shape[0]
        if net.sizes != (n, n, n):
            raise ShapeMismatch(f"expected two n × n weights, got the shapes {net.shapes}")
        u, v = balanced_factors(target_map(net), n)
        options: Any = {"dtype": u.dtype, "device": generator.device}
        scale = 10 ** (3 * torch.rand(count, 1, 1, generator=generator, **options) - 3)
        m = torch.randn(2, count, n, n, generator=generator, **options)
        g = GeneralLinear(n).exp((scale * m / 2).to(u.device))
        signs = torch.ones(count, n, 1, dtype=u.dtype, device=u.device)
        signs[::2, -1] = -1
        w0 = net.symmetry.act((g[0],), (v, u))
        w1 = net.symmetry.act((g[1],), (signs * v, u * signs.mT))
        return cls(net, w0, w1)

    @cached_property
    def distance(self) -> Float[Tensor, " N"]:
        """‖w1 − w0‖."""
        return distance(self.w0, self.w1, 1)

    @cached_property
    def same(self) -> Bool[Tensor, " N"]:
        """Whether the two lie in one component."""
        return (component(self.net, self.w0) == component(self.net, self.w1)).all(-1)

    @cached_property
    def barrier(self) -> Float[Tensor, " N"]:
        """The largest loss on the segment, over ‖Y‖²; from `PLACES` places if l > 2."""
        size = self.net.Y.square().sum()
        if self.net.depth == 2:
            first, second = (b - a for a, b in zip(self.w0, self.w1, strict=True))
            return product_barrier(first, second, self.net.X) / size
        t = torch.linspace(0, 1, PLACES, dtype=size.dtype, device=size.device)
        heights = [self.net.loss(lerp(self.w0, self.w1, x)) for x in t]
        return torch.stack(heights).amax(0) / size

    def rank_correlations(self) -> tuple[float, float]:
        """Return Spearman's rank correlations of the barrier.

        Returns:
            With the distance, and with lying in two components.

        >>> net = DeepLinear.square(2, 2, torch.Generator())
        >>> near = Pairs.spread(net, torch.Generator().manual_seed(0), 50)
        >>> near.rank_correlations()[0] > 0.8
        True
        """
        from scipy.stats import spearmanr  # slow to import, and needed here only

        height = self.barrier.numpy(force=True)
        others = (self.distance, (~self.same).to(self.distance))
        first, second = (float(spearmanr(x.numpy(force=True), height)[0]) for x in others)
        return first, second

    def aligned(self, by: str, *, connected: bool = False) -> "Pairs":
        """Return the pairs with the hidden neurons of each w1 aligned to those of w0.

        Args:
            by: "permutation" or "rotation", the best one (see `match_permutation` and
                `match_rotation`).
            connected: take the best among those that bring w1 into the component of w0.

        Returns:
            The pairs.

        Raises:
            OutOfDomain: `by` is neither.
            ShapeMismatch: the network does not have two layers.

        >>> net = DeepLinear.square(2, 3, torch.Generator())
        >>> pairs = Pairs.independent(net, torch.Generator().manual_seed(0), 9)
        >>> bool((pairs.aligned("rotation").distance <= pairs.distance).all())
        True
        """
        if by not in ("permutation", "rotation"):
            raise OutOfDomain(f"align by 'permutation' or 'rotation', got {by!r}")
        if self.net.depth != 2:
            raise ShapeMismatch(f"expected two layers, got {self.net.depth}")
        signs = torch.where(self.same, 1, -1)
        find = self._rotations if by == "rotation" else self._permutations
        g = find(signs if connected else None)
        return Pairs(self.net, self.w0, self.net.symmetry.act((g,), self.w1))

    def _rotations(self, signs: Tensor | None) -> Tensor:
        w0, w1 = (self.w0[0], self.w0[1]), (self.w1[0], self.w1[1])
        if signs is None:
            return match_rotation(w1, w0)
        even, odd = (match_rotation(w1, w0, sign=sign) for sign in (1, -1))
        return torch.where((signs > 0)[:, None, None], even, odd)

    def _permutations(self, signs: Tensor | None) -> Tensor:
        eye = torch.eye(self.net.widths[0], dtype=self.net.X.dtype, device=self.net.X.device)
        found = []
        for i in range(len(self.w0[0])):
            a, b = ((w[0][i], w[1][i]) for w in (self.w0, self.w1))
            sign = None if signs is None else int(signs[i])
            found.append(eye[match_permutation(b, a, sign=sign)])
        return torch.stack(found)
