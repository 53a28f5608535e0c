"""The chart of Proposition 4.3: the residual network with 1 × 1 weights, piece by piece."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.residual_scalar import residual_from_group, residual_piece, residual_to_group, shifted
from mc_lib import minima
from mc_lib.errors import (
    NotAMinimum,
    NotConnected,
    NotInGroup,
    OutOfDomain,
    RankDeficient,
    ShapeMismatch,
)
from mc_lib.networks import ResidualLinear

ONE = torch.eye(1, dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def scalar(epsilon=1.0, x=1.0, y=1.0):
    return ResidualLinear(x * ONE, y * ONE, 1, epsilon)


def at(net, w1, w2):
    """The minimum above the numbers W_1 and W_2."""
    w3 = net.Y / net.X / (net.epsilon + w2 * w1)
    return (w1 * ONE, w2 * ONE, w3)


signed = st.floats(0.1, 3).flatmap(lambda x: st.sampled_from([x, -x]))


@given(signed, signed, signed, signed, signed, signed)
def test_the_chart_is_the_formula_and_its_inverse_inverts(x, y, epsilon, alpha, g1, g2):
    net = scalar(epsilon, x, y)
    if abs(alpha - epsilon) < 0.05 or abs(g2 * (alpha - epsilon) + epsilon) < 0.05:
        return
    w = residual_from_group(net, g1 * ONE, g2 * ONE, alpha)
    base = (1.0, alpha - epsilon, y / (alpha * x))
    f = g2 * base[1] * base[0] * x + epsilon * x
    want = (g1 * base[0], g2 * base[1] / g1, base[2] * (base[1] * base[0] * x + epsilon * x) / f)
    assert [float(v) for v in w] == pytest.approx(list(want), rel=1e-10)
    assert float(shifted(net, g2 * ONE, alpha)) == pytest.approx(f, rel=1e-12, abs=1e-12)
    assert minima.relative_loss(net, w) < 1e-24
    back = residual_to_group(net, w, alpha)
    assert [float(v) for v in back] == pytest.approx([g1, g2], rel=1e-12)
    piece = 1 + (g1 < 0) + 2 * (f * epsilon * x < 0)
    assert int(residual_piece(net, w)) == piece
    name = (1, 0) if piece < 3 else (-1, 1 if piece == 3 else -1)
    assert tuple(minima.component(net, w).tolist()) == name


def test_the_identity_gives_the_base_point_and_zero_lies_in_the_chart():
    net = scalar(1.0, 2.0, 12.0)
    assert [float(x) for x in residual_from_group(net, ONE, ONE, 3.0)] == [1, 2, 2]
    assert [float(x) for x in residual_from_group(net, ONE, 0 * ONE, 3.0)] == [1, 0, 6]
    batch = residual_from_group(net, ONE, ONE.expand(4, 1, 1), 3.0)
    assert [x.shape for x in batch] == [(4, 1, 1)] * 3


def test_s0_is_the_line_w1_zero_and_joins_c1_to_c2_only():
    net = scalar(1.0, 2.0, 6.0)
    line = (
        torch.zeros(5, 1, 1).double(),
        torch.randn(5, 1, 1, generator=torch.Generator().manual_seed(0)),
        3 * torch.ones(5, 1, 1).double(),
    )
    assert residual_piece(net, line).tolist() == [0] * 5
    assert minima.component(net, line).tolist() == [[1, 0]] * 5
    one, two, three, four = (at(net, a, b) for a, b in ((1, 1), (-1, -1), (1, -3), (-1, 3)))
    assert [int(residual_piece(net, w)) for w in (one, two, three, four)] == [1, 2, 3, 4]
    curve = minima.connect(net, one, two)
    assert {int(i) for i in residual_piece(net, curve(torch.linspace(0, 1, 41)))} - {0} == {1, 2}
    assert abs(float(curve(0.5)[0])) < 1e-15
    for w, v in itertools.combinations((one, three, four), 2):
        with pytest.raises(NotConnected):
            minima.connect(net, w, v)


def test_without_skip_all_four_pieces_are_components():
    net = scalar(0.0, -2.0, 6.0)
    names, found = set(), []
    for a, b in ((1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)):
        w = at(net, a, b)
        found.append(int(residual_piece(net, w)))
        names.add(tuple(minima.component(net, w).tolist()))
    assert found == [1, 2, 3, 4] and len(names) == 4


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_a_piece_of_matrices_is_refused():
    message = r"1 × 1 matrices, got X \(2, 2\), Y \(2, 2\) and 1"
    with pytest.raises(ShapeMismatch, match=message):
        residual_piece(ResidualLinear(EYE, EYE, 1, 1.0), (EYE[:1], EYE[:, :1], EYE))


@pytest.mark.bad_input
def test_a_chart_of_two_neurons_is_refused():
    with pytest.raises(ShapeMismatch, match="and 2 hidden neurons"):
        residual_from_group(ResidualLinear(ONE, ONE, 2, 1.0), ONE, ONE, 3.0)


@pytest.mark.bad_input
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_base_point_off_the_chart_is_refused(alpha):
    with pytest.raises(OutOfDomain) as error:
        residual_from_group(scalar(1.0, 1.0, 6.0), ONE, ONE, alpha)
    assert str(error.value) == f"the base point needs α ∉ {{0, ε}} = {{0, 1}}, got α = {alpha:g}"


@pytest.mark.bad_input
@pytest.mark.parametrize(("g1", "g2"), [(0.0, 1.0), (1.0, -0.5)])
def test_group_elements_off_the_chart_are_refused(g1, g2):
    with pytest.raises(NotInGroup, match="g_1 ≠ 0 and f"):
        residual_from_group(scalar(1.0, 1.0, 6.0), g1 * ONE, g2 * ONE, 3.0)


@pytest.mark.bad_input
def test_a_group_element_is_a_number():
    with pytest.raises(ShapeMismatch, match=r"shape \(..., 1, 1\), got \(2, 2\)"):
        shifted(scalar(1.0, 1.0, 6.0), EYE, 3.0)


@pytest.mark.bad_input
def test_the_line_s0_is_not_in_the_chart():
    with pytest.raises(OutOfDomain, match="lies on the line S_0"):
        residual_to_group(scalar(1.0, 1.0, 6.0), (0 * ONE, ONE, 6 * ONE), 3.0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(residual_piece, id="residual_piece"),
        pytest.param(lambda net, w: residual_to_group(net, w, 3.0), id="residual_to_group"),
    ],
)
def test_a_point_off_the_minimum_is_refused(verb):
    with pytest.raises(NotAMinimum):
        verb(scalar(1.0, 1.0, 6.0), (ONE, ONE, ONE))


@pytest.mark.bad_input
def test_a_chart_of_the_zero_target_is_refused():
    with pytest.raises(RankDeficient):
        residual_from_group(scalar(1.0, 1.0, 0.0), ONE, ONE, 3.0)
