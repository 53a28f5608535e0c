"""Parameter space is a Euclidean space: exact values, its laws, and what it refuses."""

import math

import numpy as np
import optree
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import DtypeMismatch, NotFinite, ShapeMismatch
from mc_lib.points import (
    distance,
    from_vector,
    inner,
    leaves,
    lerp,
    norm,
    require_point,
    require_same_tree,
    times_like,
    to_vector,
)

EPS = {torch.float32: 1e-6, torch.float64: 1e-14}


def point(seed, *, batch=(), dtype=torch.float64, named=False):
    """A random point of a space of dimension 6 + 8 + 2."""
    generator = torch.Generator().manual_seed(seed)
    w, v, b = (
        torch.randn(*batch, *shape, generator=generator, dtype=dtype)
        for shape in ((3, 2), (2, 2, 2), (2,))
    )
    return {"out": v, "into": {"w": w, "b": b}} if named else (w, v, b)


def scaled(c, w):
    return optree.tree_map(lambda x: c * x, w)


def plus(u, v):
    return optree.tree_map(torch.add, u, v)


# -- exact values --------------------------------------------------------------
def test_values_known_by_hand(dtype):
    u = (torch.tensor([[1.0, 2.0]], dtype=dtype), torch.tensor([[3.0]], dtype=dtype))
    v = (torch.tensor([[4.0, -5.0]], dtype=dtype), torch.tensor([[6.0]], dtype=dtype))
    assert float(inner(u, v)) == 12.0
    assert float(norm(u)) == pytest.approx(math.sqrt(14))
    assert float(distance(u, v)) == pytest.approx(math.sqrt(9 + 49 + 9))
    assert to_vector(u).tolist() == [1.0, 2.0, 3.0]
    assert all(x.dtype == dtype for x in (inner(u, v), norm(u), distance(u, v), to_vector(u)))


def test_the_entries_of_a_dict_come_in_the_order_of_its_keys():
    w = {"z": torch.tensor([1.0]), "a": {"y": torch.tensor([2.0]), "b": torch.tensor([3.0])}}
    assert to_vector(w).tolist() == [3.0, 2.0, 1.0]
    assert [float(x) for x in leaves(w)] == [3.0, 2.0, 1.0]


# -- laws ----------------------------------------------------------------------
@given(st.integers(0, 99), st.floats(-3, 3), st.floats(-3, 3), st.booleans())
def test_the_inner_product_is_bilinear_and_symmetric(seed, a, b, named):
    u, v, w = (point(seed + 100 * i, named=named) for i in range(3))
    left = inner(plus(scaled(a, u), scaled(b, v)), w)
    torch.testing.assert_close(left, a * inner(u, w) + b * inner(v, w), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(inner(u, v), inner(v, u))
    torch.testing.assert_close(inner(u, u), norm(u).square())


@given(st.integers(0, 99), st.floats(-3, 3), st.booleans())
def test_the_norm_and_the_distance_are_a_norm_and_a_distance(seed, a, named):
    u, v, w = (point(seed + 100 * i, named=named) for i in range(3))
    torch.testing.assert_close(norm(scaled(a, u)), abs(a) * norm(u))
    assert norm(plus(u, v)) <= (norm(u) + norm(v)) * (1 + 1e-12)
    assert abs(inner(u, v)) <= norm(u) * norm(v) * (1 + 1e-12)
    assert distance(u, w) <= (distance(u, v) + distance(v, w)) * (1 + 1e-12)
    assert distance(u, u) == 0
    assert distance(u, v) == distance(v, u) > 0
    torch.testing.assert_close(
        distance(u, v).square(), norm(u).square() + norm(v).square() - 2 * inner(u, v)
    )


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("named", [False, True])
def test_from_vector_inverts_to_vector(batch, named, dtype):
    w = point(1, batch=batch, dtype=dtype, named=named)
    vector = to_vector(w, len(batch))
    assert vector.shape == (*batch, 16)
    back = from_vector(vector, like=point(2, dtype=dtype, named=named))
    assert optree.tree_structure(back) == optree.tree_structure(w)
    assert all(map(torch.equal, leaves(back), leaves(w)))
    assert torch.equal(to_vector(back, len(batch)), vector)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,)])
def test_a_batch_is_a_loop(batch, dtype):
    u, v = (point(seed, batch=batch, dtype=dtype) for seed in (1, 2))
    d = len(batch)
    naive = {
        inner: sum((a * b).flatten(d).sum(-1) for a, b in zip(u, v, strict=True)),
        distance: sum((a - b).square().flatten(d).sum(-1) for a, b in zip(u, v, strict=True)),
    }
    torch.testing.assert_close(inner(u, v, d), naive[inner], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(distance(u, v, d), naive[distance].sqrt(), rtol=1e-5, atol=0)
    assert norm(u, d).shape == batch


def test_without_batch_dimensions_a_batch_is_one_long_vector():
    w = point(1, batch=(3,))
    assert to_vector(w).shape == (48,)
    assert norm(w).shape == ()
    torch.testing.assert_close(norm(w).square(), norm(w, 1).square().sum())


def test_an_empty_tensor_adds_nothing():
    w = (torch.zeros(0, 3), torch.ones(2, 2))
    assert to_vector(w).tolist() == [1.0] * 4
    assert [x.shape for x in from_vector(torch.ones(5, 4), w)] == [(5, 0, 3), (5, 2, 2)]


# -- lerp ----------------------------------------------------------------------
@given(st.integers(0, 99), st.booleans(), st.booleans())
def test_lerp_meets_its_endpoints_to_the_last_bit(seed, single, named):
    dtype = torch.float32 if single else torch.float64
    u, v = (point(seed + 100 * i, dtype=dtype, named=named) for i in range(2))
    ends = lerp(u, v, torch.tensor([0.0, 1.0], dtype=dtype))
    assert optree.tree_structure(ends) == optree.tree_structure(u)
    for line, a, b in zip(leaves(ends), leaves(u), leaves(v), strict=True):
        assert torch.equal(line[0], a)
        assert torch.equal(line[1], b)


def test_lerp_has_the_shape_of_its_times(dtype):
    u, v = (point(seed, dtype=dtype) for seed in (1, 2))
    t = torch.tensor([[-1.0, 0.0, 0.25], [0.5, 1.0, 2.0]], dtype=torch.float64)
    line = lerp(u, v, t)
    for x, a, b in zip(line, u, v, strict=True):
        assert x.shape == (2, 3, *a.shape)
        assert x.dtype == dtype
        for i in range(2):
            for j in range(3):
                torch.testing.assert_close(x[i, j], a + float(t[i, j]) * (b - a))
    assert lerp(u, v, torch.tensor(0.5))[0].shape == (3, 2)
    assert lerp(u, v, torch.zeros(0))[0].shape == (0, 3, 2)


@pytest.mark.parametrize("t", [0, 1, 0.25, -3])
def test_lerp_takes_a_number(t, dtype):
    u, v = (point(seed, dtype=dtype) for seed in (1, 2))
    expected = lerp(u, v, torch.tensor(float(t), dtype=dtype))
    assert all(map(torch.equal, lerp(u, v, t), expected))
    assert times_like(t, u[0]).dtype == dtype


def test_lerp_continues_under_vmap():
    u, v = point(1), point(2)
    t = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64)
    for x, y in zip(torch.func.vmap(lambda s: lerp(u, v, s))(t), lerp(u, v, t), strict=True):
        torch.testing.assert_close(x, y)


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w", "error", "message"),
    [
        pytest.param(
            (1.0,), DtypeMismatch, "the point: expected tensors, got a float", id="a number"
        ),
        pytest.param(
            (), ShapeMismatch, "the point: expected at least one tensor, got none", id="nothing"
        ),
    ],
)
def test_what_is_not_a_tree_of_tensors_is_refused(w, error, message):
    with pytest.raises(error, match=message):
        require_point(w)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("v", "message"),
    [
        pytest.param(
            (torch.zeros(3, 2),), r"shapes \[\(2, 3\)\] and \[\(3, 2\)\]", id="another shape"
        ),
        pytest.param(
            {"a": torch.zeros(3, 2)},
            r"different trees: .*\(\*,\).* and .*'a'.*",
            id="another tree",
        ),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        inner,
        distance,
        require_same_tree,
        pytest.param(lambda a, b: lerp(a, b, torch.zeros(1)), id="lerp"),
    ],
)
def test_points_of_different_spaces_are_refused(function, v, message):
    with pytest.raises(ShapeMismatch, match=message):
        function((torch.zeros(2, 3),), v)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w", "batch_ndim", "message"),
    [
        pytest.param(
            (torch.zeros(2, 3), torch.zeros(3, 3)),
            1,
            r"1 batch .* got shapes \[\(2, 3\), \(3, 3\)\]",
            id="not shared",
        ),
        pytest.param(
            (torch.zeros(2, 3),), 3, r"expected 3 batch dimensions .* \[\(2, 3\)\]", id="too many"
        ),
    ],
)
def test_batches_that_are_not_shared_are_refused(w, batch_ndim, message):
    with pytest.raises(ShapeMismatch, match=message):
        to_vector(w, batch_ndim)


def test_all_dimensions_may_be_batch():
    assert to_vector((torch.zeros(2, 3),), 2).shape == (2, 3, 1)


@pytest.mark.bad_input
def test_a_vector_of_the_wrong_length_is_refused():
    with pytest.raises(ShapeMismatch, match=r"shape \(2, 5\) does not hold the 4 entries"):
        from_vector(torch.zeros(2, 5), (torch.zeros(2, 2),))


NO_POINTS = {
    "an array": (np.ones(2), "got a ndarray; torch.as_tensor makes a tensor of it"),
    "a list of numbers": ([1.0, 2.0], r"got a float \(tensor 0( of the first)?\)"),
    "a number": (3, "got an? int"),
    "integers": ((torch.ones(2, dtype=torch.int64),), "dtype torch.int64 .* counts or indexes"),
    "half": ((torch.ones(2).half(),), "dtype torch.float16 is not supported: use torch.float64"),
    "complex": ((torch.ones(2) * 1j,), "dtype torch.complex128 is not supported"),
    "sparse": ((torch.eye(2).to_sparse(),), r"layout torch.sparse_coo: .* with .to_dense\(\)"),
    "meta": ((torch.ones(2, device="meta"),), "a tensor on the device meta holds no numbers"),
    "two dtypes": ((torch.ones(2).double(), torch.ones(2).float()), "mixed dtypes .*convert them"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize(("w", "message"), NO_POINTS.values(), ids=NO_POINTS)
@pytest.mark.parametrize(
    "function",
    [
        norm,
        to_vector,
        require_point,
        pytest.param(lambda w: inner(w, w), id="inner"),
        pytest.param(lambda w: distance(w, w), id="distance"),
        pytest.param(lambda w: lerp(w, w, 0.5), id="lerp"),
    ],
)
def test_what_is_no_point_is_refused(function, w, message):
    with pytest.raises(DtypeMismatch, match=message):
        function(w)


@pytest.mark.bad_input
@pytest.mark.parametrize("function", [inner, distance, require_same_tree])
def test_points_of_two_dtypes_are_refused(function):
    w = (torch.ones(2).double(),)
    with pytest.raises(DtypeMismatch, match="the two points: mixed dtypes"):
        function(w, (w[0].float(),))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("t", "message"),
    [
        (None, "got a NoneType"),
        (True, "got a bool"),
        ("0.5", "got a str"),
        (torch.tensor(1), "got a tensor of torch.int64"),
        (torch.eye(2).to_sparse(), "a dense tensor with entries, got torch.sparse_coo on cpu"),
        (torch.zeros(1, device="meta"), "a dense tensor with entries, got torch.strided on meta"),
    ],
)
def test_lerp_refuses_what_is_no_time(t, message):
    with pytest.raises(DtypeMismatch, match=message):
        lerp((torch.zeros(1),), (torch.ones(1),), t)


@pytest.mark.bad_input
def test_lerp_refuses_to_leave_the_dtype():
    u, v = ((torch.tensor([x], dtype=torch.float64),) for x in (1e308, -1e308))
    assert lerp(u, v, 0.5)[0] == 0
    for t in (3.0, -2, torch.tensor([0.0, 3.0])):
        with pytest.raises(NotFinite, match="leaves the range of torch.float64 outside"):
            lerp(u, v, t)
    with pytest.raises(NotFinite, match="t is an integer too large for a float"):
        lerp(u, v, 10**400)


@pytest.mark.bad_input
@pytest.mark.parametrize("batch_ndim", [-1, 2])
def test_batch_dimensions_are_counted_from_0(batch_ndim):
    with pytest.raises(ShapeMismatch, match=f"expected {batch_ndim} batch dimensions"):
        norm((torch.zeros(2),), batch_ndim)
