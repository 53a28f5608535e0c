"""The experiments of the discussion: what is kept is kept, and each method is its own."""

import pytest
import torch

import mc_lib as mc
from lab.uses import METHODS, learn_new, new_minima, two_tasks


def make(widths=(16,), seed=0):
    generator = torch.Generator().manual_seed(seed)
    x, new = torch.randn(2, 3, 8, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (2, 8), generator=generator)
    old = mc.Classifier.of_labels(x, labels[0], 3, widths, 0.4)
    return old, mc.Classifier.of_labels(new, 0 * labels[1] + 2, 3, widths, 0.4), generator


@pytest.mark.parametrize("widths", [(16,), (5, 16)])
def test_new_minima_agree_on_the_data_and_differ_elsewhere(widths):
    net, other, generator = make(widths)
    w = net.random(generator, gain=2.0)
    found = new_minima(net, w, generator, 4)
    for name, members in found.items():
        assert {len(x) for x in members} == {4}
        torch.testing.assert_close(
            net.output(members), net.output(w).expand(4, -1, -1), atol=1e-8, rtol=0
        )
        gap = (other.output(members) - other.output(w)).abs().amax((1, 2))
        if name == "exact copies":
            assert gap.max() < 1e-12
            assert mc.distance(members, tuple(x.expand(4, *x.shape) for x in w)) > 1e-3
        else:
            assert gap.min() > 1e-4


def test_map_6_is_the_papers():
    net, _, _ = make()
    w = net.random(torch.Generator().manual_seed(1), gain=2.0)
    v, u, b, _ = (x[0] for x in new_minima(net, w, torch.Generator(), 1)["map (6)"])
    before = torch.cat([w[0], w[2][:, None]], 1)
    g = torch.cat([v, b[:, None]], 1) @ torch.linalg.pinv(before)
    torch.testing.assert_close(g @ before, torch.cat([v, b[:, None]], 1))
    h = net.preactivations((v, *w[1:2], b, w[3]))[0]
    h = torch.cat([torch.where(h > 0, h, 0.4 * h), torch.ones(1, 8, dtype=h.dtype)])
    smallest = net.output(w) @ torch.linalg.pinv(h)
    torch.testing.assert_close(u, smallest[:, :-1], atol=1e-7, rtol=1e-6)


def test_the_two_tasks_share_the_network_and_no_digit():
    old, old_test, new, new_test = two_tasks(torch.Generator(), (4,), remember=30)
    assert old.X.shape[1] == 30
    for task, digits in ((old, range(5)), (old_test, range(5)), (new, range(5, 10))):
        assert set(task.Y.argmax(0).tolist()) == set(digits)
    assert set(new_test.Y.argmax(0).tolist()) == set(range(5, 10))
    assert old.shapes == old_test.shapes == new.shapes == new_test.shapes


def test_each_method_learns_and_only_the_fibre_keeps_the_old_scores():
    old, new, generator = make()
    w = old.random(generator, gain=1.5)
    rates = dict.fromkeys(METHODS, (0.02, 0.05))
    found = learn_new(old, new, w, rates, steps=30, generator=generator, batch=8)
    assert list(found) == list(METHODS)
    for name, v in found.items():
        assert {len(x) for x in v} == {2}
        assert (new.loss(v) < new.loss(w)).all()
        drift = (old.output(v) - old.output(w)).abs().max()
        assert (drift < 1e-8) == ("fibre" in name)
        assert torch.equal(v[0][0], w[0]) == (name == "last layer on its fibre")
    assert (old.loss(found["rehearsal"]) < old.loss(found["free"])).all()


@pytest.mark.bad_input
def test_unknown_methods_are_refused():
    old, new, generator = make()
    w = old.random(generator)
    with pytest.raises(mc.errors.OutOfDomain, match=r"got \['magic'\]"):
        learn_new(old, new, w, {"magic": [0.1]}, steps=1, generator=generator)


@pytest.mark.bad_input
@pytest.mark.parametrize("remember", [0, 10_000])
def test_a_memory_of_nothing_or_of_too_much_is_refused(generator, remember):
    with pytest.raises(mc.errors.OutOfDomain, match="remember 1 to"):
        two_tasks(generator, (4,), remember=remember)
