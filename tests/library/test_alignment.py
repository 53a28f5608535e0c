"""Alignment: a planted element is found, the best of all is found, nothing ever gets worse."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from mc_lib.alignment.base import rows_at
from mc_lib.alignment.descent import outwards
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.points import leaves

DOUBLE = torch.float64
SEEDS = st.integers(0, 10_000)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def chain(sizes, group=mc.Permutation, biases=True, degree=1.0):
    return mc.Symmetry.chain([Layer(group(h), degree) for h in sizes[1:-1]], biases=biases)


def weights(sizes, seed, dtype=DOUBLE, biases=True):
    shapes = list(itertools.pairwise(sizes))
    pieces = [(out, into) for into, out in shapes] + [(out,) for _, out in shapes if biases]
    generator = seeded(seed)
    return tuple(torch.randn(*shape, generator=generator, dtype=dtype) for shape in pieces)


def far(u, v):
    """The squared distance, naively."""
    return sum(float(((x - y) ** 2).sum()) for x, y in zip(u, v, strict=True))


def nearest(u, ws):
    """The least of the squared distances of a batch of points."""
    apart = [(x - y).square().flatten(1).sum(1) for x, y in zip(u, ws, strict=True)]
    return float(sum(apart).min())


def rounding(w):
    return 1e-10 if leaves(w)[0].dtype == DOUBLE else 1e-4


def never_rises(found):
    return all(b <= a for a, b in itertools.pairwise(found.objectives))


# -- permutations --------------------------------------------------------------
@given(seed=SEEDS, h=st.integers(1, 5), n=st.integers(1, 3), m=st.integers(1, 3))
def test_one_layer_of_permutations_is_the_best_of_all(seed, h, n, m):
    symmetry, u, w = chain((n, h, m)), weights((n, h, m), seed), weights((n, h, m), seed + 1)
    every = map(torch.tensor, itertools.permutations(range(h)))
    best = min(far(u, (w[0][p], w[1][:, p], w[2][p], w[3])) for p in every)
    found = mc.align(symmetry, u, w)
    assert math.isclose(found.after, best, rel_tol=1e-9)
    assert math.isclose(found.before, far(u, w), rel_tol=1e-9)
    assert math.isclose(far(u, found.moved), best, rel_tol=1e-9)


@given(seed=SEEDS)
def test_where_the_descent_stops_no_permutation_of_one_layer_is_better(seed):
    sizes = (3, 4, 4, 2)
    symmetry, u, w = chain(sizes), weights(sizes, seed), weights(sizes, seed + 1)
    found = mc.align(symmetry, u, w)
    every = torch.tensor(list(itertools.permutations(range(4))))
    for g in ((every, torch.arange(4)), (torch.arange(4), every)):
        assert nearest(u, symmetry.act(g, found.moved)) >= found.after * (1 - 1e-12)


@given(seed=SEEDS, widths=st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_a_planted_permutation_is_found_exactly_from_a_point_near_by(seed, widths):
    sizes = (20, *widths, 3)
    symmetry, u = chain(sizes), weights(sizes, seed)
    g = symmetry.group.sample(seeded(seed + 1))
    found = mc.align(symmetry, u, symmetry.act(g, u), rounds=50)
    assert never_rises(found)
    if len(widths) == 1:  # with more layers the descent may stop before
        assert found.after == 0.0
        back = symmetry.group.compose(found.g, g)
        assert all(torch.equal(p, torch.arange(len(p))) for p in back)


def test_a_planted_permutation_of_three_layers(dtype):
    sizes = (30, 8, 8, 8, 5)
    symmetry, u = chain(sizes), weights(sizes, 1, dtype)
    g = symmetry.group.sample(seeded(2))
    found = mc.align(symmetry, u, symmetry.act(g, u))
    assert found.after == 0.0 and found.rounds <= 10
    assert all(torch.equal(x, y) for x, y in zip(found.moved, u, strict=True))
    assert found.moved[0].dtype == dtype


def small_networks(seeds, biases):
    """Pairs of random networks of two hidden layers of 3 or 4 neurons."""
    for seed in seeds:
        h, k = (3 + int(x) for x in torch.randint(2, (2,), generator=seeded(seed)))
        sizes = (2, h, k, 2)
        yield sizes, weights(sizes, seed, biases=biases), weights(sizes, seed + 5000, biases=biases)


def least_of_all(sizes, u, w):
    """The least squared distance over all pairs of permutations, by trying each."""
    p, q = (torch.tensor(list(itertools.permutations(range(n)))) for n in sizes[1:3])
    first, last = (u[0] - w[0][p]).square().sum((1, 2)), (u[2] - w[2][:, q].movedim(1, 0))
    middle = (u[1] - w[1][q][:, :, p].movedim(2, 1)).square().sum((2, 3))
    total = middle + first + last.square().sum((1, 2))[:, None]
    if len(u) > 3:
        total = total + (u[3] - w[3][p]).square().flatten(1).sum(1)
        total = total + (u[4] - w[4][q]).square().flatten(1).sum(1)[:, None] + far(u[5:], w[5:])
    return float(total.min())


@pytest.mark.slow
@pytest.mark.parametrize("biases", [False, True])
def test_starts_from_both_sides_find_most_best_permutations(biases):
    ratios = []
    for sizes, u, w in small_networks(range(60), biases):
        found = mc.align(chain(sizes, biases=biases), u, w)
        assert never_rises(found)
        assert math.isclose(found.before, far(u, w), rel_tol=1e-12)
        assert math.isclose(found.after, far(u, found.moved), rel_tol=1e-12)
        ratios.append(found.after / least_of_all(sizes, u, w))
    assert min(ratios) > 1 - 1e-12
    assert sum(ratio > 1 + 1e-9 for ratio in ratios) <= 8  # 26 and 22 from the identity alone
    assert max(ratios) < 1.3 and sum(ratios) / 60 < 1.02


@pytest.mark.slow
def test_restarts_find_nearly_all_and_never_less():
    missed = 0
    for sizes, u, w in small_networks(range(16), True):
        plain = mc.align(chain(sizes), u, w)
        found = mc.align(chain(sizes), u, w, restarts=12, generator=seeded(1))
        assert found.after <= plain.after and found.before == plain.before
        assert never_rises(found)
        missed += found.after > least_of_all(sizes, u, w) * (1 + 1e-9)
    assert missed <= 1


def test_restarts_are_the_same_in_every_call_unless_a_generator_is_given():
    sizes, u, w = next(small_networks([3], True))
    one, two = (mc.align(chain(sizes), u, w, restarts=3) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(one.g, two.g, strict=True))


def test_layers_are_walked_from_the_inputs_and_from_the_outputs():
    names = ["last", "first", "middle"]  # in no order of the network
    table = {
        "out": (Fixed(), OutOf("last")),
        "in": (Into("first"), Fixed()),
        "up": (Into("last"), OutOf("middle")),
        "step": (Into("middle"), OutOf("first")),
        "skip": (Into("last"), OutOf("first")),
        **{f"bias {name}": (Into(name),) for name in names},
    }
    symmetry = mc.Symmetry(table, {name: Layer(mc.Permutation(2)) for name in names})
    assert outwards(symmetry) == (["first", "last", "middle"], ["last", "first", "middle"])
    loop = {"a": (Into("a"), OutOf("b")), "b": (Into("b"), OutOf("a"))}
    closed = mc.Symmetry(loop, {name: Layer(mc.Permutation(2)) for name in "ab"})
    assert outwards(closed) == (["a", "b"], ["a", "b"])


# -- signed permutations ---------------------------------------------------------
@given(seed=SEEDS, h=st.integers(1, 4), biases=st.booleans())
def test_one_layer_of_signed_permutations_is_the_best_of_all(seed, h, biases):
    sizes = (2, h, 3)
    symmetry = chain(sizes, mc.SignedPermutation, biases)
    u, w = weights(sizes, seed, biases=biases), weights(sizes, seed + 1, biases=biases)
    every = [
        far(u, (s[:, None] * w[0][p], s * w[1][:, p], *((s * w[2][p], w[3]) if biases else ())))
        for p in map(torch.tensor, itertools.permutations(range(h)))
        for s in map(torch.tensor, itertools.product((1.0, -1.0), repeat=h))
    ]
    found = mc.align(symmetry, u, w)
    assert math.isclose(found.after, min(every), rel_tol=1e-9)
    assert math.isclose(far(u, found.moved), min(every), rel_tol=1e-9)


def test_a_planted_signed_permutation_of_a_tanh_network_is_found():
    sizes = (12, 7, 7, 4)
    symmetry, u = chain(sizes, mc.SignedPermutation), weights(sizes, 3)
    w = symmetry.act(symmetry.group.sample(seeded(4)), u)
    found = mc.align(symmetry, u, w)
    x = torch.randn(12, 9, generator=seeded(5), dtype=DOUBLE)

    def output(w):
        a = torch.tanh(w[0] @ x + w[3][:, None])
        return w[2] @ torch.tanh(w[1] @ a + w[4][:, None]) + w[5][:, None]

    torch.testing.assert_close(output(found.moved), output(u))
    assert found.after == 0.0


# -- positive scalings -----------------------------------------------------------
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("widths", [(6,), (6, 5), (4, 5, 6)])
def test_planted_factors_are_found(widths, degree, dtype):
    sizes = (10, *widths, 4)
    symmetry = chain(sizes, mc.PositiveScaling, biases=degree == 1, degree=float(degree))
    u = weights(sizes, 3, dtype, biases=degree == 1)
    g = symmetry.group.sample(seeded(4), condition=5.0, dtype=dtype)
    found = mc.align(symmetry, u, symmetry.act(g, u))
    assert never_rises(found)
    assert found.after <= rounding(u) * found.before
    for c, d in zip(found.g, g, strict=True):
        assert torch.allclose(c * d, torch.ones_like(c), atol=100 * rounding(u) ** 0.5)


# -- permutations and scalings together --------------------------------------------
@given(seed=SEEDS, h=st.integers(1, 4), n=st.integers(1, 3))
def test_one_layer_of_both_is_the_best_of_all(seed, h, n):
    sizes = (n, h, 2)
    symmetry = chain(sizes, mc.PositiveScaling)
    u, w = weights(sizes, seed), weights(sizes, seed + 1)
    factors = torch.logspace(-6, 6, 6001, dtype=DOUBLE)[:, None, None]
    into, into_w = (torch.cat([x[0], x[2][:, None]], 1) for x in (u, w))
    apart = (into[:, None] - factors[..., None] * into_w).square().sum(-1)
    apart = apart + (u[1].mT[:, None] - w[1].mT / factors[..., None]).square().sum(-1)
    table = apart.amin(0).tolist()  # the cost of each pair, on a fine grid of factors
    every = itertools.permutations(range(h))
    best = min(sum(table[i][p[i]] for i in range(h)) for p in every) + far(u[3:], w[3:])
    found = mc.align_rescaled(symmetry, u, w)
    assert best * (1 - 1e-4) <= found.after <= best * (1 + 1e-12)
    permuted = mc.align(mc.permutations_of(symmetry), u, w)
    assert found.after <= min(permuted.after, mc.align(symmetry, u, w).after) * (1 + 1e-12)


def test_a_planted_pair_is_found_where_permutations_alone_fail(dtype):
    sizes = (20, 8, 7, 5)
    symmetry, u = chain(sizes, mc.PositiveScaling), weights((20, 8, 7, 5), 5, dtype)
    reorder = mc.permutations_of(symmetry)
    p, c = reorder.group.sample(seeded(6)), symmetry.group.sample(seeded(7), dtype=dtype)
    w = symmetry.act(c, reorder.act(p, u))
    found = mc.align_rescaled(symmetry, u, w)
    assert never_rises(found)
    assert found.after <= 1e4 * rounding(u) ** 2 * found.before
    assert mc.align(reorder, u, w).after > 0.05 * found.before
    by_hand = symmetry.act(found.g[1], reorder.act(found.g[0], w))
    assert far(by_hand, found.moved) == 0.0


@pytest.mark.parametrize("seed", [1, 2])
def test_the_moved_network_computes_the_same(seed):
    x = torch.randn(4, 6, generator=seeded(seed), dtype=DOUBLE)
    net = mc.Classifier.of_labels(x, torch.tensor([0, 1, 2, 0, 1, 2]), 3, (5, 4))
    u, w = net.random(seeded(seed + 1)), net.random(seeded(seed + 2))
    z = [a.relu() for a in net.preactivations(u)[:-1]]
    z_other = [a.relu() for a in net.preactivations(w)[:-1]]
    reorder = mc.permutations_of(net.symmetry)
    for found in (
        mc.align(reorder, u, w),
        mc.align(net.symmetry, u, w, rounds=3),
        mc.align_rescaled(net.symmetry, u, w, rounds=3),
        mc.align_activations(reorder, w, z, z_other),
    ):
        assert torch.allclose(net.output(found.moved), net.output(w), atol=1e-10)
        assert never_rises(found)


def test_named_weights_and_a_layer_read_twice(dtype):
    table = {"in": (Into("a"), Fixed()), "out": (Fixed(), OutOf("a")), "skip": (OutOf("a"),)}
    symmetry = mc.Symmetry(table, {"a": Layer(mc.PositiveScaling(3))})
    shapes = {"in": (3, 2), "out": (2, 3), "skip": (3,)}
    u = {k: torch.randn(*s, generator=seeded(8), dtype=dtype) for k, s in shapes.items()}
    c = torch.tensor([0.5, 2.0, 3.0], dtype=dtype)
    reorder = mc.permutations_of(symmetry)
    w = symmetry.act((c,), reorder.act((torch.tensor([1, 2, 0]),), u))
    found = mc.align_rescaled(symmetry, u, w)
    assert found.after <= 100 * rounding(u) ** 2 * found.before
    into, out_of = rows_at(symmetry, "a", u)
    assert into.shape == (3, 2) and torch.equal(out_of[:, 2], u["skip"])


def test_the_rows_of_a_layer_may_leave_out_what_is_not_yet_matched(dtype):
    u = weights((2, 3, 4, 2), 1, dtype)
    symmetry = chain((2, 3, 4, 2))
    into, out_of = rows_at(symmetry, "layer 1", u, known=())
    assert torch.equal(into, torch.cat([u[0], u[3][:, None]], 1)) and out_of.shape == (3, 0)
    into, out_of = rows_at(symmetry, "layer 1", u, known=["layer 2"])
    assert torch.equal(out_of, u[1].mT)


# -- rotations and invertible matrices ----------------------------------------------
@given(seed=SEEDS)
def test_no_rotation_near_the_best_one_is_better(seed):
    sizes, generator = (4, 3, 2), seeded(seed)
    symmetry = chain(sizes, mc.Orthogonal, biases=False)
    u, w = weights(sizes, seed, biases=False), weights(sizes, seed + 1, biases=False)
    found = mc.align(symmetry, u, w)
    g = symmetry.group.factors[0].sample(generator, (50,))
    assert nearest(u, symmetry.act((g,), w)) >= found.after * (1 - 1e-12)
    near = torch.linalg.matrix_exp(1e-3 * (g - g.mT))
    assert nearest(u, symmetry.act((near,), found.moved)) >= found.after * (1 - 1e-12)


@pytest.mark.parametrize("group", [mc.Orthogonal, mc.GeneralLinear])
def test_a_planted_matrix_is_found(group, dtype):
    sizes = (6, 5, 5)
    symmetry, u = chain(sizes, group, biases=False), weights((6, 5, 5), 9, dtype, biases=False)
    options = {} if group is mc.Orthogonal else {"condition": 4.0}
    g = (symmetry.group.factors[0].sample(seeded(10), dtype=dtype, **options),)
    found = mc.align(symmetry, u, symmetry.act(g, u))
    assert found.after <= 1e4 * rounding(u) ** 2 * found.before
    assert torch.allclose(found.g[0] @ g[0], torch.eye(5, dtype=dtype), atol=1e3 * rounding(u))


@pytest.mark.parametrize("seed", range(3))
def test_where_the_descent_over_gl_stops_the_gradient_is_zero(seed):
    sizes = (4, 3, 4)
    symmetry = chain(sizes, mc.GeneralLinear, biases=False)
    u, w = weights(sizes, seed, biases=False), weights(sizes, seed + 1, biases=False)
    found = mc.align(symmetry, u, w)
    m = torch.zeros(3, 3, dtype=DOUBLE, requires_grad=True)
    g = torch.linalg.matrix_exp(m)
    moved = (g @ found.moved[0], found.moved[1] @ torch.linalg.matrix_exp(-m))
    value = sum((x - y).square().sum() for x, y in zip(u, moved, strict=True))
    (slope,) = torch.autograd.grad(value, m)
    assert slope.abs().max() <= 1e-3 * found.before
    assert found.after <= found.before and never_rises(found)


# -- activations -----------------------------------------------------------------------
def correlation(a, b):
    """The correlation of two lists of numbers, by its definition."""
    da, db = [x - sum(a) / len(a) for x in a], [x - sum(b) / len(b) for x in b]
    top = sum(x * y for x, y in zip(da, db, strict=True))
    return top / math.sqrt(sum(x * x for x in da) * sum(y * y for y in db))


@given(seed=SEEDS, h=st.integers(1, 5))
def test_activations_are_paired_for_the_largest_sum_of_correlations(seed, h):
    a, b = torch.randn(2, h, 6, generator=seeded(seed), dtype=DOUBLE)
    w = weights((2, h, 2), seed)
    table = [[correlation(x, y) for y in b.tolist()] for x in a.tolist()]
    sums = [sum(table[i][p[i]] for i in range(h)) for p in itertools.permutations(range(h))]
    found = mc.align_activations(chain((2, h, 2)), w, [a], [3 * b + 1])
    assert found.after == pytest.approx(h - max(sums), abs=1e-8)
    assert found.before == pytest.approx(h - sum(table[i][i] for i in range(h)), abs=1e-9)
    assert torch.equal(found.moved[0], w[0][found.g[0]])


def test_neurons_that_never_change_do_not_disturb(dtype):
    a = torch.tensor([[0.0, 0, 0], [0, 1, 2], [1, 0, 0]], dtype=dtype)
    w = weights((2, 3, 2), 1, dtype)
    found = mc.align_activations(chain((2, 3, 2)), w, [a], [a[[2, 0, 1]]])
    assert found.g[0].tolist() == [1, 2, 0]
    assert found.after == pytest.approx(1.0)


def test_silent_neurons_keep_their_order_whatever_the_rounding(dtype):
    a = torch.randn(8, 20, generator=seeded(1), dtype=dtype)
    a[[0, 3, 4, 6]] = 0.1  # whose mean is not 0.1 to the last bit
    b = a[[4, 1, 2, 6, 0, 5, 3, 7]]  # the same, and the silent ones in any order
    for noise in (0.0, 1e-6 if dtype == torch.float32 else 1e-14):
        active = b[:, :1] != b[0, 0]
        other = torch.where(
            active, b + noise * torch.randn(b.shape, generator=seeded(2), dtype=dtype), b
        )
        found = mc.align_activations(chain((2, 8, 2)), weights((2, 8, 2), 1, dtype), [a], [other])
        assert found.g[0].tolist() == list(range(8))


# -- what is refused ----------------------------------------------------------------------
U, PAIR = weights((2, 3, 2), 1), chain((2, 3, 2))
SCALED = chain((2, 3, 2), mc.PositiveScaling)
Z = torch.ones(3, 4, dtype=DOUBLE)
TWICE = mc.Symmetry({"w": (Into("a"), OutOf("a"))}, {"a": Layer(mc.Permutation(2))})
BATCH = tuple(x.expand(2, *x.shape) for x in U)
SQUARE = {"w": torch.eye(2)}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param(
            lambda: mc.align(PAIR, U, U, rounds=0),
            mc.errors.OutOfDomain,
            "one round or more, got 0",
            id="no round",
        ),
        pytest.param(
            lambda: mc.align(PAIR, BATCH, BATCH),
            mc.errors.ShapeMismatch,
            "one point at a time: weight 0",
            id="batch",
        ),
        pytest.param(
            lambda: mc.align(PAIR, U, U[:2]), mc.errors.ShapeMismatch, "different trees", id="trees"
        ),
        pytest.param(
            lambda: mc.align(TWICE, SQUARE, SQUARE),
            mc.errors.NotSymmetric,
            "meets 'a' on 2 axes",
            id="two axes",
        ),
        pytest.param(
            lambda: mc.align(chain((2, 3, 2), mc.PositiveScaling, degree=1.5), U, U),
            mc.errors.OutOfDomain,
            r"integer degree k ≥ 1, got 1\.5",
            id="degree",
        ),
    ],
)
def test_what_cannot_be_aligned_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.bad_input
def test_only_scalings_are_aligned_by_factors():
    with pytest.raises(mc.errors.NotSymmetric, match="'layer 1' needs positive scal"):
        mc.align_rescaled(PAIR, U, U)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("symmetry", "z", "z_other", "error", "message"),
    [
        pytest.param(
            SCALED,
            [Z],
            [Z],
            mc.errors.NotSymmetric,
            r"'layer 1' needs permutations to reorder, got PositiveScaling\(n=3\)",
            id="scalings",
        ),
        pytest.param(
            PAIR,
            [Z],
            [Z[:, 1:]],
            mc.errors.ShapeMismatch,
            r"of \[3\] neurons to the same samples, got shapes \[\(3, 4\)\] and \[\(3, 3\)\]",
            id="samples",
        ),
        pytest.param(PAIR, [Z[1:]], [Z[1:]], mc.errors.ShapeMismatch, "2, 4", id="neurons"),
        pytest.param(PAIR, [Z, Z], [Z, Z], mc.errors.ShapeMismatch, r"of \[3\]", id="layers"),
        pytest.param(PAIR, [Z / 0], [Z], mc.errors.NotFinite, "the responses", id="infinite"),
    ],
)
def test_activations_that_do_not_fit_are_refused(symmetry, z, z_other, error, message):
    with pytest.raises(error, match=message):
        mc.align_activations(symmetry, U, z, z_other)
