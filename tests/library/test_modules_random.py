"""Random compositions of operations: whatever the finder returns is a symmetry."""

import random

import pytest
import torch
import torch.nn.functional as F
from families import RMSNorm, generic
from torch import nn

import mc_lib as mc
from mc_lib.modules.rules import RULES

WIDTHS = [4, 6, 8]


class Step(nn.Module):
    """One operation on (batch, time, n), with the parameters that it needs."""

    def __init__(self, kind, n, out):
        super().__init__()
        self.kind, self.n = kind, n
        self.out = n if kind not in ("linear", "glu") else out
        self.a = nn.Linear(n, 2 * out if kind == "glu" else self.out)
        self.q, self.k = nn.Linear(n, n), nn.Linear(n, n)
        self.layer_norm, self.rms_norm = nn.LayerNorm(n), RMSNorm(n)
        self.head_norm, self.gain = RMSNorm(n // 2), nn.Parameter(torch.randn(n))
        self.tied = nn.Parameter(torch.randn(n, n))
        for name in {"a", "q", "k", "layer_norm", "rms_norm", "head_norm"} - USES.get(kind, set()):
            delattr(self, name)
        for name in {"gain", "tied"} - USES.get(kind, set()):
            delattr(self, name)

    def forward(self, x, before):
        return getattr(self, f"_{self.kind}")(x, before)

    def _linear(self, x, before):
        return self.a(x)

    def _glu(self, x, before):
        u, v = self.a(x).chunk(2, -1)
        return u * v.sigmoid()

    def _activation(self, x, before):
        return (F.relu, F.gelu, torch.tanh, torch.abs)[self.n % 4](x)

    def _relu(self, x, before):
        return x.relu()

    def _skip(self, x, before):
        return x + before if before.shape == x.shape else x

    def _product(self, x, before):
        return x * before if before.shape == x.shape else x * x

    def _layer(self, x, before):
        return self.layer_norm(x)

    def _rms(self, x, before):
        return self.rms_norm(x)

    def _heads(self, x, before):
        q, k, v = (y.unflatten(-1, (2, -1)).transpose(1, 2) for y in (self.q(x), self.k(x), x))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def _eager(self, x, before):
        weights = (self.q(x) @ self.k(x).mT).softmax(-1)
        return weights @ x

    def _normed(self, x, before):
        return self.head_norm(x.unflatten(-1, (2, -1))).flatten(2)

    def _gain(self, x, before):
        return x * self.gain

    def _shift(self, x, before):
        return x + self.gain

    def _twice(self, x, before):
        return x @ self.tied @ self.tied.T

    def _halves(self, x, before):
        u, v = x.split([self.n // 2, self.n - self.n // 2], -1)
        return torch.cat([v, u], -1)

    def _turned(self, x, before):
        return x.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(2)

    def _centred(self, x, before):
        return x - x.mean(-1, keepdim=True)

    def _time(self, x, before):
        return x + x.mean(1, keepdim=True)

    def _shuffle(self, x, before):
        return x.flip(-1)


USES = {
    **{"linear": {"a"}, "glu": {"a"}, "layer": {"layer_norm"}, "rms": {"rms_norm"}},
    **{"heads": {"q", "k"}, "eager": {"q", "k"}, "normed": {"head_norm"}, "gain": {"gain"}},
    **{"shift": {"gain"}, "twice": {"tied"}},
}
KINDS = [name[1:] for name in vars(Step) if name[0] == "_" and name[1] != "_"]


class Composition(nn.Module):
    def __init__(self, seed):
        super().__init__()
        r = random.Random(seed)
        n, steps = r.choice(WIDTHS), []
        self.first = nn.Linear(3, n)
        for _ in range(r.randint(2, 8)):
            kind = r.choice([*KINDS, "linear", "linear"])
            steps.append(Step(kind, n, r.choice(WIDTHS)))
            n = steps[-1].out
        self.steps, self.last = nn.ModuleList(steps), nn.Linear(n, 2)

    def forward(self, x):
        x = before = self.first(x)
        for step in self.steps:
            x, before = step(x, before), x
        return self.last(x)


@pytest.mark.parametrize("seed", range(24))
def test_a_random_composition_never_gets_a_wrong_group(seed):
    model = generic(Composition(seed), seed)
    args = (torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(seed)),)
    found = mc.find_symmetry(model, args)
    assert not any("left out" in note for note in found.unknown), found.unknown
    checked = mc.verify(found, model, args)
    assert checked.worst < 1e-10, (checked, [step.kind for step in model.steps])


def test_a_layer_that_a_wrong_rule_allows_is_left_out_loudly(monkeypatch, generator):
    class Flipped(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x):
            return self.c(self.b(self.a(x).flip(-1).relu()).relu())

    monkeypatch.setitem(RULES, "flip", lambda f, node, x, dims: x)
    model, args = generic(Flipped()), (torch.randn(7, 3, generator=generator),)
    found = mc.find_symmetry(model, args)
    assert found.unknown and all("moved the outputs" in note for note in found.unknown)
    assert found.dimension == 5 and mc.verify(found, model, args).holds
