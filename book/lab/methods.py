"""Chapter 2: methods of joining two networks, what they reach and what they need."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from IPython.display import display
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain
from mc_lib.networks.classifier import Classifier
from mc_lib.sampling import time_grid

POINTS = 61
"""The equally spaced times at which a path is measured, besides its corners."""


@dataclass(frozen=True, eq=False)
class Method:
    """What one method reached on several pairs of networks.

    Args:
        name: of the method.
        curves: the paths, one a pair.
        train: the loss barrier of each path on the training data, in nats, shape (pairs,).
        test: the same on held-out data.
        train_accuracy: the lowest accuracy on each path.
        test_accuracy: the same on held-out data.
        gradients: how many gradients of the loss one path took.
        needs: what the method asks for, besides the two networks.
        explicit: whether the path is given by a formula.
    """

    name: str
    curves: tuple[Any, ...]
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
        methods: the rows; of a single pair there is only the value.
    """

    methods: tuple[Method, ...]

    def __repr__(self) -> str:
        lines = [f"{m.name}: {_spread(m.train)} / {_spread(m.test)}" for m in self.methods]
        return "\n".join(["barrier, train / test", *lines])

    def _repr_html_(self) -> str:
        names = ["path", "barrier, train", "barrier, test", "lowest accuracy, train"]
        names += ["lowest accuracy, test", "gradients", "needs", "explicit"]
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "\n".join(f"<tr>{_cells(method)}</tr>" for method in self.methods)
        return f'<table class="dataframe methods"><tr>{head}</tr>\n{body}\n</table>'


def paste_as(name: str, shown: Any) -> None:
    """Show something here, and wherever the page asks for this name with {glue}.

    >>> paste_as("three", 3)
    3
    """
    scrap = {"name": name, "mime_prefix": ""}
    display(shown, metadata={"scrapbook": scrap})  # type: ignore[no-untyped-call]


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

    The barrier is max over t of L(γ(t)) − (1 − t) L(γ(0)) − t L(γ(1)), over 61 equally
    spaced times and the corners of the path; `barrier` goes on from there to the maximum.

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
    >>> x = torch.tensor([[1.0, -1.0]])
    >>> net = Classifier.of_labels(x, torch.tensor([0, 1]), 2, (2,))
    >>> w = net.random(torch.Generator().manual_seed(0))
    >>> measure_method("rest", [Line(w, w)] * 2, net, net).train.round(decimals=9)
    tensor([0., 0.])
    """
    if len(curves) == 0:
        raise OutOfDomain(f"{name}: measure one curve or more, got none")
    found = [[_along(curve, net) for curve in curves] for net in (train, test)]
    (of_train, train_accuracy), (of_test, test_accuracy) = (
        torch.tensor(pairs, dtype=torch.float64).unbind(-1) for pairs in found
    )
    return Method(
        name,
        tuple(curves),
        of_train,
        of_test,
        train_accuracy,
        test_accuracy,
        gradients=gradients,
        needs=needs,
        explicit=explicit,
    )


def _along(curve: Any, net: Classifier) -> tuple[float, float]:
    """Return the barrier and the lowest accuracy at the times of the grid."""
    t = time_grid(curve, POINTS)
    w = curve(t)
    loss = net.loss(w)
    excess = loss - (1 - t) * loss[0] - t * loss[-1]
    return float(excess.max()), float(net.accuracy(w).min())


def _spread(values: Tensor, places: int = 3) -> str:
    mean = f"{float(values.mean()):.{places}f}"
    return mean if len(values) < 2 else f"{mean} ± {float(values.std()):.{places}f}"


def _cells(method: Method) -> str:
    values = [method.name, _spread(method.train), _spread(method.test)]
    values += [f"{_spread(100 * x, 1)} %" for x in (method.train_accuracy, method.test_accuracy)]
    values += [str(method.gradients), method.needs, "yes" if method.explicit else "no"]
    return "".join(f"<td>{html.escape(value)}</td>" for value in values)
