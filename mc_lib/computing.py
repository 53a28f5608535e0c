"""Where and how precisely a chapter computes: device, dtype, threads, and what rounding costs.

Chapters make their tensors without naming a device or a dtype, so torch's defaults decide.
They are global state: only a chapter (or a script) sets them, never the library by itself.
"""

import math
from typing import Any

import torch

from mc_lib.errors import ParameterError
from mc_lib.parameters import integer, number

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def compute_with(device: Any, dtype: Any, threads: Any) -> None:
    """Make the tensors and generators to come live on `device`, in `dtype`; use `threads`.

    Nothing is set unless all three are valid.

    Args:
        device: "cpu", "cuda" (the current one) or "cuda:1" (by its number).
        dtype: "float64" or "float32".
        threads: how many CPU threads one tensor operation may use, at least 1.

    Raises:
        ParameterError: a device that is unknown or not there, another dtype, or a number of
            threads that is not a positive integer.

    >>> compute_with("cpu", "half", 1)
    Traceback (most recent call last):
    ...
    mc_lib.errors.ParameterError: dtype = 'half': expected float32 or float64
    """
    place = _device(device)
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ParameterError(f"dtype = {dtype!r}: expected {' or '.join(DTYPES)}")
    count = integer("threads", threads, at_least=1)
    # naming the CPU, which is the default anyway, would slow every call of torch down by a mode
    torch.set_default_device(None if place.type == "cpu" else place)
    torch.set_default_dtype(DTYPES[dtype])
    torch.set_num_threads(count)


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
