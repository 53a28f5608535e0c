"""Chapter 5a: the loss between two minima, over all orders of the second's neurons (5.4)."""

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.networks import HomogeneousNet, Weights, leaky_power

LARGEST = 9
"""All orders of so many neurons are tried one by one: 9! = 362 880."""

CHUNK = 2**22
"""How many numbers are held at a time while they are."""


@dataclass(frozen=True)
class Matching:
    """An order of the neurons and its loss.

    Args:
        permutation: p, as an index vector, an element of `Permutation`.
        loss: the loss at p.
    """

    permutation: Int[Tensor, " n"]
    loss: float


@dataclass(frozen=True, eq=False)
class PermutedLoss:
    """The function p ↦ ‖target − Σ_i terms[i, p(i)]‖² on the permutations of n neurons.

    Between two points that differ in the last two weights, V, U and V', U', the place α of
    the segment to the second one with its neurons in the order p has the output

        Σ_i A(i, p(i)),  A(i, j) = ((1−α) u_i + α u'_j) σ((1−α) v_i F + α v'_j F),

    u_i the columns of U, v_i the rows of V, F what the layers before make of the data:
    neuron i of the first network meets neuron p(i) of the second. So n² matrices determine
    the loss at all n! permutations.

    Args:
        terms: A(i, j) as vectors, shape (n, n, d).
        target: Y as a vector, shape (d,).

    Raises:
        ShapeMismatch: the shapes do not fit.
        McLibError: as `require_tensors`.

    >>> loss = PermutedLoss(torch.tensor([[[1.0], [5.0]], [[2.0], [3.0]]]), torch.tensor([6.0]))
    >>> loss(torch.tensor([[0, 1], [1, 0]]))  # (6 − 1 − 3)² and (6 − 5 − 2)²
    tensor([4., 1.])
    """

    terms: Float[Tensor, "n n d"]
    target: Float[Tensor, " d"]

    def __post_init__(self) -> None:
        require_tensors([self.terms, self.target], "terms and target")
        a, y = self.terms.shape, self.target.shape
        if len(a) != 3 or a[0] != a[1] or y != a[2:] or 0 in a:
            raise ShapeMismatch(
                f"expected terms (n, n, d) and a target (d,), got {tuple(a)} and {tuple(y)}"
            )

    @classmethod
    def between(
        cls, net: HomogeneousNet, w0: Weights, w1: Weights, alpha: float = 0.5
    ) -> "PermutedLoss":
        """Return the loss at α between w0 and w1, the last hidden layer of w1 permuted.

        Args:
            net: the network.
            w0: weights, unbatched.
            w1: weights, the same as w0 up to the last two.
            alpha: the place on the segment, in [0, 1].

        Returns:
            The loss as a function of the permutation.

        Raises:
            OutOfDomain: w1 differs from w0 before the last two weights, or α is outside.
            ShapeMismatch: a point is batched.
            McLibError: as `net.require_weights`.

        >>> one = torch.eye(1)
        >>> net = HomogeneousNet(one, one, (1,))
        >>> PermutedLoss.between(net, (one, one), (4 * one, one / 4)).exact().loss
        0.31640625
        """
        for w in (w0, w1):
            net.require_weights(w)
            if any(x.ndim != 2 for x in w):
                raise ShapeMismatch(f"expected single points, got {[tuple(x.shape) for x in w]}")
        if not all(torch.equal(a, b) for a, b in zip(w0[:-2], w1[:-2], strict=True)):
            raise OutOfDomain("the two points differ before their last two weights")
        if not 0 <= alpha <= 1:
            raise OutOfDomain(f"alpha lies in [0, 1], got {alpha}")
        before = ([net.X] + net.hidden(w0[:-2]))[-1]
        z0, z1 = w0[-2] @ before, w1[-2] @ before
        z = torch.lerp(z0[:, None], z1[None], alpha)
        u = torch.lerp(w0[-1].mT[:, None], w1[-1].mT[None], alpha)
        terms = u[..., None] * leaky_power(z, net.degree, net.slope)[..., None, :]
        return cls(terms.flatten(2), net.Y.flatten())

    @classmethod
    def leading(cls, net: HomogeneousNet, w: Weights) -> "PermutedLoss":
        """Return p ↦ ‖U P H‖², H = σ(V F): it is 0 where P puts H into the null space of U.

        Times (m^k / 2^{k+1})² it is the leading term of the loss half way between w and
        its rescaling by m → ∞, permuted (Proposition 5.4).

        Args:
            net: the network.
            w: weights, unbatched.

        Returns:
            The function of the permutation.

        Raises:
            ShapeMismatch: w is batched.
            McLibError: as `net.require_weights`.

        >>> w = (torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0, 1.0]]))
        >>> net = HomogeneousNet(torch.ones(1, 1), torch.tensor([[4.0]]), (2,))
        >>> PermutedLoss.leading(net, w)(torch.tensor([[0, 1], [1, 0]]))  # 4², 5²
        tensor([16., 25.])
        """
        net.require_weights(w)
        if any(x.ndim != 2 for x in w):
            raise ShapeMismatch(f"expected a single point, got {[tuple(x.shape) for x in w]}")
        h = net.hidden(w[:-1])[-1]
        terms = w[-1].mT[:, None, :, None] * h[None, :, None, :]
        return cls(terms.flatten(2), torch.zeros_like(net.Y).flatten())

    def __call__(self, p: Int[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        """Return the loss at the permutations p.

        Args:
            p: index vectors, shape (..., n).

        Returns:
            Shape (...).

        >>> loss = PermutedLoss(torch.tensor([[[1.0]]]), torch.tensor([6.0]))
        >>> loss(torch.tensor([0]))
        tensor(25.)
        """
        return (self.target - self._sum(p)).square().sum(-1)

    def exact(self) -> Matching:
        """Return the best permutation, by trying all n!.

        Returns:
            The first of the best in the dictionary order.

        Raises:
            OutOfDomain: n is above `LARGEST`.

        >>> PermutedLoss(torch.tensor([[[1.0]]]), torch.tensor([6.0])).exact().loss
        25.0
        """
        n, d = self.terms.shape[1:]
        if n > LARGEST:
            raise OutOfDomain(
                f"{n}! permutations of {n} neurons are too many to try one by one (up to "
                f"{LARGEST}): use lower() and search()"
            )
        best: list[Matching] = []
        for p in _every(n).to(self.terms.device).split(max(1, CHUNK // d)):
            losses = self(p)
            at = int(losses.argmin())
            best.append(Matching(p[at], float(losses[at])))
        return min(best, key=lambda found: found.loss)

    def lower(self, steps: int = 200) -> float:
        """Return a number that no permutation goes below: an assignment relaxation.

        For every unit vector e, ‖Σ_i A(i, p(i)) − Y‖ ≥ Σ_i ⟨e, A(i, p(i))⟩ − ⟨e, Y⟩, and the
        right side is least at the solution of a linear assignment problem. The directions
        e are those of Frank & Wolfe's method, which approaches the point nearest to Y among
        the mixtures of permutations (the doubly stochastic matrices); the best bound counts.

        Args:
            steps: how many assignment problems to solve at most, ≥ 1.

        Returns:
            A bound ≥ 0 on the loss, up to rounding; 0 where a mixture reaches Y.

        Raises:
            OutOfDomain: steps < 1.

        >>> loss = PermutedLoss(torch.tensor([[[1.0], [5.0]], [[2.0], [3.0]]]), torch.tensor([9.0]))
        >>> loss.lower()  # sums are 4 and 7
        4.0
        """
        if steps < 1:
            raise OutOfDomain(f"steps ≥ 1 assignment problems, got {steps}")
        terms, y = self.terms.numpy(force=True), self.target.numpy(force=True)
        rows = np.arange(len(terms))
        point, best = terms[rows, rows].sum(0), 0.0
        for _ in range(steps):
            gap = math.sqrt(np.square(point - y).sum())
            if gap <= best:
                break
            e = (point - y) / gap
            found = terms[linear_sum_assignment(terms @ e)].sum(0)
            best = max(best, float(e @ (found - y)))
            move = found - point
            advance = -(point - y) @ move / max(move @ move, np.finfo(move.dtype).tiny)
            point = point + min(1.0, max(0.0, float(advance))) * move
        return best**2

    def enclose(self, generator: torch.Generator, starts: int = 4) -> tuple[float, float]:
        """Return two numbers with the smallest loss over all permutations between them.

        Args:
            generator: the source of randomness of `search`.
            starts: of `search`.

        Returns:
            `exact` twice for up to 8 neurons, else `lower` and `search`.

        >>> PermutedLoss(torch.tensor([[[1.0]]]), torch.tensor([6.0])).enclose(torch.Generator())
        (25.0, 25.0)
        """
        if len(self.terms) < LARGEST:
            return (self.exact().loss,) * 2
        return self.lower(), self.search(generator, starts).loss

    def search(self, generator: torch.Generator, starts: int = 16) -> Matching:
        """Return a permutation that no exchange of two neurons improves, the best of several.

        Args:
            generator: the source of the random starts.
            starts: how many, ≥ 1; the first is the identity.

        Returns:
            The permutation and its loss, which is at least that of `exact`.

        Raises:
            OutOfDomain: starts < 1.

        >>> loss = PermutedLoss(torch.tensor([[[1.0], [5.0]], [[2.0], [3.0]]]), torch.tensor([6.0]))
        >>> loss.search(torch.Generator()).loss
        1.0
        """
        if starts < 1:
            raise OutOfDomain(f"starts ≥ 1, got {starts}")
        n = len(self.terms)
        like: dict[str, Any] = {"dtype": torch.float32, "device": generator.device}
        shuffled = torch.rand(starts, n, generator=generator, **like).argsort(-1)
        shuffled[0] = torch.arange(n)
        found = [self._descend(p) for p in shuffled.to(self.terms.device)]
        return min(found, key=lambda matching: matching.loss)

    def _descend(self, p: Int[Tensor, " n"]) -> Matching:
        loss = float(self(p))
        while True:
            met = self.terms[:, p]  # met[i, j] = A(i, p(j))
            own = torch.diagonal(met).mT
            change = met + met.transpose(0, 1) - own[:, None] - own[None]
            losses = (self.target - own.sum(0) - change).square().sum(-1)
            i, j = divmod(int(losses.argmin()), len(p))
            trial = p.clone()
            trial[[i, j]] = p[[j, i]]
            reached = float(self(trial))
            if not reached < loss:
                return Matching(p, loss)
            p, loss = trial, reached

    def _sum(self, p: Tensor) -> Tensor:
        total = torch.zeros_like(self.target)
        for row, column in zip(self.terms, p.unbind(-1), strict=True):
            total = total + row[column]
        return total


@functools.cache
def _every(n: int) -> Int[Tensor, "orders n"]:
    return torch.tensor(list(itertools.permutations(range(n))))
