"""The minimum with a skip connection: three pieces or two, and its paths."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import minima
from mc_lib.curves import Line
from mc_lib.errors import NotAMinimum, NotConnected, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.minima.residual import is_scalar, labels, placed, without_skip
from mc_lib.minima.residual_path import BundleMove, core, lift
from mc_lib.networks import ResidualLinear

ONE = torch.eye(1, dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def network(n, h, epsilon=1.0, *, m=None, seed=0, dtype=torch.float64):
    target, x = normal(n if m is None else m, n, seed=seed), normal(n, n + 2, seed=seed + 1)
    return ResidualLinear(x.to(dtype), (target @ x).to(dtype), h, epsilon)


def scalar(epsilon=1.0, x=1.0, y=1.0):
    return ResidualLinear(x * ONE, y * ONE, 1, epsilon)


def point(net, w1, w2):
    """The minimum above (W_1, W_2)."""
    m = net.epsilon * torch.eye(w2.shape[-2], dtype=w1.dtype) + w2 @ w1
    return (w1, w2, net.Y @ torch.linalg.pinv(net.X) @ torch.linalg.inv(m))


def at(net, w1, w2):
    return point(net, *(torch.tensor(x, dtype=torch.float64) for x in (w1, w2)))


def times(count, dtype=torch.float64):
    return torch.linspace(0, 1, count, dtype=dtype)


def relative_loss(net, w):
    out = w[2] @ (w[1] @ w[0] @ net.X + net.epsilon * net.X)
    return float(((net.Y - out) ** 2).sum((-2, -1)).max() / (net.Y**2).sum())


def least(net, w):
    """The smallest singular value of M met."""
    return float(torch.linalg.svdvals(net.block(w)).min())


# -- counts, against grids -------------------------------------------------------
@pytest.mark.parametrize("epsilon", [1.0, -0.5])
def test_a_grid_shows_three_pieces_for_1_by_1_weights(epsilon):
    """D = {W_1W_2 ≠ −ε}, homeomorphic to the minimum: two sides of a hyperbola."""
    net = scalar(epsilon, 2.0, 3.0)
    side = torch.linspace(-2.01, 2.03, 61, dtype=torch.float64)
    w1, w2 = torch.meshgrid(side, side, indexing="ij")
    values = (epsilon + w1 * w2).numpy()
    found, pieces = 0, np.zeros((61, 61), dtype=int)
    for part in (values > 0, values < 0):
        cells, count = scipy.ndimage.label(part)
        pieces[part] = cells[part] + found
        found += count
    assert found == 3 == minima.count_components(net)
    w = point(net, w1[..., None, None], w2[..., None, None])
    names = minima.component(net, w).reshape(-1, 2).tolist()
    pairs = {(piece, *name) for piece, name in zip(pieces.flat, names, strict=True)}
    assert len(pairs) == 3  # one name a piece, and one piece a name
    assert {pair[1:] for pair in pairs} == set(labels(net)) == {(1, 0), (-1, 1), (-1, -1)}


@pytest.mark.parametrize("epsilon", [0.5, -0.5])
def test_a_grid_shows_two_pieces_for_one_input_and_two_hidden_neurons(epsilon):
    """D = {w_2 · w_1 ≠ −ε} in R⁴."""
    side = np.linspace(-1.3, 1.4, 14)
    a, b, c, d = np.meshgrid(side, side, side, side, indexing="ij")
    values = epsilon + a * b + c * d
    counts = [scipy.ndimage.label(part)[1] for part in (values > 0, values < 0)]
    assert counts == [1, 1]
    assert minima.count_components(network(1, 2, epsilon)) == sum(counts)


def test_without_the_skip_connection_the_counts_are_those_of_a_linear_network():
    eye = torch.eye(3, dtype=torch.float64)
    assert minima.count_components(scalar(0.0)) == 4
    assert minima.count_components(ResidualLinear(eye, eye, 3, 0.0)) == 4
    assert minima.count_components(ResidualLinear(eye, eye, 5, 0.0)) == 2
    assert without_skip(ResidualLinear(eye, eye, 5, 0.0)).widths == (5, 3)


@pytest.mark.parametrize(("n", "h"), [*itertools.product((1, 2, 3), (1, 2, 3, 4))])
@pytest.mark.parametrize("epsilon", [0.7, -0.7])
def test_the_samples_show_as_many_names_as_are_counted(n, h, epsilon):
    net = network(n, h, epsilon, m=n + 1)
    w = minima.sample(net, seeded(), (60,), condition=3.0)
    assert relative_loss(net, w) < 1e-24
    names = minima.component(net, w)
    assert names.dtype == torch.int64
    assert set(map(tuple, names.tolist())) == set(labels(net))
    assert minima.count_components(net) == len(labels(net)) == (3 if n == h == 1 else 2)
    assert is_scalar(net) == (n == h == 1)
    for i in range(60):  # the sign of det(I + W_2W_1/ε), in numpy
        m = np.eye(n) + (w[1][i] @ w[0][i]).numpy() / epsilon
        assert np.sign(np.linalg.det(m)) == names[i, 0]
    for name in labels(net):
        some = minima.sample(net, seeded(1), (20,), signs=name)
        assert (minima.component(net, some) == torch.tensor(name)).all()


def test_samples_have_the_stated_condition_and_dtype(dtype):
    for n, h in ((2, 3), (3, 2), (2, 2)):
        net = network(n, h, -0.3, dtype=dtype)
        w = minima.sample(net, seeded(), (8,), condition=7.0)
        assert all(x.dtype == dtype for x in w)
        a, b = placed(net, w[0], w[1])
        assert (a.shape[-2] >= a.shape[-1]) and torch.equal(a, w[0] if h >= n else w[1])
        m = net.epsilon * torch.eye(min(n, h), dtype=dtype) + b @ a
        for x in (a, m):
            s = torch.linalg.svdvals(x)
            torch.testing.assert_close(
                s[:, 0] / s[:, -1], torch.full((8,), 7.0, dtype=dtype), rtol=1e-3, atol=0
            )
    s = torch.linalg.svdvals(minima.sample(network(2, 2), seeded())[0])
    assert float(s[0] / s[1]) == pytest.approx(10)


def test_a_network_without_skip_is_sampled_named_and_joined_as_linear():
    net = network(2, 2, 0.0)
    w0 = minima.sample(net, seeded(), signs=(1, -1), condition=2.0)
    w1 = minima.sample(net, seeded(1), signs=(1, -1))
    assert minima.component(net, w0).tolist() == [1, -1]
    assert relative_loss(net, minima.connect(net, w0, w1)(times(9))) < 1e-24
    with pytest.raises(NotConnected, match=r"differs at the layers \[1\]"):
        minima.connect(net, minima.sample(net, seeded(), signs=(-1, -1)), w1)


def test_names_broadcast_over_mixed_batches():
    net = scalar()
    w2 = torch.tensor([0.0, -3.0], dtype=torch.float64)[:, None, None]
    w = (ONE, w2, 1 / (1 + w2))
    assert minima.component(net, w).tolist() == [[1, 0], [-1, 1]]
    assert minima.component(net, (ONE.expand(3, 1, 1, 1), *w[1:])).shape == (3, 2, 2)


# -- lifting -------------------------------------------------------------------
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_a_lift_gives_full_rank_and_keeps_half_of_the_smallest_singular_value(n, h, seed):
    net, short, tall = network(n, h, 0.8), min(n, h), max(n, h)
    a, b = normal(tall, short, seed=seed), normal(short, tall, seed=seed + 1)
    a[:, 0] = 0
    lifted = lift(net, a, b)
    before = float(torch.linalg.svdvals(core(net, a, b)).min())
    c = min(
        before / 2 / float(torch.linalg.norm(b, ord=2)), max(1, float(torch.linalg.norm(a, ord=2)))
    )
    s, t = torch.linalg.svdvals(a), torch.linalg.svdvals(lifted)
    torch.testing.assert_close(t, s.clamp(min=c), rtol=1e-8, atol=1e-12)
    for x in Line((a,), (lifted,))(times(11))[0]:
        assert float(torch.linalg.svdvals(core(net, x, b)).min()) >= before / 2 * (1 - 1e-9)


def test_a_lift_goes_to_one_or_the_norm_where_there_is_room_and_spares_what_is_not_small():
    net, nought = network(2, 2, 1.0), torch.zeros(2, 2, dtype=torch.float64)
    torch.testing.assert_close(
        torch.linalg.svdvals(lift(net, nought, nought)), torch.ones(2).double()
    )
    tall = torch.diag(torch.tensor([5.0, 0.0]).double())
    torch.testing.assert_close(
        torch.linalg.svdvals(lift(net, tall, nought)), torch.full((2,), 5.0).double()
    )
    for small, kept in ((1.01e-3, True), (0.99e-3, False)):
        a = torch.diag(torch.tensor([1.0, small]).double())
        assert (lift(net, a, nought) is a) == kept


# -- paths: each phase -----------------------------------------------------------
def joined(net, w0, w1, moves):
    """Connect, and check the number of moves, the loss, the ends, M, and the labels."""
    curve = minima.connect(net, w0, w1)
    assert len(curve.base.curves) == moves
    assert curve.breakpoints == tuple(i / moves for i in range(1, moves))
    t = times(41, w0[0].dtype)
    w = curve(t)
    single = t.dtype == torch.float32
    assert relative_loss(net, w) < (1e-9 if single else 1e-22)
    assert all(
        torch.equal(x[0], a) and torch.equal(x[-1], b) for x, a, b in zip(w, w0, w1, strict=True)
    )
    assert least(net, w) >= min(least(net, w0) / 2, least(net, w1) / 2, abs(net.epsilon)) * 0.999
    assert (minima.component(net, w) == minima.component(net, w0)).all()
    steps = [x.diff(dim=0).abs().max() for x in curve(times(4001, t.dtype))]
    sizes = [x.abs().max() for x in w]
    assert all(float(a) < 0.05 * (1 + float(b)) for a, b in zip(steps, sizes, strict=True))
    return curve


@pytest.mark.parametrize(("n", "h"), [(1, 1), (1, 3), (2, 2), (2, 4), (3, 2), (4, 1)])
@pytest.mark.parametrize("epsilon", [0.6, -0.6])
def test_the_bundle_move_alone_joins_well_conditioned_points(n, h, epsilon, dtype):
    net = network(n, h, epsilon, dtype=dtype)
    for name in labels(net):
        for seed in range(20):  # until det W_1 has one sign at both ends
            w0, w1 = (
                minima.sample(net, seeded(seed + i), signs=name, condition=2.0) for i in (0, 99)
            )
            if n != h or torch.det(w0[0]) * torch.det(w1[0]) > 0:
                break
        joined(net, w0, w1, 1)


@pytest.mark.parametrize("epsilon", [0.6, -0.6])
@pytest.mark.parametrize("name", [(1, 0), (-1, 0)])
@pytest.mark.parametrize("n", [2, 3])
def test_the_crossing_joins_the_signs_of_det_w1(n, name, epsilon):
    net = network(n, n, epsilon)
    w0, w1 = (
        next(
            w
            for seed in range(99)
            for w in [minima.sample(net, seeded(seed), signs=name, condition=2.0)]
            if torch.det(w[0]) * sign > 0
        )
        for sign in (1, -1)
    )
    curve = joined(net, w0, w1, 3)
    middle = curve(0.5)  # τ = 0: W_1 = diag(0, 1, ...), W_2 = diag(0, μ, 0, ...)
    first, mu = torch.eye(n).double(), torch.zeros(n, n).double()
    first[0, 0] = 0
    mu[1, 1] = 0 if name[0] > 0 else -2 * epsilon
    torch.testing.assert_close(middle[0], first)
    torch.testing.assert_close(middle[1], mu)


def test_the_crossing_of_1_by_1_weights_runs_through_w1_zero():
    net = scalar(1.0, 1.0, 2.0)
    w0, w1 = at(net, [[2.0]], [[1.0]]), at(net, [[-1.0]], [[0.5]])
    curve = joined(net, w0, w1, 3)
    torch.testing.assert_close(torch.cat(curve(0.5)).flatten().tolist(), [0.0, 0.0, 2.0])


@pytest.mark.parametrize(("n", "h"), [(2, 3), (3, 2), (2, 2), (1, 2), (1, 1)])
def test_points_with_a_singular_weight_are_lifted(n, h):
    net = network(n, h, 0.8)
    zero = point(net, torch.zeros(h, n).double(), torch.zeros(n, h).double())
    name = minima.component(net, zero).tolist()
    assert name == [1, 0]
    w1 = minima.sample(net, seeded(5), signs=name, condition=2.0)
    curve = minima.connect(net, zero, w1)
    assert len(curve.base.curves) in (2, 4)
    joined(net, zero, w1, len(curve.base.curves))
    joined(net, w1, zero, len(curve.base.curves))
    joined(net, zero, zero, 3)  # there and back


def test_a_small_weight_of_another_sign_is_lifted_before_the_crossing():
    net = network(2, 2, 1.0)
    w0 = point(net, torch.diag(torch.tensor([1.0, 1e-9]).double()), 0 * EYE)
    w1 = point(net, torch.diag(torch.tensor([-1e-9, 1.0]).double()), 0 * EYE)
    joined(net, w0, w1, 5)


@pytest.mark.slow
def test_random_pairs_are_joined_exactly_where_the_labels_agree():
    count = 0
    for n, h, epsilon in [(1, 1, 1.0), (1, 2, -1.0), (2, 1, 0.3), (2, 2, 1.0), (3, 2, -2.0)]:
        net = network(n, h, epsilon)
        w, v = (minima.sample(net, seeded(i), (50,), condition=3.0) for i in (1, 2))
        same = (minima.component(net, w) == minima.component(net, v)).all(-1)
        for i in range(50):
            w0, w1 = tuple(x[i] for x in w), tuple(x[i] for x in v)
            if same[i]:
                along = minima.connect(net, w0, w1)(times(13))
                assert relative_loss(net, along) < 1e-23
                count += 1
            else:
                with pytest.raises(NotConnected):
                    minima.connect(net, w0, w1)
    assert 80 < count < 170


def test_ends_off_the_minimum_by_rounding_are_joined_without_a_jump():
    net = network(2, 3)
    w0, w1 = (minima.sample(net, seeded(i), signs=(1, 0)) for i in (0, 1))
    off = (w0[0], w0[1], w0[2] * (1 + 1e-9))
    curve = minima.connect(net, off, w1)
    near = curve(torch.tensor(1e-13, dtype=torch.float64))
    torch.testing.assert_close(near[2], off[2], rtol=1e-11, atol=1e-11)
    assert curve.residual == pytest.approx(1e-18, rel=1e-3)


def test_velocity_and_acceleration_are_those_of_differences():
    net = network(2, 2, 0.7)
    w0 = point(net, torch.diag(torch.tensor([1.0, 1e-9]).double()), 0 * EYE)
    w1 = minima.sample(net, seeded(4), signs=(1, 0), condition=2.0)
    curve, h = minima.connect(net, w0, w1), 1e-4
    t = torch.tensor([0.1, 0.37, 0.62, 0.9], dtype=torch.float64)
    forward, here, back = curve(t + h), curve(t), curve(t - h)
    for v, a, x, y, z in zip(
        curve.velocity(t), curve.acceleration(t), forward, here, back, strict=True
    ):
        torch.testing.assert_close(v, (x - z) / (2 * h), rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(a, (x - 2 * y + z) / h**2, rtol=1e-3, atol=3e-2)


def test_a_bundle_move_is_a_curve_of_its_own():
    net = network(3, 2, 0.7)
    w0, w1 = (minima.sample(net, seeded(i), signs=(1, 0), condition=2.0) for i in (0, 1))
    move = BundleMove(net, placed(net, *w0[:2]), placed(net, *w1[:2]))
    assert all(map(torch.equal, move.start, w0[:2]))
    t, h = torch.tensor([0.4], dtype=torch.float64), 1e-4
    forward, here, back = move(t + h), move(t), move(t - h)
    for v, a, x, y, z in zip(
        move.velocity(t), move.acceleration(t), forward, here, back, strict=True
    ):
        torch.testing.assert_close(v, (x - z) / (2 * h), rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(a, (x - 2 * y + z) / h**2, rtol=1e-4, atol=1e-3)
    m = core(net, *placed(net, *here))[0]
    torch.testing.assert_close(m, move.paths[1](t)[0], rtol=1e-10, atol=1e-10)


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_the_refusal_names_the_sign_of_the_block():
    net = scalar()
    with pytest.raises(NotConnected) as error:
        minima.connect(net, at(net, [[1.0]], [[1.0]]), at(net, [[1.0]], [[-3.0]]))
    assert str(error.value) == (
        "det(εI + W_2 W_1) is 2 at one end and -2 at the other: it cannot vanish on the "
        "minimum, where W_3 (εI + W_2 W_1) = A has full rank"
    )


@pytest.mark.bad_input
def test_the_refusal_names_the_sign_of_w1():
    net = scalar()
    with pytest.raises(NotConnected) as error:
        minima.connect(net, at(net, [[1.0]], [[-3.0]]), at(net, [[-2.0]], [[3.0]]))
    assert str(error.value) == (
        "W_1 is 1 at one end and -2 at the other: with 1 × 1 weights and (ε + W_2 W_1)/ε < 0 "
        "it cannot vanish, as W_2 W_1 ≠ 0"
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        pytest.param((ONE, 0 * ONE, 2 * ONE), NotAMinimum, "loss 1 is above", id="off"),
        pytest.param((ONE[None],) * 3, ShapeMismatch, "w1 has shapes", id="batch"),
    ],
)
def test_ends_that_are_no_single_minima_are_refused(end, error, message):
    net = scalar()
    with pytest.raises(error, match=message):
        minima.connect(net, at(net, [[1.0]], [[1.0]]), end)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("net", "message"),
    [
        pytest.param(
            ResidualLinear(EYE, torch.ones(2, 2).double(), 2, 1.0),
            r"A = Y X⁺ \(2 × 2\) has rank 1, not 2",
            id="target",
        ),
        pytest.param(
            ResidualLinear(EYE, EYE, 1, 0.0),
            r"a hidden width of \(1, 2\) is below the rank 2",
            id="no skip",
        ),
    ],
)
def test_networks_without_the_assumed_ranks_are_refused(net, message):
    with pytest.raises(RankDeficient, match=message):
        minima.count_components(net)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda net: minima.sample(net, seeded()), id="sample"),
        pytest.param(lambda net: minima.component(net, (ONE, ONE, ONE)), id="component"),
    ],
)
def test_data_out_of_reach_are_refused(verb):
    y = torch.tensor([[1.0, 0.0, 0.0]]).double()
    with pytest.raises(RankDeficient, match="leaves 0.667 of ‖Y‖² = 1"):
        verb(ResidualLinear(torch.ones(1, 3).double(), y, 1, 1.0))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("net", "signs", "names"),
    [
        pytest.param(
            scalar(), (-1, 0), r"\[\(1, 0\), \(-1, 1\), \(-1, -1\)\], got \(-1, 0\)", id="scalar"
        ),
        pytest.param(network(2, 2), (1,), r"\[\(1, 0\), \(-1, 0\)\], got \(1,\)", id="matrices"),
    ],
)
def test_signs_name_a_component(net, signs, names):
    with pytest.raises(OutOfDomain, match=f"signs: one of the components {names}"):
        minima.sample(net, seeded(), signs=signs)


@pytest.mark.bad_input
def test_a_block_that_is_singular_within_rounding_has_no_sign():
    a = torch.diag(torch.tensor([1.0, 1e-9], dtype=torch.float64))
    net = ResidualLinear(EYE, a, 2, 1.0)
    w = (EYE, torch.diag(torch.tensor([0.0, -1.0]).double()), EYE - torch.diag(EYE[1]))
    with pytest.raises(RankDeficient, match="εI .* W_2 W_1 is singular within rounding"):
        minima.component(net, w)
