"""mc_lib against the package rebasin: the same pairs of networks, one run.

    make bench-rebasin

Five pairs of networks are trained on the digits. Both align the second of each pair with
the first by permutations; mc_lib then also by permutations and positive factors together.
Compared are the squared distance of the weights, which both lower, and the barrier of the
segment that is left. A check first: each must return the same function that it was given.
rebasin goes through the layers in a random order, mc_lib from the first to the last; both
stop in a local minimum, so rebasin is also shown at the best of ten orders.
"""

import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rebasin import PermutationCoordinateDescent
from torch import nn

import mc_lib as mc
from lab import data
from lab.training import train

PAIRS, WIDTHS, ORDERS = 5, (32, 32), 10
OUT = Path(__file__).resolve().parents[1] / "_build" / "rebasin.json"


def trained() -> tuple[mc.Classifier, mc.Classifier, list[tuple[Any, Any]]]:
    """Return the network on the training and on the test digits, and the pairs of weights."""
    generator = torch.Generator().manual_seed(0)
    (X, labels), (X_test, labels_test) = data.digits(generator, dtype=torch.float32)
    net = mc.Classifier.of_labels(X, labels, 10, WIDTHS)
    test = mc.Classifier.of_labels(X_test, labels_test, 10, WIDTHS)
    start = net.random(generator, (2 * PAIRS,), gain=2**0.5)
    settings: dict[str, Any] = {"steps": 400, "rate": 0.1, "momentum": 0.9, "batch": 100}
    w = train(net, start, generator=generator, **settings).w
    each = [tuple(x[i] for x in w) for i in range(2 * PAIRS)]
    return net, test, list(zip(each[::2], each[1::2], strict=True))


def module(w: Any) -> nn.Sequential:
    """Return the weights as a torch module."""
    depth = len(w) // 2
    layers: list[nn.Module] = []
    for W, b in zip(w[:depth], w[depth:], strict=True):
        layer = nn.Linear(W.shape[1], W.shape[0])
        layer.weight.data, layer.bias.data = W.clone(), b.clone()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def weights(model: nn.Sequential) -> Any:
    """Return the weights of a torch module as a tuple."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    return (*(x.weight.data for x in linear), *(x.bias.data for x in linear))


def by_rebasin(net: mc.Classifier, u: Any, w: Any, order: int = 0) -> Any:
    """Return w aligned with u by rebasin, whose order of the layers the seed decides."""
    torch.manual_seed(order)
    moved = module(copy.deepcopy(w))
    PermutationCoordinateDescent(module(u), moved, net.X.mT.contiguous()).rebasin()
    return weights(moved)


def best_of_orders(net: mc.Classifier, u: Any, w: Any) -> Any:
    """Return the nearest of what rebasin finds with several orders of the layers."""
    found = [by_rebasin(net, u, w, order) for order in range(ORDERS)]
    return min(found, key=lambda moved: float(mc.distance(u, moved)))


def measured(
    align: Callable[[Any, Any], Any],
    net: mc.Classifier,
    test: mc.Classifier,
    pairs: list[tuple[Any, Any]],
) -> dict[str, list[float]]:
    """Return what an alignment reaches on each pair."""
    found: dict[str, list[float]] = {"objective": [], "train": [], "test": [], "seconds": []}
    for u, w in pairs:
        start = time.perf_counter()
        moved = align(u, w)
        found["seconds"].append(time.perf_counter() - start)
        change = float((net.output(moved) - net.output(w)).abs().max())
        if change > 1e-3:
            sys.exit(f"the aligned network computes something else, by {change}")
        found["objective"].append(float(mc.distance(u, moved)) ** 2)
        for key, on in (("train", net), ("test", test)):
            found[key].append(mc.barrier(mc.Line(u, moved), on.loss, points=41).excess)
    return found


def main() -> int:
    """Print the table and write it as JSON."""
    net, test, pairs = trained()
    reorder = mc.permutations_of(net.symmetry)
    methods = {
        "none": lambda u, w: w,
        "rebasin": lambda u, w: by_rebasin(net, u, w),
        f"rebasin, best of {ORDERS}": lambda u, w: best_of_orders(net, u, w),
        "mc.align": lambda u, w: mc.align(reorder, u, w).moved,
        "mc.align_rescaled": lambda u, w: mc.align_rescaled(net.symmetry, u, w).moved,
    }
    table = {name: measured(align, net, test, pairs) for name, align in methods.items()}
    print(f"{'':20}{'distance²':>16}{'barrier, train':>18}{'barrier, test':>18}{'seconds':>10}")
    for name, found in table.items():
        cells = [
            f"{statistics.mean(found[key]):.{digits}f} ± {statistics.stdev(found[key]):.{digits}f}"
            for key, digits in (("objective", 1), ("train", 3), ("test", 3))
        ]
        seconds = statistics.median(found["seconds"])
        print(f"{name:20}{cells[0]:>16}{cells[1]:>18}{cells[2]:>18}{seconds:>10.3f}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
