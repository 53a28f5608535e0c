"""The arrays behind a slider: each row is the experiment at one setting."""

import pytest
import torch

from lab.cassini import CassiniLobe
from lab.sliders import approximate_sweep, cassini_sweep
from mc_lib import bounds
from mc_lib.curves import ApproximateOrbit, Line
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.networks import TwoLayer
from mc_lib.points import distance

F64 = torch.float64
T = torch.linspace(0, 1, 6, dtype=F64)


def setting(h, k):
    generator = torch.Generator().manual_seed(1)
    x, y, M = (
        torch.randn(*shape, generator=generator, dtype=F64) for shape in ((5, k), (2, k), (h, h))
    )
    net = TwoLayer(x, y, h, torch.tanh)
    return net, net.random(generator), M / h


@pytest.mark.parametrize("nearest", [False, True])
def test_each_row_is_one_group_element(nearest):
    net, w, M = setting(3, 8)
    scales = torch.tensor([0.0, 0.5, 2.0], dtype=F64)
    found = approximate_sweep(net, w, M, scales, T, nearest=nearest)
    for i, s in enumerate(scales):
        curve = ApproximateOrbit(net, s * M, w, nearest)
        torch.testing.assert_close(found.curve[i], net.loss(curve(T)))
        segment = Line(curve(0.0), curve(1.0))
        torch.testing.assert_close(found.segment[i], net.loss(segment(T)))
        assert found.smallest[i] == curve.image(T).smallest.min()
    assert found.scales is scales
    assert found.t is T
    assert float(found.curve[0].max() - found.curve[0].min()) < 1e-9


def test_the_start_is_w_or_its_projection():
    net, w, M = setting(9, 3)
    one = torch.ones(1, dtype=F64)
    start = ApproximateOrbit(net, M, w)(0.0)
    found = approximate_sweep(net, w, M, one, T)
    assert found.start_distance == pytest.approx(float(distance(start, w)), rel=1e-12)
    assert found.start_distance > 0.1
    assert approximate_sweep(net, w, M, one, T, nearest=True).start_distance == 0
    torch.testing.assert_close(found.curve, net.loss(w).expand(1, 6))


def test_the_ovals_are_those_of_the_formulas():
    levels = torch.tensor([1.1, 1.9, 2.5], dtype=F64)
    found = cassini_sweep(levels, points=7)
    assert found.lobe.shape == (3, 7, 2)
    for i, c in enumerate(levels.tolist()):
        lobe = CassiniLobe(c)
        torch.testing.assert_close(found.lobe[i], lobe(torch.linspace(0, 1, 7, dtype=F64))[0])
        assert float(found.curvature[i]) == lobe.max_curvature
        assert (float(found.chord[i]), float(found.distance[i])) == (lobe.chord, lobe.distance)
        if c < 2:
            want = bounds.sagitta(lobe.max_curvature, lobe.chord)
            assert float(found.bound[i]) == pytest.approx(want, rel=1e-12)
    assert found.bound.isfinite().tolist() == [True, True, False]
    assert bool((found.distance > found.bound)[:2].all())
    assert torch.equal(found.levels, levels)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(0,), (2, 1)], ids=str)
def test_a_slider_of_scales_has_a_setting(shape):
    net, w, M = setting(3, 4)
    with pytest.raises(ShapeMismatch, match=r"expected scales \(S,\), one or more, got"):
        approximate_sweep(net, w, M, torch.zeros(shape, dtype=F64), T)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(0,), (2, 1)], ids=str)
def test_a_slider_of_levels_has_a_setting(shape):
    with pytest.raises(ShapeMismatch, match=r"expected levels \(S,\), one or more, got"):
        cassini_sweep(torch.zeros(shape, dtype=F64))


@pytest.mark.bad_input
def test_a_level_of_two_ovals_is_refused():
    with pytest.raises(OutOfDomain, match="level c > 1, got 0.9"):
        cassini_sweep(torch.tensor([1.2, 0.9], dtype=F64))
