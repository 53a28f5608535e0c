"""The homogeneous network: its layers, its degree, and the scalings it allows."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc

degrees = st.sampled_from([0.5, 1.0, 2.0, 3.0])


@given(degrees, st.floats(0, 2), st.floats(1e-3, 1e3), st.integers(0, 10**6))
def test_the_activation_is_homogeneous(degree, slope, c, seed):
    z = torch.randn(7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    left = mc.networks.leaky_power(c * z, degree, slope)
    torch.testing.assert_close(left, c**degree * mc.networks.leaky_power(z, degree, slope))


def test_a_negative_factor_breaks_homogeneity():
    z = torch.ones(1)
    assert mc.networks.leaky_power(-z) != -mc.networks.leaky_power(z)


@pytest.mark.parametrize("degree", [0.5, 1.0, 2.0, 3.0])
def test_the_activation_is_that_of_each_number(dtype, degree):
    numbers = [-4.0, -0.25, 0.0, 0.25, 4.0]
    naive = [x**degree if x > 0 else -0.1 * (-x) ** degree for x in numbers]  # 0.1 must round
    found = mc.networks.leaky_power(torch.tensor(numbers, dtype=dtype), degree, 0.1)
    exact = torch.tensor(naive, dtype=dtype)
    torch.testing.assert_close(found, exact, rtol=4 * torch.finfo(dtype).eps, atol=0)


def test_the_default_is_torch_s_leaky_relu(dtype):
    z = torch.linspace(-2, 2, 9, dtype=dtype)
    torch.testing.assert_close(mc.networks.leaky_power(z), torch.nn.LeakyReLU()(z))


@pytest.mark.parametrize("degree", [0.5, 1.0, 2.0])
def test_output_is_layer_after_layer(generator, dtype, degree):
    x, y = torch.randn(2, 3, 5, generator=generator, dtype=dtype)
    net = mc.HomogeneousNet(x, y, (4, 2), degree, 0.1)
    assert net.shapes == ((4, 3), (2, 4), (3, 2))
    w = net.random(generator)
    first = mc.networks.leaky_power(w[0] @ x, degree, 0.1)
    second = mc.networks.leaky_power(w[1] @ first, degree, 0.1)
    torch.testing.assert_close(net.output(w), w[2] @ second)
    torch.testing.assert_close(net.loss(w), (y - w[2] @ second).square().sum())
    for found, layer in zip(net.hidden(w[:-1]), (first, second), strict=True):
        torch.testing.assert_close(found, layer)
    assert net.hidden(()) == []


@given(degrees, st.integers(1, 4), st.integers(0, 10**6))
def test_scalings_are_a_symmetry(degree, depth, seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    net = mc.HomogeneousNet(x, y, tuple(range(2, 2 + depth)), degree)
    w, g = net.random(generator), net.symmetry.group.sample(generator)
    torch.testing.assert_close(net.output(net.symmetry.act(g, w)), net.output(w))


def test_the_scaling_of_degree_one_does_not_fit_degree_two(generator):
    x, y = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    one, two = (mc.HomogeneousNet(x, y, (3,), k) for k in (1.0, 2.0))
    w, g = two.random(generator), (torch.full((3,), 2.0, dtype=torch.float64),)
    torch.testing.assert_close(two.loss(two.symmetry.act(g, w)), two.loss(w))
    moved = two.output(one.symmetry.act(g, w))
    torch.testing.assert_close(moved, 2 * two.output(w))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, r"hidden width ≥ 1 or more, got \(\)"),
        ({"widths": (3, 0)}, r"hidden width ≥ 1 or more, got \(3, 0\)"),
        ({"degree": 0.0}, "got degree = 0.0"),
        ({"degree": math.inf}, "got degree = inf"),
        ({"degree": math.nan}, "got degree = nan"),
        ({"slope": -0.1}, "slope = -0.1"),
        ({"slope": math.inf}, "slope = inf"),
        ({"slope": math.nan}, "slope = nan"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    one = torch.eye(1)
    with pytest.raises(mc.errors.OutOfDomain, match=message):
        mc.HomogeneousNet(one, one, **{"widths": (1,), **arguments})


@pytest.mark.bad_input
def test_impossible_activations_are_refused():
    with pytest.raises(mc.errors.OutOfDomain, match="got degree = -1.0"):
        mc.networks.leaky_power(torch.ones(1), -1.0)
