"""The approximate map (6): exact where k ≤ h, bounded where k > h, honest about its rank."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.approximate import approximate_act
from mc_lib.errors import DtypeMismatch, NotFinite, NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear

SIGMAS = [torch.tanh, torch.sigmoid, torch.nn.functional.leaky_relu, torch.sin]
EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def setting(m, h, n, k, *, seed=0, batch=(), condition=3.0, dtype=torch.float64):
    """Random g, U, V, X of the given sizes."""
    generator = seeded(seed)
    u, v, x = (
        torch.randn(*shape, generator=generator, dtype=dtype) for shape in ((m, h), (h, n), (n, k))
    )
    return GeneralLinear(h).sample(generator, batch, condition=condition, dtype=dtype), u, v, x


def by_formula(g, u, v, x, sigma):
    """Eq. (6) in numpy, one g at a time."""
    g, u, v, x = (y.numpy() for y in (g, u, v, x))
    s = lambda z: sigma(torch.as_tensor(z)).numpy()  # noqa: E731
    return u @ s(v @ x) @ np.linalg.pinv(s(g @ v @ x)), g @ v


# -- the formula ---------------------------------------------------------------
@given(
    st.tuples(*[st.integers(1, 6)] * 4),
    st.sampled_from(SIGMAS),
    st.integers(0, 1000),
    st.booleans(),
)
def test_it_is_the_formula_with_the_pseudoinverse_of_numpy(sizes, sigma, seed, single):
    dtype = torch.float32 if single else torch.float64
    g, u, v, x = setting(*sizes, seed=seed, dtype=torch.float64)
    want_u, want_v = by_formula(g, u, v, x, sigma)
    image = approximate_act(*(y.to(dtype) for y in (g, u, v, x)), sigma)
    assert image.U.dtype == image.V.dtype == image.smallest.dtype == dtype
    assert image.rank.dtype == torch.int64
    torch.testing.assert_close(image.V, torch.as_tensor(want_v).to(dtype))
    s = np.linalg.svd(sigma(g @ v @ x).numpy(), compute_uv=False)
    np.testing.assert_allclose(float(image.smallest), s[-1], rtol=1e-3, atol=1e-5 * s[0])
    if s[-1] > 1e-2 * s[0]:  # elsewhere the answer depends on round-off
        assert int(image.rank) == min(sizes[1], sizes[3])
        scale = max(1.0, np.abs(want_u).max())
        error = np.abs(image.U.double().numpy() - want_u).max() / scale
        assert error < (1e-3 if single else 1e-11)


def test_a_linear_activation_recovers_the_exact_action(dtype):
    g, u, v, x = setting(2, 3, 3, 5, dtype=dtype)
    image = approximate_act(g, u, v, x, lambda z: z)
    torch.testing.assert_close(image.U, u @ torch.linalg.inv(g), rtol=1e-4, atol=1e-5)


def test_a_batch_of_elements_is_a_loop(dtype):
    g, u, v, x = setting(3, 5, 4, 6, batch=(2, 4), dtype=dtype)
    image = approximate_act(g, u, v, x, torch.tanh)
    assert image.U.shape == (2, 4, 3, 5)
    assert image.V.shape == (2, 4, 5, 4)
    assert image.rank.shape == image.smallest.shape == (2, 4)
    for i in range(2):
        for j in range(4):
            one = approximate_act(g[i, j], u, v, x, torch.tanh)
            torch.testing.assert_close(image.U[i, j], one.U, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(image.V[i, j], one.V)
            torch.testing.assert_close(image.smallest[i, j], one.smallest)


def test_batches_of_g_and_of_the_weights_broadcast():
    g, u, v, x = setting(3, 5, 4, 6, batch=(7,))
    us = torch.stack([u, 2 * u]).unsqueeze(1)
    image = approximate_act(g, us, v, x, torch.tanh)
    assert image.U.shape == (2, 7, 3, 5)
    assert image.V.shape == (2, 7, 5, 4)
    assert image.rank.shape == image.smallest.shape == (2, 7)
    torch.testing.assert_close(image.U[1], 2 * image.U[0])
    none = approximate_act(g[:0], u, v, x, torch.tanh)
    assert none.U.shape == (0, 3, 5)


@pytest.mark.parametrize("nearest", [False, True])
def test_a_batch_of_first_weights_is_a_loop(nearest):
    g, u, v, x = setting(3, 5, 4, 6)
    vs = torch.stack([v, 2 * v, -v])
    image = approximate_act(g, u, vs, x, torch.tanh, nearest=nearest)
    assert image.rank.shape == image.smallest.shape == (3,)
    for i, each in enumerate(vs):
        one = approximate_act(g, u, each, x, torch.tanh, nearest=nearest)
        torch.testing.assert_close(image.U[i], one.U, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(image.V[i], one.V)


# -- the two regimes -----------------------------------------------------------
@given(st.integers(1, 8), st.integers(0, 4), st.integers(0, 1000))
def test_the_output_is_kept_where_there_are_no_more_columns_than_neurons(k, extra, seed):
    g, u, v, x = setting(3, k + extra, 9, k, seed=seed)
    image = approximate_act(g, u, v, x, torch.tanh)
    if image.smallest > 1e-3:
        before, after = u @ torch.tanh(v @ x), image.U @ torch.tanh(image.V @ x)
        torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 1000))
def test_the_output_loses_what_the_projection_misses_and_no_more_than_proposition_6_1(
    h, extra, seed
):
    g, u, v, x = setting(3, h, 4, h + extra, seed=seed)
    image = approximate_act(g, u, v, x, torch.sigmoid)
    before, after = u @ torch.sigmoid(v @ x), image.U @ torch.sigmoid(image.V @ x)
    hidden = torch.sigmoid(g @ v @ x)
    q = torch.linalg.qr(hidden.mT).Q  # an orthonormal basis of the row space
    if image.smallest > 1e-3:
        torch.testing.assert_close(before - after, before - before @ q @ q.mT, rtol=1e-8, atol=1e-8)
        assert torch.linalg.norm(before - after) <= torch.linalg.norm(before) * (1 + 1e-12)


def test_with_more_columns_than_neurons_the_output_does_change():
    g, u, v, x = setting(3, 4, 4, 9)
    image = approximate_act(g, u, v, x, torch.sigmoid)
    before, after = u @ torch.sigmoid(v @ x), image.U @ torch.sigmoid(image.V @ x)
    assert 1e-2 < float(torch.linalg.norm(before - after) / torch.linalg.norm(before)) <= 1


def test_the_identity_acts_trivially_where_there_are_at_least_as_many_columns_as_neurons(dtype):
    for k in (4, 9):
        _, u, v, x = setting(3, 4, 6, k, seed=4, dtype=dtype)
        image = approximate_act(torch.eye(4, dtype=dtype), u, v, x, torch.tanh)
        torch.testing.assert_close(image.U, u, rtol=1e-3, atol=1e-3)
        assert torch.equal(image.V, v)


def test_the_identity_projects_where_there_are_fewer_columns_than_neurons():
    """So γ(0) ≠ w there: the paper's γ(0, g, w) = w needs h ≤ k."""
    _, u, v, x = setting(3, 8, 6, 5)
    eye = torch.eye(8, dtype=torch.float64)
    once = approximate_act(eye, u, v, x, torch.tanh)
    q = torch.linalg.qr(torch.tanh(v @ x)).Q
    torch.testing.assert_close(once.U, u @ q @ q.mT, rtol=1e-9, atol=1e-9)
    assert float(torch.linalg.norm(once.U - u)) > 0.5
    twice = approximate_act(eye, once.U, once.V, x, torch.tanh)
    torch.testing.assert_close(twice.U, once.U, rtol=1e-9, atol=1e-9)


def test_it_is_not_an_action_where_there_are_more_columns_than_neurons():
    (g, f), (_, u, v, x) = setting(2, 3, 4, 8, batch=(2,))[0], setting(2, 3, 4, 8)
    first = approximate_act(f, u, v, x, torch.tanh)
    two_steps = approximate_act(g, first.U, first.V, x, torch.tanh)
    one_step = approximate_act(g @ f, u, v, x, torch.tanh)
    torch.testing.assert_close(two_steps.V, one_step.V)
    assert float((two_steps.U - one_step.U).abs().max()) > 1e-2


@pytest.mark.parametrize("scale", [0.1, 0.4])
def test_it_is_exact_at_the_sizes_of_figure_3(scale):
    """m, h, n, k = 64, 32, 16, 8: the loss is that of the starting point all along γ."""
    generator = seeded(3)
    _, u, v, x = setting(64, 32, 16, 8, seed=3)
    y = u @ torch.nn.functional.leaky_relu(v @ x)
    log = scale * torch.randn(32, 32, generator=generator, dtype=torch.float64)
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    g = torch.linalg.matrix_exp(t[:, None, None] * log)
    image = approximate_act(g, u, v, x, torch.nn.functional.leaky_relu)
    out = image.U @ torch.nn.functional.leaky_relu(image.V @ x)
    assert (image.rank == 8).all()
    assert float((out - y).square().sum((-2, -1)).max() / y.square().sum()) < 1e-24
    assert float(torch.linalg.norm(image.U[0] - u)) > 1.0  # and yet γ(0) is not w
    middle = [(a[0] + a[-1]) / 2 for a in (image.U, image.V)]
    segment = middle[0] @ torch.nn.functional.leaky_relu(middle[1] @ x)
    assert float((segment - y).square().sum() / y.square().sum()) > 1e-3


def test_it_moves_the_output_at_the_sizes_of_the_caption_of_figure_3():
    g, u, v, x = setting(64, 32, 16, 64, condition=1.5)
    image = approximate_act(g, u, v, x, torch.nn.functional.leaky_relu)
    before = u @ torch.nn.functional.leaky_relu(v @ x)
    after = image.U @ torch.nn.functional.leaky_relu(image.V @ x)
    assert int(image.rank) == 32
    assert 1e-3 < float(torch.linalg.norm(before - after) / torch.linalg.norm(before)) < 1


# -- the rank ------------------------------------------------------------------
def test_a_dead_neuron_lowers_the_rank(dtype):
    """relu(gVX) = diag(1, 0) by hand: g swaps the sign of the second neuron."""
    eye = torch.eye(2, dtype=dtype)
    image = approximate_act(torch.diag(torch.tensor([2.0, -1.0], dtype=dtype)), eye, eye, eye, relu)
    assert torch.equal(image.U, torch.diag(torch.tensor([0.5, 0.0], dtype=dtype)))
    assert int(image.rank) == 1
    assert float(image.smallest) == 0


def test_a_layer_of_dead_neurons_has_rank_zero():
    image = approximate_act(-EYE, EYE, EYE, EYE, relu)
    assert int(image.rank) == 0
    assert torch.equal(image.U, torch.zeros(2, 2, dtype=torch.float64))


def test_the_image_jumps_where_the_rank_does():
    """Near a second neuron's death its pseudoinverse is 1/ε; at the death it is 0."""
    eps = torch.tensor([1e-3, 0.0, -1e-3], dtype=torch.float64)
    g = torch.diag_embed(torch.stack([torch.ones(3, dtype=torch.float64), eps], -1))
    g[1, 1] = torch.tensor([-1.0, 0.0])  # not diagonal, but with the same dead neuron
    g[1, 0] = torch.tensor([1.0, 1.0])
    image = approximate_act(g, EYE, EYE, EYE, relu)
    assert image.rank.tolist() == [2, 1, 1]
    torch.testing.assert_close(image.U[0, 1, 1], torch.tensor(1e3, dtype=torch.float64))
    assert image.U[2, 1, 1] == 0
    assert image.smallest[0] == 1e-3


def test_the_rank_counts_singular_values_above_rtol_times_the_largest():
    g = torch.diag(torch.tensor([4.0, 1.0], dtype=torch.float64))
    ranks = [
        int(approximate_act(g, EYE, EYE, EYE, relu, rtol=rtol).rank)
        for rtol in (0.0, 0.2, 0.25, 0.3)
    ]
    assert ranks == [2, 2, 1, 1]
    cut = approximate_act(g, EYE, EYE, EYE, relu, rtol=0.5)
    assert torch.equal(cut.U, torch.diag(torch.tensor([0.25, 0.0], dtype=torch.float64)))
    assert float(cut.smallest) == 1.0


def test_the_default_rtol_is_the_rank_tolerance_of_the_dtype(dtype):
    cut = {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    eye = torch.eye(2, dtype=dtype)
    for factor, rank in ((0.5, 1), (2.0, 2)):
        x = torch.diag(torch.tensor([1.0, factor * cut], dtype=dtype))
        assert int(approximate_act(eye, eye, eye, x, relu).rank) == rank


def relu(z):
    return z.clamp(min=0)


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(3, 3), (2, 2), (2, 2), (2, 2)],
            r"do not fit: got g \(3, 3\), U \(2, 2\), V \(2, 2\), X \(2, 2\)",
        ),
        ([(2, 2), (2, 3), (2, 2), (2, 2)], r"do not fit: got g \(2, 2\), U \(2, 3\)"),
        ([(2, 2), (2, 2), (2, 2), (3, 2)], r"do not fit: .* X \(3, 2\)"),
        ([(2,), (2, 2), (2, 2), (2, 2)], r"X is one, got g \(2,\)"),
        ([(2, 2), (2,), (2, 2), (2, 2)], r"X is one, got .* U \(2,\)"),
        ([(2, 2), (2, 2), (2,), (2, 2)], r"X is one, got .* V \(2,\)"),
        ([(2, 2), (2, 2), (2, 2), (5, 2, 2)], r"X is one, got .* X \(5, 2, 2\)"),
        ([(2, 2), (2, 2), (2, 2), (2, 0)], r"X is one, got .* X \(2, 0\)"),
        ([(3, 2, 2), (4, 2, 2), (2, 2), (2, 2)], r"do not broadcast: got g \(3, 2, 2\), U \(4"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes, message):
    tensors = [torch.ones(shape, dtype=torch.float64) for shape in shapes]
    with pytest.raises(ShapeMismatch, match=message):
        approximate_act(*tensors, relu)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("g", "u", "error", "message"),
    [
        pytest.param(
            EYE.float(),
            EYE,
            DtypeMismatch,
            r"g, U, V and X: mixed dtypes .*float32.*float64",
            id="dtypes",
        ),
        pytest.param(
            EYE,
            EYE * float("nan"),
            NotFinite,
            r"g, U, V and X: 4 of the 4 entries of tensor 1",
            id="nan",
        ),
    ],
)
def test_mixed_dtypes_and_nan_are_refused(g, u, error, message):
    with pytest.raises(error, match=message):
        approximate_act(g, u, EYE, EYE, relu)


@pytest.mark.bad_input
def test_a_singular_element_is_refused():
    with pytest.raises(NotInGroup, match=r"GeneralLinear\(n=2\).*smallest singular value 0 "):
        approximate_act(torch.zeros_like(EYE), EYE, EYE, EYE, relu)


@pytest.mark.bad_input
@pytest.mark.parametrize("rtol", [-1e-3, 1.0, float("nan")])
def test_rtol_lies_in_the_half_open_unit_interval(rtol):
    with pytest.raises(OutOfDomain, match=rf"rtol must lie in \[0, 1\), got {rtol}"):
        approximate_act(EYE, EYE, EYE, EYE, relu, rtol=rtol)


@pytest.mark.bad_input
def test_an_activation_that_leaves_the_real_numbers_is_refused():
    with pytest.raises(
        NotFinite, match=r"1 of the 4 values of the activation are NaN or infinite, the first at -1"
    ):
        approximate_act(EYE, EYE, EYE - 2 * torch.diag(EYE[1]), EYE, torch.sqrt)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        pytest.param(
            lambda z: z.sum(0),
            ShapeMismatch,
            r"given shape \(2, 2\) and returned \(2,\)",
            id="shape",
        ),
        pytest.param(
            lambda z: z.long(),
            DtypeMismatch,
            r"given torch.float64 on cpu and returned torch.int64",
            id="dtype",
        ),
    ],
)
def test_an_activation_that_changes_shape_or_dtype_is_refused(activation, error, message):
    with pytest.raises(error, match=message):
        approximate_act(EYE, EYE, EYE, EYE, activation)


@pytest.mark.bad_input
def test_an_image_too_large_for_the_dtype_is_refused():
    with pytest.raises(NotFinite, match="the image of U: 4 of the 4 entries"):
        approximate_act(EYE, EYE, EYE, EYE, lambda z: z * 1e-310, rtol=0.0)


# -- the nearest choice ----------------------------------------------------------
@given(st.tuples(*[st.integers(1, 6)] * 4), st.sampled_from(SIGMAS), st.integers(0, 1000))
def test_the_nearest_choice_solves_the_same_problem_nearest_to_u(sizes, sigma, seed):
    g, u, v, x = setting(*sizes, seed=seed)
    plain, near = (approximate_act(g, u, v, x, sigma, nearest=n) for n in (False, True))
    h = sigma(g @ v @ x)
    if float(plain.smallest) < 1e-3:
        return
    torch.testing.assert_close(near.U @ h, plain.U @ h, rtol=1e-7, atol=1e-7)
    assert float((near.U - u).norm()) <= float((plain.U - u).norm()) * (1 + 1e-9) + 1e-9
    assert float(plain.U.norm()) <= float(near.U.norm()) * (1 + 1e-9) + 1e-9
    want = u + (u @ (sigma(v @ x) - h)) @ torch.linalg.pinv(h)
    torch.testing.assert_close(near.U, want, rtol=1e-7, atol=1e-7)
    assert torch.equal(near.V, plain.V)


def test_with_the_nearest_choice_the_identity_acts_trivially(dtype):
    for k in (2, 5, 9):
        _, u, v, x = setting(3, 5, 6, k, dtype=dtype)
        eye = torch.eye(5, dtype=dtype)
        image = approximate_act(eye, u, v, x, torch.tanh, nearest=True)
        assert torch.equal(image.U, u)
        assert torch.equal(image.V, v)


def test_the_nearest_choice_is_batched():
    g, u, v, x = setting(3, 5, 4, 6, batch=(2, 4))
    image = approximate_act(g, u, v, x, torch.tanh, nearest=True)
    assert image.U.shape == (2, 4, 3, 5)
    one = approximate_act(g[1, 2], u, v, x, torch.tanh, nearest=True)
    torch.testing.assert_close(image.U[1, 2], one.U, rtol=1e-9, atol=1e-9)
