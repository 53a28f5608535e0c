"""The loss of a module on points: one at a time, in batches, on views, in bounded memory."""

import pytest
import torch
import torch.nn.functional as F
from families import GPT, Sizes, generic
from torch import nn

import mc_lib as mc
from mc_lib.errors import OutOfDomain, ShapeMismatch


@pytest.fixture
def net(generator):
    return generic(nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))


@pytest.fixture
def data(generator):
    return [
        (torch.randn(n, 3, generator=generator), torch.randn(n, 2, generator=generator))
        for n in (4, 2)
    ]


def test_it_is_the_mean_over_all_samples(net, data):
    loss = mc.loss_on(net, data, F.mse_loss)
    w = {k: x.detach() for k, x in net.named_parameters()}
    x, y = (torch.cat(parts) for parts in zip(*data, strict=True))
    torch.testing.assert_close(loss(w), F.mse_loss(net(x), y))


@pytest.mark.parametrize("max_bytes", [1, 700, 2**28])
def test_batches_of_points_are_points_one_by_one(net, data, max_bytes, generator):
    loss = mc.loss_on(net, data, F.mse_loss, max_bytes=max_bytes)
    shapes = {k: x.shape for k, x in net.named_parameters()}
    w = {k: torch.randn(2, 3, *s, generator=generator) for k, s in shapes.items()}
    found = loss(w)
    assert found.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(found[i, j], loss({k: x[i, j] for k, x in w.items()}))
    assert loss({k: x[:0] for k, x in w.items()}).shape == (0, 3)


def test_on_a_chart_the_orbit_has_constant_loss_and_barriers_are_measured(net, data, generator):
    found = mc.find_symmetry(net, (data[0][0],))
    w = found.chart.point(net)
    v = found.symmetry.act(found.symmetry.group.sample(generator), w)
    loss = mc.loss_on(found.chart, data, F.mse_loss)
    torch.testing.assert_close(loss(w), loss(v))
    m = [
        None if not x.is_floating_point() else 0.1 * torch.ones_like(x)
        for x in found.symmetry.group.identity()
    ]
    curve = mc.OrbitCurve(found.symmetry, m, w)
    assert mc.barrier(curve, loss).excess < 1e-12
    assert mc.barrier(mc.Line(w, v), loss).excess > 1e-3


def test_a_gpt_and_its_gradient(generator):
    s = Sizes(4, 2, 1, 2, 2, 3, 7, 4, 1)
    net = generic(GPT(s))
    ids = torch.randint(0, 7, (3, 4), generator=generator)
    loss = mc.loss_on(net, [(ids, ids)], lambda y, t: F.cross_entropy(y.mT, t))
    w = {k: x.detach().clone().requires_grad_() for k, x in net.named_parameters()}
    loss(w).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in w.values())
    assert all(x.grad is None for x in net.parameters())


def test_bad_arguments_are_named(net, data):
    loss = mc.loss_on(net, data, F.mse_loss)
    w = {k: x.detach() for k, x in net.named_parameters()}
    with pytest.raises(ShapeMismatch, match="the point has"):
        loss({"a": torch.ones(2)})
    with pytest.raises(ShapeMismatch, match=r"the last axes of '0.weight' are \(3,\)"):
        loss(w | {"0.weight": torch.ones(2)})
    with pytest.raises(OutOfDomain, match="no pair"):
        mc.loss_on(net, [], F.mse_loss)
    for wrong in ((None, data, F.mse_loss), (net, 3, F.mse_loss), (net, [1], F.mse_loss)):
        with pytest.raises(TypeError):
            mc.loss_on(*wrong)
    with pytest.raises(TypeError, match="criterion"):
        mc.loss_on(net, data, None)
