"""The numbers a formula is given: Python numbers or real tensors, elementwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, ShapeMismatch

Number: TypeAlias = float | int | Float[Tensor, "*#batch"]
"""What every bound accepts; Python numbers and tensors mix, and tensors broadcast."""

Result: TypeAlias = float | Float[Tensor, "*batch"]
"""What every bound returns: a float if no argument was a tensor, else a tensor."""


@dataclass(frozen=True, eq=False)
class Arguments:
    """The named numbers of one formula, as tensors of one dtype on one device.

    >>> given = Arguments.of("square root", x=4)
    >>> (x,) = given
    >>> given.require(x >= 0, "x ≥ 0")
    >>> given.result(x.sqrt())
    2.0
    """

    formula: str
    values: dict[str, Tensor]
    plain: bool  # all were Python numbers, so the result is one

    @classmethod
    def of(cls, formula: str, **given: Any) -> "Arguments":
        """Return the arguments after checking that they are real, finite and of one kind.

        Raises:
            DtypeMismatch: not a real number or tensor, or tensors of mixed dtypes or devices.
            NotFinite: NaN or infinity, also as a Python number too large for the dtype.
            ShapeMismatch: tensors that do not broadcast.

        >>> Arguments.of("square root", x=float("nan"))
        Traceback (most recent call last):
        ...
        mc_lib.errors.NotFinite: square root: arguments must be finite in torch.float64, got x = nan
        """
        tensors = {name: x for name, x in given.items() if isinstance(x, Tensor)}
        if tensors:
            require_tensors(list(tensors.values()), f"{formula}: {', '.join(tensors)}")
        like = next(iter(tensors.values()), torch.empty((), dtype=torch.float64))
        values = {name: _to_tensor(formula, name, x, like) for name, x in given.items()}
        arguments = cls(formula, values, plain=not tensors)
        finite = arguments._stacked().isfinite().all(0)
        if not finite.all():
            got = arguments._first(~finite)
            raise NotFinite(f"{formula}: arguments must be finite in {like.dtype}, got {got}")
        return arguments

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.values.values())

    def require(self, inside: Bool[Tensor, "*shape"], domain: str) -> None:
        """Refuse arguments outside the domain of the formula.

        Raises:
            OutOfDomain: naming the first entry outside, with its values.

        >>> Arguments.of("square root", x=-4).require(torch.tensor(False), "x ≥ 0")
        Traceback (most recent call last):
        ...
        mc_lib.errors.OutOfDomain: square root needs x ≥ 0, got x = -4
        """
        if not inside.all():
            raise OutOfDomain(f"{self.formula} needs {domain}, got {self._first(~inside)}")

    def result(self, value: Float[Tensor, "*shape"]) -> Result:
        """Return a value in the kind of the arguments.

        Raises:
            OutOfDomain: the value overflowed.

        >>> Arguments.of("square", x=1e200).result(torch.tensor(1e200).double() ** 2)
        Traceback (most recent call last):
        ...
        mc_lib.errors.OutOfDomain: square needs a result below 1.8e+308, got x = 1e+200
        """
        limit = torch.finfo(value.dtype).max
        self.require(value.isfinite(), f"a result below {limit:.2g}")
        return float(value) if self.plain else value

    def _stacked(self) -> Tensor:
        """Return all values broadcast to one shape, one row an argument."""
        try:
            return torch.stack(torch.broadcast_tensors(*self))
        except RuntimeError:
            shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in self.values.items())
            raise ShapeMismatch(f"{self.formula}: shapes do not broadcast: {shapes}") from None

    def _first(self, bad: Tensor) -> str:
        """Show the values of the first bad entry."""
        rows = self._stacked()
        where = tuple(int(i) for i in bad.expand(rows.shape[1:]).nonzero()[0])
        shown = [
            f"{name} = {float(x[where]):.12g}" for name, x in zip(self.values, rows, strict=True)
        ]
        return ", ".join(shown) + (f" (batch entry {where})" if where else "")


def _to_tensor(formula: str, name: str, x: Any, like: Tensor) -> Tensor:
    if isinstance(x, Tensor):
        return x
    if isinstance(x, bool) or not isinstance(x, int | float):
        raise DtypeMismatch(
            f"{formula}: {name} must be a Python number or a torch tensor, "
            f"got {x!r} ({type(x).__name__})"
        )
    try:
        return torch.full((), float(x), dtype=torch.float64).to(like)
    except OverflowError:
        raise NotFinite(f"{formula}: {name} is an integer too large for a float") from None
