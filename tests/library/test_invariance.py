"""A checker of symmetries: it passes the true ones, and refutes every broken one."""

import dataclasses

import pytest
import torch

from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.invariance import measure_invariance
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.minima import sample
from mc_lib.networks import DeepLinear
from mc_lib.symmetry import Symmetry

ONE = torch.ones(1, 1, dtype=torch.float64)
SCALAR = Symmetry.chain([Layer(GeneralLinear(1))])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(dtype=torch.float64, widths=(4, 5)):
    x, y = (torch.randn(n, 7, generator=seeded(n), dtype=dtype) for n in (3, 2))
    return DeepLinear(x, y, widths)


def weights(net):
    pairs = zip(net.sizes, net.sizes[1:], strict=False)
    return tuple(
        torch.randn(out, into, generator=seeded(i), dtype=net.X.dtype)
        for i, (into, out) in enumerate(pairs)
    )


def only(axes):
    """The chain of two layers with its table of axes changed."""
    table = Symmetry.chain([Layer(GeneralLinear(4)), Layer(GeneralLinear(5))])
    return dataclasses.replace(table, weights=axes)


A, B = "layer 1", "layer 2"


# -- true symmetries -----------------------------------------------------------
def test_a_linear_network_is_invariant(dtype):
    net = network(dtype)
    found = measure_invariance(net.loss, net.symmetry, weights(net), seeded())
    assert found.holds
    assert found.worst < {torch.float32: 1e-5, torch.float64: 1e-13}[dtype]
    assert found.tolerance == {torch.float32: 1e-4, torch.float64: 1e-10}[dtype]


def test_the_worst_element_makes_the_change_that_is_reported():
    net = network()
    broken = only(((Into(A), Fixed()), (Into(B), Fixed()), (Fixed(), OutOf(B))))
    w = weights(net)
    found = measure_invariance(net.loss, broken, w, seeded(), samples=5)
    assert found.loss == float(net.loss(w))
    assert found.moved_loss == float(net.loss(broken.act(found.element, w)))
    g = broken.group.sample(seeded(), (5,), condition=10.0)
    changes = [
        abs(float(net.loss(broken.act(tuple(x[s] for x in g), w))) - found.loss) for s in range(5)
    ]
    losses = [float(net.loss(broken.act(tuple(x[s] for x in g), w))) for s in range(5)]
    assert found.scale == max([found.loss, *losses])
    assert found.worst == max(changes) / found.scale
    assert [x.shape for x in found.element] == [(4, 4), (5, 5)]
    at = changes.index(max(changes))
    assert torch.equal(found.element[0], g[0][at])


def test_the_default_scale_takes_negative_losses_by_their_size():
    found = measure_invariance(lambda w: -3 * w[1] @ w[0], SCALAR, (ONE, ONE), seeded())
    assert found.holds
    assert found.scale == pytest.approx(3.0)
    assert found.loss == -3.0


def test_a_loss_that_vanishes_everywhere_is_invariant():
    found = measure_invariance(lambda w: 0 * w[0], SCALAR, (ONE, ONE), seeded())
    assert (found.holds, found.worst, found.scale) == (True, 0.0, 0.0)


def test_a_loss_may_be_a_plain_number():
    assert measure_invariance(lambda w: 2.0, SCALAR, (ONE, ONE), seeded()).loss == 2.0


def test_at_a_minimum_the_scale_is_that_of_the_targets():
    """There L is rounding error, which changes by its own size: the default cannot judge."""
    x = torch.randn(3, 5, generator=seeded(1), dtype=torch.float64)
    net = DeepLinear(x, torch.randn(4, 3, generator=seeded(2), dtype=torch.float64) @ x, (3, 4))
    w = sample(net, seeded(3))
    by_loss = measure_invariance(net.loss, net.symmetry, w, seeded())
    assert not by_loss.holds
    assert by_loss.scale < 1e-20
    scale = float(net.Y.square().sum())
    by_targets = measure_invariance(net.loss, net.symmetry, w, seeded(), scale=scale)
    assert by_targets.holds
    assert by_targets.scale == scale
    assert by_targets.worst < 1e-24


def test_the_tolerance_is_reached_and_not_exceeded():
    """L(w) = W_1 changes by |g − 1|: a change equal to rtol passes, one above it does not."""
    options = {"samples": 1, "scale": 1.0}
    worst = measure_invariance(lambda w: w[0], SCALAR, (ONE, ONE), seeded(), **options).worst
    for rtol, holds in ((worst, True), (worst * (1 - 1e-12), False), (0.0, False)):
        found = measure_invariance(
            lambda w: w[0], SCALAR, (ONE, ONE), seeded(), rtol=rtol, **options
        )
        assert found.holds is holds
        assert found.tolerance == rtol


def test_the_condition_reaches_the_group():
    found = measure_invariance(lambda w: w[0], SCALAR, (ONE, ONE), seeded(), condition=1.0)
    assert {abs(float(x)) for x in found.element} == {1.0}
    wide = measure_invariance(lambda w: w[0], SCALAR, (ONE, ONE), seeded(), condition=1e6)
    assert abs(float(wide.element[0])) > 10


def test_the_same_seed_finds_the_same_element():
    a, b = (measure_invariance(lambda w: w[0], SCALAR, (ONE, ONE), seeded(7)) for _ in range(2))
    assert torch.equal(a.element[0], b.element[0])
    assert a.worst == b.worst


# -- negative controls ---------------------------------------------------------
@pytest.mark.parametrize(
    "axes",
    [
        ((Into(A), Fixed()), (Into(B), Fixed()), (Fixed(), OutOf(B))),  # an inverse dropped
        ((Into(A), Fixed()), (Into(B), OutOf(A)), (Fixed(), Fixed())),  # another one
        ((Fixed(), Fixed()), (Into(B), OutOf(A)), (Fixed(), OutOf(B))),  # a factor dropped
        ((Into(A), Fixed()), (OutOf(B), OutOf(A)), (Fixed(), OutOf(B))),  # in for out
    ],
)
def test_a_broken_table_is_refuted(axes):
    net = network()
    found = measure_invariance(net.loss, only(axes), weights(net), seeded())
    assert not found.holds
    assert found.worst > 0.1


@pytest.mark.bad_input
def test_an_activation_breaks_the_general_linear_symmetry():
    net = network()

    def loss(w):
        return (net.Y - w[2] @ torch.tanh(w[1] @ torch.tanh(w[0] @ net.X))).square().sum()

    found = measure_invariance(loss, net.symmetry, weights(net), seeded())
    assert not found.holds
    assert float(loss(net.symmetry.act(found.element, weights(net)))) == found.moved_loss
    assert measure_invariance(loss, net.symmetry, weights(net), seeded(), rtol=2.0).holds


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, r"samples ≥ 1 and a finite rtol ≥ 0, got 0 and 1e-10"),
        ({"rtol": -1e-3}, r"got 16 and -0.001"),
        ({"rtol": float("nan")}, r"got 16 and nan"),
        ({"rtol": float("inf")}, r"got 16 and inf"),
        ({"scale": 0.0}, r"the scale of a loss is a positive number, got 0.0"),
        ({"scale": float("nan")}, r"positive number, got nan"),
        ({"scale": float("inf")}, r"positive number, got inf"),
    ],
)
def test_options_outside_their_domain_are_named(options, message):
    with pytest.raises(OutOfDomain, match=message):
        measure_invariance(lambda w: w[0], SCALAR, (ONE, ONE), seeded(), **options)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("loss", "message"),
    [
        pytest.param(lambda w: w[0] * float("nan"), r"the loss at w is nan", id="at w"),
        pytest.param(
            lambda w: 1 / (w[0] == 1).to(ONE), r"the loss at g·w \(sample 0\) is inf", id="at gw"
        ),
    ],
)
def test_a_loss_that_is_not_finite_is_refused(loss, message):
    with pytest.raises(NotFinite, match=message):
        measure_invariance(loss, SCALAR, (ONE, ONE), seeded())


@pytest.mark.bad_input
def test_a_loss_that_is_not_one_number_is_refused():
    with pytest.raises(ShapeMismatch, match=r"the loss at w is one number, got shape \(2, 1, 1\)"):
        measure_invariance(lambda w: w[0], SCALAR, (torch.stack([ONE, ONE]), ONE), seeded())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w", "error", "message"),
    [
        pytest.param(
            (ONE,),
            ShapeMismatch,
            r"acts on the weights \[0, 1\], the point has \[0\]",
            id="one weight",
        ),
        pytest.param(
            (ONE, ONE * float("inf")),
            NotFinite,
            "the point: 1 of the 1 entries of tensor 1",
            id="infinite",
        ),
    ],
)
def test_a_point_that_does_not_fit_the_symmetry_is_refused(w, error, message):
    with pytest.raises(error, match=message):
        measure_invariance(lambda w: w[0], SCALAR, w, seeded())
