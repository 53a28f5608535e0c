"""A hidden layer and the axes of weights that meet it: the words of a symmetry's table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mc_lib.errors import NotSymmetric, OutOfDomain, ShapeMismatch
from mc_lib.groups.base import Element, Group
from mc_lib.groups.permutation import Permutation
from mc_lib.kinds import require_kind, require_number


@dataclass(frozen=True)
class Layer:
    """A hidden layer: the group that lives there and how it passes the activation.

    Args:
        group: acts on the layer's neurons, ρ_in(g) = group.matrix(g).
        degree: k > 0 with σ(cz) = cᵏ σ(z) for c > 0, so that ρ_out(g) = ρ_in(g)ᵏ. It is
            1 where σ commutes with the group: GL and the identity, permutations and any
            pointwise σ, signed permutations and an odd σ, scalings and a (leaky) ReLU.

        over: the names of the layers over which this one lives, groups of permutations or
            `Trivial`: one element at each of their indices, as GL(d) for each attention head.

    Raises:
        OutOfDomain: the degree is not a positive number.
        TypeError: the group is no `Group`, the degree no number, or `over` no tuple.
        NotSymmetric: a degree other than 1 with a group that has no powers.
    """

    group: Group
    degree: float = 1.0
    over: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_kind(self.group, Group, "the group of a layer")
        require_number(self.degree, "the degree k of an activation")
        require_kind(self.over, tuple, "what a layer lives over")
        if not 0 < self.degree < math.inf:
            raise OutOfDomain(f"the degree k of an activation is positive, got {self.degree}")
        if self.degree != 1 and not hasattr(self.group, "power"):
            raise NotSymmetric(
                f"only positive scalings pass an activation of degree {self.degree} ≠ 1, "
                f"not {self.group}"
            )

    def out(self, g: Element) -> Element:
        """Return the element that acts by ρ_out(g): g, or gᵏ for degree k ≠ 1.

        Args:
            g: an element of the layer's group.

        Returns:
            An element of the layer's group.

        >>> import torch
        >>> from mc_lib.groups import GeneralLinear
        >>> Layer(GeneralLinear(1)).out(torch.tensor([[3.0]]))
        tensor([[3.]])
        """
        return g if self.degree == 1 else self.group.power(g, self.degree)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Into:
    """An axis of a weight that writes into a layer: multiplied by ρ_in(g).

    Args:
        layer: its name.
        at: where the axes of the layers stand over which it lives, in the order of
            `Layer.over`; None where each is on one axis of the weight only.
    """

    layer: str
    at: tuple[int, ...] | None = None


@dataclass(frozen=True)
class OutOf:
    """An axis of a weight that reads from a layer: multiplied by ρ_out(g)⁻¹; `at` as `Into`."""

    layer: str
    at: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Fixed:
    """An axis that no group touches: the network's input or output."""


Axis = Into | OutOf | Fixed
Axes = tuple[Axis, ...]


def places(axes: Axes, name: str) -> list[int]:
    """Return the positions of the axes that meet a layer.

    Args:
        axes: those of one weight.
        name: of the layer.

    Returns:
        Their positions, counted from 0.

    >>> places((Fixed(), Into("a"), OutOf("a")), "a")
    [1, 2]
    """
    return [i for i, axis in enumerate(axes) if not isinstance(axis, Fixed) and axis.layer == name]


def marks(axes: Axes, name: str, over: Sequence[str]) -> list[tuple[int, tuple[int, ...]]]:
    """Return the axes of a weight that meet a layer, each with those of the layers below it.

    Args:
        axes: of one weight.
        name: of the layer.
        over: the names of those over which it lives.

    Returns:
        Pairs of a position and the positions of the layers below, in their order.

    >>> marks((Fixed(), OutOf("a")), "a", ())
    [(1, ())]
    """
    found = []
    for p in places(axes, name):
        axis = axes[p]
        assert not isinstance(axis, Fixed)
        found.append((p, below(axes, axis, over)))
    return found


def below(axes: Axes, axis: Into | OutOf, over: Sequence[str]) -> tuple[int, ...]:
    """Return where the axes of the layers stand over which the layer of an axis lives.

    Args:
        axes: of one weight.
        axis: one of them.
        over: the names of those layers.

    Returns:
        Their positions, in the order of `over`.

    >>> below((OutOf("heads"), Into("a")), Into("a"), ("heads",))
    (0,)
    """
    return axis.at or tuple(places(axes, base)[0] for base in over)


def require_bases(layers: Mapping[str, Layer]) -> None:
    """Refuse a layer over what is no index set, or not over all that its base lives over.

    Args:
        layers: by name.

    Raises:
        NotSymmetric: naming the two layers.

    >>> from mc_lib.groups import GeneralLinear
    >>> require_bases({"a": Layer(GeneralLinear(2), over=("heads",))})
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotSymmetric: layer 'a' lives over 'heads', no layer of permutations here
    """
    for name, layer in layers.items():
        if len(set(layer.over)) < len(layer.over) or name in layer.over:
            raise NotSymmetric(f"layer {name!r} lives once over each of other layers, {layer.over}")
        for other in layer.over:
            base = layers.get(other)
            if base is None or not isinstance(base.group, Permutation):
                raise NotSymmetric(
                    f"layer {name!r} lives over {other!r}, no layer of permutations here"
                )
            if missing := set(base.over) - set(layer.over):
                raise NotSymmetric(
                    f"layer {name!r} lives over {other!r}, but not over {sorted(missing)}, over "
                    f"which {other!r} lives"
                )


def require_places(key: Any, axes: Axes, layers: Mapping[str, Layer]) -> None:
    """Refuse axes that do not say where the layers stand over which their own live.

    Args:
        key: of the weight.
        axes: its axes.
        layers: by name.

    Raises:
        NotSymmetric: a layer is on none or on several axes of the weight, or not where said.

    >>> from mc_lib.groups import GeneralLinear
    >>> layers = {"h": Layer(Permutation(3)), "a": Layer(GeneralLinear(2), over=("h",))}
    >>> require_places(0, (Into("h"), Into("a")), layers)
    """
    for axis in axes:
        if isinstance(axis, Fixed) or not (base := layers[axis.layer].over):
            continue
        found = [places(axes, name) for name in base]
        if axis.at is None and any(len(where) != 1 for where in found):
            raise NotSymmetric(
                f"weight {key!r}: {axis.layer!r} lives over {base}, each of which must be on one "
                "axis of the weight; where one is on several, say which: at=(...)"
            )
        if axis.at is not None and (
            len(axis.at) != len(base)
            or not all(p in where for p, where in zip(axis.at, found, strict=True))
        ):
            raise NotSymmetric(
                f"weight {key!r}: at={axis.at} does not name axes of {base}, over which "
                f"{axis.layer!r} lives"
            )


def require_fit(key: Any, axes: Axes, x: Tensor, layers: Mapping[str, Layer]) -> None:
    """Refuse a weight whose axes have not the sizes of the layers that they meet.

    Args:
        key: of the weight.
        axes: its axes.
        x: the weight; leading dimensions are batch.
        layers: by name.

    Raises:
        ShapeMismatch: naming the axis.

    >>> import torch
    >>> require_fit(0, (Into("a"),), torch.ones(2), {"a": Layer(Permutation(2))})
    """
    if x.ndim < len(axes):
        raise ShapeMismatch(f"weight {key!r} needs {len(axes)} axes, got {tuple(x.shape)}")
    for i, (axis, size) in enumerate(zip(axes, x.shape[x.ndim - len(axes) :], strict=True)):
        if isinstance(axis, Fixed) or size == (group := layers[axis.layer].group).n:
            continue
        advice = ""
        if size > 0 and size % group.n == 0:
            advice = (
                f": where the axis holds {group.n} neurons times {size // group.n}, split it by "
                f"x.unflatten({i - len(axes)}, ({group.n}, {size // group.n})), the second part "
                "Fixed()"
            )
        raise ShapeMismatch(
            f"weight {key!r} of shape {tuple(x.shape)} meets {axis.layer!r} with {size} neurons, "
            f"but {group} acts there{advice}"
        )
