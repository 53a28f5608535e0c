"""One action, given as data: its laws on every kind of table, and the losses that it keeps."""

import math
import operator
from dataclasses import dataclass

import optree
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import (
    DtypeMismatch,
    McLibError,
    NotFinite,
    NotInGroup,
    NotSymmetric,
    OutOfDomain,
    ShapeMismatch,
)
from mc_lib.groups import GeneralLinear, Orthogonal, Permutation, PositiveScaling, SignedPermutation
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.symmetry import Symmetry

GL, X = GeneralLinear, Fixed()
EYE = torch.eye(2, dtype=torch.float64)
PAIR = Symmetry.chain([Layer(GL(2))])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Case:
    """A symmetry, and the shapes of the weights on which it acts."""

    symmetry: Symmetry
    shapes: object

    def weights(self, seed=1, batch=(), dtype=torch.float64):
        generator = seeded(seed)
        return optree.tree_map(
            lambda shape: torch.randn(*batch, *shape, generator=generator, dtype=dtype),
            self.shapes,
            is_leaf=lambda x: isinstance(x, tuple) and isinstance(x[0], int),
        )


def chain(*sizes, layer=lambda n: Layer(GL(n)), biases=False):
    shapes = tuple((m, n) for n, m in zip(sizes, sizes[1:], strict=False))
    shifts = tuple((m,) for m in sizes[1:]) if biases else ()
    symmetry = Symmetry.chain([layer(n) for n in sizes[1:-1]], biases=biases)
    return Case(symmetry, (*shapes, *shifts))


def mixed(n, layers):
    """A dict of one weight of each kind over layers a and b, of widths n and n + 1."""
    a, b = layers
    table = {
        "conv": (Into("b"), OutOf("a"), X, X),
        "bias": (Into("a"),),
        "transposed": (X, Into("a")),
        "out": (X, OutOf("b")),
    }
    shapes = {"conv": (n + 1, n, 2, 3), "bias": (n,), "transposed": (2, n), "out": (2, n + 1)}
    return Case(Symmetry(table, {"a": Layer(*a), "b": Layer(*b)}), shapes)


CONTINUOUS = {
    "two layers": chain(3, 4, 2),
    "three layers": chain(2, 1, 5, 3),
    "six layers": chain(2, 3, 4, 3, 2, 5, 2),
    "biases": chain(3, 4, 2, 3, biases=True),
    "heads": Case(
        Symmetry(
            {
                "Q": (X, Into("qk"), X),
                "K": (X, OutOf("qk"), X),
                "V": (X, Into("vo"), X),
                "O": (X, X, OutOf("vo")),
            },
            {"qk": Layer(GL(3)), "vo": Layer(GL(2))},
        ),
        {"Q": (4, 3, 5), "K": (4, 3, 5), "V": (4, 2, 5), "O": (4, 5, 2)},
    ),
    "one weight, one layer, several axes": Case(
        Symmetry(((Into("r"), OutOf("r")), (Into("r"), X, Into("r"))), {"r": Layer(GL(3))}),
        ((3, 3), (3, 2, 3)),
    ),
    "rotations and GL": mixed(3, [(Orthogonal(3),), (GL(4),)]),
    "scalings of degree 2 and 1/2": mixed(
        3, [(PositiveScaling(3), 2.0), (PositiveScaling(4), 0.5)]
    ),
}
CASES = CONTINUOUS | {
    "permutations": chain(3, 5, 4, 2, layer=lambda n: Layer(Permutation(n)), biases=True),
    "signed permutations": mixed(4, [(SignedPermutation(4),), (Permutation(5),)]),
    "no hidden layer": chain(3, 2),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_continuous_case = pytest.mark.parametrize("case", CONTINUOUS.values(), ids=CONTINUOUS)


def assert_same(v, w, rtol=1e-8, atol=1e-8):
    assert optree.tree_structure(v) == optree.tree_structure(w)
    for a, b in zip(optree.tree_leaves(v), optree.tree_leaves(w), strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def matrix(group, g):
    """The dense matrix of an element, by its action on the identity's columns, one neuron each."""
    if isinstance(group, PositiveScaling):
        return torch.diag(g)
    if isinstance(group, Permutation):
        return torch.stack([torch.eye(group.n, dtype=torch.float64)[i] for i in g.tolist()])
    if isinstance(group, SignedPermutation):
        rows = [math.copysign(1, i) * torch.eye(group.n)[abs(i) - 1] for i in g.tolist()]
        return torch.stack(rows).double()
    return g


def by_matrices(symmetry, g, w):
    """The action with dense matrices and explicit inverses, axis after axis."""
    inner = {
        name: matrix(layer.group, e)
        for (name, layer), e in zip(symmetry.layers.items(), g, strict=True)
    }

    def outer(name):
        degree = symmetry.layers[name].degree
        powered = inner[name].diagonal() ** degree
        return torch.linalg.inv(inner[name] if degree == 1 else torch.diag(powered)).mT

    def moved(axes, x):
        for i, axis in enumerate(axes):
            if not isinstance(axis, Fixed):
                a = inner[axis.layer] if isinstance(axis, Into) else outer(axis.layer)
                x = torch.tensordot(a, x, dims=([1], [i])).movedim(0, i)
        return x

    if isinstance(w, dict):
        return {key: moved(symmetry.weights[key], x) for key, x in w.items()}
    return tuple(moved(axes, x) for axes, x in zip(symmetry.weights, w, strict=True))


# -- laws of an action ---------------------------------------------------------
@every_case
def test_it_is_the_action_of_dense_matrices(case):
    for seed in range(3):
        g, w = case.symmetry.group.sample(seeded(seed)), case.weights(seed)
        assert_same(case.symmetry.act(g, w), by_matrices(case.symmetry, g, w))


@every_case
def test_it_is_a_left_action(case):
    """On 25 random elements and points at once."""
    G, act = case.symmetry.group, case.symmetry.act
    g, h, w = G.sample(seeded(1), (25,)), G.sample(seeded(2), (25,)), case.weights(batch=(25,))
    assert_same(act(G.compose(g, h), w), act(g, act(h, w)), rtol=1e-7, atol=1e-7)
    assert_same(act(G.inverse(g), act(g, w)), w, rtol=1e-7, atol=1e-7)


@given(st.lists(st.integers(1, 6), min_size=3, max_size=7), st.integers(0, 99), st.booleans())
def test_a_chain_of_any_widths_multiplies_from_both_sides(sizes, seed, single):
    dtype, rtol = (torch.float32, 1e-3) if single else (torch.float64, 1e-9)
    case = chain(*sizes, biases=True)
    w = case.weights(seed, dtype=dtype)
    g = case.symmetry.group.sample(seeded(seed), dtype=dtype)
    left = (*g, torch.eye(sizes[-1], dtype=dtype))
    right = (torch.eye(sizes[0], dtype=dtype), *map(torch.linalg.inv, g))
    half = len(w) // 2
    naive = [a @ x @ b for a, x, b in zip(left, w[:half], right, strict=True)]
    shifts = [a @ x for a, x in zip(left, w[half:], strict=True)]
    assert_same(case.symmetry.act(g, w), (*naive, *shifts), rtol=rtol, atol=10 * rtol)


@every_case
def test_the_identity_acts_trivially(case, dtype):
    w = case.weights(dtype=dtype)
    moved = case.symmetry.act(case.symmetry.group.identity(dtype=dtype), w)
    assert_same(moved, w, rtol=0, atol=0)
    assert all(x.dtype == dtype for x in optree.tree_leaves(moved))


@every_case
def test_batches_of_g_and_of_w_broadcast_as_a_loop(case, dtype):
    g = case.symmetry.group.sample(seeded(), (2, 1), dtype=dtype)
    w = case.weights(batch=(3,), dtype=dtype)
    moved = case.symmetry.act(g, w)
    for i in range(2):
        for j in range(3):
            one = case.symmetry.act(
                tuple(x[i, 0] for x in g), optree.tree_map(operator.itemgetter(j), w)
            )
            tables = case.symmetry.weights
            keys = tables if isinstance(tables, dict) else range(len(tables))
            for key in keys:
                found = moved[key][i, j] if g else moved[key][j]  # no layer, no batch of g
                torch.testing.assert_close(found, one[key], rtol=1e-4, atol=1e-4)


def test_an_empty_batch_stays_empty():
    case = CASES["biases"]
    g = case.symmetry.group.sample(seeded(), (0,))
    assert {x.shape[0] for x in case.symmetry.act(g, case.weights())} == {0}


# -- the tangent ---------------------------------------------------------------
def algebra(symmetry, seed, batch=()):
    """A random Lie algebra element; that of O(n) is skew."""
    generator = seeded(seed)

    def entry(group):
        if isinstance(group, PositiveScaling):
            return torch.randn(*batch, group.n, generator=generator, dtype=torch.float64)
        m = torch.randn(*batch, group.n, group.n, generator=generator, dtype=torch.float64)
        return m - m.mT if isinstance(group, Orthogonal) else m

    return tuple(map(entry, symmetry.group.factors))


@every_continuous_case
def test_the_tangent_is_the_derivative_of_the_action_at_the_identity(case):
    m, w, step = algebra(case.symmetry, 1, (5,)), case.weights(batch=(5,)), 1e-5

    def at(s):
        return case.symmetry.act(case.symmetry.group.exp(tuple(s * x for x in m)), w)

    slope = optree.tree_map(lambda a, b: (a - b) / (2 * step), at(step), at(-step))
    assert_same(case.symmetry.tangent(m, w), slope, rtol=1e-6, atol=1e-7)


@every_continuous_case
def test_the_tangent_is_linear_and_batches_as_a_loop(case):
    tangent, w = case.symmetry.tangent, case.weights(batch=(3,))
    m, n = algebra(case.symmetry, 1, (2, 1)), algebra(case.symmetry, 2, (2, 1))
    both = tangent(tuple(2 * a - 3 * b for a, b in zip(m, n, strict=True)), w)
    assert_same(both, optree.tree_map(lambda a, b: 2 * a - 3 * b, tangent(m, w), tangent(n, w)))
    assert_same(
        tangent(m, optree.tree_map(lambda x: -2 * x, w)),
        optree.tree_map(lambda x: -2 * x, tangent(m, w)),
    )
    one = tangent(tuple(x[1, 0] for x in m), optree.tree_map(operator.itemgetter(2), w))
    for a, b in zip(*map(optree.tree_leaves, (tangent(m, w), one)), strict=True):
        torch.testing.assert_close(a[1, 2], b)


def test_the_tangent_of_a_chain_is_the_formula():
    m, w = algebra(PAIR, 1), chain(3, 2, 4).weights()
    assert_same(PAIR.tangent(m, w), (m[0] @ w[0], -w[1] @ m[0]))


def test_a_weight_that_meets_no_layer_does_not_move():
    case = Case(
        Symmetry({"w": (Into("a"), X), "free": (X,)}, {"a": Layer(GL(2))}),
        {"w": (2, 3), "free": (4,)},
    )
    w, m = case.weights(), algebra(case.symmetry, 1)
    assert torch.equal(case.symmetry.tangent(m, w)["free"], torch.zeros(4, dtype=torch.float64))
    assert torch.equal(case.symmetry.act(m, w)["free"], w["free"])


# -- the table -----------------------------------------------------------------
def test_a_chain_names_its_layers_and_axes():
    symmetry = Symmetry.chain([Layer(GL(2)), Layer(GL(3))], biases=True)
    one, two = "layer 1", "layer 2"
    assert symmetry.weights == (
        (Into(one), X),
        (Into(two), OutOf(one)),
        (X, OutOf(two)),
        (Into(one),),
        (Into(two),),
        (X,),
    )
    assert list(symmetry.layers) == [one, two]
    assert symmetry.group.factors == (GL(2), GL(3))


def test_the_order_of_the_layers_is_the_order_of_the_entries():
    table = ((Into("z"), X), (Into("a"), OutOf("z")))
    symmetry = Symmetry(table, {"z": Layer(GL(1)), "a": Layer(GL(2))})
    assert symmetry.group.factors == (GL(1), GL(2))


def test_the_point_keeps_its_form():
    w = {"b": torch.ones(2, 1), "a": torch.ones(1, 2)}
    symmetry = Symmetry({"a": (X, OutOf("h")), "b": (Into("h"), X)}, {"h": Layer(GL(2))})
    moved = symmetry.act((2 * torch.eye(2),), w)
    assert moved["b"].tolist() == [[2.0], [2.0]]
    assert moved["a"].tolist() == [[0.5, 0.5]]


def test_a_layer_passes_the_power_of_its_scaling():
    g = torch.tensor([2.0, 4.0], dtype=torch.float64)
    assert Layer(PositiveScaling(2), 2.0).out(g).tolist() == [4.0, 16.0]
    assert Layer(PositiveScaling(2), 0.5).out(g)[1] == 2.0
    assert Layer(PositiveScaling(2)).out(g) is g


# -- the losses that it keeps ---------------------------------------------------
def run(w, x, sigma):
    """W_3 σ(W_2 σ(W_1 x + b_1) + b_2) + b_3."""
    depth = len(w) // 2
    for i, (a, b) in enumerate(zip(w[:depth], w[depth:], strict=True)):
        x = a @ x + b.unsqueeze(-1)
        x = sigma(x) if i < depth - 1 else x
    return x


def relu_power(k):
    return lambda z: z.clamp(min=0) ** k


def leaky(z):
    return torch.where(z > 0, z, 0.1 * z)


KEPT = {
    "GL, identity": (lambda n: Layer(GL(n)), lambda z: z),
    "scalings, relu": (lambda n: Layer(PositiveScaling(n)), relu_power(1)),
    "scalings, leaky relu": (lambda n: Layer(PositiveScaling(n)), leaky),
    "scalings of degree 2, relu²": (lambda n: Layer(PositiveScaling(n), 2.0), relu_power(2)),
    "scalings of degree 1/2, √relu": (lambda n: Layer(PositiveScaling(n), 0.5), relu_power(0.5)),
    "signed permutations, tanh": (lambda n: Layer(SignedPermutation(n)), torch.tanh),
    "permutations, sigmoid": (lambda n: Layer(Permutation(n)), torch.sigmoid),
    "permutations, relu": (lambda n: Layer(Permutation(n)), relu_power(1)),
    "rotations, normalisation": (
        lambda n: Layer(Orthogonal(n)),
        lambda z: z / torch.linalg.vector_norm(z, dim=-2, keepdim=True),
    ),
}
BROKEN = {
    "GL, tanh": (KEPT["GL, identity"][0], torch.tanh),
    "scalings, sigmoid": (KEPT["scalings, relu"][0], torch.sigmoid),
    "scalings, relu²": (KEPT["scalings, relu"][0], relu_power(2)),
    "scalings of degree 2, relu": (KEPT["scalings of degree 2, relu²"][0], relu_power(1)),
    "scalings of degree 2, √relu": (KEPT["scalings of degree 2, relu²"][0], relu_power(0.5)),
    "signed permutations, relu": (KEPT["signed permutations, tanh"][0], relu_power(1)),
    "signed permutations, sigmoid": (KEPT["signed permutations, tanh"][0], torch.sigmoid),
    "rotations, tanh": (KEPT["rotations, normalisation"][0], torch.tanh),
}


def change(layer, sigma, seed):
    case = chain(3, 6, 5, 2, layer=layer, biases=True)
    w = case.weights(seed)
    g = case.symmetry.group.sample(seeded(seed), condition=4.0)
    x = torch.randn(3, 7, generator=seeded(seed + 1), dtype=torch.float64)
    before, after = run(w, x, sigma), run(case.symmetry.act(g, w), x, sigma)
    return float((after - before).norm() / before.norm())


@pytest.mark.parametrize(("layer", "sigma"), KEPT.values(), ids=KEPT)
def test_the_output_is_kept(layer, sigma):
    for seed in range(5):
        assert change(layer, sigma, seed) < 1e-10


@pytest.mark.parametrize(("layer", "sigma"), BROKEN.values(), ids=BROKEN)
def test_another_activation_breaks_it(layer, sigma):
    assert change(layer, sigma, 3) > 1e-2


@pytest.mark.parametrize("dropped", range(2))
def test_dropping_an_inverse_changes_the_output(dropped):
    case = chain(3, 6, 5, 2)
    w, g = case.weights(), case.symmetry.group.sample(seeded())
    table = [list(axes) for axes in case.symmetry.weights]
    table[dropped + 1][1] = X
    broken = Symmetry(tuple(map(tuple, table)), case.symmetry.layers)
    for symmetry, kept in ((case.symmetry, True), (broken, False)):
        a, b, c = symmetry.act(g, w)
        assert torch.allclose(c @ b @ a, w[2] @ w[1] @ w[0], rtol=1e-9) is kept


def test_attention_is_kept_by_GL_of_the_head_dimension():
    case = CASES["heads"]
    w, g = case.weights(), case.symmetry.group.sample(seeded())
    x = torch.randn(5, 6, generator=seeded(), dtype=torch.float64)

    def attention(w):
        scores = (w["Q"] @ x).mT @ (w["K"] @ x)
        return (w["O"] @ w["V"] @ x @ torch.softmax(scores / 10, -1).mT).sum(0)

    torch.testing.assert_close(attention(case.symmetry.act(g, w)), attention(w))


def test_a_convolution_is_kept_by_permutations_and_scalings_of_its_channels():
    table = ((Into("c"), X, X, X), (Into("c"),), (X, OutOf("c"), X, X))
    generator = seeded(1)
    shapes = ((6, 3, 3, 3), (6,), (2, 6, 1, 1))
    w = tuple(torch.randn(*s, generator=generator, dtype=torch.float64) for s in shapes)
    x = torch.randn(4, 3, 8, 8, generator=generator, dtype=torch.float64)

    def output(w):
        hidden = torch.relu(torch.nn.functional.conv2d(x, w[0], w[1]))
        return torch.nn.functional.conv2d(hidden, w[2])

    for group in (Permutation(6), PositiveScaling(6)):
        symmetry = Symmetry(table, {"c": Layer(group)})
        moved = symmetry.act(symmetry.group.sample(seeded()), w)
        torch.testing.assert_close(output(moved), output(w))


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize("degree", [0, -1.0, math.inf, math.nan])
def test_a_degree_is_a_positive_number(degree):
    with pytest.raises(OutOfDomain, match=rf"degree k of an activation is positive, got {degree}"):
        Layer(PositiveScaling(2), degree)


@pytest.mark.bad_input
@pytest.mark.parametrize("group", [GL(2), Orthogonal(2), Permutation(2), SignedPermutation(2)])
def test_only_scalings_have_a_degree(group):
    with pytest.raises(NotSymmetric) as error:
        Layer(group, 2.0)
    assert str(error.value) == (
        f"only positive scalings pass an activation of degree 2.0 ≠ 1, not {group}"
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("table", "layers", "message"),
    [
        pytest.param(
            {"a": (Into("h"), None)},
            ["h"],
            r"weight 'a': no layer claims the axis None; an axis is",
            id="no claim",
        ),
        pytest.param(
            ((Into("a"), OutOf("g")),),
            ["h", "a"],
            r"meet the layers \['a', 'g'\], .* for \['a', 'h'\]",
            id="another layer",
        ),
    ],
)
def test_an_axis_that_no_layer_claims_is_refused(table, layers, message):
    with pytest.raises(NotSymmetric, match=message):
        Symmetry(table, {name: Layer(GL(2)) for name in layers})


both_verbs = pytest.mark.parametrize(
    "verb", [pytest.param(PAIR.act, id="act"), pytest.param(PAIR.tangent, id="tangent")]
)


@pytest.mark.bad_input
@both_verbs
@pytest.mark.parametrize(
    ("point", "error", "message"),
    [
        pytest.param(
            (EYE,),
            ShapeMismatch,
            r"acts on the weights \[0, 1\], the point has \[0\]",
            id="one weight",
        ),
        pytest.param(
            {"a": EYE, "b": EYE},
            ShapeMismatch,
            r"acts on the weights \[0, 1\], the point has \['a', 'b'\]",
            id="names",
        ),
        pytest.param(
            (EYE, EYE[0]), ShapeMismatch, r"weight 1 needs 2 axes, got \(2,\)", id="a vector"
        ),
        pytest.param(
            (torch.ones(3, 2).double(), EYE),
            ShapeMismatch,
            r"weight 0 of shape \(3, 2\) meets 'layer 1' with 3 neurons, but GeneralLinear\(n=2\)",
            id="neurons",
        ),
        pytest.param(
            (EYE, torch.ones(4, 2, 3).double()),
            ShapeMismatch,
            r"weight 1 of shape \(4, 2, 3\) meets 'layer 1'",
            id="neurons of a batch",
        ),
        pytest.param(
            (), ShapeMismatch, "the point: expected at least one tensor, got none", id="nothing"
        ),
        pytest.param(
            (EYE, EYE / 0 * 0),
            NotFinite,
            "the point: 4 of the 4 entries of tensor 1",
            id="nan",
        ),
        pytest.param(
            (EYE.long(), EYE), DtypeMismatch, "the point: dtype torch.int64", id="integers"
        ),
    ],
)
def test_a_point_that_does_not_fit_the_table_is_refused(verb, point, error, message):
    with pytest.raises(error, match=message):
        verb((EYE,), point)


@pytest.mark.bad_input
@both_verbs
@pytest.mark.parametrize(
    ("g", "error", "message"),
    [
        pytest.param(
            (EYE, EYE),
            ShapeMismatch,
            "expected a tuple of 1 entries, .* got 2 entries",
            id="two entries",
        ),
        pytest.param(EYE, ShapeMismatch, r"got one tensor of shape \(2, 2\)", id="no tuple"),
        pytest.param(
            (torch.eye(3).double(),),
            ShapeMismatch,
            r"of GeneralLinear\(n=2\).* \(.*2, 2\), got \(3, 3\)$",
            id="shape",
        ),
        pytest.param((EYE / 0,), NotFinite, r"GeneralLinear\(n=2\): 4 of the 4 entries", id="nan"),
        pytest.param(
            (EYE.float(),),
            DtypeMismatch,
            "layer 1: the group entry is torch.float32 on cpu, the weights are torch.float64",
            id="dtype",
        ),
    ],
)
def test_an_element_that_does_not_fit_the_group_is_refused(verb, g, error, message):
    with pytest.raises(error, match=message):
        verb(g, (EYE, EYE))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("group", "g", "message"),
    [
        pytest.param(
            GL(2), 0 * EYE, r"not an element of GeneralLinear\(n=2\).*singular", id="matrix"
        ),
        pytest.param(
            PositiveScaling(2),
            torch.tensor([1.0, -1.0]).double(),
            r"PositiveScaling\(n=2\).*-1",
            id="factors",
        ),
    ],
)
def test_what_is_no_element_of_the_group_does_not_act(group, g, message):
    with pytest.raises(NotInGroup, match=message):
        Symmetry.chain([Layer(group)]).act((g,), (EYE, EYE))


@pytest.mark.bad_input
def test_a_singular_element_is_refused_even_where_nothing_reads_from_its_layer():
    only_in = Symmetry(((Into("a"), X),), {"a": Layer(GL(2))})
    with pytest.raises(NotInGroup, match="singular"):
        only_in.act((0 * EYE,), (EYE,))


@pytest.mark.bad_input
@both_verbs
def test_batches_that_do_not_broadcast_are_refused(verb):
    g, w = EYE.expand(3, 2, 2), (EYE.expand(4, 2, 2), EYE)
    with pytest.raises(ShapeMismatch, match=r"batches \[\(\), \(3,\), \(4,\)\] do not"):
        verb((g,), w)


@pytest.mark.bad_input
def test_a_discrete_group_has_no_tangent():
    symmetry = Symmetry.chain([Layer(Permutation(2))])
    with pytest.raises(McLibError, match=r"Permutation\(n=2\) is discrete"):
        symmetry.tangent((EYE,), (EYE, EYE))


@pytest.mark.bad_input
def test_an_axis_that_holds_more_than_neurons_is_to_be_split():
    table = ((Into("c"), X, X), (X, OutOf("c"), X))
    convolution = Symmetry(table, {"c": Layer(Permutation(8))})
    linear = Symmetry((table[0], (X, OutOf("c"))), convolution.layers)
    w = (torch.ones(8, 3, 3), torch.ones(10, 32))
    g = (torch.arange(8),)
    message = (
        r"32 neurons, but Permutation\(n=8\) acts there: where the axis holds 8 neurons times 4"
    )
    with pytest.raises(ShapeMismatch, match=message + r", split it by x.unflatten\(-1, \(8, 4\)\)"):
        linear.act(g, w)
    assert convolution.act(g, (w[0], w[1].unflatten(-1, (8, 4))))[1].shape == (10, 8, 4)
    with pytest.raises(ShapeMismatch, match=r"3 neurons, but Permutation\(n=8\) acts there$"):
        linear.act(g, (torch.ones(3, 3, 3), w[1]))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("g", "got"), [(None, "a NoneType"), (1.0, "a float"), ("12", "a str"), ({}, "a dict")]
)
def test_an_element_is_a_tuple_of_entries(g, got):
    for verb in (PAIR.act, PAIR.tangent):
        with pytest.raises(ShapeMismatch, match=f"expected a tuple of 1 entries, .* got {got}"):
            verb(g, (EYE, EYE))


@pytest.mark.bad_input
def test_the_tables_are_tables_of_axes_and_layers():
    table, layers = PAIR.weights, PAIR.layers
    cases = [
        (lambda: Symmetry(table, None), "the table of layers is a Mapping, got a NoneType"),
        (lambda: Symmetry(3, layers), "the table of weights, .* is a Sequence, got an int"),
        (lambda: Symmetry(table, {"layer 1": GL(2)}), "a layer .* is a Layer, got a GeneralLinear"),
        (lambda: Layer(2), "the group of a layer is a Group, got an int"),
        (lambda: Layer(GL(2), "2"), "the degree k of an activation is a number, got a str"),
        (lambda: Symmetry.chain([GL(2)]), "is a Layer, got a GeneralLinear"),
    ]
    for call, message in cases:
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(NotSymmetric, match=r"meet the layers \[3, 'a'\]"):
        Symmetry(((Into(3), Into("a")),), {"a": Layer(GL(2))})
