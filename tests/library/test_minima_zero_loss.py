"""Membership of the minimum, by the loss relative to the size of the targets."""

import pytest
import torch

from mc_lib.errors import NotAMinimum, RankDeficient
from mc_lib.minima import relative_loss, require_minimum, sample
from mc_lib.networks import DeepLinear

ONE = torch.eye(1, dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def test_a_point_is_a_minimum_up_to_the_tolerance_of_its_dtype(dtype):
    cut = {torch.float32: 1e-7, torch.float64: 1e-16}[dtype]
    three = 3 * torch.eye(1, dtype=dtype)  # ‖Y‖² = 9: the tolerance is relative
    net = DeepLinear(three, three, (1,))
    one = torch.eye(1, dtype=dtype)
    require_minimum(net, (one, one * (1 + 0.9 * cut**0.5)))
    with pytest.raises(NotAMinimum):
        require_minimum(net, (one, one * (1 + 1.2 * cut**0.5)))
    require_minimum(net, (one, one * 2), rtol=1.0)
    with pytest.raises(NotAMinimum):
        require_minimum(net, (one, one * 2), rtol=0.999)


def test_relative_loss_is_the_worst_of_the_batch_over_the_size_of_y():
    w = (ONE, torch.stack([ONE, 2 * ONE, -ONE]))  # Y = 3: losses 4, 1, 16
    plain = DeepLinear(ONE, 3 * ONE, (1,))
    assert relative_loss(plain, w) == 16 / 9


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_a_point_off_the_minimum_is_refused_with_its_loss():
    net = DeepLinear(EYE, 2 * EYE, (2,))  # ‖Y‖² = 8
    with pytest.raises(NotAMinimum) as error:
        require_minimum(net, (EYE, torch.stack([2 * EYE, EYE])))
    assert str(error.value) == "loss 2 is above 8e-16 = 1e-16 ‖Y‖²: not on the minimum"


@pytest.mark.bad_input
def test_relative_loss_needs_a_target():
    with pytest.raises(RankDeficient, match="Y = 0"):
        relative_loss(DeepLinear(ONE, 0 * ONE, (1,)), (ONE, ONE))


@pytest.mark.bad_input
def test_a_sample_too_ill_conditioned_to_have_zero_loss_is_refused():
    refused = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        net = DeepLinear.square(3, 6, generator)
        try:
            require_minimum(net, sample(net, generator, condition=1e12))
        except RankDeficient as error:
            assert "smaller condition number or another scale than {'condition':" in str(error)
            refused += 1
    assert 0 < refused < 20
