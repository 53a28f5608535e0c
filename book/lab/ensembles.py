"""Chapter 7: several networks as one, and what the mean of their probabilities is worth."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.networks import Classifier, Weights


@dataclass(frozen=True)
class Ensemble:
    """How an ensemble of classifiers does on data, and its members by themselves.

    The ensemble gives each class the mean of the probabilities of its members.

    Args:
        members: how many.
        accuracy: of the ensemble.
        nll: the mean of −log of the probability that the ensemble gives to the true class,
            in nats.
        calibration: the expected calibration error of the ensemble: the mean distance
            between confidence and accuracy over bins of the confidence.
        member_accuracy: the mean over the members.
        member_nll: the mean over the members.
        disagreement: the share of pairs of members and of inputs with different answers; 0
            for one member.
    """

    members: int
    accuracy: float
    nll: float
    calibration: float
    member_accuracy: float
    member_nll: float
    disagreement: float


def measure_ensemble(net: Classifier, w: Weights, *, bins: int = 10) -> Ensemble:
    """Return how the ensemble of the networks w does on the data of net.

    Args:
        net: the network and the data to measure on; each column of Y names one class.
        w: the members, one leading dimension.
        bins: of equal width, into which confidences are put for the calibration error.

    Returns:
        The measurements.

    Raises:
        ShapeMismatch: not one batch dimension, or no members.
        OutOfDomain: bins < 1.
        McLibError: as `net.require_weights`.

    Two networks that never doubt, of which one is wrong, make one that always doubts:

    >>> X, Y, zero = torch.ones(1, 1), torch.tensor([[1.0], [0.0]]), torch.zeros
    >>> sure = torch.tensor([[40.0, -40.0], [-40.0, 40.0]])
    >>> w = (zero(2, 1, 1), zero(2, 2, 1), zero(2, 1), sure)
    >>> found = measure_ensemble(Classifier(X, Y, (1,)), w)
    >>> found.member_accuracy, found.disagreement, round(found.nll, 4)
    (0.5, 1.0, 0.6931)
    """
    scores = net.output(w)
    if scores.ndim != 3 or len(scores) == 0:
        raise ShapeMismatch(
            f"give members (r, ...) with one leading dimension, got a batch {scores.shape[:-2]}"
        )
    logs = scores.log_softmax(-2)
    mean = logs.logsumexp(0) - torch.tensor(len(scores), dtype=logs.dtype).log()
    truth, answers = net.Y.argmax(0), scores.argmax(-2)
    right = mean.argmax(0) == truth
    return Ensemble(
        members=len(scores),
        accuracy=float(right.double().mean()),
        nll=float(-(net.Y * mean).sum(0).mean()) + 0.0,
        calibration=calibration_error(mean.exp().amax(0), right, bins=bins),
        member_accuracy=float((answers == truth).double().mean()),
        member_nll=float(-(net.Y * logs).sum(-2).mean()) + 0.0,
        disagreement=_disagreement(answers),
    )


def calibration_error(confidence: Float[Tensor, " k"], right: Tensor, *, bins: int = 10) -> float:
    """Return the expected calibration error Σ_b (k_b / k) |accuracy_b − confidence_b|.

    The sum is over bins of equal width of the confidence, k_b inputs in the b-th (Guo et
    al. 2017).

    Args:
        confidence: the probability given to the answer, in [0, 1], shape (k,).
        right: whether the answer was right, shape (k,).
        bins: how many.

    Returns:
        A number in [0, 1].

    Raises:
        ShapeMismatch: not one answer for each confidence, or none.
        OutOfDomain: bins < 1, or a confidence outside [0, 1].

    Four answers given with confidence 0.75, of which two are right:

    >>> calibration_error(torch.full((4,), 0.75), torch.tensor([True, True, False, False]))
    0.25
    """
    if confidence.ndim != 1 or confidence.shape != right.shape or len(confidence) == 0:
        raise ShapeMismatch(
            f"expected confidences and answers (k,), got {tuple(confidence.shape)} and "
            f"{tuple(right.shape)}"
        )
    low, high = float(confidence.min()), float(confidence.max())
    if bins < 1 or not -1e-6 <= low <= high <= 1 + 1e-6:
        raise OutOfDomain(
            f"expected bins ≥ 1 and confidences in [0, 1], got bins = {bins} and {low} to {high}"
        )
    which = (confidence * bins).floor().clamp(0, bins - 1).long()
    gap = confidence.new_zeros(bins).index_add(0, which, right.to(confidence) - confidence)
    return float(gap.abs().sum() / len(confidence))


def _disagreement(answers: Tensor) -> float:
    r = len(answers)
    if r == 1:
        return 0.0
    differ = (answers[:, None] != answers[None]).double().mean(-1)
    return float(differ.sum() / (r * (r - 1)))
