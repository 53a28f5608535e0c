"""The classifier: layer after layer, the textbook's loss, and its scalings."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc


def make(seed, widths=(5, 4), slope=0.0, dtype=torch.float64, batch=()):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 7, generator=generator, dtype=dtype)
    labels = torch.randint(0, 4, (7,), generator=generator)
    net = mc.Classifier.of_labels(x, labels, 4, widths, slope)
    w = tuple(torch.randn(*batch, *shape, generator=generator, dtype=dtype) for shape in net.shapes)
    return net, w, labels


def by_hand(net, w):
    """The scores of each column, by torch's own layers."""
    a = net.X.T
    for i in range(net.depth):
        a = torch.nn.functional.linear(a, w[i], w[net.depth + i])
        if i < net.depth - 1:
            a = torch.where(a > 0, a, net.slope * a)
    return a.T


@pytest.mark.parametrize(("widths", "slope"), [((5,), 0.0), ((5, 4), 0.1), ((2, 3, 4), 0.0)])
def test_scores_loss_and_accuracy_are_torch_s(dtype, widths, slope):
    net, w, labels = make(0, widths, slope, dtype)
    scores = by_hand(net, w)
    torch.testing.assert_close(net.output(w), scores)
    entropy = torch.nn.functional.cross_entropy(scores.T, labels)
    torch.testing.assert_close(net.loss(w), entropy)
    hits = [int(scores[:, i].argmax()) == int(labels[i]) for i in range(7)]
    assert net.correct(w).tolist() == hits
    assert float(net.accuracy(w)) == pytest.approx(sum(hits) / 7)


def test_preactivations_are_those_before_the_relu():
    net, w, _ = make(1)
    first, second, last = net.preactivations(w)
    torch.testing.assert_close(first, w[0] @ net.X + w[3][:, None])
    torch.testing.assert_close(second, w[1] @ first.relu() + w[4][:, None])
    torch.testing.assert_close(last, net.output(w))


def test_a_batch_of_weights_is_evaluated_one_by_one():
    net, w, _ = make(2, batch=(3, 2))
    assert net.loss(w).shape == (3, 2)
    for i in range(3):
        one = tuple(x[i, 1] for x in w)
        torch.testing.assert_close(net.loss(w)[i, 1], net.loss(one))
        torch.testing.assert_close(net.accuracy(w)[i, 1], net.accuracy(one))


@given(st.integers(0, 10**6), st.sampled_from([(1,), (3, 2), (4, 4, 4)]), st.floats(0, 1))
def test_scalings_of_the_neurons_are_a_symmetry(seed, widths, slope):
    net, w, _ = make(seed, widths, slope)
    g = net.symmetry.group.sample(torch.Generator().manual_seed(seed))
    torch.testing.assert_close(net.output(net.symmetry.act(g, w)), net.output(w))


def test_scalings_that_leave_the_bias_are_none():
    net, w, _ = make(3)
    g = tuple(torch.full((h,), 2.0, dtype=torch.float64) for h in net.widths)
    moved = net.symmetry.act(g, w)
    assert (net.output((*moved[:3], *w[3:])) - net.output(w)).abs().max() > 1e-3


def test_permutations_of_the_neurons_are_a_symmetry():
    net, w, _ = make(4)
    layers = [mc.Layer(mc.Permutation(h)) for h in net.widths]
    symmetry = mc.Symmetry.chain(layers, biases=True)
    g = symmetry.group.sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(net.output(symmetry.act(g, w)), net.output(w))


def test_weights_start_random_and_biases_at_zero(generator):
    net, _, _ = make(5)
    w = net.random(generator, (2,))
    assert [tuple(x.shape) for x in w] == [(2, *shape) for shape in net.shapes]
    assert all(x.abs().max() == 0 for x in w[3:])
    assert all(x.abs().min() > 0 for x in w[:3])


def test_other_data_keep_the_network():
    net, w, _ = make(7, slope=0.25)
    other = net.on(net.X[:, :3], net.Y[:, :3])
    assert (other.widths, other.slope) == (net.widths, 0.25)
    torch.testing.assert_close(other.output(w), net.output(w)[:, :3])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"widths": ()}, mc.errors.OutOfDomain, r"hidden width ≥ 1 or more, got \(\)"),
        ({"widths": (0,)}, mc.errors.OutOfDomain, r"hidden width ≥ 1 or more, got \(0,\)"),
        ({"slope": -1.0}, mc.errors.OutOfDomain, "the slope is ≥ 0 and finite, got -1.0"),
        ({"slope": math.nan}, mc.errors.OutOfDomain, "the slope is ≥ 0 and finite, got nan"),
        ({"Y": torch.ones(2, 2)}, mc.errors.OutOfDomain, "sums from 2.0 to 2.0"),
        (
            {"Y": torch.tensor([[2.0, 1.0], [-1.0, 0.0]])},
            mc.errors.OutOfDomain,
            "entries from -1.0",
        ),
        ({"Y": torch.ones(1, 3)}, mc.errors.ShapeMismatch, "matrices with equal k"),
    ],
)
def test_impossible_classifiers_are_refused(change, error, message):
    given = {"X": torch.eye(2), "Y": torch.eye(2), "widths": (3,), **change}
    with pytest.raises(error, match=message):
        mc.Classifier(**given)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.tensor([0, 2]), mc.errors.OutOfDomain, "a label is 0 to 1, got 0 to 2"),
        (torch.tensor([-1, 1]), mc.errors.OutOfDomain, "a label is 0 to 1, got -1 to 1"),
        (torch.tensor([0]), mc.errors.ShapeMismatch, r"2 integer labels.*shape \(1,\)"),
        (torch.tensor([0.0, 1.0]), mc.errors.ShapeMismatch, "2 integer labels.*float64"),
    ],
)
def test_impossible_labels_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        mc.Classifier.of_labels(torch.eye(2), labels, 2, (3,))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: w[:3], id="no biases"),
        pytest.param(lambda w: (*w[:5], w[5][:2]), id="a short bias"),
        pytest.param(lambda w: (w[3], *w[1:]), id="a bias for a weight"),
    ],
)
def test_weights_without_their_biases_are_refused(change):
    net, w, _ = make(8)
    with pytest.raises(mc.errors.ShapeMismatch, match="expected a tuple of weights"):
        net.loss(change(w))


@pytest.mark.bad_input
def test_data_of_another_size_are_refused():
    net, _, _ = make(9)
    with pytest.raises(mc.errors.ShapeMismatch, match="the data have 2 inputs and 4 targets"):
        net.on(net.X[:2], net.Y)
