"""Sampling in bounded memory and the section search."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mc_lib.curves import Line, PolygonalChain
from mc_lib.errors import OutOfDomain
from mc_lib.sampling import climb, in_chunks, local_maxima, pieces, start_of, time_grid

F64 = torch.float64


def chain(n: int, dtype: torch.dtype = F64) -> PolygonalChain:
    return PolygonalChain([(torch.tensor([float(i)], dtype=dtype),) for i in range(n + 1)])


def test_grid_holds_the_ends_and_the_breakpoints(dtype: torch.dtype) -> None:
    grid = time_grid(chain(3, dtype), 5)
    exact = [0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1]
    assert torch.equal(grid, torch.tensor(exact, dtype=dtype))
    assert time_grid(chain(1, dtype), 2).tolist() == [0, 1]
    assert pieces(chain(3)) == [(0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0)]


def test_start_is_computed_where_the_curve_does_not_know_it() -> None:
    (start,) = start_of(lambda t: (torch.full((1,), t + 2),))
    assert start.item() == 2.0
    u = (torch.ones(1),)
    assert start_of(Line(u, u)) is u


@pytest.mark.parametrize(
    ("max_bytes", "sizes"),
    [(1, [1] * 5), (79, [1] * 5), (80, [2, 2, 1]), (199, [4, 1]), (200, [5]), (1e9, [5])],
)
def test_chunks_fill_the_memory(max_bytes: float, sizes: list[int]) -> None:
    like = (torch.zeros(2, 2, dtype=F64), torch.zeros(2, dtype=torch.float32))  # 40 bytes
    found = []

    def f(t: Tensor) -> Tensor:
        found.append(len(t))
        return 2 * t

    t = torch.arange(5.0)
    assert torch.equal(in_chunks(f, t, like, max_bytes), 2 * t)
    assert found == sizes


def test_local_maxima_come_in_order_of_size() -> None:
    values = torch.tensor([[3.0, 1, 5, 4, 4.5, 0, 7], [0, 1, 2, 3, 4, 5, 6]])
    best = local_maxima(values)
    assert best[0].tolist() == [6, 2, 4, 0]
    assert best[1, 0] == 6
    assert local_maxima(values, most=2).tolist()[0] == [6, 2]
    assert local_maxima(torch.tensor([1.0, 2.0])).tolist() == [1]  # no other is a maximum
    assert local_maxima(torch.tensor([2.0, 2.0, 1.0]))[:2].sort().values.tolist() == [0, 1]


@given(peak=st.floats(0, 1), sharp=st.sampled_from([1, 2, 4]))
def test_climb_finds_the_peak_between_the_neighbours(peak: float, sharp: int) -> None:
    def f(t: Tensor) -> Tensor:
        return -((t - peak).abs() ** sharp)

    grid = torch.linspace(0, 1, 11, dtype=F64)
    start = grid[f(grid).argmax()][None]
    t, value = climb(f, start, f(start), 0.1)
    assert abs(float(t) - peak) < {1: 1e-8, 2: 1e-8, 4: 1e-4}[sharp]
    assert float(value) == float(f(t))


def test_climb_stops_at_the_square_root_of_the_round_off(dtype: torch.dtype) -> None:
    calls = []

    def f(t: Tensor) -> Tensor:
        calls.append(t.clone())
        return -(t - 0.3).abs()

    zero = torch.zeros(2, dtype=dtype)
    climb(f, zero, f(zero), 0.25)
    rounds = math.ceil(math.log(0.25 / torch.finfo(dtype).eps ** 0.5, 4))
    assert len(calls) - 1 == rounds == {torch.float32: 5, F64: 12}[dtype]
    exact = torch.tensor([0, 0, 0, 0.0625, 0.125, 0.1875], dtype=dtype)  # kept within [0, 1]
    assert torch.equal(calls[1], exact.expand(2, 6))


def test_climb_keeps_a_maximum_it_cannot_improve() -> None:
    t, value = climb(lambda t: -((t - 0.5) ** 2), torch.tensor([0.5]), torch.tensor([0.0]), 0.5)
    assert t.tolist() == [0.5] and value.tolist() == [0.0]
    t, _ = climb(lambda t: t, torch.tensor([0.9]), torch.tensor([0.9]), 0.2)
    assert t.tolist() == [1.0]


@pytest.mark.bad_input
@pytest.mark.parametrize("most", [0, -1, math.nan])
def test_a_memory_of_nothing_is_refused(most: float) -> None:
    with pytest.raises(OutOfDomain, match=f"^max_bytes is a positive number .*, got {most}$"):
        in_chunks(lambda t: t, torch.zeros(1), (torch.zeros(1),), most)


@pytest.mark.bad_input
def test_a_grid_of_one_point_is_refused() -> None:
    with pytest.raises(OutOfDomain, match=r"^a grid on \[0, 1\] has 2 points or more, got 1$"):
        time_grid(chain(2), 1)
