"""Ensembles: measured as by hand, one input and one member at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.ensembles import calibration_error, measure_ensemble


def make(seed, members=3, dtype=torch.float64, columns=9):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, columns, generator=generator, dtype=dtype)
    labels = torch.randint(0, 3, (columns,), generator=generator)
    net = mc.Classifier.of_labels(x, labels, 3, (4,))
    return net, net.random(generator, (members,), gain=3.0), labels


def probabilities(net, w):
    """The probability that each member gives to each class, shape (members, classes, k)."""
    members = [tuple(x[i] for x in w) for i in range(len(w[0]))]
    return torch.stack([torch.softmax(net.output(m), 0) for m in members])


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_every_number_is_the_one_counted_by_hand(seed, members):
    net, w, labels = make(seed, members)
    found, p = measure_ensemble(net, w), probabilities(net, w)
    mean, k = p.mean(0), len(labels)
    hits = [int(mean[:, j].argmax()) == int(labels[j]) for j in range(k)]
    assert found.members == members
    assert found.accuracy == pytest.approx(sum(hits) / k)
    assert found.nll == pytest.approx(-sum(math.log(mean[labels[j], j]) for j in range(k)) / k)
    each = [[int(q[:, j].argmax()) for j in range(k)] for q in p]
    right = sum(a[j] == int(labels[j]) for a in each for j in range(k))
    assert found.member_accuracy == pytest.approx(right / (members * k))
    logs = [math.log(q[labels[j], j]) for q in p for j in range(k)]
    assert found.member_nll == pytest.approx(-sum(logs) / (members * k))
    pairs = [(a, b) for a in range(members) for b in range(a)]
    differ = [each[a][j] != each[b][j] for a, b in pairs for j in range(k)]
    assert found.disagreement == pytest.approx(sum(differ) / max(1, len(differ)))


@given(st.integers(0, 10**6))
def test_the_mean_is_at_least_as_likely_as_its_members(seed):
    # log is concave: Jensen's inequality
    found = measure_ensemble(*make(seed)[:2])
    assert found.nll <= found.member_nll + 1e-12


def test_exact_copies_are_one_network(dtype):
    net, w, _ = make(0, 1, dtype)
    u = tuple(x[0] for x in w)
    symmetry = mc.permutations_of(net.symmetry)
    copies = symmetry.act(symmetry.group.sample(torch.Generator().manual_seed(1), (5,)), u)
    found, alone = measure_ensemble(net, copies), measure_ensemble(net, w)
    assert found.disagreement == 0
    assert found.nll == pytest.approx(alone.nll, rel=1e-5)
    assert (found.accuracy, found.members) == (alone.accuracy, 5)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20))
def test_calibration_is_summed_bin_by_bin(answers):
    confidence = torch.tensor([c for c, _ in answers], dtype=torch.float64)
    right = torch.tensor([r for _, r in answers])
    total = 0.0
    for b in range(4):
        inside = [(c, r) for c, r in answers if b <= c * 4 < b + 1 or (b == 3 and c == 1)]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            total += len(inside) * abs(accuracy - sum(c for c, _ in inside) / len(inside))
    found = calibration_error(confidence, right, bins=4)
    assert found == pytest.approx(total / len(answers), abs=1e-12)


def test_confidence_that_comes_true_is_calibrated():
    right = torch.tensor([True] * 3 + [False])
    assert calibration_error(torch.full((4,), 0.75), right) == 0
    assert calibration_error(torch.ones(4), right) == 0.25


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "members", [pytest.param(0, id="one network"), pytest.param(slice(0), id="no network")]
)
def test_what_is_no_batch_of_members_is_refused(members):
    net, w, _ = make(0)
    with pytest.raises(mc.errors.ShapeMismatch, match="one leading dimension"):
        measure_ensemble(net, tuple(x[members] for x in w))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("confidence", "bins", "error", "message"),
    [
        pytest.param([1.5], 10, mc.errors.OutOfDomain, r"confidences in \[0, 1\]", id="above 1"),
        pytest.param([0.5], 0, mc.errors.OutOfDomain, "bins = 0", id="no bin"),
        pytest.param([0.5, 0.5], 10, mc.errors.ShapeMismatch, r"\(2,\) and \(1,\)", id="shapes"),
    ],
)
def test_calibration_refuses_what_is_no_confidence(confidence, bins, error, message):
    with pytest.raises(error, match=message):
        calibration_error(torch.tensor(confidence), torch.tensor([True]), bins=bins)
