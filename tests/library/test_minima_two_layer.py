"""Two minima of a wide two-layer network: fibres, the exchange path, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import minima
from mc_lib.curves import Line
from mc_lib.errors import NotAMinimum, NotConnected, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.minima import two_layer_path
from mc_lib.minima.basis_exchange import exchange_corners, independent_rows
from mc_lib.minima.two_layer import require_full_rank
from mc_lib.minima.two_layer_path import TwoLayerCurve, connect, on_polygon, smallest_on
from mc_lib.networks import TwoLayer

ONE = torch.eye(1, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def network(n, k, h, activation=torch.tanh, *, m=2, seed=0, dtype=torch.float64):
    x, y = normal(n, k, seed=seed, dtype=dtype), normal(m, k, seed=seed + 1, dtype=dtype)
    return TwoLayer(x, y, h, activation)


def above(net, v, seed=7):
    """A minimum (V, U) above V."""
    h = net.features(v)
    z = normal(net.Y.shape[0], len(v), seed=seed, dtype=v.dtype)
    pinv = torch.linalg.pinv(h)
    return v, net.Y @ pinv + z - z @ h @ pinv


def column(*entries):
    return torch.tensor(entries, dtype=torch.float64)[:, None]


def full_rank_minima(net, count=2):
    found = []
    for seed in range(1000):
        try:
            found.append(minima.sample(net, seeded(seed)))
        except RankDeficient:
            continue
        if len(found) == count:
            return found
    raise AssertionError("no minima of full rank")


def times(count, dtype=torch.float64):
    return torch.linspace(0, 1, count, dtype=dtype)


def relative_loss(net, w):
    out = w[1] @ net.activation(w[0] @ net.X)
    return float(((net.Y - out) ** 2).sum((-2, -1)).max() / (net.Y**2).sum())


def check_path(curve, w0, w1):
    net, dtype = curve.net, w0[0].dtype
    w = curve(times(101, dtype))
    sizes = [torch.linalg.matrix_norm(x).max() for x in (w[1], net.features(w[0]))]
    # a sum of h products is off by h units of rounding, the solution of U H = Y by a few more
    unit = torch.finfo(dtype).eps / 2
    rounding = (net.hidden + 8) * unit * float(sizes[0] * sizes[1] / net.Y.norm())
    assert relative_loss(net, w) < rounding**2
    for x, a, b in zip(w, w0, w1, strict=True):
        assert x.dtype == dtype and torch.equal(x[0], a) and torch.equal(x[-1], b)
    s = torch.linalg.svdvals(net.features(w[0]))[:, -1]
    assert 0 < curve.smallest <= float(s.min()) * (1 + 1e-5)
    assert curve.breakpoints == tuple(
        i / (len(curve.corners) - 1) for i in range(1, len(curve.corners) - 1)
    )


# -- E3 --------------------------------------------------------------------------
@pytest.mark.parametrize(("k", "h"), [(32, 33), (32, 40), (200, 256)])
def test_wide_tanh_networks_are_joined_where_the_segment_has_a_barrier(k, h):
    net = network(16, k, h, m=4)
    w0, w1 = (minima.sample(net, seeded(i)) for i in (0, 1))
    if k == 200:  # the choice of the route is slow at this size: build the straight curve
        curve = TwoLayerCurve(net, w0, w1, torch.stack([w0[0], w1[0]]), "straight", 0.1)
    else:
        curve = minima.connect(net, w0, w1)
        assert curve.route == "straight" and 1e-4 < curve.smallest < 0.5
    t = times(17)
    assert float(net.loss(curve(t)).max()) < 1e-22
    assert float(net.loss(Line(w0, w1)(t)).max()) > 100


def test_a_sample_is_on_the_minimum_or_refused():
    net = network(1, 4, 5, torch.tanh, seed=42)  # four points on a line: features nearly dependent
    refused = []
    for seed in range(40):
        try:
            minima.require_minimum(net, minima.sample(net, seeded(seed)))
        except RankDeficient as error:
            refused.append(str(error))
    assert 0 < len(refused) < 40
    assert any("so close to a smaller rank" in text for text in refused)


# -- the curve ---------------------------------------------------------------------
ACTIVATIONS = [torch.tanh, torch.sigmoid, torch.relu, torch.square, torch.sin]


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([torch.tanh, torch.sigmoid]),
    st.integers(0, 99),
)
def test_the_path_has_zero_loss_full_rank_and_the_given_ends(n, k, extra, activation, seed):
    net = network(n, k, k + extra, activation, seed=seed)
    w0, w1 = full_rank_minima(net)
    check_path(minima.connect(net, w0, w1), w0, w1)


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu])
def test_single_precision_paths(activation):
    net = network(3, 3, 6, activation, dtype=torch.float32)
    w0, w1 = full_rank_minima(net)
    check_path(minima.connect(net, w0, w1), w0, w1)


def test_the_second_layer_is_the_nearest_to_the_segment():
    net = network(3, 4, 6)
    w0, w1 = full_rank_minima(net)
    v, u = minima.connect(net, w0, w1)(torch.tensor(0.25, dtype=torch.float64))
    torch.testing.assert_close(v, 0.75 * w0[0] + 0.25 * w1[0])
    z, h = 0.75 * w0[1] + 0.25 * w1[1], np.tanh((v @ net.X).numpy())
    want = z.numpy() + (net.Y.numpy() - z.numpy() @ h) @ np.linalg.pinv(h)
    np.testing.assert_allclose(u.numpy(), want, rtol=1e-8, atol=1e-8)


def test_ends_off_the_minimum_by_rounding_are_joined_without_a_jump():
    net = network(3, 4, 6)
    (v0, u0), w1 = full_rank_minima(net)
    curve = minima.connect(net, (v0, u0 * (1 + 1e-9)), w1)
    near = curve(torch.tensor(1e-13, dtype=torch.float64))
    torch.testing.assert_close(near[1], u0 * (1 + 1e-9), rtol=1e-11, atol=1e-11)
    assert curve.residual == pytest.approx(1e-18, rel=1e-3)


@pytest.mark.parametrize("activation", [torch.tanh, torch.nn.functional.gelu])
def test_velocity_and_acceleration_are_those_of_differences(activation):
    net = network(2, 2, 4, activation)
    w0, w1 = full_rank_minima(net)
    corners = torch.stack([w0[0], normal(4, 2, seed=3), w1[0]])
    curve, h = TwoLayerCurve(net, w0, w1, corners, "through a third V", 0.1), 1e-4
    t = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)
    forward, here, back = curve(t + h), curve(t), curve(t - h)
    for v, a, x, y, z in zip(
        curve.velocity(t), curve.acceleration(t), forward, here, back, strict=True
    ):
        torch.testing.assert_close(v, (x - z) / (2 * h), rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(a, (x - 2 * y + z) / h**2, rtol=1e-3, atol=3e-2)


def test_a_polygon_takes_equal_times_for_its_sides():
    corners = torch.tensor([0.0, 1.0, 5.0, 6.0])[:, None, None]
    at = on_polygon(corners, torch.tensor([0.0, 1 / 6, 0.5, 0.99999, 1.0])).flatten()
    torch.testing.assert_close(at, torch.tensor([0.0, 0.5, 3.0, 5.99997, 6.0]))


def test_the_smallest_singular_value_is_found_between_grid_points():
    net = TwoLayer(ONE, ONE, 2, lambda z: z)
    corners = torch.stack([column(1.0, 0.01), column(-1.0, 0.01)])
    assert smallest_on(net, corners) == pytest.approx(0.01, rel=1e-9)
    crooked = torch.stack([column(1.0, 0.01), column(-0.7, 0.01)])  # least at t = 10/17
    assert smallest_on(net, crooked) == pytest.approx(0.01, rel=1e-9)
    sharp = torch.stack([column(1.0, 0.0), column(0.2, 0.0), column(1.0, 0.0)] * 40)
    assert smallest_on(net, sharp) == pytest.approx(0.2, rel=1e-12)  # at the corners


# -- the three routes ----------------------------------------------------------------
def test_an_odd_activation_takes_a_third_first_layer_from_v_to_minus_v():
    net = network(2, 2, 4)
    v = normal(4, 2)
    w0, w1 = above(net, v), above(net, -v)
    curve = minima.connect(net, w0, w1)  # the segment runs through V = 0
    assert curve.route == "through a third V" and len(curve.corners) == 3
    check_path(curve, w0, w1)
    again = minima.connect(net, w0, w1)
    assert torch.equal(curve.corners, again.corners)
    size = float(curve.corners[1].square().mean().sqrt() / v.square().mean().sqrt())
    assert 0.3 < size < 2
    assert connect(net, w0, w1, tries=0).route == "exchange"


@pytest.mark.parametrize(
    ("n", "k", "h", "activation"),
    [(2, 2, 3, torch.tanh), (1, 1, 2, torch.relu), (3, 4, 6, torch.relu), (2, 5, 6, torch.sin)],
)
def test_every_route_can_be_forced(n, k, h, activation, monkeypatch):
    net = network(n, k, h, activation)
    w0, w1 = full_rank_minima(net)
    measured, calls = two_layer_path.smallest_on, []

    def failing(net, corners):
        calls.append(len(corners))
        return measured(net, corners) if len(corners) > 3 else 0.0

    monkeypatch.setattr(two_layer_path, "smallest_on", failing)
    curve = connect(net, w0, w1, tries=2)
    assert calls[:3] == [2, 3, 3] and curve.route == "exchange"
    check_path(curve, w0, w1)


def test_swapped_neurons_are_joined():
    net = network(2, 3, 4)
    v, u = full_rank_minima(net, 1)[0]
    for order in ([1, 0, 2, 3], [1, 0, 3, 2], [1, 2, 3, 0]):
        w1 = (v[order], u[:, order])
        check_path(minima.connect(net, (v, u), w1), (v, u), w1)


def test_badly_conditioned_ends_are_joined_straight_when_they_are_near():
    net = TwoLayer(torch.eye(2).double(), torch.eye(2).double(), 3, lambda z: z)
    v = torch.tensor([[1.0, 0.0], [0.0, 1e-8], [0.0, 0.0]], dtype=torch.float64)
    curve = minima.connect(net, above(net, v), above(net, v, seed=8))
    assert curve.route == "straight"
    assert curve.smallest == pytest.approx(1e-8, rel=1e-6)


# -- the exchange theorem --------------------------------------------------------------
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from(ACTIVATIONS),
    st.integers(0, 99),
)
def test_the_exchange_moves_one_row_at_a_time_and_keeps_a_basis(n, k, extra, activation, seed):
    h = k + extra
    x = normal(n, k, seed=seed)
    net = TwoLayer(x, normal(1, k), h, activation)
    if activation is torch.square and k > n * (n + 1) // 2:
        return  # the features span no more than the squares of n numbers do
    ends = []
    for s in range(300):
        v = normal(h, n, seed=1000 * seed + s)
        sv = torch.linalg.svdvals(net.features(v))
        if sv[-1] > 1e-6 * sv[0]:
            ends.append(v)
        if len(ends) == 2:
            break
    else:
        return
    corners = exchange_corners(net, *ends)
    assert torch.equal(corners[0], ends[0]) and torch.equal(corners[-1], ends[1])
    assert len(corners) <= 3 * k + h + 1
    for a, b in zip(corners, corners[1:], strict=False):
        moved = (a != b).any(-1)
        assert int(moved.sum()) == 1
        row = int(moved.nonzero())
        assert any(torch.equal(b[row], target) for target in ends[1])
        still = net.features(a[~moved])  # the others keep rank k by themselves
        assert int(np.linalg.matrix_rank(still.numpy(), tol=1e-14 * float(still.norm()))) == k


def test_the_exchange_sorts_a_cycle_of_neurons():
    """Identity features: V_0 holds the unit rows in order, V_1 the same rows in a cycle."""
    net = TwoLayer(torch.eye(3).double(), torch.eye(3).double(), 4, lambda z: z)
    v = torch.eye(4, 3, dtype=torch.float64)
    for order in ([1, 2, 0, 3], [1, 0, 2, 3], [3, 1, 2, 0], [0, 1, 2, 3]):
        corners = exchange_corners(net, v, v[order])
        assert torch.equal(corners[-1], v[order])
        s = torch.linalg.svdvals(on_polygon(corners, times(400)))[:, -1]
        assert float(s.min()) > 0.99  # a unit basis stands still at all times


def test_dead_neurons_are_never_all_dead():
    net = TwoLayer(ONE, ONE, 2, torch.relu)
    v0, v1 = column(1.0, -3.0), column(-3.0, 1.0)
    assert exchange_corners(net, v0, v1).squeeze(-1).tolist() == [[1, -3], [1, 1], [-3, 1]]
    assert smallest_on(net, torch.stack([v0, v1])) == 0
    w0, w1 = above(net, v0), above(net, v1)
    assert minima.connect(net, w0, w1).route != "straight"


def test_independent_rows_are_a_basis():
    h = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 0.5], [0.0, 0.0]]).double()
    assert independent_rows(h) == [1, 2]


# -- random pairs --------------------------------------------------------------------
def test_random_pairs_of_every_kind_are_joined():
    routes = {}
    for n, k, h, activation in [
        (2, 3, 4, torch.tanh),
        (2, 6, 7, torch.relu),
        (1, 1, 2, torch.relu),
        (3, 4, 6, torch.sigmoid),
        (2, 3, 5, lambda z: torch.nn.functional.leaky_relu(z, 0.1)),
        (4, 4, 5, torch.square),
    ]:
        net = network(n, k, h, activation)
        found = full_rank_minima(net, 20)
        for w0, w1 in zip(found[::2], found[1::2], strict=True):
            curve = minima.connect(net, w0, w1)
            assert relative_loss(net, curve(times(33))) < 1e-18
            routes[curve.route] = routes.get(curve.route, 0) + 1
    assert set(routes) == {"straight", "through a third V", "exchange"}


# -- samples and names ------------------------------------------------------------------
def test_samples_are_minima_with_v_of_the_stated_scale(dtype):
    net = network(4, 3, 5, dtype=dtype)
    v, u = minima.sample(net, seeded(), (2000,), scale=3.0)
    assert v.dtype == u.dtype == dtype
    assert relative_loss(net, (v, u)) < {torch.float64: 1e-20, torch.float32: 1e-3}[dtype]
    assert float(v.std()) == pytest.approx(3 / 4**0.5, rel=0.02)
    assert float(minima.sample(net, seeded(), (2000,))[0].std()) == pytest.approx(0.5, rel=0.02)
    names = minima.component(net, minima.sample(net, seeded(), (4, 5)))
    assert names.shape == (4, 5, 0) and names.dtype == torch.int64


def test_square_features_still_have_samples():
    net = network(4, 3, 3)
    assert relative_loss(net, minima.sample(net, seeded())) < 1e-22


def test_the_count_needs_one_neuron_more_than_columns():
    assert minima.count_components(network(4, 3, 4)) == 1
    assert minima.count_components(network(4, 3, 9)) == 1


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
    message = r"known for h ≥ k \+ 1 = 4 hidden neurons, k the columns of data; got h = 3"
    with pytest.raises(RankDeficient, match=message):
        verb(net, minima.sample(net, seeded()))


@pytest.mark.bad_input
def test_an_exchange_without_a_free_row_is_refused():
    net = network(4, 3, 3)
    v, _ = minima.sample(net, seeded())
    with pytest.raises(RankDeficient, match=r"a free row: h ≥ k \+ 1 = 4 hidden neurons, got 3"):
        exchange_corners(net, v, v)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda net: minima.sample(net, seeded()), id="sample"),
        pytest.param(lambda net: require_full_rank(net, normal(2, 4)), id="require_full_rank"),
    ],
)
def test_fewer_neurons_than_columns_are_refused(verb):
    with pytest.raises(RankDeficient) as error:
        verb(network(4, 3, 2))
    assert str(error.value) == (
        "σ(VX) is 2 × 3: full column rank needs h ≥ k = 3 hidden neurons, and a path "
        "between any two minima h ≥ k + 1"
    )


PLAIN = TwoLayer(torch.eye(2).double(), torch.ones(1, 2).double(), 3, torch.relu)
GOOD = above(PLAIN, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double())
FLAT = above(PLAIN, torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]).double())
OFF = (GOOD[0], GOOD[1] + 1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w0", "w1", "error", "message"),
    [
        pytest.param(
            GOOD,
            FLAT,
            RankDeficient,
            r"σ\(VX\) at w1 does not have full column rank 2: sm",
            id="flat end",
        ),
        pytest.param(
            FLAT,
            GOOD,
            RankDeficient,
            r"σ\(VX\) at w0 does not .* against the largest 2",
            id="flat start",
        ),
        pytest.param(GOOD, OFF, NotAMinimum, None, id="end off"),
        pytest.param(
            tuple(x[None] for x in GOOD), GOOD, ShapeMismatch, "w0 has shapes", id="start a batch"
        ),
    ],
)
def test_ends_that_no_path_joins_are_refused(w0, w1, error, message):
    with pytest.raises(error, match=message):
        minima.connect(PLAIN, w0, w1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w", "error", "message"),
    [
        pytest.param(
            FLAT,
            RankDeficient,
            r"σ\(VX\) does not have full column rank 2: smallest",
            id="flat",
        ),
        pytest.param(OFF, NotAMinimum, None, id="off"),
    ],
)
def test_points_without_a_component_are_refused(w, error, message):
    with pytest.raises(error, match=message):
        minima.component(PLAIN, w)


@pytest.mark.bad_input
def test_the_batch_entry_without_full_rank_is_named():
    dead = torch.stack([GOOD[0], -GOOD[0]])
    message = r"rank 2 \(batch entry \(1,\)\): .* 0 against the larg"
    with pytest.raises(RankDeficient, match=message):
        require_full_rank(PLAIN, dead)


EYE = torch.eye(2, dtype=torch.float64)
SQUARE = TwoLayer(EYE, EYE, 2, lambda z: z)


@pytest.mark.bad_input
def test_with_as_many_neurons_as_columns_a_path_may_not_be_found():
    with pytest.raises(NotConnected) as error:
        minima.connect(SQUARE, (EYE, EYE), (EYE.flip(0), EYE.flip(0)))
    assert str(error.value) == (
        "no path was found, which does not mean that there is none: det σ(VX) has opposite "
        "signs at the ends, so σ(VX) is singular somewhere on every path. With h = k = 2 hidden "
        "neurons none is promised; with h ≥ k + 1 there always is one"
    )


@pytest.mark.bad_input
def test_a_search_that_is_not_made_finds_no_path():
    message = r"neither the segment nor 0 third V kept σ\(VX\) inver"
    with pytest.raises(NotConnected, match=message):
        connect(SQUARE, (EYE, EYE), (-EYE, -EYE), tries=0)


def test_with_as_many_neurons_as_columns_the_segment_may_do():
    assert minima.connect(SQUARE, (EYE, EYE), (2 * EYE, EYE / 2)).route == "straight"


@pytest.mark.bad_input
@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_the_scale_is_positive(scale):
    with pytest.raises(OutOfDomain, match=f"scale is a positive number, got {scale}"):
        minima.sample(network(2, 2, 3), seeded(), scale=scale)


@pytest.mark.bad_input
def test_a_path_that_rounding_flattens_is_refused(monkeypatch):
    net = network(2, 2, 3)
    w0, w1 = full_rank_minima(net)
    monkeypatch.setattr(two_layer_path, "smallest_on", lambda net, corners: 0.0)
    with pytest.raises(RankDeficient, match="a path exists, but .* singular value 0 against"):
        connect(net, w0, w1)


@pytest.mark.bad_input
def test_an_exchange_that_finds_no_independent_row_is_refused():
    net = TwoLayer(torch.eye(2).double(), torch.eye(2).double(), 3, lambda z: z)
    v0, flat = torch.eye(3, 2).double(), torch.ones(3, 2).double()
    with pytest.raises(RankDeficient, match="no row can be exchanged for row . of the end: the l"):
        exchange_corners(net, v0, flat)


def test_a_sample_draws_again_where_the_features_are_deficient_and_keeps_the_others():
    # with one input and relu half of all first layers of two neurons switch a data column off
    x, y = torch.tensor([[1.0, -1.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    net = TwoLayer(x, y, 3, torch.relu)
    v, u = minima.sample(net, seeded(), (400,))
    first = torch.randn(400, 3, 1, generator=seeded(), dtype=torch.float64)
    good = (first > 0).any(-2).squeeze(-1) & (first < 0).any(-2).squeeze(-1)
    assert 200 < good.sum() < 400
    assert torch.equal(v[good], first[good])
    assert (torch.linalg.matrix_rank(net.features(v)) == 2).all()
    assert net.loss((v, u)).max() < 1e-20


def test_a_sample_gives_up_when_every_draw_is_deficient():
    x = torch.ones(1, 2, dtype=torch.float64)  # equal columns: σ(VX) has rank 1
    with pytest.raises(RankDeficient, match="does not have full column rank 2"):
        minima.sample(TwoLayer(x, x, 3, torch.tanh), seeded())
