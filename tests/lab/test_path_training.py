"""Trained paths: the ends stay, the gradient is that of the average loss, the hill is left."""

import math

import pytest
import torch

import mc_lib as mc
from lab.path_training import Descent, _along, _spread, elastic_band, train_bezier, train_chain
from mc_lib.points import norm, to_vector

DOUBLE = torch.float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def hill(dtype=DOUBLE):
    """‖1 − w₂w₁‖² between (1, 0.2) and (0.2, 1), on one sample and on many."""
    one = torch.eye(1, dtype=dtype)
    net = mc.DeepLinear(one.expand(1, 8), one.expand(1, 8), (1,))
    return net, (one, 0.2 * one), (0.2 * one, one)


KINDS = {
    "bezier": train_bezier,
    "chain": train_chain,
    "long chain": lambda *args: train_chain(*args, bends=3),
    "band": elastic_band,
    "short band": lambda *args: elastic_band(*args, pivots=1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_stay_and_the_loss_falls(kind, dtype):
    net, u, v = hill(dtype)
    found = KINDS[kind](net, u, v, Descent(150, 0.02, momentum=0.5, batch=4), seeded())
    for end, t in ((u, 0.0), (v, 1.0)):
        assert all(torch.equal(x, y) for x, y in zip(found.curve(t), end, strict=True))
    t = torch.linspace(0, 1, 21, dtype=dtype)
    straight = float(net.loss(mc.Line(u, v)(t)).mean())
    assert float(net.loss(found.curve(t)).mean()) < 0.8 * straight
    assert found.losses.shape == (150,) and found.losses.dtype == dtype
    assert found.losses[-20:].mean() < found.losses[:20].mean()


@pytest.mark.parametrize(
    ("kind", "gradients"),
    [("bezier", 10), ("chain", 10), ("long chain", 10), ("band", 90), ("short band", 10)],
)
def test_gradients_are_counted_one_a_point(kind, gradients):
    net, u, v = hill()
    assert KINDS[kind](net, u, v, Descent(10, 0.01), seeded()).gradients == gradients


def test_one_step_on_the_bend_is_one_step_down_the_loss_at_a_random_time():
    net, u, v = hill()
    how = Descent(1, 0.01)
    found = train_bezier(net, u, v, how, seeded(3)).curve
    t = float(torch.rand(1, generator=seeded(3), dtype=DOUBLE))
    middle = tuple((x + y) / 2 for x, y in zip(u, v, strict=True))
    a, b = (
        float((1 - t) ** 2 * x + 2 * t * (1 - t) * m + t**2 * y)
        for x, m, y in zip(u, middle, v, strict=True)
    )
    rest, share = 1 - a * b, 2 * t * (1 - t)  # L = 8 (1 − ab)², dL/db-coordinates by hand
    want = [float(middle[0]) + 0.16 * rest * b * share, float(middle[1]) + 0.16 * rest * a * share]
    assert [float(x) for x in found.bend] == pytest.approx(want, rel=1e-9)


def test_one_step_on_the_corner_of_a_chain():
    net, u, v = hill()
    found = train_chain(net, u, v, Descent(1, 0.01), seeded(3)).curve
    t = float(torch.rand(1, generator=seeded(3), dtype=DOUBLE))
    share = 2 * t if t < 0.5 else 2 - 2 * t
    end = u if t < 0.5 else v
    a, b = (float((1 - share) * x + share * 0.6) for x in end)
    rest = 1 - a * b
    want = [0.6 + 0.16 * rest * b * share, 0.6 + 0.16 * rest * a * share]
    assert [float(x) for x in found.points[1]] == pytest.approx(want, rel=1e-9)


def test_the_same_seed_gives_the_same_path():
    net, u, v = hill()
    how = Descent(20, 0.01, batch=2)
    a, b = (to_vector(train_bezier(net, u, v, how, seeded(1)).curve.bend) for _ in range(2))
    assert torch.equal(a, b)
    other = to_vector(train_bezier(net, u, v, how, seeded(2)).curve.bend)
    assert not torch.equal(a, other)


def test_momentum_carries_the_band_on(dtype):
    net, u, v = hill(dtype)
    slow, fast = (
        elastic_band(net, u, v, Descent(10, 0.005, momentum=m), seeded(), pivots=1).curve(0.5)
        for m in (0.0, 0.9)
    )
    assert float(slow[0]) < float(fast[0])


# -- the band's two rules -------------------------------------------------------
def test_pivots_are_spread_at_equal_distances():
    band = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0], [1.0, 4.0]], dtype=DOUBLE)
    found = _spread(band)
    assert torch.allclose(found[1:3], torch.tensor([[1.0, 2 / 3], [1.0, 7 / 3]], dtype=DOUBLE))
    assert torch.equal(found[0], band[0]) and torch.equal(found[-1], band[-1])


def test_the_direction_of_the_band_is_that_of_the_higher_neighbour():
    band = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype=DOUBLE)
    slope = torch.tensor([[5.0, 7.0]], dtype=DOUBLE)
    for heights, want in (([1.0, 0.0, 2.0], [[0.0, 7.0]]), ([2.0, 0.0, 1.0], [[5.0, 0.0]])):
        found = _along(band, torch.tensor(heights, dtype=DOUBLE), slope)
        assert found.tolist() == want


# -- what is refused --------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "settings",
    [(0, 0.1), (5, 0.0), (5, math.inf), (5, 0.1, 1.0), (5, 0.1, -0.1)],
)
def test_settings_out_of_range(settings):
    with pytest.raises(
        mc.errors.OutOfDomain, match=r"steps ≥ 1, rate > 0 and momentum in \[0, 1\)"
    ):
        Descent(*settings)


@pytest.mark.bad_input
def test_an_empty_mini_batch_is_refused():
    with pytest.raises(mc.errors.OutOfDomain, match="one column or more, got 0"):
        Descent(5, 0.1, batch=0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("train", "message"),
    [
        pytest.param(
            lambda *args: train_chain(*args, bends=0), "one corner or more, got 0", id="chain"
        ),
        pytest.param(
            lambda *args: elastic_band(*args, pivots=0), "one pivot or more, got 0", id="band"
        ),
    ],
)
def test_a_path_without_a_point_to_train_is_refused(train, message):
    with pytest.raises(mc.errors.OutOfDomain, match=message):
        train(*hill(), Descent(50, 0.1), seeded())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("ends", "message"),
    [
        pytest.param(lambda u, v: (u[:1], v), "expected a tuple of weights", id="start"),
        pytest.param(lambda u, v: (u, v[:1]), "expected a tuple of weights", id="end"),
        pytest.param(
            lambda u, v: (u, tuple(x[None] for x in v)),
            r"shapes \[\(1, 1\), \(1, 1\)\] and \[\(1, 1, 1\), \(1, 1, 1\)\]",
            id="batch",
        ),
    ],
)
def test_ends_that_do_not_fit_are_refused(ends, message):
    net, u, v = hill()
    with pytest.raises(mc.errors.ShapeMismatch, match=message):
        train_bezier(net, *ends(u, v), Descent(50, 0.1), seeded())


@pytest.mark.bad_input
def test_ends_of_different_trees_are_refused():
    class Size:
        """The squared norm of any tree."""

        def loss(self, w):
            return norm(w).square()

    one = torch.ones(1)
    with pytest.raises(mc.errors.ShapeMismatch, match="different trees"):
        train_bezier(Size(), (one,), {"w": one}, Descent(50, 0.1), seeded())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("train", "message"),
    [
        pytest.param(train_bezier, "rate 1000.0 is too large|leaves the range", id="bezier"),
        pytest.param(elastic_band, "rate 1000.0 is too large|leaves the range", id="band"),
    ],
)
def test_a_rate_too_large_is_refused(train, message):
    with pytest.raises(mc.McLibError, match=message):
        train(*hill(), Descent(500, 1000.0), seeded())
