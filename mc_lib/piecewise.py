"""A function of the time as polynomials, on panels that are halved until they resolve it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain
from mc_lib.sampling import climb, halves_of, local_maxima

DEGREE = 5
"""Of the polynomial on a panel."""

MOST_PANELS = 20_000

ANGLES = [math.pi * i / DEGREE for i in range(DEGREE + 1)]
NODES = [(1 - math.cos(angle)) / 2 for angle in ANGLES]
"""The Chebyshev nodes of a panel [0, 1], both ends among them."""


@dataclass(frozen=True, eq=False)
class Piecewise:
    """C functions on [0, 1], each a polynomial of degree 5 on each of P panels.

    The place q in [0, P] is the time (1 − x) a_i + x b_i, where q = i + x is in panel i.
    """

    ends: Float[Tensor, "P 2"]
    coefficients: Float[Tensor, "P C K"]

    @property
    def panels(self) -> int:
        """The number P."""
        return len(self.ends)

    def __call__(self, q: Float[Tensor, "*batch"]) -> Float[Tensor, "C *batch"]:
        """Return the values at places.

        >>> one = torch.tensor([[[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]])
        >>> Piecewise(torch.tensor([[0.0, 1.0]]), one)(torch.tensor(0.25))
        tensor([0.2500])
        """
        panel, x = self._at(q)
        chosen = self.coefficients[panel].movedim(-2, 0)
        result = chosen[..., -1]
        for k in range(DEGREE - 1, -1, -1):
            result = result * x + chosen[..., k]
        return result

    def times(self, q: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the times of places.

        >>> two = Piecewise(torch.tensor([[0.0, 0.2], [0.2, 1.0]]), torch.zeros(2, 1, 6))
        >>> two.times(torch.tensor([0.0, 0.5, 1.0, 1.5]))
        tensor([0.0000, 0.1000, 0.2000, 0.6000])
        """
        panel, x = self._at(q)
        a, b = self.ends[panel].unbind(-1)
        return a + x * (b - a)

    def _at(self, q: Tensor) -> tuple[Tensor, Tensor]:
        panel = q.floor().clamp(max=self.panels - 1)
        return panel.long(), q - panel

    def highest(
        self, f: Callable[[Tensor], Tensor], like: Float[Tensor, "*batch"], most: int
    ) -> tuple[Float[Tensor, "*batch c"], Float[Tensor, "*batch c"]]:
        """Return the places of local maxima of a function of the place, and its values there.

        >>> one = torch.tensor([[[0.0, 1.0, -1.0, 0.0, 0.0, 0.0]]])
        >>> x = Piecewise(torch.tensor([[0.0, 2.0]]), one)
        >>> [float(y) for y in x.highest(lambda q: x(q)[0], torch.zeros(()), 1)]
        [0.5, 0.25]
        """
        half = torch.arange(2 * self.panels + 1, dtype=like.dtype, device=like.device) / 2
        grid = half.expand(*like.shape, -1)
        values = f(grid)
        near = local_maxima(values, most)
        start = values.gather(-1, near)

        def flat(q: Tensor) -> Tensor:
            return f(q.flatten(-2)).reshape(q.shape)

        return climb(flat, grid.gather(-1, near), start, 0.5, last=float(self.panels))


def resolved(
    f: Callable[[Tensor], Tensor],
    times: Float[Tensor, "T"],
    allowed: Callable[[Tensor], Tensor],
    what: str,
) -> Piecewise:
    """Return functions as polynomials, on panels halved until these resolve them.

    A panel is resolved when its two highest Chebyshev coefficients are small. What lies
    between the nodes of the first panels, 6 a panel, may go unseen.

    Raises:
        OutOfDomain: 20 000 panels do not resolve f.

    >>> ends = torch.tensor([0.0, 1.0])
    >>> small = lambda values: torch.tensor([1e-5])
    >>> wave = resolved(lambda t: t[:, None].sin(), ends, small, "the sine")
    >>> wave.panels, round(float(wave(torch.tensor(3.0))), 6) == round(math.sin(1.0), 6)
    (3, True)
    """
    nodes, ends = times.new_tensor(NODES), torch.stack([times[:-1], times[1:]], 1)
    inner = times[:-1, None] + times.diff()[:, None] * nodes[:-1]
    first = f(torch.cat([inner.reshape(-1), times[-1:]]))
    small = allowed(first)
    values = first.unfold(0, DEGREE + 1, DEGREE)  # (P, C, K): neighbours share an end
    done: list[tuple[Tensor, Tensor]] = []
    least = 8 * torch.finfo(times.dtype).eps
    while len(ends) > 0:
        rough = (_highest_coefficients(values) > small).any(-1)
        rough &= ends.diff(dim=1)[:, 0] > least  # a jump is not resolved, but found
        done.append((ends[~rough], values[~rough]))
        ends = halves_of(ends[rough]).reshape(-1, 2)
        if sum(len(a) for a, _ in done) + len(ends) > MOST_PANELS:
            raise OutOfDomain(f"{what} is too rough: {MOST_PANELS} panels do not resolve it")
        places = ends[:, :1] + ends.diff(dim=1) * nodes
        values = (
            f(places.reshape(-1)).reshape(len(ends), len(nodes), -1).mT if len(ends) else values
        )
    every, found = (torch.cat(parts) for parts in zip(*done, strict=True))
    order = every[:, 0].argsort()
    return Piecewise(every[order], _powers(found[order]))


def _highest_coefficients(values: Float[Tensor, "P C K"]) -> Float[Tensor, "P C"]:
    """Return the larger of the two highest Chebyshev coefficients, in absolute value."""
    angles = values.new_tensor(ANGLES)
    ends = values.new_tensor([0.5, *[1.0] * (DEGREE - 1), 0.5])
    top = torch.stack([(k * angles).cos() * ends * 2 / DEGREE for k in (DEGREE - 1, DEGREE)], 1)
    return (values @ (top * values.new_tensor([1.0, 0.5]))).abs().amax(-1)


def _powers(values: Float[Tensor, "P C K"]) -> Float[Tensor, "P C K"]:
    """Return the coefficients of the powers of x, from the values at the nodes."""
    nodes = torch.tensor(NODES, dtype=torch.float64)
    inverse = torch.linalg.inv(nodes[:, None] ** torch.arange(DEGREE + 1, dtype=torch.float64))
    return (values.double() @ inverse.mT.to(values.device)).to(values)
