"""The plane through three points: an isometry onto its image, which holds Bézier curves."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.planes import Plane


def points(seed, dtype=torch.float64, n=3):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((3, 2), (2, 3), (3,))
    return [
        tuple(torch.randn(s, generator=generator, dtype=dtype) for s in shapes) for _ in range(n)
    ]


@given(st.integers(0, 10**6))
def test_coordinates_measure_true_distances(seed):
    u, v, w = points(seed)
    plane = Plane.through(u, v, w)
    a, b, c = (plane.coordinates(x) for x in (u, v, w))
    assert a.tolist() == [0, 0]
    assert float(b[0]) > 0
    assert abs(float(b[1])) < 1e-12
    assert float(c[1]) > 0
    for x, y, p, q in ((a, b, u, v), (a, c, u, w), (b, c, v, w)):
        assert float((x - y).norm()) == pytest.approx(float(mc.distance(p, q)))


def test_points_and_coordinates_undo_each_other(dtype):
    plane = Plane.through(*points(0, dtype))
    x, y = torch.linspace(-2, 3, 4, dtype=dtype)[:, None], torch.linspace(0, 1, 5, dtype=dtype)
    at = plane.at(x, y)
    assert [tuple(a.shape[:2]) for a in at] == [(4, 5)] * 3
    found = plane.coordinates(at, batch_ndim=2)
    want = torch.stack(torch.broadcast_tensors(x, y), -1)
    torch.testing.assert_close(found, want, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0)


def test_a_bezier_curve_lies_in_the_plane_of_its_control_points():
    u, v, bend = points(1)
    plane = Plane.through(u, v, bend)
    curve = mc.QuadraticBezier(u, bend, v)
    for t in (0.2, 0.5, 0.9):
        back = plane.at(*plane.coordinates(curve(t)))
        assert mc.distance(back, curve(t)) < 1e-12
    stranger = points(2)[0]
    assert mc.distance(plane.at(*plane.coordinates(stranger)), stranger) > 1e-2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "trio",
    [
        pytest.param(lambda u, v: (u, v, mc.lerp(u, v, torch.tensor(0.3))), id="between"),
        pytest.param(lambda u, v: (u, u, v), id="first twice"),
        pytest.param(lambda u, v: (u, v, u), id="there and back"),
    ],
)
def test_three_points_on_a_line_span_no_plane(trio):
    u, v, _ = points(3)
    with pytest.raises(mc.errors.RankDeficient, match="on one line"):
        Plane.through(*trio(u, v))


@pytest.mark.bad_input
def test_points_of_different_spaces_span_no_plane():
    u, v, _ = points(3)
    with pytest.raises(mc.errors.ShapeMismatch):
        Plane.through(u, v, u[:2])
