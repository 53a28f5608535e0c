"""Permutations and signed permutations, against brute force over the whole group."""

import itertools
import math

import pytest
import torch

from mc_lib.errors import DtypeMismatch, NotConnected, NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.groups import Permutation, SignedPermutation
from mc_lib.groups.discrete import lexicographic_rank


def all_permutations(n: int) -> torch.Tensor:
    return torch.tensor(list(itertools.permutations(range(n))))


def all_signed(n: int) -> torch.Tensor:
    signs = torch.tensor(list(itertools.product((1, -1), repeat=n)))
    return ((all_permutations(n) + 1).unsqueeze(1) * signs).reshape(-1, n)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_permutations_are_numbered_in_dictionary_order(n):
    label = Permutation(n).component(all_permutations(n))
    assert label.tolist() == list(range(math.factorial(n)))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_signed_permutations_have_labels_of_their_own(n):
    group = SignedPermutation(n)
    label = group.component(all_signed(n))
    assert sorted(label.tolist()) == list(range(2**n * math.factorial(n)))
    assert group.component(group.identity()) == 0


def test_the_last_labels_still_fit_in_int64():
    last = torch.arange(19, -1, -1)
    assert int(Permutation(20).component(last)) == math.factorial(20) - 1
    assert int(lexicographic_rank(last)) == math.factorial(20) - 1
    last = -torch.arange(16, 0, -1)
    assert int(SignedPermutation(16).component(last)) == math.factorial(16) * 2**16 - 1
    assert math.factorial(20) < 2**63 < math.factorial(21)
    assert math.factorial(16) * 2**16 < 2**63 < math.factorial(17) * 2**17


def test_sign_is_the_determinant():
    p = all_permutations(4)
    det = torch.linalg.det(Permutation(4).matrix(p))
    assert torch.equal(Permutation(4).sign(p), det.round().to(torch.int64))


def test_the_action_is_by_indices():
    x = torch.tensor([[10.0, 20.0], [11.0, 21.0], [12.0, 22.0]])
    p, s = torch.tensor([2, 0, 1]), torch.tensor([-3, 1, 2])
    assert Permutation(3).left(p, x).tolist() == [[12, 22], [10, 20], [11, 21]]
    assert Permutation(3).right_inverse(x.mT, p).tolist() == [[12, 10, 11], [22, 20, 21]]
    assert SignedPermutation(3).left(s, x).tolist() == [[-12, -22], [10, 20], [11, 21]]
    assert SignedPermutation(3).right_inverse(x.mT, s).tolist() == [[-12, 10, 11], [-22, 20, 21]]


@pytest.mark.parametrize("kind", [Permutation, SignedPermutation])
def test_products_and_inverses_of_the_whole_group(kind):
    group = kind(3)
    g = (all_permutations if kind is Permutation else all_signed)(3)
    assert group.contains(g).all()
    product = group.compose(g.unsqueeze(1), g)
    assert product.shape == (len(g), len(g), 3)
    assert torch.equal(group.matrix(product), group.matrix(g).unsqueeze(1) @ group.matrix(g))
    assert torch.equal(group.matrix(group.inverse(g)), group.matrix(g).mT)
    assert torch.equal(group.compose(g, g[0]), group.compose(g, g[:1]))


@pytest.mark.parametrize("kind", [Permutation, SignedPermutation])
def test_samples_are_uniform(kind, generator):
    group, count = kind(3), {Permutation: 6, SignedPermutation: 48}[kind]
    label = group.component(group.sample(generator, (4800,)))
    seen = torch.bincount(label, minlength=count)
    expected = 4800 / count
    assert len(seen) == count
    assert ((seen - expected) ** 2 / expected).sum() < 1.8 * count  # chi-squared


def test_matrices_have_no_negative_zeros():
    s = SignedPermutation(2).matrix(torch.tensor([-2, -1]))
    assert s.tolist() == [[0, -1], [-1, 0]] and not torch.signbit(s[0, 0])


@pytest.mark.parametrize("kind", [Permutation, SignedPermutation])
def test_the_only_path_rests_at_the_identity(kind, dtype):
    e = kind(3).identity((2,))
    path, t = kind(3).path(e), torch.zeros(4, 5, dtype=dtype)
    assert torch.equal(path(t), e.expand(4, 5, 2, 3))
    for derivative in (path.velocity(t), path.acceleration(t)):
        assert derivative.shape == (4, 5, 2, 3, 3) and derivative.dtype == dtype
        assert not derivative.any()
    assert path(t[0, 0]).shape == (2, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("kind", "bad", "why"),
    [
        (Permutation, [0, 0, 2], r"each of 0, ..., 2 must occur once; at fault: \[0\]"),
        (Permutation, [1, 2, 3], r"at fault: \[3\]"),
        (Permutation, [-1, 0, 1], r"at fault: \[-1\]"),
        (SignedPermutation, [0, 1, -2], r"each of 1, ..., 3 must occur once, .* fault: \[0\]"),
        (SignedPermutation, [1, -1, 3], r"at fault: \[1\]"),
        (SignedPermutation, [1, 2, -4], r"at fault: \[4\]"),
    ],
)
def test_other_index_vectors_are_refused(kind, bad, why):
    group = kind(3)
    g = torch.stack((group.identity(), torch.tensor(bad)))
    verbs = [group.admit, group.require, group.inverse, group.component, group.path]
    verbs += [lambda g: group.compose(g, g[0]), lambda g: group.compose(g[0], g)]
    for verb in verbs + ([group.sign] if kind is Permutation else []):
        with pytest.raises(NotInGroup, match=r"\(batch entry \(1,\)\): " + ".*" + why):
            verb(g)


@pytest.mark.bad_input
@pytest.mark.parametrize("kind", [Permutation, SignedPermutation])
@pytest.mark.parametrize(
    ("name", "count"), [("exp", 1), ("log", 1), ("left_tangent", 2), ("right_tangent", 2)]
)
def test_discrete_groups_have_no_lie_algebra(kind, name, count):
    message = rf"n=2\) is discrete, its Lie algebra is \{{0\}}: {name} is not defined$"
    with pytest.raises(OutOfDomain, match=message):
        getattr(kind(2), name)(*[torch.zeros(2)] * count)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("group", "g", "message"),
    [
        pytest.param(
            Permutation(3),
            [[0, 1, 2], [0, 2, 1]],
            r"^g \(batch entry \(1,\)\) is not the identity: entry 1 is 2, not 1, and Perm",
            id="Permutation",
        ),
        pytest.param(
            SignedPermutation(2),
            [1, -2],
            r"^g is not the identity: entry 1 is -2, not 2",
            id="SignedPermutation",
        ),
    ],
)
def test_no_path_joins_two_elements(group, g, message):
    with pytest.raises(NotConnected, match=message):
        group.path(torch.tensor(g))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("group", "most"),
    [
        pytest.param(Permutation(21), 20, id="Permutation"),
        pytest.param(SignedPermutation(17), 16, id="SignedPermutation"),
    ],
)
def test_large_groups_cannot_be_numbered(group, most):
    with pytest.raises(OutOfDomain, match=rf"component needs n ≤ {most}; compare"):
        group.component(group.identity())


@pytest.mark.bad_input
@pytest.mark.parametrize("kind", [Permutation, SignedPermutation])
@pytest.mark.parametrize(
    ("n", "verb", "g", "error", "message"),
    [
        pytest.param(
            2,
            "contains",
            torch.zeros(2),
            DtypeMismatch,
            "is an int64 tensor, got torch.float64$",
            id="float",
        ),
        pytest.param(2, "admit", [0, 1], DtypeMismatch, "got a list$", id="list"),
        pytest.param(
            3,
            "contains",
            torch.tensor([0, 1]),
            ShapeMismatch,
            r"has shape \(\.\.\., 3\), got \(2,\)$",
            id="short",
        ),
    ],
)
def test_elements_are_int64_vectors_of_the_right_length(kind, n, verb, g, error, message):
    with pytest.raises(error, match=message):
        getattr(kind(n), verb)(g)
