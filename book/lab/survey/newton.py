"""Chapter 4b: points of M = {w : output(w) = Y} by Newton's method."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lab.survey.jacobians import output_and_jacobian
from mc_lib.checks import tolerance
from mc_lib.errors import NotAMinimum
from mc_lib.networks import MatrixNetwork

NEWTON_STEPS = 5  # from a point near M; more are a sign of a gap
START_STEPS = 100  # from a random start
START_DAMPING = 0.3  # in units of the loss: smaller arrives sooner, but farther from its start
START_SCALES = (0.2, 3.0)  # of each weight, independently and log-uniform
BATCHES = 20  # of random starts before the search for minima is given up


def linearise(
    net: MatrixNetwork, v: Float[Tensor, "S N"]
) -> tuple[Float[Tensor, "S R"], Float[Tensor, "S R N"]]:
    """Return Y − output and the Jacobian J of the output at points given as vectors.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> linearise(DeepLinear(one, one, (1,)), torch.tensor([[5.0, 7.0]]))  # output w_2 w_1
    (tensor([[-34.]]), tensor([[[7., 5.]]]))
    """
    out, jac = output_and_jacobian(net, v)
    return net.Y.flatten() - out, jac


def gram_factor(gram: Float[Tensor, "S R R"], damping: Tensor | float = 0.0) -> Tensor:
    """Return the Cholesky factor of gram + damping, a touch of it where the rank is lower.

    >>> gram_factor(torch.tensor([[[4.0]]]))
    tensor([[[2.0000]]])
    """
    info = torch.finfo(gram.dtype)
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    floor = 100 * info.eps * diagonal.sum(-1) + info.tiny
    gram = gram + torch.diag_embed((floor + damping).unsqueeze(-1).expand(gram.shape[:-1]))
    return torch.linalg.cholesky_ex(gram).L


def shortest(
    jac: Float[Tensor, "S R N"], factor: Float[Tensor, "S R R"], r: Float[Tensor, "S R"]
) -> Float[Tensor, "S N"]:
    """Return Jᵀ (L Lᵀ)⁻¹ r, the shortest d with J d = r for L Lᵀ = J Jᵀ.

    >>> shortest(torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[5.0]]]), torch.tensor([[25.0]]))
    tensor([[3., 4.]])
    """
    return (jac.mT @ torch.cholesky_solve(r.unsqueeze(-1), factor)).squeeze(-1)


def retract(
    net: MatrixNetwork, v: Float[Tensor, "S N"], steps: int = NEWTON_STEPS, damping: float = 0.0
) -> tuple[Float[Tensor, "S N"], Float[Tensor, "S R N"], Bool[Tensor, "S"]]:
    """Move v to M by steps of minimum norm.

    Args:
        net: the network.
        v: points.
        steps: the largest number of steps.
        damping: of the Gauss–Newton step, in units of the loss.

    Returns:
        The points, the Jacobians there, and which points have arrived.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> v, _, found = retract(DeepLinear(one, one, (1,)), torch.full((1, 2), 1.1).double())
    >>> found.item(), [round(x, 6) for x in v[0].tolist()]
    (True, [1.0, 1.0])
    """
    v, found = v.clone(), torch.zeros(len(v), dtype=torch.bool, device=v.device)
    jac = v.new_zeros(len(v), net.Y.numel(), v.shape[-1])
    zero_loss = tolerance(v.dtype).zero_loss * net.Y.square().sum()
    for step in range(steps + 1):
        here = (~found).nonzero().squeeze(1)
        r, j = linearise(net, v[here])
        loss = r.square().sum(-1)
        jac[here], found[here] = j, loss <= zero_loss
        if step == steps or found.all():
            break
        v[here] += shortest(j, gram_factor(j @ j.mT, damping * loss), r).nan_to_num(0.0, 0.0, 0.0)
    return v, jac, found


def log_uniform(
    net: MatrixNetwork, scales: tuple[float, float], number: int, generator: torch.Generator
) -> Float[Tensor, "S N"]:
    """Return random scales, one for each weight of each point, spread over its entries.

    >>> from mc_lib.networks import DeepLinear
    >>> net = DeepLinear(torch.ones(1, 1), torch.ones(1, 1), (2,))
    >>> log_uniform(net, (7.0, 7.0), 1, torch.Generator())
    tensor([[7., 7., 7., 7.]])
    """
    entries = torch.tensor([a * b for a, b in net.shapes], device=generator.device)
    share = torch.rand(
        number, len(entries), generator=generator, dtype=net.X.dtype, device=generator.device
    )
    low, high = scales
    return (low * (high / low) ** share).repeat_interleave(entries, dim=1)


def draw(
    net: MatrixNetwork, generator: torch.Generator, samples: int
) -> tuple[Float[Tensor, "S N"], Float[Tensor, "S R N"]]:
    """Return points of M from random starts, and the Jacobians there.

    Args:
        net: the network.
        generator: the source of randomness.
        samples: how many.

    Raises:
        NotAMinimum: the starts do not reach zero loss.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> v, _ = draw(DeepLinear(one, one, (1,)), torch.Generator().manual_seed(0), 2)
    >>> [round(x, 6) for x in v.prod(1).tolist()]
    [1.0, 1.0]
    """
    like: dict[str, Any] = {"dtype": net.X.dtype, "device": generator.device}
    found: list[tuple[Tensor, Tensor]] = []
    for _ in range(BATCHES):
        scale = log_uniform(net, START_SCALES, samples, generator)
        start = scale * torch.randn(scale.shape, generator=generator, **like)
        v, jac, good = retract(net, start.to(net.X.device), START_STEPS, START_DAMPING)
        found.append((v[good], jac[good]))
        if sum(len(v) for v, _ in found) >= samples:
            points, jacs = (torch.cat(x)[:samples] for x in zip(*found, strict=True))
            return points, jacs
    raise NotAMinimum(
        f"only {sum(len(v) for v, _ in found)} of {BATCHES * samples} random starts reached "
        f"zero loss, {samples} are needed: can the network fit Y exactly?"
    )
