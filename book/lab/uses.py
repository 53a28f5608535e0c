"""Chapter 7: the uses that the paper proposes, new minima and learning on the fibre."""

from collections.abc import Mapping, Sequence

import torch

from lab.data import digits
from lab.fibre_training import FixedOutputs
from lab.training import train
from mc_lib.alignment import permutations_of
from mc_lib.errors import OutOfDomain
from mc_lib.networks import Classifier, Weights

METHODS = ("free", "last layer on its fibre", "whole fibre", "rehearsal")


def new_minima(
    net: Classifier, w: Weights, generator: torch.Generator, members: int
) -> dict[str, Weights]:
    """Return minima that give the same scores as w to the data of net, by where they are from.

    "exact copies": random permutations of the neurons. "map (6)": the last hidden layer moved
    by g = exp(A/2), A normal with variance 1/h, and the smallest last layer that keeps the
    scores. "half-way to random": halfway on the curve of E3 to random weights. "random hidden
    layer": the end of that curve.

    Args:
        net: the network and its data, at most h + 1 columns for h last hidden neurons.
        w: weights, unbatched.
        generator: the source of randomness.
        members: how many of each kind.

    Returns:
        For each kind weights with one leading dimension.

    Raises:
        McLibError: as `FixedOutputs`.

    >>> X = torch.eye(2)
    >>> net, rng = Classifier(X, X, (8,), 0.5), torch.Generator()
    >>> w = net.random(rng)
    >>> found = new_minima(net, w, rng, 3)
    >>> {bool((net.output(x) - net.output(w)).abs().max() < 1e-9) for x in found.values()}
    {True}
    """
    kept, permutations = FixedOutputs.at(net, w), permutations_of(net.symmetry)
    random = net.random(generator, (members,), gain=2**0.5)
    half = tuple((a + b) / 2 for a, b in zip(w, random, strict=True))
    last, h = net.depth - 1, net.widths[-1]
    size = (members, h, h)
    noise = torch.randn(size, generator=generator, dtype=net.X.dtype, device=generator.device)
    g = torch.linalg.matrix_exp(noise.to(net.X.device) / (2 * h**0.5))
    moved = [x.expand(members, *x.shape) for x in w]
    moved[last - 1] = g @ w[last - 1]
    moved[net.depth + last - 1] = (g @ w[net.depth + last - 1][:, None])[..., 0]
    for i in (last, net.depth + last):
        moved[i] = torch.zeros_like(random[i])
    return {
        "exact copies": permutations.act(permutations.group.sample(generator, (members,)), w),
        "map (6)": kept.project(tuple(moved)),
        "half-way to random": kept.project(half),
        "random hidden layer": kept.project(random),
    }


def two_tasks(
    generator: torch.Generator,
    widths: tuple[int, ...],
    *,
    remember: int,
    dtype: torch.dtype | None = None,
) -> tuple[Classifier, Classifier, Classifier, Classifier]:
    """Return the digits 0 to 4 as an old task and 5 to 9 as a new one, for one network.

    Args:
        generator: the source of randomness, for which images are held out.
        widths: the hidden widths of the network; it has ten scores in both tasks.
        remember: how many images of the old task there are to train on.
        dtype: of the images; torch's default dtype if None.

    Returns:
        The old task, its held-out images, the new task, its held-out images.

    Raises:
        OutOfDomain: fewer than one or more old images than there are.

    >>> old, old_test, new, _ = two_tasks(torch.Generator(), (4,), remember=20)
    >>> old.X.shape[1], int(old_test.Y.argmax(0).max()), int(new.Y.argmax(0).min())
    (20, 4, 5)
    """
    both = digits(generator, dtype=dtype)
    old, old_test, new, new_test = (
        Classifier.of_labels(x[:, part], labels[part], 10, widths)
        for is_new in (False, True)
        for x, labels in both
        for part in [(labels >= 5) == is_new]
    )
    if not 1 <= remember <= old.X.shape[1]:
        raise OutOfDomain(f"remember 1 to {old.X.shape[1]} old images, got {remember}")
    first = old.on(old.X[:, :remember], old.Y[:, :remember])
    return first, old_test, new, new_test


def learn_new(
    old: Classifier,
    new: Classifier,
    w: Weights,
    rates: Mapping[str, Sequence[float]],
    *,
    steps: int,
    generator: torch.Generator,
    momentum: float = 0.9,
    batch: int = 100,
) -> dict[str, Weights]:
    """Return what becomes of w when it learns the new task, by several methods and rates.

    "free": on the new data alone. "last layer on its fibre" and "whole fibre": on the new
    data, the scores of the old ones fixed, the hidden layers at rest or not. "rehearsal": on
    the new data and the old ones, equally often.

    Args:
        old: the network on the remembered data.
        new: the network on the new data.
        w: where to start.
        rates: for each method its learning rates.
        steps: as for `train`.
        generator: the source of the mini-batches.
        momentum: as for `train`.
        batch: as for `train`.

    Returns:
        For each method weights with one leading dimension, an entry for each rate.

    Raises:
        OutOfDomain: a method of another name.
        McLibError: as `train` and `FixedOutputs`.

    >>> X = torch.eye(2)
    >>> old, rng = Classifier(X, X, (8,), 0.5), torch.Generator()
    >>> w = old.random(rng)
    >>> new = old.on(-X, X.flip(0))
    >>> v = learn_new(old, new, w, {"whole fibre": [0.1]}, steps=5, generator=rng, batch=2)
    >>> bool((old.output(v["whole fibre"]) - old.output(w)).abs().max() < 1e-9)
    True
    """
    unknown = sorted(set(rates) - set(METHODS))
    if unknown:
        raise OutOfDomain(f"the methods are {list(METHODS)}, got {unknown}")
    found = {}
    for name in rates:
        net = _learner(name, old, new, w)
        ends = []
        for rate in rates[name]:
            how = {"steps": steps, "momentum": momentum, "batch": batch}
            v = train(net, w, rate=rate, generator=generator, **how).w  # type: ignore[arg-type]
            ends.append(net.project(v) if isinstance(net, FixedOutputs) else v)
        found[name] = tuple(torch.stack(xs) for xs in zip(*ends, strict=True))
    return found


def _learner(name: str, old: Classifier, new: Classifier, w: Weights) -> Classifier:
    """Return the network that a method trains."""
    if name == "free":
        return new
    if name == "rehearsal":
        times = max(1, new.X.shape[1] // old.X.shape[1])
        pairs = zip((new.X, new.Y), (old.X, old.Y), strict=True)
        together = [torch.cat([a, b.repeat(1, times)], 1) for a, b in pairs]
        return new.on(*together)
    kept = FixedOutputs.at(old, w, only_last=name == "last layer on its fibre")
    return kept.on(new.X, new.Y)
