"""The real logarithm of a matrix: where it exists, and what it is."""

import warnings

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from scipy.linalg import block_diag

from mc_lib.errors import NoRealLogarithm, OutOfDomain
from mc_lib.groups import GeneralLinear
from mc_lib.groups.jordan import jordan_chains, paired_logarithm
from mc_lib.groups.logarithm import real_logarithm


def jordan(value: float, size: int) -> np.ndarray:
    return value * np.eye(size) + np.eye(size, k=1)


WITH = {
    "-I_2": -np.eye(2),
    "-1, -1, -2, -2": np.diag([-1.0, -1, -2, -2]),
    "two J_2(-1)": block_diag(jordan(-1, 2), jordan(-1, 2)),
    "two J_3(-2), two J_1(-2)": block_diag(jordan(-2, 3), jordan(-2, 3), -2 * np.eye(2)),
    "two J_3, two J_2": block_diag(*[jordan(-2, s) for s in (3, 3, 2, 2)]),
    "four J_2": block_diag(*[jordan(-0.5, 2)] * 4),
    "two J_2(-1), and 1, 2, 3": block_diag(jordan(-1, 2), jordan(-1, 2), np.diag([1.0, 2, 3])),
    "two J_2(-1), two J_2(-3)": block_diag(*[jordan(x, 2) for x in (-1, -1, -3, -3)]),
    "J_2(4), -1, -1, a rotation": block_diag(jordan(4, 2), -np.eye(2), [[0, -1], [1, 0]]),
    "J_3(1)": jordan(1, 3),
}
WITHOUT = {
    "-1, -2": (np.diag([-1.0, -2]), "-2, -1"),
    "-1, 1": (np.diag([-1.0, 1]), "-1"),
    "J_2(-1)": (jordan(-1, 2), "-1, -1"),
    "J_3(-1), J_1(-1)": (block_diag(jordan(-1, 3), -np.eye(1)), "-1, -1, -1, -1"),
    "J_2(-1), J_1, J_1": (block_diag(jordan(-1, 2), -np.eye(2)), "-1, -1, -1, -1"),
    "-1, -1, -1": (-np.eye(3), "-1, -1, -1"),
    "-1 and nearly -1": (np.diag([-1, -1 - 1e-8]), "-1, -1"),
    "many": (np.diag(-np.arange(1.0, 9)), r"-8, -7, -6, -5, -4, -3, \.\.\."),
}


def conjugate(a: np.ndarray, seed: int, condition: float = 10.0) -> np.ndarray:
    rng, n = np.random.default_rng(seed), len(a)
    p, q = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    basis = p * np.geomspace(1, condition, n) @ q
    return basis @ a @ np.linalg.inv(basis)


def error(m: torch.Tensor, g: torch.Tensor) -> float:
    """‖exp(M) − g‖ / ‖g‖ with the exponential in 40 digits."""
    with mpmath.workdps(40):
        e = mpmath.expm(mpmath.matrix(m.double().tolist()))
        gap = e - mpmath.matrix(g.double().tolist())
        return float(mpmath.mnorm(gap, "f")) / float(torch.linalg.norm(g.double()))


@pytest.mark.parametrize("name", WITH)
def test_a_matrix_whose_negative_jordan_blocks_pair_up_has_a_real_log(name):
    for seed in range(4):
        a = conjugate(WITH[name], seed) if seed else WITH[name]
        g = torch.from_numpy(np.array(a, dtype=float))
        m = GeneralLinear(len(a)).log(g)
        assert GeneralLinear(len(a)).has_real_log(g)
        assert m.dtype == torch.float64
        assert error(m, g) <= 1e-10, (name, seed)
        assert torch.linalg.norm(m) < 1e3


@pytest.mark.parametrize("name", WITHOUT)
def test_a_matrix_whose_negative_jordan_blocks_do_not_pair_up_has_none(name):
    a, _ = WITHOUT[name]
    for seed in range(4):
        g = torch.from_numpy(conjugate(a, seed) if seed else a)
        assert not GeneralLinear(len(a)).has_real_log(g), (name, seed)
        with pytest.raises(NoRealLogarithm, match="do not pair up"):
            GeneralLinear(len(a)).log(g)


def test_structured_logarithms_are_exact_to_round_off():
    for name in ("-I_2", "-1, -1, -2, -2", "two J_2(-1)", "two J_3, two J_2", "four J_2"):
        g = torch.from_numpy(WITH[name])
        assert error(real_logarithm(g), g) <= 1e-14, name


def test_single_precision_conjugates_are_recognised():
    for seed in range(5):
        g = torch.from_numpy(conjugate(WITH["-1, -1, -2, -2"], seed)).float()
        m = GeneralLinear(4).log(g)
        assert m.dtype == torch.float32
        assert error(m, g) <= 1e-4
        assert GeneralLinear(4).has_real_log(g)
    assert not GeneralLinear(2).has_real_log(torch.diag(torch.tensor([-1.0, -1.001])))


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_log_is_the_principal_one_where_there_is_one(n, seed):
    r = torch.Generator().manual_seed(seed)
    g = GeneralLinear(n).sample(r, component=1)
    values = np.linalg.eigvals(g.numpy())
    on_axis = (values.imag == 0) & (values.real < 0)
    assert bool(GeneralLinear(n).has_real_log(g)) == (not on_axis.any())
    if not on_axis.any():
        m = GeneralLinear(n).log(g)
        assert (abs(np.linalg.eigvals(m.numpy()).imag) < np.pi + 1e-9).all()
        far = (abs(abs(np.angle(values)) - np.pi) > 1e-3).all()
        if far:
            with warnings.catch_warnings():  # scipy estimates its own error, rightly small
                warnings.simplefilter("ignore", RuntimeWarning)
                want = scipy.linalg.logm(g.numpy())
            assert np.linalg.norm(m.numpy() - want) <= 1e-8 * max(1, np.linalg.norm(want))
        assert error(m, g) <= 1e-10


@given(
    st.lists(st.sampled_from([-3.0, -1.0, -0.5, 2.0, 1.0]), min_size=1, max_size=6),
    st.integers(0, 99),
)
def test_diagonal_matrices_have_a_log_iff_negative_entries_are_paired(entries, seed):
    g = torch.from_numpy(conjugate(np.diag(entries), seed, 3.0))
    paired = all(entries.count(x) % 2 == 0 for x in entries if x < 0)
    assert bool(GeneralLinear(len(entries)).has_real_log(g)) == paired


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_rotations_nearly_by_pi_keep_their_principal_log(gap):
    angle = np.pi - gap
    g = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    m = GeneralLinear(2).log(g)
    assert abs(float((-m[1, 0] * m[0, 1]).sqrt()) - angle) < 1e-13
    assert float(m[1, 0]) > 0 > float(m[0, 1])


def test_batches_keep_their_shape_and_order():
    g = torch.tensor([[[[2.0]], [[3.0]], [[5.0]]]])
    torch.testing.assert_close(GeneralLinear(1).log(g), g.log())
    pair = torch.stack((torch.eye(2), torch.diag(torch.tensor([-1.0, -2.0]))))
    assert GeneralLinear(2).has_real_log(pair.expand(3, 2, 2, 2)).tolist() == [[True, False]] * 3
    assert GeneralLinear(2).has_real_log(pair[:0]).shape == (0,)


def test_chains_read_off_the_block_sizes():
    def sizes(*blocks: int) -> list[int]:
        n = conjugate(block_diag(*[jordan(0, s) for s in blocks]), 5)
        chains = jordan_chains(n, 1e-9)
        for c in chains:
            np.testing.assert_allclose(n @ c[:, :-1], c[:, 1:], atol=1e-12)
            np.testing.assert_allclose(n @ c[:, -1], 0, atol=1e-8)
        assert np.linalg.matrix_rank(np.hstack(chains)) == sum(blocks)
        return [c.shape[1] for c in chains]

    assert sizes(1) == [1]
    assert sizes(1, 3, 2, 3) == [3, 3, 2, 1]
    assert sizes(4, 1, 1) == [4, 1, 1]
    assert sizes(2, 2, 2) == [2, 2, 2]
    assert jordan_chains(np.eye(2), 1e-9) is None


def test_paired_logarithm_declines_odd_structures():
    for a in (jordan(-1, 2), -np.eye(3), block_diag(jordan(-1, 3), -np.eye(1)), -np.diag([1.0, 3])):
        assert paired_logarithm(a, 1e-12) is None
    log = paired_logarithm(block_diag(jordan(-2, 2), jordan(-2, 2)), 1e-12)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(log).imag), [-np.pi] * 2 + [np.pi] * 2)
    np.testing.assert_allclose(np.linalg.eigvals(log).real, [np.log(2)] * 4, atol=1e-6)


@pytest.mark.parametrize(
    ("n", "share"), [(1, 1.0), (2, 0.80), (3, 0.68), (4, 0.58), (8, 0.35), (16, 0.19)]
)
def test_the_share_of_matrices_with_a_log_falls_with_n(n, share, generator):
    g = torch.randn(400, n, n, generator=generator, dtype=torch.float64)
    g[..., 0] *= torch.linalg.det(g).sign().unsqueeze(-1)
    measured = GeneralLinear(n).has_real_log(g).double().mean()
    assert abs(measured - share) < 0.075


@pytest.mark.bad_input
@pytest.mark.parametrize("name", WITHOUT)
def test_the_refusal_names_the_eigenvalues(name):
    a, named = WITHOUT[name]
    message = f"^no real logarithm: the Jordan blocks of the negative eigenvalues {named} do not"
    with pytest.raises(NoRealLogarithm, match=message):
        GeneralLinear(len(a)).log(torch.from_numpy(a))


@pytest.mark.bad_input
def test_the_refusal_names_the_batch_entry():
    g = torch.diag_embed(torch.tensor([[1.0, 2.0], [-3.0, -5.0], [-1.0, -2.0]]))
    with pytest.raises(NoRealLogarithm, match=r"\(batch entry \(1,\)\): .* -5, -3 do not pair up"):
        GeneralLinear(2).log(g)


@pytest.mark.bad_input
def test_a_logarithm_lost_to_round_off_is_refused_not_returned():
    turn = np.array([[np.cos(2.8), -np.sin(2.8)], [np.sin(2.8), np.cos(2.8)]])
    basis = np.array([[1.0, 1.0], [1.0, 1.0001]])
    g = torch.from_numpy(basis @ turn @ np.linalg.inv(basis))
    message = (
        r"^the logarithm is real but exp\(log g\) misses g by more than 1e-10 ‖g‖: cond.* 1\.8e\+08"
    )
    with pytest.raises(OutOfDomain, match=message):
        GeneralLinear(2).log(g)
    assert GeneralLinear(2).has_real_log(g)
