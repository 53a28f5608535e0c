"""A classifier with biases and (leaky) ReLU: the networks that people train."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import leaky_relu, one_hot
from typing_extensions import override

from mc_lib.checks import is_dense, require_tensors
from mc_lib.errors import DtypeMismatch, OutOfDomain, ShapeMismatch
from mc_lib.groups.positive_scaling import PositiveScaling
from mc_lib.kinds import require_count, require_kind, require_number
from mc_lib.layers import Layer
from mc_lib.networks.matrices import MatrixNetwork, Weights, require_computed
from mc_lib.networks.sizes import layer_shapes, require_widths
from mc_lib.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class Classifier(MatrixNetwork):
    """The network W_l σ(⋯ σ(W_1 X + b_1) ⋯) + b_l with the mean cross-entropy as its loss.

    Points are (W_1, ..., W_l, b_1, ..., b_l), and σ is the leaky ReLU, by default the ReLU.

    Args:
        X: inputs as columns, shape (n, k).
        Y: targets as columns, shape (m, k): each the probabilities of the m classes.
        widths: the hidden widths (n_1, ..., n_{l-1}), one or more.
        slope: what σ keeps of a negative value.

    Raises:
        ShapeMismatch: X and Y are not matrices with the same number of columns.
        OutOfDomain: no hidden width, one below 1, a negative slope, or a column of Y that
            is not a probability distribution.

    Where both classes have the same score, the loss is log 2:

    >>> import torch
    >>> X, Y, zero = torch.ones(1, 1), torch.tensor([[1.0], [0.0]]), torch.zeros
    >>> net = Classifier(X, Y, (3,))
    >>> net.loss((zero(3, 1), zero(2, 3), zero(3), zero(2)))
    tensor(0.6931)
    """

    widths: tuple[int, ...]
    slope: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_widths(self.widths)
        require_number(self.slope, "the slope")
        if not 0 <= self.slope < float("inf"):
            raise OutOfDomain(f"the slope is ≥ 0 and finite, got {self.slope}")
        totals = self.Y.sum(0)
        if self.Y.min() < 0 or (totals - 1).abs().max() > 1e-4:
            raise OutOfDomain(
                "a column of Y holds the probabilities of the classes: entries ≥ 0 with sum 1, "
                f"got entries from {float(self.Y.min())} and sums from {float(totals.min())} "
                f"to {float(totals.max())}"
            )

    @classmethod
    def of_labels(
        cls,
        X: Float[Tensor, "n k"],
        labels: Int[Tensor, " k"],
        classes: int,
        widths: tuple[int, ...],
        slope: float = 0.0,
    ) -> "Classifier":
        """Return the classifier of columns of X by their labels.

        Args:
            X: inputs as columns.
            labels: the class of each column, from 0 to classes − 1.
            classes: m.
            widths: as for the class.
            slope: as for the class.

        Returns:
            The network, Y the indicator of the labels.

        Raises:
            ShapeMismatch: not one integer label a column.
            DtypeMismatch: labels that are no integers.
            OutOfDomain: a label outside 0 to classes − 1.
            McLibError: as the class.

        >>> import torch
        >>> labels = torch.tensor([1, 0])
        >>> Classifier.of_labels(torch.eye(2), labels, 2, (3,)).Y
        tensor([[0., 1.],
                [1., 0.]])
        """
        require_tensors([X], "X")
        require_kind(labels, Tensor, "the labels")
        require_count(classes, "the number of classes")
        if labels.is_complex() or labels.is_meta or not is_dense(labels):
            raise DtypeMismatch(f"labels are a dense tensor of integers, got {labels.dtype}")
        if X.ndim != 2 or labels.shape != X.shape[1:] or labels.is_floating_point():
            raise ShapeMismatch(
                f"expected {X.shape[-1] if X.ndim else 0} integer labels, one a column of X, got "
                f"{labels.dtype} of shape {tuple(labels.shape)}"
            )
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise OutOfDomain(
                f"a label is 0 to {classes - 1}, got {int(labels.min())} to {int(labels.max())}"
            )
        return cls(X, one_hot(labels.long(), classes).to(X).mT, widths, slope)

    @property
    @override
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of W_1, ..., W_l and of b_1, ..., b_l."""
        sizes = (self.X.shape[0], *self.widths, self.Y.shape[0])
        return (*layer_shapes(sizes), *((out,) for out in sizes[1:]))

    @property
    def depth(self) -> int:
        """The number l of weight matrices."""
        return len(self.widths) + 1

    @property
    @override
    def symmetry(self) -> Symmetry:
        """Positive scalings of the hidden neurons; permutations are a symmetry besides."""
        return Symmetry.chain([Layer(PositiveScaling(h)) for h in self.widths], biases=True)

    def preactivations(
        self, w: Weights, X: Float[Tensor, "n b"] | None = None
    ) -> list[Float[Tensor, "*batch h b"]]:
        """Return z_i = W_i a_{i-1} + b_i for i = 1, ..., l, with a_0 = X and a_i = σ(z_i).

        Args:
            w: weights, batched or not.
            X: as for `output`.

        Returns:
            One tensor a layer, shape (..., n_i, b); the last is the output.

        Raises:
            McLibError: as `require_weights`.

        >>> import torch
        >>> X, Y, one = torch.ones(1, 1), torch.ones(1, 1), torch.ones
        >>> Classifier(X, Y, (1,)).preactivations((-3 * one(1, 1), one(1, 1), one(1), one(1)))
        [tensor([[-2.]]), tensor([[1.]])]
        """
        self.require_weights(w)
        scores = self._preactivations(w, self._inputs(X))
        return [require_computed(z, "a score") for z in scores]

    def _preactivations(self, w: Weights, X: Tensor) -> list[Tensor]:
        found, a = [], X
        for x, b in zip(w[: self.depth], w[self.depth :], strict=True):
            found.append(x @ a + b[..., None])
            a = leaky_relu(found[-1], self.slope)
        return found

    def hidden(
        self, w: Weights, X: Float[Tensor, "n b"] | None = None
    ) -> list[Float[Tensor, "*batch h b"]]:
        """Return what each hidden layer makes of the data: a_i = σ(z_i), i = 1, ..., l − 1.

        Args:
            w: weights, batched or not.
            X: as for `output`.

        Returns:
            One tensor a hidden layer, shape (..., n_i, b).

        Raises:
            McLibError: as `output`.

        >>> import torch
        >>> X, Y, one = torch.ones(1, 1), torch.ones(1, 1), torch.ones
        >>> Classifier(X, Y, (1,)).hidden((3 * one(1, 1), one(1, 1), one(1), one(1)))
        [tensor([[4.]])]
        """
        return [leaky_relu(z, self.slope) for z in self.preactivations(w, X)[:-1]]

    @override
    def _forward(self, w: Weights, X: Float[Tensor, "n b"]) -> Float[Tensor, "*batch m b"]:
        return self._preactivations(w, X)[-1]

    @override
    def loss(self, w: Weights) -> Float[Tensor, "*batch"]:
        """Return the mean over the columns of the cross-entropy of the softmax scores, in nats.

        >>> import torch
        >>> X, Y, zero = torch.ones(1, 1), torch.ones(1, 1), torch.zeros
        >>> Classifier(X, Y, (1,)).loss((zero(1, 1), zero(1, 1), zero(1), zero(1)))
        tensor(0.)
        """
        entropies = -(self.Y * self.output(w).log_softmax(-2)).sum(-2)
        return require_computed(entropies.mean(-1) + 0.0, "the loss")

    def correct(self, w: Weights) -> Bool[Tensor, "*batch k"]:
        """Return for each column whether the class of the highest score is the target's.

        Args:
            w: weights, batched or not.

        Returns:
            Shape (..., k).

        Raises:
            McLibError: as `require_weights`.

        >>> import torch
        >>> X, Y, zero = torch.ones(1, 1), torch.ones(1, 1), torch.zeros
        >>> Classifier(X, Y, (1,)).correct((zero(1, 1), zero(1, 1), zero(1), zero(1)))
        tensor([True])
        """
        return self.output(w).argmax(-2) == self.Y.argmax(-2)

    def accuracy(self, w: Weights) -> Float[Tensor, "*batch"]:
        """Return the share of columns that are classified correctly.

        Args:
            w: weights, batched or not.

        Returns:
            Shape (...), between 0 and 1.

        Raises:
            McLibError: as `require_weights`.

        >>> import torch
        >>> X, Y, zero = torch.ones(1, 1), torch.ones(1, 1), torch.zeros
        >>> Classifier(X, Y, (1,)).accuracy((zero(1, 1), zero(1, 1), zero(1), zero(1)))
        tensor(1.)
        """
        return self.correct(w).to(self.X.dtype).mean(-1)
