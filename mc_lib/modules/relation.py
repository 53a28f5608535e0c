"""Which of two checkpoints comes from the other: their distance after alignment, beside a null."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.alignment.anchored import align_anchored
from mc_lib.alignment.balance import balance
from mc_lib.comparison import CLOSE, compare
from mc_lib.curves import Line
from mc_lib.kinds import require_count, require_number
from mc_lib.landscape import loss_along
from mc_lib.modules.aligning import align_models, change_of_outputs, point_of
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.losses import above_chord, loss_on
from mc_lib.points import Point, require_same_tree
from mc_lib.trees import named, renamed

COPY, DESCENDANT = 1 / 40, 1 / 2
"""Of the distance of the null: nearer is a copy up to small noise, or a descendant. Moved copies
with 1 % noise were at 0.016 of it, models trained on by 60 % of a training at 0.23, and models
trained apart at 0.87 or more."""


@dataclass(frozen=True)
class Relation:
    """Two models of one architecture, compared.

    Args:
        distance: ‖u − w‖/√(‖u‖² + ‖w‖²) of the shortest points of their orbits as they lie: 0 for
            the same weights, 1 for orthogonal ones.
        aligned: the same after alignment by weights.
        null: the same after alignment, of weights shuffled inside each tensor: what the group
            can reach by chance.
        outputs: the change of the outputs on the example inputs, relative to their size.
        barrier: of the loss between them as they lie, at equally spaced times; None without data.
        aligned_barrier: the lowest after alignment by weights or by activations.
        by: that alignment.
        limit: the largest barrier at which averaging is advised.
    """

    distance: float
    aligned: float
    null: float
    outputs: float
    barrier: float | None
    aligned_barrier: float | None
    by: str
    limit: float

    @property
    def kind(self) -> str:
        """Copy, descendant or independent, by the aligned distance over that of the null."""
        share = self.aligned / self.null if self.null > 0 else 1.0
        if self.aligned == 0 or share <= COPY:
            return "copy"
        return "descendant" if share <= DESCENDANT else "independent"

    @property
    def verdict(self) -> str:
        """What the two are to one another, and whether they may be averaged."""
        moved = "" if self.distance < 2 * self.aligned + 1e-6 else ", moved by a symmetry"
        words = {
            "copy": f"One is a copy of the other, up to small changes{moved}.",
            "descendant": f"One is trained on from the other, or both from a third{moved}.",
            "independent": "The two are trained apart, or too long since they parted to tell.",
        }[self.kind]
        if self.barrier is None or self.aligned_barrier is None:
            return f"{words} Whether they may be averaged, the loss on data would tell."
        if self.barrier <= self.limit:
            return f"{words} They may be averaged as they are."
        if self.aligned_barrier <= self.limit:
            return f"{words} After alignment by {self.by} they may be averaged, not before."
        return f"{words} Do not average them: no alignment that was tried suffices."

    def __str__(self) -> str:
        """Return the numbers and the verdict."""
        rows = [
            f"distance {self.distance:.4g}, aligned {self.aligned:.4g}, null {self.null:.4g}",
            f"change of the outputs {self.outputs:.3g}",
        ]
        if self.barrier is not None and self.aligned_barrier is not None:
            rows.append(
                f"barrier {self.barrier:.4g}, after alignment by {self.by} "
                f"{self.aligned_barrier:.4g} (limit {self.limit:g})"
            )
        return "\n".join([*rows, self.verdict])


@compare.register  # type: ignore[arg-type]
def compare_models(  # type: ignore[misc]
    net: FoundSymmetry,
    u: nn.Module | Point,
    v: nn.Module | Point,
    *,
    data: Sequence[tuple[Any, Any]] | None = None,
    criterion: Callable[[Any, Any], Tensor] | None = None,
    barrier_limit: float = 0.05,
    points: int = 9,
) -> Relation:
    """Return what two models of one architecture are to one another.

    The distance after alignment by weights is compared with a null, the same for the weights of v
    shuffled inside each tensor. With data the barriers of the loss are measured too, from u to v
    as it lies in the chart, and to v aligned.

    Args:
        net: the symmetry of the architecture, from `find_symmetry`.
        u: a module or a point of the chart.
        v: the other one.
        data: pairs of inputs and targets.
        criterion: of outputs and targets.
        barrier_limit: the largest barrier at which averaging is advised, in the unit of the loss.
        points: of the segment at which the loss is measured.

    Returns:
        The numbers; printing them shows the verdict.

    Raises:
        McLibError: as `align_models`.

    >>> from mc_lib.modules import find_symmetry
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(1, 2),))
    >>> g = found.symmetry.group.sample(torch.Generator().manual_seed(0))
    >>> compare(found, net, found.symmetry.act(g, found.chart.point(net))).kind
    'copy'
    """
    require_number(barrier_limit, "the limit of the barrier")
    require_count(points, "the number of times", 2)
    a, b = point_of(net.chart, u), point_of(net.chart, v)
    require_same_tree(a, b)
    short = [balance(net.symmetry, x)[1] for x in (a, b)]
    free = {fold.gain for fold in net.chart.folds}
    sizes = sum(float(x.double().square().sum()) for p in short for x in _seen(p, free).values())
    unit = max(sizes, torch.finfo(torch.float64).tiny) ** 0.5

    def away(x: Point, y: Point) -> float:
        p, q = _seen(x, free), _seen(y, free)
        return sum(float((p[k].double() - q[k].double()).square().sum()) for k in p) ** 0.5 / unit

    aligned = align_models(net, *short)  # what is short already costs little to balance
    null = align_anchored(net.symmetry, short[0], _shuffled(short[1]))
    barriers: dict[str, float] = {}
    if data is not None and criterion is not None:
        loss = loss_on(net.chart, data, criterion)
        ways = {"weights": aligned.moved}
        ways["activations"] = align_models(net, *short, by="activations", data=data).moved
        with torch.no_grad():
            barriers = {k: _excess(Line(short[0], x), loss, points) for k, x in ways.items()}
            barriers["as they lie"] = _excess(Line(a, b), loss, points)
    by_weights, by_data = (barriers.get(x, 0.0) for x in ("weights", "activations"))
    best = "activations" if by_data < by_weights - CLOSE else "weights"
    return Relation(
        away(short[0], short[1]),
        aligned.after**0.5 / unit,
        null.after**0.5 / unit,
        change_of_outputs(net, b, a),
        barriers.get("as they lie"),
        barriers.get(best),
        best,
        barrier_limit,
    )


def _excess(line: Line, loss: Callable[[Point], Tensor], points: int) -> float:
    """Return the most by which the loss exceeds its chord, at equally spaced times."""
    t = torch.linspace(0, 1, points, dtype=next(iter(named(line.start).values())).dtype)
    losses = loss_along(line, loss, t).cpu()
    return above_chord(t, losses)


def _seen(w: Point, free: set[str]) -> Mapping[str, Tensor]:
    """Return the weights but for the gains that the network forgets in this chart."""
    return {key: x for key, x in named(w).items() if key not in free}


def _shuffled(w: Point) -> Point:
    r = torch.Generator()
    moved = {}
    for key, x in named(w).items():
        order = torch.randperm(x.numel(), generator=r).to(x.device)
        moved[key] = x.flatten()[order].reshape(x.shape)
    return renamed(w, moved)
