"""Chapter 4b: rounds of samples, links and walks until the count stands still."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lab.progress import progress
from lab.survey.links import Graph, empty_graph, link
from lab.survey.newton import draw
from lab.survey.walks import explore
from mc_lib.errors import OutOfDomain
from mc_lib.networks import MatrixNetwork

FRESH = 4  # each later round draws 1/FRESH of the samples of the first


@dataclass(frozen=True, eq=False)
class Survey:
    """What a survey of a minimum found.

    Args:
        points: of the minimum, sampled and walked to, as vectors, shape (S, N).
        labels: the component of each, 0, ..., count − 1.
        links_tried: how many pairs of points were examined.
        links_found: how many of them were joined.
        history: the count after the first links, and after each round.
        settled: whether the count stood still at the end, or the rounds ran out.
    """

    points: Float[Tensor, "S N"]
    labels: Int[Tensor, "S"]
    links_tried: int
    links_found: int
    history: tuple[int, ...]
    settled: bool

    @property
    def count(self) -> int:
        """The number of components found."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many points each component holds, the largest first."""
        return tuple(sorted(torch.bincount(self.labels).tolist(), reverse=True))


def survey_components(
    net: MatrixNetwork,
    generator: torch.Generator,
    *,
    samples: int = 100,
    tries: int = 4,
    steps: int = 600,
    patience: int = 2,
    rounds: int = 8,
) -> Survey:
    """Return an estimate of the number of components of {w : output(w) = Y}.

    First, samples are drawn and linked. Then follow rounds: a quarter as many new samples,
    linked; and if there is more than one cluster, walks from each to the same random goals,
    whose ends are linked. The rule that ends it looks at nothing but the counts: it stops
    when the count has stayed the same for `patience` rounds, or after `rounds` rounds (then
    it is not `settled`).

    Args:
        net: a network that can fit its data exactly.
        generator: the source of randomness.
        samples: how many minima to find at first, 2 or more.
        tries: the largest number of closest pairs tried for two clusters at a time.
        steps: the length of a walk; more of them, and more patience, join what a long or
            narrow passage joins, as data of very unequal directions make it.
        patience: for how many rounds the count must not change; 0 means links alone.
        rounds: the largest number of rounds.

    Returns:
        The points and the clusters that they form.

    Raises:
        OutOfDomain: samples below 2, tries or steps below 1, patience or rounds below 0.
        NotAMinimum: random starts do not reach zero loss.

    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.ones(1, 1)
    >>> hyperbola = DeepLinear(one, one, widths=(1,))
    >>> found = survey_components(hyperbola, torch.Generator().manual_seed(0), samples=20)
    >>> found.count, found.history
    (2, (2, 2, 2))
    """
    if samples < 2 or min(tries, steps) < 1 or min(patience, rounds) < 0:
        raise OutOfDomain(
            "a survey needs samples ≥ 2, tries ≥ 1, steps ≥ 1, patience ≥ 0 and rounds ≥ 0, "
            f"got {samples}, {tries}, {steps}, {patience} and {rounds}"
        )
    graph = _sampled(net, empty_graph(net), generator, samples, tries)
    history = [graph.count]
    for _ in progress(range(rounds), "survey"):
        if _stands_still(history, patience):
            break
        graph = _sampled(net, graph, generator, max(2, samples // FRESH), tries)
        if graph.count > 1:
            old = len(graph.v)
            graph = explore(net, graph, generator, steps)
            graph = link(net, graph, generator, tries, first=old)
        history.append(graph.count)
    tried, found = (int(x.triu(1).sum()) for x in (graph.tried, graph.joined))
    settled = _stands_still(history, patience)
    return Survey(graph.v, graph.labels, tried, found, tuple(history), settled)


def _sampled(
    net: MatrixNetwork, graph: Graph, generator: torch.Generator, samples: int, tries: int
) -> Graph:
    old = len(graph.v)
    graph = graph.with_points(*draw(net, generator, samples))
    return link(net, graph, generator, tries, first=old)


def _stands_still(history: list[int], patience: int) -> bool:
    return len(history) > patience and len(set(history[-patience - 1 :])) == 1
