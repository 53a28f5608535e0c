"""One hidden layer, aligned by its best permutation or rotation: brute force says the same."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.matching import affinity, match_permutation, match_rotation
from mc_lib.errors import OutOfDomain, ShapeMismatch

SEEDS = st.integers(0, 10_000)


def points(seed, n=2, h=4, m=3, batch=(), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((*batch, h, n), (*batch, m, h))
    return [
        tuple(torch.randn(s, generator=generator, dtype=dtype) for s in shapes) for _ in range(2)
    ]


def parity(p):
    return (-1) ** sum(p[i] > p[j] for i, j in itertools.combinations(range(len(p)), 2))


def gap(p, w, reference):
    p = list(p)
    return float(mc.distance((w[0][p], w[1][:, p]), reference))


@given(st.integers(1, 5), st.sampled_from([None, 1, -1]), SEEDS)
def test_the_permutation_is_the_best_of_all_that_are_allowed(h, sign, seed):
    if h == 1 and sign == -1:
        return
    w, reference = points(seed, h=h)
    allowed = [p for p in itertools.permutations(range(h)) if sign in (None, parity(p))]
    best = min(gap(p, w, reference) for p in allowed)
    found = match_permutation(w, reference, sign=sign)
    assert tuple(found.tolist()) in allowed
    assert gap(found.tolist(), w, reference) == pytest.approx(best)


def test_a_planted_permutation_is_found(dtype):
    w, _ = points(1, h=6, dtype=dtype)
    p = torch.tensor([3, 1, 0, 5, 4, 2])
    found = match_permutation(w, (w[0][p], w[1][:, p]))
    assert torch.equal(found, p)


@given(st.sampled_from([None, 1, -1]), SEEDS)
def test_no_rotation_is_nearer(sign, seed):
    w, reference = points(seed, h=3)
    g = match_rotation(w, reference, sign=sign)
    torch.testing.assert_close(g @ g.mT, torch.eye(3, dtype=g.dtype))
    if sign is not None:
        assert float(g.det()) == pytest.approx(sign)
    best = float(mc.distance((g @ w[0], w[1] @ g.mT), reference))
    generator = torch.Generator().manual_seed(seed)
    component = sign if sign is not None else None
    others = mc.Orthogonal(3).sample(generator, (200,), component=component)
    noise = torch.randn(200, 3, 3, generator=generator, dtype=g.dtype) / 50
    near = mc.Orthogonal(3).exp(noise - noise.mT) @ g
    for q in (others, near):
        moved = (q @ w[0], w[1] @ q.mT)
        target = tuple(x.expand(200, *x.shape) for x in reference)
        assert float(mc.distance(moved, target, 1).min()) >= best * (1 - 1e-12)


def test_two_neurons_against_a_fine_grid_of_rotations():
    w, reference = points(3, h=2)
    t = torch.linspace(0, 2 * math.pi, 20_001, dtype=torch.float64)
    turn = torch.stack([t.cos(), -t.sin(), t.sin(), t.cos()], -1).reshape(-1, 2, 2)
    for sign in (1, -1):
        q = turn @ torch.diag(torch.tensor([1.0, sign], dtype=torch.float64))
        gain = (q.mT @ affinity(w, reference)).diagonal(dim1=-1, dim2=-2).sum(-1)
        g = match_rotation(w, reference, sign=sign)
        assert float((g.mT @ affinity(w, reference)).trace()) == pytest.approx(float(gain.max()))


def test_a_batch_of_rotations_is_that_of_single_points(dtype):
    w, reference = points(4, batch=(5,), dtype=dtype)
    for sign in (None, 1, -1):
        got = match_rotation(w, reference, sign=sign)
        assert got.dtype == dtype
        for i in range(5):
            a, b = (tuple(x[i] for x in point) for point in (w, reference))
            torch.testing.assert_close(got[i], match_rotation(a, b, sign=sign))


def test_the_affinity_is_the_inner_product_with_the_reference():
    w, reference = points(5)
    g = mc.Orthogonal(4).sample(torch.Generator().manual_seed(0))
    expected = float(mc.inner((g @ w[0], w[1] @ g.mT), reference))
    assert float((g.mT @ affinity(w, reference)).trace()) == pytest.approx(expected)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda w: (w[0],), r"expected \(W_1, W_2\)", id="one weight"),
        pytest.param(lambda w: (*w, w[0]), r"expected \(W_1, W_2\)", id="three weights"),
        pytest.param(lambda w: (w[0][0], w[1]), r"expected \(W_1, W_2\)", id="a vector"),
        pytest.param(lambda w: (w[0], w[1][:, :3]), "share h", id="neurons"),
    ],
)
def test_points_that_are_no_two_layers_are_refused(change, message):
    w, _ = points(0)
    with pytest.raises(ShapeMismatch, match=message):
        affinity(change(w), change(w))


@pytest.mark.bad_input
def test_points_of_different_shapes_are_refused():
    w, reference = points(0)
    with pytest.raises(ShapeMismatch, match="the two points"):
        match_rotation(w, (reference[0], reference[1][:1]))


@pytest.mark.bad_input
def test_a_batch_has_no_single_permutation():
    with pytest.raises(ShapeMismatch, match="single points"):
        match_permutation(*points(0, batch=(2,)))


@pytest.mark.bad_input
@pytest.mark.parametrize(("sign", "size"), [(2, 3), (1, 9), (-1, 1)])
def test_signs_without_a_permutation_are_refused(sign, size):
    with pytest.raises(OutOfDomain, match=f"sign = {sign} and {size} neurons"):
        match_permutation(*points(0, h=size), sign=sign)


@pytest.mark.bad_input
def test_a_rotation_has_the_sign_one_or_minus_one():
    with pytest.raises(OutOfDomain, match="1, -1 or None, got 2"):
        match_rotation(*points(0), sign=2)


@pytest.mark.bad_input
def test_silent_neurons_have_no_best_rotation():
    w, reference = points(0)
    with pytest.raises(OutOfDomain, match="equally near"):
        match_rotation(tuple(0 * x for x in w), reference)
