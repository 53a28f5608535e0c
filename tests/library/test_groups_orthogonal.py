"""O(n): rotations near −1 and with repeated angles, their logarithms and paths."""

import warnings

import hypothesis.strategies as st
import mpmath
import pytest
import scipy.linalg
import torch
from hypothesis import given

from mc_lib.errors import NotConnected, NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.groups import Orthogonal, log_rotation
from mc_lib.groups.rotation import orthogonality_defect, rotation_frame, straighten
from mc_lib.groups.sampling import haar

norm = torch.linalg.matrix_norm
PI = torch.pi
ANGLES = {
    "the identity": [0.0, 0.0],
    "tiny": [1e-9, 2e-9, 3e-9],
    "generic": [0.3, 1.2, 2.9],
    "equal": [0.7, 0.7, 0.7, 1.1],
    "opposite cosines": [0.4, PI - 0.4],
    "half turns": [PI, PI],
    "a half turn and its neighbours": [PI, PI - 1e-12, PI - 1e-9, PI - 1e-6, PI - 1e-3],
    "near a half turn, equal": [PI - 1e-7, PI - 1e-7, PI, 0.0],
    "everything": [0.0, 0.0, PI, PI, 1.0, 1.0, 2.0, 1e-8, PI - 1e-8],
}


def turned(angles: list[float], n: int, seed: int) -> torch.Tensor:
    """The rotation by these angles in random planes of R^n, rounded from 30 digits."""
    v = haar(torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    block = torch.eye(n, dtype=torch.float64)
    for j, angle in enumerate(angles):
        with mpmath.workdps(30):
            c, s = float(mpmath.cos(angle)), float(mpmath.sin(angle))
        block[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = torch.tensor(
            [[c, -s], [s, c]], dtype=torch.float64
        )
    return v @ block @ v.mT


@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("name", ANGLES)
def test_log_of_a_rotation_is_skew_with_the_given_angles(name, odd, dtype):
    angles = ANGLES[name]
    n = 2 * len(angles) + odd
    q = turned(angles, n, 3).to(dtype)
    m = log_rotation(q)
    assert m.dtype == dtype and torch.equal(m, -m.mT)
    accuracy = {torch.float64: 1e-12, torch.float32: 1e-4}[dtype]
    assert norm(torch.linalg.matrix_exp(m.double()) - q.double()) <= accuracy * n**0.5
    found = torch.linalg.eigvals(m.double()).imag.abs().sort().values
    expected = torch.tensor(sorted([*angles, *angles] + [0.0] * odd), dtype=torch.float64)
    assert (found - expected).abs().max() <= (1e-12 if dtype == torch.float64 else 1e-3)


@pytest.mark.parametrize("name", ANGLES)
def test_path_of_a_rotation_stays_in_the_group_and_ends_there(name):
    n = 2 * len(ANGLES[name])
    q = torch.stack([turned(ANGLES[name], n, seed) for seed in range(3)])
    path = Orthogonal(n).path(q)
    t = torch.linspace(0, 1, 7, dtype=torch.float64)
    at = path(t)
    assert (orthogonality_defect(at) < 1e-13).all()
    assert (norm(at[0] - torch.eye(n, dtype=q.dtype)) <= 1e-12 * n**0.5).all()
    assert (norm(at[-1] - q) <= 1e-12 * n**0.5).all()
    m = log_rotation(q)
    torch.testing.assert_close(at[3], torch.linalg.matrix_exp(0.5 * m), rtol=0, atol=1e-11)
    torch.testing.assert_close(path.velocity(t)[3], m @ at[3], rtol=0, atol=1e-11)
    torch.testing.assert_close(path.acceleration(t)[3], m @ m @ at[3], rtol=0, atol=1e-10)


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_log_of_a_random_rotation_is_the_principal_one(n, seed):
    q = Orthogonal(n).sample(torch.Generator().manual_seed(seed), (2,), component=1)
    for matrix, m in zip(q, Orthogonal(n).log(q), strict=True):
        with warnings.catch_warnings():  # scipy estimates its own error, rightly small
            warnings.simplefilter("ignore", RuntimeWarning)
            want = torch.from_numpy(scipy.linalg.logm(matrix.numpy()).real.reshape(n, n))
        cut = torch.linalg.eigvals(matrix).angle().abs().max()
        if cut < PI - 1e-4:
            assert norm(m - want) <= 1e-9
        assert norm(Orthogonal(n).exp(m) - matrix) <= 1e-12 * n**0.5


def test_frames_are_orthonormal_and_rebuild_the_rotation(generator):
    q = Orthogonal(33).sample(generator, (5,), component=1)
    q[2] = turned([0.5] * 10 + [PI] * 4, 33, 1)  # mixed planes inside a generic batch
    frame = rotation_frame(q)
    assert orthogonality_defect(frame.basis).max() < 1e-13
    assert frame.angles.shape == (5, 16) and (frame.angles.abs() <= PI).all()
    one = torch.ones(1, dtype=q.dtype)
    rebuilt = frame.basis @ frame.turn(one, frame.basis.mT)
    assert (norm(rebuilt - q) <= 8 * (33 + 8) * 2.3e-16 * 33**0.5).all()


def test_straightening_squares_the_defect(generator):
    q = Orthogonal(4).sample(generator, component=1)
    noise = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    bent = q + 1e-6 * noise
    assert 1e-7 < orthogonality_defect(bent) < 1e-5
    assert orthogonality_defect(straighten(bent)) < 1e-10
    assert norm(straighten(bent) - bent) < 1e-5
    end = Orthogonal(4).path(q + 1e-12 * noise)(torch.tensor(1.0))
    assert norm(end - q) < 1e-10


def test_membership_has_the_stated_tolerance(dtype):
    tol = {torch.float64: 1e-10, torch.float32: 1e-4}[dtype]
    one = torch.ones(1, 1, dtype=dtype)
    inside = Orthogonal(1).contains(torch.stack((one + 0.4 * tol, one + 0.6 * tol)))
    assert inside.tolist() == [True, False]
    # the defect is relative to ‖I‖, so that it does not grow with n
    assert abs(float(orthogonality_defect(2 * torch.eye(9, dtype=dtype))) - 3) < 1e-6


def test_samples_are_uniform_in_both_components(generator, dtype):
    group = Orthogonal(3)
    q = group.sample(generator, (4000,), dtype=dtype)
    assert q.dtype == dtype and abs(group.component(q).double().mean()) < 0.06
    for sign in (1, -1):
        part = group.sample(generator, (4000,), component=sign, dtype=dtype)
        assert (group.component(part) == sign).all()
        assert part.mean(0).abs().max() < 0.04
        assert ((part**2).mean(0) - 1 / 3).abs().max() < 0.03


def test_exp_of_a_quarter_turn_and_the_transpose_as_inverse():
    group = Orthogonal(2)
    quarter = torch.tensor([[0.0, -PI / 2], [PI / 2, 0.0]], dtype=torch.float64)
    q = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(group.exp(quarter), q)
    assert torch.equal(group.inverse(q), q.mT)
    torch.testing.assert_close(group.log(q), quarter)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda group, m: group.exp(m), id="exp"),
        pytest.param(lambda group, m: group.left_tangent(m, torch.eye(3)), id="left_tangent"),
        pytest.param(lambda group, m: group.right_tangent(torch.eye(3), m), id="right_tangent"),
    ],
)
def test_exp_and_tangents_refuse_a_matrix_that_is_not_skew(verb):
    m = torch.zeros(2, 3, 3)
    m[1, 0, 2], m[1, 2, 0], m[1, 1, 1] = 5.0, -4.75, 0.1
    message = r"^not skew-symmetric \(batch entry \(1,\)\): M\[0, 2\] \+ M\[2, 0\] = 0\.25, not 0$"
    with pytest.raises(OutOfDomain, match=message):
        verb(Orthogonal(3), m)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("m", "error", "message"),
    [
        pytest.param(
            torch.diag(torch.tensor([0.0, 1.0, 0.0])),
            OutOfDomain,
            r"^not skew-symmetric: M\[1, 1\] \+ M\[1, 1\] = 2, not 0",
            id="diagonal",
        ),
        pytest.param(
            torch.zeros(2, 2),
            ShapeMismatch,
            r"a Lie algebra element of Orthogonal\(n=3\) has shape",
            id="shape",
        ),
    ],
)
def test_exp_refuses_what_is_not_in_the_lie_algebra(m, error, message):
    with pytest.raises(error, match=message):
        Orthogonal(3).exp(m)


@pytest.mark.bad_input
@pytest.mark.parametrize("verb", [Orthogonal(2).log, Orthogonal(2).path, log_rotation])
def test_reflections_have_no_log_and_no_path(verb):
    q = torch.stack((torch.eye(2), torch.diag(torch.tensor([1.0, -1.0]))))
    with pytest.raises(NotConnected, match=r"^det Q = -1 \(batch entry \(1,\)\): a reflection"):
        verb(q)


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize("verb", ["log", "path", "inverse", "component", "admit", "require"])
def test_matrices_that_are_not_orthogonal_are_refused(verb):
    q = torch.stack((torch.eye(2), 2 * torch.eye(2)))
    message = (
        r"\(batch entry \(1,\)\): ‖.ᵀ. − I‖/‖I‖ = 3, at most 0.0001 counts as zero in torch.fl"
    )
    with pytest.raises(NotInGroup, match=message):
        getattr(Orthogonal(2), verb)(q)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda group, q: group.contains(torch.eye(3)),
            r"has shape \(\.\.\., 2, 2\), got \(3, 3\)$",
            id="contains",
        ),
        pytest.param(lambda group, q: group.compose(q, torch.eye(3)), "got", id="second factor"),
        pytest.param(lambda group, q: group.compose(torch.eye(3), q), "got", id="first factor"),
        pytest.param(lambda group, q: group.log(torch.eye(3)), "got", id="log"),
    ],
)
def test_matrices_of_another_size_are_refused(call, message):
    with pytest.raises(ShapeMismatch, match=message):
        call(Orthogonal(2), torch.stack((torch.eye(2), 2 * torch.eye(2))))


@pytest.mark.bad_input
def test_samples_of_no_component_are_refused():
    with pytest.raises(OutOfDomain, match="component is"):
        Orthogonal(2).sample(torch.Generator(), component=2)
