"""Lipschitz constants on a tube: by hand, and never below what networks do."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib import bounds
from mc_lib.errors import DtypeMismatch, OutOfDomain, ShapeMismatch
from mc_lib.networks import HomogeneousNet, TwoLayer

F64 = torch.float64
positive = st.floats(0.01, 100)


@given(st.lists(positive, min_size=1, max_size=5), positive, positive)
def test_the_constant_of_the_output_is_the_formula(b, x, s):
    squares = [math.prod(c**2 for j, c in enumerate(b) if j != i) for i in range(len(b))]
    want = s ** (len(b) - 1) * x * math.sqrt(sum(squares))
    assert bounds.output_lipschitz(b, x, s) == pytest.approx(want, rel=1e-12)


@given(st.lists(positive, min_size=1, max_size=4), positive, positive, positive)
def test_the_constant_of_the_loss_is_the_formula(b, x, y, s):
    largest = y + s ** (len(b) - 1) * math.prod(b) * x
    want = 2 * largest * bounds.output_lipschitz(b, x, s)
    assert bounds.loss_lipschitz(b, x, y, s) == pytest.approx(want, rel=1e-12)


def test_by_hand(dtype):
    x = torch.tensor(2.0, dtype=dtype)
    found = bounds.output_lipschitz((3.0, 4.0), x)
    assert found.dtype == dtype
    assert float(found) == 10
    assert float(bounds.loss_lipschitz((3.0, 4.0), x, 1.0)) == 500
    assert bounds.output_lipschitz((7.0,), 2.0) == 2  # one layer: the norm does not matter
    assert bounds.output_lipschitz((0.0, 5.0), 2.0) == 10
    assert bounds.output_lipschitz((3.0, 4.0), 2.0, slope=0.5) == 5
    assert bounds.output_lipschitz((3.0, 4.0), 0.0) == 0  # no data, or those of zeros
    assert bounds.loss_lipschitz((3.0, 4.0), 2.0, 0.0) == 480
    assert bounds.root_loss_bound(9.0, 2.0, 0.5) == 16
    assert bounds.root_loss_bound(0.0, 2.0, 0.5) == 1


def test_a_batch_of_norms_is_a_loop(generator, dtype):
    b1, b2, b3 = 1 + torch.rand(3, 4, generator=generator, dtype=dtype)
    for f, sizes in ((bounds.output_lipschitz, (2.0,)), (bounds.loss_lipschitz, (2.0, 3.0))):
        each = torch.stack([f(b, *sizes) for b in zip(b1, b2, b3, strict=True)])
        torch.testing.assert_close(f((b1, b2, b3), *sizes), each)


def networks():
    """Networks of one to four layers with slope 1, and one of slope 3."""
    generator = torch.Generator().manual_seed(0)
    for depth, h in itertools.product((2, 3, 4), (2, 5)):
        x = torch.randn(3, 6, generator=generator, dtype=F64)
        yield HomogeneousNet(x, x[:2], (h,) * (depth - 1)), 1.0
    yield TwoLayer(x, x[:2], 4, torch.tanh), 1.0
    yield TwoLayer(x, x[:2], 4, lambda z: 3 * torch.tanh(z)), 3.0


@pytest.mark.parametrize(("net", "slope"), list(networks()))
def test_no_pair_of_a_tube_breaks_the_constants(net, slope, generator):
    ends = [net.random(generator) for _ in range(2)]
    norms = bounds.tube_norms(*ends, 0.3)
    x, y = net.X.norm(), net.Y.norm()
    f, loss = (
        bounds.output_lipschitz(norms, x, slope),
        bounds.loss_lipschitz(norms, x, y, slope),
    )
    steepest = 0.0
    for step in (1e-4, 0.3, None):
        s = torch.rand(200, 1, 1, generator=generator, dtype=F64)
        u = tuple((1 - s) * a + s * b for a, b in zip(*ends, strict=True))
        if step is None:
            v = tuple(x.flip(0) for x in u)
        else:
            noise = net.random(generator, (200,))
            size = torch.cat([n.flatten(1) for n in noise], 1).norm(dim=1)[:, None, None]
            v = tuple(a + step * n / size for a, n in zip(u, noise, strict=True))
        gap = torch.cat([(a - b).flatten(1) for a, b in zip(u, v, strict=True)], 1).norm(dim=1)
        change = (net.output(u) - net.output(v)).norm(dim=(-2, -1))
        assert bool((change <= f * gap * (1 + 1e-9) + 1e-12).all())
        assert bool(((net.loss(u) - net.loss(v)).abs() <= loss * gap * (1 + 1e-9) + 1e-12).all())
        bound = bounds.root_loss_bound(net.loss(u), f, gap)
        assert bool((net.loss(v) <= bound * (1 + 1e-9)).all())
        steepest = max(steepest, float((change / gap).max()))
    assert steepest > 0.01 * float(f)  # the constant is not absurd


def test_the_constant_is_attained_by_numbers():
    """f = W_2 W_1 at (b, a) changes by a, b in the direction (a, b): C_f exactly."""
    norms = (3.0, 4.0)
    step = 1e-6
    w = torch.tensor(norms, dtype=F64)
    direction = w.flip(0) / w.norm()
    change = float((w - step * direction).prod() - w.prod()) / step
    assert abs(change) == pytest.approx(bounds.output_lipschitz(norms, 1.0), rel=1e-6)


def test_tube_norms_by_hand(dtype):
    low = (torch.diag(torch.tensor([1.0, 2.0], dtype=dtype)), torch.ones(2, 2, dtype=dtype))
    high = (torch.diag(torch.tensor([-3.0, 0.0], dtype=dtype)), torch.zeros(2, 2, dtype=dtype))
    assert bounds.tube_norms(low, high, 0.5) == pytest.approx((3.5, 2.5), rel=1e-6)
    assert bounds.tube_norms(high, low, 0.0) == pytest.approx((3.0, 2.0), rel=1e-6)


EYE = torch.eye(2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w0", "w1", "message"),
    [
        pytest.param(EYE, torch.eye(3), r"\[\(2, 2\)\] and \[\(3, 3\)\]", id="sizes"),
        pytest.param(EYE[None], EYE[None], r"expected matrices, got \[\(1, 2, 2\)\]", id="a batch"),
    ],
)
def test_a_tube_of_what_does_not_fit_is_refused(w0, w1, message):
    with pytest.raises(ShapeMismatch, match=message):
        bounds.tube_norms((w0,), (w1,), 0.0)


@pytest.mark.bad_input
@pytest.mark.parametrize("radius", [-1.0, math.inf, math.nan])
def test_impossible_radii_are_refused(radius):
    with pytest.raises(OutOfDomain, match=f"finite number ≥ 0, got {radius}"):
        bounds.tube_norms((EYE,), (EYE,), radius)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param(
            ((), 1.0),
            OutOfDomain,
            "^give the norm of one weight or more, got none",
            id="no norm",
        ),
        pytest.param(
            ((1.0, -1.0), 1.0),
            OutOfDomain,
            "^output_lipschitz needs norms ≥ 0, got",
            id="negative norm",
        ),
        pytest.param(
            ((torch.tensor([1.0, -2.0]),), 1.0),
            OutOfDomain,
            r"norm_1 = -2 \(batch entry \(1,\)\)$",
            id="negative entry",
        ),
        pytest.param(
            ((1.0,), -1.0), OutOfDomain, "^output_lipschitz needs X_norm ≥ 0, got", id="X_norm"
        ),
        pytest.param(
            ((1.0,), 1.0, 0.0), OutOfDomain, "^output_lipschitz needs slope > 0, got", id="slope"
        ),
        pytest.param((("a",), 1.0), DtypeMismatch, "norm_1", id="text"),
    ],
)
def test_an_output_of_impossible_norms_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        bounds.output_lipschitz(*arguments)


@pytest.mark.bad_input
def test_a_loss_of_an_impossible_norm_is_refused():
    with pytest.raises(OutOfDomain, match="^loss_lipschitz needs Y_norm ≥ 0, got"):
        bounds.loss_lipschitz((1.0,), 1.0, -1.0)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["level", "lipschitz", "deviation"])
def test_a_bound_of_a_negative_number_is_refused(name):
    ones = {"level": 1.0, "lipschitz": 1.0, "deviation": 1.0}
    with pytest.raises(OutOfDomain, match=f"^root_loss_bound needs {name} ≥ 0, got"):
        bounds.root_loss_bound(**(ones | {name: -1.0}))
