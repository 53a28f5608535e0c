"""What the networks of matrices share: random weights, and parts of the data."""

import math

import pytest
import torch

import mc_lib as mc


@pytest.fixture
def net(generator, dtype):
    x = torch.randn(3, 12, generator=generator, dtype=dtype)
    y = torch.randn(2, 12, generator=generator, dtype=dtype)
    return mc.HomogeneousNet(x, y, (4,))


def test_random_weights_have_the_stated_variance(generator, dtype):
    eye = torch.eye(50, dtype=dtype)
    net = mc.HomogeneousNet(eye, eye, (200,))
    w = net.random(generator, (20,), gain=3.0)
    assert [tuple(x.shape) for x in w] == [(20, 200, 50), (20, 50, 200)]
    for x, columns in zip(w, (50, 200), strict=True):
        assert x.dtype == dtype
        assert abs(float(x.std()) / (3 / math.sqrt(columns)) - 1) < 0.02
        assert abs(float(x.mean())) < 0.02


def test_a_subset_keeps_the_columns_asked_for(net):
    part = net.subset(torch.tensor([7, 1]))
    assert torch.equal(part.X, net.X[:, [7, 1]])
    assert torch.equal(part.Y, net.Y[:, [7, 1]])
    assert part.widths == net.widths


@pytest.mark.bad_input
@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_gain_is_refused(net, generator, gain):
    with pytest.raises(mc.errors.OutOfDomain, match="the gain is positive and finite"):
        net.random(generator, gain=gain)


@pytest.mark.bad_input
def test_an_empty_subset_is_refused(net):
    with pytest.raises(mc.errors.ShapeMismatch, match="have a row and a column or more"):
        net.subset(torch.tensor([], dtype=torch.long))
