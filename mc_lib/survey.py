"""The number of components of a minimum, counted by experiment: sample, link, count.

Nothing here knows what the minimum M = {w : output(w) = Y} looks like. Points of M are
found by Gauss–Newton from random starts. Two of them are linked when a chain of short
steps inside M joins them, found by bisection: the midpoint of a step too long is moved
to M by Newton's method, and the two halves are examined in its place.

A step from p to q over the midpoint m is short when the Jacobian J of the output hardly
changes: ‖J(m)⁺(J(x) − J(m))‖ ≤ 1/4 for x = p and x = q. The reason is a theorem
(Newton–Kantorovich): if ‖J(m)⁺(J(x) − J(m))‖ ≤ 1/2 for *all* x in the ball around m of
radius √2 max(‖p − m‖, ‖q − m‖), then M is there the graph of a function on its tangent
space at m, and p, m and q are joined inside M. Here x is tried at the two ends only,
with a margin of 2 and in the Frobenius norm: a link is strong evidence, not a proof. A
missing link is less: more links may still be found. So the count may be too large where
the samples are far apart, and too small where no sample met a component.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from mc_lib.errors import NotAMinimum, OutOfDomain
from mc_lib.networks import Network
from mc_lib.params import from_vector, tolerance

SHORT = 0.25  # a step with this relative change of the Jacobian is not divided further
SHRINK = 0.8  # half a step longer than this share of the step: it has jumped across a gap
HALVINGS = 8
NEWTON_STEPS = 5  # from a midpoint; more are a sign of a gap
START_STEPS = 25  # from a random start
START_SCALES = (0.2, 3.0)  # of each weight, independently and log-uniform
BATCHES = 20  # of random starts before the search for minima is given up


@dataclass(frozen=True, eq=False)
class Survey:
    """What a survey of a minimum found.

    Args:
        points: the sampled minima as vectors, shape (S, N).
        labels: the component of each, 0, ..., count − 1.
        links_tried: how many pairs of points were examined.
        links_found: how many of them were joined.
    """

    points: Float[Tensor, "S N"]
    labels: Int[Tensor, "S"]
    links_tried: int
    links_found: int

    @property
    def count(self) -> int:
        """The number of components found."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many samples each component holds, the largest first."""
        return tuple(sorted(torch.bincount(self.labels).tolist(), reverse=True))


@dataclass(frozen=True, eq=False)
class _Graph:
    """Points of M, the Jacobians there, and which pairs were tried and joined."""

    v: Float[Tensor, "S N"]
    jac: Float[Tensor, "S R N"]
    tried: Bool[Tensor, "S S"]
    joined: Bool[Tensor, "S S"]

    @property
    def labels(self) -> Int[Tensor, "S"]:
        _, labels = connected_components(self.joined.cpu().numpy(), directed=False)
        return torch.as_tensor(labels, dtype=torch.long).to(self.v.device)

    @property
    def open(self) -> Bool[Tensor, "S S"]:
        labels = self.labels
        return ~self.tried & (labels.unsqueeze(1) != labels)


def survey_components(
    net: Network,
    generator: torch.Generator,
    *,
    samples: int = 200,
    tries: int = 4,
    refills: int = 0,
) -> Survey:
    """Return an estimate of the number of components of {w : output(w) = Y}.

    Every sample is first linked to its nearest neighbour in another cluster, again and
    again; then every pair of clusters is tried at 1, 2, 4, ... closest and as many random
    pairs of points, until none is left to find; then waypoints are added between the
    clusters that remain, and all is tried again, until the count does not change.

    Args:
        net: a network that can fit its data exactly.
        generator: the source of randomness.
        samples: how many minima to find, 2 or more.
        tries: the largest number of closest pairs tried for two clusters.
        refills: how often waypoints are added at most, one for each point so far.

    Returns:
        The samples and the clusters that they form.

    Raises:
        OutOfDomain: samples below 2, tries below 1 or refills below 0.
        NotAMinimum: random starts do not reach zero loss.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> hyperbola = DeepLinear(one, one, widths=(1,))
    >>> survey_components(hyperbola, torch.Generator().manual_seed(0), samples=20).count
    2
    """
    if samples < 2 or tries < 1 or refills < 0:
        raise OutOfDomain(
            "a survey needs samples ≥ 2, tries ≥ 1 and refills ≥ 0, "
            f"got {samples}, {tries} and {refills}"
        )
    v, jac = _draw(net, generator, samples)
    none = torch.zeros(samples, samples, dtype=torch.bool, device=v.device)
    graph = _link_all(net, _Graph(v, jac, none, none), generator, samples, tries)
    for _ in range(refills):
        before = _count(graph, samples)
        if before == 1:
            break
        graph = _link_all(net, _refill(net, graph, generator), generator, samples, tries)
        if _count(graph, samples) == before:
            break
    _, labels = graph.labels[:samples].unique(return_inverse=True)
    tried, found = (int(x.triu(1).sum()) for x in (graph.tried, graph.joined))
    return Survey(v, labels, tried, found)


def _count(graph: _Graph, samples: int) -> int:
    return len(graph.labels[:samples].unique())


def _linearise(net: Network, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return Y − output and the Jacobian of the output, at a batch of points."""
    like = tuple(net.X.new_zeros(shape) for shape in net.shapes)

    def output(u: Tensor) -> Tensor:
        return net.output(from_vector(u, like)).flatten(-2)

    out, pull = torch.func.vjp(output, v)[:2]
    basis = torch.eye(out.shape[-1], dtype=v.dtype, device=v.device)
    (rows,) = torch.func.vmap(pull)(basis.unsqueeze(1).expand(-1, *out.shape))
    return net.Y.flatten() - out, rows.transpose(0, 1)


def _gram_factor(jac: Tensor, damping: Tensor | float = 0.0) -> Tensor:
    """Return the Cholesky factor of JJᵀ + damping, a touch of it where J has lower rank."""
    gram, info = jac @ jac.mT, torch.finfo(jac.dtype)
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    floor = 100 * info.eps * diagonal.sum(-1) + info.tiny
    diagonal.add_((floor + damping).unsqueeze(-1))
    return torch.linalg.cholesky_ex(gram).L


def _retract(net: Network, v: Tensor, steps: int, damping: float) -> tuple[Tensor, Tensor, Tensor]:
    """Move v to M by minimum-norm steps: the points, Jacobians, and which have arrived."""
    v, found = v.clone(), torch.zeros(len(v), dtype=torch.bool, device=v.device)
    jac = v.new_zeros(len(v), net.Y.numel(), v.shape[-1])
    zero_loss = tolerance(v.dtype).zero_loss * net.Y.square().sum()
    for step in range(steps + 1):
        here = (~found).nonzero().squeeze(1)
        r, j = _linearise(net, v[here])
        loss = r.square().sum(-1)
        jac[here], found[here] = j, loss <= zero_loss
        if step == steps or found.all():
            break
        solved = torch.cholesky_solve(r.unsqueeze(-1), _gram_factor(j, damping * loss))
        v[here] += (j.mT @ solved).squeeze(-1).nan_to_num(0.0, 0.0, 0.0)
    return v, jac, found


def _draw(net: Network, generator: torch.Generator, samples: int) -> tuple[Tensor, Tensor]:
    """Return points of M from random starts, and the Jacobians there."""
    like: dict[str, Any] = {"dtype": net.X.dtype, "device": generator.device}
    entries = torch.tensor([a * b for a, b in net.shapes], device=generator.device)
    low, high = START_SCALES
    found: list[tuple[Tensor, Tensor]] = []
    for _ in range(BATCHES):
        start = torch.randn(samples, int(entries.sum()), generator=generator, **like)
        share = torch.rand(samples, len(entries), generator=generator, **like)
        scale = (low * (high / low) ** share).repeat_interleave(entries, dim=1)
        v, jac, good = _retract(net, (scale * start).to(net.X.device), START_STEPS, 1.0)
        found.append((v[good], jac[good]))
        if sum(len(v) for v, _ in found) >= samples:
            points, jacs = (torch.cat(x)[:samples] for x in zip(*found, strict=True))
            return points, jacs
    raise NotAMinimum(
        f"only {sum(len(v) for v, _ in found)} of {BATCHES * samples} random starts reached "
        f"zero loss, {samples} are needed: can the network fit Y exactly?"
    )


def _is_short(jp: Tensor, jm: Tensor, jq: Tensor) -> Tensor:
    # ‖J⁺D‖ = ‖L⁻¹D‖ for JJᵀ = LLᵀ, because J⁺ = Jᵀ(JJᵀ)⁻¹
    factor, ends = _gram_factor(jm), torch.cat([jp - jm, jq - jm], dim=-1)
    change = torch.linalg.solve_triangular(factor, ends, upper=False).square().sum(-2)
    return (change.unflatten(-1, (2, -1)).sum(-1) <= SHORT**2).all(-1)


def _join(net: Network, p: Tensor, jp: Tensor, q: Tensor, jq: Tensor) -> Tensor:
    """Return which of the pairs (p, q) are joined by short steps inside M."""
    alive = torch.ones(len(p), dtype=torch.bool, device=p.device)
    owner = torch.arange(len(p), device=p.device)
    for _ in range(HALVINGS):
        m, jm, good = _retract(net, (p + q) / 2, NEWTON_STEPS, 0.0)
        half = torch.maximum((p - m).norm(dim=-1), (m - q).norm(dim=-1))
        good &= half <= SHRINK * (p - q).norm(dim=-1)
        alive[owner[~good]] = False
        todo = alive[owner] & ~_is_short(jp, jm, jq)
        p, q = torch.cat([p[todo], m[todo]]), torch.cat([m[todo], q[todo]])
        jp, jq = torch.cat([jp[todo], jm[todo]]), torch.cat([jm[todo], jq[todo]])
        owner = owner[todo].repeat(2)
        if len(owner) == 0:
            break
    alive[owner] = False
    return alive


def _link_all(
    net: Network, graph: _Graph, generator: torch.Generator, samples: int, tries: int
) -> _Graph:
    """Try links until none is found any more between the clusters of the samples."""
    effort = 0
    while effort <= tries and _count(graph, samples) > 1:
        pairs = _between(graph, generator, samples, effort) if effort else _nearest(graph)
        if len(pairs) == 0:
            break
        i, j = pairs.T
        ok = _join(net, graph.v[i], graph.jac[i], graph.v[j], graph.jac[j])
        graph = replace(
            graph, tried=_mark(graph.tried, pairs), joined=_mark(graph.joined, pairs[ok])
        )
        if int(ok.sum()) <= (0 if effort else len(pairs) // 50):
            effort = max(1, 2 * effort)
    return graph


def _mark(known: Tensor, pairs: Tensor) -> Tensor:
    known = known.clone()
    known[pairs[:, 0], pairs[:, 1]] = True
    known[pairs[:, 1], pairs[:, 0]] = True
    return known


def _nearest(graph: _Graph) -> Int[Tensor, "pairs 2"]:
    """Each point with the nearest of the other clusters."""
    is_open = graph.open
    j = torch.cdist(graph.v, graph.v).masked_fill(~is_open, torch.inf).argmin(1)
    i = torch.arange(len(j), device=j.device)
    pairs = torch.stack([torch.minimum(i, j), torch.maximum(i, j)], 1)[is_open[i, j]]
    return pairs.unique(dim=0)


def _between(
    graph: _Graph, generator: torch.Generator, samples: int, effort: int
) -> Int[Tensor, "pairs 2"]:
    """The closest pairs of each two clusters that hold samples, and random ones."""
    labels = graph.labels
    counted = torch.isin(labels, labels[:samples])
    pairs = (graph.open & counted & counted.unsqueeze(1)).triu(1).nonzero()
    low, high = labels[pairs].sort(1).values.T
    group = low * len(labels) + high
    noise = torch.rand(len(pairs), generator=generator, device=generator.device)
    apart = (graph.v[pairs[:, 0]] - graph.v[pairs[:, 1]]).norm(dim=-1)
    chosen = []
    for key in (apart, noise.to(apart)):
        order = key.argsort()
        order = order[group[order].argsort(stable=True)]
        first = torch.searchsorted(group[order], group[order])
        rank = torch.arange(len(order), device=order.device) - first
        chosen.append(order[rank < effort])
    return pairs[torch.cat(chosen).unique()]


def _refill(net: Network, graph: _Graph, generator: torch.Generator) -> _Graph:
    """Add points of M found from random starts between points of different clusters."""
    size, labels = len(graph.v), graph.labels
    apart = torch.cdist(graph.v, graph.v)
    q = graph.v[apart.masked_fill(labels.unsqueeze(1) == labels, torch.inf).argmin(1)]
    like: dict[str, Any] = {"dtype": q.dtype, "device": generator.device}
    share = torch.rand(size, 1, generator=generator, **like).to(q)
    noise = torch.randn(q.shape, generator=generator, **like).to(q)
    width = (q - graph.v).norm(dim=-1, keepdim=True) / (2 * q.shape[-1] ** 0.5)
    start = graph.v + share * (q - graph.v) + width * noise
    v, jac, good = _retract(net, start, START_STEPS, 1.0)
    pad = (0, int(good.sum())) * 2
    tried, joined = (torch.nn.functional.pad(x, pad) for x in (graph.tried, graph.joined))
    return _Graph(torch.cat([graph.v, v[good]]), torch.cat([graph.jac, jac[good]]), tried, joined)
