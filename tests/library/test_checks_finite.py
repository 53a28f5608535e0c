import pytest
import torch

from mc_lib.checks import all_finite

HUGE = torch.finfo(torch.float64).max


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_one_bad_entry_is_found_wherever_it_is(dtype, bad):
    for place in range(7):
        x = torch.ones(7, dtype=dtype)
        x[place] = bad
        assert not all_finite(x)


@pytest.mark.parametrize(
    ("entries", "finite"),
    [
        ([], True),
        ([1.0, -2.0], True),
        ([HUGE, HUGE], True),  # the sum is infinite
        ([HUGE, HUGE, -HUGE, -HUGE], True),  # so is a part of it
        ([torch.inf, -torch.inf], False),  # the sum is NaN
        ([HUGE, HUGE, torch.nan], False),
    ],
)
def test_what_the_sum_cannot_tell_is_looked_at(entries, finite):
    assert all_finite(torch.tensor(entries).reshape(-1, 1)) is finite


def test_it_leaves_no_trace_in_a_gradient():
    x = torch.ones(2, requires_grad=True)
    assert all_finite(x * x)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
