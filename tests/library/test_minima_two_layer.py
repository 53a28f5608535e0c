"""Two points of a two-layer network, features of any rank: paths, samples, and refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import minima
from mc_lib.curves import Line
from mc_lib.errors import (
    NotAMinimum,
    NotConnected,
    OutOfDomain,
    RankDeficient,
    ShapeMismatch,
)
from mc_lib.minima import basis_exchange
from mc_lib.minima.basis_exchange import exchange_corners, independent_rows
from mc_lib.minima.two_layer_path import TwoLayerCurve
from mc_lib.networks import TwoLayer

ONE = torch.eye(1, dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def network(n, k, h, activation=torch.tanh, *, m=2, seed=0, dtype=torch.float64):
    x, y = normal(n, k, seed=seed, dtype=dtype), normal(m, k, seed=seed + 1, dtype=dtype)
    return TwoLayer(x, y, h, activation)


def column(*entries):
    return torch.tensor(entries, dtype=torch.float64)[:, None]


def drawn(net, count=2):
    found = []
    for seed in range(1000):
        try:
            found.append(minima.sample(net, seeded(seed)))
        except RankDeficient:
            continue
        if len(found) == count:
            return found
    raise AssertionError("no minima were drawn")


# -- the oracle: numpy, one forward pass -------------------------------------------
ACTIVATIONS = {  # name: torch, numpy
    "tanh": (torch.tanh, np.tanh),
    "relu": (torch.relu, lambda z: np.maximum(z, 0)),
    "square": (torch.square, lambda z: z * z),
    "cube": (lambda z: z**3, lambda z: z**3),
    "sin": (torch.sin, np.sin),
    "plateau": (lambda z: z.clamp(-0.5, 0.5), lambda z: np.clip(z, -0.5, 0.5)),
    "sign": (torch.sign, np.sign),  # not continuous
}
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


def output(x, w, sigma):
    v, u = (np.asarray(a) for a in w)
    return np.einsum("...mh,...hk->...mk", u, sigma(v @ np.asarray(x)))


def times(count, dtype=torch.float64):
    return torch.linspace(0, 1, count, dtype=dtype)


def losses(curve, sigma, points=397):
    """Squared distances to Y at many times, which are no multiples of the breakpoints."""
    gap = np.asarray(curve.net.Y) - output(curve.net.X, curve(times(points)), sigma)
    return (gap**2).sum((-2, -1))


def deficient(generator, shapes, rank):
    """Weights of which only `rank` neurons differ: features of that rank at the most."""
    (h, n), (m, _) = shapes
    v = torch.randn(h, n, generator=generator, dtype=torch.float64)
    v[rank:] = v[torch.randint(rank, (h - rank,), generator=generator)]
    return v, torch.randn(m, h, generator=generator, dtype=torch.float64)


# -- the theorem -------------------------------------------------------------------
SIZES = [(1, 1, 1, 1), (2, 3, 1, 2), (2, 6, 1, 2), (3, 5, 3, 1), (1, 4, 2, 3)]  # n, k, h − s, m


def fixtures(name, n, k, spare, m, seed):
    """A network with h = s + spare neurons, and two minima, the first of deficient features."""
    torch_sigma, sigma = ACTIVATIONS[name]
    generator = seeded(seed)
    x = torch.randn(n, k, generator=generator, dtype=torch.float64)
    many = torch.randn(400, n, generator=generator, dtype=torch.float64) * 2
    s = int(np.linalg.matrix_rank(sigma((many @ x).numpy())))
    shapes = ((s + spare, n), (m, s + spare))
    w0 = deficient(generator, shapes, int(torch.randint(1, s + 1, (1,), generator=generator)))
    y = torch.from_numpy(output(x, w0, sigma))
    net = TwoLayer(x, y, s + spare, torch_sigma)
    found = minima.intrinsic_dimension(net)
    assert found == s or (name == "sign" and found <= s)  # a lower bound, and sign has few values
    try:
        w1 = minima.sample(net, generator)
    except RankDeficient:  # Y = 0 but for rounding, or nearly dependent features
        w1 = (w0[0].flip(0), w0[1].flip(1))
    return net, sigma, s, w0, w1


@every_activation
@pytest.mark.parametrize("seed", range(10))
def test_minima_of_every_rank_are_joined_from_one_neuron_more_than_s(name, seed):
    for size in SIZES:
        net, sigma, s, *ends = fixtures(name, *size, seed)
        curve = minima.connect(net, *ends)
        whole = 1 + float((net.Y**2).sum())  # Y = 0 occurs, of terms of size 1
        worst = max(((np.asarray(net.Y) - output(net.X, w, sigma)) ** 2).sum() for w in ends)
        assert losses(curve, sigma).max() <= 1.2 * worst + 1e-24 * whole
        for w, t in zip(ends, (0.0, 1.0), strict=True):
            assert all(map(torch.equal, curve(t), w))
        assert len(curve.corners[0]) <= 6 * s + 5


@every_activation
def test_most_of_these_minima_have_deficient_features(name):
    ranks = [
        (np.linalg.matrix_rank(sigma((w[0] @ net.X).numpy())), s)
        for seed in range(10)
        for net, sigma, s, w, _ in (fixtures(name, *size, seed) for size in SIZES[1:])
    ]
    below = sum(r < s for r, s in ranks)
    assert below >= (0 if name in ("cube", "square") else 20)


@every_activation
@pytest.mark.parametrize("seed", range(10))
def test_sublevel_sets_are_connected(name, seed):
    """Any two points; three losses that are convex in the output, computed in numpy."""
    for size in SIZES:
        net, sigma, _, w0, _ = fixtures(name, *size, seed)
        w1 = deficient(seeded(seed + 99), net.shapes, 1)
        curve = TwoLayerCurve.between(net, w0, w1)
        for w, t in ((w0, 0.0), (w1, 1.0)):
            assert all(map(torch.equal, curve(t), w))
        gap = np.asarray(net.Y) + 1 - output(net.X, curve(times(397)), sigma)
        for loss in (
            (gap**2).sum((-2, -1)),
            np.abs(gap).sum((-2, -1)),
            np.abs(gap).max((-2, -1)),
        ):
            assert loss.max() <= max(loss[0], loss[-1]) * (1 + 1e-9)


@every_activation
def test_each_side_moves_silent_neurons_or_the_second_layer_only(name):
    net, sigma, *_, w0, w1 = fixtures(name, 2, 6, 1, 2, 3)
    v, u = (x.numpy() for x in minima.connect(net, w0, w1).corners)
    for i in range(len(v) - 1):
        moved = (v[i] != v[i + 1]).any(-1)
        if moved.any():
            assert np.array_equal(u[i], u[i + 1]) and not u[i][:, moved].any()
    outputs = output(net.X, (v, u), sigma)
    assert np.abs(outputs - outputs[0]).max() < 1e-8 * np.abs(outputs[0]).max()


@pytest.mark.parametrize(("k", "h"), [(32, 33), (32, 40)])
def test_wide_tanh_networks_are_joined_where_the_segment_has_a_barrier(k, h):
    net = network(16, k, h, m=4)
    w0, w1 = (minima.sample(net, seeded(i)) for i in (0, 1))
    curve = minima.connect(net, w0, w1)
    assert losses(curve, np.tanh).max() < 1e-22
    assert float(net.loss(Line(w0, w1)(times(17))).max()) > 100


# -- and its limit ------------------------------------------------------------------
@pytest.mark.parametrize("k", [2, 3, 4])
def test_with_s_neurons_the_determinant_of_the_features_keeps_its_sign(k):
    """The control: h = s = k and Y of rank k, two neurons exchanged. No path, and none given."""
    x, y = normal(3, k), torch.eye(k, dtype=torch.float64)
    net = TwoLayer(x, y, k, torch.tanh)
    v, u = minima.sample(net, seeded())
    order = [1, 0, *range(2, k)]
    signs = [np.linalg.slogdet(np.tanh((a @ x).numpy()))[0] for a in (v, v[order])]
    assert signs[0] == -signs[1]
    with pytest.raises(NotConnected, match=f"all {k} hidden neurons are needed"):
        minima.connect(net, (v, u), (v[order], u[:, order]))
    wider = TwoLayer(x, y, k + 1, torch.tanh)  # a silent neuron more, and they are joined
    ends = [(torch.cat([a, a[:1]]), torch.cat([b, 0 * b[:, :1]], 1)) for a, b in
            ((v, u), (v[order], u[:, order]))]  # fmt: skip
    assert losses(minima.connect(wider, *ends), np.tanh).max() < 1e-20


def test_fewer_neurons_may_do_where_the_two_minima_need_fewer():
    net = TwoLayer(EYE, torch.ones(1, 2).double(), 2, lambda z: z)
    w0 = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).double(), torch.tensor([[1.0, 0.0]]).double()
    w1 = torch.tensor([[0.0, 0.0], [2.0, 2.0]]).double(), torch.tensor([[0.0, 0.5]]).double()
    assert losses(minima.connect(net, w0, w1), lambda z: z).max() < 1e-28
    with pytest.raises(NotConnected):
        minima.connect(net, w0, (EYE, torch.ones(1, 2).double()))


# -- the curve ---------------------------------------------------------------------
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_a_polygon_has_its_corners_at_equal_times(n, k, extra, seed):
    net = network(n, k, k + extra, seed=seed)
    curve = minima.connect(net, *drawn(net))
    sides = len(curve.corners[0]) - 1
    assert curve.breakpoints == tuple(i / sides for i in range(1, sides))
    t = torch.tensor(curve.breakpoints, dtype=torch.float64)
    for x, corners in zip(curve(t), curve.corners, strict=True):
        torch.testing.assert_close(x, corners[1:-1], rtol=1e-9, atol=1e-9)
    middle = curve(torch.tensor([0.5 / sides], dtype=torch.float64))
    for x, corners in zip(middle, curve.corners, strict=True):
        torch.testing.assert_close(x[0], (corners[0] + corners[1]) / 2)


def test_velocity_is_that_of_differences_and_acceleration_0():
    net = network(2, 2, 4)
    curve, h = minima.connect(net, *drawn(net)), 1e-6
    t = torch.tensor([0.111, 0.431, 0.613, 0.907], dtype=torch.float64)
    ahead, back = curve(t + h), curve(t - h)
    for v, a, x, z in zip(curve.velocity(t), curve.acceleration(t), ahead, back, strict=True):
        torch.testing.assert_close(v, (x - z) / (2 * h), rtol=1e-6, atol=1e-6)
        assert not a.any()


def test_single_precision_paths():
    net = network(3, 3, 6, torch.relu, dtype=torch.float32)
    w0, w1 = drawn(net)
    curve = minima.connect(net, w0, w1)
    assert curve(0.3)[0].dtype == torch.float32 and curve.residual < 1e-10


def test_ends_off_the_minimum_by_rounding_are_joined_without_a_jump():
    net = network(3, 4, 6)
    (v0, u0), w1 = drawn(net)
    curve = minima.connect(net, (v0, u0 * (1 + 1e-9)), w1)
    near = curve(torch.tensor(1e-13, dtype=torch.float64))
    torch.testing.assert_close(near[1], u0 * (1 + 1e-9), rtol=1e-11, atol=1e-11)
    assert curve.residual == pytest.approx(1e-18, rel=1e-3)


def test_swapped_neurons_are_joined():
    net = network(2, 3, 4)
    v, u = drawn(net, 1)[0]
    for order in ([1, 0, 2, 3], [1, 0, 3, 2], [1, 2, 3, 0]):
        curve = minima.connect(net, (v, u), (v[order], u[:, order]))
        assert losses(curve, np.tanh).max() < 1e-20


# -- the exchange --------------------------------------------------------------------
def test_dead_neurons_are_never_all_dead():
    net = TwoLayer(ONE, ONE, 2, torch.relu)
    ends = [(v, v.relu().mT) for v in (column(1.0, -3.0), column(-3.0, 1.0))]
    v, u = exchange_corners(net, *ends)
    assert v.squeeze(-1).tolist() == [[1, -3], [1, 1], [1, 1], [-3, 1]]
    assert u.squeeze(-2).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_a_network_without_output_moves_its_neurons_at_once():
    net = TwoLayer(EYE, 0 * EYE, 3, torch.tanh)
    w0, w1 = ((normal(3, 2, seed=i), torch.zeros(2, 3).double()) for i in (0, 1))
    assert len(minima.connect(net, w0, w1).corners[0]) == 2


def test_independent_rows_are_those_that_carry_the_output():
    h = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 0.5], [0.0, 0.0]]).double()
    assert independent_rows(h, torch.ones(1, 4).double()) == [1, 2]
    assert independent_rows(h, torch.tensor([[1.0, 0.0, 0.0, 9.0]]).double()) == [0]
    assert independent_rows(h, torch.zeros(1, 4).double()) == []
    assert independent_rows(h, torch.tensor([[8.0, 1.0, 1e-30, 1.0]]).double()) == [0]
    tiny = h * torch.tensor([1e200, 1.0, 1e-200, 1.0]).double()[:, None]
    assert independent_rows(tiny, torch.tensor([[1e-200, 1.0, 1e200, 1.0]]).double()) == [1, 2]


# -- samples, counts and names ---------------------------------------------------------
def test_a_sample_is_on_the_minimum_or_refused():
    net = network(1, 4, 5, torch.tanh, seed=42)  # four points on a line: features nearly dependent
    refused = []
    for seed in range(40):
        try:
            w = minima.sample(net, seeded(seed))
        except RankDeficient as error:
            refused.append(str(error))
            continue
        gap = net.Y.numpy() - output(net.X, w, np.tanh)
        assert (gap**2).sum() <= 1e-16 * (net.Y.numpy() ** 2).sum()
    assert len(refused) < 40


def test_samples_are_minima_with_v_of_the_stated_scale(dtype):
    net = network(4, 3, 5, dtype=dtype)
    v, u = minima.sample(net, seeded(), (2000,), scale=3.0)
    assert v.dtype == u.dtype == dtype
    gap = (net.Y.numpy() - output(net.X, (v, u), np.tanh)) / np.linalg.norm(net.Y.numpy())
    assert (gap**2).sum((-2, -1)).max() < {torch.float64: 1e-20, torch.float32: 1e-3}[dtype]
    assert float(v.std()) == pytest.approx(3 / 4**0.5, rel=0.02)
    assert float(minima.sample(net, seeded(), (2000,))[0].std()) == pytest.approx(0.5, rel=0.02)
    names = minima.component(net, minima.sample(net, seeded(), (4, 5)))
    assert names.shape == (4, 5, 0) and names.dtype == torch.int64


def test_a_sample_draws_again_where_y_is_out_of_reach_and_keeps_the_others():
    # with one input and relu half of all first layers of two neurons switch a data column off
    x, y = torch.tensor([[1.0, -1.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    net = TwoLayer(x, y, 3, torch.relu)
    v, u = minima.sample(net, seeded(), (400,))
    first = torch.randn(400, 3, 1, generator=seeded(), dtype=torch.float64)
    good = (first > 0).any(-2).squeeze(-1) & (first < 0).any(-2).squeeze(-1)
    assert 200 < good.sum() < 400
    assert torch.equal(v[good], first[good])
    assert net.loss((v, u)).max() < 1e-20


def test_equal_columns_with_equal_targets_have_minima():
    x = torch.ones(1, 2, dtype=torch.float64)
    net = TwoLayer(x, x, 2, torch.tanh)
    assert minima.intrinsic_dimension(net) == minima.count_components(net) == 1
    curve = minima.connect(net, *drawn(net))
    assert losses(curve, np.tanh).max() < 1e-28


@pytest.mark.parametrize(
    ("activation", "n", "s"),
    [
        pytest.param("square", 2, 3, id="squares of two numbers"),
        pytest.param("cube", 1, 1, id="cubes of one number"),
        pytest.param("tanh", 2, 7, id="tanh spans all"),
        pytest.param("relu", 1, 2, id="relu on a line: two half-lines"),
    ],
)
def test_the_intrinsic_dimension_is_that_known_by_hand(activation, n, s):
    net = network(n, 7, 8, ACTIVATIONS[activation][0])
    assert minima.intrinsic_dimension(net) == s


def test_the_count_needs_one_neuron_more_than_features_span():
    assert minima.count_components(network(4, 3, 4)) == 1
    assert minima.count_components(network(4, 3, 9)) == 1
    x = normal(2, 6)
    y = torch.square(normal(3, 2) @ x)
    assert minima.count_components(TwoLayer(x, y, 4, torch.square)) == 1


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda net, w: minima.count_components(net), id="count_components"),
        pytest.param(minima.component, id="component"),
    ],
)
def test_components_of_too_few_neurons_are_refused(verb):
    net = network(4, 3, 3)
    with pytest.raises(RankDeficient, match=r"known for h ≥ s \+ 1 = 4 hidden neurons.*got h = 3"):
        verb(net, minima.sample(net, seeded()))


@pytest.mark.bad_input
def test_targets_out_of_reach_are_refused():
    x, y = torch.ones(1, 2).double(), torch.tensor([[1.0, 2.0]]).double()
    with pytest.raises(RankDeficient, match="zero loss is out of reach: the rows of Y are no comb"):
        minima.count_components(TwoLayer(x, y, 3, torch.tanh))
    with pytest.raises(RankDeficient, match=r"reach of σ\(VX\), 3 × 2, in 21 draws of V: the rows"):
        minima.sample(TwoLayer(x, y, 3, torch.tanh), seeded())
    with pytest.raises(RankDeficient, match=r"reach of σ\(VX\), 2 × 3, in 21 draws .*entry \(0,\)"):
        minima.sample(network(4, 3, 2), seeded(), (2,))


PLAIN = TwoLayer(EYE, torch.ones(1, 2).double(), 3, torch.relu)
GOOD = (torch.eye(3, 2).double(), torch.tensor([[1.0, 1.0, 5.0]]).double())
OFF = (GOOD[0], GOOD[1] + 1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w0", "w1", "error", "message"),
    [
        pytest.param(GOOD, OFF, NotAMinimum, None, id="end off"),
        pytest.param(
            tuple(x[None] for x in GOOD), GOOD, ShapeMismatch, "w0 has shapes", id="start a batch"
        ),
        pytest.param(
            GOOD, (GOOD[0], GOOD[1][None]), ShapeMismatch, "w1 has shapes", id="end a batch"
        ),
    ],
)
def test_ends_that_no_path_joins_are_refused(w0, w1, error, message):
    with pytest.raises(error, match=message):
        minima.connect(PLAIN, w0, w1)


@pytest.mark.bad_input
def test_a_point_off_the_minimum_has_no_component():
    with pytest.raises(NotAMinimum):
        minima.component(PLAIN, OFF)


@pytest.mark.bad_input
@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_the_scale_is_positive(scale):
    with pytest.raises(OutOfDomain, match=f"scale is a positive number, got {scale}"):
        minima.sample(network(2, 2, 3), seeded(), scale=scale)


@pytest.mark.bad_input
def test_corners_off_both_outputs_are_refused():
    y = torch.stack([EYE, 2 * EYE])
    basis_exchange._require_outputs(y, (EYE, 2 * EYE))
    with pytest.raises(RankDeficient, match="so nearly dependent that rounding moves the output"):
        basis_exchange._require_outputs(y + 1e-5, (EYE, 2 * EYE))
