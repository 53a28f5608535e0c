"""What every curve can do: position, velocity and acceleration at any number of times."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeAlias

import optree
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import all_finite
from mc_lib.errors import NotFinite, OutOfDomain
from mc_lib.points import Point, leaves, times_like

Times: TypeAlias = float | int | Tensor
"""A number, or a floating-point tensor of any shape."""


class Curve(ABC):
    """A curve γ from [0, 1] to parameter space, with its first two derivatives.

    A curve is called with a number or with a tensor t of any shape (T...,), and returns a
    point whose tensors have shape (T..., ...). Times are converted to the dtype and the
    device of the weights.
    """

    domain: ClassVar[tuple[float, float]] = (0.0, 1.0)
    continues: ClassVar[bool] = True
    """Whether the formula means something for t outside the domain."""

    @property
    @abstractmethod
    def start(self) -> Point:
        """The point γ(0), to the last bit."""

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """The times inside (0, 1) at which γ is continuous, but perhaps not smooth."""
        return ()

    def __call__(self, t: Times) -> Point:
        """Return the position γ(t).

        Args:
            t: times, shape (T...,).

        Returns:
            A point whose tensors have shape (T..., ...).

        Raises:
            NotFinite: t is NaN or infinite, or γ(t) exceeds the range of the dtype.
            OutOfDomain: t outside [0, 1], on a curve that does not continue there.
            DtypeMismatch: t is neither a number nor a floating-point tensor.

        >>> from mc_lib.curves import Line
        >>> Line((torch.zeros(1),), (torch.ones(1),))(torch.tensor([0.0, 0.25]))
        (tensor([[0.0000],
                [0.2500]]),)
        """
        return self._at(t, self._position)

    def velocity(self, t: Times) -> Point:
        """Return the velocity γ'(t); at a corner, that of the piece which begins there.

        Args:
            t: times, shape (T...,).

        Returns:
            A tangent vector in the form of a point, its tensors of shape (T..., ...).

        Raises:
            McLibError: as for the position.

        >>> from mc_lib.curves import Line
        >>> Line((torch.zeros(1),), (torch.ones(1),)).velocity(0.25)
        (tensor([1.]),)
        """
        return self._at(t, self._velocity)

    def acceleration(self, t: Times) -> Point:
        """Return the acceleration γ''(t); at a corner, that of the piece which begins there.

        Args:
            t: times, shape (T...,).

        Returns:
            A tangent vector in the form of a point, its tensors of shape (T..., ...).

        Raises:
            McLibError: as for the position.

        >>> from mc_lib.curves import Line
        >>> Line((torch.zeros(1),), (torch.ones(1),)).acceleration(0.25)
        (tensor([0.]),)
        """
        return self._at(t, self._acceleration)

    # -- what a subclass gives: the formulas at times of shape (T,) ---------------
    @abstractmethod
    def _position(self, t: Float[Tensor, "T"]) -> Point: ...

    @abstractmethod
    def _velocity(self, t: Float[Tensor, "T"]) -> Point: ...

    @abstractmethod
    def _acceleration(self, t: Float[Tensor, "T"]) -> Point: ...

    # -- input and output -------------------------------------------------------
    def _at(self, t: Times, formula: Callable[[Tensor], Point]) -> Point:
        times = self._times(t)
        points = formula(times.reshape(-1))
        require_in_range(points, times)
        return optree.tree_map(lambda x: x.reshape(*times.shape, *x.shape[1:]), points)

    def _times(self, t: Times) -> Tensor:
        times = times_like(t, leaves(self.start)[0])
        if not all_finite(times):
            raise NotFinite(f"t holds {float(times[~torch.isfinite(times)][0])}")
        first, last = self.domain
        outside = (times < first) | (times > last)
        if not self.continues and outside.any():
            raise OutOfDomain(
                f"{type(self).__name__} is defined for t in [{first:g}, {last:g}], "
                f"got {float(times[outside][0]):.17g}"
            )
        return times


def require_in_range(points: Point, times: Float[Tensor, "*times"]) -> None:
    """Refuse points that overflow, naming the first time at fault.

    Raises:
        NotFinite: an entry is NaN or infinite.

    >>> require_in_range((torch.tensor([[1.0], [torch.inf]]),), torch.tensor([0.0, 9.0]))
    Traceback (most recent call last):
    ...
    mc_lib.errors.NotFinite: at t = 9 the curve leaves the range of torch.float...
    """
    xs = [x.detach() for x in leaves(points)]
    if all(all_finite(x) for x in xs):
        return
    flat = times.reshape(-1)
    for x in xs:
        bad = ~torch.isfinite(x.reshape(len(flat), x[0].numel())).all(-1)
        if bad.any():
            raise NotFinite(
                f"at t = {float(flat[bad][0]):.6g} the curve leaves the range of {x.dtype}"
            )


def combine(weights: Float[Tensor, "T K"], points: Sequence[Point]) -> Point:
    """Return the points Σ_k weights[:, k] points[k].

    >>> combine(torch.tensor([[1.0, 2.0]]), [(torch.ones(1),), (torch.tensor([3.0]),)])
    (tensor([[7.]]),)
    """

    def mix(*xs: Tensor) -> Tensor:
        stack = torch.stack(xs).reshape(len(xs), xs[0].numel())
        return (weights @ stack).reshape(len(weights), *xs[0].shape)

    return optree.tree_map(mix, *points)


def locate(t: Float[Tensor, "T"], n: int) -> tuple[Int[Tensor, "T"], Float[Tensor, "T"]]:
    """Return which of n equal pieces of [0, 1] holds each t, and how far along it t is.

    A breakpoint i/n begins piece i; t = 1 ends the last piece.

    >>> locate(torch.tensor([0.125, 0.5, 1.0]), 2)
    (tensor([0, 1, 1]), tensor([0.2500, 0.0000, 1.0000]))
    """
    ends = t.new_tensor([i / n for i in range(n + 1)])
    piece = (torch.searchsorted(ends, t, right=True) - 1).clamp(max=n - 1)
    return piece, (t - ends[piece]) / (ends[piece + 1] - ends[piece])
