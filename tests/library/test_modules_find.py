"""The finder on networks chosen to trap it: never a wrong group, and the known dimension."""

import copy

import pytest
import torch
import torch.nn.functional as F
from families import generic, repeated, rotate
from torch import nn

import mc_lib as mc
from mc_lib.errors import DtypeMismatch, NotFinite, NotSymmetric, OutOfDomain, ShapeMismatch


class Of(nn.Module):
    """A module of named parameters and submodules with a function for its forward pass."""

    def __init__(self, forward, shapes=(), **modules):
        super().__init__()
        self.f = forward
        for i, shape in enumerate(shapes):
            self.register_parameter(f"p{i}", nn.Parameter(torch.empty(shape)))
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *args):
        return self.f(self, *args)


def linear(*widths):
    return [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]


def packed_heads(m, x):
    q, k, v = m.qkv(x).view(*x.shape[:2], 3, 2, 3).permute(2, 0, 3, 1, 4)
    y = F.scaled_dot_product_attention(q, k, v)
    return m.o(y.transpose(1, 2).flatten(2))


def neox_heads(m, x):
    q, k, v = m.qkv(x).view(*x.shape[:2], 2, 9).transpose(1, 2).chunk(3, -1)
    y = F.scaled_dot_product_attention(q, k, v)
    return m.o(y.transpose(1, 2).flatten(2))


def eager_heads(m, x):
    q, k, v = (f(x).view(*x.shape[:2], 2, 3).transpose(1, 2) for f in (m.q, m.k, m.v))
    scores = (q @ k.transpose(-1, -2) / 3**0.5).masked_fill(x[:, None, None, :, 0] > 9, -1e9)
    return m.o((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def biased_heads(bias):
    def forward(m, x):
        q, k, v = (f(x).view(*x.shape[:2], 2, 3).transpose(1, 2) for f in (m.q, m.k, m.v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias(m, x))
        return m.o(y.transpose(1, 2).flatten(2))

    return forward


def partial_rotary(m, x):
    q, k, v = (
        f(x).view(*x.shape[:2], n, 6).transpose(1, 2) for f, n in ((m.q, 4), (m.k, 2), (m.v, 2))
    )
    q, k = (torch.cat([rotate(y[..., :4], "half"), y[..., 4:]], -1) for y in (q, k))
    y = F.scaled_dot_product_attention(q, repeated(k, 2), repeated(v, 2))
    return m.o(y.transpose(1, 2).flatten(2))


def grouped(m, x):
    q, k, v = (
        f(x).view(*x.shape[:2], n, 3).transpose(1, 2) for f, n in ((m.q, 4), (m.k, 2), (m.v, 2))
    )
    y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    return m.o(y.transpose(1, 2).flatten(2))


def heads(**more):
    return dict(q=nn.Linear(5, 6), k=nn.Linear(5, 6), v=nn.Linear(5, 6), o=nn.Linear(6, 4), **more)


def alibi(m, x):
    return torch.arange(1.0, 3).double()[:, None, None] * torch.ones(1, x.shape[1], x.shape[1])


def shuffled(m, x):
    y = m.a(x).view(x.shape[0], 2, 3).transpose(1, 2).reshape(x.shape[0], 6)
    return m.b(y.relu())


def squeeze_excite(m, x):
    y = m.c(x)
    gate = m.u(m.d(y.mean((2, 3))).relu()).sigmoid()
    return m.o((y * gate[:, :, None, None]).flatten(1))


def dense(m, x):
    a = m.a(x).relu()
    b = m.b(torch.cat([x, a], 1)).relu()
    return m.c(torch.cat([x, a, b], 1)).mean((2, 3))


def unet(m, x):
    a = m.a(x).relu()
    return m.c(torch.cat([a, m.u(m.b(F.max_pool2d(a, 2)).relu())], 1)).mean((2, 3))


def glu(m, x):
    a, b = m.a(x).chunk(2, -1)
    return m.b(a * F.silu(b))


def in_place(m, x):
    y = m.a(x)
    z = y.view(-1, 6)
    y.add_(1.0)
    return m.b(z.tanh())


def recurrent(m, x):
    h = m.a(x)
    for _ in range(3):
        h = (m.r(h) + m.a(x)).tanh()
    return m.b(h)


def talking(m, x):
    y = m.a(x).view(*x.shape[:2], 2, 3)
    return m.b(torch.einsum("bthk,hg->btgk", y, m.p0).flatten(2))


VECTOR, SEQUENCE, IMAGE = (4, 5), (2, 4, 5), (2, 3, 8, 8)
GL2 = 2 * 9  # GL(3) at each of two heads
# name: the module, the shape of its input, its dimension (None: not known, only never wrong)
NETS = {
    "MLP": (nn.Sequential(*linear(5, 8), nn.ReLU(), *linear(8, 3)), VECTOR, 8),
    "deep linear": (nn.Sequential(*linear(5, 4, 6, 3)), VECTOR, 16 + 36),
    "PReLU": (nn.Sequential(nn.Linear(5, 6), nn.PReLU(6), nn.Linear(6, 2)), VECTOR, 6),
    "leaky ReLU, GELU, tanh": (
        nn.Sequential(
            *(nn.Linear(5, 4), nn.LeakyReLU(), nn.Linear(4, 4), nn.GELU()),
            *(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)),
        ),
        VECTOR,
        4,
    ),
    "width 1": (nn.Sequential(*linear(5, 1), nn.ReLU(), *linear(1, 3)), VECTOR, None),
    "conv, flatten": (
        nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)),
        IMAGE,
        4,
    ),
    "depthwise conv": (
        nn.Sequential(
            *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU()),
            *(nn.Conv2d(4, 2, 1), nn.Flatten(), nn.Linear(32, 2)),
        ),
        IMAGE,
        4 + 4 + 2 * 2,  # before the pointwise one; GL(2) between it and the head
    ),
    "grouped conv": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.ReLU()),
        IMAGE,
        None,
    ),
    "transposed conv": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 2, 3)),
        IMAGE,
        4,
    ),
    "DenseNet": (
        Of(dense, a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(7, 2, 1), c=nn.Conv2d(9, 2, 1)),
        IMAGE,
        4 + 2,
    ),
    "U-Net": (
        Of(
            unet,
            **{"a": nn.Conv2d(3, 4, 1), "b": nn.Conv2d(4, 6, 3, padding=1)},
            **{"u": nn.ConvTranspose2d(6, 2, 2, 2), "c": nn.Conv2d(6, 2, 1)},
        ),
        IMAGE,
        4 + 6 + 2 * 2,
    ),
    "squeeze-excite": (
        Of(
            squeeze_excite,
            **{"c": nn.Conv2d(3, 4, 3, bias=False), "d": nn.Linear(4, 3), "u": nn.Linear(3, 4)},
            o=nn.Linear(144, 2),
        ),
        IMAGE,
        4 + 3,
    ),
    "GroupNorm": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 2, 3)),
        IMAGE,
        None,
    ),
    "packed heads": (Of(packed_heads, qkv=nn.Linear(5, 18), o=nn.Linear(6, 4)), SEQUENCE, 2 * GL2),
    "NeoX heads": (Of(neox_heads, qkv=nn.Linear(5, 18), o=nn.Linear(6, 4)), SEQUENCE, 2 * GL2),
    "eager heads": (Of(eager_heads, **heads()), SEQUENCE, 2 * GL2),
    "ALiBi": (Of(biased_heads(alibi), **heads()), SEQUENCE, 2 * GL2),
    "relative bias": (
        Of(biased_heads(lambda m, x: m.p0[:, :4, :4]), [(2, 5, 5)], **heads()),
        SEQUENCE,
        2 * GL2,
    ),
    "partial rotary": (
        Of(
            partial_rotary,
            **{"q": nn.Linear(5, 24), "k": nn.Linear(5, 12), "v": nn.Linear(5, 12)},
            o=nn.Linear(24, 4),
        ),
        SEQUENCE,
        2 * (4 + 4) + 2 * 36,  # rot + (d_k − rot)² and d_v² for each of two groups
    ),
    "grouped queries": (
        Of(
            grouped,
            **{"q": nn.Linear(5, 12), "k": nn.Linear(5, 6), "v": nn.Linear(5, 6)},
            o=nn.Linear(12, 4),
        ),
        SEQUENCE,
        2 * GL2,
    ),
    "encoder layer": (nn.TransformerEncoderLayer(6, 2, 7, batch_first=True), (2, 4, 6), 4 * 9 + 7),
    "encoder": (
        nn.TransformerEncoder(
            nn.TransformerEncoderLayer(6, 2, 7, batch_first=True, norm_first=True),
            2,
            enable_nested_tensor=False,
        ),
        (2, 4, 6),
        2 * (4 * 9 + 7 + 12),
    ),
    "GLU": (Of(glu, a=nn.Linear(5, 12), b=nn.Linear(6, 2)), VECTOR, 6),
    "mean over neurons": (Of(lambda m, x: m.a(x).relu().mean(-1), a=nn.Linear(5, 6)), VECTOR, 0),
    "shared LayerNorm on heads, then linear": (
        Of(
            lambda m, x: m.b(m.n(m.a(x).view(-1, 2, 3)).flatten(1)),
            **{"a": nn.Linear(5, 6), "n": nn.LayerNorm(3), "b": nn.Linear(6, 4)},
        ),
        VECTOR,
        None,
    ),
    "channel shuffle": (Of(shuffled, a=nn.Linear(5, 6), b=nn.Linear(6, 2)), VECTOR, 3),  # of 6
    "talking heads": (Of(talking, [(2, 2)], a=nn.Linear(5, 6), b=nn.Linear(6, 2)), SEQUENCE, None),
    "recurrent": (
        Of(recurrent, a=nn.Linear(5, 4), r=nn.Linear(4, 4), b=nn.Linear(4, 2)),
        VECTOR,
        0,
    ),
    "alias changed in place": (Of(in_place, a=nn.Linear(5, 6), b=nn.Linear(6, 2)), VECTOR, 0),
    "self outer product": (
        Of(
            lambda m, x: m.b((m.a(x)[:, :, None] * m.a(x)[:, None]).flatten(1)),
            **{"a": nn.Linear(5, 3), "b": nn.Linear(9, 2)},
        ),
        VECTOR,
        3,
    ),
    "Gram matrix": (
        Of(lambda m, x: m.b((m.a(x).mT @ m.a(x)).flatten(1)), a=nn.Linear(5, 3), b=nn.Linear(9, 2)),
        SEQUENCE,
        None,
    ),
    "W Wᵀ": (Of(lambda m, x: x @ m.p0 @ m.p0.T @ m.p1, [(5, 4), (5, 2)]), VECTOR, 6),
    "R + Rᵀ": (
        Of(lambda m, x: (x @ m.p0) @ (m.p1 + m.p1.T) @ m.p0.T, [(5, 4), (4, 4)]),
        VECTOR,
        None,
    ),
    "GELU of a weight": (Of(lambda m, x: x @ F.gelu(m.p0) @ m.p1, [(5, 4), (4, 2)]), VECTOR, 0),
    "outer GELU": (
        Of(lambda m, x: F.gelu(m.p0[:, None] * m.p1[None]).sum() * x, [(4,), (3,)]),
        VECTOR,
        None,
    ),
    "distances": (
        Of(
            lambda m, x: m.a((x[:, None] - m.p0).pow(2).sum(-1).neg().exp()),
            [(6, 5)],
            a=nn.Linear(6, 2),
        ),
        VECTOR,
        0,
    ),
    "skip around shuffled": (
        Of(
            lambda m, x: m.b((y := m.a(x)) + y.view(-1, 3, 2).mT.flatten(1)),
            a=nn.Linear(5, 6),
            b=nn.Linear(6, 2),
        ),
        VECTOR,
        None,
    ),
    "an operation without a rule": (
        Of(lambda m, x: m.b(m.a(x).cumsum(-1)), a=nn.Linear(5, 4), b=nn.Linear(4, 3)),
        VECTOR,
        0,
    ),
    "an unused parameter": (Of(lambda m, x: m.a(x), [(3, 3)], a=nn.Linear(5, 4)), VECTOR, 0),
}


@pytest.mark.parametrize("label", NETS)
def test_never_a_wrong_group(label, generator):
    model, shape, dimension = NETS[label]
    generic(model)
    args = (torch.randn(shape, generator=generator),)
    found = mc.find_symmetry(model, args)
    checked = mc.verify(found, model, args)
    assert checked.worst < 1e-11, checked
    if dimension is not None:
        assert found.dimension == dimension
        assert checked.holds or not checked.layers
    w = found.chart.point(model)
    again = found.chart.tensors(w)
    for name, x in model.named_parameters():
        torch.testing.assert_close(again[name], x.detach(), rtol=1e-14, atol=1e-14)


def test_what_is_fixed_is_listed_with_its_operation(generator):
    model, shape, _ = NETS["an operation without a rule"]
    found = mc.find_symmetry(generic(model), (torch.randn(shape, generator=generator),))
    assert found.unknown == ("cumsum",)
    reasons = {(x.weight, x.axis): x.operation for x in found.fixed}
    assert reasons["a.weight", 0] == "cumsum" and reasons["a.weight", 1] == "linear"
    assert reasons["b.weight", 0] == "output"
    model, shape, _ = NETS["an unused parameter"]
    found = mc.find_symmetry(generic(model), (torch.randn(shape, generator=generator),))
    assert ("p0", 0, "used by no operation") in {
        (x.weight, x.axis, x.operation) for x in found.fixed
    }
    assert "dimension 0" in str(found)


def test_the_model_is_never_changed_and_the_module_is_the_moved_one(generator):
    model = generic(nn.Sequential(*linear(5, 4), nn.ReLU(), nn.Dropout(0.5), *linear(4, 3))).train()
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(4, 5, generator=generator)
    found = mc.find_symmetry(model, (x,))
    w = found.chart.point(model)
    v = found.symmetry.act(found.symmetry.group.sample(generator), w)
    moved = found.chart.module(v)
    mc.verify(found, model, (x,))
    assert model.training and all(torch.equal(before[k], y) for k, y in model.state_dict().items())
    assert not torch.equal(moved.state_dict()["0.weight"], before["0.weight"])
    torch.testing.assert_close(moved.eval()(x), model.eval()(x))
    line = mc.Line(w, v)
    assert mc.distance(line(1.0), v) == 0 and mc.distance(w, v) > 0


def test_float32_beside_its_rounding(generator):
    model = generic(nn.Sequential(*linear(5, 8), nn.ReLU(), *linear(8, 3))).float()
    x = torch.randn(4, 5, generator=generator, dtype=torch.float32)
    found = mc.find_symmetry(model, (x,))
    checked = mc.verify(found, model, (x,))
    assert checked.worst < 1e-12 and 1e-9 < checked.own < 30 * checked.rounding


def test_one_position_makes_the_control_inert(generator):
    model = generic(Of(packed_heads, qkv=nn.Linear(5, 18), o=nn.Linear(6, 4)))
    args = (torch.randn(2, 1, 5, generator=generator),)
    found = mc.find_symmetry(model, args)
    checked = mc.verify(found, model, args)
    assert checked.worst < 1e-11 and checked.inert and not checked.holds


def branch(m, x):
    return m.a(x) if x.sum() > 0 else -m.a(x)


HALF = nn.Linear(5, 3).half()
BAD = {
    "no module": (lambda x: x, (torch.ones(2, 5),), TypeError),
    "inputs that are no tuple": (nn.Linear(5, 3), torch.ones(2, 5), TypeError),
    "flow that depends on data": (Of(branch, a=nn.Linear(5, 3)), (torch.ones(2, 5),), NotSymmetric),
    "inputs that do not fit": (nn.Linear(5, 3), (torch.ones(2, 4),), NotSymmetric),
    "half precision": (HALF, (torch.ones(2, 5).half(),), DtypeMismatch),
    "meta": (nn.Linear(5, 3, device="meta"), (torch.ones(2, 5),), DtypeMismatch),
    "no parameters": (nn.ReLU(), (torch.ones(2, 5),), OutOfDomain),
}


@pytest.mark.parametrize("label", BAD)
def test_bad_models_are_named(label):
    model, args, error = BAD[label]
    with pytest.raises(error):
        mc.find_symmetry(model, args)


def test_bad_points_and_certificates_are_named(generator):
    net, x = generic(nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 3))), torch.randn(2, 5)
    found = mc.find_symmetry(net, (x,))
    w = found.chart.point(net)
    with pytest.raises(ShapeMismatch, match="chart of another model"):
        found.chart.point(nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 4)))
    with pytest.raises(ShapeMismatch, match="none of this chart"):
        found.chart.module({"0.weight": torch.ones(5)})
    with pytest.raises(OutOfDomain, match="has an entry 0"):
        found.chart.module({k: x * (k != "0.weight") for k, x in w.items()})
    with pytest.raises(OutOfDomain, match="give more inputs"):
        mc.completeness(found, net, (x,))
    with pytest.raises(NotFinite):
        mc.verify(found, net, (x * torch.nan,))
    with pytest.raises(TypeError):
        mc.verify(net, net, (x,))
    with pytest.raises(NotSymmetric, match="alignment"):
        mc.align(found.symmetry, w, w)
