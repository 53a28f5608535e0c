"""Two models: aligned, connected, merged and compared by what they compute and by their weights."""

import copy

import pytest
import torch
import torch.nn.functional as F
from families import GPT, generic
from test_alignment_anchored import IDS, IMAGES, MODELS, ROWS, SIZES, case
from torch import nn

import mc_lib as mc
from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.modules.merging import recalibrate

pytestmark = pytest.mark.slow


def moved(found, model, seed=1):
    r = torch.Generator().manual_seed(seed)
    g = found.symmetry.group.sample(r, dtype=torch.float64, condition=4.0)
    return found.symmetry.act(g, found.chart.point(model))


def inputs(x, n=6):
    r = torch.Generator().manual_seed(9)
    if x.is_floating_point():
        return [torch.randn(x.shape, generator=r, dtype=x.dtype) for _ in range(n)]
    return [torch.randint(0, 7, x.shape, generator=r) for _ in range(n)]


@pytest.mark.parametrize("label", [x for x in MODELS if x != "linear"])
def test_activations_find_a_moved_copy_again(label):
    model, args, found = case(label)
    u = found.chart.point(model)
    data = inputs(args[0], 24 if label == "ResNet" else 6)
    result = mc.align(found, model, moved(found, model), by="activations", data=data)
    assert mc.distance(u, result.moved) < 1e-6 * mc.norm(u)


@pytest.mark.parametrize("label", ["ReLU", "GPT", "LLaMA", "ResNet"])
@pytest.mark.parametrize("by", ["weights", "activations"])
def test_the_moved_model_computes_the_same_function(label, by):
    model, args, found = case(label)
    other = generic(MODELS[label]()[0].double(), seed=7)
    result = mc.align(found, model, other, by=by, data=inputs(args[0]))
    after = found.chart.module(result.moved).eval()
    with torch.no_grad():  # on inputs that the alignment has not seen
        x = inputs(args[0], 7)[-1]
        assert torch.allclose(after(x), other(x), rtol=1e-9, atol=1e-9)
    w = found.symmetry.act(result.g, found.chart.point(other))
    assert mc.distance(w, result.moved) < 1e-9 * mc.norm(w)


def test_by_loss_lowers_the_loss_half_way_and_keeps_the_end():
    model, _, found = case("GPT")
    other = generic(GPT(SIZES).double(), seed=8)
    data = [(x, x.roll(1, 1)) for x in inputs(IDS)]

    def criterion(y, t):
        return F.cross_entropy(y.flatten(0, 1), t.flatten())

    options = {"data": data, "criterion": criterion}
    result = mc.align(found, model, other, by="loss", steps=30, **options)
    assert result.after < result.before
    u, loss = found.chart.point(model), mc.loss_on(found.chart, data, criterion)
    assert float(loss(mc.lerp(u, result.moved, 0.5))) == pytest.approx(result.after, rel=1e-6)
    assert float(loss(result.moved)) == pytest.approx(float(loss(found.chart.point(other))))


def test_dead_neurons_and_tied_responses_are_matched_without_nan():
    model, _, found = case("ReLU")
    model = copy.deepcopy(model)
    with torch.no_grad():
        for i in (0, 1, 2):
            model[0].bias[i] = -100.0
    u = found.chart.point(model)
    data = inputs(ROWS)
    result = mc.align(found, model, moved(found, model), by="activations", data=data)
    assert torch.isfinite(torch.cat([x.flatten() for x in result.moved.values()])).all()
    live = [i for i in range(8) if i > 2]
    assert torch.allclose(result.moved["2.weight"][:, live], u["2.weight"][:, live], atol=1e-6)


# -- paths ------------------------------------------------------------------------------------
@pytest.mark.parametrize("label", MODELS)
def test_moved_copies_are_joined_along_their_orbit(label):
    model, args, found = case(label)
    u, w = found.chart.point(model), moved(found, model)
    path = mc.connect(found, u, w)
    assert path.exact and path.losses == ()
    end = found.symmetry.act(path.g, w)
    assert mc.distance(path.curve(0.0), u) == 0
    assert mc.distance(path.curve(1.0), end) < 1e-8 * mc.norm(u)
    with torch.no_grad():
        for t in (0.3, 0.5, 0.8):
            half = found.chart.module(path.curve(t)).eval()
            assert torch.allclose(half(*args), model(*args), rtol=1e-8, atol=1e-8)


def test_models_trained_apart_are_joined_by_a_trained_curve():
    r = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, generator=r, dtype=torch.float64)
    y = (x[:, :1] * x[:, 1:]).sign()
    a, b = (_trained(x, y, seed) for seed in (1, 2))
    found = mc.find_symmetry(a, (x[:4],))
    data = [(x[:32], y[:32]), (x[32:], y[32:])]
    options = {"data": data, "criterion": F.mse_loss}
    straight = mc.barrier(
        mc.Line(found.chart.point(a), found.chart.point(b)),
        mc.loss_on(found.chart, data, F.mse_loss),
    ).excess
    path = mc.connect(found, a, b, steps=200, rate=1e-2, **options)
    assert not path.exact and len(path.losses) == 9
    assert path.barrier < 0.5 * straight
    loss = mc.loss_on(found.chart, data, F.mse_loss)
    assert path.losses[-1] == pytest.approx(float(loss(found.chart.point(b))), rel=1e-6)


def _trained(x, y, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(300):
        adam.zero_grad()
        F.mse_loss(net(x), y).backward()
        adam.step()
    return net.eval()


# -- merges -------------------------------------------------------------------------------------
@pytest.mark.parametrize("label", ["ReLU", "GPT tied", "LLaMA"])
def test_the_mean_of_moved_copies_is_the_model(label):
    model, args, found = case(label)
    others = [found.chart.module(moved(found, model, seed)) for seed in (1, 2)]
    result = mc.merge(found, [model, *others])
    with torch.no_grad():
        assert torch.allclose(result.module(*args), model(*args), rtol=1e-9, atol=1e-9)


def test_a_moved_descendant_merges_where_the_raw_mean_fails():
    r = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, generator=r, dtype=torch.float64)
    y = (x[:, :1] * x[:, 1:]).sign()
    a = _trained(x, y, 1)
    found = mc.find_symmetry(a, (x[:4],))
    child = {
        k: v + 1e-3 * torch.randn(v.shape, generator=r, dtype=v.dtype)
        for k, v in found.chart.point(a).items()
    }
    g = found.symmetry.group.sample(torch.Generator().manual_seed(3))
    b = found.chart.module(found.symmetry.act(g, child))
    relation = mc.compare(found, a, b, data=[(x, y)], criterion=F.mse_loss)
    assert relation.kind in ("copy", "descendant")
    assert relation.aligned_barrier < 0.01 * relation.barrier
    merged = mc.merge(found, [a, b], data=[(x, y)], criterion=F.mse_loss)
    assert merged.loss < max(merged.ends) * 1.1 and "mean" in str(merged)
    with torch.no_grad():
        mean = (a(x) + b(x)) / 2
    assert merged.ensemble == pytest.approx(float(F.mse_loss(mean, y)))


def test_statistics_are_measured_again_and_momentum_is_kept():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3)).double().eval()
    batches = [(x,) for x in inputs(ROWS, 3)]
    recalibrate(net, batches)
    z = torch.stack([net[0](x).detach() for (x,) in batches])
    assert torch.allclose(net[1].running_mean, z.mean(1).mean(0))
    assert torch.allclose(net[1].running_var, z.var(1).mean(0))
    assert net[1].momentum == 0.3 and not net[1].training


def test_a_mean_of_batch_norms_needs_data():
    model, _, found = case("ResNet")
    with pytest.raises(OutOfDomain, match="batch norms"):
        mc.merge(found, [model, model])
    data = inputs(IMAGES, 3)
    assert isinstance(mc.merge(found, [model, model], data=data).module, type(model))


# -- what two models are to one another ----------------------------------------------------
@pytest.mark.parametrize("label", ["ReLU", "GPT"])
def test_copies_descendants_and_strangers_are_told_apart(label):
    model, _, found = case(label)
    u, r = found.chart.point(model), torch.Generator().manual_seed(2)

    def noisy(size):
        return {
            k: x
            + size * x.square().mean().sqrt() * torch.randn(x.shape, generator=r, dtype=x.dtype)
            for k, x in u.items()
        }

    def kind(w):
        g = found.symmetry.group.sample(r, dtype=torch.float64, condition=4.0)
        raw, there = mc.compare(found, u, w), mc.compare(found, u, found.symmetry.act(g, w))
        assert raw.kind == there.kind, (raw, there)
        return there.kind

    assert kind(u) == "copy"
    assert kind(noisy(0.005)) == "copy"
    assert kind(noisy(0.1)) == "descendant"
    assert kind(found.chart.point(case(label, seed=6)[0])) == "independent"


# -- refusals -----------------------------------------------------------------------------------
def test_what_does_not_fit_is_refused_by_name():
    model, _, found = case("ReLU")
    other, _, _ = case("GPT")
    with pytest.raises(ShapeMismatch, match="another model"):
        mc.align(found, model, other)
    with pytest.raises(OutOfDomain, match="needs data"):
        mc.align(found, model, model, by="activations")
    with pytest.raises(OutOfDomain, match="no batch"):
        mc.align(found, model, model, by="activations", data=[])
    with pytest.raises(OutOfDomain, match="2 samples"):
        mc.align(found, model, model, by="activations", data=[ROWS[:1]])
    with pytest.raises(OutOfDomain, match="criterion"):
        mc.align(found, model, model, by="loss", data=[(ROWS, ROWS)])
    with pytest.raises(OutOfDomain, match='"weights"'):
        mc.align(found, model, model, by="magic")
    with pytest.raises(OutOfDomain, match="not on one orbit"):
        mc.connect(found, model, case("ReLU", seed=4)[0])
    with pytest.raises(OutOfDomain, match="two models"):
        mc.merge(found, [model])
    bad = generic(MODELS["ReLU"]()[0].double())
    with torch.no_grad():
        bad[0].weight[0, 0] = torch.nan
    with pytest.raises(NotFinite):
        mc.compare(found, model, bad)


def test_untied_weights_compute_the_same_and_have_more_symmetries():
    model, args, found = case("GPT tied")
    free = mc.modules.untied(model)
    assert torch.equal(free(*args), model(*args))
    assert mc.find_symmetry(free, args).dimension > found.dimension
    assert len(list(free.parameters())) == len(list(model.parameters())) + 1
