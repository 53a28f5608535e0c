"""What every bound does alike: kinds of numbers, broadcasting, and refusals."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mc_lib import bounds
from mc_lib.errors import DtypeMismatch, McLibError, NotFinite, OutOfDomain, ShapeMismatch

# every function of numbers, with arguments well inside its domain
GOOD = {
    "sagitta": {"kappa": 0.5, "chord": 1.5},
    "chord_deviation": {"kappa": 0.5, "length": 2.0, "chord": 1.5},
    "lipschitz_loss_bound": {"lipschitz": 2.0, "deviation": 0.25},
    "rescaling_loss": {"m": 3.0, "k": 2.0, "alpha": 0.25, "Y_norm": 1.5},
    "rescaling_midpoint_loss": {"m": 3.0, "k": 2.0, "Y_norm": 1.5},
    "rescaling_barrier": {"m": 3.0, "k": 2.0, "Y_norm": 1.5},
    "rescaling_factor": {"b": 3.0, "k": 2.0, "Y_norm": 1.5},
    "orbit_interval": {"norm_in": 0.75, "norm_out": 1.25, "k": 2.0, "c": 3.0},
    "orbit_barrier_bound": {"norm_in": 0.75, "norm_out": 1.25, "k": 2.0, "c": 3.0, "Y_norm": 1.0},
    "midpoint_scale": {"beta": 3.0},
    "midpoint_distance_squared": {"c": 1.5, "n": 2},
}
ELSEWHERE = {  # functions of weights and matrices, and where they are tested
    "balanced_distance_squared": "test_bounds_two_layers",
    "component_distance": "test_bounds_two_layers",
    "loss_lipschitz": "test_bounds_lipschitz",
    "output_lipschitz": "test_bounds_lipschitz",
    "product_barrier": "test_bounds_two_layers",
    "product_distance_bound": "test_bounds_two_layers",
    "root_loss_bound": "test_bounds_lipschitz",
    "tube_norms": "test_bounds_lipschitz",
}
REAL = {name: [a for a in args if a != "n"] for name, args in GOOD.items()}
EACH_ARGUMENT = [(name, a) for name, args in REAL.items() for a in args]

over_functions = pytest.mark.parametrize("name", GOOD)
over_arguments = pytest.mark.parametrize(("name", "argument"), EACH_ARGUMENT)


def call(name: str, **changes: object) -> tuple:
    """The result as a tuple, whether the function returns one value or two."""
    result = getattr(bounds, name)(**(GOOD[name] | changes))
    return result if isinstance(result, tuple) else (result,)


def test_the_package_exports_what_is_tested() -> None:
    assert {*GOOD, *ELSEWHERE} == {name for name, x in vars(bounds).items() if callable(x)}
    for name, file in ELSEWHERE.items():
        assert name in Path(__file__).with_name(f"{file}.py").read_text(encoding="utf-8")


@over_functions
def test_python_numbers_give_floats(name: str) -> None:
    assert [type(x) for x in call(name)] == [float] * len(call(name))


def test_integers_count_as_floats() -> None:
    assert call("lipschitz_loss_bound", lipschitz=2, deviation=3) == (6.0,)
    assert type(bounds.sagitta(1, 2)) is float


@over_functions
def test_tensors_give_tensors_of_their_dtype(name: str, dtype: torch.dtype) -> None:
    tensors = {a: torch.tensor([GOOD[name][a]] * 2, dtype=dtype) for a in REAL[name]}
    for x, expected in zip(call(name, **tensors), call(name), strict=True):
        assert x.dtype == dtype and x.shape == (2,)
        torch.testing.assert_close(x, torch.full_like(x, expected), rtol=1e-5, atol=0)


@over_arguments
def test_one_tensor_among_numbers_is_enough(name: str, argument: str, dtype: torch.dtype) -> None:
    tensor = torch.tensor(GOOD[name][argument], dtype=dtype)
    for x, expected in zip(call(name, **{argument: tensor}), call(name), strict=True):
        assert x.dtype == dtype and x.shape == ()
        torch.testing.assert_close(x, torch.full_like(x, expected), rtol=1e-5, atol=0)


@over_functions
def test_broadcasting_is_the_loop_over_entries(name: str) -> None:
    first, *rest = REAL[name]
    column = GOOD[name][first] * torch.tensor([[1.0], [1.1], [1.2]], dtype=torch.float64)
    row = {a: GOOD[name][a] * torch.tensor([1.0, 1.05], dtype=torch.float64) for a in rest}
    for which, x in enumerate(call(name, **{first: column}, **row)):
        assert x.shape == (3, 2 if rest else 1)
        for i in range(3):
            for j in range(x.shape[1]):
                one = call(
                    name, **{first: float(column[i])}, **{a: float(r[j]) for a, r in row.items()}
                )
                assert float(x[i, j]) == pytest.approx(one[which], rel=1e-14)


@over_functions
def test_an_empty_batch_is_an_empty_result(name: str) -> None:
    empty = {a: torch.empty(0, dtype=torch.float64) for a in REAL[name]}
    assert [x.shape for x in call(name, **empty)] == [(0,)] * len(call(name))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@over_functions
def test_results_stay_on_the_gpu(name: str, dtype: torch.dtype) -> None:
    tensors = {a: torch.tensor([GOOD[name][a]], dtype=dtype, device="cuda") for a in REAL[name]}
    for x, expected in zip(call(name, **tensors), call(name), strict=True):
        assert x.is_cuda and float(x) == pytest.approx(expected, rel=1e-5)


# -- refusals, in the library's own words ------------------------------------------


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@over_arguments
def test_nan_and_infinity_are_refused_by_name(name: str, argument: str, bad: float) -> None:
    with pytest.raises(NotFinite, match=rf"^{name}: arguments .*float64, .*{argument} = {bad}\b"):
        call(name, **{argument: bad})


@pytest.mark.bad_input
def test_nan_in_a_tensor_is_refused() -> None:
    with pytest.raises(NotFinite, match=r"^sagitta: kappa: 1 of the 2 entries of tensor 0"):
        bounds.sagitta(torch.tensor([0.5, math.nan]), 1.0)


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_a_number_too_large_for_the_dtype_is_refused() -> None:
    with pytest.raises(NotFinite, match=r"float32, got m = inf, k = 1, alpha = 0.5, Y_norm = 1$"):
        bounds.rescaling_loss(1e39, torch.tensor(1.0), 0.5, 1.0)


@pytest.mark.bad_input
def test_an_integer_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(NotFinite, match="sagitta: chord is an integer too large for a float"):
        bounds.sagitta(0.0, 10**400)


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", ["2", 2j, True, None, np.ones(2), [1.0]], ids=repr)
@over_arguments
def test_other_types_are_refused_by_name(name: str, argument: str, bad: object) -> None:
    message = rf"^{name}: {argument} must be a Python number or a torch tensor, got "
    with pytest.raises(DtypeMismatch, match=message) as caught:
        call(name, **{argument: bad})
    assert str(caught.value).endswith(f"got {bad!r} ({type(bad).__name__})")


@pytest.mark.bad_input
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float16, torch.complex64])
@over_functions
def test_other_dtypes_are_refused(name: str, dtype: torch.dtype) -> None:
    argument = REAL[name][0]
    with pytest.raises(DtypeMismatch, match=f"^{name}: {argument}: dtype {dtype} is not supported"):
        call(name, **{argument: torch.ones(2, dtype=dtype)})


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_mixed_dtypes_are_refused() -> None:
    with pytest.raises(DtypeMismatch, match=r"sagitta: kappa, chord: mixed dtypes .*32.*64"):
        bounds.sagitta(torch.ones(2), torch.ones(2, dtype=torch.float64))


@pytest.mark.bad_input
def test_shapes_that_do_not_broadcast_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match=r"sagitta: shapes .* kappa \(2,\), chord \(3,\)$"):
        bounds.sagitta(torch.ones(2), torch.ones(3))


OUTSIDE = [
    ("sagitta", {"kappa": -1e-9}, "kappa ≥ 0, got kappa = -1e-09, chord = 1.5"),
    ("sagitta", {"chord": -1.0}, "chord ≥ 0, got kappa = 0.5, chord = -1"),
    ("sagitta", {"chord": 4.5}, "kappa · chord / 2 ≤ 1, got kappa = 0.5, chord = 4.5"),
    ("chord_deviation", {"kappa": -0.5}, "kappa ≥ 0, got kappa = -0.5, length = 2, chord = 1.5"),
    ("chord_deviation", {"chord": -1.5}, "chord ≥ 0, got kappa = 0.5, length = 2, chord = -1.5"),
    ("chord_deviation", {"chord": 2.5}, "chord ≤ length (a curve is no shorter than its chord), "),
    ("chord_deviation", {"length": 6.5}, "kappa · length ≤ π, got kappa = 0.5, length = 6.5"),
    ("lipschitz_loss_bound", {"lipschitz": -2.0}, "lipschitz ≥ 0, got lipschitz = -2"),
    ("lipschitz_loss_bound", {"deviation": -2.0}, "deviation ≥ 0, got lipschitz = 2, deviation"),
    ("lipschitz_loss_bound", {"lipschitz": 1e200, "deviation": 1e200}, "a result below 1.8e+308, "),
    ("rescaling_loss", {"alpha": -0.1}, "0 ≤ alpha ≤ 1, got m = 3, k = 2, alpha = -0.1, Y_norm"),
    ("rescaling_loss", {"alpha": 1.1}, "0 ≤ alpha ≤ 1, got m = 3, k = 2, alpha = 1.1, Y_norm"),
    ("rescaling_loss", {"m": 1e200}, "a result below 1.8e+308, got m = 1e+200, k = 2, "),
    ("rescaling_barrier", {"m": 1e-200}, "a result below 1.8e+308, got m = 1e-200, k = 2, "),
    ("rescaling_factor", {"b": 0.0}, "b > 0, got b = 0, k = 2, Y_norm = 1.5"),
    ("rescaling_factor", {"Y_norm": 0.0}, "Y_norm > 0, got b = 3, k = 2, Y_norm = 0"),
    ("rescaling_factor", {"k": 1e-3}, "a result below 1.8e+308, got b = 3, k = 0.001"),
    ("orbit_interval", {"norm_out": 1e-300, "k": 0.5}, "(norm_out/c)^(1/k) above the smallest"),
    ("orbit_interval", {"c": 0.85}, "(norm_out/c)^(1/k) < c/norm_in (else no m keeps both below"),
    ("orbit_interval", {"norm_in": 1e-200, "c": 1e200}, "c/norm_in below the largest number, got "),
    ("midpoint_scale", {"beta": 5e-324}, "a result below 1.8e+308, got beta = 4.94"),
    ("midpoint_distance_squared", {"c": 1 - 1e-9}, "c ≥ 1, got c = 0.999999999, n = 2"),
    ("midpoint_distance_squared", {"c": 1e160}, "a result below 1.8e+308, got c = 1e+160, n = 2"),
    ("midpoint_distance_squared", {"n": 0}, "an integer n ≥ 1, got n = 0"),
    ("midpoint_distance_squared", {"n": 2.0}, "an integer n ≥ 1, got n = 2.0"),
    ("midpoint_distance_squared", {"n": True}, "an integer n ≥ 1, got n = True"),
]
POSITIVE = [
    (name, argument, bad)
    for name, argument in EACH_ARGUMENT
    for bad in (0.0, -2.5)
    if argument in ("m", "k", "norm_in", "norm_out", "beta")
    or (name.startswith("orbit") and argument == "c")
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("name", "changes", "message"), OUTSIDE)
def test_outside_the_domain_is_refused_with_the_values(
    name: str, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(OutOfDomain) as caught:
        call(name, **changes)
    assert str(caught.value).startswith(f"{name} needs {message}"), str(caught.value)


@pytest.mark.bad_input
@pytest.mark.parametrize(("name", "argument", "bad"), POSITIVE)
def test_what_must_be_positive_is_refused_at_zero_and_below(
    name: str, argument: str, bad: float
) -> None:
    with pytest.raises(OutOfDomain, match=rf" needs {argument} > 0, got .*{argument} = {bad:g}\b"):
        call(name, **{argument: bad})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "name",
    ["rescaling_loss", "rescaling_midpoint_loss", "rescaling_barrier", "orbit_barrier_bound"],
)
def test_a_negative_norm_is_refused_and_zero_is_not(name: str) -> None:
    with pytest.raises(OutOfDomain, match=rf"^{name} needs Y_norm ≥ 0, got .* Y_norm = -1$"):
        call(name, Y_norm=-1.0)
    assert call(name, Y_norm=0.0)[-1] == 0


@pytest.mark.bad_input
def test_the_first_entry_at_fault_is_named() -> None:
    kappa = torch.tensor([[1.0], [3.0]])
    with pytest.raises(OutOfDomain) as caught:
        bounds.sagitta(kappa, torch.tensor([0.5, 1.0, 2.0]))
    assert str(caught.value).endswith("got kappa = 3, chord = 1 (batch entry (1, 1))")


@pytest.mark.bad_input
def test_every_refusal_is_a_library_error() -> None:
    with pytest.raises(McLibError):
        bounds.sagitta(1.0, 3.0)
