"""Check before you average: what lies between two trained networks, in words."""

import html
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from mc_lib.alignment import align, align_activations, align_rescaled, permutations_of
from mc_lib.checks import tolerance
from mc_lib.curves import Line
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups import Permutation, PositiveScaling
from mc_lib.kinds import require_kind, require_number
from mc_lib.landscape import Barrier, barrier
from mc_lib.networks import Network
from mc_lib.points import Point, distance, leaves, lerp, require_point, require_same_tree

POINTS = 21  # of the segment at which the loss is measured first
CLOSE = 1e-6  # barriers that differ by less count as equal: the simpler alignment is preferred


@dataclass(frozen=True)
class Segment:
    """What lies on the segment between two networks, on one set of data.

    Args:
        barrier: by how much the loss exceeds the line between its values at the ends.
        ends: the accuracies of the two networks; None for a network that has no `accuracy`.
        average: the accuracy of their mean, the midpoint, or None.
    """

    barrier: float
    ends: tuple[float, float] | None
    average: float | None

    @property
    def drop(self) -> float:
        """By how much the mean is less accurate than the worse of the two; 0 if unknown."""
        if self.ends is None or self.average is None:
            return 0.0
        return max(0.0, min(self.ends) - self.average)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two networks compared, before and after the best alignment that was found.

    Args:
        distance: ‖u − v‖.
        output_gap: the largest difference of their outputs on all data, over the largest output.
        train: the segment from u to v on the data of the network.
        test: the same on the held-out data, or None where there are none.
        alignment: the name of the alignment with the lowest barrier on the training data.
        aligned: v after it: the same function as v.
        aligned_distance: ‖u − aligned‖.
        aligned_train: the segment from u to aligned.
        aligned_test: the same on the held-out data, or None.
        barrier_limit: the largest barrier at which averaging is advised.
        drop_limit: the largest loss of accuracy at which averaging is advised.
        same_limit: the largest gap of outputs at which u and v count as one function.
    """

    distance: float
    output_gap: float
    train: Segment
    test: Segment | None
    alignment: str
    aligned: Point
    aligned_distance: float
    aligned_train: Segment
    aligned_test: Segment | None
    barrier_limit: float
    drop_limit: float
    same_limit: float

    @property
    def same_function(self) -> bool:
        """Whether u and v give the same scores on the data, up to rounding."""
        return self.output_gap <= self.same_limit

    @property
    def may_average(self) -> bool:
        """Whether (u + v) / 2 stays within the limits."""
        return self._within(self.test or self.train)

    @property
    def may_average_aligned(self) -> bool:
        """Whether (u + aligned) / 2 stays within the limits."""
        return self._within(self.aligned_test or self.aligned_train)

    @property
    def verdict(self) -> str:
        """What to do, in one sentence, by the limits given."""
        if self.distance == 0:
            return "The two are the same point."
        if self.same_function and self.may_average:
            return "The two are the same function on these data: averaging gains nothing."
        if self.same_function:
            what = "The two are the same function on these data, and their mean is a worse one"
            return f"{what}: do not average."
        if self.may_average:
            return "They may be averaged as they are."
        if self.may_average_aligned:
            return f"Do not average them as they are; after {self.alignment} they may be averaged."
        return "Do not average them: no alignment that was tried brings the barrier down enough."

    def _within(self, segment: Segment) -> bool:
        return segment.barrier <= self.barrier_limit and segment.drop <= self.drop_limit

    def _rows(self) -> list[tuple[str, str, str]]:
        before = [self.train, self.test]
        after = [self.aligned_train, self.aligned_test]
        rows = [("distance", f"{self.distance:.3g}", f"{self.aligned_distance:.3g}")]
        for name, a, b in zip(("training", "held-out"), before, after, strict=True):
            if a is not None and b is not None:
                rows.append((f"barrier, {name} data", f"{a.barrier:.2f}", f"{b.barrier:.2f}"))
                if a.average is not None and b.average is not None:
                    mean = f"accuracy of the mean, {name} data"
                    rows.append((mean, f"{100 * a.average:.0f} %", f"{100 * b.average:.0f} %"))
        return rows

    def __repr__(self) -> str:
        head = ("", "as they are", f"after {self.alignment}")
        rows = [head, *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = ["  ".join(x.ljust(n) for x, n in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*(line.rstrip() for line in lines), self.verdict, self._limits()])

    def _repr_html_(self) -> str:
        head = ("", "as they are", f"after {self.alignment}")
        rows = [("th", head), *(("td", row) for row in self._rows())]
        body = "\n".join(
            "<tr>" + "".join(f"<{tag}>{html.escape(x)}</{tag}>" for x in row) + "</tr>"
            for tag, row in rows
        )
        words = f"<p><strong>{html.escape(self.verdict)}</strong> {html.escape(self._limits())}</p>"
        return f'<table class="dataframe">{body}</table>\n{words}'

    def _limits(self) -> str:
        limits = f"a barrier of {self.barrier_limit:g}"
        if self.train.ends is not None:
            limits += f" nats and {100 * self.drop_limit:g} % of accuracy"
        return f"Limits: {limits}, on the {'held-out' if self.test else 'training'} data."


@singledispatch
def compare(
    net: Network,
    u: Point,
    v: Point,
    *,
    test: Network | None = None,
    barrier_limit: float = 0.05,
    drop_limit: float = 0.01,
) -> Comparison:
    """Return whether two trained networks should be averaged, and what was measured for it.

    Of the `alignments` of v that of the lowest barrier on the data of net is kept; the verdict is
    by the held-out data where there are any. There may be alignments that were not found.

    Args:
        net: the network with the data that u and v were trained on; where it has an
            `accuracy`, as `Classifier`, that of the mean is measured too.
        u: a point, unbatched.
        v: a point of the same space.
        test: the same network on held-out data.
        barrier_limit: in the unit of the loss, ≥ 0.
        drop_limit: in accuracy, from 0 to 1.

    Returns:
        The comparison; printing it shows the table and the verdict.

    Raises:
        ShapeMismatch: points that are batched or do not fit, or another network for test.
        OutOfDomain: a limit outside its range.
        TypeError: an argument of another kind.
        McLibError: as `barrier`.

    A network and its copy with the two neurons exchanged. Half-way between them both
    neurons are alike, the scores are ±1/4 in place of ±1, and the accuracy falls:

    >>> import torch
    >>> X = torch.tensor([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.5]])
    >>> from mc_lib.networks import Classifier
    >>> net = Classifier.of_labels(X, torch.tensor([0, 1, 1]), 2, (2,))
    >>> eye, bias = torch.eye(2), torch.tensor([0.0, 0.1])
    >>> u = (4 * eye, 4 * eye, torch.zeros(2), bias)
    >>> v = (u[0].flip(0), u[1].flip(1), u[2], bias)
    >>> found = compare(net, u, v)
    >>> found.train.ends, round(found.train.average, 2), found.aligned_distance
    ((1.0, 1.0), 0.67, 0.0)
    >>> found.verdict
    'The two are the same function on these data, and their mean is a worse one: do not average.'
    """
    _require_input(net, u, v, test, barrier_limit, drop_limit)
    tried = alignments(net, u, v)
    barriers = {name: _barrier(net, u, x).excess for name, x in tried.items()}
    least = min(barriers.values()) + CLOSE
    best = next(name for name, value in barriers.items() if value <= least)
    return Comparison(
        distance=float(distance(u, v)),
        output_gap=max(_gap(data, u, v) for data in (net, test) if data is not None),
        train=_segment(net, u, v),
        test=None if test is None else _segment(test, u, v),
        alignment=best,
        aligned=(found := tried[best]),
        aligned_distance=float(distance(u, found)),
        aligned_train=_segment(net, u, found),
        aligned_test=None if test is None else _segment(test, u, found),
        barrier_limit=barrier_limit,
        drop_limit=drop_limit,
        same_limit=tolerance(leaves(u)[0].dtype).equal,
    )


def alignments(net: Network, u: Point, v: Point) -> dict[str, Point]:
    """Return v, and v moved near u by each of the exact symmetries of the network.

    Besides the group of its symmetry these are the permutations of the neurons, by weights
    and, where the network tells its `hidden` activations, by those; and permutations and
    scalings together, where scalings act at every layer.

    Args:
        net: the network, on the data for the alignment by activations.
        u: a point, unbatched.
        v: a point of the same space.

    Returns:
        By the name of the alignment points with the same function as v; the first is v.

    Raises:
        McLibError: as `align`.

    >>> import torch
    >>> from mc_lib.networks import Classifier
    >>> X = torch.eye(2)
    >>> u = (X, X, torch.zeros(2), torch.zeros(2))
    >>> found = alignments(Classifier(X, X, (2,)), u, (2 * X, X / 2, *u[2:]))
    >>> found["scaling"][0]
    tensor([[1., 0.],
            [0., 1.]])
    """
    permutations = permutations_of(net.symmetry)
    groups = {type(layer.group) for layer in net.symmetry.layers.values()}
    found = {"no alignment": v, "permutation by weights": align(permutations, u, v).moved}
    if callable(hidden := getattr(net, "hidden", None)):
        of_u, of_v = (hidden(w)[: len(net.symmetry.layers)] for w in (u, v))
        found["permutation by activations"] = align_activations(permutations, v, of_u, of_v).moved
    if groups == {PositiveScaling}:
        found["scaling"] = align(net.symmetry, u, v).moved
        found["permutation and scaling"] = align_rescaled(net.symmetry, u, v).moved
    elif groups != {Permutation}:
        found["the network's symmetry"] = align(net.symmetry, u, v).moved
    return found


def _gap(net: Network, u: Point, v: Point) -> float:
    a, b = net.output(u), net.output(v)
    size = max(float(a.abs().max()), float(b.abs().max()))
    return float((a - b).abs().max()) / size if size > 0 else 0.0


def _barrier(net: Network, u: Point, v: Point) -> Barrier:
    return barrier(Line(u, v), net.loss, points=POINTS)


def _segment(net: Network, u: Point, v: Point) -> Segment:
    height = _barrier(net, u, v).excess
    if not hasattr(net, "accuracy"):
        return Segment(height, None, None)
    start, middle, end = (float(net.accuracy(w)) for w in (u, lerp(u, v, 0.5), v))
    return Segment(height, (start, end), middle)


def _require_input(
    net: Network, u: Point, v: Point, test: Network | None, most: float, drop: float
) -> None:
    for data in (net, net if test is None else test):
        require_kind(data, Network, "the network")
    require_same_tree(u, v)
    for name, w in (("u", u), ("v", v)):
        require_point(w)
        if net.loss(w).ndim:
            raise ShapeMismatch(
                f"compare two single networks; {name} has shapes "
                f"{[tuple(x.shape) for x in leaves(w)]}"
            )
    if test is not None and _architecture(test) != _architecture(net):
        raise ShapeMismatch(
            f"test is the same network on other data, got {_architecture(test)}, not "
            f"{_architecture(net)}"
        )
    require_number(most, "the limit of the barrier")
    require_number(drop, "the limit of the drop")
    if not 0 <= most < float("inf") or not 0 <= drop <= 1:
        raise OutOfDomain(f"limits are a barrier ≥ 0 and a drop in [0, 1], got {most} and {drop}")


def _architecture(net: Network) -> dict[str, Any]:
    return {name: getattr(net, name, None) for name in ("shapes", "slope", "degree")}
