"""The best positive factor between two neurons: a polynomial equation, solved at once."""

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import OutOfDomain


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

    Args:
        alpha: α.
        beta: β ≥ 0.
        gamma: γ.
        delta: δ ≥ 0.
        degree: the degree k of the activation, an integer.

    Returns:
        c and f(c), in the shape of α.

    Raises:
        OutOfDomain: the degree is not an integer ≥ 1.

    Between weights (6, 1) and (2, 3) lies the factor 3, which leaves nothing over:

    >>> numbers = (torch.tensor(x) for x in (12.0, 4.0, 3.0, 9.0))
    >>> c, value = best_factors(*numbers)
    >>> round(float(c), 6), round(float(value) + 6**2 + 1**2, 6)
    (3.0, 0.0)
    """
    if degree != int(degree) or degree < 1:
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
