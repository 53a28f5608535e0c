"""Training: each step is the textbook's, batches are independent, and divergence is an error."""

import math
from itertools import pairwise

import pytest
import torch

import mc_lib as mc
from lab import training
from lab.training import train


@pytest.fixture
def net(generator, dtype):
    x = torch.randn(3, 12, generator=generator, dtype=dtype)
    y = torch.randn(2, 12, generator=generator, dtype=dtype)
    return mc.HomogeneousNet(x, y, (4,))


def gradient(net, w):
    """Central differences of the loss, entry by entry."""
    found = []
    for i, x in enumerate(w):
        slope = torch.zeros_like(x)
        for index in range(x.numel()):
            step = torch.zeros_like(x).view(-1)
            step[index] = 1e-6
            high, low = (net.loss((*w[:i], x + s * step.view_as(x), *w[i + 1 :])) for s in (1, -1))
            slope.view(-1)[index] = (high - low) / 2e-6
        found.append(slope)
    return found


def test_steps_are_those_of_descent_with_momentum(generator):
    x, y = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    net = mc.TwoLayer(x, y, 2, torch.tanh)
    w = net.random(generator)
    found = train(net, w, steps=3, rate=0.01, momentum=0.5)
    velocity, losses = [torch.zeros_like(x) for x in w], []
    for _ in range(3):
        losses.append(net.loss(w))
        slopes = gradient(net, w)
        velocity = [0.5 * v + g for v, g in zip(velocity, slopes, strict=True)]
        w = tuple(x - 0.01 * v for x, v in zip(w, velocity, strict=True))
    assert mc.distance(found.w, w) < 1e-7
    torch.testing.assert_close(found.losses, torch.stack([*losses, net.loss(w)]), atol=1e-6, rtol=0)


def test_training_lowers_the_loss_and_keeps_the_start(net, generator):
    w = net.random(generator)
    before = tuple(x.clone() for x in w)
    found = train(net, w, steps=200, rate=0.002)
    assert found.losses[-1] < 0.9 * found.losses[0]
    assert found.losses.shape == (201,)
    torch.testing.assert_close(found.losses[-1], net.loss(found.w))
    assert mc.distance(w, before) == 0
    assert not any(x.requires_grad for x in (*found.w, found.losses))


def test_a_batch_of_weights_is_trained_side_by_side(net, generator):
    w = net.random(generator, (3,))
    together = train(net, w, steps=20, rate=0.002, momentum=0.9)
    assert together.losses.shape == (21, 3)
    for i in range(3):
        alone = train(net, tuple(x[i] for x in w), steps=20, rate=0.002, momentum=0.9)
        for x, y in zip(together.w, alone.w, strict=True):
            torch.testing.assert_close(x[i], y)


def test_mini_batches_take_columns_without_repetition(net, generator, monkeypatch):
    seen = []
    subset = mc.HomogeneousNet.subset
    monkeypatch.setattr(
        mc.HomogeneousNet, "subset", lambda self, c: seen.append(c) or subset(self, c)
    )
    found = train(net, net.random(generator), steps=50, rate=0.002, batch=5, generator=generator)
    assert len(seen) == 50
    assert all(len(c.unique()) == 5 for c in seen)
    assert len(torch.cat(seen).unique()) == 12
    assert any(not torch.equal(a, b) for a, b in pairwise(seen))
    torch.testing.assert_close(found.losses[-1], net.loss(found.w))


def test_the_seed_decides_the_mini_batches(net):
    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        w = net.random(generator)
        return train(net, w, steps=10, rate=0.002, batch=4, generator=generator).w

    assert mc.distance(run(1), run(1)) == 0
    assert mc.distance(run(1), run(2)) > 0


def test_a_mini_batch_of_all_columns_is_the_whole(net, generator):
    w = net.random(generator)
    whole = train(net, w, steps=10, rate=0.002)
    same = train(net, w, steps=10, rate=0.002, batch=12, generator=generator)
    assert mc.distance(whole.w, same.w) == 0


def test_training_stops_at_the_target(net, generator):
    w = net.random(generator)
    losses = train(net, w, steps=30, rate=0.002).losses
    target = float(losses[10])
    found = train(net, w, steps=30, rate=0.002, target=target)
    assert len(found.losses) == 11
    assert found.losses[-1] <= target < found.losses[-2]
    arrived = train(net, w, steps=30, rate=0.002, target=float(losses[0]))
    assert mc.distance(arrived.w, w) == 0


def test_training_separates_the_classes(generator):
    x = torch.randn(3, 7, generator=generator)
    labels = torch.randint(0, 4, (7,), generator=generator)
    net = mc.Classifier.of_labels(x, labels, 4, (5, 4))
    found = train(net, net.random(generator), steps=300, rate=0.5, momentum=0.5)
    assert net.accuracy(found.w) == 1
    assert found.losses[-1] < 0.1 < found.losses[0]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"steps": 0}, "steps = 0", id="steps"),
        pytest.param({"rate": 0.0}, "rate = 0.0", id="zero rate"),
        pytest.param({"rate": math.nan}, "rate = nan", id="nan rate"),
        pytest.param({"rate": math.inf}, "rate = inf", id="infinite rate"),
        pytest.param({"momentum": 1.0}, "momentum = 1.0", id="momentum one"),
        pytest.param({"momentum": -0.1}, "momentum = -0.1", id="negative momentum"),
        pytest.param({"batch": 0}, "1 to 12 columns, got 0", id="empty batch"),
        pytest.param({"batch": 13}, "1 to 12 columns, got 13", id="large batch"),
        pytest.param(
            {"batch": 12, "generator": None},
            "12 columns are random: give a generator",
            id="no generator",
        ),
    ],
)
def test_impossible_settings_are_refused(net, generator, settings, message):
    given = {"steps": 1, "rate": 0.1, "generator": generator, **settings}
    with pytest.raises(mc.errors.OutOfDomain, match=message):
        train(net, net.random(generator), **given)


@pytest.mark.bad_input
def test_divergence_names_the_rate_and_the_step(net, generator):
    with pytest.raises(
        mc.errors.NotFinite, match=r"diverged in \d+ steps: the rate 100.0 is too large"
    ):
        train(net, net.random(generator), steps=1000, rate=100.0)


@pytest.mark.bad_input
def test_foreign_weights_are_refused(net, generator):
    with pytest.raises(mc.errors.ShapeMismatch, match="expected a tuple of weights"):
        train(net, net.random(generator)[:1], steps=1, rate=0.1)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_step_of_descent_is_torchs_own_to_the_last_bit(dtype, momentum, generator):
    start = [torch.randn(*size, generator=generator, dtype=dtype) for size in ((3, 2), (2,))]
    ours, theirs = ([x.clone().requires_grad_() for x in start] for _ in range(2))
    descend = training.descent(ours, 0.1, momentum)
    reference = torch.optim.SGD(theirs, lr=0.1, momentum=momentum)
    for _ in range(4):
        for x, step in ((ours, descend), (theirs, None)):
            loss = (x[0].cos().sum() + (x[0] @ x[1]).square()).sum()
            if step is not None:
                step(loss)
            else:
                reference.zero_grad()
                loss.backward()
                reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


# -- a network of one's own ------------------------------------------------------
class Parabola:
    """The loss ‖w − 1‖² on dicts, without data: a network that inherits from nothing."""

    symmetry = None

    def output(self, w):
        return w["x"] - 1

    def loss(self, w):
        return self.output(w).square().sum(-1)


def test_any_network_with_a_loss_is_trained():
    found = train(Parabola(), {"x": torch.tensor([3.0, -1.0])}, steps=60, rate=0.25)
    torch.testing.assert_close(found.w["x"], torch.ones(2))


@pytest.mark.bad_input
def test_mini_batches_need_columns(generator):
    with pytest.raises(mc.errors.OutOfDomain, match="a Parabola has no columns"):
        train(Parabola(), {"x": torch.ones(2)}, steps=1, rate=0.1, batch=2, generator=generator)
