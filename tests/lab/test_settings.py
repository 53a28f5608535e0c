"""A chapter's parameters: taken as they are or refused, never guessed."""

import math

import pytest

from lab.settings import ParameterError, integer, integers, number, numbers

TYPES = [(2.0, "float"), ("2", "str"), (True, "bool"), (None, "NoneType"), ([2], "list")]


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
def test_a_refused_entry_of_a_list_is_named_by_its_place():
    with pytest.raises(ParameterError, match=r"^degrees\[1\] = 0: expected at least 0.25$"):
        numbers("degrees", [2, 0], at_least=0.25)
    with pytest.raises(ParameterError, match=r"^depths\[1\] = 1: expected at least 2$"):
        integers("depths", [2, 1], at_least=2)
    with pytest.raises(ParameterError, match=r"^depths\[2\] = '3': expected an integer, got str$"):
        integers("depths", [2, 3, "3"], at_least=2)
    with pytest.raises(
        ParameterError, match=r"^depths\[0\] = 5: expected at least 2 and at most 4"
    ):
        integers("depths", [5], at_least=2, at_most=4)


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
