"""What two models answer on data, summed up: cross products and squares at each response."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mc_lib.modules.graph import Graph
from mc_lib.modules.responses import Response


@dataclass(eq=False)
class Moments:
    """Sums over data of what two models answer at one place: cross products and squares.

    Rows are data, columns the units of the layers of the response, in its order.
    """

    count: int
    cross: Tensor
    sums: tuple[Tensor, Tensor]
    squares: tuple[Tensor, Tensor]  # products of units of the same index of the first layer

    def add(self, other: "Moments") -> "Moments":
        """Return the sums over both sets of data."""
        return Moments(
            self.count + other.count,
            self.cross + other.cross,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),  # type: ignore[arg-type]
            tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),  # type: ignore[arg-type]
        )

    @property
    def covariance(self) -> Tensor:
        """Σ (x − x̄)(y − ȳ)ᵀ between the two models."""
        return self.cross - self.sums[0][:, None] * self.sums[1] / self.count

    def variance(self, side: int) -> Tensor:
        """Σ (x − x̄)(x − x̄)ᵀ of one model, shape (n, k, k): within each index of the first layer."""
        x = self.sums[side].reshape(self.squares[side].shape[:2])
        return self.squares[side] - x[:, :, None] * x[:, None, :] / self.count


DEAD = 1e-12  # a variance below this, relative to the mean square, is rounding


def moments(
    graph: Graph,
    found: Sequence[Response],
    tensors: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    batches: Iterable[tuple[Any, ...]],
    unit: Iterable[str] = (),
) -> dict[str, Moments]:
    """Return the sums over data at each response of two models of one graph.

    Args:
        graph: of the architecture, for inputs of these shapes.
        found: its responses.
        tensors: the parameters of the two, by name.
        batches: tuples of inputs.
        unit: the layers at which each row is divided by its length: streams.

    Returns:
        By the names of the responses, in float64.

    >>> from mc_lib.modules import find_symmetry
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> found = find_symmetry(net, (torch.ones(4, 2),))
    >>> w = found.chart.tensors(found.chart.point(net))
    >>> sums = moments(found.graph, found.responses, (w, w), [(torch.ones(4, 2),)])
    >>> sums["tanh"].count, tuple(sums["tanh"].cross.shape)
    (4, (3, 3))
    """
    total: dict[str, Moments] = {}
    unit = set(unit)
    dtype = next(iter(tensors[0].values())).dtype
    for args in batches:
        with torch.no_grad():
            both = [
                {node.name: x for node, x in graph.values(point, args, dtype).items()}
                for point in tensors
            ]
        for response in found:
            rows = [_rows(response, values[response.node], unit) for values in both]
            here = _moments(response, rows[0], rows[1])
            total[response.node] = (
                total[response.node].add(here) if response.node in total else here
            )
    return total


def _rows(response: Response, x: Tensor, unit: set[str]) -> Tensor:
    """Return a value as a matrix: rows are data, columns the units of its layers."""
    x = x.reshape(response.sizes).double()
    data = [d for d, name in enumerate(response.layers) if name is None]
    moving = [d for d, name in enumerate(response.layers) if name is not None]
    width = 1
    for d in moving:
        width *= response.sizes[d]
    x = x.permute(*data, *moving).reshape(-1, width)
    if unit.intersection(filter(None, response.layers)):
        size = x.norm(dim=1, keepdim=True)
        x = torch.where(size > 0, x / torch.where(size > 0, size, 1), 0)
    return x


def _moments(response: Response, x: Tensor, y: Tensor) -> Moments:
    n = next(
        size for size, name in zip(response.sizes, response.layers, strict=True) if name is not None
    )
    squares = []
    for z in (x, y):
        parts = z.reshape(len(z), n, -1)
        squares.append(torch.einsum("tna,tnb->nab", parts, parts))
    return Moments(len(x), x.mT @ y, (x.sum(0), y.sum(0)), (squares[0], squares[1]))
