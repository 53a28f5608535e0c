"""Real logarithms of real matrices, where they exist: the corrected reading of eq. (5).

log g is real iff g is invertible and every Jordan block of a negative eigenvalue occurs an
even number of times (Culver 1966). The matrix is split into the spectral part away from
the negative axis, which has a principal logarithm, and one part for each negative
eigenvalue, whose Jordan blocks are paired. Nothing is returned before exp(log g) has been
compared with g. Matrices are treated one by one, in float64 on the CPU; where a norm might
over- or underflow, as g/2ᵉ with log g = log(g/2ᵉ) + e log 2.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import numpy as np
import scipy  # its parts are loaded when they are used
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mc_lib.checks import first_fault, tolerance
from mc_lib.errors import NoRealLogarithm, OutOfDomain
from mc_lib.groups.derivatives import differentiable_logarithm
from mc_lib.groups.jordan import paired_logarithm

# Round-off moves the eigenvalue of a Jordan block of size s by about ε^(1/s): eigenvalues
# count as one, and as real, within the first of these relative distances that works.
# Within the very first they lie on the negative axis as far as round-off can tell.
_NEARNESS = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)
_ZERO = (1e-12, 1e-9, 1e-6)  # singular values that count as zero, tight to loose
_CUT = 1e-6  # eigenvalues as near to the negative axis have a principal logarithm that jumps
_MISS = 1e-8  # how far exp(log g) may be from g, relative, where derivatives are read off
_ORDINARY = 32  # exponents of two up to which a matrix is taken as it is


def real_logarithm(g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return a real M with ‖exp(M) − g‖ ≤ tol ‖g‖, tol = 1e-10 (float64) or 1e-4 (float32).

    The principal logarithm where there is one; eigenvalues within 1e-12 of the negative
    axis, relative to their size, count as on it. A matrix within tol of one that has a real
    logarithm gets that one: the tolerance is what the library calls equal.

    Its derivatives are those of the principal logarithm; within 1e-6 of the negative axis,
    where that jumps, they are refused with `OutOfDomain` when they are asked for.

    Raises:
        NoRealLogarithm: naming the negative eigenvalues that do not pair up, and the
            first batch entry at fault.
        OutOfDomain: g is so badly conditioned that its logarithm misses tol.

    >>> real_logarithm(torch.tensor([[1.0]]))
    tensor([[0.]])
    """
    return differentiable_logarithm(g, _real_logarithm, principal_logarithm)


def _real_logarithm(g: Tensor) -> Tensor:
    tol = tolerance(g.dtype).equal
    stack, exponents = _in_units(g)
    logs = [_logarithm(a, tol) for a in stack]
    missing = torch.tensor([m is None for m in logs], dtype=torch.bool).reshape(g.shape[:-2])
    if missing.any():
        where, at = first_fault(missing)
        _refuse(g[where].detach().double().cpu().numpy(), at, tol)
    found = np.stack([m for m in logs if m is not None]) if logs else stack
    for m, e in zip(found, exponents, strict=True):
        if e:
            m += e * np.log(2.0) * np.eye(len(m))
    return torch.from_numpy(found).to(g).reshape(g.shape)


def _in_units(g: Tensor) -> tuple[np.ndarray, list[int]]:
    """Return the matrices over 2ᵉ, and e: 0 for every matrix of ordinary size."""
    stack = g.detach().double().cpu().reshape(-1, *g.shape[-2:]).numpy()
    sizes = np.frexp(abs(stack).max((1, 2), initial=0.0))[1]
    exponents = np.where(abs(sizes) > _ORDINARY, sizes, 0)
    return np.ldexp(stack, -exponents[:, None, None]), exponents.tolist()


def principal_logarithm(g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return the logarithm with angles in (−π, π), or refuse where it has no derivative.

    Raises:
        OutOfDomain: an eigenvalue lies within 1e-6 of the negative axis, relative to its size,
            or rounding takes exp(log g) away from g.

    >>> principal_logarithm(torch.tensor([[1.0]]))
    tensor([[0.]])
    """
    stack = g.detach().double().cpu().reshape(-1, *g.shape[-2:]).numpy()
    logs = []
    for a in stack:
        near = _near_negative(np.linalg.eigvals(a), _CUT).any()
        m = None if near else _principal(a)
        if m is None or not _reproduces(m, a, _MISS):
            why = "an eigenvalue is on the negative axis, where it jumps" if near else "rounding"
            raise OutOfDomain(
                f"the logarithm has no derivative at g: {why}; log(g.detach()) is the value alone"
            )
        logs.append(m)
    return torch.from_numpy(np.array(logs).reshape(stack.shape)).to(g).reshape(g.shape)


def has_real_logarithm(g: Float[Tensor, "*batch n n"]) -> Bool[Tensor, "*batch"]:
    """Return whether g has a real logarithm, from its eigenvalues wherever these decide.

    >>> has_real_logarithm(torch.stack((-torch.eye(2), torch.diag(torch.tensor([-1.0, -2.0])))))
    tensor([ True, False])
    """
    tol = tolerance(g.dtype).equal
    stack, _ = _in_units(g)
    spectra = torch.linalg.eigvals(torch.from_numpy(stack)).numpy()
    answers = [_exists(a, values, tol) for a, values in zip(stack, spectra, strict=True)]
    return torch.tensor(answers, dtype=torch.bool, device=g.device).reshape(g.shape[:-2])


def _exists(a: np.ndarray, values: np.ndarray, tol: float) -> bool:
    if len(_lonely(values)):
        return False
    return not _near_negative(values, _NEARNESS[-1]).any() or _logarithm(a, tol) is not None


def _near_negative(values: np.ndarray, nearness: float) -> np.ndarray:
    return (values.real < 0) & (abs(values.imag) <= nearness * abs(values))


def _lonely(values: np.ndarray) -> np.ndarray:
    """Return the real negative eigenvalues with no other eigenvalue near: never paired."""
    alone = [
        v.real < 0 and v.imag == 0 and (abs(values - v) <= _NEARNESS[-1] * abs(v)).sum() == 1
        for v in values
    ]
    return values[np.array(alone, dtype=bool)].real


def _logarithm(a: np.ndarray, tol: float) -> np.ndarray | None:
    """Return a verified real logarithm of one matrix, or None."""
    values = np.linalg.eigvals(a)
    if len(_lonely(values)):
        return None
    candidates: list[Callable[[], np.ndarray | None]] = [
        partial(_paired, a, near, zero) for near in _NEARNESS for zero in _ZERO
    ]
    if not ((values.real < 0) & (values.imag == 0)).any():
        on_axis = _near_negative(values, _NEARNESS[0]).any()
        candidates.insert(len(_ZERO) if on_axis else 0, partial(_principal, a))
    for candidate in candidates:
        with np.errstate(all="ignore"):  # a candidate that overflows is not the logarithm
            try:
                m = candidate()
            except Exception:  # the linear algebra failed; scipy says so in several ways
                continue
            if m is not None and _reproduces(m, a, tol):
                return m
    return None


def _reproduces(m: np.ndarray, a: np.ndarray, tol: float) -> bool:
    return bool(np.linalg.norm(scipy.linalg.expm(m) - a) <= tol * np.linalg.norm(a))


def _principal(a: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():  # its own error estimates: ours decides, in _reproduces
        warnings.simplefilter("ignore")
        return np.asarray(scipy.linalg.logm(a)).real


def _paired(a: np.ndarray, nearness: float, zero: float) -> np.ndarray | None:
    """Return the logarithm with negative eigenvalues clustered within `nearness`, or None.

    The real Schur form is reordered so that one cluster leads, [[T₁₁, T₁₂], [0, T₂₂]];
    with T₁₁X − XT₂₂ = −T₁₂ the basis [[I, X], [0, I]] splits it off.
    """
    t, basis = scipy.linalg.schur(a, output="real")
    labels = _cluster_labels(_schur_eigenvalues(t), nearness)
    logs, done = [], 0
    for label in range(1, labels.max() + 1):
        select = labels == label
        t, q, *_, info = scipy.linalg.lapack.dtrsen(select, t, np.eye(len(t)), job=b"N")
        k = int(select.sum())
        log = paired_logarithm(t[:k, :k], zero) if info == 0 and k % 2 == 0 else None
        if log is None:
            return None
        split = np.eye(len(t))
        split[:k, k:] = scipy.linalg.solve_sylvester(t[:k, :k], -t[k:, k:], -t[:k, k:])
        basis[:, done:] = basis[:, done:] @ (q @ split)
        logs.append(log)
        t, labels, done = t[k:, k:], labels[~select], done + k
    if len(t):
        logs.append(_principal(t))
    return np.linalg.solve(basis.T, (basis @ scipy.linalg.block_diag(*logs)).T).T


def _schur_eigenvalues(t: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a real Schur form in the order of its diagonal."""
    values = t.diagonal().astype(complex)
    for j in np.flatnonzero(t.diagonal(-1)):
        imag = np.sqrt(abs(t[j, j + 1] * t[j + 1, j]))
        values[j], values[j + 1] = t[j, j] + 1j * imag, t[j, j] - 1j * imag
    return values


def _cluster_labels(values: np.ndarray, nearness: float) -> np.ndarray:
    """Label near-negative eigenvalues 1, 2, ... by chains of near neighbours; others 0."""
    labels = np.zeros(len(values), dtype=int)
    label, previous = 0, -np.inf
    negative = np.flatnonzero(_near_negative(values, nearness))
    for i in negative[np.argsort(values[negative].real)]:
        label += values[i].real - previous > nearness * abs(values[i])
        labels[i], previous = label, values[i].real
    return labels


def _refuse(a: np.ndarray, at: str, tol: float) -> NoReturn:
    values = np.linalg.eigvals(a)
    suspects = _lonely(values)
    if not len(suspects):
        suspects = values[_near_negative(values, _NEARNESS[-1])].real
    if not len(suspects):
        raise OutOfDomain(
            f"the logarithm is real{at} but exp(log g) misses g by more than {tol:.3g} ‖g‖: "
            f"condition number {np.linalg.cond(a):.3g}; use path(g), which has no such limit"
        )
    shown = ", ".join(f"{x:.6g}" for x in sorted(suspects)[:6]) + ", ..." * (len(suspects) > 6)
    raise NoRealLogarithm(
        f"no real logarithm{at}: the Jordan blocks of the negative eigenvalues {shown} do not "
        "pair up, and each must occur an even number of times; path(g) joins the identity to "
        "every g with det g > 0"
    )
