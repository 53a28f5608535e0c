"""Chapter 4b: walks inside M towards far goals, by which parts of one cluster meet.

A walk goes to a goal a, far from M in general: a random point of parameter space, or a point
of M whose weights W_i are scaled one by one, which fits data of very unequal directions. It
descends Σ_i ‖W_i − a_i‖² / s_i² on M, with random scales s_i of the weights. Two points of
one component that walk to the same goal with the same scales tend to end at the same
place, however far apart they start and however far away the passage between them is. Two
points of different components never do: a walk does not leave its component, as far as a
step does not on which the Jacobian hardly changes, tried at its ends and its middle.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lab.survey.links import Graph, is_short, relative_change
from lab.survey.newton import gram_factor, linearise, log_uniform, retract, shortest
from mc_lib.networks import MatrixNetwork

GOALS = (0.05, 10.0)  # scales of the goals, for each weight independently and log-uniform
SCALES = (0.03, 30.0)  # scales s_i by which distances are measured, likewise
WALKERS = 64  # in a round, all clusters together
LEAST_GOALS = 8  # in a round, however many clusters there are
LOOK = 16  # every so many steps, walks that have arrived are left out
NEAR = 1e-6  # a walk has arrived when it would go no further than this share of ‖w‖
OFF = 0.1  # a step may end this share of its length off M


def explore(net: MatrixNetwork, graph: Graph, generator: torch.Generator, steps: int) -> Graph:
    """Return the graph with the ends of walks from every cluster to the same goals.

    Args:
        net: the network.
        graph: the graph so far; from each cluster as many walks start, at random points.
        generator: the source of randomness.
        steps: of each walk.

    >>> from mc_lib.networks import DeepLinear
    >>> one, g = torch.ones(1, 1), torch.Generator().manual_seed(0)
    >>> from lab.survey.links import empty_graph
    >>> net, v = DeepLinear(one, one, (1,)), torch.ones(1, 2)
    >>> walked = explore(net, empty_graph(net).with_points(v, v.unsqueeze(1)), g, steps=3)
    >>> walked.count, bool((walked.v.prod(1) - 1).abs().max() < 1e-7)
    (1, True)
    """
    goals = max(LEAST_GOALS, WALKERS // graph.count)
    like: dict[str, Any] = {"dtype": net.X.dtype, "device": generator.device}
    spread = log_uniform(net, GOALS, goals, generator)
    goal = torch.randn(spread.shape, generator=generator, **like)
    known = torch.randint(len(graph.v), (goals // 2,), generator=generator, device=goal.device)
    goal[: goals // 2] = graph.v[known.to(graph.v.device)].to(goal)
    goal = spread * goal
    weight = log_uniform(net, SCALES, goals, generator).square()
    start = _starts(graph, goals, generator)
    to, weight = (x.to(graph.v).repeat(graph.count, 1) for x in (goal, weight))
    end, jac, good = walk(net, graph.v[start], to, weight, steps)
    return graph.with_points(end[good], jac[good], start[good])


def walk(
    net: MatrixNetwork,
    v: Float[Tensor, "S N"],
    goal: Float[Tensor, "S N"],
    weight: Float[Tensor, "S N"],
    steps: int,
) -> tuple[Float[Tensor, "S N"], Float[Tensor, "S R N"], Bool[Tensor, "S"]]:
    """Return where walks from points of M to goals end, and which of them are on M.

    Each step goes along the tangent space to the point nearest to the goal in the norm
    Σ_j d_j² / weight_j, or a part of the way, and corrects for what the last one was off M.
    It is taken when the Jacobian hardly changes on it, as on a link, and its end is close to
    M; the next part is twice as large, at most 1. Otherwise the walk stays, and the next part
    is half as large. After a step away from the goal, where M bends more than the step
    allows for, it is a quarter. A walk that has arrived stops.

    Args:
        net: the network.
        v: points of M.
        goal: where they walk to.
        weight: squared scales.
        steps: how many steps are tried.

    Returns:
        The ends moved to M, the Jacobians there, and whether that move was short.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> v, w = (torch.tensor([x]) for x in ([4.0, 0.25], [1.0, 1.0]))
    >>> end, _, good = walk(DeepLinear(one, one, (1,)), v, w / 2, w, steps=60)
    >>> [round(x, 4) for x in end[0].tolist()], good.item()  # the nearest to (½, ½)
    ([1.0, 1.0], True)
    """
    end, everyone = v.clone(), torch.arange(len(v), device=v.device)
    part, last = torch.full_like(v[:, :1], 0.1), torch.full_like(v[:, :1], torch.inf)
    state: tuple[Tensor, ...] = (everyone, v, *linearise(net, v), goal, weight, part, last)
    for step in range(steps):
        here, v, r, jac, goal, weight, part, last = state
        factor, scaled = gram_factor(jac @ jac.mT), jac * weight.unsqueeze(-2)
        ahead, back = goal - v, shortest(jac, factor, r)
        along = ahead - shortest(scaled, gram_factor(scaled @ jac.mT), _apply(jac, ahead))
        far = ((ahead - back).square() / weight).sum(-1, keepdim=True)
        part = torch.where(far > last, part / 4, part)
        q = v + part * along + back
        residuals, jacobians = linearise(net, torch.cat([(v + q) / 2, q]))
        (_, rq), (jm, jq) = residuals.chunk(2), jacobians.chunk(2)
        off = relative_change(factor, rq.unsqueeze(-1))
        good = off <= OFF**2 * (q - v).square().sum(-1)
        good = (good & is_short(jm, jac, jq)).unsqueeze(-1)
        end[here] = v = torch.where(good, q, v)
        r, jac = torch.where(good, rq, r), torch.where(good.unsqueeze(-1), jq, jac)
        part = torch.where(good, 2 * part, part / 2).clamp(max=1.0)
        state = (here, v, r, jac, goal, weight, part, far)
        if step % LOOK == LOOK - 1:
            moving = along.norm(dim=-1) > NEAR * v.norm(dim=-1)
            if not moving.any():
                break
            state = tuple(x[moving] for x in state)
    _, before = linearise(net, end)
    end, there, found = retract(net, end)
    return end, there, found & is_short(there, before)


def _apply(jac: Tensor, d: Tensor) -> Tensor:
    return (jac @ d.unsqueeze(-1)).squeeze(-1)


def _starts(graph: Graph, number: int, generator: torch.Generator) -> Int[Tensor, "S"]:
    """Random points, `number` of each cluster, one cluster after another."""
    labels = graph.labels.to(generator.device)
    chosen = []
    for cluster in range(graph.count):
        members = (labels == cluster).nonzero().squeeze(1)
        pick = torch.randint(len(members), (number,), generator=generator, device=labels.device)
        chosen.append(members[pick])
    return torch.cat(chosen).to(graph.v.device)
