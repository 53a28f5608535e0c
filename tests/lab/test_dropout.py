"""Half of the neurons on each side: the path between stays below its bound."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.dropout import dropout_path, dropped, keep_half
from mc_lib.points import leaves

DOUBLE = torch.float64
REST, HALF = (torch.arange(4),) * 2, (torch.arange(2),) * 2


def same(u, v):
    return all(torch.equal(a, b) for a, b in zip(leaves(u), leaves(v), strict=True))


@given(
    seed=st.integers(0, 10_000),
    widths=st.sampled_from([(4,), (5,), (4, 4), (6, 5), (2, 4, 6), (4, 3, 5)]),
)
def test_the_path_through_the_halves_stays_below_its_bound(problem, seed, widths):
    net, u, v = problem(widths, seed)
    generator = torch.Generator().manual_seed(seed)
    kept = [
        tuple(torch.randperm(h, generator=generator)[: h // 2].sort().values for h in widths)
        for _ in range(2)
    ]
    found = dropout_path(net, u, v, *kept)
    assert same(found.curve(0.0), u) and same(found.curve(1.0), v)
    losses = net.loss(found.curve(torch.linspace(0, 1, 301, dtype=DOUBLE)))
    assert float(losses.max()) <= found.bound * (1 + 1e-12)
    # the corners reach the bound: it is the loss of one of them
    assert max(float(net.loss(p)) for p in found.curve.points) == pytest.approx(found.bound)
    halves = [
        float(net.loss(dropped(net, w, k, i)))
        for w, k in zip((u, v), kept, strict=True)
        for i in range(1, len(widths) + 1)
    ]
    assert found.bound == pytest.approx(max(*halves, float(net.loss(u)), float(net.loss(v))))


def test_dropped_neurons_have_no_say(problem):
    net, u, _ = problem((4, 4))
    kept = (torch.tensor([0, 3]), torch.tensor([1, 2]))
    for layer, dead in ((1, [(0, 1), (0, 2), (1, 0), (1, 3)]), (2, [(1, 0), (1, 3)])):
        want = net.output(dropped(net, u, kept, layer))
        x = [a.clone() for a in u]
        for i, j in dead:  # shut the neuron off by hand: it never fires
            x[i][j], x[3 + i][j] = 0.0, -1.0
        assert torch.allclose(net.output(tuple(x)), want, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_greedy_half_is_the_best_half_of_a_layer_of_two(problem, seed):
    net, u, _ = problem((2,), seed)
    losses = [float(net.loss(dropped(net, u, (torch.tensor([i]),), 1))) for i in range(2)]
    assert int(keep_half(net, u)[0]) == losses.index(min(losses))


@pytest.mark.parametrize("seed", range(3))
def test_the_greedy_half_is_good_in_general(problem, seed):
    net, u, _ = problem((6,), seed)
    every = [
        float(net.loss(dropped(net, u, (torch.tensor(list(k)),), 1)))
        for k in itertools.combinations(range(6), 3)
    ]
    (kept,) = keep_half(net, u)
    assert len(kept) == 3 and kept.tolist() == sorted(kept.tolist())
    found = float(net.loss(dropped(net, u, (kept,), 1)))
    assert sum(x < found - 1e-12 for x in every) <= 5  # of 20


def test_half_of_an_odd_layer_is_rounded_down(problem):
    net, u, _ = problem((5, 7))
    assert [len(k) for k in keep_half(net, u)] == [2, 3]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("kept", "message"),
    [
        pytest.param(
            (HALF, REST), r"at most 2 of the neurons 0 to 3, got \[0, 1, 2, 3\]", id="too many"
        ),
        pytest.param((HALF, (HALF[0], HALF[0] + 3)), r"0 to 3, got \[3, 4\]", id="beyond"),
    ],
)
def test_other_halves_are_refused(problem, kept, message):
    net, u, v = problem()
    with pytest.raises(mc.errors.OutOfDomain, match=message):
        dropout_path(net, u, v, *kept)


@pytest.mark.bad_input
def test_halves_of_other_layers_are_refused(problem):
    net, u, _ = problem()
    with pytest.raises(mc.errors.ShapeMismatch, match="neurons of 2 layers"):
        dropped(net, u, HALF[:1], 1)


@pytest.mark.bad_input
def test_a_batch_has_no_half(problem):
    net, u, _ = problem()
    with pytest.raises(mc.errors.ShapeMismatch, match="expected one point"):
        keep_half(net, tuple(x.expand(2, *x.shape) for x in u))
