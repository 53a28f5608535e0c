import math

import pytest
import torch
from torch import Tensor

from lab.survey import count as front
from lab.survey import jacobians, links, newton, survey_components, walks
from mc_lib.errors import NotAMinimum, OutOfDomain
from mc_lib.groups import GeneralLinear
from mc_lib.networks import DeepLinear, ResidualLinear, TwoLayer
from mc_lib.points import from_vector

ONE = torch.ones(1, 1, dtype=torch.float64)

# (n, m, hidden widths): components, 2 for each hidden width n
DEEP = {
    (1, 1, (1,)): 2,
    (1, 1, (2,)): 1,
    (1, 1, (1, 1)): 4,
    (1, 1, (1, 2)): 2,
    (1, 1, (2, 1)): 2,
    (1, 1, (2, 2)): 1,
    (1, 1, (1, 1, 1)): 8,
    (1, 1, (1, 2, 1)): 4,
    (2, 2, (2,)): 2,
    (2, 2, (3,)): 1,
    (2, 2, (2, 3)): 2,
    (3, 3, (3,)): 2,
    (3, 3, (4,)): 1,
    (1, 2, (1,)): 2,
    (1, 3, (1, 1)): 4,
    (2, 3, (2,)): 2,
}
# (n, h, ε)
RESIDUAL = {
    (1, 1, 1.0): 3,
    (1, 1, -1.0): 3,
    (1, 1, 0.0): 4,
    (1, 2, 1.0): 2,
    (1, 3, -1.0): 2,
    (2, 1, 1.0): 2,
    (2, 2, 1.0): 2,
    (2, 2, -1.0): 2,
}
LINKS = {"patience": 0}  # no walks: what links alone find


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(rows: int, columns: int, g: torch.Generator) -> Tensor:
    """A Gaussian matrix with its singular values replaced by 1, ..., 2."""
    u, s, v = torch.linalg.svd(
        torch.randn(rows, columns, generator=g, dtype=torch.float64), full_matrices=False
    )
    return u * torch.linspace(1, 2, len(s), dtype=u.dtype) @ v


def deep(n: int, m: int, widths: tuple[int, ...], seed: int = 0) -> DeepLinear:
    g = generator(seed)
    return DeepLinear(data(n, n, g), data(m, n, g), widths)


def residual(n: int, h: int, epsilon: float, seed: int = 0) -> ResidualLinear:
    g = generator(seed)
    return ResidualLinear(data(n, n, g), data(n, n, g), h, epsilon)


@pytest.mark.parametrize("case", DEEP)
def test_linear_networks_have_the_components_of_the_theory(case):
    assert survey_components(deep(*case), generator(1), samples=60, **LINKS).count == DEEP[case]


@pytest.mark.parametrize("case", RESIDUAL)
def test_residual_networks_have_the_components_of_the_theory(case):
    assert (
        survey_components(residual(*case), generator(1), samples=60, **LINKS).count
        == RESIDUAL[case]
    )


def test_float32_counts_the_same():
    x = torch.ones(1, 1, dtype=torch.float32)
    found = survey_components(DeepLinear(x, 2 * x, (1,)), generator(1), samples=20, patience=1)
    assert found.count == 2 and found.points.dtype == torch.float32


def test_the_samples_are_minima_and_clusters_have_one_sign_each():
    net = DeepLinear(ONE, 2 * ONE, (1,))
    found = survey_components(net, generator(3), samples=40, **LINKS)
    torch.testing.assert_close(found.points.prod(1), torch.full((40,), 2.0, dtype=torch.float64))
    positive = found.points[:, 0] > 0
    assert (positive == positive[0]).equal(found.labels == found.labels[0])
    assert found.sizes == tuple(sorted([int(positive.sum()), int((~positive).sum())])[::-1])
    assert found.links_tried > found.links_found >= 38  # a spanning tree of each cluster


@pytest.mark.parametrize("seed", range(2))
def test_no_link_crosses_a_gap_even_between_far_points(monkeypatch, seed):
    # at (a, −a, c) and (−a, a, c) the Jacobians nearly agree: only the midpoint tells
    monkeypatch.setattr(newton, "START_SCALES", (0.2, 8.0))
    net = deep(1, 1, (1, 1, 1, 1), seed)
    found = survey_components(net, generator(100 + seed), samples=100, tries=2, **LINKS)
    signs = (found.points > 0).long() @ 2 ** torch.arange(5)
    for label in range(found.count):
        assert len(signs[found.labels == label].unique()) == 1
    assert found.count >= 16


def test_the_jacobian_is_that_of_the_output():
    net = DeepLinear(2 * ONE, 3 * ONE, (1,))  # output 2 w_2 w_1
    r, jac = newton.linearise(net, torch.tensor([[5.0, 7.0]], dtype=torch.float64))
    assert r.tolist() == [[-67.0]] and jac.tolist() == [[[14.0, 10.0]]]


def linear_networks():
    g = generator(7)
    x, y = (torch.randn(n, 4, generator=g, dtype=torch.float64) for n in (2, 3))
    for widths in ((1,), (3,), (2, 4), (4, 1, 2)):
        yield DeepLinear(x, y, widths)
    for hidden in (1, 2, 5):
        yield ResidualLinear(x, y, hidden, -0.7)


@pytest.mark.parametrize("net", list(linear_networks()), ids=lambda net: str(net.shapes))
def test_the_closed_form_is_what_a_backward_pass_gives(net):
    size = sum(a * b for a, b in net.shapes)
    v = torch.randn(5, size, generator=generator(0), dtype=torch.float64)
    by_hand = jacobians.output_and_jacobian(net, v)
    out, jac = jacobians._differentiate.dispatch(object)(net, v)
    torch.testing.assert_close(by_hand, (out.flatten(-2), jac), rtol=1e-12, atol=1e-12)
    like = tuple(net.X.new_zeros(shape) for shape in net.shapes)
    torch.testing.assert_close(by_hand[0], net.output(from_vector(v, like)).flatten(-2))


def test_other_networks_have_a_jacobian_too():
    net = TwoLayer(ONE, ONE, 1, torch.tanh)  # output u tanh(v)
    v = torch.tensor([[0.5, 3.0]], dtype=torch.float64)
    out, jac = jacobians.output_and_jacobian(net, v)
    slope = 1 - math.tanh(0.5) ** 2
    torch.testing.assert_close(out.item(), 3 * math.tanh(0.5))
    torch.testing.assert_close(jac[0, 0].tolist(), [3 * slope, math.tanh(0.5)])


def test_a_single_newton_step_has_minimum_norm():
    net = DeepLinear(ONE, 2 * ONE, (1,))  # at (1, 1): r = 1, J = (1, 1), step (1/2, 1/2)
    v, _, found = newton.retract(net, torch.ones(1, 2, dtype=torch.float64), 1, 0.0)
    torch.testing.assert_close(v, torch.full((1, 2), 1.5, dtype=torch.float64))
    assert not found.any()


@pytest.mark.parametrize(("change", "short"), [(0.24, True), (0.26, False)])
def test_a_step_is_short_when_the_jacobian_changes_by_a_quarter(change, short):
    m = torch.tensor([[[2.0, 0.0]]], dtype=torch.float64)  # ‖J⁺D‖ = ‖D‖ / 2
    moved = m + torch.tensor([0.0, 2 * change])
    assert links.is_short(m, m, moved).tolist() == [short]
    assert links.is_short(moved, m, m).tolist() == [short]


def test_one_hyperbola_branch_is_joined_and_two_are_not():
    net = DeepLinear(ONE, ONE, (1,))
    p = torch.tensor([[0.5, 2.0], [0.5, 2.0]], dtype=torch.float64)
    q = torch.tensor([[2.0, 0.5], [-2.0, -0.5]], dtype=torch.float64)
    jp, jq = p.flip(1).unsqueeze(1), q.flip(1).unsqueeze(1)
    assert links.join(net, p, jp, q, jq).tolist() == [True, False]


# Y, and the first three weights of two points: two of the four weights change their sign,
# and J is nearly the same at both points and over their midpoint, but not on the way
ACROSS = [
    (-0.8519, (10.94, 7.09, -0.0405), (7.86, -13.37, -0.0301)),
    (-0.8522, (-1.396, -15.5, -1.085), (1.395, 12.25, -1.085)),
]


@pytest.mark.parametrize(("y", "first", "second"), ACROSS)
def test_a_long_step_across_two_sign_changes_is_no_link(y, first, second):
    net = DeepLinear(ONE, y * ONE, (1, 1, 1))
    p, q = (torch.tensor([[*w, y / math.prod(w)]]).double() for w in (first, second))
    assert (p.sign() != q.sign()).sum() == 2
    jp, jq = (newton.linearise(net, v)[1] for v in (p, q))
    assert links.join(net, p, jp, q, jq).tolist() == [False]


def narrow() -> ResidualLinear:
    """n = 2, h = 1, ε = 0.3: two components, whose passages lead through large W_3."""
    g = generator(0)
    x, y = GeneralLinear(2).sample(g, (2,), condition=2.0)
    return ResidualLinear(x, y, hidden=1, epsilon=0.3)


def test_walks_find_the_far_passage_that_links_alone_miss():
    alone = survey_components(narrow(), generator(100), samples=60, **LINKS)
    assert alone.history == (alone.count,) and alone.count > 2
    found = survey_components(narrow(), generator(100), samples=60, patience=1)
    assert found.count == 2 and found.settled
    assert found.points.norm(dim=1).max() > 3 * alone.points.norm(dim=1).max()


def test_walks_do_not_leave_their_component():
    net = deep(1, 1, (1, 1))
    v, jac = newton.draw(net, generator(0), 12)
    graph = links.empty_graph(net).with_points(v, jac)
    labels = walks.explore(net, graph, generator(1), 100)
    assert len(labels.v) > 2 * len(v)
    sign = labels.v.sign()
    for label in range(labels.count):  # no link was tried: every cluster has one origin
        assert len(sign[labels.labels == label].unique(dim=0)) == 1
    assert newton.linearise(net, labels.v)[0].abs().max() < 1e-6


def test_half_of_the_goals_are_points_of_m_with_each_weight_rescaled(monkeypatch):
    net, walk, seen = deep(1, 1, (1, 1)), walks.walk, []

    def watched(net, v, goal, weight, steps):
        seen.append(goal)
        return walk(net, v, goal, weight, steps)

    v, jac = newton.draw(net, generator(0), 12)
    sevens = torch.full((12, 3), 7.0)
    monkeypatch.setattr(walks, "walk", watched)
    monkeypatch.setattr(walks, "log_uniform", lambda net, scales, number, g: sevens[:number])
    graph = links.empty_graph(net).with_points(v, jac)
    walks.explore(net, graph, generator(1), 2)
    goals = seen[0][: len(seen[0]) // graph.count]
    is_scaled = (goals[:, None] == 7 * v).all(-1).any(-1)
    assert is_scaled.sum() == len(goals) // 2


@pytest.mark.parametrize("start", [(4.0, 0.25), (0.1, 10.0)])
def test_two_walks_to_one_goal_meet_at_the_nearest_point(start):
    # on w_1 w_2 = 1, in the norm d_1²/4 + d_2², half of (√2, √½) is nearest to (√2, √½)
    net = DeepLinear(ONE, ONE, (1,))
    v = torch.tensor([start], dtype=torch.float64)
    weight = torch.tensor([[4.0, 1.0]], dtype=torch.float64)
    expected = torch.tensor([[2**0.5, 0.5**0.5]], dtype=torch.float64)
    end, jac, good = walks.walk(net, v, expected / 2, weight, 200)
    assert good.all()
    torch.testing.assert_close(end, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(jac, end.flip(1).unsqueeze(1))


@pytest.mark.parametrize("goal", [-1.0, -3.0, -10.0])
def test_a_walk_comes_to_rest_where_m_bends_away_from_its_goal(goal):
    # a full step to the nearest point of the tangent goes as far beyond (1, 1), and back again
    net = DeepLinear(ONE, ONE, (1,))
    v = torch.tensor([[4.0, 0.25]], dtype=torch.float64)
    end, _, good = walks.walk(net, v, goal * torch.ones_like(v), torch.ones_like(v), 200)
    assert good.all()
    torch.testing.assert_close(end, torch.ones_like(v), rtol=1e-6, atol=0)


def test_walks_that_have_arrived_cost_nothing(monkeypatch):
    net, watched, sizes = DeepLinear(ONE, ONE, (1,)), walks.linearise, []
    monkeypatch.setattr(walks, "linearise", lambda n, v: sizes.append(len(v)) or watched(n, v))
    v = torch.tensor([[1e3, 1e-3], [1.0, 1.0]], dtype=torch.float64)  # the second is there
    walks.walk(net, v, torch.ones_like(v), torch.ones_like(v), 10_000)
    first, *steps, last = sizes
    assert first == last == 2 and steps[: walks.LOOK] == [4] * walks.LOOK
    assert steps[walks.LOOK] == 2 and len(steps) < 100


@pytest.mark.parametrize(
    ("history", "patience", "still"),
    [
        ([3], 0, True),
        ([3], 1, False),
        ([3, 3], 1, True),
        ([3, 3], 2, False),
        ([4, 3, 3], 2, False),
        ([4, 3, 3, 3], 2, True),
        ([3, 3, 2], 1, False),
    ],
)
def test_the_rule_that_ends_the_survey_looks_at_the_last_counts(history, patience, still):
    assert front._stands_still(history, patience) is still


def test_a_survey_that_runs_out_of_rounds_says_so():
    found = survey_components(deep(1, 1, (1,)), generator(0), samples=20, patience=2, rounds=1)
    assert not found.settled and len(found.history) == 2
    settled = survey_components(deep(1, 1, (1,)), generator(0), samples=20, patience=1, rounds=1)
    assert settled.settled and settled.history == (2, 2)


def test_each_round_draws_a_quarter_more_samples_and_walks_from_every_cluster(monkeypatch):
    seen = []
    monkeypatch.setattr(front, "explore", lambda net, graph, g, steps: seen.append(steps) or graph)
    found = survey_components(deep(1, 1, (1,)), generator(0), samples=20, steps=9)
    assert len(found.points) == 20 + 5 + 5 and seen == [9, 9]
    one = survey_components(deep(1, 1, (2,)), generator(0), samples=20, patience=2)
    assert one.history == (1, 1, 1) and len(seen) == 2  # one cluster: nothing to walk for


def test_points_are_joined_to_their_parents_and_pairs_marked_both_ways():
    graph = links.empty_graph(DeepLinear(ONE, ONE, (1,)))
    v = torch.arange(6.0).double().reshape(3, 2)
    graph = graph.with_points(v, v.unsqueeze(1))
    assert graph.count == 3
    graph = graph.with_points(v[:1], v[:1].unsqueeze(1), torch.tensor([1]))
    assert graph.labels.tolist() == [0, 1, 2, 1] and graph.joined[3, 1] and graph.joined[1, 3]
    tried = graph.with_links(torch.tensor([[0, 2], [0, 1]]), torch.tensor([False, True]))
    assert tried.count == 2 and tried.tried[2, 0] and not tried.joined[0, 2]


def test_too_few_samples_miss_components():
    assert survey_components(deep(1, 1, (1, 1, 1)), generator(0), samples=4, **LINKS).count <= 4


def test_the_same_seed_gives_the_same_survey():
    a, b = (survey_components(deep(1, 1, (2, 1)), generator(5), samples=20) for _ in range(2))
    assert a.points.equal(b.points) and a.labels.equal(b.labels)


BAD_SETTINGS = [{"samples": 1}, {"tries": 0}, {"steps": 0}, {"patience": -1}, {"rounds": -1}]


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", BAD_SETTINGS)
def test_settings_out_of_range_are_refused(bad):
    got = {"samples": 20, "tries": 4, "steps": 9, "patience": 2, "rounds": 6} | bad
    quoted = "got {samples}, {tries}, {steps}, {patience} and {rounds}".format(**got)
    with pytest.raises(OutOfDomain, match=quoted):
        survey_components(DeepLinear(ONE, ONE, (1,)), generator(0), **got)


@pytest.mark.bad_input
def test_a_network_that_cannot_fit_is_refused():
    net = DeepLinear(torch.eye(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64), (1,))
    with pytest.raises(NotAMinimum, match="only 0 of 80 random starts reached zero loss, 4 are"):
        survey_components(net, generator(0), samples=4)
