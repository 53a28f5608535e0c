"""Many pairs of minima: each is measured as a single pair would be."""

import itertools

import pytest
import torch
from scipy.stats import kendalltau

import mc_lib as mc
from lab.pairs import Pairs
from mc_lib.errors import OutOfDomain, ShapeMismatch

DOUBLE = {"dtype": torch.float64}


def drawn(depth=2, h=3, count=12, seed=0, kind="independent"):
    generator = torch.Generator().manual_seed(seed)
    net = mc.DeepLinear.square(depth, h, generator)
    return getattr(Pairs, kind)(net, generator, count)


def singles(pairs):
    for i in range(len(pairs.w0[0])):
        yield tuple(x[i] for x in pairs.w0), tuple(x[i] for x in pairs.w1)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_batch_of_pairs_is_measured_as_single_pairs(depth):
    pairs = drawn(depth)
    size = float(pairs.net.Y.square().sum())
    for i, (a, b) in enumerate(singles(pairs)):
        assert float(pairs.distance[i]) == pytest.approx(float(mc.distance(a, b)))
        height = mc.barrier(mc.Line(a, b), pairs.net.loss).height / size
        rtol = 1e-6 if depth == 2 else 0.02  # a grid of places
        assert float(pairs.barrier[i]) == pytest.approx(height, rel=rtol)
        assert float(pairs.barrier[i]) <= height * (1 + 1e-9)
        signs = [mc.component(pairs.net, w) for w in (a, b)]
        assert bool(pairs.same[i]) == torch.equal(*signs)
    assert 0 < int(pairs.same.sum()) < len(pairs.same)


def test_spread_pairs_are_minima_of_both_kinds_at_all_distances():
    pairs = drawn(kind="spread", count=200)
    size = float(pairs.net.Y.square().sum())
    for w in (pairs.w0, pairs.w1):
        assert float(pairs.net.loss(w).max()) < 1e-20 * size
    assert pairs.same.tolist() == [i % 2 == 1 for i in range(200)]
    a = pairs.net.Y @ torch.linalg.inv(pairs.net.X)
    nearest = float(mc.bounds.component_distance(a))
    apart = pairs.distance[~pairs.same]
    assert float(apart.min()) >= nearest * (1 - 1e-9)
    assert float(apart.min()) <= nearest * 1.05
    together = pairs.distance[pairs.same]
    assert float(together.max() / together.min()) > 100


def test_rank_correlations_are_those_of_the_ranks():
    pairs = drawn(h=2, count=60, seed=3)
    by_distance, by_component = pairs.rank_correlations()

    def ranks(x):
        order = sorted(range(len(x)), key=lambda i: x[i])
        places = {i: place for place, i in enumerate(order)}
        ties = {v: [places[i] for i in range(len(x)) if x[i] == v] for v in x}
        return torch.tensor([sum(ties[v]) / len(ties[v]) for v in x], **DOUBLE)

    for x, got in ((pairs.distance, by_distance), (1.0 * ~pairs.same, by_component)):
        both = torch.stack([ranks(x.tolist()), ranks(pairs.barrier.tolist())])
        assert got == pytest.approx(float(torch.corrcoef(both)[0, 1]))
    assert kendalltau(pairs.distance.numpy(), pairs.barrier.numpy())[0] * by_distance > 0


@pytest.mark.parametrize("by", ["permutation", "rotation"])
@pytest.mark.parametrize("connected", [False, True])
def test_aligned_pairs_are_the_best_of_their_kind(by, connected):
    pairs = drawn(count=8, seed=1)
    moved = pairs.aligned(by, connected=connected)
    assert float(pairs.net.loss(moved.w1).max()) < 1e-18 * float(pairs.net.Y.square().sum())
    assert all(torch.equal(x, y) for x, y in zip(moved.w0, pairs.w0, strict=True))
    if connected:
        assert moved.same.all()
    for i, (a, b) in enumerate(singles(pairs)):
        for p in itertools.permutations(range(3)):
            end = (b[0][list(p)], b[1][:, list(p)])
            same = torch.equal(mc.component(pairs.net, end), mc.component(pairs.net, a))
            if same or not connected:
                assert float(moved.distance[i]) <= float(mc.distance(a, end)) * (1 + 1e-12)


def test_the_permutation_is_an_exact_one():
    pairs = drawn(count=4, seed=2)
    moved = pairs.aligned("permutation")
    for (_, b), (_, c) in zip(singles(pairs), singles(moved), strict=True):
        rows = sorted(map(tuple, b[0].tolist()))
        assert rows == sorted(map(tuple, c[0].tolist()))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda w0, w1: (tuple(x[0] for x in w0),) * 2, id="single points"),
        pytest.param(lambda w0, w1: (w0, tuple(x[:2] for x in w1)), id="fewer ends"),
    ],
)
def test_ends_that_are_no_pairs_are_refused(ends):
    pairs = drawn()
    with pytest.raises(ShapeMismatch, match="N points"):
        Pairs(pairs.net, *ends(pairs.w0, pairs.w1))


@pytest.mark.bad_input
def test_pairs_are_aligned_by_permutation_or_rotation():
    with pytest.raises(OutOfDomain, match="'permutation' or 'rotation', got 'luck'"):
        drawn().aligned("luck")


@pytest.mark.bad_input
def test_pairs_of_three_layers_are_not_aligned():
    with pytest.raises(ShapeMismatch, match="expected two layers, got 3"):
        drawn(3).aligned("rotation")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "widths", [pytest.param((1, 1), id="three layers"), pytest.param((2,), id="wide")]
)
def test_only_two_square_layers_are_spread(widths):
    one = torch.eye(1, **DOUBLE)
    with pytest.raises(ShapeMismatch, match="two n × n weights"):
        Pairs.spread(mc.DeepLinear(one, one, widths), torch.Generator(), 2)
