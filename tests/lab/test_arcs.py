"""Random curves of circular arcs: exact curvature, length and distance."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.arcs import ArcCurves
from mc_lib import bounds
from mc_lib.errors import DtypeMismatch, OutOfDomain, ShapeMismatch

F64 = torch.float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def positions(curves, steps=400):
    """Points of the curves by the arc formula, shape (B, P, steps + 1, N): brute force.

    1 − cos x is 2 sin²(x/2), which does not cancel on an arc that is nearly straight.
    """
    s = torch.linspace(0, 1, steps + 1, dtype=curves.points.dtype)
    angle = (curves.curvatures * curves.lengths)[..., None] * s
    radius = (1 / curves.curvatures)[..., None, None]
    along = angle.sin()[..., None] * curves.tangents[:, :, None]
    up = 2 * (angle / 2).sin().square()[..., None] * curves.normals[:, :, None]
    return curves.points[:, :-1, None] + radius * (along + up)


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 1000))
def test_the_arcs_fit_together(dimension, pieces, seed):
    c = ArcCurves.random(seeded(seed), 5, dimension, pieces=pieces)
    assert c.points.shape == (5, pieces + 1, dimension)
    ends = positions(c, 1)[:, :, 1]
    torch.testing.assert_close(ends, c.points[:, 1:], rtol=0, atol=1e-13)
    one = torch.ones(5, pieces, dtype=F64)
    torch.testing.assert_close(c.tangents.norm(dim=-1), one)
    torch.testing.assert_close(c.normals.norm(dim=-1), one)
    assert float((c.tangents * c.normals).sum(-1).abs().max()) < 1e-13
    angle = (c.curvatures * c.lengths)[:, :-1, None]  # each tangent ends as the next begins
    turned = angle.cos() * c.tangents[:, :-1] + angle.sin() * c.normals[:, :-1]
    torch.testing.assert_close(turned, c.tangents[:, 1:], rtol=0, atol=1e-13)


@given(st.floats(0.1, 6.0), st.integers(0, 1000))
def test_curvature_length_and_turn_are_as_asked(turn, seed):
    c = ArcCurves.random(seeded(seed), 20, 3, turn=turn)
    assert bool((c.max_curvature == 1).all())
    assert bool((c.curvatures > 0).all())
    assert bool((c.curvatures <= 1).all())
    total = c.max_curvature * c.length
    assert turn / 50 * 0.999 <= float(total.min()) <= float(total.max()) <= turn * (1 + 1e-12)
    fine = positions(c).flatten(1, 2)
    polygon = fine.diff(dim=1).norm(dim=-1).sum(1)
    torch.testing.assert_close(polygon, c.length, rtol=1e-4, atol=0)
    torch.testing.assert_close(c.chord, (fine[:, -1] - fine[:, 0]).norm(dim=-1))


def test_the_fewest_curves_dimensions_and_pieces():
    c = ArcCurves.random(seeded(), 1, 2, pieces=1)
    assert c.points.shape == (1, 2, 2)
    assert float(c.max_curvature) == 1  # one arc: its curvature is the largest


def test_curvatures_are_one_or_uniform():
    c = ArcCurves.random(seeded(), 400, 2)
    bent = c.curvatures == 1
    k = c.curvatures[bent.sum(1) > 1]  # there nothing was divided by the largest
    below = k[k < 1]
    assert len(below) > 900
    assert abs(float(below.mean()) - 1 / 2) < 5 / math.sqrt(12 * len(below))
    assert abs(float(bent.double().mean()) - 1 / 2) < 0.1  # s is uniform in [0, 1]


def test_normals_are_transported_with_weight_1_minus_s_and_random_with_weight_s():
    """In high dimension the random one is across, so the cosine is (1 − s)/|(1 − s, s)|."""
    c = ArcCurves.random(seeded(), 20, 200, pieces=200)
    s = (c.curvatures < 1).double().mean(1, keepdim=True)
    angle = (c.curvatures * c.lengths)[..., None]
    transported = angle.cos() * c.normals - angle.sin() * c.tangents
    cosine = (transported[:, :-1] * c.normals[:, 1:]).sum(-1)
    want = ((1 - s) / torch.hypot(1 - s, s)).expand_as(cosine)
    torch.testing.assert_close(cosine.mean(1), want.mean(1), rtol=0, atol=0.2)
    torch.testing.assert_close(cosine.mean(0), want.mean(0), rtol=0, atol=0.1)  # at every joint


@pytest.mark.parametrize("dimension", [2, 3, 20])
def test_distance_is_that_of_a_fine_polygon(dimension):
    c = ArcCurves.random(seeded(dimension), 12, dimension, turn=5.0)
    p = 2 * torch.randn(12, 9, dimension, generator=seeded(1), dtype=F64)
    fine = positions(c).flatten(1, 2)
    brute = torch.cdist(p, fine).amin(-1)
    found = c.distance(p)
    assert bool((found <= brute + 1e-12).all())
    torch.testing.assert_close(found, brute, rtol=0, atol=1e-3)


def test_distance_to_a_half_circle_by_hand():
    one = torch.ones(1, 1, dtype=F64)
    points = torch.tensor([[[0.0, 0.0], [0.0, 2.0]]], dtype=F64)  # centre (0, 1)
    t, n = (torch.tensor([[[a, b]]], dtype=F64) for a, b in ((1.0, 0.0), (0.0, 1.0)))
    half = ArcCurves(points, t, n, one, math.pi * one)
    p = torch.tensor([[[3.0, 1.0], [0.5, 1.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -2.0]]], dtype=F64)
    torch.testing.assert_close(
        half.distance(p)[0], torch.tensor([2.0, 0.5, 3.0, 1.0, 2.0]).double()
    )


def test_points_of_the_curve_are_at_distance_zero(dtype):
    c = ArcCurves.random(seeded(), 6, 4, dtype=dtype)
    inside = positions(c, 7)[:, 2]
    assert inside.dtype == dtype
    assert float(c.distance(inside).max()) < {torch.float32: 1e-5, F64: 1e-13}[dtype]


def test_chord_points_by_hand():
    c = ArcCurves.random(seeded(), 3, 2)
    s = torch.tensor([0.0, 0.25, 1.0], dtype=F64)
    p = c.on_chord(s)
    torch.testing.assert_close(p[:, 1], 0.75 * c.points[:, 0] + 0.25 * c.points[:, -1])
    torch.testing.assert_close(p[:, 2], c.points[:, -1])
    shift = torch.tensor([3.0, -1.0])
    elsewhere = dataclasses.replace(c, points=c.points + shift)
    torch.testing.assert_close(elsewhere.on_chord(s), p + shift)


@pytest.mark.parametrize("dimension", [2, 5, 50])
def test_the_corrected_theorem_holds_and_is_attained(dimension):
    c = ArcCurves.random(seeded(), 400, dimension)
    far = c.distance(c.on_chord(torch.linspace(0, 1, 33, dtype=F64))).amax(1)
    ratio = far / bounds.chord_deviation(c.max_curvature, c.length, c.chord)
    assert 1 - 1e-4 < float(ratio.max()) <= 1 + 1e-12
    assert float(ratio.min()) < 0.5


def test_beyond_half_a_turn_equation_8_breaks():
    c = ArcCurves.random(seeded(), 400, 2, turn=2 * math.pi)
    far = c.distance(c.on_chord(torch.linspace(0, 1, 33, dtype=F64))).amax(1)
    speaks = c.chord <= 2
    assert float((far[speaks] / bounds.sagitta(1.0, c.chord[speaks])).max()) > 2


def test_the_same_seed_gives_the_same_curves():
    a, b = (ArcCurves.random(seeded(4), 2, 3) for _ in range(2))
    assert torch.equal(a.points, b.points)
    assert not torch.equal(a.points, ArcCurves.random(seeded(5), 2, 3).points)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "bad",
    [{"count": 0}, {"dimension": 1}, {"pieces": 0}, {"turn": 0.0}, {"turn": math.inf}],
    ids=str,
)
def test_impossible_curves_are_refused(bad):
    message = "count ≥ 1, dimension ≥ 2, pieces ≥ 1 and turn > 0"
    with pytest.raises(OutOfDomain, match=message):
        ArcCurves.random(seeded(), **{"count": 2, "dimension": 2, **bad})


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(2, 3), (1, 5, 3), (2, 5, 4)], ids=str)
def test_points_of_another_shape_are_refused(shape):
    c = ArcCurves.random(seeded(), 2, 3)
    with pytest.raises(ShapeMismatch, match=r"expected points \(2, S, 3\), got"):
        c.distance(torch.zeros(shape, dtype=F64))


@pytest.mark.bad_input
def test_points_of_another_dtype_are_refused():
    c = ArcCurves.random(seeded(), 2, 3)
    with pytest.raises(DtypeMismatch, match="^the curves and the points: mixed dtypes"):
        c.distance(torch.zeros(2, 5, 3, dtype=torch.float32))
