"""Two models of one architecture: the group element that brings the one near the other."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.alignment import Alignment, align
from mc_lib.alignment.anchored import align_anchored
from mc_lib.errors import NotSymmetric, OutOfDomain
from mc_lib.kinds import require_count, require_kind, require_number
from mc_lib.modules.by_activations import by_activations
from mc_lib.modules.by_loss import by_loss
from mc_lib.modules.chart import Chart
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.losses import losses_of
from mc_lib.points import Point, require_same_tree
from mc_lib.trees import named

SAME = {torch.float64: 1e-8, torch.float32: 1e-3}  # a change of outputs that rounding explains


@align.register
def align_models(  # type: ignore[misc]
    symmetry: FoundSymmetry,
    u: nn.Module | Point,
    w: nn.Module | Point,
    *,
    by: str = "weights",
    data: Sequence[Any] | None = None,
    criterion: Callable[[Any, Any], Tensor] | None = None,
    steps: int = 250,
    rate: float = 1e-2,
    generator: torch.Generator | None = None,
) -> Alignment:
    """Return the g for which g·w comes near u: neurons, heads and streams of any module.

    - By *weights*: the least distance of the shortest points of the two orbits, from anchored
      starts (`align_anchored`). It needs no data, and finds a moved copy or a moved descendant
      again. For models trained apart it lowers the distance, which says little of the loss.
    - By *activations*: in closed form, one pass over the data. A stream is turned so that what
      weights read from it agrees, each row at length 1; neurons are matched by the correlation of
      their activations, heads by that of what they write; what lives at a head is then turned by
      the weights. Batches of another shape than the first are left out.
    - By *loss*: from there, g = exp(M) on the continuous layers is trained so that the loss of
      the midpoint falls. w keeps its function; only its place on its orbit changes.

    Args:
        symmetry: of the architecture, from `find_symmetry`.
        u: the goal, a module or a point of the chart.
        w: what is moved.
        by: what is compared.
        data: for activations and loss: inputs, or pairs of inputs and targets as in `loss_on`.
        criterion: for loss: of outputs and targets.
        steps: for loss: of Adam.
        rate: for loss: its first step size, which falls as a cosine.
        generator: for loss: of the order of the batches; None for a fixed one.

    Returns:
        g and g·w, a point of the chart. The objective is the squared distance of the shortest
        points of the two orbits; for loss that of the midpoint.

    Raises:
        OutOfDomain: data missing, empty, or of fewer than 2 rows, or no criterion.
        NotSymmetric: g·w is not the function of w, beyond rounding.
        ShapeMismatch: models of another architecture, or data of other shapes.
        McLibError: as `Chart.point`.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(1, 2),))
    >>> g = found.symmetry.group.sample(torch.Generator().manual_seed(0))
    >>> align(found, net, found.symmetry.act(g, found.chart.point(net))).after
    0.0
    """
    a, b = point_of(symmetry.chart, u), point_of(symmetry.chart, w)
    require_same_tree(a, b)
    require_kind(by, str, "what is compared")
    if by not in ("weights", "activations", "loss"):
        raise OutOfDomain(f'by is "weights", "activations" or "loss", got {by!r}')
    require_count(steps, "the number of steps")
    require_number(rate, "the step size")
    if by == "weights":
        result = align_anchored(symmetry.symmetry, a, b)
    else:
        result = by_activations(symmetry, a, b, inputs_of(data, f'by="{by}"'))
    if by == "loss":
        if criterion is None:
            raise OutOfDomain('by="loss" needs a criterion of outputs and targets')
        losses = losses_of(symmetry.chart, data or (), criterion)
        order = torch.Generator() if generator is None else generator
        result = by_loss(symmetry, a, result, losses, steps, rate, order)
    require_same_function(symmetry, b, result.moved)
    return result


def point_of(chart: Chart, model: nn.Module | Point) -> Point:
    """Return the point of a model, or the point itself.

    Args:
        chart: of the architecture.
        model: a module or a point.

    Returns:
        A point of the chart.

    Raises:
        McLibError: as `Chart.point`, or the point is none of the chart.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> w = found.chart.point(net)
    >>> point_of(found.chart, w) is w
    True
    """
    if isinstance(model, nn.Module):
        return chart.point(model)
    chart.tensors(model)
    return model


def inputs_of(data: Any, who: str) -> list[tuple[Any, ...]]:
    """Return the inputs of data, each as a tuple of arguments.

    Args:
        data: a sequence of inputs, or of pairs of inputs and targets.
        who: asks for them.

    Returns:
        The tuples.

    Raises:
        OutOfDomain: there are none.
        TypeError: no sequence.

    >>> inputs_of([(1, 2), 3], "a test")
    [(1,), (3,)]
    """
    if data is None:
        raise OutOfDomain(f"{who} needs data: a sequence of inputs, or of (inputs, targets)")
    require_kind(data, Sequence, "the data")
    if len(data) == 0:
        raise OutOfDomain("the data hold no batch")
    first = [x[0] if isinstance(x, tuple | list) and len(x) == 2 else x for x in data]
    return [x if isinstance(x, tuple) else (x,) for x in first]


def change_of_outputs(found: FoundSymmetry, v: Point, w: Point) -> float:
    """Return ‖f(v) − f(w)‖/‖f(w)‖ on the example inputs, in float64.

    Args:
        found: the symmetry of the architecture.
        v: a point of its chart.
        w: another.

    Returns:
        The change; infinity where an output is no number.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> change_of_outputs(found, found.chart.point(net), found.chart.point(net))
    0.0
    """
    with torch.no_grad():
        x, y = (
            found.graph.output(
                found.chart.tensors({k: z.double() for k, z in named(point).items()}),
                found.args,
                torch.float64,
            )
            for point in (v, w)
        )
    change = float((x - y).norm() / y.norm().clamp_min(torch.finfo(y.dtype).tiny))
    return change if change == change else torch.inf


def require_same_function(found: FoundSymmetry, w: Point, moved: Point) -> None:
    """Refuse a moved point whose outputs on the example inputs are others, beyond rounding.

    Args:
        found: the symmetry of the architecture.
        w: a point of its chart.
        moved: g·w.

    Raises:
        NotSymmetric: saying by how much.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> require_same_function(found, found.chart.point(net), found.chart.point(net))
    """
    change = change_of_outputs(found, moved, w)
    if not change <= SAME[next(iter(named(w).values())).dtype]:
        raise NotSymmetric(
            f"the aligned model is another function: its outputs differ by {change:.1e} of their "
            "size; it may be too ill-conditioned for its dtype: use model.double()"
        )
