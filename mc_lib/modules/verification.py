"""That what was found is a symmetry: the outputs stay when it acts, and a control changes them.

The parameters are moved, by all of the group and by each layer alone, and the outputs compared
in float64 on the graph without casts. The control moves one of the weights that a layer meets
and leaves the others, which must change the outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.errors import NotFinite
from mc_lib.groups import Group, Permutation, SignedPermutation
from mc_lib.groups.trivial import Trivial
from mc_lib.kinds import require_kind
from mc_lib.layers import Fixed, Layer, places
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.graph import Graph
from mc_lib.symmetry import Symmetry

RELATIVE = 1e-10  # how far an exact symmetry may move the outputs in float64
WRONG = 1e-8  # a change of the outputs that no rounding explains
WEIGHTS = 6  # of those that a layer meets, so many are tried as control


@dataclass(frozen=True)
class Verification:
    """What `verify` measures, all relative to the size of the outputs.

    Args:
        worst: the largest change, by all of the group or by one layer alone, in float64.
        layers: the change by each layer alone.
        control: the smallest change by a layer on one weight alone; 0 where the inputs cannot
            tell, as attention on one position cannot tell its queries.
        inert: the layers for which the control is within 1e-6.
        own: the change by all of the group in the dtype of the model.
        rounding: the distance of its outputs in its dtype from those in float64, not moved.
    """

    worst: float
    layers: Mapping[str, float]
    control: float
    inert: tuple[str, ...]
    own: float
    rounding: float

    @property
    def holds(self) -> bool:
        """Whether the outputs stay to 1e-10, and the control changes them."""
        return self.worst <= RELATIVE and not self.inert


def verify(
    found: FoundSymmetry,
    model: nn.Module,
    args: tuple[Any, ...],
    *,
    generator: torch.Generator | None = None,
) -> Verification:
    """Return how far the outputs of a model move under the symmetry, and under a control.

    Args:
        found: the symmetry.
        model: the model of its chart, or another of the same architecture.
        args: inputs.
        generator: of the random elements; None for a fixed one.

    Returns:
        The changes.

    Raises:
        TypeError: `found` is not from `find_symmetry`.
        NotFinite: the outputs of the model are NaN or infinite.
        McLibError: as `Chart.point` and `find_symmetry`.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> verify(find_symmetry(net, (torch.ones(1, 2),)), net, (torch.ones(1, 2),)).worst < 1e-10
    True
    """
    require_kind(found, FoundSymmetry, "what was found")
    r = torch.Generator() if generator is None else generator
    require_kind(r, torch.Generator, "the generator")
    graph = Graph(model, args)
    trial = Trial(found, graph, args, found.chart.point(model))
    g = trial.element(r)
    layers, control = {}, {}
    for name in found.symmetry.layers:
        if isinstance(found.symmetry.layers[name].group, Trivial):
            continue
        moved = trial.moved(trial.only(name, g))
        layers[name] = trial.change(moved)
        held = _holders(found.symmetry, name)
        if len(held) > 1:  # else a number that the network forgets: to move it is the symmetry
            wrong = ({**trial.exact, key: moved[key]} for key in held[:WEIGHTS])
            control[name] = max(map(trial.change, wrong))
    dtype = next(iter(trial.w.values())).dtype
    return Verification(
        max([trial.change(trial.moved(g)), *layers.values()]),
        layers,
        min(control.values(), default=0.0),
        tuple(name for name, x in control.items() if x < 1e-6),
        trial.change(trial.moved(g, dtype)),
        trial.rounding(dtype),
    )


class Trial:
    """A point of a model, its outputs, and their change when a group element acts."""

    def __init__(
        self, found: FoundSymmetry, graph: Graph, args: tuple[Any, ...], w: Mapping[str, Tensor]
    ) -> None:
        self.found, self.graph, self.args, self.w = found, graph, args, w
        self.outputs = {dtype: self._output(w, dtype) for dtype in self._dtypes()}
        for x in self.outputs.values():
            if not torch.isfinite(x).all():
                raise NotFinite("the outputs of the model are NaN or infinite on these inputs")

    def _dtypes(self) -> set[torch.dtype]:
        return {torch.float64, *(x.dtype for x in self.w.values())}

    def _output(self, w: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        tensors = self.found.chart.tensors({k: x.to(dtype) for k, x in w.items()})
        with torch.no_grad():
            return self.graph.output(tensors, self.args, dtype)

    @property
    def exact(self) -> dict[str, Tensor]:
        """The point in float64."""
        return {k: x.double() for k, x in self.w.items()}

    def moved(self, g: Sequence[Tensor], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """Return g·w in a dtype."""
        cast = [x.to(dtype) if x.is_floating_point() else x for x in g]
        w = {k: x.to(dtype) for k, x in self.w.items()}
        return self.found.symmetry.act(cast, w)

    def change(self, v: Mapping[str, Tensor]) -> float:
        """Return the change of the outputs at another point, relative to their size."""
        dtype = next(iter(v.values())).dtype
        base = self.outputs[dtype]
        size = max(float(base.norm()), torch.finfo(dtype).tiny)
        change = float((self._output(v, dtype) - base).norm()) / size
        return change if change == change else torch.inf

    def rounding(self, dtype: torch.dtype) -> float:
        """Return the distance of the outputs in a dtype from those in float64."""
        exact = self.outputs[torch.float64]
        size = max(float(exact.norm()), torch.finfo(torch.float64).tiny)
        return float((self.outputs[dtype].double() - exact).norm()) / size

    def element(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return a group element of which no entry is the identity, where there is another."""
        group = self.found.symmetry.group
        g = group.sample(generator, dtype=torch.float64, condition=4.0)
        pairs = zip(group.factors, g, strict=True)
        return tuple(_moved(factor, x) for factor, x in pairs)

    def only(self, name: str, g: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the element that is g at one layer and the identity elsewhere."""
        e = self.found.symmetry.group.identity(dtype=torch.float64)
        names = self.found.symmetry.layers
        return tuple(x if other == name else y for other, x, y in zip(names, g, e, strict=True))


def _moved(group: Group, g: Tensor) -> Tensor:
    e = group.identity(g.shape[: g.ndim - 1]) if not g.is_floating_point() else g
    if g.is_floating_point() or not torch.equal(g, e):
        return g
    if isinstance(group, SignedPermutation):
        return -g
    return g.roll(1, -1) if isinstance(group, Permutation) and group.components > 1 else g


def _holders(symmetry: Symmetry, name: str) -> list[str]:
    """Return the weights that a layer meets."""
    return [key for key, axes in symmetry.table.items() if places(axes, name)]


def certified(found: FoundSymmetry, graph: Graph, args: tuple[Any, ...]) -> FoundSymmetry:
    """Return a symmetry without the layers that move the outputs, which are listed in it.

    Args:
        found: the symmetry.
        graph: of the model of its chart.
        args: inputs.

    Returns:
        The same where all of it leaves the outputs alone, as it should.

    Raises:
        NotFinite: the outputs of the model are NaN or infinite.

    >>> from mc_lib.modules import find_symmetry
    >>> net, args = torch.nn.Linear(2, 2), (torch.ones(1, 2),)
    >>> found = find_symmetry(net, args)
    >>> certified(found, Graph(net, args), args) is found
    True
    """
    trial = Trial(found, graph, args, found.chart.point(found.chart.model))
    g = trial.element(torch.Generator())
    if trial.change(trial.moved(g)) <= WRONG:
        return found
    names = found.symmetry.layers
    bad = {name for name in names if not trial.change(trial.moved(trial.only(name, g))) <= WRONG}
    bad = bad or set(names)
    notes = tuple(f"{name} moved the outputs and was left out" for name in sorted(bad))
    smaller = replace(found, symmetry=_without(found.symmetry, bad), unknown=found.unknown + notes)
    return certified(smaller, graph, args)


def _without(symmetry: Symmetry, bad: set[str]) -> Symmetry:
    """Return the table in which some layers do not move; others may still live over them."""
    base = {name for layer in symmetry.layers.values() for name in layer.over}
    layers = {
        name: Layer(Trivial(layer.group.n), over=layer.over) if name in bad else layer
        for name, layer in symmetry.layers.items()
        if name not in bad - base
    }
    table = {
        key: tuple(
            axis if isinstance(axis, Fixed) or axis.layer in layers else Fixed() for axis in axes
        )
        for key, axes in symmetry.table.items()
    }
    return Symmetry(table, layers)
