"""The mean of several models of one architecture, after alignment to the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mc_lib.alignment import Alignment
from mc_lib.errors import OutOfDomain
from mc_lib.kinds import require_kind
from mc_lib.modules.aligning import align_models, inputs_of
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.losses import loss_on
from mc_lib.points import lerp
from mc_lib.trees import named


@dataclass(frozen=True, eq=False)
class Merge:
    """The mean of several models, and its loss beside those of the models.

    Args:
        module: the mean, in the architecture of the models.
        alignments: of the second model and those after it to the first.
        ends: the losses of the models; empty without a criterion.
        loss: that of the mean.
        ensemble: that of the mean of their outputs: the better choice where it is lower.
    """

    module: nn.Module
    alignments: tuple[Alignment, ...]
    ends: tuple[float, ...]
    loss: float | None
    ensemble: float | None

    def __str__(self) -> str:
        """Return the losses in words."""
        if self.loss is None:
            return f"the mean of {len(self.alignments) + 1} models; no data, no losses"
        ends = ", ".join(f"{x:.4g}" for x in self.ends)
        return (
            f"losses of the models {ends}; of their mean {self.loss:.4g}; "
            f"of the mean of their outputs {self.ensemble:.4g}"
        )


def merge(
    found: FoundSymmetry,
    models: Sequence[nn.Module],
    *,
    by: str = "weights",
    data: Sequence[Any] | None = None,
    criterion: Callable[[Any, Any], Tensor] | None = None,
    held_out: Sequence[tuple[Any, Any]] | None = None,
) -> Merge:
    """Return the mean of models after each has been aligned to the first.

    By weights it is right for descendants of one model, moved or not; for models trained apart
    by activations is better, and the mean can still be worse than either: compare its loss with
    those of the models and of the ensemble. The running statistics of batch norms are measured
    again, on the inputs of the data.

    Args:
        found: the symmetry of the architecture, from `find_symmetry`.
        models: two or more.
        by: as in `align_models`.
        data: pairs of inputs and targets, or inputs alone.
        criterion: of outputs and targets.
        held_out: pairs on which the losses are measured; None for `data`.

    Returns:
        The merged module and, with a criterion, the losses.

    Raises:
        OutOfDomain: fewer than two models, or no data although the model has batch norms.
        McLibError: as `align_models`.

    >>> from mc_lib.modules import find_symmetry
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(1, 2),))
    >>> g = found.symmetry.group.sample(torch.Generator().manual_seed(0))
    >>> other = found.chart.module(found.symmetry.act(g, found.chart.point(net)))
    >>> both = merge(found, [net, other]).module
    >>> torch.allclose(both(torch.ones(1, 2)), net(torch.ones(1, 2)))
    True
    """
    require_kind(found, FoundSymmetry, "what was found")
    require_kind(models, Sequence, "the models")
    require_kind(by, str, "what is compared")
    for model in models:
        require_kind(model, nn.Module, "a model")
    if len(models) < 2:
        raise OutOfDomain(f"to merge takes two models or more, got {len(models)}")
    norms = any(isinstance(x, _BatchNorm) and x.track_running_stats for x in models[0].modules())
    if norms and data is None:
        raise OutOfDomain(
            "the model has batch norms, whose statistics the mean of weights makes wrong: merging "
            "needs data, to measure them again"
        )
    points = [found.chart.point(model) for model in models]
    ways = {} if by == "weights" else {"data": data}
    options: dict[str, Any] = ways | ({"criterion": criterion} if by == "loss" else {})
    alignments = tuple(align_models(found, points[0], w, by=by, **options) for w in points[1:])
    mean = points[0]
    for i, x in enumerate(alignments, start=2):
        mean = lerp(mean, x.moved, 1 / i)
    module = found.chart.module(mean).eval()
    if norms:
        recalibrate(module, inputs_of(data, "merging batch norms"))
    pairs = data if held_out is None else held_out
    if criterion is None or pairs is None:
        return Merge(module, alignments, (), None, None)
    loss: Any = loss_on(found.chart, pairs, criterion)
    with torch.no_grad():
        ends = tuple(float(loss(w)) for w in points)
        both = float(loss.of_mean([named(w) for w in points]))
        return Merge(module, alignments, ends, float(loss(found.chart.point(module))), both)


def recalibrate(module: nn.Module, inputs: Sequence[tuple[Any, ...]]) -> None:
    """Measure the running statistics of the batch norms of a module again, in place.

    Args:
        module: any; its other parts stay in evaluation mode.
        inputs: one tuple of arguments for each batch; each counts the same.

    >>> norm = nn.BatchNorm1d(1)
    >>> recalibrate(norm, [(torch.tensor([[1.0], [3.0]]),)])
    >>> norm.running_mean, norm.running_var
    (tensor([2.]), tensor([2.]))
    """
    norms = [x for x in module.modules() if isinstance(x, _BatchNorm) and x.track_running_stats]
    kept = [x.momentum for x in norms]
    module.eval()
    for x in norms:
        x.reset_running_stats()
        x.momentum = None  # the mean over batches
        x.train()
    with torch.no_grad():
        for args in inputs:
            module(*args)
    for x, momentum in zip(norms, kept, strict=True):
        x.momentum = momentum
        x.eval()
