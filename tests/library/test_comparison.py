"""Check before you average: the verdict follows from what is measured, by the stated limits."""

import functools
from dataclasses import replace
from functools import cache

import pytest
import torch

import mc_lib as mc
from mc_lib.comparison import Segment


@cache
def trained(seed, widths, dtype):
    generator = torch.Generator().manual_seed(seed)
    x, held_out = (torch.randn(4, k, generator=generator, dtype=dtype) for k in (30, 20))
    labels = [(a[0] > 0).long() + 2 * (a[1] > 0).long() for a in (x, held_out)]
    net = mc.Classifier.of_labels(x, labels[0], 4, widths)
    test = mc.Classifier.of_labels(held_out, labels[1], 4, widths)
    w = [x.requires_grad_() for x in net.random(generator, (2,), gain=2**0.5)]
    descent = torch.optim.SGD(w, lr=0.2, momentum=0.9)
    for _ in range(100):
        descent.zero_grad()
        net.loss(tuple(w)).sum().backward()
        descent.step()
    return net, test, *(tuple(x.detach()[i] for x in w) for i in (0, 1))


def make(seed=0, widths=(6, 5), dtype=torch.float64):
    """A network on two sets of data, two weights of it, and a source of randomness."""
    return *trained(seed, widths, dtype), torch.Generator().manual_seed(seed)


def moved(net, w, generator):
    symmetry = mc.permutations_of(net.symmetry)
    return symmetry.act(symmetry.group.sample(generator), w)


def test_numbers_are_those_of_the_segment_on_a_fine_grid(dtype):
    net, test, u, v, _ = make(dtype=dtype)
    found = mc.compare(net, u, v, test=test)
    t = torch.linspace(0, 1, 501, dtype=dtype)
    for segment, data in ((found.train, net), (found.test, test)):
        losses = data.loss(mc.lerp(u, v, t))
        excess = (losses - (losses[0] + t * (losses[-1] - losses[0]))).max()
        assert segment.barrier == pytest.approx(float(excess), rel=1e-3, abs=1e-5)
        ends = (float(data.accuracy(u)), float(data.accuracy(v)))
        assert segment.ends == pytest.approx(ends)
        middle = tuple((a + b) / 2 for a, b in zip(u, v, strict=True))
        assert segment.average == pytest.approx(float(data.accuracy(middle)))
        assert segment.drop == pytest.approx(max(0, min(ends) - segment.average))
    assert found.distance == pytest.approx(float(mc.distance(u, v)))
    assert found.output_gap > 1e-2
    assert not found.same_function


def test_the_aligned_network_is_the_same_function_and_no_farther_in_barrier():
    net, test, u, v, _ = make()
    found = mc.compare(net, u, v, test=test)
    torch.testing.assert_close(test.output(found.aligned), test.output(v))
    assert found.aligned_train.barrier <= found.train.barrier + 1e-6
    assert found.aligned_distance == pytest.approx(float(mc.distance(u, found.aligned)))


def test_a_permuted_copy_is_recognised_and_found_again():
    net, test, u, _, generator = make()
    found = mc.compare(net, u, moved(net, u, generator), test=test)
    assert found.same_function
    assert found.alignment == "permutation by weights"
    assert found.aligned_distance < 1e-10
    assert not found.may_average
    assert found.may_average_aligned
    assert "mean is a worse one" in found.verdict


def test_a_scaled_copy_is_found_again_by_scaling():
    net, _, u, _, generator = make()
    c = net.symmetry.group.sample(generator, condition=100.0)
    found = mc.compare(net, u, net.symmetry.act(c, u))
    assert found.same_function
    assert found.alignment in ("scaling", "permutation and scaling")
    assert found.aligned_distance < 1e-5 * found.distance


def test_a_network_against_itself_has_no_barrier_and_the_simplest_alignment():
    net, _, u, _, _ = make()
    found = mc.compare(net, u, u)
    assert (found.distance, found.alignment) == (0, "no alignment")
    assert found.train.barrier < 1e-12
    assert found.verdict == "The two are the same point."
    assert found.test is None


def test_held_out_data_tell_apart_what_training_data_do_not():
    net, test, u, _, generator = make(0, (40,))
    first, _, shift, _ = other = net.random(generator, gain=2.0)
    h = net.preactivations(other)[0].relu()
    last = net.output(u) @ torch.linalg.pinv(torch.cat([h, torch.ones_like(h[:1])]))
    v = (first, last[:, :-1], shift, last[:, -1])  # more neurons than data: the scores of u
    assert mc.compare(net, u, v).same_function
    assert not mc.compare(net, u, v, test=test).same_function


LOW, HIGH = Segment(0.01, (0.9, 0.95), 0.9), Segment(2.0, (0.9, 0.95), 0.4)


@pytest.mark.parametrize(
    ("gap", "before", "after", "words"),
    [
        (1.0, LOW, LOW, "They may be averaged as they are."),
        (1.0, HIGH, LOW, "after permutation by weights they may be averaged."),
        (1.0, HIGH, HIGH, "no alignment that was tried"),
        (0.0, LOW, LOW, "averaging gains nothing."),
        (0.0, HIGH, LOW, "do not average."),
    ],
)
def test_the_verdict_is_by_the_held_out_data(gap, before, after, words):
    net, test, u, v, _ = make()
    found = replace(
        mc.compare(net, u, v, test=test),
        output_gap=gap,
        train=HIGH,
        test=before,
        aligned_train=LOW,
        aligned_test=after,
        alignment="permutation by weights",
    )
    assert found.verdict.endswith(words) or words in found.verdict
    alone = replace(found, test=None, aligned_test=None, train=before, aligned_train=after)
    assert alone.verdict == found.verdict


def test_both_limits_count_and_may_be_set():
    net, _, u, v, _ = make()
    limits = {"barrier_limit": 0.05, "drop_limit": 0.01}
    found = replace(mc.compare(net, u, v), **limits)
    at_limit = Segment(0.05, (0.9, 0.9), 0.9)
    assert replace(found, train=at_limit).may_average
    assert not replace(found, train=Segment(0.051, (0.9, 0.9), 0.9)).may_average
    assert not replace(found, train=Segment(0.0, (0.9, 0.9), 0.88)).may_average
    generous = mc.compare(net, u, v, barrier_limit=100.0, drop_limit=1.0)
    assert generous.may_average


def test_text_and_html_show_the_numbers_the_limits_and_the_verdict():
    net, test, u, v, _ = make()
    found = mc.compare(net, u, v, test=test)
    text, page = repr(found), found._repr_html_()
    for shown in (text, page):
        assert found.verdict in shown
        assert f"{found.test.barrier:.2f}" in shown
        assert f"{found.aligned_train.barrier:.2f}" in shown
        assert "0.05 nats and 1 % of accuracy, on the held-out data" in shown
    assert page.count("<tr>") == 6
    alone = mc.compare(net, u, v)
    assert "held-out" not in repr(alone)
    assert "on the training data" in repr(alone)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("batched", "message"),
    [
        pytest.param((False, True), "the two points have shapes", id="one"),
        pytest.param((True, True), "compare two single networks; u has shapes", id="both"),
    ],
)
def test_a_batch_is_refused(batched, message):
    net, _, *ends, _ = make()
    u, v = (tuple(x[None] for x in w) if more else w for w, more in zip(ends, batched, strict=True))
    with pytest.raises(mc.errors.ShapeMismatch, match=message):
        mc.compare(net, u, v)


@pytest.mark.bad_input
def test_another_network_is_no_test():
    net, test, u, v, _ = make()
    other = mc.Classifier(test.X, test.Y, (6, 6))
    with pytest.raises(mc.errors.ShapeMismatch, match="test is the same network on other data"):
        mc.compare(net, u, v, test=other)


@pytest.mark.bad_input
@pytest.mark.parametrize("limits", [{"barrier_limit": -1.0}, {"drop_limit": 2.0}], ids=str)
def test_impossible_limits_are_refused(limits):
    net, _, u, v, _ = make()
    with pytest.raises(mc.errors.OutOfDomain, match="limits are a barrier ≥ 0"):
        mc.compare(net, u, v, **limits)


# -- a network of one's own ------------------------------------------------------
class Tanh:
    """A network that inherits from nothing, with a dict of named weights as its points."""

    symmetry = mc.Symmetry(
        {
            "in": (mc.Into("h"), mc.Fixed()),
            "bias": (mc.Into("h"),),
            "out": (mc.Fixed(), mc.OutOf("h")),
        },
        {"h": mc.Layer(mc.SignedPermutation(5))},
    )

    def __init__(self, x, y):
        self.x, self.y = x, y

    def output(self, w):
        return w["out"] @ torch.tanh(w["in"] @ self.x + w["bias"][..., None])

    def loss(self, w):
        return (self.y - self.output(w)).square().mean((-2, -1))


def test_a_network_of_ones_own_is_compared(generator):
    draw = functools.partial(torch.randn, generator=generator)
    u = {"in": draw(5, 3), "bias": draw(5), "out": draw(2, 5)}
    net = Tanh(draw(3, 20), torch.zeros(2, 20))
    net.y = net.output(u)
    assert isinstance(net, mc.Network)
    copy = net.symmetry.act(net.symmetry.group.sample(generator), u)
    found = mc.compare(net, u, copy)
    assert found.same_function and found.train.barrier > 0.01
    assert found.alignment == "the network's symmetry"
    assert found.aligned_distance == 0.0 and found.aligned_train.barrier < 1e-20
    assert found.train.ends is None and "accuracy" not in repr(found)
