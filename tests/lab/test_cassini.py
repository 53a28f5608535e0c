"""The Cassini oval: exact formulas against the loss, its derivatives, and brute force."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.cassini import CassiniLobe, cassini_loss
from mc_lib import bounds
from mc_lib.errors import OutOfDomain
from mc_lib.geometry import curvature, length, max_curvature

F64 = torch.float64
T = torch.linspace(0, 1, 41, dtype=F64)
levels = st.floats(1.001, 6.0)
broken = st.floats(1.0001, 1.9999)


def test_the_loss_by_hand(dtype):
    p = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], dtype=dtype)
    assert cassini_loss((p,)).tolist() == [1, 0, 0, 9, 4]
    assert cassini_loss((p[3],)).item() == 9
    assert cassini_loss((p[None, 1:],)).tolist() == [[0, 0, 9, 4]]


@given(levels)
def test_the_curve_lies_in_the_level_set_on_the_right(c):
    (p,) = CassiniLobe(c)(T)
    torch.testing.assert_close(cassini_loss((p,)), torch.full((41,), c, dtype=F64))
    assert bool((p[1:-1, 0] > 0).all())
    torch.testing.assert_close(p[:, 1], -p[:, 1].flip(0), rtol=0, atol=1e-12)


@given(levels)
def test_curvature_is_that_of_the_level_set(c):
    """κ from the gradient and the Hessian of L, an independent formula."""
    lobe = CassiniLobe(c)
    x, y = lobe(T)[0].unbind(-1)
    r2 = x * x + y * y
    lx, ly = 4 * x * (r2 - 1), 4 * y * (r2 + 1)
    lxx, lyy, lxy = 4 * (r2 - 1) + 8 * x**2, 4 * (r2 + 1) + 8 * y**2, 8 * x * y
    signed = (lxx * ly**2 - 2 * lxy * lx * ly + lyy * lx**2) / torch.hypot(lx, ly) ** 3
    torch.testing.assert_close(lobe.signed_curvature(T), signed, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(curvature(lobe, T), signed.abs(), rtol=1e-8, atol=1e-7)


@given(levels)
def test_the_extremes_of_the_curvature(c):
    lobe = CassiniLobe(c)
    assert float(lobe.signed_curvature(0.0)) == pytest.approx(-lobe.neck_curvature, abs=1e-9)
    assert float(lobe.signed_curvature(1.0)) == pytest.approx(-lobe.neck_curvature, abs=1e-9)
    assert float(lobe.signed_curvature(0.5)) == pytest.approx(lobe.tip_curvature, rel=1e-12)
    half = lobe.signed_curvature(torch.linspace(0, 0.5, 200, dtype=F64))
    assert bool((half.diff() > 0).all())
    assert lobe.max_curvature == max(abs(lobe.neck_curvature), lobe.tip_curvature)
    assert float(half.abs().max()) <= lobe.max_curvature * (1 + 1e-9)


@pytest.mark.parametrize("c", [1.05, 1.2, 1.5, 3.0])
def test_the_largest_curvature_is_found_without_the_formula(c):
    lobe = CassiniLobe(c)
    assert max_curvature(lobe, points=41)[0] == pytest.approx(lobe.max_curvature, rel=1e-10)


@given(broken)
def test_equation_8_fails_between_the_levels_1_and_2(c):
    lobe = CassiniLobe(c)
    assert lobe.max_curvature * lobe.chord / 2 < 1
    assert bounds.sagitta(lobe.max_curvature, lobe.chord) < lobe.distance == lobe.chord / 2
    r = lobe(torch.linspace(0, 1, 1001, dtype=F64))[0].norm(dim=-1)
    assert float(r.min()) == pytest.approx(lobe.distance, rel=1e-9)


@pytest.mark.parametrize("c", [2.0, 2.5, 3.9])
def test_from_level_2_on_it_says_nothing(c):
    lobe = CassiniLobe(c)
    assert lobe.max_curvature * lobe.chord / 2 >= 1 - 1e-12


@pytest.mark.parametrize("c", [1.05, 1.5, 1.9])
def test_the_lobe_turns_by_more_than_pi(c):
    lobe = CassiniLobe(c)
    assert length(lobe) * lobe.max_curvature > 1.5 * math.pi


def test_the_numbers_of_the_table():
    for c, kappa, d_max, far in (
        (1.05, 6.057, 0.1145, 0.1571),
        (1.2, 2.673, 0.1631, 0.3089),
        (1.5, 1.765, 0.2564, 0.4741),
    ):
        lobe = CassiniLobe(c)
        found = (lobe.max_curvature, bounds.sagitta(lobe.max_curvature, lobe.chord), lobe.distance)
        assert found == pytest.approx((kappa, d_max, far), abs=5e-4)


def test_derivatives_against_differences():
    lobe, step = CassiniLobe(1.3), 1e-5
    for f, d in ((lobe, lobe.velocity), (lobe.velocity, lobe.acceleration)):
        (a,), (b,), (c,) = f(T + step), f(T - step), d(T)
        torch.testing.assert_close((a - b) / (2 * step), c, rtol=1e-6, atol=1e-6)


def test_it_begins_and_ends_at_the_neck():
    lobe = CassiniLobe(1.44)
    assert lobe.start[0].tolist() == pytest.approx([0.0, -(0.2**0.5)], rel=1e-15)
    assert torch.equal(lobe(0.0)[0], lobe.start[0])
    assert torch.equal(lobe(1.0)[0], -lobe.start[0])
    near = lobe(torch.tensor([1e-9, 1 - 1e-9], dtype=F64))[0]
    torch.testing.assert_close(near, lobe(torch.tensor([0.0, 1.0]))[0], rtol=0, atol=1e-7)


@pytest.mark.bad_input
@pytest.mark.parametrize("c", [1.0, 0.5, -1.0, math.nan, math.inf])
def test_levels_with_two_ovals_are_refused(c):
    with pytest.raises(OutOfDomain, match=f"one closed curve for a level c > 1, got {c}"):
        CassiniLobe(c)
