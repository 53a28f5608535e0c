"""One layer aligned while the others stand still: the best element of each kind of group."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment, minimize
from torch import Tensor

from mc_lib.alignment.base import Rows
from mc_lib.alignment.scaling import best_factors
from mc_lib.errors import OutOfDomain
from mc_lib.groups import GeneralLinear, Orthogonal, Permutation, PositiveScaling
from mc_lib.groups.base import Element
from mc_lib.layers import Layer


def best_element(layer: Layer, u: Rows, w: Rows) -> Element:
    """Return the g that minimises ‖u_in − ρ_in(g) w_in‖² + ‖u_out − ρ_out(g)⁻ᵀ w_out‖².

    A permutation by assignment, a rotation or reflection by Procrustes, positive factors
    neuron by neuron: these three are the exact minimum. An invertible matrix by descent
    from the least-squares solutions of either side: a local minimum.

    Args:
        layer: the group, and the degree of the activation.
        u: the rows to come near to.
        w: the rows to move.

    Returns:
        An element of the layer's group.

    Raises:
        OutOfDomain: no method for this group.

    >>> flip = torch.tensor([[0.0], [1.0]])
    >>> best_element(Layer(Permutation(2)), (flip, flip), (1 - flip, 1 - flip))
    tensor([1, 0])
    """
    methods: dict[type, Callable[[Layer, Rows, Rows], Element]] = {
        Permutation: lambda _, a, b: best_assignment(_both(a) @ _both(b).mT),
        Orthogonal: lambda _, a, b: _rotation(_both(a) @ _both(b).mT),
        PositiveScaling: _factors,
        GeneralLinear: lambda _, a, b: _invertible(a, b),
    }
    if type(layer.group) not in methods:
        names = ", ".join(sorted(group.__name__ for group in methods))
        raise OutOfDomain(f"alignment is written for {names}, not for {layer.group}")
    return methods[type(layer.group)](layer, u, w)


def best_assignment(profit: Float[Tensor, "n n"]) -> Int[Tensor, " n"]:
    """Return the permutation p that maximises Σ_i profit[i, p(i)].

    Args:
        profit: shape (n, n).

    Returns:
        p, on the device of the profit.

    >>> best_assignment(torch.tensor([[1.0, 5.0], [4.0, 9.0]]))
    tensor([0, 1])
    """
    _, columns = linear_sum_assignment(profit.double().numpy(force=True), maximize=True)
    return torch.as_tensor(columns, device=profit.device)


def _both(rows: Rows) -> Tensor:
    return torch.cat(rows, 1)


def _rotation(product: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(product)
    return left @ right


def _factors(layer: Layer, u: Rows, w: Rows) -> Tensor:
    (a, a_out), (b, b_out) = u, w
    alpha, beta, gamma, delta = (
        (x * y).sum(1) for x, y in ((a, b), (b, b), (a_out, b_out), (b_out, b_out))
    )
    return best_factors(alpha, beta, gamma, delta, layer.degree)[0]


def _invertible(u: Rows, w: Rows) -> Tensor:
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
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    best = found.x if found.fun < cost(start)[0] else start
    return torch.as_tensor(best.reshape(n, n)).to(u[0])
