"""The repaired segment: the statistics of every neuron are those of the ends, in between."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.repair import RepairedLine

DOUBLE = torch.float64


@given(seed=st.integers(0, 10_000), slope=st.sampled_from([0.0, 0.2]))
def test_repair_restores_mean_and_spread_halfway(problem, seed, slope):
    net, u, v = problem((4, 3), seed)
    net = mc.Classifier(net.X, net.Y, net.widths, slope)
    line = RepairedLine(net, u, v)
    assert line.start is u and line.breakpoints == ()
    t = torch.tensor([0.3, 0.5], dtype=DOUBLE)
    w = line(t)
    for i in range(2):
        z, a, b = (net.preactivations(x)[i] for x in (w, u, v))
        share = t[:, None]
        assert torch.allclose(z.mean(-1), (1 - share) * a.mean(-1) + share * b.mean(-1))
        wanted = (1 - share) * a.std(-1) + share * b.std(-1)
        assert torch.allclose(z.std(-1), wanted, rtol=1e-8)
    for x, y in zip(w[2:3] + w[5:], (u[2:3] + u[5:]), strict=True):  # the last layer is mean
        assert x.shape == (2, *y.shape)
    assert torch.allclose(w[2][1], (u[2] + v[2]) / 2)
    for end, point in ((u, line(0.0)), (v, line(1.0))):
        assert all(torch.allclose(x, y, atol=1e-10) for x, y in zip(point, end, strict=True))


def test_a_silent_neuron_is_left_alone(problem, dtype):
    net, u, v = problem((2,), dtype=dtype)
    u, v = ((0 * x[0], *x[1:]) for x in (u, v))  # no incoming weights: nothing varies
    w = RepairedLine(net, u, v)(0.5)
    assert all(torch.isfinite(x).all() for x in w)
    assert torch.allclose(w[2], (u[2] + v[2]) / 2)
    assert w[0].dtype == dtype


@pytest.mark.bad_input
def test_an_end_without_all_weights_is_refused(problem):
    net, u, v = problem()
    with pytest.raises(mc.errors.ShapeMismatch, match="expected a tuple"):
        RepairedLine(net, u, v[:2])
