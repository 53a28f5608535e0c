"""The polar curve: from w to g·w by the polar path of the group."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from lab.polar_curve import PolarCurve
from mc_lib.errors import NotConnected, NotFinite, ShapeMismatch
from mc_lib.groups import GeneralLinear, Orthogonal, Permutation, PositiveScaling
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.symmetry import Symmetry

F64 = torch.float64
EYE = torch.eye(2, dtype=F64)


def randn(generator: torch.Generator, *shape: int, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=dtype)


def gl_case(generator: torch.Generator) -> tuple[Symmetry, Any, Any]:
    gl = GeneralLinear(4)
    symmetry = Symmetry.chain([Layer(gl), Layer(gl), Layer(Orthogonal(3))])
    g = [gl.sample(generator, component=1) for _ in range(2)]
    q = torch.matrix_exp(torch.tensor([[0.0, 2, 1], [-2, 0, 3], [-1, -3, 0]], dtype=F64))
    w = tuple(randn(generator, *s) for s in ((4, 3), (4, 4), (3, 4), (2, 3)))
    return symmetry, (*g, q), w


def scaling_case(generator: torch.Generator) -> tuple[Symmetry, Any, Any]:
    group = PositiveScaling(4)
    symmetry = Symmetry(
        ((Into("a"), Fixed()), (Fixed(), OutOf("a")), (Fixed(), Fixed())),
        {"a": Layer(group, degree=2.0)},
    )
    w = (randn(generator, 4, 3), randn(generator, 2, 4), randn(generator, 2, 2))
    return symmetry, (group.sample(generator),), w


CASES = [gl_case, scaling_case]


@pytest.mark.parametrize("case", CASES)
def test_polar_curve_runs_from_w_to_g_w(case: Callable, generator: torch.Generator) -> None:
    symmetry, g, w = case(generator)
    curve = PolarCurve(symmetry, g, w)
    ends = curve(torch.tensor([1.0, 0.0], dtype=F64))
    for found, first, last in zip(ends, w, symmetry.act(g, w), strict=True):
        assert torch.equal(found[1], first)
        torch.testing.assert_close(found[0], last, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_polar_curve_moves_by_the_group_path(case: Callable, generator: torch.Generator) -> None:
    symmetry, g, w = case(generator)
    curve, t = PolarCurve(symmetry, g, w), torch.tensor(0.37, dtype=F64)
    layers = symmetry.layers.values()
    p = tuple(layer.group.path(x)(t) for layer, x in zip(layers, g, strict=True))
    for found, exact in zip(curve(0.37), symmetry.act(p, w), strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_velocity_and_acceleration_are_derivatives(
    case: Callable, generator: torch.Generator
) -> None:
    symmetry, g, w = case(generator)
    curve = PolarCurve(symmetry, g, w)
    t, h = torch.tensor([-0.2, 0.0, 0.3, 1.0], dtype=F64), 1e-5
    for f, derivative in ((curve, curve.velocity(t)), (curve.velocity, curve.acceleration(t))):
        for above, below, exact in zip(f(t + h), f(t - h), derivative, strict=True):
            torch.testing.assert_close((above - below) / (2 * h), exact, rtol=1e-6, atol=1e-6)


def test_times_of_any_shape_are_batch(generator: torch.Generator, dtype: torch.dtype) -> None:
    m = randn(generator, 3, 3, dtype=dtype) / 3
    w = (randn(generator, 3, 2, dtype=dtype), randn(generator, 1, 3, dtype=dtype))
    symmetry = Symmetry.chain([Layer(GeneralLinear(3))])
    curve = PolarCurve(symmetry, (torch.matrix_exp(m),), w)
    t = torch.tensor([[0.0, 0.3], [-1.0, 1.4]], dtype=dtype)
    close = {torch.float32: 1e-5, F64: 1e-13}[dtype]
    for f in (curve, curve.velocity, curve.acceleration):
        assert [tuple(x.shape) for x in f(t[:0])] == [(0, 2, 3, 2), (0, 2, 1, 3)]
        for x, *singles in zip(f(t), *(f(float(s)) for s in t.reshape(-1)), strict=True):
            assert x.shape[:2] == t.shape and x.dtype == dtype
            torch.testing.assert_close(
                x.flatten(0, 1), torch.stack(singles), rtol=close, atol=close
            )
    assert all(torch.equal(x, y) for x, y in zip(curve(0.0), w, strict=True))
    assert all(torch.equal(x[0, 0], y) for x, y in zip(curve(t), w, strict=True))


def test_polar_curve_goes_where_no_logarithm_does() -> None:
    g = (torch.diag(torch.tensor([-1.0, -2.0], dtype=F64)),)
    end = PolarCurve(Symmetry.chain([Layer(GeneralLinear(2))]), g, (EYE, EYE))(1.0)
    torch.testing.assert_close(end[0], g[0], rtol=1e-14, atol=1e-14)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("signs", "message"),
    [
        pytest.param([1, -1], "^layer 2: det g < 0", id="second"),
        pytest.param([-1, 1], "^layer 1: ", id="first"),
    ],
)
def test_the_layer_without_a_path_is_named(
    signs: list[int], message: str, generator: torch.Generator
) -> None:
    gl = GeneralLinear(2)
    g = tuple(gl.sample(generator, component=sign) for sign in signs)
    with pytest.raises(NotConnected, match=message):
        PolarCurve(Symmetry.chain([Layer(gl), Layer(gl)]), g, (EYE, EYE, EYE))


@pytest.mark.bad_input
def test_a_permutation_has_no_path() -> None:
    swap = Symmetry.chain([Layer(Permutation(2))])
    with pytest.raises(NotConnected, match="^layer 1: "):
        PolarCurve(swap, (torch.tensor([1, 0]),), (EYE, EYE))


@pytest.mark.bad_input
def test_an_element_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(3, 2, 2\)"):
        PolarCurve(Symmetry.chain([Layer(GeneralLinear(2))]), (EYE.expand(3, 2, 2),), (EYE, EYE))


@pytest.mark.bad_input
def test_an_infinite_weight_is_refused() -> None:
    bad = torch.diag(torch.tensor([1, math.inf])).double()
    with pytest.raises(NotFinite, match="^w: 1 of the 4 entries"):
        PolarCurve(Symmetry.chain([Layer(GeneralLinear(2))]), (EYE,), (EYE, bad))
