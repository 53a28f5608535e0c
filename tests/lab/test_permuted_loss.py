"""The loss over all orders of the neurons (Prop 5.4)."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab import permuted_loss
from lab.permuted_loss import PermutedLoss
from mc_lib.errors import OutOfDomain, ShapeMismatch

DOUBLE = {"dtype": torch.float64}
SEEDS = st.integers(0, 10_000)


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


def rescaled_pair(n, k, seed, m=4.0, columns=3, outputs=2, widths=(), dtype=torch.float64):
    """A network of degree k, a minimum of it, and the rescaling of its last two weights."""
    generator = generator_of(seed)
    x = torch.randn(3, columns, generator=generator, dtype=dtype)
    draft = mc.HomogeneousNet(x, torch.ones(outputs, columns, dtype=dtype), (*widths, n), k, 0.2)
    w = draft.random(generator)
    net = mc.HomogeneousNet(x, draft.output(w), (*widths, n), k, 0.2)
    return net, w, mc.RescalingCurve(w, m, k)(1.0)


# -- the loss over all permutations ----------------------------------------------
@given(st.integers(1, 5), st.sampled_from([0.5, 1.0, 2.0]), st.floats(0, 1), SEEDS)
def test_the_terms_give_the_loss_of_the_network(n, k, alpha, seed):
    net, w, _ = rescaled_pair(n, k, seed, widths=(4,) if seed % 2 else ())
    other = (*w[:-2], torch.randn(w[-2].shape, generator=generator_of(seed), **DOUBLE), 2 * w[-1])
    loss = PermutedLoss.between(net, w, other, alpha)
    identity = [torch.arange(h) for h in net.widths[:-1]]
    for p in itertools.islice(itertools.permutations(range(n)), 12):
        moved = mc.permutations_of(net.symmetry).act((*identity, torch.tensor(p)), other)
        # only the last two weights of the second point are permuted
        point = mc.Line(w, (*w[:-2], *moved[-2:]))(alpha)
        expected = float(net.loss(point))
        assert float(loss(torch.tensor(p))) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_exact_minimum_is_that_of_a_loop_over_all_permutations(dtype):
    net, w, end = rescaled_pair(5, 1.0, 3, dtype=dtype)
    loss = PermutedLoss.between(net, w, end)
    every = {}
    for p in itertools.permutations(range(5)):
        moved = mc.permutations_of(net.symmetry).act((torch.tensor(p),), end)
        every[p] = float(net.loss(tuple((a + b) / 2 for a, b in zip(w, moved, strict=True))))
    found = loss.exact()
    assert found.loss == pytest.approx(
        min(every.values()), rel=1e-5 if dtype == torch.float32 else 1e-12
    )
    assert every[tuple(found.permutation.tolist())] == pytest.approx(found.loss, rel=1e-5)
    assert loss(torch.tensor(list(every))).dtype == dtype


def test_the_exact_minimum_does_not_depend_on_the_chunks(monkeypatch):
    net, w, end = rescaled_pair(5, 1.0, 4)
    loss = PermutedLoss.between(net, w, end)
    whole = loss.exact()
    monkeypatch.setattr(permuted_loss, "CHUNK", 7 * 6)
    parts = loss.exact()
    assert parts.loss == whole.loss
    assert torch.equal(parts.permutation, whole.permutation)


@given(st.integers(2, 6), SEEDS)
def test_the_bounds_enclose_the_minimum(n, seed):
    generator = generator_of(seed)
    terms = torch.randn(n, n, 7, generator=generator, **DOUBLE)
    loss = PermutedLoss(terms, 3 * torch.randn(7, generator=generator, **DOUBLE))
    exact = loss.exact().loss
    for steps in (1, 5, 200):
        assert loss.lower(steps) <= exact * (1 + 1e-12)
    found = loss.search(generator, starts=3)
    assert found.loss >= exact * (1 - 1e-12)
    assert found.loss == pytest.approx(float(loss(found.permutation)), rel=1e-12)


def test_the_search_ends_where_no_exchange_helps(generator):
    terms = torch.randn(7, 7, 5, generator=generator, **DOUBLE)
    loss = PermutedLoss(terms, torch.randn(5, generator=generator, **DOUBLE))
    p = loss.search(generator, starts=1).permutation
    for i, j in itertools.combinations(range(7), 2):
        q = p.clone()
        q[[i, j]] = p[[j, i]]
        assert float(loss(q)) >= float(loss(p))
    assert float(loss(p)) < float(loss(torch.arange(7)))


def test_the_lower_bound_is_reached_where_one_direction_decides():
    # sums of one number: the bound is the squared distance to the nearer end of their range
    terms = torch.tensor([[[1.0], [2.0], [9.0]], [[4.0], [0.0], [3.0]], [[1.0], [1.0], [5.0]]])
    sums = [float(sum(terms[i, p[i]] for i in range(3))) for p in itertools.permutations(range(3))]
    for target in (min(sums) - 3, max(sums) + 4):
        expected = min((s - target) ** 2 for s in sums)
        assert PermutedLoss(terms, torch.tensor([target])).lower() == pytest.approx(expected)
    inside = (min(sums) + max(sums)) / 2
    assert PermutedLoss(terms, torch.tensor([inside])).lower() == 0


def test_the_lower_bound_approaches_the_distance_from_all_mixtures():
    # two neurons: the mixtures of the two sums are a segment, whose distance is known
    terms = torch.tensor([[[0.0, 0.0], [4.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], **DOUBLE)
    a, b = (terms[0, i] + terms[1, 1 - i] for i in (1, 0))
    for target in ([1.0, 7.0], [-3.0, 0.0], [3.0, -2.0], [9.0, 9.0]):
        y = torch.tensor(target, **DOUBLE)
        t = torch.linspace(0, 1, 100_001, **DOUBLE)[:, None]
        expected = float(((1 - t) * a + t * b - y).square().sum(-1).min())
        assert PermutedLoss(terms, y).lower() == pytest.approx(expected, rel=1e-6)


def test_more_steps_never_loosen_the_bound():
    net, w, end = rescaled_pair(6, 1.0, 5, m=100.0, columns=12)
    loss = PermutedLoss.between(net, w, end)
    bounds = [loss.lower(steps) for steps in (1, 2, 4, 8, 64)]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 0


def test_all_orders_are_listed_once():
    for n in range(1, 6):
        every = permuted_loss._every(n)
        assert every.shape == (math.factorial(n), n)
        assert len(np.unique(every.numpy(), axis=0)) == len(every)


def test_the_minimum_is_enclosed_exactly_for_few_neurons_only(generator):
    for n in (3, 8, 9):
        loss = PermutedLoss(
            torch.randn(n, n, 20, generator=generator, **DOUBLE), torch.ones(20, **DOUBLE)
        )
        low, high = loss.enclose(generator)
        if n <= 8:
            assert low == high == loss.exact().loss
        else:
            assert low == loss.lower() < loss.exact().loss <= high


# -- growth (Proposition 5.4) ----------------------------------------------------
@pytest.mark.parametrize("k", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("n", [2, 5])
def test_the_minimum_over_permutations_grows_like_the_leading_term(n, k):
    for seed in range(5):
        net, w, _ = rescaled_pair(n, k, seed, columns=4)
        top = PermutedLoss.leading(net, w).exact().loss
        m = 1e12
        end = mc.RescalingCurve(w, m, k)(1.0)
        found = PermutedLoss.between(net, w, end).exact().loss
        assert found == pytest.approx(top * (m**k / 2 ** (k + 1)) ** 2, rel=1e-3)


def test_leading_is_the_naive_product(generator):
    net, w, _ = rescaled_pair(4, 2.0, 1, widths=(5,))
    h = net.hidden(w[:-1])[-1]
    loss = PermutedLoss.leading(net, w)
    for p in itertools.permutations(range(4)):
        matrix = torch.eye(4, **DOUBLE)[list(p)]
        expected = float((w[-1] @ matrix @ h).square().sum())
        assert float(loss(torch.tensor(p))) == pytest.approx(expected, rel=1e-12)


def test_a_swap_into_the_null_space_bounds_the_loss_for_degree_one():
    h = torch.tensor([[2.0, 1.0], [-1.0, -0.5]], **DOUBLE)
    u, v = torch.tensor([[2.0, 1.0]], **DOUBLE), torch.where(h < 0, h / 0.2, h)
    net = mc.HomogeneousNet(torch.eye(2, **DOUBLE), u @ h, (2,), 1.0, 0.2)
    assert float(net.loss((v, u))) == 0
    assert PermutedLoss.leading(net, (v, u)).exact().loss == 0
    least = []
    for m in (1e2, 1e5, 1e9):
        loss = PermutedLoss.between(net, (v, u), mc.RescalingCurve((v, u), m)(1.0))
        least.append(loss.exact().loss)
        assert float(loss(torch.tensor([0, 1]))) > 0.05 * m**2
    assert max(least) < 200
    # another minimum of the same network: the neurons are rescaled unevenly
    g = net.symmetry.group.sample(generator_of(0))
    w = net.symmetry.act(g, (v, u))
    loss = PermutedLoss.between(net, w, mc.RescalingCurve(w, 1e9)(1.0))
    assert loss.exact().loss > 1e12


# -- refusals --------------------------------------------------------------------
@pytest.mark.bad_input
def test_two_points_that_differ_before_the_last_layers_are_refused():
    net, w, end = rescaled_pair(3, 1.0, 0, widths=(4,))
    with pytest.raises(OutOfDomain, match="differ before"):
        PermutedLoss.between(net, w, (2 * w[0], *end[1:]))


@pytest.mark.bad_input
def test_a_time_beyond_the_segment_is_refused():
    net, w, end = rescaled_pair(3, 1.0, 0, widths=(4,))
    with pytest.raises(OutOfDomain, match=r"alpha lies in \[0, 1\], got 1.5"):
        PermutedLoss.between(net, w, end, 1.5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda net, w: PermutedLoss.between(net, w, w), id="between"),
        pytest.param(PermutedLoss.leading, id="leading"),
    ],
)
def test_batches_of_points_are_refused(make):
    net, w, _ = rescaled_pair(3, 1.0, 0, widths=(4,))
    with pytest.raises(ShapeMismatch, match="single point"):
        make(net, tuple(x[None] for x in w))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("terms", "target"), [((2, 3, 4), 4), ((3, 3, 4), 5), ((0, 0, 4), 4)], ids=str
)
def test_terms_of_another_shape_are_refused(terms, target):
    with pytest.raises(ShapeMismatch, match="terms"):
        PermutedLoss(torch.ones(terms), torch.ones(target))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda loss, g: loss.exact(), "10! permutations", id="exact"),
        pytest.param(lambda loss, g: loss.lower(0), "steps ≥ 1", id="lower"),
        pytest.param(lambda loss, g: loss.search(g, 0), "starts ≥ 1", id="search"),
    ],
)
def test_what_takes_too_much_or_does_nothing_is_refused(generator, call, message):
    loss = PermutedLoss(torch.ones(10, 10, 1), torch.ones(1))
    with pytest.raises(OutOfDomain, match=message):
        call(loss, generator)
