"""Minima at every scale of the data: what counts as one, where it lies, what joins two."""

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from mc_lib import minima
from mc_lib.errors import McLibError, NotAMinimum, NotFinite, OutOfDomain, RankDeficient
from mc_lib.minima.frame_path import shown_determinant
from mc_lib.networks import DeepLinear, ResidualLinear, TwoLayer

HALF = {torch.float64: 150, torch.float32: 17}  # half of the exponents of the dtype
ZERO = {torch.float64: 1e-16, torch.float32: 1e-7}  # what counts as zero loss / ‖Y‖²

dtypes = st.sampled_from([torch.float64, torch.float32])
heights = st.sampled_from([-1.0, -0.5, -0.1, 0.1, 0.5, 1.0])
seeds = st.integers(0, 999)
kinds = st.sampled_from(["deep", "residual", "narrow", "wide", "two layers"])


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(kind, seed, x_scale, y_scale, dtype, epsilon=1.0):
    x, a = normal(2, 3, seed=seed), torch.eye(3, 2) + normal(3, 2, seed=seed + 1) / 4
    x, y = (x * x_scale).to(dtype), (a @ x * y_scale).to(dtype)
    if kind == "deep":
        return DeepLinear(x, y, (2, 3))
    if kind == "two layers":
        return TwoLayer(x, y, 9, torch.relu)
    return ResidualLinear(x, y, {"residual": 2, "narrow": 1, "wide": 3}[kind], epsilon)


def samples(net, seed):
    names = {DeepLinear: (-1,), ResidualLinear: (-1, 0)}
    options = {} if isinstance(net, TwoLayer) else {"signs": names[type(net)], "condition": 3.0}
    for shift in range(20):
        generator = torch.Generator().manual_seed(seed + 1000 * shift)
        try:
            return [minima.sample(net, generator, **options) for _ in range(2)]
        except RankDeficient:  # a column of data switches too many neurons off
            assert isinstance(net, TwoLayer)
    raise AssertionError("no minimum was drawn")


def fractions(x):
    return np.array([[Fraction(entry) for entry in row] for row in x.tolist()], dtype=object)


def relative_loss(net, w):
    """‖Y − output‖² / ‖Y‖² of one point, in exact arithmetic."""
    x, y, *w = (fractions(m) for m in (net.X, net.Y, *w))
    if isinstance(net, TwoLayer):
        out = w[1] @ np.maximum(w[0] @ x, 0)
    elif isinstance(net, ResidualLinear):
        out = w[2] @ (w[1] @ w[0] @ x + Fraction(net.epsilon) * x)
    else:
        out = w[2] @ w[1] @ w[0] @ x
    return float(((y - out) ** 2).sum() / (y**2).sum())


@given(kinds, seeds, heights, heights, dtypes)
def test_samples_are_minima_and_joined_by_minima(kind, seed, x_height, y_height, dtype):
    unit = HALF[dtype] / 2 if x_height * y_height < 0 else HALF[dtype]  # A = Y X⁺ stays in range
    net = network(kind, seed, 10 ** (x_height * unit), 10 ** (y_height * unit), dtype)
    w0, w1 = samples(net, seed)
    assert max(relative_loss(net, w) for w in (w0, w1)) <= ZERO[dtype]
    assert minima.component(net, w0).tolist() == minima.component(net, w1).tolist()
    curve = minima.connect(net, w0, w1)
    assert curve.residual <= ZERO[dtype]
    for t in (0.0, 0.3, 0.8):
        assert relative_loss(net, curve(t)) <= ZERO[dtype]
        assert all(x.isfinite().all() for x in curve.velocity(t))


@given(kinds, seeds, heights, dtypes)
def test_what_is_no_minimum_is_refused_at_every_scale(kind, seed, height, dtype):
    net = network(kind, seed, 1.0, 10 ** (height * HALF[dtype]), dtype)
    w0, w1 = samples(net, seed)
    off = tuple(x * (1 + 1e-2 * normal(*x.shape, seed=seed).to(dtype)) for x in w0)
    exact = relative_loss(net, off)
    assert exact > 2 * ZERO[dtype]
    assert abs(minima.relative_loss(net, off) / exact - 1) < 1e-3
    for verb in (
        lambda: minima.require_minimum(net, off),
        lambda: minima.component(net, off),
        lambda: minima.connect(net, off, w1),
        lambda: minima.connect(net, w0, off),
    ):
        with pytest.raises(NotAMinimum):
            verb()


@given(st.sampled_from(["residual", "narrow", "wide"]), seeds, heights, dtypes, st.booleans())
def test_a_skip_connection_of_every_strength(kind, seed, height, dtype, negative):
    epsilon = (-1) ** negative * 10.0 ** (height * HALF[dtype])
    net = network(kind, seed, 1.0, 1.0, dtype, epsilon)
    w0, w1 = samples(net, seed)
    assert max(relative_loss(net, w) for w in (w0, w1)) <= ZERO[dtype]
    assert minima.component(net, w0).tolist() == [-1, 0]
    assert minima.connect(net, w0, w1).residual <= ZERO[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deep", "residual", "narrow", "wide", "two layers"])
@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_minima_whose_sizes_are_far_apart_are_joined(kind, scale):
    net = network(kind, 0, 1.0, 1.0, torch.float64)
    w0, w1 = samples(net, 0)
    if kind == "two layers":
        moved = (scale * w1[0], w1[1] / scale)
    else:
        factors = (scale, 1 / scale)
        g = [
            c * group.identity()
            for c, group in zip(factors, net.symmetry.group.factors, strict=False)
        ]
        moved = net.symmetry.act(g, w1)
    for ends in ((w0, moved), (moved, w0)):
        curve = minima.connect(net, *ends)
        assert max(relative_loss(net, curve(t)) for t in (0.0, 0.2, 0.5, 0.9, 1.0)) <= 1e-16
        t, step = 0.5 - 2.0**-12, 2.0**-16  # no corner of a polygon
        for x, a, b in zip(curve.velocity(t), curve(t - step), curve(t + step), strict=True):
            quotient = (b - a) / (2 * step)
            assert (x - quotient).abs().max() <= 1e-4 * quotient.abs().max()


def test_the_loss_of_a_minimum_with_y_zero_must_vanish_to_the_last_bit():
    one = torch.eye(1)
    net = TwoLayer(one, 0 * one, 2, torch.tanh)
    v = torch.ones(2, 1)
    minima.require_minimum(net, (v, torch.zeros(1, 2)))
    with pytest.raises(NotAMinimum):
        minima.require_minimum(net, (v, torch.full((1, 2), 1e-170)))


@pytest.mark.bad_input
@pytest.mark.parametrize(("dtype", "scale"), [
    (torch.float64, 1e-170), (torch.float64, 1e160), (torch.float32, 1e-20), (torch.float32, 1e20)
])  # fmt: skip
@pytest.mark.parametrize("which", ["X", "Y"])
def test_data_whose_squares_leave_the_range_are_refused(dtype, scale, which):
    sizes = {"X": 1.0, "Y": 1.0} | {which: scale}
    for kind in ("deep", "residual", "two layers"):
        with pytest.raises(OutOfDomain, match=f"^the largest entry of {which} is .*square leaves"):
            network(kind, 0, sizes["X"], sizes["Y"] / sizes["X"], dtype)
    with pytest.raises(OutOfDomain, match=r"^\|epsilon\| is .* whose square leaves the range of"):
        network("residual", 0, 1.0, 1.0, dtype, epsilon=scale)


@pytest.mark.bad_input
def test_a_target_map_out_of_range_is_refused():
    x = torch.diag(torch.tensor([1e-18, 1e-22], dtype=torch.float32))
    with pytest.raises(NotFinite, match=r"the target map A = Y X⁺ \(2 × 2\) leaves the range of"):
        minima.count_components(DeepLinear(x, 1e18 * torch.eye(2, dtype=torch.float32), (2,)))


@pytest.mark.bad_input
def test_weights_too_large_for_their_output_are_refused_with_a_name():
    net = network("deep", 0, 1.0, 1.0, torch.float64)
    huge = tuple(1e200 * torch.ones(shape) for shape in net.shapes)
    large = tuple(1e60 * torch.ones(shape) for shape in net.shapes)
    for w in (huge, large):
        for verb in (net.loss, lambda w: minima.require_minimum(net, w)):
            with pytest.raises(McLibError, match="leaves the range|not on the minimum"):
                verb(w)
    with pytest.raises(NotFinite, match=r"^an output leaves the range of torch\.float64"):
        net.output(huge)


@pytest.mark.bad_input
def test_a_determinant_without_a_sign_is_refused():
    a = torch.diag(torch.tensor([1.0, 1e-9]))
    for tail in (1e-17, -1e-17, 1e-30):
        p = torch.diag(torch.tensor([1.0, tail]))
        with pytest.raises(RankDeficient, match="singular within rounding: det has no sign"):
            minima.component(DeepLinear(torch.eye(2), a, (2,)), (p, torch.eye(2)))


@pytest.mark.bad_input
def test_the_residual_of_a_curve_needs_a_target():
    one = torch.eye(1)
    net = TwoLayer(one, 0 * one, 2, torch.tanh)
    w = (torch.ones(2, 1), torch.zeros(1, 2))
    with pytest.raises(RankDeficient, match="Y = 0: a loss relative to ‖Y‖² needs a target"):
        _ = minima.connect(net, w, w).residual


@pytest.mark.parametrize("n", [1, 3, 100])
def test_determinants_are_shown_where_they_overflow(n):
    assert shown_determinant(-3.0 * torch.eye(1)) == "-3"
    assert shown_determinant(1e10 * torch.eye(n)) == {1: "1e+10", 3: "1e+30", 100: "1e1000"}[n]
    assert shown_determinant(0 * torch.eye(n)) == "0"


@pytest.mark.parametrize("scale", [1e-12, 1e-40, 1e40])
def test_a_fit_to_targets_of_every_scale_has_free_parts_of_their_size(scale):
    net = DeepLinear(torch.eye(2), scale * torch.eye(2), (3,))
    w = minima.sample(net, torch.Generator().manual_seed(0))
    assert 1e-3 * scale < w[1].abs().max() < 1e3 * scale
    gap = fractions(net.Y) - fractions(w[1]) @ fractions(w[0])
    assert float((gap**2).sum() / Fraction(scale) ** 2) < 1e-28
