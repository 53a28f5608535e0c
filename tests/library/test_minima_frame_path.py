"""Paths of matrices of full column rank: a rotation times the geodesic of the stretches."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.minima.frame_path import frame_path

ONE = torch.eye(1, dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def times(count):
    return torch.linspace(0, 1, count, dtype=torch.float64)


frames = st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(0, 99))


def two_frames(case):
    n, extra, seed = case
    p, q = (normal(n + extra, n, seed=2 * seed + i) for i in (0, 1))
    if extra == 0 and torch.det(p) * torch.det(q) < 0:
        q = torch.cat([-q[:, :1], q[:, 1:]], 1)
    return p, q


@given(frames)
def test_a_path_of_frames_has_the_right_ends_and_keeps_the_rank(case):
    p, q = two_frames(case)
    path = frame_path(p, q)
    torch.testing.assert_close(path(times(2)), torch.stack([p, q]), rtol=1e-13, atol=1e-14)
    cond = torch.linalg.cond(path(times(41)))
    c0, c1 = torch.linalg.cond(p), torch.linalg.cond(q)
    assert (cond <= c0 ** (1 - times(41)) * c1 ** times(41) * (1 + 1e-6)).all()


@given(frames)
def test_a_path_of_frames_is_a_rotation_times_the_geodesic_of_the_stretches(case):
    p, q = two_frames(case)
    path = frame_path(p, q)
    (q0, s0), (_, s1) = (scipy.linalg.polar(x.numpy()) for x in (p, q))
    for t in (0.3, 0.8):
        now = path(torch.tensor(t, dtype=torch.float64)).numpy()
        middle = s0 @ scipy.linalg.fractional_matrix_power(np.linalg.solve(s0, s1), t)
        np.testing.assert_allclose(now.T @ now, middle @ middle, rtol=1e-6, atol=1e-6)
    assert np.allclose(q0 @ s0, p.numpy())


@given(frames)
def test_velocity_and_acceleration_of_a_path_of_frames(case):
    path = frame_path(*two_frames(case))
    t, h = times(5)[1:-1], 1e-4
    forward, here, back = path(t + h), path(t), path(t - h)
    size = 1 + float(path.acceleration(t).abs().max()) * 10
    assert float((path.velocity(t) - (forward - back) / (2 * h)).abs().max()) < 1e-5 * size
    second = (forward - 2 * here + back) / h**2
    assert float((path.acceleration(t) - second).abs().max()) < 1e-4 * size


def test_a_path_of_numbers_is_geometric_and_of_vectors_a_turn_and_a_stretch():
    half = torch.tensor(0.5, dtype=torch.float64)
    assert float(frame_path(-2 * ONE, -8 * ONE)(half)) == pytest.approx(-4)
    quarter = frame_path(2 * EYE[:, :1], 8 * EYE[:, 1:])(half)
    torch.testing.assert_close(quarter, torch.full((2, 1), 8**0.5, dtype=torch.float64))
    p = normal(5, 3)
    torch.testing.assert_close(frame_path(p, p)(times(7)), p.expand(7, 5, 3))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        pytest.param(
            EYE,
            torch.diag(torch.tensor([2.0, -2.0]).double()),
            NotConnected,
            "det is 1 at one end and -4 at the other",
            id="signs",
        ),
        pytest.param(
            EYE,
            torch.diag(torch.tensor([2.0, 0.0]).double()),
            RankDeficient,
            r"\(2, 2\) at the end has not full .* value 0 against",
            id="end",
        ),
        pytest.param(
            torch.zeros(3, 1),
            torch.ones(3, 1),
            RankDeficient,
            r"\(3, 1\) at the start .* 0 against the largest 0",
            id="start",
        ),
    ],
)
def test_frames_that_no_path_joins_are_refused(start, end, error, message):
    with pytest.raises(error, match=message):
        frame_path(start, end)
