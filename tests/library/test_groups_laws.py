"""The laws that every group obeys, checked against the matrices its elements act by."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from mc_lib.groups import (
    CentredOrthogonal,
    ComplexScaling,
    GeneralLinear,
    Group,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
)

LIE = [GeneralLinear, Orthogonal, CentredOrthogonal, PositiveScaling, ComplexScaling]
DISCRETE = [Permutation, SignedPermutation, Trivial]
KINDS = LIE + DISCRETE
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-4}

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(KINDS)
dtypes = st.sampled_from([torch.float32, torch.float64])


def made(kind, n: int) -> Group:
    """The group of n neurons; a complex scaling has two."""
    return kind(2 if kind is ComplexScaling else n)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_matrix(group: Group, g: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The action on the columns of the identity, one neuron at a time."""
    if isinstance(group, PositiveScaling):
        return torch.stack([torch.diag(x) for x in g.reshape(-1, group.n)]).reshape(
            *g.shape, group.n
        )
    if isinstance(group, (GeneralLinear, Orthogonal)):
        return g
    if isinstance(group, ComplexScaling):
        a, b = g.unbind(-1)
        return torch.stack([a, -b, b, a], -1).reshape(*a.shape, 2, 2)
    dense = torch.zeros(*g.shape, group.n, dtype=dtype)
    for index in torch.cartesian_prod(*[torch.arange(k) for k in g.shape]).reshape(-1, g.ndim):
        where = tuple(index.tolist())
        entry = int(g[where])
        j = entry if isinstance(group, Permutation) else abs(entry) - 1
        dense[(*where, j)] = 1 if isinstance(group, Permutation) or entry > 0 else -1
    return dense


def tangent(group: Group, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    if isinstance(group, (PositiveScaling, ComplexScaling)):
        return torch.randn(group.n, generator=generator, dtype=dtype)
    m = torch.randn(group.n, group.n, generator=generator, dtype=dtype)
    if isinstance(group, CentredOrthogonal):
        m = m - m.mean(0) - m.mean(1, keepdim=True) + m.mean()
    return m - m.mT if isinstance(group, Orthogonal) else m


def as_operator(group: Group, m: torch.Tensor) -> torch.Tensor:
    if isinstance(group, ComplexScaling):
        return as_matrix(group, m, m.dtype)
    return torch.diag(m) if isinstance(group, PositiveScaling) else m


@given(kinds, sizes, seeds, dtypes)
def test_matrix_is_the_action_and_a_homomorphism(kind, n, seed, dtype):
    group, r = made(kind, n), rng(seed)
    g, h = (group.sample(r, (3,), dtype=dtype) for _ in range(2))
    options = {"dtype": dtype} if kind in DISCRETE else {}
    a, b = (group.matrix(x, **options) for x in (g, h))
    assert a.dtype == dtype
    torch.testing.assert_close(a, as_matrix(group, g, dtype), rtol=0, atol=0)
    product = group.matrix(group.compose(g, h), **options)
    torch.testing.assert_close(product, a @ b, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@given(kinds, sizes, seeds)
def test_product_is_associative_with_identity_and_inverse(kind, n, seed):
    group, r = made(kind, n), rng(seed)
    g, h, k = (group.sample(r, (2,)) for _ in range(3))
    e = group.identity((2,))
    close = {"rtol": 1e-11, "atol": 1e-11}
    left, right = (
        group.compose(group.compose(g, h), k),
        group.compose(g, group.compose(h, k)),
    )
    torch.testing.assert_close(left, right, **close)
    for same in (group.compose(e, g), group.compose(g, e)):
        torch.testing.assert_close(same, g, **close)
    inverse = group.inverse(g)
    for one in (group.compose(inverse, g), group.compose(g, inverse)):
        torch.testing.assert_close(one, e, **close)
    assert group.contains(inverse).all() and group.contains(e).all()


@given(kinds, sizes, st.integers(1, 4), seeds, dtypes)
def test_left_and_right_inverse_agree_with_the_matrix(kind, n, r, seed, dtype):
    group, random = made(kind, n), rng(seed)
    g = group.sample(random, (2,), dtype=dtype)
    x = torch.randn(2, group.n, r, generator=random, dtype=dtype)
    matrix = as_matrix(group, g, dtype)
    close = {"rtol": CLOSE[dtype], "atol": CLOSE[dtype] * 10}
    torch.testing.assert_close(group.left(g, x), matrix @ x, **close)
    expected = x.mT @ torch.linalg.inv(matrix)
    torch.testing.assert_close(group.right_inverse(x.mT, g), expected, **close)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_g_and_x_broadcast(kind, generator, dtype):
    group = made(kind, 3)
    g = group.sample(generator, (5, 1), dtype=dtype)
    for batch in ((), (4,), (5, 4)):
        x = torch.randn(*batch, group.n, 2, generator=generator, dtype=dtype)
        left, right = group.left(g, x), group.right_inverse(x.mT, g)
        one, many = g[2, 0], x[..., :, :] if batch == () else x[..., 3, :, :]
        many = many[2] if batch == (5, 4) else many
        last = 3 if batch else 0
        torch.testing.assert_close(left[2, last], group.left(one, many))
        torch.testing.assert_close(right[2, last], group.right_inverse(many.mT, one))
        assert left.shape == (5, 4 if batch else 1, group.n, 2)
        assert right.shape == (5, 4 if batch else 1, 2, group.n)
        assert left.dtype == right.dtype == dtype
        # one element, many weights
        torch.testing.assert_close(group.left(one, x), as_matrix(group, one, dtype) @ x)


@pytest.mark.parametrize("kind", LIE)
def test_exp_is_the_one_parameter_group_of_its_tangent(kind, generator):
    group = made(kind, 4)
    m, x = (
        tangent(group, generator, torch.float64),
        torch.randn(group.n, 3, generator=generator).double(),
    )
    h = 1e-5
    forward, back = group.exp(h * m), group.exp(-h * m)
    slope = (group.left(forward, x) - group.left(back, x)) / (2 * h)
    torch.testing.assert_close(group.left_tangent(m, x), slope, rtol=1e-8, atol=1e-8)
    slope = (group.right_inverse(x.mT, back) - group.right_inverse(x.mT, forward)) / (2 * h)
    torch.testing.assert_close(group.right_tangent(x.mT, m), slope, rtol=1e-8, atol=1e-8)
    operator = as_operator(group, m)
    torch.testing.assert_close(group.left_tangent(m, x), operator @ x)
    torch.testing.assert_close(group.right_tangent(x.mT, m), x.mT @ operator)


@pytest.mark.parametrize("kind", LIE)
def test_exp_inverts_log(kind, generator, dtype):
    group = made(kind, 3)
    m = 0.5 * tangent(group, generator, dtype)
    g = group.exp(m)
    assert group.contains(g)
    torch.testing.assert_close(group.log(g), m, rtol=0, atol=CLOSE[dtype])
    torch.testing.assert_close(group.exp(group.log(g)), g, rtol=0, atol=CLOSE[dtype])


@pytest.mark.parametrize("kind", KINDS)
def test_component_of_a_product_and_labels(kind, generator):
    group = made(kind, 3)
    g = group.sample(generator, (40,))
    label = group.component(g)
    assert label.dtype == torch.int64 and label.shape == (40,)
    if kind in LIE:
        flipped = group.component(group.compose(g, g.flip(0)))
        assert torch.equal(flipped, label * label.flip(0))
        assert group.component(group.identity()) == 1
    few = group.components <= 2
    assert len(label.unique()) == group.components if few else len(label.unique()) > 2


@given(kinds, sizes, seeds)
def test_dimension_is_the_rank_of_the_tangents(kind, n, seed):
    group, r = made(kind, n), rng(seed)
    if kind in DISCRETE:
        assert group.dimension == 0
        return
    eye = torch.eye(group.n)
    moves = [group.left_tangent(tangent(group, r, torch.float64), eye) for _ in range(n**2 + 2)]
    assert torch.linalg.matrix_rank(torch.stack(moves).flatten(1)) == group.dimension


@pytest.mark.parametrize("kind", KINDS)
def test_empty_batches_give_empty_results(kind, dtype):
    group = made(kind, 3)
    g = group.sample(torch.Generator(), (0,), dtype=dtype)
    x = torch.zeros(0, group.n, 2, dtype=dtype)
    assert group.contains(g).shape == group.component(g).shape == (0,)
    assert group.inverse(g).shape == g.shape
    assert group.left(g, x).shape == (0, group.n, 2)
    path = group.path(g)
    for t in (torch.zeros(5), torch.zeros(())):
        assert path(t).shape == (*t.shape, *g.shape)
    if kind in LIE:
        assert group.log(g).shape == group.exp(group.log(g)).shape == g.shape


@pytest.mark.parametrize("kind", LIE)
def test_path_has_the_stated_ends_speed_and_bend(kind, generator):
    group = made(kind, 5)
    options = {} if kind in (PositiveScaling, ComplexScaling) else {"component": 1}
    g = group.sample(generator, (2, 3), **options)
    path, h = group.path(g), 1e-4
    t = torch.tensor([0.0, 1.0, 0.3], dtype=torch.float64)
    at = path(t)
    assert at.shape == (3, *g.shape) and at.dtype == g.dtype
    torch.testing.assert_close(at[0], group.identity((2, 3)), rtol=0, atol=1e-13)
    torch.testing.assert_close(at[1], g, rtol=0, atol=1e-13)
    assert group.contains(at).all() and (group.component(at) == 1).all()
    speed = (path(t + h) - path(t - h)) / (2 * h)
    torch.testing.assert_close(path.velocity(t), speed, rtol=1e-6, atol=1e-6)
    bend = (path.velocity(t + h) - path.velocity(t - h)) / (2 * h)
    torch.testing.assert_close(path.acceleration(t), bend, rtol=1e-6, atol=1e-6)
    one = group.path(g[1, 2])
    for many, single in ((path, one), (path.velocity, one.velocity)):
        torch.testing.assert_close(many(t)[:, 1, 2], single(t), rtol=0, atol=1e-12)
    torch.testing.assert_close(path(t.reshape(3, 1))[2, 0], at[2], rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_and_samples_follow_batch_dtype_and_seed(kind, dtype):
    group = made(kind, 3)
    e, g = group.identity((2,), dtype=dtype), group.sample(rng(1), (2, 4), dtype=dtype)
    stored = torch.int64 if kind in DISCRETE else dtype
    assert e.dtype == g.dtype == stored
    assert e.shape[0] == 2 and g.shape[:2] == (2, 4)
    assert torch.equal(g, group.sample(rng(1), (2, 4), dtype=dtype))
    assert kind is Trivial or not torch.equal(g, group.sample(rng(2), (2, 4), dtype=dtype))
    assert group.compact == (kind not in (GeneralLinear, PositiveScaling, ComplexScaling))
    assert group.require(g) is None and group.admit(g) is None


@given(kinds, st.integers(1, 4), seeds)
def test_the_nearest_element_beats_random_elements(kind, n, seed):
    group, r = made(kind, n), rng(seed)
    a, b = (torch.randn(group.n, 3, generator=r) for _ in range(2))
    a_out, b_out = (torch.randn(group.n, 2, generator=r) for _ in range(2))

    def gap(g):
        matrix = as_matrix(group, g, torch.float64)
        inverse = torch.linalg.inv(matrix).mT
        return (a - matrix @ b).square().sum((-2, -1)) + (a_out - inverse @ b_out).square().sum(
            (-2, -1)
        )

    best = group.nearest((a, a_out), (b, b_out))
    group.require(best)
    local = kind in (GeneralLinear, ComplexScaling)  # its descent may end in a local minimum
    others = group.identity((1,)) if local else group.sample(r, (50,))
    assert float(gap(best)) <= float(gap(others).min()) * (1 + 1e-9)
