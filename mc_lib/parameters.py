"""The parameters of a chapter: cast, checked, and refused with a clear message.

papermill injects whatever it is given: text for numbers, `false` as a true string. Each
chapter passes its parameters through these functions before it uses them.
"""

from collections.abc import Sequence
from typing import Any

from mc_lib.errors import ParameterError


def integer(name: str, value: Any, *, at_least: int, at_most: int | None = None) -> int:
    """Return `value` if it is an integer in the allowed range.

    Args:
        name: of the parameter, for the message.
        value: what was given.
        at_least: smallest allowed value.
        at_most: largest allowed value, if there is one.

    Returns:
        The integer.

    Raises:
        ParameterError: not an integer (a float, a truth value or a text is none), or out
            of range.

    >>> integer("seeds", 10, at_least=1)
    10
    >>> integer("seeds", "10", at_least=1)
    Traceback (most recent call last):
    ...
    mc_lib.errors.ParameterError: seeds = '10': expected an integer, got str
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ParameterError(f"{name} = {value!r}: expected an integer, got {type(value).__name__}")
    _require_range(name, value, at_least, at_most)
    return value


def integers(
    name: str, values: Any, *, at_least: int, at_most: int | None = None
) -> tuple[int, ...]:
    """Return `values` if it is a list of at least one integer in the allowed range.

    Args:
        name: of the parameter, for the message.
        values: what was given.
        at_least: smallest allowed entry.
        at_most: largest allowed entry, if there is one.

    Returns:
        The integers.

    Raises:
        ParameterError: not a list, empty, or an entry that `integer` refuses.

    >>> integers("depths", [2, 3], at_least=2)
    (2, 3)
    """
    entries = _entries(name, values, "a list of integers, such as [2, 3]")
    return tuple(integer(at, value, at_least=at_least, at_most=at_most) for at, value in entries)


def number(name: str, value: Any, *, at_least: float, at_most: float | None = None) -> float:
    """Return `value` as a float if it is a finite number in the allowed range.

    Args:
        name: of the parameter, for the message.
        value: what was given.
        at_least: smallest allowed value.
        at_most: largest allowed value, if there is one.

    Returns:
        The number.

    Raises:
        ParameterError: not a number (YAML reads 1e-3 as a text: write 1.0e-3), NaN, or
            out of range.

    >>> number("extent", 3, at_least=1.0)
    3.0
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = " (in YAML write 1.0e-3, not 1e-3)" if isinstance(value, str) else ""
        raise ParameterError(
            f"{name} = {value!r}: expected a number, got {type(value).__name__}{hint}"
        )
    _require_range(name, value, at_least, at_most)
    return float(value)


def numbers(
    name: str, values: Any, *, at_least: float, at_most: float | None = None
) -> tuple[float, ...]:
    """Return `values` as floats if it is a list of at least one number in the allowed range.

    Args:
        name: of the parameter, for the message.
        values: what was given.
        at_least: smallest allowed entry.
        at_most: largest allowed entry, if there is one.

    Returns:
        The numbers.

    Raises:
        ParameterError: not a list, empty, or an entry that `number` refuses.

    >>> numbers("degrees", [0.5, 2], at_least=0.25)
    (0.5, 2.0)
    """
    entries = _entries(name, values, "a list of numbers, such as [0.5, 2.0]")
    return tuple(number(at, value, at_least=at_least, at_most=at_most) for at, value in entries)


def _entries(name: str, values: Any, expected: str) -> list[tuple[str, Any]]:
    """Return the entries of a list, each with its name for a message, such as depths[1]."""
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) == 0:
        raise ParameterError(f"{name} = {values!r}: expected {expected}")
    return [(f"{name}[{i}]", value) for i, value in enumerate(values)]


def _require_range(
    name: str, value: int | float, low: int | float, high: int | float | None
) -> None:
    if not (low <= value and (value <= high if high is not None else value < float("inf"))):
        top = "" if high is None else f" and at most {high}"
        raise ParameterError(f"{name} = {value}: expected at least {low}{top}")
