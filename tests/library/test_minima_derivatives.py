"""Paths of minima by their ends: derivatives where they exist, refusals elsewhere."""

import pytest
import torch

from mc_lib import minima
from mc_lib.errors import OutOfDomain
from mc_lib.networks import DeepLinear, ResidualLinear, TwoLayer


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(kind):
    x = normal(2, 3, seed=1)
    y = normal(2, 2, seed=2) @ x
    return {
        "deep": DeepLinear(x, y, (2, 3)),
        "residual": ResidualLinear(x, y, 2, 1.0),
        "two layers": TwoLayer(x, y, 4, torch.tanh),
    }[kind]


def ends(net):
    names = {DeepLinear: (1,), ResidualLinear: (1, 0)}
    options = {} if isinstance(net, TwoLayer) else {"signs": names[type(net)]}
    return [minima.sample(net, torch.Generator().manual_seed(i), **options) for i in (1, 2)]


def test_a_path_of_two_layers_is_differentiable_by_its_ends():
    net = network("two layers")
    w0, w1 = ends(net)

    def number(v0, u0):
        points = minima.TwoLayerCurve.between(net, (v0, u0), w1)(torch.linspace(0, 1, 7))
        return sum(x.sin().sum() for x in points)

    v0, u0 = (x.clone().requires_grad_() for x in w0)
    slopes = torch.autograd.grad(number(v0, u0), (v0, u0))
    for i, slope in enumerate(slopes):
        for j in range(slope.numel()):
            h = torch.zeros_like(w0[i])
            h.view(-1)[j] = 1e-6
            up, down = ([x + s * h if i == k else x for k, x in enumerate(w0)] for s in (1, -1))
            want = (number(*up) - number(*down)) / 2e-6
            assert abs(slope.flatten()[j] - want) < 1e-5 * max(1.0, abs(float(want)))


@pytest.mark.parametrize("kind", ["deep", "residual", "two layers"])
def test_minima_that_require_gradients_are_measured_and_joined_without_a_warning(kind):
    net = network(kind)
    w0, w1 = ends(net)
    tracked = [tuple(x.clone().requires_grad_() for x in w) for w in (w0, w1)]
    minima.require_minimum(net, tracked[0])
    assert minima.relative_loss(net, tracked[0]) == minima.relative_loss(net, w0)
    assert minima.component(net, tracked[0]).tolist() == minima.component(net, w0).tolist()
    curve, plain = minima.connect(net, *tracked), minima.connect(net, w0, w1)
    assert curve.residual == plain.residual
    for x, y in zip(curve(0.3), plain(0.3), strict=True):
        assert torch.equal(x.detach(), y)
    for x, y in zip(curve.velocity(0.3), plain.velocity(0.3), strict=True):
        torch.testing.assert_close(x.detach(), y)


@pytest.mark.parametrize("kind", ["deep", "residual"])
def test_a_path_without_derivatives_by_its_ends_says_so(kind):
    net = network(kind)
    w0, w1 = ends(net)
    if kind == "residual":
        w0 = (0 * w0[0], w0[1], torch.linalg.lstsq(net.X.mT, net.Y.mT).solution.mT)  # A, M = I
        w0 = (w0[0], 0 * w0[1], w0[2])
    tracked = [tuple(x.clone().requires_grad_() for x in w) for w in (w0, w1)]
    curve = minima.connect(net, *tracked)
    for t in (0.05, 0.5, 0.95):
        with pytest.raises(OutOfDomain, match=r"no derivative by the matrices that it joins: deta"):
            sum(x.sum() for x in curve(t)).backward(retain_graph=True)
