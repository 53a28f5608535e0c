"""Derivatives of the groups' verbs against difference quotients; none is dropped or NaN."""

import math

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from mc_lib.curves import OrbitCurve
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.groups import (
    GeneralLinear,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    log_rotation,
)
from mc_lib.groups.derivatives import sylvester
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.symmetry import Symmetry

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

KINDS = [GeneralLinear, Orthogonal, PositiveScaling, Permutation, SignedPermutation]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def quotients(f, x, step=1e-6):
    """The Jacobian by central differences, shape (outputs, inputs)."""
    columns = []
    for i in range(x.numel()):
        h = torch.zeros_like(x)
        h.view(-1)[i] = step
        columns.append((f(x + h) - f(x - h)).reshape(-1) / (2 * step))
    return torch.stack(columns, -1)


def turn(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]])


MATRICES = {
    "random": torch.linalg.matrix_exp(normal(3, 3) / 2),
    "identity": torch.eye(3),
    "equal singular values": 2 * torch.block_diag(turn(1.0), torch.eye(1)),
    "jordan block": 2 * torch.eye(3) + torch.eye(3).roll(1, 1).triu(),
    "near the cut": torch.block_diag(turn(math.pi - 0.05), torch.eye(1)),
    "ill-conditioned": torch.diag(torch.tensor([1.0, 1e-2, 20.0])) + 0.1 * torch.ones(3, 3),
}
REFLECTIONS = {
    "minus identity": -torch.eye(3),
    "reflection": torch.diag(torch.tensor([1.0, 1.0, -1.0])),
}
VERBS = {
    "log": lambda g: GeneralLinear(3).log(g),
    "orthogonal factor": lambda g: GeneralLinear(3).polar(g)[0],
    "definite factor": lambda g: GeneralLinear(3).polar(g)[1],
    "inverse": lambda g: GeneralLinear(3).inverse(g),
    "exp": lambda g: GeneralLinear(3).exp(g),
}
CASES = [
    pytest.param(VERBS[verb], g, id=f"{verb}, {name}")
    for verb in VERBS
    for name, g in (MATRICES | (REFLECTIONS if "factor" in verb else {})).items()
]


@pytest.mark.parametrize(("f", "g"), CASES)
def test_first_derivatives_are_those_of_difference_quotients(f, g):
    want = quotients(f, g)
    close = 1e-7 * max(1.0, float(want.abs().max())) ** 2
    for jacobian in (jacrev, jacfwd, lambda f: lambda x: torch.autograd.functional.jacobian(f, x)):
        assert (jacobian(f)(g).reshape(9, 9) - want).abs().max() <= close


@pytest.mark.parametrize(("f", "g"), CASES)
def test_second_derivatives_are_those_of_difference_quotients(f, g):
    def number(g):
        return f(g).sin().sum()

    want = quotients(grad(number), g, 1e-5)
    close = 1e-5 * max(1.0, float(want.abs().max())) ** 2
    assert (hessian(number)(g).reshape(9, 9) - want).abs().max() <= close
    plain = torch.autograd.functional.hessian(number, g).reshape(9, 9)
    assert (plain - want).abs().max() <= close


@pytest.mark.parametrize(("f", "g"), CASES)
def test_single_precision_derivatives_agree_with_those_of_double_precision(f, g):
    h = g.float().requires_grad_()
    f(h).sum().backward()
    want = quotients(lambda g: f(g).sum(), g).reshape(3, 3)
    assert h.grad.dtype == torch.float32
    assert (h.grad - want).norm() <= 2e-2 * max(1.0, float(want.norm()))


@pytest.mark.parametrize("verb", ["log", "orthogonal factor", "definite factor"])
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_derivatives_at_every_scale(verb, scale):
    g = (MATRICES["random"] * scale).requires_grad_()
    VERBS[verb](g).sum().backward()
    want = quotients(lambda g: VERBS[verb](g).sum(), g.detach(), 1e-5 * scale)
    want = want.reshape(3, 3)
    torch.testing.assert_close(g.grad, want, rtol=1e-6, atol=1e-6 * float(want.abs().max()))


@pytest.mark.parametrize("verb", ["log", "orthogonal factor", "definite factor"])
def test_batches_and_vmap_have_the_derivatives_of_their_entries(verb):
    f = VERBS[verb]
    g = torch.stack([MATRICES["random"], MATRICES["identity"], MATRICES["jordan block"]])
    torch.testing.assert_close(vmap(f)(g), f(g), rtol=1e-12, atol=1e-12)
    slopes = vmap(grad(lambda g: f(g).sin().sum()))(g)
    h = g.clone().requires_grad_()
    f(h).sin().sum().backward()
    torch.testing.assert_close(slopes, h.grad, rtol=1e-9, atol=1e-12)


def test_the_equation_of_sylvester_is_solved_and_differentiated():
    s = MATRICES["random"] @ MATRICES["random"].mT
    b = normal(3, 3, seed=1)
    x = sylvester(s, b)
    torch.testing.assert_close(s @ x + x @ s, b, rtol=1e-12, atol=1e-12)
    want = quotients(lambda b: sylvester(s, b), b)
    torch.testing.assert_close(jacrev(sylvester, 1)(s, b).reshape(9, 9), want, rtol=0, atol=1e-8)


# -- rotations ---------------------------------------------------------------------------
SKEW = normal(4, 4, seed=3)
ROTATIONS = {
    "identity": torch.zeros(4, 4),
    "one plane": torch.block_diag(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.zeros(2, 2)),
    "equal angles": torch.block_diag(*[torch.tensor([[0.0, -1.0], [1.0, 0.0]])] * 2),
    "random": (SKEW - SKEW.mT) / 2,
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_the_logarithm_of_a_rotation_has_derivatives_along_the_group(name):
    at, along = torch.linalg.matrix_exp(ROTATIONS[name]), normal(4, 4, seed=5)

    def f(x):  # x moves the rotation inside SO(4)
        q = torch.linalg.matrix_exp(x[0] * (along - along.mT)) @ at
        return (Orthogonal(4).log(q) * SKEW).sum()

    x = torch.zeros(1)
    want = quotients(f, x)
    torch.testing.assert_close(jacrev(f)(x), want[0], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(jvp(f, (x,), (torch.ones(1),))[1], want[0, 0], rtol=1e-7, atol=1e-7)
    bend = quotients(grad(f), x, 1e-5)
    torch.testing.assert_close(hessian(f)(x), bend, rtol=1e-5, atol=1e-5)


def test_the_logarithm_of_single_precision_rotations_has_derivatives():
    for dtype, close in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        q = torch.eye(3, dtype=dtype, requires_grad=True)
        (log_rotation(q)[0, 1] - 2 * log_rotation(q)[1, 0]).backward()
        want = torch.zeros(3, 3, dtype=dtype)  # log(I + E) = (E − Eᵀ)/2 + ...
        want[0, 1], want[1, 0] = 1.5, -1.5
        torch.testing.assert_close(q.grad, want, rtol=0, atol=close)


# -- curves and actions --------------------------------------------------------------------
def test_an_orbit_between_two_points_is_differentiable_by_the_element():
    symmetry = Symmetry.chain([Layer(GeneralLinear(3))])
    w = (normal(3, 2, seed=1), normal(2, 3, seed=2))

    def f(g):
        w1, w2 = OrbitCurve.between(symmetry, (g,), w)(torch.tensor([0.25, 0.75]))
        return w1.square().sum() + (w2 * w2.sin()).sum()

    for name in ("random", "identity", "jordan block"):
        g = MATRICES[name].clone().requires_grad_()
        f(g).backward()
        want = quotients(f, g.detach()).reshape(3, 3)
        torch.testing.assert_close(g.grad, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [GeneralLinear, Orthogonal, PositiveScaling])
def test_orbits_between_points_carry_gradients_of_every_layer(kind):
    symmetry = Symmetry.chain([Layer(kind(2))] * 2)
    w = (normal(2, 2, seed=1), normal(2, 2, seed=2), normal(2, 2, seed=3))
    entries = symmetry.group.exp([symmetry_algebra(kind, seed) for seed in (4, 5)])
    g = tuple(x.requires_grad_() for x in entries)
    sum(x.sin().sum() for x in OrbitCurve.between(symmetry, g, w)(0.5)).backward()
    for x in g:
        assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() > 1e-3


def symmetry_algebra(kind, seed):
    if kind is PositiveScaling:
        return normal(2, seed=seed)
    m = normal(2, 2, seed=seed) / 2
    return m - m.mT if kind is Orthogonal else m


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_over_the_action_is_the_batched_action(kind):
    group = kind(3)
    symmetry = Symmetry.chain([Layer(group)] * 2)
    g = group.sample(seeded(3), (5,))
    w = (normal(5, 3, 2, seed=1), normal(5, 3, 3, seed=2), normal(5, 2, 3, seed=3))
    one = tuple(x[0] for x in w)

    def act(g, w):
        return symmetry.act((g, g), w)

    for dims, h, v in (((0, 0), g, w), ((0, None), g, one), ((None, 0), g[0], w)):
        for x, y in zip(vmap(act, in_dims=dims)(h, v), act(h, v), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [GeneralLinear, PositiveScaling])
def test_derivatives_of_the_action_by_the_element(kind):
    group = kind(2)
    symmetry, w = Symmetry.chain([Layer(group)]), (normal(2, 2, seed=1), normal(2, 2, seed=2))

    def f(g):
        return torch.cat([x.sin().flatten() for x in symmetry.act((g,), w)])

    g = group.exp(symmetry_algebra(kind, 7))
    want = quotients(f, g)
    for jacobian in (jacrev, jacfwd):
        found = jacobian(f)(g).reshape(want.shape)
        torch.testing.assert_close(found, want, rtol=1e-7, atol=1e-7)
    slopes = vmap(grad(lambda g: f(g).sum()))(torch.stack([g, 2 * g]))
    torch.testing.assert_close(slopes[0].flatten(), want.sum(0), rtol=1e-7, atol=1e-7)


def test_a_module_called_with_moved_parameters_keeps_its_output():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    table = {
        "0.weight": (Into("hidden"), Fixed()),
        "0.bias": (Into("hidden"),),
        "2.weight": (Fixed(), OutOf("hidden")),
        "2.bias": (Fixed(),),
    }
    symmetry = Symmetry(table, {"hidden": Layer(PositiveScaling(3))})
    w, x = dict(module.named_parameters()), normal(4, 2)
    g = PositiveScaling(3).sample(seeded(1), (6,))

    def output(g):
        return functional_call(module, symmetry.act((g,), w), (x,))

    want = module(x)
    torch.testing.assert_close(vmap(output)(g), want.expand(6, 4, 1), rtol=1e-12, atol=1e-12)
    slopes = jacrev(output)(g[0])  # the output does not change along the group
    torch.testing.assert_close(slopes, torch.zeros_like(slopes), rtol=0, atol=1e-13)
    torch.autograd.grad(output(g[0]).sum(), module[0].weight)


# -- refusals ------------------------------------------------------------------------------
NONE = {
    "log of GL": lambda g: GeneralLinear(2).log(g),
    "log of O": lambda g: Orthogonal(2).log(g),
    "path of GL": lambda g: GeneralLinear(2).path(g)(torch.tensor(0.5)),
    "path of O": lambda g: Orthogonal(2).path(g)(torch.tensor(0.5)),
}


@pytest.mark.parametrize("name", NONE)
def test_a_derivative_that_does_not_exist_is_refused_when_asked_for(name):
    f, g = NONE[name], -torch.eye(2)  # its eigenvalues lie on the negative axis
    value = f(g.clone().requires_grad_())
    assert torch.equal(value.detach(), f(g))
    message = "has no derivative at g: an eigenvalue" if "log" in name else "detach\\(\\) them"
    for ask in (
        lambda: value.sum().backward(),
        lambda: jvp(f, (g,), (torch.ones(2, 2),)),
        lambda: jacrev(f)(g),
    ):
        with pytest.raises(OutOfDomain, match=message):
            ask()


def test_shapes_are_checked_inside_vmap():
    symmetry = Symmetry.chain([Layer(GeneralLinear(3))])
    w = (normal(3, 2), normal(2, 3))
    with pytest.raises(ShapeMismatch):
        vmap(lambda x: symmetry.act((x[:2, :2],), w))(normal(4, 3, 3))
