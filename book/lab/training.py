"""Chapters 1, 2, 4b, 5, 6 and 7: stochastic gradient descent to a minimum."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import optree
import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.sgd import sgd

from lab.progress import progress
from mc_lib.checks import all_finite
from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.networks import Network
from mc_lib.points import Point, leaves, require_point


@dataclass(frozen=True)
class Training:
    """Where the training arrived, and the losses on the way.

    Args:
        w: the weights after the last step.
        losses: the loss before each step, on the data of that step, and at w on all data,
            shape (steps taken + 1, ...).
    """

    w: Point
    losses: Float[Tensor, "steps *batch"]


def train(
    net: Network,
    w: Point,
    *,
    steps: int,
    rate: float,
    momentum: float = 0.0,
    batch: int | None = None,
    generator: torch.Generator | None = None,
    target: float = 0.0,
) -> Training:
    """Return what stochastic gradient descent makes of the weights w.

    Each step is w ← w − rate · v with v ← momentum · v + ∇L(w), L the loss of the network
    on a random mini-batch of columns, or on all of them. Weights with leading dimensions
    are trained side by side: each follows its own gradient.

    Args:
        net: the network; mini-batches need its `columns` and `subset`, as `MatrixNetwork` has.
        w: where to start, batched or not.
        steps: how many steps at most, ≥ 1.
        rate: the learning rate > 0; the loss is a sum, so it shrinks with more data.
        momentum: in [0, 1).
        batch: columns in a mini-batch, drawn without repetition; None takes all.
        generator: the source of randomness for the mini-batches; none is needed without.
        target: stop before a step once every loss, on its data, is at most this.

    Returns:
        The weights and the losses, without a gradient.

    Raises:
        OutOfDomain: a number outside its range, or a mini-batch without a generator or of a
            network that has none.
        NotFinite: the loss became NaN or infinite, naming the step: the rate is too large.
        McLibError: as `net.loss`.

    One step on ‖1 − w₂w₁‖² at (1, 3), where the gradient is (12, 4):

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> found = train(DeepLinear(one, one, (1,)), (one, 3 * one), steps=1, rate=0.125)
    >>> [x.item() for x in found.w], found.losses.tolist()
    ([-0.5, 2.5], [4.0, 5.0625])
    """
    require_point(w)
    _require_settings(net, steps, rate, momentum, batch, generator)
    w = optree.tree_map(lambda x: x.detach().clone().requires_grad_(), w)
    descend = descent(leaves(w), rate, momentum)
    losses: list[Tensor] = []
    for part in progress(parts(net, steps, batch, generator), "training", steps):
        loss = _loss(part, w, len(losses), rate)
        if loss.max() <= target:
            break
        losses.append(loss.detach())
        descend(loss.sum())
    w = optree.tree_map(torch.Tensor.detach, w)
    return Training(w, torch.stack([*losses, _loss(net, w, len(losses), rate)]))


def descent(w: Sequence[Tensor], rate: float, momentum: float) -> Callable[[Tensor], None]:
    """Return one step of gradient descent with momentum: v ← μv + ∇L, w ← w − ηv.

    The step is that of `torch.optim.SGD`, to the last bit; building that class imports
    torch's compiler, which takes longer than the training of a small network.

    Args:
        w: the weights, which require a gradient; each step changes them in place.
        rate: η.
        momentum: μ.

    Returns:
        A function of a loss, a single number that was computed from w.

    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> descent([x], rate=0.5, momentum=0.0)(x.square().sum() / 2)
    >>> x
    tensor([1.5000], requires_grad=True)
    """
    points = list(w)
    speeds: list[Tensor | None] = [None for _ in w]

    def step(loss: Tensor) -> None:
        slopes = torch.autograd.grad(loss, points, materialize_grads=True)
        with torch.no_grad():
            sgd(
                points,
                list(slopes),
                speeds,
                foreach=False,
                weight_decay=0.0,
                momentum=momentum,
                lr=rate,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )

    return step


def parts(
    net: Any, steps: int, batch: int | None, generator: torch.Generator | None
) -> Iterator[Any]:
    """Yield the network on the data of each step: random columns, or all of them.

    Args:
        net: the network.
        steps: how many times.
        batch: columns in a mini-batch, drawn without repetition; None takes all.
        generator: the source of randomness.

    Yields:
        The network.

    >>> from mc_lib.networks import DeepLinear
    >>> net = DeepLinear(torch.ones(1, 3), torch.ones(1, 3), (1,))
    >>> [part.columns for part in parts(net, 2, 2, torch.Generator())]
    [2, 2]
    """
    for _ in range(steps):
        if batch is None or generator is None or batch >= columns(net):
            yield net
        else:
            order = torch.randperm(columns(net), generator=generator, device=generator.device)
            yield net.subset(order[:batch])


def columns(net: Any) -> int:
    """Return how many columns of data a network has.

    Args:
        net: the network.

    Returns:
        The number.

    Raises:
        OutOfDomain: it has none to take mini-batches of.

    >>> from mc_lib.networks import DeepLinear
    >>> columns(DeepLinear(torch.eye(2), torch.eye(2), (2,)))
    2
    """
    if not hasattr(net, "subset"):
        raise OutOfDomain(f"a {type(net).__name__} has no columns to take mini-batches of")
    return int(net.columns)


def _require_settings(
    net: Network,
    steps: int,
    rate: float,
    momentum: float,
    batch: int | None,
    generator: torch.Generator | None,
) -> None:
    if steps < 1 or not 0 < rate < float("inf") or not 0 <= momentum < 1:
        raise OutOfDomain(
            f"training takes steps ≥ 1, a rate > 0 and a momentum in [0, 1), got "
            f"steps = {steps}, rate = {rate}, momentum = {momentum}"
        )
    if batch is None:
        return
    if not 1 <= batch <= columns(net):
        raise OutOfDomain(f"a mini-batch has 1 to {columns(net)} columns, got {batch}")
    if generator is None:
        raise OutOfDomain(f"mini-batches of {batch} columns are random: give a generator")


def _loss(net: Network, w: Point, step: int, rate: float) -> Tensor:
    """Return the loss, or say that the training has diverged."""
    told = f"the training diverged in {step} steps: the rate {rate} is too large"
    if not all(all_finite(x) for x in leaves(w)):
        raise NotFinite(told)
    try:
        loss = net.loss(w)
    except NotFinite:  # the paper's networks say so themselves
        raise NotFinite(told) from None
    if not all_finite(loss):
        raise NotFinite(told)
    return loss
