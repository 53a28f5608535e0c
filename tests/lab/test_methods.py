"""Paths by construction, their measurement and their figures: every promise is tried out."""

import itertools
import math

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab import figures
from lab.dropout import dropout_path, dropped, keep_half
from lab.methods import MethodTable, measure_method
from lab.repair import RepairedLine
from lab.widening import permutation_path, widen
from mc_lib.layers import Layer
from mc_lib.points import leaves

DOUBLE = torch.float64
SEEDS = st.integers(0, 10_000)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def problem(widths=(4, 4), seed=0, dtype=DOUBLE, k=12):
    x = torch.randn(3, k, generator=seeded(seed), dtype=dtype)
    net = mc.Classifier.of_labels(x, torch.arange(k) % 3, 3, widths)
    w = net.random(seeded(seed + 1), (2,))
    # biases too, or their part in the constructions would not be seen
    w = tuple(a + 0.3 * torch.randn(a.shape, generator=seeded(seed + 2), dtype=dtype) for a in w)
    return net, tuple(a[0] for a in w), tuple(a[1] for a in w)


def same(u, v):
    return all(torch.equal(a, b) for a, b in zip(leaves(u), leaves(v), strict=True))


def wider(net, spare=1):
    return mc.Classifier(net.X, net.Y, tuple(h + spare for h in net.widths), net.slope)


# -- spare neurons ---------------------------------------------------------------
@given(seed=SEEDS, widths=st.lists(st.integers(2, 6), min_size=1, max_size=3))
def test_the_function_does_not_change_on_the_path_to_the_permuted_copy(seed, widths):
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


def test_without_the_spare_neuron_the_segment_changes_the_function():
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


# -- dropout -------------------------------------------------------------------------
@given(seed=SEEDS, widths=st.sampled_from([(4,), (5,), (4, 4), (6, 5), (2, 4, 6), (4, 3, 5)]))
def test_the_path_through_the_halves_stays_below_its_bound(seed, widths):
    net, u, v = problem(widths, seed)
    generator = seeded(seed)
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


def test_dropped_neurons_have_no_say():
    net, u, _ = problem((4, 4))
    kept = (torch.tensor([0, 3]), torch.tensor([1, 2]))
    for layer, dead in ((1, [(0, 1), (0, 2), (1, 0), (1, 3)]), (2, [(1, 0), (1, 3)])):
        want = net.output(dropped(net, u, kept, layer))
        x = [a.clone() for a in u]
        for i, j in dead:  # shut the neuron off by hand: it never fires
            x[i][j], x[3 + i][j] = 0.0, -1.0
        assert torch.allclose(net.output(tuple(x)), want, atol=1e-12)


def test_the_greedy_half_is_the_best_half_of_a_layer_of_two_and_good_in_general():
    for seed in range(3):
        net, u, _ = problem((2,), seed)
        losses = [float(net.loss(dropped(net, u, (torch.tensor([i]),), 1))) for i in range(2)]
        assert int(keep_half(net, u)[0]) == losses.index(min(losses))
        net, u, _ = problem((6,), seed)
        every = [
            float(net.loss(dropped(net, u, (torch.tensor(list(k)),), 1)))
            for k in itertools.combinations(range(6), 3)
        ]
        (kept,) = keep_half(net, u)
        assert len(kept) == 3 and kept.tolist() == sorted(kept.tolist())
        found = float(net.loss(dropped(net, u, (kept,), 1)))
        assert sum(x < found - 1e-12 for x in every) <= 5  # of 20
    net, u, _ = problem((5, 7))
    assert [len(k) for k in keep_half(net, u)] == [2, 3]


# -- repair ------------------------------------------------------------------------------
@given(seed=SEEDS, slope=st.sampled_from([0.0, 0.2]))
def test_repair_restores_mean_and_spread_halfway(seed, slope):
    net, u, v = problem((4, 3), seed)
    net = mc.Classifier(net.X, net.Y, net.widths, slope)
    line = RepairedLine(net, u, v)
    assert line.start is u and line.breakpoints == ()
    t = torch.tensor([0.3, 0.5], dtype=DOUBLE)
    w = line(t)
    for i in range(2):
        z, a, b = (net.preactivations(x)[i] for x in (w, u, v))
        share = t[:, None]
        assert torch.allclose(z.mean(-1), (1 - share) * a.mean(-1) + share * b.mean(-1))
        wanted = (1 - share) * a.std(-1) + share * b.std(-1)
        assert torch.allclose(z.std(-1), wanted, rtol=1e-8)
    for x, y in zip(w[2:3] + w[5:], (u[2:3] + u[5:]), strict=True):  # the last layer is mean
        assert x.shape == (2, *y.shape)
    assert torch.allclose(w[2][1], (u[2] + v[2]) / 2)
    for end, point in ((u, line(0.0)), (v, line(1.0))):
        assert all(torch.allclose(x, y, atol=1e-10) for x, y in zip(point, end, strict=True))


def test_a_silent_neuron_is_left_alone(dtype):
    net, u, v = problem((2,), dtype=dtype)
    u, v = ((0 * x[0], *x[1:]) for x in (u, v))  # no incoming weights: nothing varies
    w = RepairedLine(net, u, v)(0.5)
    assert all(torch.isfinite(x).all() for x in w)
    assert torch.allclose(w[2], (u[2] + v[2]) / 2)
    assert w[0].dtype == dtype


# -- measuring -----------------------------------------------------------------------------
def test_the_table_says_what_was_measured():
    net, u, v = problem()
    found = measure_method("segment", [mc.Line(u, v), mc.Line(u, u)], net, net, gradients=7)
    t = [i / 60 for i in range(61)]
    losses = [float(net.loss(mc.Line(u, v)(s))) for s in t]
    ends = [(1 - s) * losses[0] + s * losses[-1] for s in t]
    want = max(a - b for a, b in zip(losses, ends, strict=True))
    assert found.train.tolist() == pytest.approx([want, 0.0], abs=1e-12)
    assert torch.equal(found.train, found.test)
    right = [float(net.accuracy(mc.Line(u, v)(s))) for s in t]
    assert found.train_accuracy.tolist() == pytest.approx([min(right), right[0]])
    assert torch.equal(found.test_accuracy, found.train_accuracy)
    table = MethodTable((found,))
    shown = f"{want / 2:.3f} ± {want / math.sqrt(2):.3f}"
    assert repr(table) == f"barrier, train / test\nsegment: {shown} / {shown}"
    page = table._repr_html_()
    assert f"<td>{shown}</td>" in page and "<td>7</td><td>nothing</td><td>yes</td>" in page
    low = [100 * x for x in found.train_accuracy.tolist()]
    spread = abs(low[0] - low[1]) / math.sqrt(2)
    assert f"<td>{sum(low) / 2:.1f} ± {spread:.1f} %</td>" in page
    assert page.count("<tr>") == 2 and page.count("<th>") == page.count("<td>") == 8


def test_held_out_data_are_measured_on_the_test_network():
    net, u, v = problem()
    other = net.on(-net.X, net.Y)
    found = measure_method("x", [mc.Line(u, v)], net, other, explicit=False, needs="a & b")
    swapped = measure_method("x", [mc.Line(u, v)], other, net)
    assert torch.equal(found.test, swapped.train) and torch.equal(found.train, swapped.test)
    assert torch.equal(found.test_accuracy, swapped.train_accuracy)
    page = MethodTable((found,))._repr_html_()
    assert "<td>a &amp; b</td><td>no</td>" in page
    assert f"<td>{float(found.train):.3f}</td>" in page  # of one pair there is no spread


# -- figures ------------------------------------------------------------------------------------
def test_each_path_has_a_panel_over_the_segment():
    t = torch.linspace(0, 1, 5)
    figure = figures.paths_beside_segment(t, {n: 1 + t for n in "abcd"}, 3 - t)
    assert [a.get_title() for a in figure.axes] == list("abcd")
    for axes in figure.axes:
        segment, path = axes.lines
        assert segment.get_ydata().tolist() == (3 - t).tolist()
        assert path.get_ydata().tolist() == (1 + t).tolist()
        assert axes.get_yscale() == "log"
    below = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
    assert below == [False, True, True, True]  # the lowest panel of each column
    plt.close(figure)


def test_barriers_show_every_pair_and_the_mean():
    train, test = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([[2.0, 2.0], [0.5, 0.1]])
    axes = figures.barriers(["a", "b"], train, test).axes[0]
    shown = [line.get_xdata() for line in axes.lines]
    assert any(list(x) == [1.0, 3.0] for x in shown) and any(list(x) == [2.0, 2.0] for x in shown)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xlim()[0] < 0 and axes.get_ylim()[0] > axes.get_ylim()[1]
    plt.close(axes.figure)


# -- what is refused -------------------------------------------------------------------------------
@pytest.mark.bad_input
def test_bad_input_is_refused():
    net, u, v = problem()
    reorder = mc.permutations_of(net.symmetry)
    rest = (torch.arange(4), torch.arange(4))
    half = (torch.arange(2), torch.arange(2))
    batch = tuple(x.expand(2, *x.shape) for x in u)
    t = torch.linspace(0, 1, 3)
    refused = [
        (lambda: permutation_path(reorder, rest, u), mc.NotConnected, "p is the identity"),
        (lambda: permutation_path(reorder, (rest[0], half[0]), u), mc.McLibError, "4"),
        (
            lambda: permutation_path(reorder, (rest[0][None], rest[0]), u),
            mc.NotInGroup,
            r"one permutation a layer, got shape \(1, 4\)",
        ),
        (lambda: widen(reorder, u, spare=0), mc.errors.ShapeMismatch, "one spare neuron or more"),
        (lambda: widen(reorder, u[:2]), mc.errors.ShapeMismatch, "has 6 weights, the point 2"),
        (lambda: widen(reorder, tuple(x[0] for x in u)), mc.errors.ShapeMismatch, "needs 2 axes"),
        (
            lambda: dropout_path(net, u, v, half, rest),
            mc.errors.OutOfDomain,
            r"at most 2 of the neurons 0 to 3, got \[0, 1, 2, 3\]",
        ),
        (
            lambda: dropout_path(net, u, v, half, (half[0], half[0] + 3)),
            mc.errors.OutOfDomain,
            r"0 to 3, got \[3, 4\]",
        ),
        (lambda: dropped(net, u, half[:1], 1), mc.errors.ShapeMismatch, "neurons of 2 layers"),
        (lambda: keep_half(net, batch), mc.errors.ShapeMismatch, "expected one point"),
        (lambda: RepairedLine(net, u, v[:2]), mc.errors.ShapeMismatch, "expected a tuple"),
        (lambda: measure_method("x", [], net, net), mc.errors.OutOfDomain, "x: measure one curve"),
        (
            lambda: figures.paths_beside_segment(t, {"a": t[:2]}, t),
            mc.errors.ShapeMismatch,
            r"each of the 3 times, got \{'a': \(2,\)\}",
        ),
        (lambda: figures.paths_beside_segment(t, {}, t), mc.errors.ShapeMismatch, "3 times"),
        (
            lambda: figures.barriers(["a"], torch.eye(2), torch.eye(2)),
            mc.errors.ShapeMismatch,
            "for 1 methods",
        ),
    ]
    for call, error, message in refused:
        with pytest.raises(error, match=message):
            call()
