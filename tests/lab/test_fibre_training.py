"""Fixed outputs: the nearest point of the fibre, and training that never leaves it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.fibre_training import FixedOutputs
from lab.training import train


def make(seed, widths=(8,), q=4, slope=0.4, dtype=torch.float64, only_last=False):
    """A network on new data that keeps what it gives to q old inputs at the weights w."""
    generator = torch.Generator().manual_seed(seed)
    x, new = (torch.randn(3, k, generator=generator, dtype=dtype) for k in (q, 8))
    labels = [torch.randint(0, 2, (k,), generator=generator) for k in (q, 8)]
    old = mc.Classifier.of_labels(x, labels[0], 2, widths, slope)
    w = old.random(generator, gain=2.0)
    w = tuple(a + 0.1 * torch.randn(a.shape, generator=generator, dtype=dtype) for a in w)
    target = mc.Classifier.of_labels(new, labels[1], 2, widths, slope)
    net = FixedOutputs.at(old, w, only_last=only_last).on(target.X, target.Y)
    return net, old, w, generator


def features(old, w):
    """The last hidden activations with a row of ones, layer by layer."""
    a, last = old.X, old.depth - 1
    for i in range(last):
        z = w[i] @ a + w[old.depth + i][:, None]
        a = torch.where(z > 0, z, old.slope * z)
    return torch.cat([a, torch.ones_like(a[:1])])


@given(st.integers(0, 10**6), st.sampled_from([(8,), (5, 9), (6, 6, 8)]))
def test_the_projected_point_gives_the_scores_and_is_the_nearest_that_does(seed, widths):
    net, old, w, generator = make(seed, widths)
    other = old.random(generator)
    p = net.project(other)
    torch.testing.assert_close(old.output(p), old.output(w), atol=1e-8, rtol=0)
    last, bias = old.depth - 1, 2 * old.depth - 1
    for i, (a, b) in enumerate(zip(p, other, strict=True)):
        assert i in (last, bias) or torch.equal(a, b)
    h = features(old, other)
    z0 = torch.cat([other[last], other[bias][:, None]], 1)
    nearest = z0 + (old.output(w) - z0 @ h) @ torch.linalg.pinv(h)
    found = torch.cat([p[last], p[bias][:, None]], 1)
    torch.testing.assert_close(found, nearest, atol=1e-6, rtol=1e-6)


def test_points_of_the_fibre_stay_where_they_are(dtype):
    net, _, w, _ = make(1, dtype=dtype)
    assert mc.distance(net.project(w), w) < (1e-12 if dtype == torch.float64 else 1e-4)


def test_a_batch_is_projected_one_by_one():
    net, old, _, generator = make(2)
    many = old.random(generator, (2, 3))
    together = net.project(many)
    alone = net.project(tuple(x[1, 2] for x in many))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1, 2], b)


def test_output_loss_and_accuracy_are_those_of_the_projected_point():
    net, old, _, generator = make(3)
    other, plain = old.random(generator), old.on(net.X, net.Y)
    p = net.project(other)
    torch.testing.assert_close(net.output(other), plain.output(p))
    torch.testing.assert_close(net.loss(other), plain.loss(p))
    torch.testing.assert_close(net.accuracy(other), plain.accuracy(p))


@pytest.mark.parametrize("only_last", [False, True])
def test_training_lowers_the_new_loss_and_leaves_the_old_scores(only_last):
    net, old, w, _ = make(4, (12,), only_last=only_last)
    found = train(net, w, steps=100, rate=0.01, momentum=0.5)
    v = net.project(found.w)
    assert found.losses[-1] < 0.9 * found.losses[0]
    torch.testing.assert_close(old.output(v), old.output(w), atol=1e-10, rtol=0)
    assert torch.equal(v[0], w[0]) == only_last
    free = train(old.on(net.X, net.Y), w, steps=100, rate=0.01, momentum=0.5).w
    assert (old.output(free) - old.output(w)).abs().max() > 1e-2


def test_permutations_commute_with_the_projection_and_scalings_do_not():
    net, old, _, generator = make(5)
    other = old.random(generator)
    g = net.symmetry.group.sample(generator)
    moved = net.project(net.symmetry.act(g, other))
    assert mc.distance(moved, net.symmetry.act(g, net.project(other))) < 1e-9
    c = old.symmetry.group.sample(generator)
    moved = net.project(old.symmetry.act(c, other))
    assert mc.distance(moved, old.symmetry.act(c, net.project(other))) > 1e-3


@given(st.integers(0, 10**6))
def test_novelty_is_the_relative_distance_from_the_span(seed):
    net, old, w, _ = make(seed)
    h, phi = features(old, w), features(old.on(net.X, net.Y), w)
    rest = phi - h @ torch.linalg.lstsq(h, phi, driver="gelsd").solution
    want = rest.norm(dim=0) / phi.norm(dim=0)
    torch.testing.assert_close(net.novelty(w), want, atol=1e-7, rtol=1e-6)
    assert float(net.on(old.X, old.Y).novelty(w).max()) < 1e-12


def test_novelty_counts_the_span_alone_where_features_repeat():
    net, old, w, _ = make(7)
    twice = old.subset(torch.tensor([0, 1, 2, 3, 0, 1]))
    same = FixedOutputs.at(twice, w).on(net.X, net.Y)
    torch.testing.assert_close(same.novelty(w), net.novelty(w))


def test_novelty_bounds_how_far_the_last_layer_moves_other_scores():
    net, old, w, generator = make(6, (12,), only_last=True)
    step = [0 * x for x in w]
    step[1], step[3] = (torch.randn(w[i].shape, generator=generator).double() for i in (1, 3))
    v = net.project(tuple(a + b for a, b in zip(w, step, strict=True)))
    n = torch.cat([v[1] - w[1], (v[3] - w[3])[:, None]], 1)
    plain = old.on(net.X, net.Y)
    moved = (plain.output(v) - plain.output(w)).norm(dim=0)
    bound = torch.linalg.matrix_norm(n, 2) * net.novelty(w) * features(plain, w).norm(dim=0)
    assert (moved <= bound * (1 + 1e-9)).all()
    assert (moved > 0.05 * bound).any()


@pytest.mark.bad_input
def test_more_memory_than_neurons_is_refused():
    make(0, (6,), q=7)
    with pytest.raises(mc.errors.RankDeficient, match=r"h \+ 1 = 7 inputs, got q = 8"):
        make(0, (6,), q=8)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda net: {"memory": net.memory[:2]}, "expected memory", id="fewer inputs"),
        pytest.param(
            lambda net: {"scores": net.scores[:, :3]}, "expected memory", id="fewer scores"
        ),
        pytest.param(lambda net: {"scores": net.scores[0]}, "are matrices", id="a vector"),
    ],
)
def test_memory_that_does_not_fit_is_refused(change, message):
    net, _, _, _ = make(0)
    given = {"memory": net.memory, "scores": net.scores} | change(net)
    with pytest.raises(mc.errors.ShapeMismatch, match=message):
        FixedOutputs(net.X, net.Y, net.widths, **given)


@pytest.mark.bad_input
def test_a_batch_of_networks_has_no_fibre():
    _, old, w, _ = make(0)
    with pytest.raises(mc.errors.ShapeMismatch, match="one network, got a batch"):
        FixedOutputs.at(old, tuple(x[None] for x in w))


@pytest.mark.bad_input
def test_equal_inputs_cannot_keep_different_scores():
    net, _, w, _ = make(0)
    memory = net.memory[:, [0, 0, 1]]
    kept = FixedOutputs(
        net.X, net.Y, net.widths, memory=memory, scores=torch.eye(2, 3, dtype=torch.float64)
    )
    with pytest.raises(mc.errors.RankDeficient, match="3 remembered inputs lost full column rank"):
        kept.project(w)
