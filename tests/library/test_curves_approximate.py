"""The curve of map (6): its two regimes, its derivatives, and where it has none."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.approximate import approximate_act
from mc_lib.curves import ApproximateOrbit, Curve
from mc_lib.errors import NoRealLogarithm, RankDeficient, ShapeMismatch
from mc_lib.geometry import curvature
from mc_lib.networks import TwoLayer
from mc_lib.points import distance

F64 = torch.float64
sizes = st.tuples(st.integers(1, 6), st.integers(1, 6))
T = torch.linspace(0, 1, 5, dtype=F64)


def setting(h, k, *, seed=0, n=7, m=3, sigma=torch.tanh, size=0.4, dtype=F64):
    """A random network, weights (V, U) and a logarithm M."""
    generator = torch.Generator().manual_seed(seed)
    x, y, v, u, M = (
        torch.randn(*shape, generator=generator, dtype=F64).to(dtype)
        for shape in ((n, k), (m, k), (h, n), (m, h), (h, h))
    )
    return TwoLayer(x, y, h, sigma), (v / n**0.5, u), size * M


def outputs(net, w, curve):
    """How far the output moves along the curve, relative."""
    before = net.output(w)
    return float((net.output(curve(T.to(before))) - before).norm() / before.norm())


@given(sizes, st.integers(0, 1000), st.booleans())
def test_it_is_the_map_at_the_exponential(shape, seed, nearest):
    net, (v, u), M = setting(*shape, seed=seed)
    moved = ApproximateOrbit(net, M, (v, u), nearest)(0.7)
    g = scipy.linalg.expm(0.7 * M.numpy())
    before, after = (np.tanh(x @ net.X.numpy()) for x in (v.numpy(), g @ v.numpy()))
    s = np.linalg.svd(after, compute_uv=False)
    want = u.numpy() @ before @ np.linalg.pinv(after)
    if nearest:
        want = u.numpy() + (u.numpy() @ (before - after)) @ np.linalg.pinv(after)
    np.testing.assert_allclose(moved[0], g @ v.numpy(), rtol=1e-10, atol=1e-10)
    if s[-1] > 1e-3:
        np.testing.assert_allclose(moved[1], want, rtol=1e-7, atol=1e-7)


@given(sizes, st.integers(0, 1000))
def test_the_nearest_choice_has_the_same_output_and_begins_at_w(shape, seed):
    net, w, M = setting(*shape, seed=seed)
    plain, nearest = (ApproximateOrbit(net, M, w, x) for x in (False, True))
    if float(plain.image(T).smallest.min()) > 1e-3:
        torch.testing.assert_close(
            net.output(nearest(T)), net.output(plain(T)), rtol=1e-8, atol=1e-8
        )
    assert all(torch.equal(a, b) for a, b in zip(nearest(0.0), w, strict=True))
    assert nearest.start is w


def test_the_nearest_choice_begins_at_w_to_the_last_bit_among_other_times():
    for h, k in ((6, 12), (33, 17)):
        net, w, M = setting(h, k, n=9, m=5)
        many = ApproximateOrbit(net, M, w, nearest=True)(T)
        assert all(torch.equal(a[0], b) for a, b in zip(many, w, strict=True))


@pytest.mark.parametrize(("h", "k"), [(9, 2), (12, 6), (6, 6)])
def test_few_data_points_keep_the_output(h, k, dtype):
    net, w, M = setting(h, k, dtype=dtype)
    tolerance = {torch.float32: 1e-3, F64: 1e-10}[dtype]
    for nearest in (False, True):
        assert outputs(net, w, ApproximateOrbit(net, M, w, nearest)) < tolerance


@pytest.mark.parametrize(("h", "k"), [(2, 9), (6, 12)])
def test_many_data_points_move_it_but_the_curve_begins_at_w(h, k):
    net, w, M = setting(h, k)
    plain = ApproximateOrbit(net, M, w)
    assert 1e-3 < outputs(net, w, plain) < 3
    assert float(distance(plain(0.0), w)) < 1e-10
    torch.testing.assert_close(ApproximateOrbit(net, M, w, nearest=True)(T)[1], plain(T)[1])


def test_few_data_points_begin_elsewhere():
    net, w, M = setting(12, 4)
    start = ApproximateOrbit(net, M, w)(0.0)
    features = torch.tanh(w[0] @ net.X)
    q = torch.linalg.qr(features).Q
    torch.testing.assert_close(start[1], w[1] @ q @ q.mT)
    assert float(distance(start, w)) > 0.5


def test_the_fixed_part_leaves_the_minimum():
    """What corrections suggest first, U H₀H_t⁺ + U(I − H₀H₀⁺), does not keep the output."""
    net, w, M = setting(12, 4)
    h0 = net.features(w[0])
    rest = w[1] - w[1] @ h0 @ torch.linalg.pinv(h0)
    v, u = ApproximateOrbit(net, M, w)(T)
    off = (net.output((v, u + rest)) - net.output(w)).norm(dim=(-2, -1))
    assert float(off[0]) < 1e-12
    assert float(off[1:].min()) > 1e-2


def test_between_ends_at_the_image_of_g():
    net, w, M = setting(4, 3)
    g = torch.linalg.matrix_exp(M)
    end = ApproximateOrbit.between(net, g, w)(1.0)
    image = approximate_act(g, w[1], w[0], net.X, net.activation)
    torch.testing.assert_close(end, (image.V, image.U), rtol=1e-8, atol=1e-9)
    near = ApproximateOrbit.between(net, g, w, nearest=True)
    assert near.nearest
    assert torch.equal(near(0.0)[1], w[1])


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize(("h", "k"), [(5, 3), (3, 6)])
def test_velocity_and_acceleration_are_derivatives(h, k, nearest):
    net, w, M = setting(h, k, seed=2)
    curve: Curve = ApproximateOrbit(net, M, w, nearest)
    t, step = torch.tensor([0.2, 0.6], dtype=F64), 1e-5
    for f, derivative in ((curve, curve.velocity), (curve.velocity, curve.acceleration)):
        for a, b, d in zip(f(t + step), f(t - step), derivative(t), strict=True):
            torch.testing.assert_close((a - b) / (2 * step), d, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(curve.velocity(t)[0], M @ curve(t)[0])
    assert bool((curvature(curve, t) > 0).all())


def test_the_smallest_singular_value_is_reported():
    net, w, M = setting(5, 3)
    curve = ApproximateOrbit(net, M, w)
    found = curve.image(T)
    want = [
        np.linalg.svd(np.tanh(scipy.linalg.expm(float(t) * M.numpy()) @ (w[0] @ net.X).numpy()))[1]
        for t in T
    ]
    np.testing.assert_allclose(found.smallest, [s[-1] for s in want], rtol=1e-10)
    assert found.rank.tolist() == [3] * 5


def test_no_derivative_where_the_rank_drops():
    eye = torch.eye(2, dtype=F64)
    net = TwoLayer(eye, eye, 2, torch.relu)
    curve = ApproximateOrbit(net, 0 * eye, (torch.diag(torch.tensor([1.0, -1.0]).double()), eye))
    assert curve(0.5)[1].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    for f in (curve.velocity, curve.acceleration):
        with pytest.raises(RankDeficient, match=r"has rank 1, not 2, at t = 0.5: the curve may"):
            f(0.5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda M, w: (M[:2, :2], w),
            r"M of shape \(3, 3\) and one point w, got M \(2, 2\)",
            id="M",
        ),
        pytest.param(
            lambda M, w: (M, tuple(x.expand(4, *x.shape) for x in w)),
            r"one point w, got .*\(4, 3, 7\)",
            id="a batch",
        ),
        pytest.param(lambda M, w: (M, w[::-1]), "expected a tuple of weights", id="order"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(change, message):
    net, w, M = setting(3, 2)
    with pytest.raises(ShapeMismatch, match=message):
        ApproximateOrbit(net, *change(M, w))


@pytest.mark.bad_input
def test_an_element_without_a_logarithm_is_refused():
    net, w, _ = setting(3, 2)
    g = torch.diag(torch.tensor([1.0, -1.0, -2.0]).double())
    with pytest.raises(NoRealLogarithm):
        ApproximateOrbit.between(net, g, w)
