"""Arguments that are no tensors: what counts as a number, an integer, a batch, a class."""

import numpy as np
import pytest
import torch

from mc_lib.errors import OutOfDomain
from mc_lib.kinds import require_batch, require_count, require_kind, require_number


@pytest.mark.parametrize(
    "x", [2, 2.5, -1e300, float("nan"), np.float32(2), np.int64(3), torch.tensor(2.0)]
)
def test_what_is_one_real_number(x):
    require_number(x, "x")


def test_what_is_a_count_a_batch_and_of_a_class():
    require_count(1, "x")
    require_count(np.int64(0), "x", least=0)
    require_batch((2, 0))
    require_batch(torch.zeros(2, 3).shape)
    require_kind(torch.Generator(), torch.Generator, "x")


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "x",
    [
        *(None, "2", [2.0], True, 1j, np.eye(2), object),
        *(torch.tensor(True), torch.tensor(1j), torch.ones(2), torch.ones(1, device="meta")),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_is_no_number(x):
    with pytest.raises(TypeError, match=f"^x is a number, got a {type(x).__name__}$"):
        require_number(x, "x")


@pytest.mark.bad_input
def test_integers_may_be_too_large_for_a_float():
    with pytest.raises(OutOfDomain, match="^x is an integer too large for a float$"):
        require_number(10**400, "x")


@pytest.mark.bad_input
@pytest.mark.parametrize("x", [1.0, "1", True, None, torch.tensor(1)])
def test_what_is_no_count(x):
    with pytest.raises(TypeError, match="^x is an integer, got an? "):
        require_count(x, "x")


@pytest.mark.bad_input
def test_counts_and_batches_have_a_least_size():
    with pytest.raises(OutOfDomain, match="^x is 2 or more, got 1$"):
        require_count(1, "x", 2)
    with pytest.raises(OutOfDomain, match="a size of the batch is 0 or more, got -1"):
        require_batch((2, -1))
    with pytest.raises(TypeError, match="^the batch is a tuple, got an int$"):
        require_batch(2)


@pytest.mark.bad_input
def test_the_message_names_both_classes():
    with pytest.raises(TypeError, match="^the generator is a Generator, got an int$"):
        require_kind(0, torch.Generator, "the generator")
