"""Layers that live over others: the action, its tangent and the group are those of the matrices."""

import pytest
import torch

import mc_lib as mc
from mc_lib.errors import NotConnected, NotSymmetric, ShapeMismatch
from mc_lib.groups import ComplexScaling, Trivial

HEADS, QUERIES, WIDTH, STREAM = 3, 2, 4, 5
LAYERS = {
    "kv": mc.Layer(mc.Permutation(HEADS)),
    "q": mc.Layer(mc.Permutation(QUERIES), over=("kv",)),
    "freq": mc.Layer(Trivial(WIDTH)),
    "pair": mc.Layer(ComplexScaling(), over=("kv", "freq")),
    "value": mc.Layer(mc.GeneralLinear(WIDTH), over=("kv",)),
    "scale": mc.Layer(mc.PositiveScaling(1), over=("kv", "q")),
    "stream": mc.Layer(mc.Orthogonal(STREAM)),
}
WEIGHTS = {
    "queries": tuple(map(mc.OutOf, ["kv", "q", "pair"])) + (mc.Into("freq"), mc.OutOf("stream")),
    "keys": tuple(map(mc.Into, ["kv", "pair", "freq"])) + (mc.OutOf("stream"),),
    "values": (mc.Into("kv"), mc.Into("value"), mc.OutOf("stream")),
    "out": (mc.Into("stream"), *map(mc.OutOf, ["kv", "q", "value"])),
    "gate": (mc.Into("kv"), mc.Into("q"), mc.Into("scale"), mc.Fixed()),
    "bias": (mc.Into("stream"),),
}
SIZES = {
    **{"kv": HEADS, "q": QUERIES, "freq": WIDTH, "pair": 2, "value": WIDTH, "scale": 1},
    "stream": STREAM,
}
SYMMETRY = mc.Symmetry(WEIGHTS, LAYERS)


def point(generator, batch=()):
    def size(axis):
        return SIZES.get(getattr(axis, "layer", None), 7)

    return {
        key: torch.randn(*batch, *map(size, axes), generator=generator)
        for key, axes in WEIGHTS.items()
    }


def close(u, v, **options):
    for key in u:
        torch.testing.assert_close(u[key], v[key], rtol=1e-11, atol=1e-11, **options)


def test_the_action_is_the_formula_written_by_hand(generator):
    w, g = point(generator), SYMMETRY.group.sample(generator)
    kv, q, _, pair, value, scale, stream = g
    moved = SYMMETRY.act(g, w)
    for k in range(HEADS):
        head = int(kv[k])
        left = value[head] @ w["values"][head] @ torch.linalg.inv(stream)
        torch.testing.assert_close(moved["values"][k], left)
        for r in range(QUERIES):
            query = int(q[head, r])
            size = scale[head, query] * w["gate"][head, query]
            torch.testing.assert_close(moved["gate"][k, r], size)
            out = stream @ w["out"][:, head, query] @ torch.linalg.inv(value[head])
            torch.testing.assert_close(moved["out"][:, k, r], out)
            for m in range(WIDTH):
                c = torch.view_as_complex(pair[head, m])
                z = torch.view_as_complex(w["queries"][head, query, :, m].T.contiguous())
                z = torch.view_as_real(z / c.conj()).T @ torch.linalg.inv(stream)
                torch.testing.assert_close(moved["queries"][k, r, :, m], z)


def test_the_action_of_a_product_is_the_product_of_the_actions(generator):
    w, group = point(generator), SYMMETRY.group
    g, h, f = (group.sample(generator) for _ in range(3))
    close(SYMMETRY.act(group.compose(g, h), w), SYMMETRY.act(g, SYMMETRY.act(h, w)))
    close(SYMMETRY.act(group.inverse(g), SYMMETRY.act(g, w)), w)
    close(SYMMETRY.act(group.identity(), w), w)
    left, right = (
        group.compose(group.compose(f, g), h),
        group.compose(f, group.compose(g, h)),
    )
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_batches_of_elements_and_points_broadcast(generator):
    w, g = point(generator, (3,)), SYMMETRY.group.sample(generator, (2, 1))
    moved = SYMMETRY.act(g, w)
    one = tuple(x[1, 0] for x in g)
    for key, x in SYMMETRY.act(one, {k: x[2] for k, x in w.items()}).items():
        assert moved[key].shape[:2] == (2, 3)
        torch.testing.assert_close(moved[key][1, 2], x)


def algebra(generator):
    m = SYMMETRY.group.sample(generator)[-1]
    shapes = {"pair": (HEADS, WIDTH, 2), "value": (HEADS, WIDTH, WIDTH)}
    shapes |= {"scale": (HEADS, QUERIES, 1)}
    entries = {name: torch.randn(*s, generator=generator) for name, s in shapes.items()}
    return tuple(entries.get(name) for name in LAYERS)[:-1] + (m - m.mT,)


def test_the_tangent_is_the_derivative_of_the_action(generator):
    w, m, h = point(generator), algebra(generator), 1e-5

    def at(t):
        return SYMMETRY.act(SYMMETRY.group.exp([None if x is None else t * x for x in m]), w)

    tangent, forward, back = SYMMETRY.tangent(m, w), at(h), at(-h)
    for key, x in tangent.items():
        slope = (forward[key] - back[key]) / (2 * h)
        torch.testing.assert_close(x, slope, rtol=1e-7, atol=1e-7)


def test_orbit_curves_and_distances_work_over_others(generator):
    w, m = point(generator), algebra(generator)
    m = tuple(None if x is None else 0.3 * x for x in m)
    curve = mc.OrbitCurve(SYMMETRY, m, w)
    end = SYMMETRY.act(SYMMETRY.group.exp(m), w)
    close(curve(1.0), end)
    again = mc.OrbitCurve.between(SYMMETRY, SYMMETRY.group.exp(m), w)
    assert mc.distance(again(1.0), end) < 1e-10 * mc.norm(end)
    with pytest.raises(NotConnected):
        swap = torch.tensor([1, 0, 2])
        mc.OrbitCurve.between(SYMMETRY, (swap, *SYMMETRY.group.identity()[1:]), w)


def test_dimension_and_components_count_the_elements_of_a_fibre():
    group = SYMMETRY.group
    assert group.dimension == HEADS * WIDTH * 2 + HEADS * WIDTH**2 + HEADS * QUERIES + 10
    assert group.components == 6 * 2**HEADS * 2**HEADS * 2
    assert SYMMETRY.group.factors[2].components == 1


A, B = mc.Layer(mc.Permutation(2)), mc.Layer(mc.GeneralLinear(2), over=("a",))
WRONG = {
    "over no layer": ((mc.Into("b"),), {"b": B}),
    "over no permutations": (
        (mc.Into("a"), mc.Into("b")),
        {"a": mc.Layer(mc.Orthogonal(2)), "b": B},
    ),
    "over itself": ((mc.Into("a"),), {"a": mc.Layer(mc.Permutation(2), over=("a",))}),
    "its base is not on the weight": ((mc.Into("b"),), {"a": A, "b": B}),
    "its base is on two axes": ((mc.Into("a"), mc.OutOf("a"), mc.Into("b")), {"a": A, "b": B}),
    "at names another axis": ((mc.Into("a"), mc.Into("b", (1,))), {"a": A, "b": B}),
    "not over what its base is over": (
        (mc.Into("a"), mc.Into("c"), mc.Into("b")),
        {"c": A, "a": mc.Layer(mc.Permutation(2), over=("c",)), "b": B},
    ),
}


@pytest.mark.parametrize("label", WRONG)
def test_a_wrong_base_is_refused(label):
    axes, layers = WRONG[label]
    with pytest.raises(NotSymmetric):
        mc.Symmetry({"w": axes, "v": tuple(map(mc.Into, layers.keys() - {"b"}))}, layers)


def test_at_says_which_of_two_axes():
    symmetry = mc.Symmetry(((mc.Into("a"), mc.OutOf("a"), mc.Into("b", (1,))),), {"a": A, "b": B})
    g = (torch.tensor([0, 1]), torch.stack([torch.eye(2), 3 * torch.eye(2)]))
    moved = symmetry.act(g, (torch.ones(2, 2, 2),))[0]
    assert moved[:, 0].eq(1).all() and moved[:, 1].eq(3).all()


def test_an_entry_without_an_element_at_each_index_is_refused(generator):
    g = SYMMETRY.group.sample(generator)
    with pytest.raises(ShapeMismatch, match="one element at each index"):
        SYMMETRY.act((*g[:4], g[4][0], *g[5:]), point(generator))
