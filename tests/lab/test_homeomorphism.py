"""The homeomorphism (10) of a square linear network, and the sheets of the 1 × 1 one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.homeomorphism import from_group, sheets, to_group
from mc_lib.errors import (
    DtypeMismatch,
    NotAMinimum,
    NotInGroup,
    OutOfDomain,
    RankDeficient,
    ShapeMismatch,
)
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.minima import component, sample
from mc_lib.networks import DeepLinear

EYE = torch.eye(2, dtype=torch.float64)
EQUAL = {torch.float32: 1e-4, torch.float64: 1e-11}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def square(depth, width, seed=0, dtype=torch.float64):
    x, y = GeneralLinear(width).sample(seeded(seed), (2,), condition=3.0, dtype=dtype)
    return DeepLinear(x, y, (width,) * (depth - 1))


def relative_loss(net, w):
    """Written out in numpy, one weight at a time."""
    out = net.X.numpy()
    for x in w:
        out = x.numpy() @ out
    return float(((net.Y.numpy() - out) ** 2).sum() / (net.Y.numpy() ** 2).sum())


# -- the homeomorphism (10) ----------------------------------------------------
@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 32])
def test_the_homeomorphism_lands_on_the_minimum(depth, width):
    net = square(depth, width)
    g = net.symmetry.group.sample(seeded(1), condition=3.0)
    w = from_group(net, g)
    assert [tuple(x.shape) for x in w] == [(width, width)] * depth
    assert relative_loss(net, w) < 1e-24


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 99), st.booleans())
def test_it_is_the_formula_and_its_inverse_is_the_formula(depth, width, seed, single):
    dtype = torch.float32 if single else torch.float64
    net = square(depth, width, seed, dtype)
    g = net.symmetry.group.sample(seeded(seed + 1), condition=3.0, dtype=dtype)
    w = from_group(net, g)
    last = net.Y
    for x in g:
        last = last @ torch.linalg.inv(x)
    naive = (g[0] @ torch.linalg.inv(net.X), *g[1:], last)
    for a, b in zip(w, naive, strict=True):
        torch.testing.assert_close(a, b, rtol=10 * EQUAL[dtype], atol=10 * EQUAL[dtype])
    for a, b in zip(to_group(net, w), g, strict=True):
        torch.testing.assert_close(a, b, rtol=EQUAL[dtype], atol=EQUAL[dtype])


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 99))
def test_the_homeomorphism_inverts_its_inverse(depth, width, seed):
    net = square(depth, width, seed)
    w = sample(net, seeded(seed), condition=3.0)
    for a, b in zip(from_group(net, to_group(net, w)), w, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 99))
def test_the_homeomorphism_turns_the_action_into_a_twisted_product(depth, width, seed):
    """c·f(g) = f(c_1 g_1, c_2 g_2 c_1⁻¹, ..., c_{l-1} g_{l-1} c_{l-2}⁻¹)."""
    net = square(depth, width, seed)
    c, g = (net.symmetry.group.sample(seeded(seed + i), condition=3.0) for i in (1, 2))
    before = (torch.eye(width, dtype=torch.float64), *map(torch.linalg.inv, c))
    twisted = tuple(a @ x @ b for a, x, b in zip(c, g, before, strict=False))
    moved = net.symmetry.act(c, from_group(net, g))
    for a, b in zip(moved, from_group(net, twisted), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_the_homeomorphism_works_on_batches(dtype):
    net = square(3, 2, dtype=dtype)
    g = net.symmetry.group.sample(seeded(), (4, 5), dtype=dtype)
    w = from_group(net, g)
    assert [x.shape for x in w] == [(4, 5, 2, 2)] * 3
    assert all(x.dtype == dtype for x in w)
    one = from_group(net, tuple(x[3, 1] for x in g))
    torch.testing.assert_close(w[2][3, 1], one[2])
    assert to_group(net, w)[0].shape == (4, 5, 2, 2)


# -- sheets --------------------------------------------------------------------
def test_sheets_cover_every_component_on_a_logarithmic_grid(dtype):
    two, six = (torch.tensor([[c]], dtype=dtype) for c in (2.0, 6.0))
    net = DeepLinear(two, six, (1, 1))
    w, signs = sheets(net, 3.0, 5)
    assert [x.shape for x in w] == [(4, 5, 5, 1, 1)] * 3
    assert all(x.dtype == dtype for x in w)
    assert signs.tolist() == [[1, 1], [1, -1], [-1, -1], [-1, 1]]
    assert (component(net, w) == signs[:, None, None]).all()
    torch.testing.assert_close(
        (w[0] * two)[0, :, 0, 0, 0],  # g_1 = W_1 X
        torch.tensor([3.0**e for e in (-1, -0.5, 0, 0.5, 1)], dtype=dtype),
    )
    grid = w[1][0, 0].flatten()  # W_2 = g_2 runs over the same values, with both signs
    assert torch.equal(grid, (w[0] * two)[0, :, 0].flatten())
    assert torch.equal(w[1][:, 0].reshape(4, 5), torch.stack([grid, -grid, grid, -grid]))
    torch.testing.assert_close(w[2] * w[1] * w[0] * two, six.expand(4, 5, 5, 1, 1))


def test_sheets_of_two_layers_are_the_two_branches_of_the_hyperbola():
    one = torch.ones(1, 1, dtype=torch.float64)
    w, signs = sheets(DeepLinear(one, one, (1,)), 2.0, 2)
    assert signs.tolist() == [[1], [-1]]
    torch.testing.assert_close(
        torch.stack([x.reshape(2, 2) for x in w]).tolist(),
        [[[0.5, 2.0], [-0.5, -2.0]], [[2.0, 0.5], [-2.0, -0.5]]],
    )


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_a_point_off_the_minimum_has_no_group_element():
    net = DeepLinear(EYE, 2 * EYE, (2,))  # ‖Y‖² = 8
    with pytest.raises(NotAMinimum) as error:
        to_group(net, (EYE, torch.stack([2 * EYE, EYE])))
    assert str(error.value) == "loss 2 is above 8e-16 = 1e-16 ‖Y‖²: not on the minimum"


@pytest.mark.bad_input
@pytest.mark.parametrize("verb", [from_group, to_group])
@pytest.mark.parametrize(
    ("n", "width", "m", "k"),
    [
        pytest.param(2, 2, 2, 3, id="more columns"),
        pytest.param(2, 3, 2, 2, id="wide"),
        pytest.param(2, 2, 3, 2, id="more outputs"),
    ],
)
def test_the_homeomorphism_needs_a_square_network(verb, n, width, m, k):
    target, x = (torch.randn(*s, generator=seeded()) for s in ((m, n), (n, k)))
    net = DeepLinear(x, target @ x, (width,))
    shapes = rf"X \({n}, {k}\), Y .*, widths \({width},\)"
    with pytest.raises(ShapeMismatch, match=shapes):
        verb(net, (EYE,))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("g", "error", "message"),
    [
        pytest.param(
            (EYE,), ShapeMismatch, "a tuple of 2 entries, .* got 1 entries", id="one entry"
        ),
        pytest.param((EYE, 0 * EYE), NotInGroup, "singular", id="last singular"),
        pytest.param((0 * EYE, EYE), NotInGroup, "singular", id="first singular"),
        pytest.param((torch.eye(3).double(), EYE), ShapeMismatch, r"got \(3, 3\)", id="shape"),
        pytest.param((EYE.float(), EYE), DtypeMismatch, "mixed dtypes", id="dtype"),
    ],
)
def test_the_homeomorphism_takes_invertible_matrices_of_the_network(g, error, message):
    with pytest.raises(error, match=message):
        from_group(DeepLinear(EYE, EYE, (2, 2)), g)


@pytest.mark.bad_input
def test_the_homeomorphism_needs_a_target_of_full_rank():
    with pytest.raises(RankDeficient, match="rank 1, not 2"):
        from_group(DeepLinear(EYE, torch.ones(2, 2).double(), (2, 2)), (EYE, EYE))


@pytest.mark.bad_input
def test_sheets_need_1_by_1_weights():
    with pytest.raises(ShapeMismatch, match=r"1 × 1, got the widths \(2, 2, 2\)"):
        sheets(DeepLinear(EYE, EYE, (2,)), 2.0, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("extent", "points"),
    [(1.0, 3), (0.5, 3), (float("inf"), 3), (float("nan"), 3), (2.0, 1)],
)
def test_sheets_need_a_grid(extent, points):
    one = torch.ones(1, 1, dtype=torch.float64)
    message = f"extent > 1 and points ≥ 2, got {extent} and {points}"
    with pytest.raises(OutOfDomain, match=message):
        sheets(DeepLinear(one, one, (1,)), extent, points)
