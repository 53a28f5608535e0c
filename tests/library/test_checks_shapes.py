"""Shapes broadcast as torch says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.checks import broadcast_shapes

SHAPES = st.lists(st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=3).map(tuple), max_size=3)


@given(SHAPES)
def test_shapes_broadcast_as_torch_says(shapes):
    try:
        expected = tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError:
        with pytest.raises(ValueError, match="broadcast"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*map(torch.Size, shapes)) == expected
