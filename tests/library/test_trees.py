"""Points of every type of tree: what comes back has the type that was given, in its order."""

import dataclasses
from collections import OrderedDict, defaultdict, deque, namedtuple
from types import MappingProxyType

import optree
import optree.dataclasses
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from mc_lib.errors import DtypeMismatch, NotFinite, ShapeMismatch
from mc_lib.trees import leaves, named, renamed, require_point, require_same_tree

Pair = namedtuple("Pair", ["second", "first"])
OWN = optree.registry.__dict__["__GLOBAL_NAMESPACE"]
Registered = optree.dataclasses.make_dataclass("Registered", ["second", "first"], namespace=OWN)


@dataclasses.dataclass
class Unregistered:
    second: object
    first: object


TYPES = {
    "a tuple": lambda x, y: (x, y),
    "a list": lambda x, y: [x, y],
    "a deque": lambda x, y: deque([x, y]),
    "a named tuple": Pair,
    "a dataclass": Registered,
    "a dict": lambda x, y: {"a": x, "b": y},
    "an OrderedDict": lambda x, y: OrderedDict(b=x, a=y),
    "a defaultdict": lambda x, y: defaultdict(list, a=x, b=y),
}
every_type = pytest.mark.parametrize("make", TYPES.values(), ids=TYPES)


def matrices(seed, dtype=torch.float64):
    """A 3 × 2 and a 2 × 3 matrix: the weights of a network with three hidden neurons."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*s, generator=generator, dtype=dtype) for s in ((3, 2), (2, 3))]


def symmetry(w, group):
    """The chain with one hidden layer, in the form of w."""
    into, out_of = (mc.Into("h"), mc.Fixed()), (mc.Fixed(), mc.OutOf("h"))
    keys = named(w)
    table = dict(zip(keys, (into, out_of), strict=True))
    layers = {"h": mc.Layer(group)}
    numbered = list(keys) == list(range(2))
    return mc.Symmetry(tuple(table.values()) if numbered else table, layers)


def same(found, expected, make):
    """Whether a result is the tree of the expected pair, of its type and in its order."""
    pattern = make(*expected)
    assert type(found) is type(pattern)
    assert optree.tree_structure(found) == optree.tree_structure(pattern)
    for x, y in zip(leaves(found), leaves(pattern), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


# -- a state dict --------------------------------------------------------------
def states(seed=0):
    """The state of a network, and of its copy with permuted and rescaled hidden neurons."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    u = net.double().state_dict()
    order, scale = torch.tensor([2, 0, 3, 1]), torch.tensor([2.0, 0.5, 3.0, 1.5]).double()
    moved = {
        "0.weight": u["0.weight"][order] * scale[:, None],
        "0.bias": u["0.bias"][order] * scale,
        "2.weight": u["2.weight"][:, order] / scale,
    }
    return u, OrderedDict((key, moved.get(key, x)) for key, x in u.items())


HIDDEN, X = "h", mc.Fixed()
STATE = {
    "0.weight": (mc.Into(HIDDEN), X),
    "0.bias": (mc.Into(HIDDEN),),
    "2.weight": (X, mc.OutOf(HIDDEN)),
    "2.bias": (X,),
}


def test_a_rescaled_state_dict_is_aligned_weight_by_weight():
    u, w = states()
    scalings = mc.Symmetry(STATE, {HIDDEN: mc.Layer(mc.PositiveScaling(4))})
    direct = sum(float((u[key] - w[key]).square().sum()) for key in u)
    found = mc.align_rescaled(scalings, u, w)
    assert found.before == pytest.approx(direct, rel=1e-12)
    assert found.after < 1e-20
    assert type(found.moved) is OrderedDict
    assert list(found.moved) == list(u)
    torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    ).double().load_state_dict(found.moved)


def test_a_permuted_state_dict_is_aligned_weight_by_weight():
    u, w = states()
    permutations = mc.Symmetry(STATE, {HIDDEN: mc.Layer(mc.Permutation(4))})
    w = permutations.act((torch.tensor([1, 3, 0, 2]),), u)
    found = mc.align(permutations, u, w)
    direct = sum(float((u[key] - w[key]).square().sum()) for key in u)
    assert found.before == pytest.approx(direct, rel=1e-12)
    assert found.after == 0.0
    assert list(found.moved) == list(u)
    plain = mc.align(permutations, dict(u), dict(w))
    assert (plain.before, plain.after) == (pytest.approx(found.before), found.after)
    z = torch.randn(4, 9, dtype=torch.float64)
    by_responses = mc.align_activations(permutations, w, [z], [z[torch.tensor([1, 3, 0, 2])]])
    assert list(by_responses.moved) == list(u)
    torch.testing.assert_close(by_responses.moved, u)


# -- every type ----------------------------------------------------------------
@every_type
def test_a_symmetry_gives_back_the_type_that_it_was_given(make):
    w = matrices(1)
    for group in (mc.GeneralLinear(3), mc.Permutation(3), mc.PositiveScaling(3)):
        chain = mc.Symmetry.chain([mc.Layer(group)])
        g = chain.group.sample(torch.Generator().manual_seed(0))
        same(symmetry(make(*w), group).act(g, make(*w)), chain.act(g, tuple(w)), make)
    m = (torch.eye(3, dtype=torch.float64) / 3,)
    chain = mc.Symmetry.chain([mc.Layer(mc.GeneralLinear(3))])
    own = symmetry(make(*w), mc.GeneralLinear(3))
    same(own.tangent(m, make(*w)), chain.tangent(m, tuple(w)), make)
    same(mc.OrbitCurve(own, m, make(*w))(0.5), mc.OrbitCurve(chain, m, tuple(w))(0.5), make)


@every_type
def test_norms_and_curves_are_those_of_the_tuple(make):
    u, v, b = (matrices(seed) for seed in range(3))
    points, tuples = [make(*x) for x in (u, v, b)], [tuple(x) for x in (u, v, b)]
    for f in (lambda x, y, _: mc.inner(x, y), lambda x, y, _: mc.distance(x, y)):
        torch.testing.assert_close(f(*points), f(*tuples))
    torch.testing.assert_close(mc.norm(points[0]), mc.norm(tuples[0]))
    same(mc.lerp(*points[:2], 0.25), mc.lerp(*tuples[:2], 0.25), make)
    for curve, of_tuples in (
        (mc.Line(*points[:2]), mc.Line(*tuples[:2])),
        (mc.QuadraticBezier(*points), mc.QuadraticBezier(*tuples)),
        (mc.PolygonalChain(points), mc.PolygonalChain(tuples)),
        (mc.Concatenation([mc.Line(*points[:2])] * 1), mc.Concatenation([mc.Line(*tuples[:2])])),
    ):
        for part in (lambda c: c(0.3), lambda c: c.velocity(0.3), lambda c: c.acceleration(0.3)):
            same(part(curve), part(of_tuples), make)
        assert mc.length(curve) == pytest.approx(mc.length(of_tuples))
    curve, of_tuples = mc.QuadraticBezier(*points), mc.QuadraticBezier(*tuples)
    assert mc.segment_distance(curve).distance == pytest.approx(
        mc.segment_distance(of_tuples).distance, abs=1e-9
    )
    torch.testing.assert_close(mc.curvature(curve, 0.3), mc.curvature(of_tuples, 0.3))
    near, expected = (
        mc.distance_to_curve(x[2], c) for x, c in ((points, curve), (tuples, of_tuples))
    )
    torch.testing.assert_close(near.distance, expected.distance)

    def loss(w):
        return sum(x.square().sum((-2, -1)) for x in leaves(w))

    assert mc.barrier(curve, loss).height == pytest.approx(mc.barrier(of_tuples, loss).height)


@every_type
def test_a_rescaling_gives_back_the_type_that_it_was_given(make):
    w = matrices(1)
    first, second = list(named(make(*w)))
    curve = mc.RescalingCurve(make(*w), 4.0, inner=first, outer=second)
    same(curve(0.5), (2 * w[0], w[1] / 2), make)


@given(st.permutations(["a", "b", "c", "d"]), st.integers(0, 99))
def test_the_order_of_an_OrderedDict_is_kept_and_its_entries_are_not_mixed(order, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (2, 3), "b": (3,), "c": (2,), "d": (3, 2)}
    u, v = (
        OrderedDict((key, torch.randn(shapes[key], generator=generator).double()) for key in order)
        for _ in range(2)
    )
    direct = sum(float((u[key] - v[key]).square().sum()) for key in order)
    assert float(mc.distance(u, v)) ** 2 == pytest.approx(direct)
    assert float(mc.distance(dict(u), dict(v))) ** 2 == pytest.approx(direct)
    table = {"a": (mc.Fixed(), mc.OutOf("h")), "b": (mc.Into("h"),), "c": (mc.Fixed(),)}
    table["d"] = (mc.Into("h"), mc.Fixed())
    symmetry = mc.Symmetry(table, {"h": mc.Layer(mc.Permutation(3))})
    moved = symmetry.act((torch.tensor([2, 0, 1]),), u)
    assert list(moved) == order
    assert torch.equal(moved["b"], u["b"][torch.tensor([2, 0, 1])])
    assert mc.align(symmetry, u, moved).after == pytest.approx(0, abs=1e-20)


@given(st.integers(0, 99))
def test_nested_trees_are_points_of_norms_and_curves(seed):
    (a, b), (c, d) = matrices(seed), matrices(seed + 100)
    u = {"block": OrderedDict(z=a, b=[b]), "last": Pair(a, (b,))}
    v = {"block": OrderedDict(z=c, b=[d]), "last": Pair(c, (d,))}
    direct = 2 * ((a - c).square().sum() + (b - d).square().sum())
    torch.testing.assert_close(mc.distance(u, v) ** 2, direct)
    middle = mc.Line(u, v)(0.5)
    assert optree.tree_structure(middle) == optree.tree_structure(u)
    torch.testing.assert_close(middle["last"].first[0], (b + d) / 2)
    assert renamed((a, b), named((a, b))) == (a, b)


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("u", "v"),
    [
        (lambda x, y: {"a": x, "b": y}, lambda x, y: OrderedDict(a=x, b=y)),
        (lambda x, y: OrderedDict(a=x, b=y), lambda x, y: OrderedDict(b=y, a=x)),
        (lambda x, y: (x, y), lambda x, y: [x, y]),
        (lambda x, y: {"a": x, "b": y}, lambda x, y: {"a": x, "c": y}),
        (lambda x, y: (x, y), lambda x, y: (x, y, y)),
    ],
    ids=["a dict and an OrderedDict", "two orders", "a tuple and a list", "other keys", "more"],
)
def test_two_points_are_of_one_type_and_order(u, v):
    u, v = u(*matrices(0)), v(*matrices(1))
    chain = symmetry(u, mc.Permutation(3))
    calls = [require_same_tree, mc.inner, mc.distance, mc.Line]
    calls += [lambda x, y: mc.lerp(x, y, 0.5), lambda x, y: mc.QuadraticBezier(x, x, y)]
    calls += [lambda x, y: mc.PolygonalChain([x, y]), lambda x, y: mc.align(chain, x, y)]
    calls += [lambda x, y: mc.distance_to_curve(y, mc.Line(x, x))]
    for f in calls:
        with pytest.raises(ShapeMismatch, match="different trees: .*; give both as one type, with"):
            f(u, v)


@pytest.mark.bad_input
def test_what_optree_does_not_know_is_refused_with_what_would_be_right():
    x, y = matrices(0)
    cases = [
        (Unregistered(x, y), "got a Unregistered; register the class with optree.dataclasses"),
        (MappingProxyType({"a": x}), r"got a mappingproxy; dict\(x\) makes a tree of it"),
        (torch.nn.Linear(2, 2), r"Linear; dict\(module.named_parameters\(\)\) is a point"),
        ((x.numpy(), y.numpy()), r"got a ndarray; torch.as_tensor makes a tensor of it"),
    ]
    for w, message in cases:
        for f in (require_point, mc.norm, lambda w: mc.inner(w, w), lambda w: mc.Line(w, w)):
            with pytest.raises(DtypeMismatch, match=message):
                f(w)


@pytest.mark.bad_input
def test_a_symmetry_takes_flat_points():
    x, y = matrices(0)
    chain = symmetry((x, y), mc.Permutation(3))
    g = (torch.tensor([1, 0, 2]),)
    for w in ((x, (y,)), (x, y, None), {"a": {"b": x}, "c": y}, torch.stack([x, x])):
        with pytest.raises(ShapeMismatch, match="expected a flat point, a tuple or a mapping"):
            chain.act(g, w)
    with pytest.raises(ShapeMismatch, match=r"weights \['a', 'b'\], the point has \[0, 1\]"):
        symmetry({"a": x, "b": y}, mc.Permutation(3)).act(g, Pair(x, y))


@pytest.mark.bad_input
def test_messages_name_the_tensor_and_say_what_to_do_with_a_buffer():
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    message = (
        r"torch.int64 .*, or leave out what counts or indexes \(tensor '1.num_batches_tracked'\)"
    )
    with pytest.raises(DtypeMismatch, match=message):
        require_point(state)
    nested = {"a": [torch.zeros(1), torch.tensor([torch.nan])]}
    with pytest.raises(NotFinite, match=r"1 of the 1 entries of tensor \('a', 1\) are NaN"):
        require_point(nested)
    weights = {k: x for k, x in state.items() if x.is_floating_point()}
    table = {"0.weight": (mc.Into("h"), mc.Fixed()), "2.weight": (mc.Fixed(), mc.OutOf("h"))}
    chain = mc.Symmetry(table, {"h": mc.Layer(mc.Permutation(3))})
    with pytest.raises(ShapeMismatch, match=r"; leave out \['0.bias', .*\]; add \['2.weight'\]$"):
        chain.act((torch.tensor([0, 1, 2]),), weights)
