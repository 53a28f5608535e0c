"""Alignment of layers over layers: planted elements found again, from orbits' shortest points."""

from functools import cache

import pytest
import torch
from families import BERT, GPT, LLaMA, ResNet, Sizes, ViT, generic
from torch import nn

import mc_lib as mc
from mc_lib.alignment.anchored import Anchored, align_anchored
from mc_lib.alignment.balance import balance

pytestmark = pytest.mark.slow
SIZES = Sizes(width=8, heads=4, groups=2, head=4, value=3, hidden=9, vocabulary=7, blocks=1)
IDS = torch.arange(10).reshape(2, 5) % 7
IMAGES = torch.linspace(-1, 1, 2 * 3 * 16, dtype=torch.float64).reshape(2, 3, 4, 4).sin()
ROWS = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)


def plain(activation):
    return nn.Sequential(nn.Linear(3, 8), activation, nn.Linear(8, 7), activation, nn.Linear(7, 2))


MODELS = {
    "ReLU": lambda: (plain(nn.ReLU()), ROWS),
    "tanh": lambda: (plain(nn.Tanh()), ROWS),
    "GELU": lambda: (plain(nn.GELU()), ROWS),
    "linear": lambda: (nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 5)), ROWS),
    "GPT": lambda: (GPT(SIZES), IDS),
    "GPT tied": lambda: (GPT(SIZES, tied=True), IDS),
    "LLaMA": lambda: (LLaMA(SIZES), IDS),
    "LLaMA interleaved": lambda: (LLaMA(SIZES, layout="interleaved"), IDS),
    "LLaMA with norms of q and k": lambda: (LLaMA(SIZES, norm=True), IDS),
    "LLaMA tied": lambda: (LLaMA(SIZES, tied=True), IDS),
    "BERT": lambda: (BERT(SIZES), IDS),
    "ViT": lambda: (ViT(SIZES), IMAGES),
    "ResNet": lambda: (ResNet((3, 4), 1), IMAGES),
}


@cache
def case(label, seed=0):
    """A model in general position, its inputs and its symmetry; tests leave them as they are."""
    model, x = MODELS[label]()
    model = generic(model.double(), seed)
    return model, (x,), mc.find_symmetry(model, (x,))


@pytest.mark.parametrize("label", MODELS)
def test_a_planted_element_of_the_whole_group_is_undone(label):
    model, _, found = case(label)
    u = found.chart.point(model)
    for seed in (1, 2):
        r = torch.Generator().manual_seed(seed)
        g = found.symmetry.group.sample(r, dtype=torch.float64, condition=10.0)
        w = found.symmetry.act(g, u)
        assert mc.distance(u, w) > 0.5 * mc.norm(u)
        result = align_anchored(found.symmetry, u, w)
        assert mc.distance(u, result.moved) < 1e-10 * mc.norm(u)
        assert result.rounds <= 4


@pytest.mark.parametrize("label", ["ReLU", "GPT", "LLaMA", "BERT", "ResNet"])
def test_in_single_precision_it_is_undone_to_its_rounding(label):
    model, x = MODELS[label]()
    model = generic(model).float()
    found = mc.find_symmetry(model, (x.float() if x.is_floating_point() else x,))
    u = found.chart.point(model)
    g = found.symmetry.group.sample(torch.Generator().manual_seed(1), dtype=torch.float32)
    result = align_anchored(found.symmetry, u, found.symmetry.act(g, u))
    assert mc.distance(u, result.moved) < 1e-4 * mc.norm(u)


@pytest.mark.parametrize("label", ["ReLU", "GPT", "LLaMA", "BERT"])
@pytest.mark.parametrize("noise", [1e-6, 1e-3, 0.1])
def test_noise_leaves_a_distance_of_at_most_three_times_the_noise(label, noise):
    model, _, found = case(label)
    u = found.chart.point(model)
    r = torch.Generator().manual_seed(3)
    noisy = {
        k: x
        + noise
        * x.std(correction=0).nan_to_num()
        * torch.randn(x.shape, generator=r, dtype=x.dtype)
        for k, x in u.items()
    }
    sigma = mc.distance(u, noisy)
    w = found.symmetry.act(
        found.symmetry.group.sample(r, dtype=torch.float64, condition=4.0), noisy
    )
    assert mc.distance(u, align_anchored(found.symmetry, u, w).moved) < 3 * sigma


@pytest.mark.parametrize("label", ["GPT", "BERT", "ViT"])
def test_the_objective_never_rises_between_models_trained_apart(label):
    model, _, found = case(label)
    w = found.chart.point(case(label, seed=5)[0])
    values = align_anchored(found.symmetry, found.chart.point(model), w).objectives
    assert all(b <= a * (1 + 1e-12) for a, b in zip(values, values[1:], strict=False))
    assert values[-1] < 0.9 * values[0]


def test_a_permuted_stream_is_found_from_its_vectors_and_not_from_the_identity():
    """Where gains, biases and embeddings are small beside the matrices, as after training."""
    sizes = Sizes(24, 4, 4, 6, 6, hidden=96, vocabulary=2, positions=4, blocks=1)
    model = generic(BERT(sizes).double())
    with torch.no_grad():
        for name, x in model.named_parameters():
            if x.ndim == 1 or name.split(".")[0] in ("tokens", "positions", "head"):
                gain = name.split(".")[-2] in ("n1", "n2", "norm") and "weight" in name
                x.copy_(gain + 0.1 * x)
    found = mc.find_symmetry(model, (IDS[:, :4] % 2,))
    u = found.chart.point(model)
    w = found.symmetry.act(found.symmetry.group.sample(torch.Generator().manual_seed(1)), u)
    short, start = (balance(found.symmetry, x)[1] for x in (u, w))
    state = Anchored(found.symmetry, short, dict(start))
    for _ in range(30):
        state.sweep()
    left = sum(float((short[k] - state.w[k]).square().sum()) for k in short) ** 0.5
    assert left > 0.5 * mc.norm(short)
    assert mc.distance(u, align_anchored(found.symmetry, u, w).moved) < 1e-10 * mc.norm(u)


# -- the shortest point -------------------------------------------------------------------
@pytest.mark.parametrize("label", MODELS)
def test_all_points_of_an_orbit_have_the_same_least_norm(label):
    model, _, found = case(label)
    u = found.chart.point(model)
    b, short = balance(found.symmetry, u)
    r = torch.Generator().manual_seed(4)
    g = found.symmetry.group.sample(r, dtype=torch.float64, condition=5.0)
    other = balance(found.symmetry, found.symmetry.act(g, u))[1]
    assert mc.norm(short) == pytest.approx(float(mc.norm(other)), rel=1e-10)
    back = found.symmetry.act(found.symmetry.group.inverse(b), short)
    assert mc.distance(back, u) < 1e-12 * mc.norm(u)


@pytest.mark.parametrize("label", ["ReLU", "GPT", "LLaMA"])
def test_nothing_near_on_the_orbit_is_shorter(label):
    model, _, found = case(label)
    short = balance(found.symmetry, found.chart.point(model))[1]
    gains = {fold.gain for fold in found.chart.folds}  # seen by nothing: put to 1, not to 0

    def length(w):
        return sum(float(x.square().sum()) for k, x in w.items() if k not in gains)

    group = found.symmetry.group
    r = torch.Generator().manual_seed(6)
    for _ in range(20):
        m = tuple(
            None
            if factor.dimension == 0
            else 1e-3
            * torch.randn(
                (*group.sizes(i), *factor.element_shape), generator=r, dtype=torch.float64
            )
            for i, factor in enumerate(group.factors)
        )
        m = tuple(
            x if x is None or not hasattr(f, "_require_skew") else _skew(f, x)
            for f, x in zip(group.factors, m, strict=True)
        )
        assert length(found.symmetry.act(group.exp(m), short)) > length(short) * (1 - 1e-12)


def _skew(factor, x):
    x = (x - x.mT) / 2
    if isinstance(factor, mc.groups.CentredOrthogonal):
        centre = torch.eye(factor.n, dtype=x.dtype) - 1 / factor.n
        return centre @ x @ centre
    return x
