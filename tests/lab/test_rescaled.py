"""The last weight that fits, and the arrays of Figure 2."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.rescaled import fit_last, largest_rescaling_barrier, planted_minimum, rescaling_family
from mc_lib.errors import NotAMinimum, NotFinite, OutOfDomain, ShapeMismatch


def network(seed, k=1.0, widths=(6,), columns=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, columns, generator=generator, dtype=dtype)
    y = torch.randn(2, columns, generator=generator, dtype=dtype)
    net = mc.HomogeneousNet(x, y, widths, k, 0.25)
    return net, net.random(generator)


@given(st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([(6,), (5, 7)]), st.integers(0, 10_000))
def test_the_fitted_point_is_a_minimum_and_changes_the_last_weight_only(k, widths, seed):
    net, w = network(seed, k, widths)
    try:
        fitted = fit_last(net, w)
    except NotAMinimum:  # hidden columns nearly parallel: honest, and rare
        h = net.hidden(w[:-1])[-1]
        assert float(torch.linalg.cond(h)) > 1e7
        return
    assert float(net.loss(fitted)) < 1e-16 * float(net.Y.square().sum())
    assert all(a is b for a, b in zip(fitted[:-1], w[:-1], strict=True))


def test_no_fitting_last_weight_is_nearer(dtype):
    net, w = network(1, dtype=dtype)
    last = fit_last(net, w)[-1]
    h = net.hidden(w[:-1])[-1]
    free = torch.eye(6, dtype=dtype) - h @ torch.linalg.pinv(h)  # keeps the output
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = last + torch.randn(2, 6, generator=generator, dtype=dtype) @ free
        assert float((other - w[-1]).norm()) >= float((last - w[-1]).norm()) * (1 - 1e-5)


def test_a_batch_is_fitted_side_by_side():
    net, _ = network(2)
    w = net.random(torch.Generator().manual_seed(0), (4,))
    fitted = fit_last(net, w)
    for i in range(4):
        single = fit_last(net, tuple(x[i] for x in w))
        torch.testing.assert_close(fitted[-1][i], single[-1])


@pytest.mark.bad_input
def test_data_that_no_last_weight_fits_are_refused():
    twice, targets = torch.ones(1, 2), torch.tensor([[1.0, 2.0]])
    net = mc.HomogeneousNet(twice, targets, (4,))
    with pytest.raises(NotAMinimum, match=r"leaves the loss 0.5, .*\(4, 2\), cannot express Y"):
        fit_last(net, net.random(torch.Generator().manual_seed(0)))


# -- Figure 2 ------------------------------------------------------------------------
def hyperbola(value, dtype=torch.float64):
    one = torch.eye(1, dtype=dtype)
    return mc.DeepLinear(one, value * one, (1,)), one


@pytest.mark.parametrize("a", [2.0, -0.5])
def test_the_family_is_the_naive_one(a, dtype):
    net, one = hyperbola(6.0, dtype)
    w, m = (a * one, 6 / a * one), torch.tensor([0.25, 1.0, 8.0], dtype=dtype)
    family = rescaling_family(net, w, m, points=33)
    b = 6 / a
    rtol = 1e-5 if dtype == torch.float32 else 1e-12
    for i, factor in enumerate(m.tolist()):
        end = (a * factor, b / factor)
        torch.testing.assert_close(family.ends[i], torch.tensor(end, dtype=dtype))
        for j, x in enumerate(family.alpha.tolist()):
            product = ((1 - x) * a + x * end[0]) * ((1 - x) * b + x * end[1])
            expected = (6 - product) ** 2
            assert float(family.segment[i, j]) == pytest.approx(expected, rel=1e3 * rtol, abs=rtol)
    assert float(family.curve.max()) < 1e-9
    x, y = family.hyperbola
    torch.testing.assert_close(x * y, torch.full_like(x, 6.0))
    ends = torch.stack([family.hyperbola[:, 0], family.hyperbola[:, -1]])
    torch.testing.assert_close(ends, family.ends[[0, 2]])
    assert family.start.tolist() == pytest.approx([a, b])
    assert set(family.arrays()) >= {"m", "alpha", "hyperbola", "start", "ends", "segment", "curve"}


def test_the_highest_loss_is_the_formula():
    net, one = hyperbola(2.0)
    m = torch.tensor([3.0, 30.0], dtype=torch.float64)
    family = rescaling_family(net, (one, 2 * one), m)
    torch.testing.assert_close(family.segment.amax(-1), mc.bounds.rescaling_barrier(m, 1.0, 2.0)[1])


@pytest.mark.bad_input
def test_a_wide_network_is_no_figure_2():
    _, one = hyperbola(2.0)
    w, m = (torch.ones(2, 1).double(), torch.ones(1, 2).double()), torch.tensor([2.0])
    with pytest.raises(ShapeMismatch, match="two 1 × 1 weights"):
        rescaling_family(mc.DeepLinear(one, one, (2,)), w, m)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("m", "points", "error", "message"),
    [
        pytest.param(2.0, 101, ShapeMismatch, "two 1 × 1 weights", id="a number"),
        pytest.param([-2.0], 101, OutOfDomain, "factors m > 0, not all 1", id="negative"),
        pytest.param([1.0], 101, OutOfDomain, "factors m > 0, not all 1", id="one"),
        pytest.param([2.0], 1, OutOfDomain, "points = 1", id="one point"),
        pytest.param([math.nan], 101, NotFinite, "^m: 1 of the 1 entries", id="nan"),
    ],
)
def test_factors_that_draw_no_figure_2_are_refused(m, points, error, message):
    net, one = hyperbola(2.0)
    with pytest.raises(error, match=message):
        rescaling_family(net, (one, 2 * one), torch.tensor(m), points=points)


# -- planted minima and the search of Proposition 5.6 ------------------------------------
@given(st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([(4, 6, 2), (3, 5, 4, 1)]))
def test_a_planted_minimum_fits_data_of_size_one(k, sizes):
    net, w = planted_minimum(torch.Generator().manual_seed(1), sizes, 3, degree=k)
    assert [tuple(x.shape) for x in w] == [(b, a) for a, b in zip(sizes, sizes[1:], strict=False)]
    assert float(net.loss(w)) == 0
    assert float(net.Y.norm()) == pytest.approx(1)
    assert net.X.shape == (sizes[0], 3)
    assert net.degree == k
    other, _ = planted_minimum(torch.Generator().manual_seed(2), sizes, 3, degree=k)
    assert not torch.equal(net.X, other.X)


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("low", "high"), [(0.2, 2.0), (0.8, 7.0)])
def test_the_search_comes_near_the_largest_barrier_and_stays_below(k, low, high):
    net, w = planted_minimum(torch.Generator().manual_seed(3), (4, 6, 2), 3, degree=k)
    largest = max(mc.bounds.rescaling_barrier(m, k, 1.0)[1] for m in (low, high))
    found = largest_rescaling_barrier(net, w, low, high)
    assert 0.97 * largest < found < largest
    few = largest_rescaling_barrier(net, w, low, high, factors=2)
    assert few == pytest.approx(found)  # the ends decide


@pytest.mark.bad_input
def test_no_minimum_is_planted_without_a_hidden_layer():
    with pytest.raises(OutOfDomain, match="one hidden layer or more"):
        planted_minimum(torch.Generator().manual_seed(0), (4, 2), 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(("low", "high", "factors"), [(0.0, 1.0, 5), (2.0, 1.0, 5), (1.0, 2.0, 1)])
def test_impossible_searches_are_refused(low, high, factors):
    net, w = planted_minimum(torch.Generator().manual_seed(0), (4, 6, 2), 3)
    with pytest.raises(OutOfDomain, match="0 < low < high and factors ≥ 2"):
        largest_rescaling_barrier(net, w, low, high, factors=factors)
