"""Shapes of arrays."""

from collections.abc import Sequence

import numpy as np


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape to which arrays of these shapes broadcast.

    As `torch.broadcast_shapes`, whose first call imports a computer algebra system.

    Args:
        *shapes: the shapes.

    Returns:
        The shape.

    Raises:
        ValueError: they do not broadcast.

    >>> broadcast_shapes((3, 1), (2,), ())
    (3, 2)
    """
    return np.broadcast_shapes(*map(tuple, shapes))
