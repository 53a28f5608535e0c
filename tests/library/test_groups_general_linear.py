"""GL_n: membership, sampling, polar factors and the polar path."""

import hypothesis.strategies as st
import pytest
import scipy.linalg
import torch
from hypothesis import given

from mc_lib.errors import NotConnected, NotInGroup, OutOfDomain
from mc_lib.groups import GeneralLinear
from mc_lib.groups.polar import is_invertible, polar_factors
from mc_lib.groups.sampling import flip_first_column, haar, require_condition, spread

norm = torch.linalg.matrix_norm


def rotation(degrees: float) -> torch.Tensor:
    a = torch.tensor(degrees, dtype=torch.float64) * torch.pi / 180
    return torch.stack((torch.stack((a.cos(), -a.sin())), torch.stack((a.sin(), a.cos()))))


@pytest.mark.parametrize("condition", [1.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
def test_path_ends_at_g_up_to_the_stated_accuracy(n, condition, generator):
    g = GeneralLinear(n).sample(generator, (10,), condition=condition, component=1)
    start, end = GeneralLinear(n).path(g)(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert (norm(start - torch.eye(n, dtype=g.dtype)) <= 1e-12 * n**0.5).all()
    assert (norm(end - g) <= 1e-12 * norm(g)).all()


def test_path_in_single_precision_ends_at_g(generator):
    g = GeneralLinear(8).sample(generator, (10,), condition=1e4, component=1, dtype=torch.float32)
    path = GeneralLinear(8).path(g)
    end = path(torch.tensor(1.0, dtype=torch.float64))
    assert end.dtype == torch.float32
    assert (norm(end - g) <= 1e-5 * norm(g)).all()


def test_path_is_the_product_of_the_exponentials_of_the_two_logarithms(generator):
    g = GeneralLinear(6).sample(generator, (4,), component=1)
    path = GeneralLinear(6).path(g)(torch.tensor(0.37, dtype=torch.float64))
    for matrix, point in zip(g.numpy(), path.numpy(), strict=True):
        q, s = scipy.linalg.polar(matrix)
        log_q, log_s = scipy.linalg.logm(q).real, scipy.linalg.logm(s).real
        expected = scipy.linalg.expm(0.37 * log_q) @ scipy.linalg.expm(0.37 * log_s)
        assert abs(point - expected).max() < 1e-11


def test_path_of_a_turned_stretch_is_known_by_hand():
    g = rotation(90) @ torch.diag(torch.tensor([4.0, 9.0], dtype=torch.float64))
    path = GeneralLinear(2).path(g)
    half = torch.tensor(0.5, dtype=torch.float64)
    stretch = torch.diag(torch.tensor([2.0, 3.0], dtype=torch.float64))
    torch.testing.assert_close(path(half), rotation(45) @ stretch, rtol=0, atol=1e-14)
    spin = torch.pi / 2 * rotation(90)
    rate = torch.diag(torch.tensor([4.0, 9.0], dtype=torch.float64).log())
    speed = spin @ rotation(45) @ stretch + rotation(45) @ stretch @ rate
    torch.testing.assert_close(path.velocity(half), speed, rtol=0, atol=1e-13)


def test_path_has_no_jump_where_the_logarithm_of_g_is_missing():
    g = torch.diag(torch.tensor([-1.0, -2.0], dtype=torch.float64))
    t = torch.linspace(0, 1, 201, dtype=torch.float64)
    path = GeneralLinear(2).path(g)
    assert (torch.linalg.det(path(t)) > 0.99).all()
    torch.testing.assert_close(torch.linalg.det(path(t)), 2**t, rtol=1e-12, atol=0)
    assert norm(path(t)[1:] - path(t)[:-1]).max() < 0.05


@given(st.integers(1, 7), st.integers(0, 2**32 - 1), st.floats(0, 8))
def test_polar_factors_are_orthogonal_times_positive_definite(n, seed, log_condition):
    group = GeneralLinear(n)
    g = group.sample(torch.Generator().manual_seed(seed), (3,), condition=10**log_condition)
    q, s = group.polar(g)
    assert (norm(q @ s - g) <= 1e-13 * norm(g)).all()
    assert (norm(q.mT @ q - torch.eye(n, dtype=g.dtype)) <= 1e-13 * n**0.5).all()
    assert torch.equal(s, s.mT)
    assert (torch.linalg.eigvalsh(s)[..., 0] > 0).all()


def test_polar_agrees_with_scipy(generator, dtype):
    g = GeneralLinear(4).sample(generator, (2, 2), dtype=dtype)
    q, s = polar_factors(g)
    assert q.dtype == s.dtype == dtype and q.shape == g.shape
    eps = 1e2 * torch.finfo(dtype).eps
    for matrix, a, b in zip(g.flatten(0, 1), q.flatten(0, 1), s.flatten(0, 1), strict=True):
        expected = scipy.linalg.polar(matrix.double().numpy())
        for got, want in zip((a, b), expected, strict=True):
            assert abs(got.double().numpy() - want).max() <= eps


def test_invertible_means_above_round_off():
    eps = torch.finfo(torch.float64).eps
    s = torch.tensor([[1.0, 2 * eps], [1.0, 2.01 * eps], [0.0, 0.0]], dtype=torch.float64)
    assert is_invertible(s).tolist() == [False, True, False]
    assert GeneralLinear(2).contains(torch.diag_embed(s)).tolist() == [False, True, False]


def test_samples_have_the_stated_condition_and_component(generator, dtype):
    g = GeneralLinear(5).sample(generator, (50,), condition=100.0, component=-1, dtype=dtype)
    s = torch.linalg.svdvals(g)
    torch.testing.assert_close(s[:, 0], torch.full_like(s[:, 0], 10), rtol=1e-5, atol=0)
    torch.testing.assert_close(s[:, -1], torch.full_like(s[:, 0], 0.1), rtol=1e-4, atol=0)
    assert (GeneralLinear(5).component(g) == -1).all()
    one = GeneralLinear(1).sample(generator, (200,), condition=100.0)
    assert 0.1 <= one.abs().min() < 0.2 and 5 < one.abs().max() <= 10


def test_haar_has_the_moments_of_the_uniform_distribution(generator):
    q = haar(torch.randn(20000, 3, 3, generator=generator, dtype=torch.float64))
    assert q.mean(0).abs().max() < 0.02
    assert ((q**2).mean(0) - 1 / 3).abs().max() < 0.01
    assert abs(torch.linalg.det(q).mean()) < 0.03


def test_ingredients_of_sampling_at_their_edges():
    assert torch.equal(spread(torch.tensor([0.75])), torch.tensor([0.5]))
    q = torch.eye(2)
    for component, sign, first in ((None, -1.0, 1.0), (1, 1.0, 1.0), (1, -1.0, -1.0)):
        flipped = flip_first_column(q, component, [torch.tensor([[sign]])])
        assert flipped.tolist() == [[first, 0], [0, 1]]
    require_condition(1.0, 2, torch.float64)
    require_condition(2.25e15, 2, torch.float64)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("g", "message"),
    [
        pytest.param(
            torch.stack((torch.eye(2), torch.diag(torch.tensor([1.0, -1.0])))),
            r"^det g < 0 \(batch entry \(1,\)\): GL_n has two",
            id="batch",
        ),
        pytest.param(torch.tensor([[-2.0]]), r"^det g < 0: GL_n", id="number"),
    ],
)
def test_path_refuses_the_other_component(g, message):
    with pytest.raises(NotConnected, match=message):
        GeneralLinear(g.shape[-1]).path(g)


SINGULAR = torch.diag(torch.tensor([-1.0, 0.0]))


@pytest.mark.bad_input
@pytest.mark.parametrize("verb", ["path", "log", "polar", "has_real_log", "inverse", "component"])
def test_singular_matrices_are_refused(verb):
    with pytest.raises(NotInGroup, match="singular .* value 0 against the largest 1"):
        getattr(GeneralLinear(2), verb)(SINGULAR)


@pytest.mark.bad_input
def test_nothing_is_divided_by_a_singular_matrix():
    with pytest.raises(NotInGroup, match="singular to working precision"):
        GeneralLinear(2).right_inverse(torch.eye(2), SINGULAR)


@pytest.mark.bad_input
def test_exp_refuses_an_overflow():
    m = torch.stack((torch.zeros(2, 2), 1e3 * torch.eye(2)))
    with pytest.raises(
        OutOfDomain, match=r"overflows torch.float64 \(batch entry \(1,\)\): ‖M‖ = "
    ):
        GeneralLinear(2).exp(m)


@pytest.mark.bad_input
@pytest.mark.parametrize("condition", [0.999, float("nan"), 3e15])
def test_samples_of_an_impossible_condition_are_refused(condition):
    with pytest.raises(OutOfDomain, match=r"must lie in \[1, 2\.25e\+15\) for n = 2"):
        GeneralLinear(2).sample(torch.Generator(), condition=condition)


@pytest.mark.bad_input
def test_samples_of_no_component_are_refused():
    with pytest.raises(OutOfDomain, match=r"^component is \+1, -1 or None, got 0$"):
        GeneralLinear(2).sample(torch.Generator(), component=0)


@pytest.mark.parametrize("batch", [(), (1,), (1, 1), (2,)])
def test_exp_of_a_small_matrix_keeps_all_its_digits(batch):
    for angle in torch.logspace(-5, 0.5, 40, dtype=torch.float64):
        m = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64) * angle
        cos, sin = torch.cos(angle), torch.sin(angle)
        want = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
        found = GeneralLinear(2).exp(m.expand(*batch, 2, 2))
        torch.testing.assert_close(found, want.expand(*batch, 2, 2), rtol=0, atol=4e-15)


def test_the_condition_number_of_a_sample_is_exact_in_the_dtype():
    g = GeneralLinear(3).sample(torch.Generator().manual_seed(0), (20,), condition=10.0)
    assert (torch.linalg.cond(g) / 10 - 1).abs().max() < 1e-13
