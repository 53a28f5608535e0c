"""Spare neurons: the function does not change on the way to a permuted copy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.widening import permutation_path, widen
from mc_lib.layers import Layer
from mc_lib.points import leaves

DOUBLE = torch.float64
REST, HALF = torch.arange(4), torch.arange(2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def same(u, v):
    return all(torch.equal(a, b) for a, b in zip(leaves(u), leaves(v), strict=True))


def wider(net, spare=1):
    return mc.Classifier(net.X, net.Y, tuple(h + spare for h in net.widths), net.slope)


@given(seed=st.integers(0, 10_000), widths=st.lists(st.integers(2, 6), min_size=1, max_size=3))
def test_the_function_does_not_change_on_the_path_to_the_permuted_copy(problem, seed, widths):
    net, w, _ = problem(tuple(widths), seed)
    reorder = mc.permutations_of(net.symmetry)
    p = reorder.group.sample(seeded(seed))
    if all(torch.equal(q, torch.arange(len(q))) for q in p):
        return
    path = permutation_path(reorder, p, w)
    assert same(path(0.0), widen(reorder, w))
    assert same(path(1.0), widen(reorder, reorder.act(p, w)))
    scores = wider(net).output(path(torch.linspace(0, 1, 97, dtype=DOUBLE)))
    assert (scores - net.output(w)).abs().max() <= 1e-12 * (1 + net.output(w).abs().max())


@pytest.mark.parametrize(
    ("p", "segments"),
    [
        ([1, 0, 2, 3], 2 * 3 + 1),
        ([1, 2, 3, 0], 2 * 5 + 1),
        ([1, 0, 3, 2], 2 * 3 + 2 * 3 + 1),
        ([3, 1, 2, 0], 2 * 3 + 1),
    ],
)
def test_a_cycle_of_m_neurons_takes_two_m_plus_two_segments(p, segments):
    symmetry = mc.Symmetry.chain([Layer(mc.Permutation(4))])
    w = (torch.rand(4, 2, generator=seeded()), torch.rand(1, 4, generator=seeded()))
    path = permutation_path(symmetry, (torch.tensor(p),), w)
    assert len(path.points) - 1 == segments


def test_without_the_spare_neuron_the_segment_changes_the_function(problem):
    net, w, _ = problem()
    reorder = mc.permutations_of(net.symmetry)
    swapped = reorder.act((torch.tensor([3, 2, 1, 0]), torch.tensor([1, 0, 3, 2])), w)
    change = net.output(mc.Line(w, swapped)(0.5)) - net.output(w)
    assert change.abs().max() > 1e-2


def test_named_weights_and_more_spare_neurons(dtype):
    into, out = mc.Into("a"), mc.OutOf("a")
    symmetry = mc.Symmetry({"v": (into, mc.Fixed()), "u": (out,)}, {"a": Layer(mc.Permutation(2))})
    w = {"v": torch.ones(2, 3, dtype=dtype), "u": torch.tensor([1.0, 2.0], dtype=dtype)}
    found = widen(symmetry, w, spare=2)
    assert found["v"].shape == (4, 3) and found["u"].tolist() == [1, 2, 0, 0]
    path = permutation_path(symmetry, (torch.tensor([1, 0]),), w)
    assert path(1.0)["u"].tolist() == [2, 1, 0]
    batch = widen(symmetry, {"v": torch.ones(5, 2, 3), "u": torch.ones(5, 2)})
    assert batch["v"].shape == (5, 3, 3) and batch["u"].shape == (5, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        pytest.param((REST, REST), mc.NotConnected, "p is the identity", id="identity"),
        pytest.param((REST, HALF), mc.McLibError, "4", id="length"),
        pytest.param(
            (REST[None], REST),
            mc.NotInGroup,
            r"one permutation a layer, got shape \(1, 4\)",
            id="batch",
        ),
    ],
)
def test_permutations_without_a_path_are_refused(problem, p, error, message):
    net, w, _ = problem()
    with pytest.raises(error, match=message):
        permutation_path(mc.permutations_of(net.symmetry), p, w)


@pytest.mark.bad_input
def test_no_spare_neuron_is_refused(problem):
    net, w, _ = problem()
    with pytest.raises(mc.errors.ShapeMismatch, match="one spare neuron or more"):
        widen(mc.permutations_of(net.symmetry), w, spare=0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("part", "message"),
    [
        pytest.param(lambda w: w[:2], "has 6 weights, the point 2", id="weights"),
        pytest.param(lambda w: tuple(x[0] for x in w), "needs 2 axes", id="axes"),
    ],
)
def test_points_that_do_not_fit_are_refused(problem, part, message):
    net, w, _ = problem()
    with pytest.raises(mc.errors.ShapeMismatch, match=message):
        widen(mc.permutations_of(net.symmetry), part(w))
