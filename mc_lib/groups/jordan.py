"""The real logarithm of a matrix with one negative eigenvalue, by pairing Jordan blocks."""

import numpy as np
import scipy  # its parts are loaded when they are used


def paired_logarithm(a: np.ndarray, zero: float) -> np.ndarray | None:
    """Return a real logarithm of a matrix whose eigenvalues are all (nearly) one μ < 0.

    A = μ(I + N) with N nilpotent. Two Jordan blocks of one size s, in a basis of two
    chains, have the real logarithm [[L, −πI], [πI, L]], L = log|μ| I + log(I + N_s), N_s
    the shift: the square of [[0, −I], [I, 0]] is −I, and it commutes with L. So all
    blocks must come in pairs of equal size. Singular values of N^j at most `zero` times
    max(1, ‖N‖)^j count as zero. The result is the logarithm of the nearby matrix that has
    exactly the block structure read off, or None where there is none.

    >>> paired_logarithm(-np.eye(2), 1e-12).round(4).tolist()
    [[0.0, -3.1416], [3.1416, 0.0]]
    """
    k = len(a)
    mu = np.trace(a) / k
    chains = jordan_chains(a / mu - np.eye(k), zero)
    if chains is None:
        return None
    sizes = [chain.shape[1] for chain in chains]
    if sizes[0::2] != sizes[1::2]:
        return None
    basis = np.hstack(chains)
    logs = scipy.linalg.block_diag(*[_pair_log(s, float(np.log(-mu))) for s in sizes[::2]])
    if np.linalg.cond(basis) > 1 / np.finfo(float).eps:
        return None
    return np.linalg.solve(basis.T, (basis @ logs).T).T


def jordan_chains(nilpotent: np.ndarray, zero: float) -> list[np.ndarray] | None:
    """Return Jordan chains of a nilpotent matrix, the longest first.

    The kernels K_1 ⊂ K_2 ⊂ ... of N, N², ... tell the sizes; a chain of length s starts
    at a vector v of K_s outside K_{s−1} and outside the longer chains, and is
    v, Nv, ..., N^{s−1} v. None where N is not nilpotent at the tolerance `zero`.

    >>> [c.shape[1] for c in jordan_chains(np.eye(3, k=1), 1e-12)]
    [3]
    """
    kernels = _kernels(nilpotent, zero)
    if kernels is None:
        return None
    chains: list[np.ndarray] = []
    for s in range(len(kernels) - 1, 0, -1):
        longer = [c[:, c.shape[1] - s, None] for c in chains]
        taken = np.hstack([kernels[s - 1], *longer])
        count = kernels[s].shape[1] - taken.shape[1]
        if count < 0:
            return None
        q = np.linalg.qr(taken)[0]
        rest = kernels[s] - q @ (q.T @ kernels[s])
        tops = np.linalg.svd(rest)[0][:, :count]
        for v in tops.T:
            chains.append(_chain(nilpotent, v, s))
    return chains


def _kernels(n: np.ndarray, zero: float) -> list[np.ndarray] | None:
    """Return orthonormal bases of ker N⁰, ker N¹, ..., up to the whole space."""
    k = len(n)
    scale = max(1.0, float(np.linalg.norm(n, 2)))
    kernels, power = [np.zeros((k, 0))], np.eye(k)
    for j in range(1, k + 1):
        power = power @ n
        _, sizes, vt = np.linalg.svd(power)
        kernels.append(vt[sizes <= zero * scale**j].T)
        if kernels[-1].shape[1] == k:
            return kernels
    return None


def _chain(n: np.ndarray, v: np.ndarray, length: int) -> np.ndarray:
    vectors = [v]
    while len(vectors) < length:
        vectors.append(n @ vectors[-1])
    return np.stack(vectors, axis=1)


def _pair_log(size: int, log_mu: float) -> np.ndarray:
    shift, power = np.eye(size, k=-1), np.eye(size)
    log = log_mu * np.eye(size)
    for i in range(1, size):
        power = power @ shift
        log += (-1) ** (i + 1) / i * power
    turn = np.pi * np.eye(size)
    return np.block([[log, -turn], [turn, log]])
