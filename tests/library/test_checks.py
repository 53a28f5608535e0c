"""What is checked before anything is computed: numbers, dtypes, devices, shapes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.checks import (
    TOLERANCE,
    Tolerance,
    all_finite,
    broadcast_shapes,
    is_dense,
    require_real,
    require_tensors,
    tolerance,
)
from mc_lib.errors import DtypeMismatch, NotFinite

HUGE = torch.finfo(torch.float64).max


SHAPES = st.lists(st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=3).map(tuple), max_size=3)


# -- finite entries ------------------------------------------------------------
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


# -- shapes --------------------------------------------------------------------
@given(SHAPES)
def test_shapes_broadcast_as_torch_says(shapes):
    try:
        expected = tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError:
        with pytest.raises(ValueError, match="broadcast"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*map(torch.Size, shapes)) == expected


# -- dtypes --------------------------------------------------------------------
def test_the_tolerances_are_the_stated_ones():
    assert tolerance(torch.float64) == Tolerance(equal=1e-10, zero_loss=1e-16, rank=1e-12)
    assert tolerance(torch.float32) == Tolerance(equal=1e-4, zero_loss=1e-7, rank=1e-5)
    assert set(TOLERANCE) == {torch.float32, torch.float64}


OTHERS = [torch.float16, torch.bfloat16, torch.int64, torch.complex128]


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", OTHERS)
def test_other_dtypes_have_no_tolerance(bad):
    with pytest.raises(DtypeMismatch, match=rf"dtype {bad} is not supported: use torch.float64"):
        tolerance(bad)


# -- tensors -------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize("bad", OTHERS)
def test_other_dtypes_are_refused(bad):
    with pytest.raises(DtypeMismatch, match=rf"X: dtype {bad} is not supported"):
        require_tensors([torch.zeros(1), torch.zeros(1, dtype=bad)], "X")


@pytest.mark.bad_input
def test_what_is_not_a_tensor_is_refused():
    with pytest.raises(DtypeMismatch, match="the weights: expected tensors, got a list"):
        require_tensors([[1.0, 2.0]])


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param(
            {"dtype": torch.float64},
            r"mixed dtypes \['torch.float32', 'torch.float64'\]; convert",
            id="dtypes",
        ),
        pytest.param({"device": "meta"}, r"mixed devices \['cpu', 'meta'\]", id="devices"),
    ],
)
def test_mixed_dtypes_and_devices_are_refused(other, message):
    with pytest.raises(DtypeMismatch, match=message):
        require_tensors([torch.zeros(1), torch.zeros(1, **other)])


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_counted(bad):
    with pytest.raises(NotFinite, match="A: 2 of the 3 entries of tensor 1 are NaN or infinite"):
        require_tensors([torch.zeros(2), torch.tensor([bad, 0.0, bad])], "A")


@pytest.mark.bad_input
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_tensors_without_numbers_of_their_own_are_refused():
    nested = torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)])
    cases = [
        (torch.eye(2).to_sparse(), "layout torch.sparse_coo: convert it with .to_dense"),
        (nested, "expected dense tensors, got layout torch.strided"),
        (torch.zeros(1, device="meta"), "on the device meta holds no numbers"),
    ]
    for x, message in cases:
        assert is_dense(x) == x.is_meta
        for refuse in (require_real, require_tensors):
            with pytest.raises(DtypeMismatch, match=message):
                refuse([x], "X")


@pytest.mark.bad_input
def test_a_message_names_the_tensor_where_there_are_several():
    with pytest.raises(DtypeMismatch, match=r"got a float \(tensor 1\)$"):
        require_real([torch.zeros(1), 1.0])
    with pytest.raises(DtypeMismatch, match="got a float$"):
        require_real([1.0])
    names = ["the first", "the second"]
    with pytest.raises(NotFinite, match="entries of the second are"):
        require_tensors([torch.zeros(1), torch.tensor([torch.inf])], "X", names.__getitem__)
    require_real([torch.tensor([torch.nan])])  # looks at no number
