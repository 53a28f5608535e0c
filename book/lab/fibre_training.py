"""Chapter 7: training along the fibre where the outputs on remembered inputs stay fixed.

For features H of full column rank the last layers W with W H = S form an affine space.
Over all hidden layers these spaces form the fibre {w : output(w; M) = S}. A network whose
last layer is read off by projection cannot leave it, so that any training of that network
is training along the fibre.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import leaky_relu
from typing_extensions import override

from mc_lib.checks import require_tensors, tolerance
from mc_lib.errors import RankDeficient, ShapeMismatch
from mc_lib.groups import Permutation
from mc_lib.layers import Layer
from mc_lib.minima.fibre import nearest_in_fibre
from mc_lib.networks import Classifier, Weights
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class FixedOutputs(Classifier):
    """A classifier that gives the same scores S to the remembered inputs M, whatever w is.

    Weights w stand for `project(w)`, a point of the fibre {w : output(w; M) = S}: the
    output, the loss on X and Y and the accuracy are those of that point. So `train` on
    this network moves along the fibre. There must be at most as many remembered inputs as
    neurons in the last hidden layer, and one: q ≤ h + 1.

    Args:
        memory: the remembered inputs M as columns, shape (n, q).
        scores: the scores S that they keep, shape (m, q).
        only_last: whether the hidden layers stay as they are, so that training moves the
            last layer alone, in the directions N with N H = 0.

    Raises:
        ShapeMismatch: memory and scores do not fit the network or one another.
        RankDeficient: q > h + 1: no fibre for most scores.
        McLibError: as `Classifier`.

    One input 1 keeps its scores (3, 5), whatever the weights:

    >>> one, zero = torch.ones(1, 1), torch.zeros
    >>> Y, S = torch.tensor([[1.0], [0.0]]), torch.tensor([[3.0], [5.0]])
    >>> net = FixedOutputs(2 * one, Y, (1,), memory=one, scores=S)
    >>> w = net.project((one, zero(2, 1), zero(1), zero(2)))
    >>> net.on(one, Y).output(w).round(decimals=3)
    tensor([[3.],
            [5.]])
    """

    memory: Float[Tensor, "n q"] = field(kw_only=True)
    scores: Float[Tensor, "m q"] = field(kw_only=True)
    only_last: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_tensors([self.X, self.memory, self.scores], "X, the memory and the scores")
        got = f"memory {tuple(self.memory.shape)} and scores {tuple(self.scores.shape)}"
        if self.memory.ndim != 2 or self.scores.ndim != 2:
            raise ShapeMismatch(f"memory (n, q) and scores (m, q) are matrices, got {got}")
        n, m, q = self.X.shape[0], self.Y.shape[0], self.memory.shape[1]
        if self.memory.shape[0] != n or self.scores.shape != (m, q) or q == 0:
            raise ShapeMismatch(f"expected memory ({n}, q) and scores ({m}, q), q ≥ 1, got {got}")
        if q > self.widths[-1] + 1:
            raise RankDeficient(
                f"the last layer can keep the scores of at most h + 1 = {self.widths[-1] + 1} "
                f"inputs, got q = {q}"
            )

    @classmethod
    def at(cls, net: Classifier, w: Weights, *, only_last: bool = False) -> "FixedOutputs":
        """Return the network that keeps what net gives to its own data at the weights w.

        Args:
            net: its inputs become the memory.
            w: weights, unbatched; their scores are kept.
            only_last: as for the class.

        Returns:
            The network on the data of net; `.on(X, Y)` gives it new data to learn.

        Raises:
            ShapeMismatch: w is a batch.
            McLibError: as the class.

        >>> net = Classifier(torch.ones(1, 1), torch.ones(1, 1), (1,))
        >>> w = (torch.ones(1, 1), 4 * torch.ones(1, 1), torch.zeros(1), torch.zeros(1))
        >>> FixedOutputs.at(net, w).scores
        tensor([[4.]])
        """
        scores = net.output(w).detach()
        if scores.ndim != 2:
            raise ShapeMismatch(f"give the weights of one network, got a batch {scores.shape[:-2]}")
        return cls(
            net.X,
            net.Y,
            net.widths,
            net.slope,
            memory=net.X,
            scores=scores,
            only_last=only_last,
        )

    @property
    def symmetry(self) -> Symmetry:
        """The permutations of the neurons: unlike scalings they commute with `project`."""
        return Symmetry.chain([Layer(Permutation(h)) for h in self.widths], biases=True)

    def project(self, w: Weights) -> Weights:
        """Return the point of the fibre with the hidden layers of w and the nearest last layer.

        With H the last hidden activations on M and a row of ones below them, (W, b) becomes
        (W, b) + (S − (W, b) H) H⁺. Points of the fibre stay where they are. This is the curve
        of E3 when w runs along a segment, and for (W, b) = 0 it is the map (6).

        Args:
            w: weights, batched or not.

        Returns:
            Weights of the same shapes.

        Raises:
            RankDeficient: H does not have full column rank to working precision.
            McLibError: as `require_weights`.

        >>> one, zero = torch.ones(1, 1), torch.zeros
        >>> net = FixedOutputs(one, one, (1,), memory=one, scores=4 * one)
        >>> net.project((one, zero(1, 1), zero(1), zero(1)))[1].round(decimals=3)
        tensor([[2.]])
        """
        self.require_weights(w)
        last, bias = self.depth - 1, 2 * self.depth - 1
        if self.only_last:
            w = tuple(x if i in (last, bias) else x.detach() for i, x in enumerate(w))
        h = self._seen(w, self.memory)
        together = torch.cat([w[last], w[bias][..., None]], -1)
        solved = nearest_in_fibre(together, h, self.scores)
        self._require_kept(solved, h)
        return (*w[:last], solved[..., :-1], *w[last + 1 : bias], solved[..., -1])

    @override
    def _preactivations(self, w: Weights, X: Tensor) -> list[Tensor]:
        return super()._preactivations(self.project(w), X)

    def novelty(self, w: Weights) -> Float[Tensor, "*batch k"]:
        """Return how far the inputs X are from the remembered ones, as the last layer sees them.

        With φ the last hidden activations of an input and a one below them, it is the
        distance of φ from the span of the columns of H, divided by ‖φ‖. While the hidden
        layers stay, a last layer that moves by N inside the fibre changes the scores by Nφ,
        whose length is at most ‖N‖ ‖φ‖ times this number: 0 for the remembered inputs.

        Args:
            w: weights, batched or not; only their hidden layers count.

        Returns:
            Numbers in [0, 1], shape (..., k).

        Raises:
            McLibError: as `require_weights`.

        The hidden neuron gives 1 to the input 1 and 2 to the input 2, so that with the one
        below the memory is (1, 1), and (2, 1) is 1/√2 away from its span:

        >>> one, zero = torch.ones(1, 1), torch.zeros
        >>> net = FixedOutputs(2 * one, one, (1,), memory=one, scores=one)
        >>> (net.novelty((one, one, zero(1), zero(1))) ** 2 * 5).round(decimals=3)
        tensor([0.5000])
        """
        self.require_weights(w)
        phi, h = self._seen(w, self.X), self._seen(w, self.memory)
        basis, values, _ = torch.linalg.svd(h, full_matrices=False)
        counts = values > tolerance(h.dtype).rank * values[..., :1]
        basis = basis * counts[..., None, :]
        off = phi - basis @ (basis.mT @ phi)
        off = off - basis @ (basis.mT @ off)  # again, for what rounding left
        return torch.linalg.vector_norm(off, dim=-2) / torch.linalg.vector_norm(phi, dim=-2)

    def _seen(self, w: Weights, X: Tensor) -> Tensor:
        """Return the last hidden activations of the weights as they are, a row of ones below."""
        hidden = leaky_relu(super()._preactivations(w, X)[-2], self.slope)
        return torch.cat([hidden, hidden.new_ones(*hidden.shape[:-2], 1, hidden.shape[-1])], -2)

    def _require_kept(self, solved: Tensor, h: Tensor) -> None:
        """Refuse a last layer that misses the scores: the features had lost their rank."""
        with torch.no_grad():
            off = (solved @ h - self.scores).abs().amax()
            size = self.scores.abs().amax() + 1
            if off <= tolerance(h.dtype).equal * size:
                return
            values = torch.linalg.svdvals(h) if h.isfinite().all() else h.new_zeros(1, 1)
        raise RankDeficient(
            f"the features of the {h.shape[-1]} remembered inputs lost full column rank: smallest "
            f"singular value {float(values.min()):.3g} against the largest "
            f"{float(values.max()):.3g}; remember fewer, widen the layer, or lower the rate"
        )
