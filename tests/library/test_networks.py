"""The linear network: its output, its loss, its symmetry, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.networks import DeepLinear, ResidualLinear, partial_products

EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(sizes, k, *, seed=0, dtype=torch.float64):
    x, y = (torch.randn(n, k, generator=seeded(seed), dtype=dtype) for n in (sizes[0], sizes[-1]))
    return DeepLinear(x, y, tuple(sizes[1:-1]))


def weights(net, *, seed=1, batch=()):
    generator = seeded(seed)
    return tuple(
        torch.randn(*batch, out, into, generator=generator, dtype=net.X.dtype)
        for into, out in zip(net.sizes, net.sizes[1:], strict=False)
    )


@given(st.lists(st.integers(1, 5), min_size=3, max_size=6), st.integers(0, 3), st.integers(0, 99))
def test_output_and_loss_are_those_of_numpy(sizes, extra, seed):
    net = network(sizes, sizes[0] + extra, seed=seed)
    w = weights(net, seed=seed)
    want = np.linalg.multi_dot([x.numpy() for x in (*w[::-1], net.X)])
    np.testing.assert_allclose(net.output(w).numpy(), want, rtol=1e-10, atol=1e-10)
    loss = sum((a - b) ** 2 for a, b in zip(net.Y.numpy().flat, want.flat, strict=True))
    assert float(net.loss(w)) == pytest.approx(loss, rel=1e-10)


def test_a_batch_is_a_loop_and_batches_broadcast(dtype):
    net = network((3, 4, 2), 5, dtype=dtype)
    w = weights(net, batch=(6, 7))
    assert net.output(w).shape == (6, 7, 2, 5)
    assert net.loss(w).shape == (6, 7)
    assert net.loss(w).dtype == dtype
    torch.testing.assert_close(net.loss(w)[4, 2], net.loss(tuple(x[4, 2] for x in w)))
    mixed = (w[0][:, :1], w[1][0])
    assert net.loss(mixed).shape == (6, 7)
    torch.testing.assert_close(net.loss(mixed)[4, 2], net.loss((w[0][4, 0], w[1][0, 2])))


def test_sizes_and_depth():
    net = network((3, 5, 7, 2), 4)
    assert net.sizes == (3, 5, 7, 2)
    assert net.depth == 3
    assert net.widths == (5, 7)


def test_partial_products_multiply_from_the_right():
    a, b, c = (torch.randn(2, 2, generator=seeded(i), dtype=torch.float64) for i in range(3))
    p = partial_products((a, b, c))
    assert len(p) == 3
    torch.testing.assert_close(torch.stack(p), torch.stack([a, b @ a, c @ b @ a]))


@given(st.lists(st.integers(1, 5), min_size=3, max_size=6), st.integers(0, 99))
def test_the_symmetry_keeps_every_partial_output(sizes, seed):
    net = network(sizes, sizes[0] + 1, seed=seed)
    w, g = weights(net, seed=seed), net.symmetry.group.sample(seeded(seed))
    moved = net.symmetry.act(g, w)
    torch.testing.assert_close(net.output(moved), net.output(w), rtol=1e-8, atol=1e-8)
    for gi, p, q in zip(g, partial_products(w), partial_products(moved), strict=False):
        torch.testing.assert_close(q, gi @ p, rtol=1e-8, atol=1e-8)
    assert net.symmetry.group.factors == tuple(GeneralLinear(h) for h in sizes[1:-1])


def test_the_network_of_section_4_1_is_square_and_invertible():
    net = DeepLinear.square(4, 3, seeded(), condition=5.0)
    assert net.sizes == (3, 3, 3, 3, 3)
    assert net.X.dtype == torch.float64
    for x in (net.X, net.Y):
        assert float(torch.linalg.cond(x)) == pytest.approx(5.0)
    assert not torch.equal(net.X, net.Y)
    default = DeepLinear.square(2, 3, seeded())
    assert float(torch.linalg.cond(default.X)) == pytest.approx(10.0)
    assert default.depth == 2


def test_full_row_rank_is_judged_by_the_tolerance_of_the_dtype(dtype):
    cut = {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    x = torch.diag(torch.tensor([1.0, 2 * cut], dtype=dtype))
    assert ResidualLinear(x, x, 1, 1.0).hidden == 1
    x[1, 1] = cut / 2
    with pytest.raises(RankDeficient, match="has rank 1, not the full row rank 2"):
        ResidualLinear(x, x, 1, 1.0)
    assert DeepLinear(x, x, (1,)).depth == 2  # any rank will do


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ((2, 3), (2, 4), r"equal k, got X \(2, 3\) and Y \(2, 4\)"),
        ((3,), (2, 3), r"got X \(3,\) and Y \(2, 3\)"),
        ((2, 3), (1, 2, 3), r"got X \(2, 3\) and Y \(1, 2, 3\)"),
    ],
)
def test_data_that_are_no_matrices_with_equal_columns_are_refused(x, y, message):
    with pytest.raises(ShapeMismatch, match=message):
        DeepLinear(torch.ones(x), torch.ones(y), (2,))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        pytest.param(EYE.float(), DtypeMismatch, "X and Y: mixed dtypes", id="dtypes"),
        pytest.param(
            EYE * float("nan"),
            NotFinite,
            "X and Y: 4 of the 4 entries of tensor 1",
            id="nan",
        ),
    ],
)
def test_data_of_mixed_dtype_or_with_nan_are_refused(y, error, message):
    with pytest.raises(error, match=message):
        DeepLinear(EYE, y, (2,))


@pytest.mark.bad_input
@pytest.mark.parametrize("widths", [(), (0,), (2, -1)])
def test_widths_are_positive_and_there_is_one(widths):
    with pytest.raises(OutOfDomain) as error:
        DeepLinear(EYE, EYE, widths)
    assert str(error.value) == f"give one hidden width ≥ 1 or more, got {widths}"


@pytest.mark.bad_input
@pytest.mark.parametrize("x", [[[1.0, 2.0], [2.0, 4.0]], [[1.0], [2.0]], [[0.0], [0.0]]])
def test_inputs_of_less_than_full_row_rank_are_refused(x):
    x = torch.tensor(x)
    rank = int(x.any())
    with pytest.raises(RankDeficient) as error:
        ResidualLinear(x, x, 2, 1.0)
    assert f"{tuple(x.shape)} has rank {rank}, not the full row rank 2" in str(error.value)


@pytest.mark.bad_input
@pytest.mark.parametrize("depth", [1, 0, -1])
def test_a_square_network_has_a_hidden_layer(depth):
    with pytest.raises(OutOfDomain, match=f"depth ≥ 2, got {depth}$"):
        DeepLinear.square(depth, 2, seeded())


@pytest.mark.bad_input
@pytest.mark.parametrize("verb", ["require_weights", "output", "loss"])
@pytest.mark.parametrize(
    ("change", "got"),
    [
        pytest.param(list, "got list", id="a list"),
        pytest.param(lambda w: w[:1], r"got \[\(4, 3\)\]", id="one weight"),
        pytest.param(
            lambda w: (*w, w[0]), r"got \[\(4, 3\), \(2, 4\), \(4, 3\)\]", id="three weights"
        ),
        pytest.param(lambda w: (w[0].mT, w[1]), r"got \[\(3, 4\), \(2, 4\)\]", id="transposed"),
        pytest.param(lambda w: (w[0][0], w[1]), r"got \[\(3,\), \(2, 4\)\]", id="a vector"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_shapes(verb, change, got):
    net = network((3, 4, 2), 5)
    message = rf"a tuple of weights of shapes \[\(4, 3\), \(2, 4\)\], {got}"
    with pytest.raises(ShapeMismatch, match=message):
        getattr(net, verb)(change(weights(net)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(
            lambda w: tuple(x.float() for x in w),
            DtypeMismatch,
            "X and the weights: mixed dtypes",
            id="dtypes",
        ),
        pytest.param(
            lambda w: (w[0], w[1] / 0),
            NotFinite,
            "X and the weights: 8 of the 8 entries of tensor 2",
            id="infinite",
        ),
    ],
)
def test_weights_of_another_dtype_or_with_nan_are_refused(change, error, message):
    net = network((3, 4, 2), 5)
    with pytest.raises(error, match=message):
        net.loss(change(weights(net)))


@pytest.mark.bad_input
def test_batches_that_do_not_broadcast_are_refused():
    net = network((3, 4, 2), 5)
    w = weights(net, batch=(6,))
    with pytest.raises(
        ShapeMismatch, match=r"batch dimensions of \[\(6, 4, 3\), \(5, 2, 4\)\] do not broadcast"
    ):
        net.loss((w[0], w[1][:5]))


@pytest.mark.bad_input
def test_entries_that_are_no_tensors_are_refused():
    net = network((3, 4, 2), 5)
    with pytest.raises(DtypeMismatch, match="X and the weights: expected tensors, got a int"):
        net.loss((1, "W"))
