"""The loss of a module as a function of a point, or of many points at once, in bounded memory."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.checks import broadcast_shapes
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.kinds import require_count, require_kind
from mc_lib.modules.chart import Chart
from mc_lib.trees import Point, named, require_point


def above_chord(t: Tensor, losses: Tensor) -> float:
    """Return the most by which losses exceed the line between the first and the last.

    Args:
        t: times from 0 to 1.
        losses: there.

    Returns:
        0 or more.

    >>> above_chord(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([1.0, 4.0, 3.0]))
    2.0
    """
    return float((losses - (1 - t) * losses[0] - t * losses[-1]).max())


FAILS = (RuntimeError, TypeError, ValueError, IndexError, AttributeError)
"""What modules and criteria raise on data that do not fit them; also where torch has no kernel."""


def loss_on(
    model: nn.Module | Chart,
    data: Sequence[tuple[Any, Any]],
    criterion: Callable[[Any, Any], Tensor],
    *,
    max_bytes: int = 2**28,
) -> Callable[[Point], Tensor]:
    """Return the loss of a model on data, as a function of points: what `barrier` asks for.

    Args:
        model: a module, whose points are dicts of its parameters by name; or the chart of a
            symmetry, whose points are its views. It is used in evaluation mode, on a copy.
        data: pairs of inputs and targets; the inputs of a model with several are a tuple.
        criterion: maps outputs and targets to their mean loss, one number.
        max_bytes: of the weights that are used at once; one point at a time above it.

    Returns:
        A function of a point: the mean of the criterion over the pairs, each counted by the
        length of its targets. Leading dimensions of the point are batch.

    Raises:
        TypeError: no module or chart, no sequence of pairs, or no function.
        OutOfDomain: no data, or max_bytes < 1.

    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> pairs = [(torch.ones(4, 1), torch.zeros(4, 1))]
    >>> loss = loss_on(net, pairs, torch.nn.functional.mse_loss)
    >>> loss({"weight": torch.tensor([[[2.0]], [[3.0]]])})
    tensor([4., 9.])
    """
    if not isinstance(model, nn.Module | Chart):
        raise TypeError(f"the model is a Module or a Chart, got a {type(model).__name__}")
    require_kind(data, Sequence, "the data")
    if not callable(criterion):
        raise TypeError(f"the criterion is a function, got a {type(criterion).__name__}")
    require_count(max_bytes, "max_bytes")
    if len(data) == 0:
        raise OutOfDomain("the data hold no pair of inputs and targets")
    for pair in data:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError("each entry of the data is a pair (inputs, targets)")
    return _Loss(model, data, criterion, max_bytes)


def losses_of(
    chart: Chart, data: Sequence[tuple[Any, Any]], criterion: Callable[[Any, Any], Tensor]
) -> list[Callable[[Point], Tensor]]:
    """Return the losses on each pair of data alone; they share one copy of the module.

    Args:
        chart: of the architecture.
        data: pairs of inputs and targets.
        criterion: as in `loss_on`.

    Returns:
        One function of a point for each pair.

    Raises:
        McLibError: as `loss_on`.

    >>> from mc_lib.modules.find import find_symmetry
    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> chart, x = find_symmetry(net, (torch.ones(1, 1),)).chart, torch.ones(1, 1)
    >>> losses = losses_of(chart, [(x, x), (x, 3 * x)], torch.nn.functional.mse_loss)
    >>> [float(loss({"weight": 2 * x})) for loss in losses]
    [1.0, 1.0]
    """
    whole = loss_on(chart, data, criterion)
    return [whole.of([pair]) for pair in data]  # type: ignore[attr-defined]


class _Loss:
    def __init__(self, model: Any, data: Any, criterion: Any, max_bytes: int) -> None:
        self.chart = model if isinstance(model, Chart) else None
        module = model.model if isinstance(model, Chart) else model
        self.module = copy.deepcopy(module).eval()
        self.data, self.criterion, self.max_bytes = data, criterion, max_bytes

    def __call__(self, w: Point) -> Tensor:
        require_point(w)
        xs = named(w)
        shapes = self._shapes()
        if xs.keys() != shapes.keys():
            raise ShapeMismatch(f"the point has {sorted(xs)}, the model has {sorted(shapes)}")
        batch = self._batch(xs, shapes)
        if batch == ():
            return self._one(xs)
        flat = {k: x.expand(*batch, *shapes[k]).reshape(-1, *shapes[k]) for k, x in xs.items()}
        size = sum(x.element_size() * x[0].numel() for x in flat.values()) if batch[0] else 1
        at_once = max(1, self.max_bytes // max(1, size))
        parts = [
            self._many({k: x[i : i + at_once] for k, x in flat.items()})
            for i in range(0, len(next(iter(flat.values()))), at_once)
        ]
        found = torch.cat(parts) if parts else next(iter(xs.values())).new_zeros(0)
        return found.reshape(batch)

    def of(self, pairs: Sequence[tuple[Any, Any]]) -> "_Loss":
        """Return the loss on other data, of the same copy of the module."""
        other = copy.copy(self)
        other.data = pairs
        return other

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        if self.chart is not None:
            return self.chart.shapes
        return {k: tuple(x.shape) for k, x in self.module.named_parameters()}

    @staticmethod
    def _batch(xs: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        batches = []
        for key, x in xs.items():
            rank = len(shapes[key])
            if x.ndim < rank or tuple(x.shape[x.ndim - rank :]) != shapes[key]:
                raise ShapeMismatch(
                    f"the last axes of {key!r} are {shapes[key]}, its shape is {tuple(x.shape)}"
                )
            batches.append(tuple(x.shape[: x.ndim - rank]))
        return broadcast_shapes(*batches)

    def _many(self, xs: Mapping[str, Tensor]) -> Tensor:
        if len(next(iter(xs.values()))) == 1:  # spares the copies that vmap makes
            return self._one({k: x[0] for k, x in xs.items()})[None]
        return torch.func.vmap(self._one, randomness="same")(dict(xs))

    def _one(self, xs: Mapping[str, Tensor]) -> Tensor:
        return self.of_mean([xs])

    def of_mean(self, points: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Return the loss of the mean of the outputs at several points: of an ensemble."""
        tensors = [dict(w) if self.chart is None else self.chart.tensors(dict(w)) for w in points]
        total, count = torch.zeros(()), 0
        for inputs, targets in self.data:
            args = inputs if isinstance(inputs, tuple) else (inputs,)
            n = len(targets) if isinstance(targets, Tensor) and targets.ndim else 1
            try:
                outputs = [torch.func.functional_call(self.module, w, args) for w in tensors]
                mean = outputs[0] if len(outputs) == 1 else torch.stack(outputs).mean(0)
                loss = self.criterion(mean, targets)
            except FAILS as error:
                said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                raise ShapeMismatch(
                    f"the model or the criterion fails on the data: {said}"
                ) from error
            total, count = total + n * loss, count + n
        if total.is_meta:
            raise OutOfDomain("the data are on the device meta and hold no numbers")
        if count == 0:
            raise OutOfDomain("the data hold no sample: all targets are empty")
        return total / count
