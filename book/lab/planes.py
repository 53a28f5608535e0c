"""Chapter 1: two dimensions of parameter space, the plane through three points."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.errors import RankDeficient
from mc_lib.points import Point, from_vector, require_point, require_same_tree, to_vector


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane o + x e_1 + y e_2 with orthonormal e_1, e_2: distances in it are true.

    Args:
        origin: the point o.
        frame: e_1 and e_2 as rows, shape (2, N), N the number of weights.
    """

    origin: Point
    frame: Float[Tensor, "2 N"]

    @classmethod
    def through(cls, u: Point, v: Point, w: Point) -> "Plane":
        """Return the plane in which u is (0, 0), v is on the first axis and w above it.

        A quadratic Bézier curve lies in the plane of its three control points.

        Args:
            u: a point, unbatched.
            v: another one.
            w: a third one, not on the line through both.

        Returns:
            The plane.

        Raises:
            RankDeficient: the three points lie on one line, to working precision.
            ShapeMismatch: they are not of one space.

        >>> points = [(torch.tensor(x),) for x in ([1.0, 1.0], [4.0, 1.0], [2.0, 3.0])]
        >>> Plane.through(*points).coordinates(points[2])
        tensor([1., 2.])
        """
        for point in (u, v, w):
            require_point(point)
            require_same_tree(u, point)
        a, b = (to_vector(x) - to_vector(u) for x in (v, w))
        size = torch.linalg.vector_norm(a)
        first = a / size if size > 0 else a
        across = b - (first @ b) * first
        height = torch.linalg.vector_norm(across)
        if height <= tolerance(a.dtype).rank * torch.linalg.vector_norm(b) or size == 0:
            raise RankDeficient(
                f"the three points lie on one line: the third is {float(height):.3g} away from the "
                f"line through the others, which are {float(size):.3g} apart"
            )
        return cls(u, torch.stack([first, across / height]))

    def at(self, x: Float[Tensor, "*#batch"], y: Float[Tensor, "*#batch"]) -> Point:
        """Return the points o + x e_1 + y e_2.

        Args:
            x: the first coordinates.
            y: the second coordinates.

        Returns:
            A point whose tensors have the shape of x and y first.

        >>> plane = Plane((torch.zeros(2),), torch.eye(2))
        >>> plane.at(torch.tensor(3.0), torch.tensor(5.0))
        (tensor([3., 5.]),)
        """
        xy = torch.stack(torch.broadcast_tensors(x, y), -1).to(self.frame)
        return from_vector(to_vector(self.origin) + xy @ self.frame, self.origin)

    def coordinates(self, w: Point, batch_ndim: int = 0) -> Float[Tensor, "*batch 2"]:
        """Return the coordinates (x, y) of the point of the plane nearest to w.

        Args:
            w: points, batched or not.
            batch_ndim: how many leading dimensions are batch.

        Returns:
            Shape (..., 2).

        Raises:
            ShapeMismatch: w is not of the space of the origin.

        >>> plane = Plane((torch.ones(2),), torch.eye(2))
        >>> plane.coordinates((torch.tensor([[3.0, 5.0]]),), batch_ndim=1)
        tensor([[2., 4.]])
        """
        return (to_vector(w, batch_ndim) - to_vector(self.origin)) @ self.frame.mT
