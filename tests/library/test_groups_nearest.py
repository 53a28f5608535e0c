"""The element of a group nearest to given weights: the best factor of each neuron."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from mc_lib.groups.nearest import best_factors

DOUBLE = torch.float64
SEEDS = st.integers(0, 10_000)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@given(
    seed=SEEDS,
    degree=st.sampled_from([1, 2, 3]),
    scales=st.tuples(*[st.floats(-3, 3)] * 2),
)
def test_the_best_factor_is_the_best_of_a_fine_grid(seed, degree, scales):
    a, b, a_out, b_out = torch.randn(4, 3, generator=seeded(seed), dtype=DOUBLE)
    b, b_out = b * 10 ** scales[0], b_out * 10 ** scales[1]
    c, value = best_factors(a @ b, b @ b, a_out @ b_out, b_out @ b_out, degree)
    rest = float(a @ a + a_out @ a_out)
    grid = torch.logspace(-8, 8, 20001, dtype=DOUBLE)[:, None]
    values = (a - grid * b).square().sum(1) + (a_out - b_out / grid**degree).square().sum(1)
    assert float(value) + rest <= float(values.min()) * (1 + 1e-9) + 1e-9 * rest
    direct = (a - c * b).square().sum() + (a_out - b_out / c**degree).square().sum()
    assert math.isclose(float(value) + rest, float(direct), rel_tol=1e-6, abs_tol=1e-6 * rest)


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_two_valleys_and_the_deeper_one_is_taken(degree):
    # a large factor fits the incoming weight, a small one the outgoing weight
    for alpha, gamma in ((30.0, 5.0), (5.0, 30.0)):
        numbers = [torch.tensor(x, dtype=DOUBLE) for x in (alpha, 1.0, gamma, 1.0)]
        c, _ = best_factors(*numbers, degree)
        large = alpha > gamma if degree == 1 else alpha**2 > gamma**2
        assert (c > 1) == large


@pytest.mark.parametrize(
    ("numbers", "want"),
    [
        ((6.0, 2.0, 0.0, 0.0), 3.0),  # nothing leaves w's neuron
        ((0.0, 0.0, 2.0, 8.0), 4.0),  # nothing enters it
        ((-6.0, 2.0, 0.0, 0.0), 1.0),  # the infimum is at c = 0, which is no scaling
        ((0.0, 0.0, -2.0, 8.0), 1.0),
        ((0.0, 0.0, 0.0, 0.0), 1.0),  # a dead neuron
        ((0.0, 1.0, 0.0, 16.0), 2.0),  # the shortest: c² + 16/c²
    ],
)
def test_neurons_without_weights_on_one_side(numbers, want, dtype):
    c, value = best_factors(*(torch.tensor(x, dtype=dtype) for x in numbers))
    assert float(c) == pytest.approx(want, rel=1e-5)
    alpha, beta, gamma, delta = numbers
    assert float(value) == pytest.approx(
        beta * want**2 - 2 * alpha * want + delta / want**2 - 2 * gamma / want, rel=1e-5
    )


def test_a_batch_of_factors_is_each_by_itself(dtype):
    numbers = torch.rand(4, 3, 5, generator=seeded(1), dtype=dtype) + 0.1
    c, value = best_factors(*numbers)
    assert c.dtype == value.dtype == dtype
    for i, j in itertools.product(range(3), range(5)):
        alone, least = best_factors(*numbers[:, i, j])
        assert torch.equal(alone, c[i, j]) and torch.equal(least, value[i, j])


@pytest.mark.bad_input
def test_a_degree_below_one_is_refused():
    with pytest.raises(mc.errors.OutOfDomain, match=r"got 0\.5"):
        best_factors(*torch.ones(4, 1), degree=0.5)
