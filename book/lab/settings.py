"""Every chapter: its parameters, checked, and where and how precisely it computes.

papermill injects whatever it is given: text for numbers, `false` as a true string. Each
chapter passes its parameters through these functions before it uses them. Its tensors are
made without naming a device or a dtype, so torch's defaults decide; they are global state,
which only a chapter (or a script) sets, never the library.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch

from mc_lib.errors import McLibError

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class ParameterError(McLibError):
    """A chapter parameter of the wrong type, out of range or unknown."""


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
    lab.settings.ParameterError: seeds = '10': expected an integer, got str
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


def compute_with(device: Any, dtype: Any, threads: Any) -> None:
    """Make the tensors and generators to come live on `device`, in `dtype`; use `threads`.

    Nothing is set unless all three are valid.

    Args:
        device: "cpu", "cuda" (the current one) or "cuda:1" (by its number).
        dtype: "float64" or "float32".
        threads: how many CPU threads one tensor operation may use, at least 1.

    Raises:
        ParameterError: as `computing`.

    >>> compute_with("cpu", "half", 1)
    Traceback (most recent call last):
    ...
    lab.settings.ParameterError: dtype = 'half': expected float32 or float64
    """
    place, kind, count = computing(device, dtype, threads)
    # naming the CPU, which is the default anyway, would slow every call of torch down by a mode
    torch.set_default_device(None if place.type == "cpu" else place)
    torch.set_default_dtype(kind)
    torch.set_num_threads(count)


def computing(device: Any, dtype: Any, threads: Any) -> tuple[torch.device, torch.dtype, int]:
    """Return what `compute_with` would set, without setting it.

    Args:
        device: as there.
        dtype: as there.
        threads: as there.

    Returns:
        The three.

    Raises:
        ParameterError: a device that is unknown or not there, another dtype, or a number of
            threads that is not a positive integer.

    >>> computing("cpu", "float32", 2)
    (device(type='cpu'), torch.float32, 2)
    """
    place = _device(device)
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ParameterError(f"dtype = {dtype!r}: expected {' or '.join(DTYPES)}")
    return place, DTYPES[dtype], integer("threads", threads, at_least=1)


def _device(name: Any) -> torch.device:
    # a bare "cuda" gets its number, so that generators and tensors name the same device
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    given = f"cuda:{torch.cuda.current_device()}" if name == "cuda" and gpus else name
    if not isinstance(given, str) or given not in ["cpu", *gpus]:
        there = ", ".join(["cpu", *gpus]) + ("" if gpus else " (torch finds no GPU)")
        raise ParameterError(f"device = {name!r}: expected one of those there are: {there}")
    return torch.device(given)


def generator(seed: int) -> torch.Generator:
    """Return a source of random numbers on the default device, where new tensors are made.

    `torch.Generator()` is on the CPU whatever the default device is, and torch refuses to
    draw a tensor on another device with it.

    Args:
        seed: where it begins; the same seed gives the same numbers on the same device.

    Returns:
        The generator.

    >>> generator(3).initial_seed()
    3
    """
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def rounding(bound: float) -> float:
    """Return a bound on a rounding error, stated for float64, as it is for the default dtype.

    The bound lets through the same share of the digits: b becomes b^(log ε / log ε₆₄) with
    the machine precision ε of the default dtype, so b itself in float64 and b^(23/52) in
    float32. It says nothing of bounds that come from mathematics.

    Args:
        bound: b, above 0 and below 1, relative to data of size about 1.

    Returns:
        The bound.

    Raises:
        ParameterError: not a number between 0 and 1, both excluded.

    >>> torch.set_default_dtype(torch.float64)
    >>> rounding(1e-12)
    1e-12
    """
    stated = number("bound", bound, at_least=0.0, at_most=1.0)
    if not 0 < stated < 1:
        raise ParameterError(f"bound = {bound}: expected a number above 0 and below 1")
    eps = torch.finfo(torch.get_default_dtype()).eps
    return stated ** (math.log2(eps) / math.log2(torch.finfo(torch.float64).eps))
