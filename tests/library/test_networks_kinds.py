"""The network with a skip connection and the two-layer network: outputs, symmetries, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import DtypeMismatch, NotFinite, OutOfDomain, RankDeficient, ShapeMismatch
from mc_lib.networks import ResidualLinear, TwoLayer

EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def weights(net, batch=(), seed=1):
    g = seeded(seed)
    return tuple(torch.randn(*batch, *s, generator=g, dtype=net.X.dtype) for s in net.shapes)


def residual(n=3, h=4, m=2, k=5, epsilon=0.7, dtype=torch.float64):
    return ResidualLinear(normal(n, k, dtype=dtype), normal(m, k, seed=9, dtype=dtype), h, epsilon)


def two_layer(n=3, h=4, m=2, k=5, activation=torch.tanh, dtype=torch.float64):
    x, y = normal(n, k, dtype=dtype), normal(m, k, seed=9, dtype=dtype)
    return TwoLayer(x, y, h, activation)


sizes = st.tuples(*[st.integers(1, 4)] * 3)


@given(sizes, st.floats(-3, 3), st.integers(0, 99))
def test_the_residual_output_and_loss_are_those_of_numpy(shape, epsilon, seed):
    n, h, m = shape
    net = ResidualLinear(normal(n, n + 1, seed=seed), normal(m, n + 1, seed=seed + 1), h, epsilon)
    assert net.shapes == ((h, n), (n, h), (m, n))
    w = weights(net, seed=seed)
    w1, w2, w3 = (x.numpy() for x in w)
    want = w3 @ (w2 @ w1 @ net.X.numpy() + epsilon * net.X.numpy())
    np.testing.assert_allclose(net.output(w).numpy(), want, rtol=1e-10, atol=1e-10)
    loss = ((net.Y.numpy() - want) ** 2).sum()
    assert float(net.loss(w)) == pytest.approx(loss, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(net.block(w).numpy(), w2 @ w1 + epsilon * np.eye(n), atol=1e-12)


@given(sizes, st.integers(0, 99))
def test_the_two_layer_output_is_that_of_numpy(shape, seed):
    n, h, m = shape
    net = TwoLayer(normal(n, 5, seed=seed), normal(m, 5, seed=seed + 1), h, torch.tanh)
    assert net.shapes == ((h, n), (m, h))
    v, u = weights(net, seed=seed)
    hidden = np.tanh(v.numpy() @ net.X.numpy())
    np.testing.assert_allclose(net.features(v).numpy(), hidden, atol=1e-14)
    np.testing.assert_allclose(net.output((v, u)).numpy(), u.numpy() @ hidden, atol=1e-12)


@pytest.mark.parametrize("make", [residual, two_layer])
def test_a_batch_is_a_loop_and_the_dtype_stays(make, dtype):
    net = make(dtype=dtype)
    w = weights(net, (6, 7))
    assert net.loss(w).shape == (6, 7)
    assert net.loss(w).dtype == dtype
    torch.testing.assert_close(net.loss(w)[4, 2], net.loss(tuple(x[4, 2] for x in w)))


@pytest.mark.parametrize("make", [residual, two_layer])
def test_the_symmetry_keeps_the_output(make):
    net = make()
    w, g = weights(net), net.symmetry.group.sample(seeded(3))
    moved = net.symmetry.act(g, w)
    torch.testing.assert_close(net.output(moved), net.output(w), rtol=1e-9, atol=1e-9)
    assert float((moved[0] - w[0]).norm()) > 0.1
    assert list(net.symmetry.layers) == ["layer 1"]
    assert net.symmetry.group.factors[0].n == 4


def test_the_symmetry_of_the_residual_network_leaves_the_last_weight():
    net = residual()
    w, g = weights(net), net.symmetry.group.sample(seeded(3))
    assert torch.equal(net.symmetry.act(g, w)[2], w[2])


def test_a_matrix_is_no_symmetry_of_a_two_layer_network():
    net = two_layer()
    v, u = weights(net)
    g = normal(4, 4, seed=8)
    changed = net.output((g @ v, u @ torch.linalg.inv(g))) - net.output((v, u))
    assert float(changed.norm()) > 0.1


# -- errors --------------------------------------------------------------------
both_kinds = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda x, y, hidden=1: ResidualLinear(x, y, hidden, 1.0), id="residual"),
        pytest.param(lambda x, y, hidden=1: TwoLayer(x, y, hidden, torch.tanh), id="two_layer"),
    ],
)


@pytest.mark.bad_input
@both_kinds
@pytest.mark.parametrize("hidden", [0, -1])
def test_a_hidden_layer_has_a_neuron(make, hidden):
    with pytest.raises(OutOfDomain) as error:
        make(EYE, EYE, hidden)
    assert str(error.value) == f"the hidden width is 1 or more, got {hidden}"


@pytest.mark.bad_input
@pytest.mark.parametrize("epsilon", [float("nan"), float("inf")])
def test_epsilon_is_finite(epsilon):
    with pytest.raises(OutOfDomain, match=f"epsilon is a finite number, got {epsilon}"):
        ResidualLinear(EYE, EYE, 1, epsilon)


ONES = torch.ones(2, 2, dtype=torch.float32)


@pytest.mark.bad_input
def test_the_inputs_of_a_residual_network_have_full_row_rank():
    with pytest.raises(RankDeficient, match=r"X of shape \(2, 2\) has rank 1, not .* rank 2"):
        ResidualLinear(ONES, ONES, 1, 1.0)
    assert TwoLayer(ONES, ONES, 1, torch.tanh).hidden == 1


@pytest.mark.bad_input
@both_kinds
@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        pytest.param(
            ONES,
            torch.ones(2, 3, dtype=torch.float32),
            ShapeMismatch,
            r"equal k, got X \(2, 2\) and Y \(2, 3\)",
            id="columns",
        ),
        pytest.param(
            ONES[:, :0],
            ONES[:, :0],
            ShapeMismatch,
            r"and a column or more, got X \(2, 0\) and",
            id="no column",
        ),
        pytest.param(
            ONES,
            ONES[:0],
            ShapeMismatch,
            r"a row and .*, got X \(2, 2\) and Y \(0, 2\)",
            id="no row",
        ),
        pytest.param(
            ONES.expand(2, 2, 2), ONES, ShapeMismatch, r"got X \(2, 2, 2\) and", id="batch"
        ),
        pytest.param(ONES, ONES[0], ShapeMismatch, r"and Y \(2,\)", id="vector"),
        pytest.param(ONES, ONES.double(), DtypeMismatch, "X and Y: mixed dtypes", id="dtypes"),
    ],
)
def test_data_are_checked_as_for_the_linear_network(make, x, y, error, message):
    with pytest.raises(error, match=message):
        make(x, y)


@pytest.mark.bad_input
@pytest.mark.parametrize("verb", ["require_weights", "output", "loss"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(list, "expected a tuple of weights of shapes .* list", id="a list"),
        pytest.param(
            lambda w: (w[0].mT, *w[1:]),
            r"shapes \[\(4, 3\), .*, got \[\(3, 4\)",
            id="transposed",
        ),
    ],
)
@pytest.mark.parametrize("make", [residual, two_layer])
def test_weights_that_do_not_fit_are_refused(make, change, message, verb):
    net = make()
    with pytest.raises(ShapeMismatch, match=message):
        getattr(net, verb)(change(weights(net)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        pytest.param(
            lambda z: z[:1],
            ShapeMismatch,
            r"given shape \(4, 5\) and returned \(1, 5\)",
            id="shape",
        ),
        pytest.param(
            lambda z: z.float(),
            DtypeMismatch,
            "given torch.float64 on cpu and returned torch.float",
            id="dtype",
        ),
        pytest.param(
            lambda z: z.clamp(max=-1e9).log(),
            NotFinite,
            "20 of the 20 values .* the first at ",
            id="nan",
        ),
    ],
)
def test_an_activation_acts_entry_by_entry_and_stays_finite(activation, error, message):
    v = torch.ones(4, 3, dtype=torch.float64)
    with pytest.raises(error, match=message):
        two_layer(activation=activation).features(v)
