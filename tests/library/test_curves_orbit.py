"""The curve that a symmetry draws: exp(tM)·w."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.curves import OrbitCurve
from mc_lib.curves import orbit as orbit_file
from mc_lib.errors import NoRealLogarithm, NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.groups import GeneralLinear, Orthogonal, PositiveScaling
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.networks import DeepLinear
from mc_lib.symmetry import Symmetry

F64 = torch.float64
EYE = torch.eye(2, dtype=F64)
ACCURACY = {torch.float32: 1e-5, F64: 1e-13}


def randn(generator: torch.Generator, *shape: int, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=dtype)


def expm_orbit(m: list[Any], w: tuple[torch.Tensor, ...], t: float) -> list[np.ndarray]:
    """(exp(tM_1) W_1, exp(tM_2) W_2 exp(−tM_1), ..., W_l exp(−tM_{l-1})), in float64."""
    m64 = [t * np.asarray(a, dtype=np.float64) for a in m]
    moved = []
    for i, x in enumerate(w):
        y = x.double().numpy()
        y = scipy.linalg.expm(m64[i]) @ y if i < len(m64) else y
        moved.append(y @ scipy.linalg.expm(-m64[i - 1]) if i > 0 else y)
    return moved


def relative_errors(found: tuple[torch.Tensor, ...], exact: list[np.ndarray]) -> list[float]:
    return [
        float(np.linalg.norm(a.double().numpy() - b) / np.linalg.norm(b))
        for a, b in zip(found, exact, strict=True)
    ]


TIMES = [0.7, 0.0, 1.0, -0.4, 0.11, -1.3, 0.5, 2.5]  # out of order, both sides, past the end


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 3.0])
def test_orbit_curve_is_the_exponential(
    scale: float, generator: torch.Generator, dtype: torch.dtype
) -> None:
    symmetry = Symmetry.chain([Layer(GeneralLinear(4)), Layer(GeneralLinear(3))])
    m = tuple(scale * randn(generator, n, n, dtype=dtype) / n for n in (4, 3))
    w = tuple(randn(generator, *s, dtype=dtype) for s in ((4, 2), (3, 4), (2, 3)))
    curve = OrbitCurve(symmetry, m, w)
    points = curve(torch.tensor(TIMES, dtype=dtype))
    for i, t in enumerate(torch.tensor(TIMES, dtype=dtype).tolist()):
        errors = relative_errors(tuple(x[i] for x in points), expm_orbit(list(m), w, t))
        assert max(errors) < ACCURACY[dtype] * max(1, scale**2), (t, errors)
        assert all(x.dtype == dtype for x in points)


@given(seed=st.integers(0, 10**6), t=st.floats(-2, 2), n=st.integers(1, 4))
def test_orbit_curve_is_the_exponential_at_any_time(seed: int, t: float, n: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    m, w = (randn(generator, n, n) / n,), (randn(generator, n, 2), randn(generator, 1, n))
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(n))]), m, w)
    assert max(relative_errors(curve(t), expm_orbit(list(m), w, t))) < 1e-11


@pytest.mark.parametrize("rate", [1.99, 2.0, 2.01, 9.0])
def test_decay_along_the_fastest_direction_keeps_its_digits(rate: float) -> None:
    one = torch.ones(1, 1, dtype=F64)
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(1))]), (-rate * one,), (one, one))
    assert curve.rate == rate
    t = torch.tensor([0.1, 0.999, 1.0], dtype=F64)
    down, up = (x.flatten() for x in curve(t))
    assert float((down / torch.exp(-rate * t) - 1).abs().max()) < 1e-14 * (rate + 1)
    assert float((up / torch.exp(rate * t) - 1).abs().max()) < 1e-14 * (rate + 1)


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_weights_whose_squares_leave_the_range(size: float) -> None:
    m = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    w = (size * torch.eye(2), torch.zeros(1, 2))
    x, y = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(2))]), (m,), w)(1.0)
    assert float(x[0, 0] / size) == pytest.approx(math.cos(1.0), rel=1e-6)
    assert float(x[1, 0] / size) == pytest.approx(math.sin(1.0), rel=1e-6)
    assert y.tolist() == [[0.0, 0.0]]


def test_the_number_of_products_does_not_grow_with_the_number_of_times(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = randn(generator, 5, 5)
    m = 3.9 * m / torch.linalg.matrix_norm(m, ord=2)
    w = (randn(generator, 5, 5), randn(generator, 5, 5))
    calls = []
    tangent = Symmetry.tangent
    monkeypatch.setattr(Symmetry, "tangent", lambda *a: calls.append(1) or tangent(*a))

    def products(t: float | torch.Tensor) -> int:
        curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(5))]), (m,), w)
        calls.clear()
        curve(t)
        return len(calls)

    assert 20 <= products(torch.linspace(0, 1, 101, dtype=F64)) <= 60  # two steps of 2 / rate
    assert 10 <= products(0.5) <= 30  # one step: t = 1/2 ends it
    assert 20 <= products(-0.501) <= 60


@pytest.mark.parametrize(
    ("size", "t"),
    [(1e-8, 11_000.0), (1e-8, -3e9), (3e-4, 1e5), (0.9, 17.0), (1e-300, 1e300), (0.0, 1e308)],
)
def test_a_slow_curve_takes_long_steps(
    size: float, t: float, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = randn(generator, 3, 3)
    m = size * m / torch.linalg.matrix_norm(m, ord=2)
    w = (randn(generator, 3, 2), randn(generator, 2, 3))
    calls, tangent = [], Symmetry.tangent
    monkeypatch.setattr(Symmetry, "tangent", lambda *a: calls.append(1) or tangent(*a))
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(3))]), (m,), w)
    times = torch.tensor([t, 0.3 * t, 0.5, 0.0], dtype=F64)
    found = curve(times)
    assert len(calls) <= 40 * (1 + size * abs(t))
    for i, at in enumerate(times.tolist()):
        assert max(relative_errors(tuple(x[i] for x in found), expm_orbit([m], w, at))) < 1e-12
    assert all(torch.equal(x[3], y) for x, y in zip(found, w, strict=True))


def test_a_way_is_too_long_only_where_the_message_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mc_lib.curves.orbit.MOST_STEPS", 10)
    turn = torch.tensor([[0.0, -1.01], [1.01, 0.0]], dtype=F64)
    spin = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(2))]), (turn,), (EYE, EYE))
    t = 15.0  # 15 steps of ‖M‖ = 1.01: a way of 15.15, where 20 are allowed
    assert float(spin(t)[0][0, 0]) == pytest.approx(math.cos(1.01 * t), abs=1e-10)
    with pytest.raises(OutOfDomain, match=r"about 20\.2, above 20"):
        spin(20.0)


def test_a_curve_remembers_its_steps_and_answers_the_same(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    m, w = 3 * randn(generator, 4, 4), (randn(generator, 4, 4), randn(generator, 4, 4))
    t = torch.linspace(-1, 1, 33, dtype=F64)
    make = lambda: OrbitCurve(Symmetry.chain([Layer(GeneralLinear(4))]), (m,), w)  # noqa: E731
    curve = make()
    first = curve(t)
    monkeypatch.setattr(OrbitCurve, "_taylor", lambda *a: pytest.fail("computed again"))
    assert all(torch.equal(a, b) for a, b in zip(first, curve(t), strict=True))
    monkeypatch.undo()
    monkeypatch.setattr("mc_lib.curves.orbit.MEMORY", 0)
    forgetful = make()
    assert all(torch.equal(a, b) for a, b in zip(first, forgetful(t), strict=True))
    assert forgetful._memory == {}


def test_gradients_can_be_taken_twice(generator: torch.Generator) -> None:
    m, w = randn(generator, 2, 2), (randn(generator, 2, 2), randn(generator, 2, 2))
    m.requires_grad_()
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(2))]), (m,), w)
    for _ in range(2):
        (grad,) = torch.autograd.grad(curve(0.7)[0].sum(), m)
        assert bool(grad.isfinite().all())


def test_a_shear_needs_two_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    m = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=F64)
    w = (torch.tensor([[2.0], [3.0]], dtype=F64), torch.eye(2, dtype=F64))
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(2))]), (m,), w)
    calls = []
    tangent = Symmetry.tangent
    monkeypatch.setattr(Symmetry, "tangent", lambda *a: calls.append(1) or tangent(*a))
    x, y = curve(0.5)
    assert x.tolist() == [[3.5], [3.0]]
    assert y.tolist() == [[1.0, -0.5], [0.0, 1.0]]
    assert len(calls) == 2  # M w, and M² w = 0


def test_rate_bounds_the_operator(generator: torch.Generator) -> None:
    into, out, fixed = Into("a"), OutOf("a"), Fixed()
    symmetry = Symmetry(
        {"in": (into, fixed), "both": (into, out), "out": (fixed, out), "free": (fixed, fixed)},
        {"a": Layer(PositiveScaling(3), degree=2.5)},
    )
    m = torch.tensor([0.5, -2.0, 1.0], dtype=F64)
    w = {"in": randn(generator, 3, 1), "both": randn(generator, 3, 3)}
    w |= {"out": randn(generator, 2, 3), "free": randn(generator, 1, 1)}
    curve = OrbitCurve(symmetry, (m,), w)
    assert curve.rate == pytest.approx(2 + 2.5 * 2, rel=1e-14)
    moved = curve(0.3)
    grown, shrunk = torch.exp(0.3 * m), torch.exp(-0.75 * m)
    exact = {
        "in": grown[:, None] * w["in"],
        "both": grown[:, None] * w["both"] * shrunk,
        "out": w["out"] * shrunk,
        "free": w["free"],
    }
    for key, x in exact.items():
        torch.testing.assert_close(moved[key], x, rtol=1e-14, atol=0)


def test_orbit_stays_on_the_minimum(generator: torch.Generator) -> None:
    x, g = randn(generator, 3, 3), randn(generator, 5, 5)
    w = (randn(generator, 5, 3), randn(generator, 2, 5))
    net = DeepLinear(x, w[1] @ w[0] @ x, widths=(5,))
    t = torch.linspace(-1, 1, 9, dtype=F64)
    assert float(net.loss(OrbitCurve(net.symmetry, (g,), w)(t)).max()) < 1e-20


def test_between_ends_at_g_w(generator: torch.Generator) -> None:
    symmetry = Symmetry.chain([Layer(GeneralLinear(3)), Layer(PositiveScaling(2))])
    g = (torch.matrix_exp(randn(generator, 3, 3)), torch.rand(2, generator=generator).double() + 1)
    w = tuple(randn(generator, *s) for s in ((3, 2), (2, 3), (1, 2)))
    curve = OrbitCurve.between(symmetry, g, w)
    for found, exact in zip(curve(1.0), symmetry.act(g, w), strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)


def of_gl(generator: torch.Generator) -> tuple[Symmetry, Any, Any]:
    groups = (GeneralLinear(4), GeneralLinear(4), Orthogonal(3))
    symmetry = Symmetry.chain([Layer(group) for group in groups])
    m = [GeneralLinear(4).sample(generator, component=1) for _ in range(2)]
    q = torch.matrix_exp(torch.tensor([[0.0, 2, 1], [-2, 0, 3], [-1, -3, 0]], dtype=F64))
    w = tuple(randn(generator, *s) for s in ((4, 3), (4, 4), (3, 4), (2, 3)))
    return symmetry, tuple(0.3 * (x - x.mT) for x in (*m, q)), w


def of_scalings(generator: torch.Generator) -> tuple[Symmetry, Any, Any]:
    symmetry = Symmetry(
        ((Into("a"), Fixed()), (Fixed(), OutOf("a")), (Fixed(), Fixed())),
        {"a": Layer(PositiveScaling(4), degree=2.0)},
    )
    w = (randn(generator, 4, 3), randn(generator, 2, 4), randn(generator, 2, 2))
    return symmetry, (0.3 * PositiveScaling(4).sample(generator),), w


@pytest.mark.parametrize("case", [of_gl, of_scalings])
def test_velocity_and_acceleration_are_derivatives(
    case: Callable, generator: torch.Generator
) -> None:
    curve = OrbitCurve(*case(generator))
    t, h = torch.tensor([-0.2, 0.0, 0.3, 1.0], dtype=F64), 1e-5
    for f, derivative in ((curve, curve.velocity(t)), (curve.velocity, curve.acceleration(t))):
        for above, below, exact in zip(f(t + h), f(t - h), derivative, strict=True):
            torch.testing.assert_close((above - below) / (2 * h), exact, rtol=1e-6, atol=1e-6)


def test_times_of_any_shape_are_batch(generator: torch.Generator, dtype: torch.dtype) -> None:
    m = randn(generator, 3, 3, dtype=dtype) / 3
    w = (randn(generator, 3, 2, dtype=dtype), randn(generator, 1, 3, dtype=dtype))
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(3))]), (m,), w)
    t = torch.tensor([[0.0, 0.3], [-1.0, 1.4]], dtype=dtype)
    close = ACCURACY[dtype]
    for f in (curve, curve.velocity, curve.acceleration):
        assert [tuple(x.shape) for x in f(t[:0])] == [(0, 2, 3, 2), (0, 2, 1, 3)]
        for x, *singles in zip(f(t), *(f(float(s)) for s in t.reshape(-1)), strict=True):
            assert x.shape[:2] == t.shape and x.dtype == dtype
            torch.testing.assert_close(
                x.flatten(0, 1), torch.stack(singles), rtol=close, atol=close
            )
    assert all(torch.equal(x, y) for x, y in zip(curve(0.0), w, strict=True))
    assert all(torch.equal(x[0, 0], y) for x, y in zip(curve(t), w, strict=True))


def test_there_is_no_orbit_curve_without_a_logarithm() -> None:
    g = (torch.diag(torch.tensor([-1.0, -2.0], dtype=F64)),)
    with pytest.raises(NoRealLogarithm):
        OrbitCurve.between(Symmetry.chain([Layer(GeneralLinear(2))]), g, (EYE, EYE))


def test_gradients_reach_the_generator(generator: torch.Generator) -> None:
    m = randn(generator, 2, 2).requires_grad_()
    w = (randn(generator, 2, 1), randn(generator, 1, 2))
    symmetry = Symmetry.chain([Layer(GeneralLinear(2))])
    t = torch.tensor([1.5, -0.2], dtype=F64)
    (found,) = torch.autograd.grad(OrbitCurve(symmetry, (m,), w)(t)[0].sum(), m)
    exact = sum((torch.matrix_exp(s * m) @ w[0]).sum() for s in t)
    torch.testing.assert_close(found, torch.autograd.grad(exact, m)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("m", "error", "message"),
    [
        pytest.param((0 * EYE.expand(3, 2, 2),), ShapeMismatch, r"\(3, 2, 2\)", id="batch"),
        pytest.param((EYE, EYE), ShapeMismatch, "got 2 entries", id="entries"),
        pytest.param((EYE * math.nan,), NotFinite, "^M: 4 of the 4 entries", id="nan"),
    ],
)
def test_a_generator_must_fit(m: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        OrbitCurve(Symmetry.chain([Layer(GeneralLinear(2))]), m, (EYE, EYE))


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_an_exponential_too_large_is_refused() -> None:
    one = torch.ones(1, 1)
    curve = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(1))]), (20 * one,), (1e30 * one, one))
    assert float(curve(0.9)[0]) == pytest.approx(1e30 * math.exp(18.0), rel=1e-5)
    for t in (1.0, 2.0, torch.tensor([0.5, 1.0])):
        with pytest.raises(NotFinite, match=r"the range of torch.float32$"):
            curve(t)
    twice = OrbitCurve(Symmetry.chain([Layer(GeneralLinear(1))]), (2 * one,), (3e38 * one, one))
    with pytest.raises(NotFinite, match=r"^exp\(tM\)·w leaves the range of torch.float32$"):
        twice(0.01)


@pytest.mark.bad_input
def test_too_long_a_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert orbit_file.MOST_STEPS == 10_000
    monkeypatch.setattr(orbit_file, "MOST_STEPS", 50)
    spin = OrbitCurve(
        Symmetry.chain([Layer(Orthogonal(2))]),
        (torch.tensor([[0.0, -2.0], [2.0, 0.0]], dtype=F64),),
        (EYE, EYE),
    )
    for t in (50.0, -50.0):
        assert float(spin(t)[0][0, 0]) == pytest.approx(math.cos(2 * t), abs=1e-13)
        message = r"^‖M‖\|t\| is about 100\.1, above 100, where rounding takes over"
        with pytest.raises(OutOfDomain, match=message):
            spin(1.001 * t)
