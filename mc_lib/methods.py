"""Methods of joining two networks side by side: what they reach, and what they need."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain
from mc_lib.landscape import barrier
from mc_lib.networks.classifier import Classifier

POINTS = 41
"""The equally spaced times at which a path is measured first."""


@dataclass(frozen=True, eq=False)
class Method:
    """What one method reached on several pairs of networks.

    Args:
        name: of the method.
        train: the loss barrier of each path on the training data, in nats, shape (pairs,).
        test: the same on held-out data.
        train_accuracy: the lowest accuracy on each path.
        test_accuracy: the same on held-out data.
        gradients: how many gradients of the loss one path took.
        needs: what the method asks for, besides the two networks.
        explicit: whether the path is given by a formula.
    """

    name: str
    train: Float[Tensor, " pairs"]
    test: Float[Tensor, " pairs"]
    train_accuracy: Float[Tensor, " pairs"]
    test_accuracy: Float[Tensor, " pairs"]
    gradients: int
    needs: str
    explicit: bool


@dataclass(frozen=True)
class MethodTable:
    """Methods as a table of means ± standard deviations, which a notebook shows as HTML.

    Args:
        methods: the rows, over two pairs or more each.
    """

    methods: tuple[Method, ...]

    def __repr__(self) -> str:
        lines = [f"{m.name}: {_spread(m.train)} / {_spread(m.test)}" for m in self.methods]
        return "\n".join(["barrier, train / test", *lines])

    def _repr_html_(self) -> str:
        names = ("path", "barrier, train", "barrier, test", "lowest accuracy, train")
        names += ("lowest accuracy, test", "gradients", "needs", "explicit")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "\n".join(f"<tr>{_cells(method)}</tr>" for method in self.methods)
        return f'<table class="dataframe methods"><tr>{head}</tr>\n{body}\n</table>'


def measure_method(
    name: str,
    curves: Sequence[Any],
    train: Classifier,
    test: Classifier,
    *,
    gradients: int = 0,
    needs: str = "nothing",
    explicit: bool = True,
) -> Method:
    """Return the barriers and the lowest accuracies of one path for each pair of networks.

    The barrier is max over t of L(γ(t)) − (1 − t) L(γ(0)) − t L(γ(1)), see `barrier`. The
    accuracy is read at 41 equally spaced times.

    Args:
        name: of the method.
        curves: one for each pair.
        train: the network on the training data.
        test: the same network on held-out data.
        gradients: how many gradients of the loss one path took.
        needs: what the method asks for.
        explicit: whether the path is given by a formula.

    Returns:
        The measurements.

    Raises:
        OutOfDomain: no curves.
        McLibError: a curve that does not fit the network.

    >>> from mc_lib.curves import Line
    >>> x = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    >>> net = Classifier.of_labels(x, torch.tensor([0, 1]), 2, (2,))
    >>> w = net.random(torch.Generator().manual_seed(0))
    >>> measure_method("rest", [Line(w, w)] * 2, net, net).train
    tensor([0., 0.], dtype=torch.float64)
    """
    if len(curves) == 0:
        raise OutOfDomain(f"{name}: measure one curve or more, got none")
    t = torch.linspace(0, 1, POINTS, dtype=train.X.dtype)
    found: dict[str, list[Tensor]] = {"train": [], "test": []}
    lowest: dict[str, list[Tensor]] = {"train": [], "test": []}
    for curve in curves:
        for key, net in (("train", train), ("test", test)):
            excess = barrier(curve, net.loss, points=POINTS).excess
            found[key].append(torch.tensor(excess, dtype=torch.float64))
            lowest[key].append(net.accuracy(curve(t)).min().double().cpu())
    return Method(
        name,
        *(torch.stack(found[key]) for key in found),
        *(torch.stack(lowest[key]) for key in lowest),
        gradients=gradients,
        needs=needs,
        explicit=explicit,
    )


def _spread(values: Tensor) -> str:
    return f"{float(values.mean()):.3f} ± {float(values.std()):.3f}"


def _percent(values: Tensor) -> str:
    return f"{100 * float(values.mean()):.1f} ± {100 * float(values.std()):.1f} %"


def _cells(method: Method) -> str:
    values = [method.name, _spread(method.train), _spread(method.test)]
    values += [_percent(method.train_accuracy), _percent(method.test_accuracy)]
    values += [str(method.gradients), method.needs, "yes" if method.explicit else "no"]
    return "".join(f"<td>{html.escape(value)}</td>" for value in values)
