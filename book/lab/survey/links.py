"""Chapter 4b: which points of M are joined, a graph of points grown by trying links.

A step from p to q over the midpoint m is short when the Jacobian J of the output hardly
changes: ‖J(m)⁺(J(x) − J(m))‖ ≤ 1/4 at x = p and x = q and at two points x between each of
them and m. The reason is a theorem (Newton–Kantorovich): if ‖J(m)⁺(J(x) − J(m))‖ ≤ 1/2
for *all* x in the ball around m of radius √2 max(‖p − m‖, ‖q − m‖), then M is there the
graph of a function on its tangent space at m, and p, m and q are joined inside M. Where J
is cubic, as for four weight matrices, or less, what holds at the points tried bounds the
change on the whole way from p to m and on to q by 1.64/4 (Lebesgue's constant of four
equidistant points), which is below 1/2; off this way it is not tried. All norms of changes
are Frobenius norms, no smaller than those of the theorem. So a link is strong evidence, not
a proof. A missing link is less: more links may still be found.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from lab.survey.newton import gram_factor, linearise, retract
from mc_lib.networks import MatrixNetwork

SHORT = 0.25  # a step with this relative change of the Jacobian is not divided further
SHRINK = 0.8  # half a step longer than this share of the step: it has jumped across a gap
HALVINGS = 8


@dataclass(frozen=True, eq=False)
class Graph:
    """Points of M, the Jacobians there, and which pairs were tried and joined."""

    v: Float[Tensor, "S N"]
    jac: Float[Tensor, "S R N"]
    tried: Bool[Tensor, "S S"]
    joined: Bool[Tensor, "S S"]

    @cached_property
    def labels(self) -> Int[Tensor, "S"]:
        """The cluster of each point, 0, ..., count − 1."""
        _, labels = connected_components(self.joined.cpu().numpy(), directed=False)
        return torch.as_tensor(labels, dtype=torch.long).to(self.v.device)

    @property
    def count(self) -> int:
        """The number of clusters."""
        return int(self.labels.max()) + 1 if len(self.v) else 0

    def with_points(
        self, v: Tensor, jac: Tensor, parents: Int[Tensor, "K"] | None = None
    ) -> "Graph":
        """Return the graph with points added, joined to their parents if they have any."""
        old, pad = len(self.v), (0, len(v)) * 2
        tried, joined = (torch.nn.functional.pad(x, pad) for x in (self.tried, self.joined))
        graph = Graph(torch.cat([self.v, v]), torch.cat([self.jac, jac]), tried, joined)
        if parents is None:
            return graph
        new = torch.arange(old, old + len(v), device=v.device)
        pairs = torch.stack([parents, new], 1)
        return graph.with_links(pairs, torch.ones_like(new, dtype=torch.bool))

    def with_links(self, pairs: Int[Tensor, "P 2"], found: Bool[Tensor, "P"]) -> "Graph":
        """Return the graph with these pairs tried, and those of them found joined."""
        return replace(
            self, tried=_mark(self.tried, pairs), joined=_mark(self.joined, pairs[found])
        )


def empty_graph(net: MatrixNetwork) -> Graph:
    """Return the graph without points.

    >>> from mc_lib.networks import DeepLinear
    >>> empty_graph(DeepLinear(torch.ones(1, 1), torch.ones(1, 1), (2,))).v.shape
    torch.Size([0, 4])
    """
    size = sum(a * b for a, b in net.shapes)
    none = torch.zeros(0, 0, dtype=torch.bool, device=net.X.device)
    return Graph(net.X.new_zeros(0, size), net.X.new_zeros(0, net.Y.numel(), size), none, none)


def relative_change(
    factor: Float[Tensor, "S R R"], change: Float[Tensor, "S R N"]
) -> Float[Tensor, "S"]:
    """Return ‖J⁺D‖² = ‖L⁻¹D‖² for J Jᵀ = L Lᵀ, because J⁺ = Jᵀ(J Jᵀ)⁻¹.

    >>> relative_change(torch.tensor([[[2.0]]]), torch.tensor([[[6.0, 8.0]]]))
    tensor([25.])
    """
    solved = torch.linalg.solve_triangular(factor, change, upper=False)
    return solved.square().sum((-2, -1))


def is_short(jm: Float[Tensor, "S R N"], *others: Float[Tensor, "S R N"]) -> Bool[Tensor, "S"]:
    """Return whether the other Jacobians all differ little from jm.

    >>> one = torch.ones(1, 1, 1)
    >>> is_short(one, 0.8 * one, 1.2 * one), is_short(one, 0.8 * one, 1.3 * one)
    (tensor([True]), tensor([False]))
    """
    factor = gram_factor(jm @ jm.mT)
    changes = [relative_change(factor, j - jm) for j in others]
    return torch.stack(changes).amax(0) <= SHORT**2


def is_short_between(
    net: MatrixNetwork, m: Tensor, jm: Tensor, ends: tuple[Tensor, Tensor]
) -> Bool[Tensor, "S"]:
    """Return whether the Jacobian is near jm at two points between m and each of the ends.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> net, m = DeepLinear(one, one, (1,)), torch.tensor([[1.0, 1.0]])
    >>> ends = torch.tensor([[1.1, 0.9]]), torch.tensor([[0.2, 0.8]])
    >>> is_short_between(net, m, m.unsqueeze(1), ends)  # J = (w₂, w₁)
    tensor([False])
    """
    inner = [torch.lerp(m, end, share) for end in ends for share in (1 / 3, 2 / 3)]
    _, jacobians = linearise(net, torch.cat(inner))
    return is_short(jm, *jacobians.chunk(len(inner)))


def join(net: MatrixNetwork, p: Tensor, jp: Tensor, q: Tensor, jq: Tensor) -> Bool[Tensor, "S"]:
    """Return which of the pairs (p, q) of points of M are joined by short steps inside M.

    Args:
        net: the network.
        p: points, with the Jacobians jp there.
        jp: see p.
        q: points, with the Jacobians jq there.
        jq: see q.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> p = torch.tensor([[0.5, 2.0], [0.5, 2.0]])  # w_2 w_1 = 1
    >>> q = torch.tensor([[2.0, 0.5], [-2.0, -0.5]])
    >>> jacobians = p.flip(1).unsqueeze(1), q.flip(1).unsqueeze(1)
    >>> join(DeepLinear(one, one, (1,)), p, jacobians[0], q, jacobians[1]).tolist()
    [True, False]
    """
    alive = torch.ones(len(p), dtype=torch.bool, device=p.device)
    owner = torch.arange(len(p), device=p.device)
    for _ in range(HALVINGS):
        m, jm, good = retract(net, (p + q) / 2)
        half = torch.maximum((p - m).norm(dim=-1), (m - q).norm(dim=-1))
        good &= half <= SHRINK * (p - q).norm(dim=-1)
        alive[owner[~good]] = False
        short = is_short(jm, jp, jq)
        s = short.nonzero().squeeze(1)  # the others need no closer look
        short[s] = is_short_between(net, m[s], jm[s], (p[s], q[s]))
        todo = alive[owner] & ~short
        p, q = torch.cat([p[todo], m[todo]]), torch.cat([m[todo], q[todo]])
        jp, jq = torch.cat([jp[todo], jm[todo]]), torch.cat([jm[todo], jq[todo]])
        owner = owner[todo].repeat(2)
        if len(owner) == 0:
            break
    alive[owner] = False
    return alive


def link(
    net: MatrixNetwork, graph: Graph, generator: torch.Generator, tries: int, first: int
) -> Graph:
    """Return the graph with links tried until none is found any more between clusters.

    Each point from number `first` on is tried with the nearest one of another cluster, again
    and again; then every two clusters at 1, 2, 4, ... closest and as many random pairs.

    Args:
        net: the network.
        graph: the graph so far.
        generator: the source of randomness.
        tries: the largest number of closest pairs for two clusters.
        first: points before it have had their turn.

    >>> from mc_lib.networks import DeepLinear
    >>> one, g = torch.ones(1, 1), torch.Generator().manual_seed(0)
    >>> net, v = DeepLinear(one, one, (1,)), torch.tensor([[0.9, 1 / 0.9], [1.0, 1.0]])
    >>> pair = empty_graph(net).with_points(v.double(), v.double().flip(1).unsqueeze(1))
    >>> pair.count, link(net, pair, g, tries=1, first=0).count
    (2, 1)
    """
    effort = 0
    while effort <= tries and graph.count > 1:
        pairs = _between(graph, generator, effort) if effort else _nearest(graph, first)
        if effort and len(pairs) == 0:
            break
        i, j = pairs.T
        found = join(net, graph.v[i], graph.jac[i], graph.v[j], graph.jac[j])
        graph = graph.with_links(pairs, found)
        if int(found.sum()) <= (0 if effort else len(pairs) // 50):
            effort = max(1, 2 * effort)
    return graph


def _mark(known: Tensor, pairs: Tensor) -> Tensor:
    known = known.clone()
    known[pairs[:, 0], pairs[:, 1]] = True
    known[pairs[:, 1], pairs[:, 0]] = True
    return known


def _nearest(graph: Graph, first: int) -> Int[Tensor, "P 2"]:
    labels = graph.labels
    is_open = ~graph.tried[first:] & (labels[first:].unsqueeze(1) != labels)
    apart = torch.cdist(graph.v[first:], graph.v).masked_fill(~is_open, torch.inf)
    distance, j = apart.min(1)
    i = torch.arange(first, len(labels), device=j.device)
    pairs = torch.stack([torch.minimum(i, j), torch.maximum(i, j)], 1)[distance < torch.inf]
    return pairs.unique(dim=0)


def _between(graph: Graph, generator: torch.Generator, effort: int) -> Int[Tensor, "P 2"]:
    """The closest pairs of each two clusters, and random ones."""
    labels = graph.labels
    pairs = (~graph.tried & (labels.unsqueeze(1) != labels)).triu(1).nonzero()
    low, high = labels[pairs].sort(1).values.T
    group = low * len(labels) + high
    like: dict[str, Any] = {"dtype": torch.float32, "device": generator.device}
    noise = torch.rand(len(pairs), generator=generator, **like)
    apart = (graph.v[pairs[:, 0]] - graph.v[pairs[:, 1]]).norm(dim=-1)
    chosen = []
    for key in (apart, noise.to(apart)):
        order = key.argsort(stable=True)
        order = order[group[order].argsort(stable=True)]
        first = torch.searchsorted(group[order], group[order])
        rank = torch.arange(len(order), device=order.device) - first
        chosen.append(order[rank < effort])
    return pairs[torch.cat(chosen).unique()]
