"""Fibres {W : W H = Y}: the nearest point, and random ones."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.minima.fibre import in_random_position, nearest_in_fibre, random_in_fibre


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 99), st.integers(1, 3))
def test_the_fibre_point_solves_the_equation_and_is_nearest(n, extra, seed, m):
    h = normal(n + extra, n, seed=2 * seed)
    z, y = normal(m, len(h), seed=5), normal(m, h.shape[1], seed=6)
    w = nearest_in_fibre(z, h, y)
    torch.testing.assert_close(w @ h, y, rtol=1e-9, atol=1e-9)
    naive = z + (y - z @ h) @ torch.linalg.pinv(h)
    torch.testing.assert_close(w, naive, rtol=1e-7, atol=1e-7)


def test_random_weights_fill_the_fibre():
    h, y = normal(6, 2), normal(3, 2, seed=1)
    w = random_in_fibre(h.expand(3000, 6, 2), y.expand(3000, 3, 2), seeded())
    torch.testing.assert_close(w @ h, y.expand(3000, 3, 2), rtol=1e-10, atol=1e-10)
    q = torch.linalg.qr(h).Q
    free = w - w @ q @ q.mT
    assert float(free.square().sum() / 3000 / (3 * 4)) == pytest.approx(1 / 6, rel=0.03)
    assert in_random_position(normal(2, 2), 2, seeded()) is not None
    tall = in_random_position(normal(2, 2), 5, seeded())
    torch.testing.assert_close(torch.linalg.svdvals(tall), torch.linalg.svdvals(normal(2, 2)))
