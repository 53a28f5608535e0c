"""Four families in their variants: the group found is the formula, and the formula the nullity.

The formulas are derived by hand, for generic parameters; they share no code with the finder. The
nullity of the Jacobian is counted on the exported graph. What it holds beyond the tangents of
the group are moves that add constants, which the formula counts too.
"""

import pytest
import torch
import torch.nn.functional as F
from families import BERT, GPT, LLaMA, ResNet, Sizes, ViT, generic

import mc_lib as mc

S = Sizes(5, 2, 1, 4, 2, 3, 7, 4, 1)
D, H, DK, DV, FF, V, T = S.width, S.heads, S.head, S.value, S.hidden, S.vocabulary, S.positions
STREAM = (D - 1) * (D - 2) // 2
HEADS = H * (DK**2 + DV**2)
READERS = 2 * H * DK + H * DV + FF


def gpt_shifts(bias):
    """The constant vector at the writers, readers along 1/γ, and what biases exchange."""
    block = H * DV + FF + READERS + (2 + 2 * D + H * (DK + DV) if bias else 0)
    return T + block


# name: model, dimension of the group found, dimension of the moves that add constants
UNTIED = V + D - 1
GPTS = {
    "GPT": (GPT(S), HEADS + 2 * D + STREAM + D, gpt_shifts(True) + UNTIED + D),
    "GPT tied": (GPT(S, tied=True), HEADS + 2 * D, gpt_shifts(True)),
    "GPT with ReLU": (
        GPT(S, activation=F.relu),
        HEADS + 2 * D + STREAM + D + FF,
        gpt_shifts(True) + UNTIED + D,
    ),
    "GPT without biases": (
        GPT(S, bias=False),
        HEADS + 2 * D + STREAM + D,
        gpt_shifts(False) + UNTIED + V,
    ),
    "GPT tied without biases": (  # 1/γ, on which γn has no component, from tokens to positions
        GPT(S, tied=True, bias=False),
        HEADS + 2 * D,
        gpt_shifts(False) + 1,
    ),
}


def llama(groups, tied=False, norm=False):
    heads = groups * DV**2 + (DK // 2 if norm else groups * DK)
    return 2 * D + heads + FF + (0 if tied else D + D * (D - 1) // 2)


GROUPED = Sizes(5, 4, 2, 4, 2, 3, 7, 4, 1)
LLAMAS = {
    "LLaMA": (LLaMA(S), llama(1), 0),
    "LLaMA interleaved": (LLaMA(S, layout="interleaved"), llama(1), 0),
    "LLaMA tied": (LLaMA(S, tied=True), llama(1, tied=True), 0),
    "LLaMA with biases": (LLaMA(S, bias=True), llama(1), 0),
    "LLaMA with QK-norm": (LLaMA(S, norm=True), llama(1, norm=True), 0),
    "LLaMA of four heads in two groups": (LLaMA(GROUPED), llama(2), 0),
}
BLOCK = H * DV + FF + 2 + 2 * D + READERS + H * (DK + DV)
BERTS = {
    "BERT": (BERT(S), HEADS + D, V + T + D - 1 + BLOCK + D + V),
    "BERT tied": (BERT(S, tied=True), HEADS, T + BLOCK + D + 1),  # 1/γ, and the head's bias
}
VARIANTS = GPTS | LLAMAS | BERTS


def tokens(n, generator):
    return (torch.randint(0, V, (n, T), generator=generator),)


@pytest.mark.parametrize("label", VARIANTS)
def test_found_is_the_formula_is_the_nullity(label, generator):
    model, dimension, shifts = VARIANTS[label]
    generic(model, 1)
    parameters = sum(x.numel() for x in model.parameters())
    args = tokens(4 * parameters // (V * T) + 1, generator)
    found = mc.find_symmetry(model, args)
    assert found.unknown == ()
    assert found.dimension == dimension
    checked = mc.verify(found, model, args)
    assert checked.holds and checked.worst < 1e-12, checked
    counted = mc.completeness(found, model, args)
    assert counted.rank == dimension and counted.outside < 1e-12
    assert counted.nullity == dimension + shifts
    assert bool(counted.surplus) == (shifts > 0)
    assert counted.gap[0] > 1e3 * counted.gap[1]
    assert all(switch == (0, 0) for switch in counted.switches.values())


def test_discrete_part_of_a_llama(generator):
    """Heads S_2 ≀ S_2, neurons, signs: π₀ of the product, with 2 for O(d) and each GL(d_v)."""
    found = mc.find_symmetry(generic(LLaMA(GROUPED)), tokens(2, generator))
    assert found.components == 2 * (2 * 2**2) * 2**2 * (6 * 2**FF) * 2 ** (3 * D)


def test_discrete_part_of_a_tied_gpt(generator):
    """S_d of the stream, S_h, two GL at each head, S_f, and a sign for each folded gain."""
    found = mc.find_symmetry(generic(GPT(S, tied=True)), tokens(2, generator))
    assert found.components == 120 * 2 * 2 ** (2 * H) * 6 * 2 ** (2 * D)


def test_a_vit_is_a_gpt_whose_stream_is_read_at_one_token(generator):
    model = generic(ViT(Sizes(5, 2, 1, 4, 2, 3, 7, 5, 1)))
    args = (torch.randn(2, 3, 4, 4, generator=generator),)
    found = mc.find_symmetry(model, args)
    assert found.unknown == () and found.dimension == HEADS + 2 * D + STREAM + D
    assert mc.verify(found, model, args).holds


def test_a_resnet_is_the_formula(generator):
    """3 per channel of a batch norm, 1 inside a block, 1 per stream, 1 per downsampling channel.

    Of the three one is linear (filter against gain); mean against bias is a shift, variance
    against gain not linear.
    """
    model = generic(ResNet((2, 3), 1))
    images = torch.randn(340, 3, 8, 8, generator=generator)
    for module in model.modules():  # statistics that fit, so that every ReLU switches
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train().momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        model(images)
    model.eval()
    found = mc.find_symmetry(model, (images,))
    norms, inner, streams, down = 2 + 2 * 2 + 3 * 3, 2 + 3, 2 + 3, 3
    assert found.unknown == () and found.dimension == norms + inner + streams
    assert mc.verify(found, model, (images,)).holds
    counted = mc.completeness(found, model, (images,))
    assert all(switch == (0, 0) for switch in counted.switches.values())
    assert counted.rank == found.dimension
    assert counted.nullity == 3 * norms + inner + streams + down
    assert found.components == 2 * 2 * 6 * 6 * 2**norms
