"""The element of a group that brings the weights of one layer nearest to others.

Rows (b, b_out) are the incoming and outgoing weights of the neurons of a layer, a row a neuron.
An element g makes of them (ρ_in(g) b, ρ_out(g)⁻ᵀ b_out), and the rows (a, a_out) are the goal.
"""

import math

import numpy as np
import scipy  # its parts are loaded when they are used
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import OutOfDomain, ShapeMismatch
from mc_lib.norms import power_of_two

Rows = tuple[Float[Tensor, "n r"], Float[Tensor, "n s"]]
"""The incoming and the outgoing weights of the neurons of a layer."""


def require_rows(n: int, u: Rows, w: Rows) -> None:
    """Refuse what are not the weights of n neurons, two pairs of matrices of the same shapes.

    Raises:
        ShapeMismatch: other trees or shapes.
        McLibError: not finite tensors of one dtype.

    >>> require_rows(1, (torch.eye(1), torch.eye(1)), (torch.eye(1), torch.eye(1)))
    """
    for rows in (u, w):
        if not isinstance(rows, tuple | list) or len(rows) != 2:
            raise ShapeMismatch(
                "the weights of a layer are a pair of matrices, incoming and outgoing"
            )
    require_tensors([*u, *w], "the weights of a layer")
    shapes = [[tuple(x.shape) for x in rows] for rows in (u, w)]
    if shapes[0] != shapes[1] or any(len(s) != 2 or s[0] != n for s in shapes[0]):
        raise ShapeMismatch(
            f"expected two pairs of matrices of {n} rows and the same shapes, got {shapes}"
        )


def in_units(u: Rows, w: Rows) -> tuple[Rows, Rows]:
    """Return the rows over a power of two where their squares would leave the range.

    The nearest element is that of the rows themselves.

    >>> rows = (torch.full((1, 1), 3 * 2.0**-600, dtype=torch.float64),) * 2
    >>> float(in_units(rows, rows)[0][0])
    1.5
    """
    info = torch.finfo(u[0].dtype)
    size = torch.cat([x.detach().reshape(-1).abs() for x in (*u, *w)]).amax()
    if size == 0 or (info.tiny / info.eps) ** 0.25 < size < info.max**0.25:
        return u, w
    unit = power_of_two(size)
    return (u[0] / unit, u[1] / unit), (w[0] / unit, w[1] / unit)


def inner_products(u: Rows, w: Rows) -> Float[Tensor, "n n"]:
    """Return C_ij = ⟨a_i, b_j⟩ + ⟨a_out,i, b_out,j⟩, so that ⟨u, g·w⟩ = tr(gᵀC) for orthogonal g.

    >>> inner_products((torch.eye(1), 2 * torch.eye(1)), (3 * torch.eye(1), torch.eye(1)))
    tensor([[5.]])
    """
    return torch.cat(u, 1) @ torch.cat(w, 1).mT


def best_assignment(profit: Float[Tensor, "n n"]) -> Int[Tensor, " n"]:
    """Return the permutation p that maximises Σ_i profit[i, p(i)].

    >>> best_assignment(torch.tensor([[1.0, 5.0], [4.0, 9.0]]))
    tensor([0, 1])
    """
    table = profit.double().numpy(force=True)
    _, columns = scipy.optimize.linear_sum_assignment(table, maximize=True)
    return torch.as_tensor(columns, device=profit.device)


def best_rotation(product: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Return the orthogonal g that maximises tr(gᵀC): Procrustes' problem, g = ABᵀ for C = AΣBᵀ.

    >>> best_rotation(torch.tensor([[-2.0]]))
    tensor([[-1.]])
    """
    left, _, right = torch.linalg.svd(product)
    return left @ right


def best_matrix(u: Rows, w: Rows) -> Float[Tensor, "n n"]:
    """Return an invertible g for which ‖a − g b‖² + ‖a_out − g⁻ᵀ b_out‖² is small.

    By descent from the least-squares solution of either side: a local minimum, never worse
    than the identity.

    >>> one = torch.eye(1)
    >>> round(float(best_matrix((2 * one, one / 2), (one, one))), 6)
    2.0
    """
    (a, a_out), (b, b_out) = [tuple(x.double().numpy(force=True) for x in rows) for rows in (u, w)]
    n = len(a)

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the objective and its gradient, with h = g⁻ᵀ and dh = −h dgᵀ h."""
        g = flat.reshape(n, n)
        if np.linalg.cond(g) > 1e12:
            return np.inf, np.zeros_like(flat)
        h = np.linalg.inv(g).T
        rest, rest_out = a - g @ b, a_out - h @ b_out
        gradient = h @ (rest_out @ b_out.T).T @ h - rest @ b.T
        return float((rest**2).sum() + (rest_out**2).sum()), 2 * gradient.ravel()

    starts = [np.eye(n), a @ np.linalg.pinv(b)]
    outgoing = a_out @ np.linalg.pinv(b_out)
    if np.linalg.cond(outgoing) < 1e12:
        starts.append(np.linalg.inv(outgoing).T)
    start = min((g.ravel() for g in starts), key=lambda g: cost(g)[0])
    options = {"maxiter": 200}
    found = scipy.optimize.minimize(cost, start, jac=True, method="L-BFGS-B", options=options)
    best = found.x if found.fun < cost(start)[0] else start
    return torch.as_tensor(best.reshape(n, n)).to(u[0])


def best_factors(
    alpha: Float[Tensor, "*#batch"],
    beta: Float[Tensor, "*#batch"],
    gamma: Float[Tensor, "*#batch"],
    delta: Float[Tensor, "*#batch"],
    degree: float | int = 1,
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return the c > 0 that minimises f(c) = βc² − 2αc + δc⁻²ᵏ − 2γc⁻ᵏ, and f there.

    For two neurons with incoming weights a, b and outgoing weights a', b', put α = ⟨a, b⟩,
    β = ‖b‖², γ = ⟨a', b'⟩, δ = ‖b'‖². Then ‖a − cb‖² + ‖a' − c⁻ᵏb'‖² = f(c) + ‖a‖² + ‖a'‖².
    If β, δ > 0, f tends to ∞ at both ends, so that its minimum is one of the positive roots
    of c²ᵏ⁺¹f'(c)/2 = βc²ᵏ⁺² − αc²ᵏ⁺¹ + kγcᵏ − kδ, of which there are at most three. All of
    them are tried, so f(c) ≤ f(1) always. Where b or b' is 0 and no c is best, c is 1.

    Raises:
        OutOfDomain: the degree is not an integer ≥ 1.

    Between weights (6, 1) and (2, 3) lies the factor 3, which leaves nothing over:

    >>> numbers = (torch.tensor(x) for x in (12.0, 4.0, 3.0, 9.0))
    >>> c, value = best_factors(*numbers)
    >>> round(float(c), 6), round(float(value) + 6**2 + 1**2, 6)
    (3.0, 0.0)
    """
    if not math.isfinite(degree) or degree != int(degree) or degree < 1:
        raise OutOfDomain(f"the best factor needs an integer degree k ≥ 1, got {degree}")
    k = int(degree)
    numbers = torch.stack(torch.broadcast_tensors(alpha, beta, gamma, delta))
    ones = torch.ones_like(numbers[0])
    simple = [numbers[0] / numbers[1], (numbers[3] / numbers[2]) ** (1 / k), ones]
    candidates = torch.cat([torch.stack(simple), _roots(numbers, k)])
    tiny = torch.finfo(numbers.dtype).tiny ** (1 / (2 * k + 2))  # so that all powers are finite
    c = torch.where((candidates > tiny) & (candidates < 1 / tiny), candidates, 1)
    values = _value(c, numbers, k)
    best = values.argmin(0, keepdim=True)
    return c.gather(0, best)[0], values.gather(0, best)[0]


def _value(c: Tensor, numbers: Tensor, k: int) -> Tensor:
    alpha, beta, gamma, delta = numbers
    return c * (beta * c - 2 * alpha) + c**-k * (delta * c**-k - 2 * gamma)


def _roots(numbers: Tensor, k: int) -> Tensor:
    """Return the real parts of all roots of the derivative, shape (2k + 2, ...)."""
    alpha, beta, gamma, delta = (x.double().cpu() for x in numbers)
    solvable = (beta > 0) & (delta > 0)
    beta, delta = (torch.where(solvable, x, 1.0) for x in (beta, delta))
    unit = (delta / beta) ** (1 / (2 * k + 2))  # roots are near 1 in this unit
    companion = alpha.new_zeros(*alpha.shape, 2 * k + 2, 2 * k + 2)
    companion[..., 1:, :-1] = torch.eye(2 * k + 1, dtype=alpha.dtype)
    companion[..., 0, -1] = k
    companion[..., k, -1] += -k * gamma * unit**k / delta
    companion[..., 2 * k + 1, -1] += alpha / (beta * unit)
    roots = torch.linalg.eigvals(companion).real * unit[..., None]
    return torch.where(solvable[..., None], roots, 1.0).movedim(-1, 0).to(numbers)
