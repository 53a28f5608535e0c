"""Two minima of a linear network: the path, its exactness, and the layers that forbid it."""

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import minima
from mc_lib.curves import Line
from mc_lib.errors import NotAMinimum, NotConnected, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.minima.linear_path import LinearCurve
from mc_lib.networks import DeepLinear, partial_products

ONE = torch.eye(1, dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def network(n, widths, m=None, *, seed=0, dtype=torch.float64):
    m = n if m is None else m
    target, x = normal(m, n, seed=seed), normal(n, n + 2, seed=seed + 1)
    return DeepLinear(x.to(dtype), (target @ x).to(dtype), tuple(widths))


def two_minima(net, *, condition=10.0, seed=0):
    signs = (1,) * len(minima.signed_layers(net))
    g = seeded(seed)
    return [minima.sample(net, g, condition=condition, signs=signs) for _ in range(2)]


def times(count, dtype=torch.float64):
    return torch.linspace(0, 1, count, dtype=dtype)


def relative_loss(net, w):
    """The largest loss / ‖Y‖² over the times, multiplied out as the network does."""
    out = w[0]
    for x in w[1:]:
        out = x @ out
    return float(((net.Y - out @ net.X) ** 2).sum((-2, -1)).max() / (net.Y**2).sum())


# -- the curve -----------------------------------------------------------------
deep = st.tuples(
    st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 99)
)


@given(deep, st.booleans())
def test_the_path_has_zero_loss_and_the_given_ends_to_the_last_bit(case, single):
    n, extras, seed = case
    dtype = torch.float32 if single else torch.float64
    net = network(n, [n + e for e in extras], n + 1, seed=seed, dtype=dtype)
    w0, w1 = two_minima(net, condition=4.0, seed=seed)
    curve = minima.connect(net, w0, w1)
    along = curve(times(9, dtype))
    assert relative_loss(net, along) < {torch.float32: 1e-9, torch.float64: 1e-26}[dtype]
    for x, a, b in zip(along, w0, w1, strict=True):
        assert x.dtype == dtype
        assert torch.equal(x[0], a) and torch.equal(x[-1], b)
    assert curve.start is w0
    assert (minima.component(net, along) == minima.component(net, w0)).all()


@given(deep)
def test_the_path_is_continuous_at_its_ends(case):
    n, extras, seed = case
    net = network(n, [n + e for e in extras], seed=seed)
    w0, w1 = two_minima(net, seed=seed)
    near = minima.connect(net, w0, w1)(torch.tensor([1e-13, 1 - 1e-13], dtype=torch.float64))
    for x, a, b in zip(near, w0, w1, strict=True):
        torch.testing.assert_close(x, torch.stack([a, b]), rtol=1e-9, atol=1e-9)


def test_the_path_follows_the_partial_products_and_the_nearest_weights():
    net = network(2, (3, 2))
    w0, w1 = two_minima(net)
    curve = minima.connect(net, w0, w1)
    assert isinstance(curve, LinearCurve)
    t = torch.tensor(0.25, dtype=torch.float64)
    w = curve(t)
    first, second = partial_products(w)[:2]
    torch.testing.assert_close(first, curve.products[0](t), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(second, curve.products[1](t), rtol=1e-10, atol=1e-10)
    z = 0.75 * w0[1] + 0.25 * w1[1]
    want = second @ torch.linalg.pinv(first) + z @ (
        torch.eye(3).double() - first @ torch.linalg.pinv(first)
    )
    torch.testing.assert_close(w[1], want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "widths", "condition"),
    [
        (64, (64,) * 7, 1e4),
        (32, (40, 64, 33) * 2, 1e4),
        (2, (64,) * 7, 1e4),
        (3, (3,), 1e4),
        (1, (1,) * 7, 1.0),
    ],
)
def test_the_loss_stays_below_1e_20_up_to_the_stated_sizes(n, widths, condition):
    net = network(n, widths)
    curve = minima.connect(net, *two_minima(net, condition=condition))
    count = 33 if n > 8 else 1001
    assert relative_loss(net, curve(times(count))) < 1e-20


def test_the_residual_is_the_largest_loss_and_shows_bad_conditioning():
    net = network(2, (2, 3))
    w0, w1 = two_minima(net)
    curve = minima.connect(net, w0, w1)
    assert curve.residual == pytest.approx(relative_loss(net, curve(times(1001))), rel=1e-6)
    off = (w0[0], w0[1], w0[2] * (1 + 1e-9))  # relative loss 1e-18: a minimum to rounding
    askew = minima.connect(net, off, w1)
    assert askew.residual == pytest.approx(1e-18, rel=1e-3)
    half = relative_loss(net, askew(torch.tensor(0.5).double()))
    assert half == pytest.approx(0.25e-18, rel=1e-3)  # on the segment between the outputs


def test_velocity_and_acceleration_are_those_of_differences():
    net = network(2, (2, 4))
    curve = minima.connect(net, *two_minima(net, condition=2.0))
    t, h = times(5)[1:-1], 1e-4
    forward, here, back = curve(t + h), curve(t), curve(t - h)
    for v, a, x, y, z in zip(
        curve.velocity(t), curve.acceleration(t), forward, here, back, strict=True
    ):
        torch.testing.assert_close(v, (x - z) / (2 * h), rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(a, (x - 2 * y + z) / h**2, rtol=1e-4, atol=1e-3)
    first = curve.velocity(times(2))  # one-sided at the ends, where the position is pinned
    step = curve(torch.tensor([h, 1 - h], dtype=torch.float64))
    for v, x, a, b in zip(first, step, curve.w0, curve.w1, strict=True):
        torch.testing.assert_close(v[0], (x[0] - a) / h, rtol=2e-2, atol=2e-2)
        torch.testing.assert_close(v[1], (b - x[1]) / h, rtol=2e-2, atol=2e-2)


def test_the_velocity_is_tangent_to_the_minimum():
    net = network(3, (4,))
    curve = minima.connect(net, *two_minima(net))
    t = times(5)
    (w1, w2), (v1, v2) = curve(t), curve.velocity(t)
    torch.testing.assert_close(v2 @ w1 + w2 @ v1, torch.zeros(5, 3, 3).double(), rtol=0, atol=1e-10)


def test_a_point_is_joined_to_itself_by_standing_still_and_the_segment_leaves_the_minimum():
    net = network(3, (3,))
    w0, w1 = two_minima(net)
    still = minima.connect(net, w0, w0)(times(5))
    for x, a in zip(still, w0, strict=True):
        torch.testing.assert_close(x, a.expand(5, *a.shape), rtol=1e-11, atol=1e-11)
    assert relative_loss(net, Line(w0, w1)(times(9))) > 1e-3


# -- random pairs: a path, or the layers -----------------------------------------
@pytest.mark.slow
def test_random_pairs_are_joined_exactly_where_the_labels_agree():
    """400 pairs; each refusal names exactly the layers where a naive det changes its sign."""
    joined = 0
    for seed, (n, widths) in enumerate(
        [(1, (1,)), (1, (1, 1)), (1, (2,)), (2, (2,)), (2, (2, 3, 2)), (3, (3, 4)), (3, (5,))]
        + [(2, (3, 4)), (4, (4, 4, 4)), (5, (5,))]
    ):
        net = network(n, widths, seed=seed)
        w, v = (minima.sample(net, seeded(50 + seed + i), (40,), condition=3.0) for i in (0, 1))
        for i in range(40):
            w0, w1 = tuple(x[i] for x in w), tuple(x[i] for x in v)
            signs = [
                [
                    np.sign(scipy.linalg.det(p.numpy()))
                    for p in partial_products(u)[:-1]
                    if len(p) == n
                ]
                for u in (w0, w1)
            ]
            numbers = [j + 1 for j, h in enumerate(widths) if h == n]
            differ = [j for j, a, b in zip(numbers, *signs, strict=True) if a != b]
            if differ:
                with pytest.raises(NotConnected) as error:
                    minima.connect(net, w0, w1)
                assert f"differs at the layers {differ}, as wide" in str(error.value)
            else:
                assert relative_loss(net, minima.connect(net, w0, w1)(times(5))) < 1e-22
                joined += 1
    assert 150 < joined < 300


@pytest.mark.parametrize("flips", [*itertools.product((1, -1), repeat=3)])
def test_the_refusal_names_the_layers_that_were_flipped(flips):
    net = network(2, (2, 2, 3, 2))
    w0 = minima.sample(net, seeded(), signs=(1, 1, 1))
    w1 = minima.sample(net, seeded(1), signs=flips)
    layers = [i for i, f in zip((1, 2, 4), flips, strict=True) if f < 0]
    if not layers:
        assert minima.connect(net, w0, w1).residual < 1e-24
        return
    with pytest.raises(NotConnected) as error:
        minima.connect(net, w0, w1)
    assert str(error.value) == (
        f"the sign of det(W_i ⋯ W_1) differs at the layers {layers}, as wide as the rank of "
        "Y (2): it cannot change along a path of zero loss"
    )


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w0", "w1", "error", "message"),
    [
        pytest.param(
            (EYE, EYE), (EYE, 2 * EYE), NotAMinimum, "loss 2 is above 2e-16", id="end off"
        ),
        pytest.param(
            (EYE, 2 * EYE), (EYE, EYE), NotAMinimum, "loss 2 is above 2e-16", id="start off"
        ),
        pytest.param(
            (EYE, EYE),
            (EYE[None], EYE[None]),
            ShapeMismatch,
            r"^a path joins two single points; w1 has shapes \[\(1, 2, 2\), \(1, 2, 2\)\]$",
            id="end a batch",
        ),
        pytest.param(
            (EYE[None], EYE), (EYE, EYE), ShapeMismatch, "w0 has shapes", id="start a batch"
        ),
        pytest.param(
            [EYE, EYE], (EYE, EYE), ShapeMismatch, "expected a tuple of weights", id="a list"
        ),
    ],
)
def test_only_two_single_minima_are_joined(w0, w1, error, message):
    with pytest.raises(error, match=message):
        minima.connect(DeepLinear(EYE, EYE, (2,)), w0, w1)


@pytest.mark.bad_input
def test_a_path_does_not_continue():
    curve = minima.connect(DeepLinear(EYE, EYE, (2,)), (EYE, EYE), (EYE, EYE))
    with pytest.raises(OutOfDomain, match=r"defined for t in \[0, 1\], got -0.5"):
        curve(-0.5)


@pytest.mark.bad_input
def test_a_product_without_full_rank_is_refused_with_its_layer():
    a = torch.diag(torch.tensor([1.0, 1e-9], dtype=torch.float64))
    p = torch.diag(torch.tensor([1.0, 1e-17], dtype=torch.float64))
    net = DeepLinear(EYE, a, (2,))
    with pytest.raises(RankDeficient, match="W_1 ⋯ W_1 is singular within rounding: det has no s"):
        minima.connect(net, (EYE, a), (p, EYE))
