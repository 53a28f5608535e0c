"""A chapter's parameters are taken as they are or refused; where it computes is set, or nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab import random_networks, settings
from lab.arcs import ArcCurves
from lab.cassini import CassiniLobe
from lab.data import digits
from lab.rescaled import planted_minimum
from lab.settings import ParameterError, integer, integers, number, numbers

TYPES = [(2.0, "float"), ("2", "str"), (True, "bool"), (None, "NoneType"), ([2], "list")]


@pytest.fixture(autouse=True)
def torch_as_it_was():
    kept = torch.get_default_dtype(), torch.get_num_threads()
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(kept[0])
    torch.set_num_threads(kept[1])


# -- parameters ----------------------------------------------------------------
def test_a_value_in_range_is_returned():
    assert integer("seeds", 1, at_least=1) == 1
    assert integer("seeds", 5, at_least=1, at_most=5) == 5
    assert integer("seeds", 10**30, at_least=1) == 10**30
    assert integers("depths", (2, 3, 2), at_least=2, at_most=3) == (2, 3, 2)
    assert numbers("degrees", (0.5, 2), at_least=0.5, at_most=2) == (0.5, 2.0)
    assert all(isinstance(k, float) for k in numbers("degrees", [1, 2], at_least=0))
    assert number("extent", 0.5, at_least=0.5) == 0.5
    assert number("extent", 2, at_least=0.0, at_most=2.0) == 2.0
    assert isinstance(number("extent", 2, at_least=0.0), float)


@pytest.mark.bad_input
@pytest.mark.parametrize(("value", "kind"), TYPES)
def test_an_integer_is_nothing_else(value, kind):
    with pytest.raises(ParameterError) as error:
        integer("seeds", value, at_least=0)
    assert str(error.value) == f"seeds = {value!r}: expected an integer, got {kind}"


@pytest.mark.bad_input
@pytest.mark.parametrize(("value", "kind"), [v for v in TYPES if v[1] != "float"])
def test_a_number_is_nothing_else(value, kind):
    with pytest.raises(ParameterError) as error:
        number("extent", value, at_least=0)
    hint = " (in YAML write 1.0e-3, not 1e-3)" if kind == "str" else ""
    assert str(error.value) == f"extent = {value!r}: expected a number, got {kind}{hint}"


@pytest.mark.bad_input
@pytest.mark.parametrize("value", ["2, 3", 2, {2: 3}, [], (), {2, 3}, None])
def test_a_list_of_integers_is_nothing_else(value):
    with pytest.raises(ParameterError) as error:
        integers("depths", value, at_least=2)
    assert str(error.value) == f"depths = {value!r}: expected a list of integers, such as [2, 3]"


@pytest.mark.bad_input
@pytest.mark.parametrize("value", ["0.5", 0.5, [], None])
def test_a_list_of_numbers_is_nothing_else(value):
    with pytest.raises(ParameterError) as error:
        numbers("degrees", value, at_least=0)
    assert (
        str(error.value) == f"degrees = {value!r}: expected a list of numbers, such as [0.5, 2.0]"
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([2, 1], r"^depths\[1\] = 1: expected at least 2$", id="small"),
        pytest.param([2, 3, "3"], r"^depths\[2\] = '3': expected an integer, got str$", id="text"),
    ],
)
def test_a_refused_integer_of_a_list_is_named_by_its_place(values, message):
    with pytest.raises(ParameterError, match=message):
        integers("depths", values, at_least=2)


@pytest.mark.bad_input
def test_a_refused_integer_of_a_list_is_told_both_bounds():
    message = r"^depths\[0\] = 5: expected at least 2 and at most 4"
    with pytest.raises(ParameterError, match=message):
        integers("depths", [5], at_least=2, at_most=4)


@pytest.mark.bad_input
def test_a_refused_number_of_a_list_is_named_by_its_place():
    with pytest.raises(ParameterError, match=r"^degrees\[1\] = 0: expected at least 0.25$"):
        numbers("degrees", [2, 0], at_least=0.25)


@pytest.mark.bad_input
@pytest.mark.parametrize("value", [0, 4])
def test_an_integer_out_of_range_is_refused(value):
    with pytest.raises(
        ParameterError, match=rf"^seeds = {value}: expected at least 1 and at most 3$"
    ):
        integer("seeds", value, at_least=1, at_most=3)


@pytest.mark.bad_input
@pytest.mark.parametrize("value", [0.99, math.inf, -math.inf, math.nan])
def test_a_number_out_of_range_is_refused(value):
    with pytest.raises(ParameterError, match=rf"^extent = {value}: expected at least 1$"):
        number("extent", value, at_least=1)


@pytest.mark.bad_input
@pytest.mark.parametrize("value", [3.5, math.inf, math.nan])
def test_a_number_above_its_largest_is_refused(value):
    with pytest.raises(ParameterError, match=rf"^extent = {value}: expected .* at most 3$"):
        number("extent", value, at_least=1, at_most=3)


# -- where a chapter computes --------------------------------------------------
@pytest.mark.parametrize(("name", "kind"), [("float32", torch.float32), ("float64", torch.float64)])
def test_tensors_to_come_have_the_dtype_and_the_device(name, kind):
    settings.compute_with("cpu", name, 1)
    x = torch.randn(2, generator=settings.generator(0))
    assert (x.dtype, x.device) == (kind, torch.device("cpu"))
    assert torch.get_default_device() == torch.device("cpu")


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_what_is_made_from_nothing_has_the_default_dtype(kind):
    torch.set_default_dtype(kind)
    g, groups = (
        settings.generator(0),
        (mc.GeneralLinear(2), mc.Orthogonal(2), mc.PositiveScaling(2)),
    )
    made = [x for group in groups for x in (group.sample(g), group.identity())]
    made += [
        group.matrix(group.sample(g)) for group in (mc.Permutation(2), mc.SignedPermutation(2))
    ]
    made += [mc.DeepLinear.square(2, 2, g).X, planted_minimum(g, (2, 2, 2), 1)[1][0]]
    made += [random_networks.linear_case(g, 2, 2).w[0], random_networks.leaky_case(g, 8)[1][0]]
    made += [ArcCurves.random(g, 1, 2).points, CassiniLobe(1.5).start[0]]
    made.append(digits(g)[0][0])
    assert {x.dtype for x in made} == {kind}


def test_the_threads_are_those_asked_for():
    for threads in (2, 1):
        settings.compute_with("cpu", "float64", threads)
        assert torch.get_num_threads() == threads


def test_a_generator_repeats_and_follows_its_seed():
    draws = [torch.randn(5, generator=settings.generator(seed)) for seed in (0, 0, 1)]
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(draws[2])
    assert draws[0].equal(torch.randn(5, generator=torch.Generator().manual_seed(0)))


def test_a_generator_is_made_on_the_default_device(monkeypatch):
    asked, on_the_cpu = [], torch.Generator()

    def record(device):
        asked.append(device)
        return on_the_cpu

    monkeypatch.setattr(torch, "get_default_device", lambda: torch.device("cuda:1"))
    monkeypatch.setattr(torch, "Generator", record)
    settings.generator(0)
    assert asked == [torch.device("cuda:1")]


def pretend(monkeypatch, gpus, current=0):
    """Let torch find GPUs, and return the devices that are then set."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current)
    monkeypatch.setattr(torch, "set_default_device", chosen.append)
    return chosen


def test_a_gpu_is_named_with_its_number(monkeypatch):
    chosen = pretend(monkeypatch, gpus=2, current=1)
    for name in ("cuda", "cuda:0", "cuda:1", "cpu"):
        settings.compute_with(name, "float32", 1)
    assert chosen == [*(torch.device(x) for x in ("cuda:1", "cuda:0", "cuda:1")), None]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "name", ["cuda", "cuda:0", "gpu", "meta", "CPU", "", 0, None, True, ["cpu"]], ids=repr
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, name):
    pretend(monkeypatch, gpus=0)
    with pytest.raises(ParameterError) as error:
        settings.compute_with(name, "float64", 1)
    assert str(error.value) == (
        f"device = {name!r}: expected one of those there are: cpu (torch finds no GPU)"
    )


@pytest.mark.bad_input
def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    pretend(monkeypatch, gpus=2)
    with pytest.raises(ParameterError, match=r"^device = 'cuda:2': .* are: cpu, cuda:0, cuda:1$"):
        settings.compute_with("cuda:2", "float64", 1)


@pytest.mark.bad_input
@pytest.mark.parametrize("dtype", ["float16", "double", "", None, 64, torch.float64, ["float64"]])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(ParameterError) as error:
        settings.compute_with("cpu", dtype, 1)
    assert str(error.value) == f"dtype = {dtype!r}: expected float32 or float64"


@pytest.mark.bad_input
@pytest.mark.parametrize("threads", [0, -1, 1.0, "1", True, None])
def test_threads_are_a_positive_number(threads):
    with pytest.raises(ParameterError, match=r"^threads = .*: expected (an integer|at least 1)"):
        settings.compute_with("cpu", "float64", threads)


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", [("gpu", "float64", 2), ("cpu", "half", 2), ("cpu", "float64", 0)])
def test_what_is_refused_changes_nothing(bad):
    settings.compute_with("cpu", "float32", 1)
    with pytest.raises(ParameterError):
        settings.compute_with(*bad)
    assert (torch.get_default_dtype(), torch.get_num_threads()) == (torch.float32, 1)


@given(st.floats(1e-300, 1, exclude_max=True))
def test_a_bound_on_rounding_is_itself_in_float64(bound):
    torch.set_default_dtype(torch.float64)
    assert settings.rounding(bound) == bound


@given(st.floats(0, 1), st.floats(0.5, 2))
def test_a_bound_on_rounding_keeps_its_share_of_the_digits_in_float32(share, factor):
    torch.set_default_dtype(torch.float32)
    eps = {dtype: torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)}
    bound = factor * 0.4 * eps[torch.float64] ** share
    let_through = math.log(settings.rounding(bound)) / math.log(eps[torch.float32])
    assert math.isclose(let_through, math.log(bound) / math.log(eps[torch.float64]), rel_tol=1e-12)
    assert bound < settings.rounding(bound) < 1


@pytest.mark.bad_input
@pytest.mark.parametrize("bound", [0, 1, 0.0, 1.0, -1e-9, 2, math.nan, math.inf, "1e-9", None])
def test_a_bound_on_rounding_lies_between_0_and_1(bound):
    with pytest.raises(ParameterError, match=r"^bound = "):
        settings.rounding(bound)
