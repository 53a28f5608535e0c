import pytest
import torch
from torch import Tensor

from mc_lib import survey
from mc_lib.errors import NotAMinimum, OutOfDomain
from mc_lib.networks import DeepLinear, ResidualLinear
from mc_lib.survey import survey_components

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
    assert survey_components(deep(*case), generator(1), samples=80).count == DEEP[case]


@pytest.mark.parametrize("case", RESIDUAL)
def test_residual_networks_have_the_components_of_the_theory(case):
    assert survey_components(residual(*case), generator(1), samples=80).count == RESIDUAL[case]


def test_float32_counts_the_same():
    x = torch.ones(1, 1)
    found = survey_components(DeepLinear(x, 2 * x, (1,)), generator(1), samples=40)
    assert found.count == 2 and found.points.dtype == torch.float32


def test_the_samples_are_minima_and_clusters_have_one_sign_each():
    net = DeepLinear(ONE, 2 * ONE, (1,))
    found = survey_components(net, generator(3), samples=40)
    torch.testing.assert_close(found.points.prod(1), torch.full((40,), 2.0, dtype=torch.float64))
    positive = found.points[:, 0] > 0
    assert (positive == positive[0]).equal(found.labels == found.labels[0])
    assert found.sizes == tuple(sorted([int(positive.sum()), int((~positive).sum())])[::-1])
    assert found.links_tried > found.links_found >= 38  # a spanning tree of each cluster


@pytest.mark.parametrize("seed", range(2))
def test_no_link_crosses_a_gap_even_between_far_points(monkeypatch, seed):
    # at (a, −a, c) and (−a, a, c) the Jacobians nearly agree: only the midpoint tells
    monkeypatch.setattr(survey, "START_SCALES", (0.2, 8.0))
    net = deep(1, 1, (1, 1, 1, 1), seed)
    found = survey_components(net, generator(100 + seed), samples=100, tries=2)
    signs = (found.points > 0).long() @ 2 ** torch.arange(5)
    for label in range(found.count):
        assert len(signs[found.labels == label].unique()) == 1
    assert found.count >= 16


def test_the_jacobian_is_that_of_the_output():
    net = DeepLinear(2 * ONE, 3 * ONE, (1,))  # output 2 w_2 w_1
    r, jac = survey._linearise(net, torch.tensor([[5.0, 7.0]], dtype=torch.float64))
    assert r.tolist() == [[-67.0]] and jac.tolist() == [[[14.0, 10.0]]]


def test_a_single_newton_step_has_minimum_norm():
    net = DeepLinear(ONE, 2 * ONE, (1,))  # at (1, 1): r = 1, J = (1, 1), step (1/2, 1/2)
    v, _, found = survey._retract(net, torch.ones(1, 2, dtype=torch.float64), 1, 0.0)
    torch.testing.assert_close(v, torch.full((1, 2), 1.5, dtype=torch.float64))
    assert not found.any()


@pytest.mark.parametrize(("change", "short"), [(0.24, True), (0.26, False)])
def test_a_step_is_short_when_the_jacobian_changes_by_a_quarter(change, short):
    m = torch.tensor([[[2.0, 0.0]]], dtype=torch.float64)  # ‖J⁺D‖ = ‖D‖ / 2
    moved = m + torch.tensor([0.0, 2 * change])
    assert survey._is_short(m, m, moved).tolist() == [short]
    assert survey._is_short(moved, m, m).tolist() == [short]


def test_one_hyperbola_branch_is_joined_and_two_are_not():
    net = DeepLinear(ONE, ONE, (1,))
    p = torch.tensor([[0.5, 2.0], [0.5, 2.0]], dtype=torch.float64)
    q = torch.tensor([[2.0, 0.5], [-2.0, -0.5]], dtype=torch.float64)
    jp, jq = p.flip(1).unsqueeze(1), q.flip(1).unsqueeze(1)
    assert survey._join(net, p, jp, q, jq).tolist() == [True, False]


def test_waypoints_are_not_counted():
    net = residual(1, 1, 1.0)
    found = survey_components(net, generator(1), samples=30, refills=2)
    assert found.count == 3 and found.points.shape == (30, 3) and sum(found.sizes) == 30


def test_too_few_samples_miss_components():
    assert survey_components(deep(1, 1, (1, 1, 1)), generator(0), samples=4).count <= 4


def test_the_same_seed_gives_the_same_survey():
    a, b = (survey_components(deep(1, 1, (2, 1)), generator(5), samples=30) for _ in range(2))
    assert a.points.equal(b.points) and a.labels.equal(b.labels)


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", [{"samples": 1}, {"tries": 0}, {"refills": -1}])
def test_settings_out_of_range_are_refused(bad):
    got = {"samples": 20, "tries": 4, "refills": 0} | bad
    quoted = f"got {got['samples']}, {got['tries']} and {got['refills']}"
    with pytest.raises(OutOfDomain, match=quoted):
        survey_components(DeepLinear(ONE, ONE, (1,)), generator(0), **got)


@pytest.mark.bad_input
def test_a_network_that_cannot_fit_is_refused():
    net = DeepLinear(torch.eye(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64), (1,))
    with pytest.raises(NotAMinimum, match="only 0 of 80 random starts reached zero loss, 4 are"):
        survey_components(net, generator(0), samples=4)
