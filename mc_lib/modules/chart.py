"""The coordinates in which a network's symmetries act: its tensors, cut and shaped into views.

Each axis of a view is one index set. A view is a piece of a stored tensor, so that norms and
distances are those of the parameters; tied parameters are one tensor. The gain of a norm that
its readers can take over is a change of coordinates: W is seen as Wγ, and a bias β as β/γ.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.kinds import require_kind
from mc_lib.modules.folding import Fold
from mc_lib.norms import holds
from mc_lib.trees import Point, named, require_point


@dataclass(frozen=True)
class Cut:
    """How one axis of a tensor is cut: into factors, or into pieces behind one another."""

    dim: int
    sizes: tuple[int, ...]
    parts: "tuple[Cut | View, ...]"  # one for factors, one for each piece otherwise


@dataclass(frozen=True)
class View:
    """A piece of a tensor under its name, with axes of size 1 behind, on which scalings act."""

    name: str
    shape: tuple[int, ...]
    singles: int = 0  # how many of them


@dataclass(frozen=True, eq=False)
class Chart:
    """Coordinates of the parameters of a model: `point` reads them, `module` puts them back.

    Made by `find_symmetry`.

    Args:
        model: the model; it is kept as it is, and copied by `module`.
        cuts: of each tensor, by its name in the state dict; the first name of tied ones.
        folds: the gains that readers take over.
    """

    model: nn.Module
    cuts: Mapping[str, Cut | View]
    folds: tuple[Fold, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the views, by name."""
        return {view.name: view.shape for cut in self.cuts.values() for view in _leaves(cut)}

    def point(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the coordinates of a model of this architecture.

        Args:
            model: the model of the chart, or another with tensors of the same names and shapes.

        Returns:
            The views by name, copies of what the model holds.

        Raises:
            ShapeMismatch: a tensor is missing or of another shape: a chart of another model.
            DtypeMismatch: tensors of mixed dtypes or devices, half precision, or meta.
            NotFinite: a tensor holds NaN or infinity.
            OutOfDomain: a gain that its readers take over has an entry 0.
            TypeError: no module.
        """
        require_kind(model, nn.Module, "the model")
        state, own = model.state_dict(), self.model.state_dict()
        for key in self.cuts:
            if key not in state or state[key].shape != own[key].shape:
                got = tuple(state[key].shape) if key in state else "none"
                raise ShapeMismatch(
                    f"the chart of another model: {key!r} has shape {tuple(own[key].shape)} in it, "
                    f"got {got}"
                )
        tensors = {key: state[key].detach() for key in self.cuts}
        require_point(tensors, "the parameters")
        folded = self._folded(tensors, 1)
        return {
            name: x.clone()
            for key, cut in self.cuts.items()
            for name, x in _views(cut, folded[key])
        }

    def tensors(self, w: Point) -> dict[str, Tensor]:
        """Return the tensors of a point by their names in the state dict.

        Args:
            w: a point of this chart.

        Returns:
            A dict; derivatives flow through it.

        Raises:
            ShapeMismatch: w has other names or shapes.
            DtypeMismatch: w is no mapping of real tensors.
            OutOfDomain: a gain has an entry 0.
        """
        require_point(w)
        views = named(w)
        if {name: tuple(x.shape) for name, x in views.items()} != self.shapes:
            raise ShapeMismatch(
                "the point is none of this chart: it has other names or shapes; "
                "chart.point(model) makes one"
            )
        return self._folded({key: _joined(cut, views) for key, cut in self.cuts.items()}, -1)

    def module(self, w: Point) -> nn.Module:
        """Return a copy of the model with the weights of a point.

        Args:
            w: a point of this chart.

        Returns:
            A module of the same architecture, dtype and device.

        Raises:
            McLibError: as `tensors`.
        """
        tensors, module = self.tensors(w), copy.deepcopy(self.model)
        state = module.state_dict()
        with torch.no_grad():
            for key, x in tensors.items():
                state[key].copy_(x)
        return module

    def _folded(self, tensors: Mapping[str, Tensor], power: int) -> dict[str, Tensor]:
        """Return the tensors with each gain multiplied into its readers, or taken out of them."""
        found = dict(tensors)
        for fold in self.folds:
            gain = found[fold.gain]
            if holds((gain.detach() == 0).any()):
                raise OutOfDomain(
                    f"the gain {fold.gain!r} has an entry 0, which its readers cannot take over"
                )
            for key, axis in fold.readers:
                size = [-1 if i == axis else 1 for i in range(found[key].ndim)]
                found[key] = found[key] * gain.reshape(size) ** power
            if fold.bias is not None:
                found[fold.bias] = found[fold.bias] * gain ** (-power)
        return found


def _views(cut: Cut | View, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    if isinstance(cut, View):
        yield cut.name, x.reshape(cut.shape)
    elif len(cut.parts) == 1:
        yield from _views(cut.parts[0], x.unflatten(cut.dim, cut.sizes))
    else:
        for part, piece in zip(cut.parts, x.split(cut.sizes, cut.dim), strict=True):
            yield from _views(part, piece)


def _joined(cut: Cut | View, views: Mapping[Any, Tensor]) -> Tensor:
    if isinstance(cut, View):
        return views[cut.name].reshape(cut.shape[: len(cut.shape) - cut.singles])
    parts = [_joined(part, views) for part in cut.parts]
    if len(parts) > 1:
        return torch.cat(parts, cut.dim)
    x = parts[0]
    sizes = (*x.shape[: cut.dim], prod(cut.sizes), *x.shape[cut.dim + len(cut.sizes) :])
    return x.reshape(sizes)


def _leaves(cut: Cut | View) -> Iterator[View]:
    if isinstance(cut, View):
        yield cut
    else:
        for part in cut.parts:
            yield from _leaves(part)
