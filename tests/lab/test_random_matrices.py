"""The matrices of chapter 3: their distribution, their paths, and groups that are groups."""

import math

import pytest
import torch

from lab import random_matrices as matrix_cases
from mc_lib.errors import OutOfDomain

PIECES = {
    "rotations": 1,
    "rotations and reflections": 2,
    "positive numbers": 1,
    "numbers except 0": 2,
    "(gx, y/g)": 2,
}


def rng(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=[torch.float64, torch.float32])
def dtype(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


# -- random matrices -----------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 5])
def test_positive_normal_matrices_are_normal_ones_up_to_the_sign_of_the_first_column(dtype, n):
    g = matrix_cases.positive_normal(rng(0), 50, n)
    plain = torch.randn(50, n, n, generator=rng(0), dtype=torch.float64).to(dtype)
    assert g.dtype == dtype and g.shape == (50, n, n)
    for one, other in zip(g, plain, strict=True):
        sign = 1 if torch.linalg.det(other) > 0 else -1
        assert one[:, 0].equal(sign * other[:, 0]) and one[:, 1:].equal(other[:, 1:])
        assert torch.linalg.det(one) > 0


def test_both_precisions_see_the_same_case():
    drawn = []
    before = torch.get_default_dtype()
    for kind in (torch.float64, torch.float32):
        torch.set_default_dtype(kind)
        drawn.append(matrix_cases.normal(rng(1), 3, 4))
    torch.set_default_dtype(before)
    assert drawn[0].float().equal(drawn[1]) and drawn[0].std() > 0.5


# -- paths ---------------------------------------------------------------------
def test_a_bent_path_is_the_segment_and_a_bend_that_vanishes_at_the_ends(dtype):
    g, h = torch.eye(3), 2 * torch.ones(3, 3)
    gamma = matrix_cases.bent_path(g, h, rng(2))
    bend = torch.randn(3, 3, generator=rng(2), dtype=torch.float64).to(dtype)
    for t in (0.0, 0.3, 1.0):
        expected = (1 - t) * g + t * h + t * (1 - t) * bend
        torch.testing.assert_close(gamma(torch.tensor(t)), expected)
    assert gamma(torch.tensor([0.0, 1.0])[:, None, None]).shape == (2, 3, 3)


def test_the_sign_changes_where_the_matrix_is_singular(dtype):
    g, h = torch.eye(2).expand(4, 2, 2), torch.diag(torch.tensor([1.0, -2.0])).expand(4, 2, 2)
    gamma = matrix_cases.bent_path(g, h, rng(3))
    met = matrix_cases.where_det_vanishes(gamma)
    assert met.shape == (4, 2, 2)
    assert torch.linalg.svdvals(met)[:, -1].max() < (1e-15 if dtype == torch.float64 else 1e-6)
    times = torch.linspace(0, 1, 2001)
    for i in range(4):
        path = torch.stack([gamma(t)[i] for t in times])
        nearest = (path - met[i]).flatten(1).norm(dim=1).min()
        assert nearest < 0.01  # it is a matrix on the path


def test_more_halvings_come_closer():
    times = [1 / 3, 0.9]

    def gamma(t):
        return torch.tensor(times)[:, None, None] - t

    for halvings in (5, 10, 20):
        met = matrix_cases.where_det_vanishes(gamma, halvings).abs()
        assert met.max() <= 2.0**-halvings


# -- groups of the plane -------------------------------------------------------
def test_five_groups_with_their_number_of_components(dtype):
    groups = matrix_cases.plane_groups(6)
    assert {name: pieces for name, (pieces, _) in groups.items()} == PIECES
    for pieces, g in groups.values():
        assert g.dtype == dtype and g.shape == (6 * pieces, 2, 2)
        components = len(torch.linalg.det(g).sign().unique())
        assert components <= pieces


def test_the_elements_are_what_their_names_say():
    groups = {name: g for name, (_, g) in matrix_cases.plane_groups(6).items()}
    one = torch.eye(2)
    for g in groups["rotations"]:
        torch.testing.assert_close(g @ g.T, one)
        assert torch.linalg.det(g) > 0
    angles = torch.atan2(groups["rotations"][:, 1, 0], groups["rotations"][:, 0, 0])
    torch.testing.assert_close(angles.sort().values.diff(), torch.full((5,), math.pi / 3))
    both = groups["rotations and reflections"]
    torch.testing.assert_close(both @ both.mT, one.expand(12, 2, 2))
    assert torch.linalg.det(both).round().tolist() == 6 * [1.0] + 6 * [-1.0]
    sizes = [0.4 * (2.5 / 0.4) ** (i / 5) for i in range(6)]
    signed = torch.tensor(sizes + [-x for x in sizes])
    torch.testing.assert_close(groups["positive numbers"][:, 0, 0], signed[:6])
    torch.testing.assert_close(groups["numbers except 0"][:, 1, 1], signed)
    assert groups["numbers except 0"][:, 0, 1].abs().max() == 0
    hyperbolic = groups["(gx, y/g)"]
    torch.testing.assert_close(hyperbolic[:, 0, 0], signed)
    torch.testing.assert_close(torch.linalg.det(hyperbolic), torch.ones(12))


# -- refusals ------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("count", "n", "quoted"),
    [
        pytest.param(0, 2, "got 0 of size 2", id="none"),
        pytest.param(2, 0, "got 2 of size 0", id="empty"),
    ],
)
def test_no_matrices_are_refused(count, n, quoted):
    with pytest.raises(OutOfDomain, match=quoted):
        matrix_cases.positive_normal(rng(0), count, n)


@pytest.mark.bad_input
def test_groups_of_one_element_are_refused():
    with pytest.raises(OutOfDomain, match="got 1"):
        matrix_cases.plane_groups(1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("gamma", "quoted"),
    [
        pytest.param(lambda t: 1 + t, "from 1 up at t = 0 and to 2", id="positive"),
        pytest.param(lambda t: t - 1, "from -1 up at t = 0", id="negative"),
    ],
)
def test_a_path_on_one_side_is_refused(gamma, quoted):
    with pytest.raises(OutOfDomain, match=quoted):
        matrix_cases.where_det_vanishes(gamma)
