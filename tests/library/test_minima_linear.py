"""The minimum of a linear network: what is on it, what names its components, how many."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import NotAMinimum, OutOfDomain, RankDeficient
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.minima import component, count_components, sample, signed_layers
from mc_lib.minima.linear import target_map
from mc_lib.networks import DeepLinear, partial_products

EYE = torch.eye(2, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def square(depth, width, seed=0, dtype=torch.float64):
    x, y = GeneralLinear(width).sample(seeded(seed), (2,), condition=3.0, dtype=dtype)
    return DeepLinear(x, y, (width,) * (depth - 1))


def network(n, widths, m, *, k=None, seed=0, dtype=torch.float64):
    """A network whose target map A (m × n) is known."""
    k = n + 2 if k is None else k
    target, x = (torch.randn(*s, generator=seeded(seed), dtype=dtype) for s in ((m, n), (n, k)))
    return DeepLinear(x, target @ x, tuple(widths)), target


def relative_loss(net, w):
    """Written out in numpy, one weight at a time."""
    out = net.X.numpy()
    for x in w:
        out = x.numpy() @ out
    return float(((net.Y.numpy() - out) ** 2).sum() / (net.Y.numpy() ** 2).sum())


wide = st.tuples(
    st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(0, 99)
)


# -- components ----------------------------------------------------------------
@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_corollary_4_2_counts_the_labels_that_occur(depth, width):
    net = square(depth, width)
    labels = component(net, sample(net, seeded(), (24 * 2**depth,), condition=2.0))
    found = set(map(tuple, labels.tolist()))
    assert found == set(itertools.product((1, -1), repeat=depth - 1))
    assert count_components(net) == len(found) == 2 ** (depth - 1)


@given(wide)
def test_only_layers_exactly_as_wide_as_the_input_count(case):
    n, extras, seed = case
    net, _ = network(n, [n + e for e in extras], n + 1, seed=seed)
    signed = tuple(i + 1 for i, e in enumerate(extras) if e == 0)
    assert signed_layers(net) == signed
    assert count_components(net) == 2 ** len(signed)
    labels = component(net, sample(net, seeded(seed), (400,), condition=2.0))
    assert labels.shape == (400, len(signed))
    assert labels.dtype == torch.int64
    assert len(set(map(tuple, labels.tolist()))) == 2 ** len(signed)


@pytest.mark.parametrize(("widths", "count"), [((1,), 2), ((1, 1), 4)])
def test_a_grid_of_the_whole_space_shows_the_counted_number_of_pieces(widths, count):
    """Cells of [−3, 3]^l across which the residual changes sign, joined by shared corners."""
    net = DeepLinear(torch.full((1, 1), 2.0).double(), torch.ones(1, 1).double(), widths)
    side = torch.linspace(-3, 3, 80, dtype=torch.float64)
    grid = torch.meshgrid(*[side] * net.depth, indexing="ij")
    sign = (net.Y - net.output(tuple(x[..., None, None] for x in grid)))[..., 0, 0].sign().numpy()
    cube = np.ones((2,) * net.depth)
    low, high = (
        f(sign, footprint=cube)[(slice(1, None),) * net.depth]
        for f in (scipy.ndimage.minimum_filter, scipy.ndimage.maximum_filter)
    )
    cells, found = scipy.ndimage.label(low < high, structure=np.ones((3,) * net.depth))
    assert found == count == count_components(net)

    values = 1.5 ** torch.linspace(-1, 1, 9, dtype=torch.float64)
    free = torch.meshgrid(*[torch.cat([values, -values])] * len(widths), indexing="ij")
    w = tuple(x[..., None, None] for x in (*free, 1 / (2 * math.prod(free))))  # inside the box
    where = tuple(((x.flatten() + 3) / (side[1] - side[0])).floor().long().numpy() for x in w)
    labels = component(net, w).reshape(-1, len(widths)).tolist()
    pairs = {(int(cell), *label) for cell, label in zip(cells[where], labels, strict=True)}
    assert len(pairs) == count  # one label a piece, and one piece a label
    assert {pair[0] for pair in pairs} == set(range(1, count + 1))


def test_labels_are_the_signs_of_the_partial_products():
    net = square(4, 3)
    w = sample(net, seeded(), (50,))
    for i in range(50):
        p, naive = np.eye(3), []
        for x in w[:-1]:
            p = x[i].numpy() @ p
            naive.append(int(np.sign(scipy.linalg.det(p))))
        assert component(net, tuple(x[i] for x in w)).tolist() == naive


def test_labels_stay_along_the_curves_of_the_symmetry():
    net = square(3, 4)
    w = sample(net, seeded())
    m = tuple(torch.randn(4, 4, generator=seeded(i), dtype=torch.float64) for i in range(2))
    t = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None, None]
    along = net.symmetry.act(tuple(torch.linalg.matrix_exp(t * x) for x in m), w)
    assert (component(net, along) == component(net, w)).all()


def test_the_action_of_a_group_element_takes_any_minimum_to_any_other():
    net = square(4, 3)
    v, w = (sample(net, seeded(i)) for i in (1, 2))
    p, q = partial_products(v), partial_products(w)
    g = tuple(b @ torch.linalg.inv(a) for a, b in zip(p[:-1], q[:-1], strict=True))
    for a, b in zip(net.symmetry.act(g, v), w, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_reflection_flips_the_label_of_its_layer_and_no_other(layer):
    net = square(4, 3)
    w = sample(net, seeded())
    g = [GeneralLinear(3).sample(seeded(i), component=1) for i in range(3)]
    g[layer - 1] = GeneralLinear(3).sample(seeded(9), component=-1)
    change = component(net, net.symmetry.act(g, w)) * component(net, w)
    assert change.tolist() == [-1 if i == layer else 1 for i in (1, 2, 3)]


def test_swapping_two_neurons_flips_the_label():
    """The example after Lemma 5.1: W_1 = W_2 = I, and the swap of the two neurons."""
    net = DeepLinear(EYE, EYE, (2,))
    swap = EYE.flip(0)
    mirrored = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    assert component(net, (EYE, EYE)).tolist() == [1]
    assert component(net, (mirrored, mirrored)).tolist() == [-1]
    assert component(net, net.symmetry.act((swap,), (EYE, EYE))).tolist() == [-1]


def test_labels_of_a_wide_network_are_empty():
    net, _ = network(2, (3,), 2)
    assert component(net, sample(net, seeded(), (4, 5))).shape == (4, 5, 0)


def test_labels_broadcast_over_mixed_batches():
    net = square(3, 2)
    w = sample(net, seeded())
    g = GeneralLinear(2).sample(seeded(), (6,))
    moved = (w[0], g @ w[1], w[2] @ torch.linalg.inv(g))
    labels = component(net, moved)
    assert labels.shape == (6, 2)
    assert (labels[:, 0] == labels[0, 0]).all()
    assert torch.equal(
        labels[:, 1] * labels[0, 1], torch.det(g).sign().long() * torch.det(g[0]).sign().long()
    )


# -- samples -------------------------------------------------------------------
@given(wide, st.booleans())
def test_samples_are_minima(case, single):
    n, extras, seed = case
    dtype = torch.float32 if single else torch.float64
    net, _ = network(n, [n + e for e in extras], n + 2, k=3 * n + 4, seed=seed, dtype=dtype)
    w = sample(net, seeded(seed), (3,), condition=4.0)
    assert all(x.dtype == dtype and x.shape[0] == 3 for x in w)
    for i in range(3):
        assert relative_loss(net, tuple(x[i] for x in w)) < {torch.float32: 1e-7}.get(dtype, 1e-22)


def test_samples_have_the_requested_condition():
    net, _ = network(3, (3, 5, 4), 4)
    for condition in (1.0, 7.0):
        w = sample(net, seeded(), (20,), condition=condition)
        for p in partial_products(w)[:-1]:
            s = torch.linalg.svdvals(p)
            want = torch.full((20,), condition, dtype=torch.float64)
            torch.testing.assert_close(s[:, 0] / s[:, -1], want, rtol=1e-8, atol=0)
    s = torch.linalg.svdvals(sample(net, seeded())[0])
    assert float(s[0] / s[-1]) == pytest.approx(10.0)


@pytest.mark.parametrize("signs", [*itertools.product((1, -1), repeat=2)])
def test_samples_lie_in_the_requested_component(signs):
    net, _ = network(2, (2, 4, 2), 3)
    labels = component(net, sample(net, seeded(), (30,), signs=signs))
    assert (labels == torch.tensor(signs)).all()


def test_the_free_part_of_a_sample_is_standard_normal_over_the_root_of_the_width():
    """W_2 (I − P_1 P_1⁺) has (a − n) free directions, of variance 1/a each."""
    n, a = 2, 12
    net, _ = network(n, (a,), 3)
    w = sample(net, seeded(), (2000,))
    q = torch.linalg.qr(w[0]).Q
    free = w[1] - w[1] @ q @ q.mT
    variance = float(free.square().sum((-2, -1)).mean()) / (3 * (a - n))
    assert variance == pytest.approx(1 / a, rel=0.03)
    assert float(free.mean().abs()) < 0.01
    other = sample(net, seeded(), (2000,))
    assert all(map(torch.equal, w, other))


def test_the_target_map_is_the_only_map_of_zero_loss():
    net, target = network(3, (3,), 4)
    torch.testing.assert_close(target_map(net), target)
    torch.testing.assert_close(target_map(net), net.Y @ torch.linalg.pinv(net.X))


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_a_point_off_the_minimum_has_no_component():
    net = DeepLinear(EYE, 2 * EYE, (2,))  # ‖Y‖² = 8
    with pytest.raises(NotAMinimum) as error:
        component(net, (EYE, torch.stack([2 * EYE, EYE])))
    assert str(error.value) == "loss 2 is above 8e-16 = 1e-16 ‖Y‖²: not on the minimum"


def zeros(net):
    pairs = itertools.pairwise(net.sizes)
    return tuple(torch.zeros(b, a, dtype=torch.float64) for a, b in pairs)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(target_map, id="target_map"),
        pytest.param(count_components, id="count_components"),
        pytest.param(lambda net: sample(net, seeded()), id="sample"),
        pytest.param(lambda net: component(net, zeros(net)), id="component"),
    ],
)
@pytest.mark.parametrize(
    ("x", "y", "widths", "message"),
    [
        pytest.param(
            torch.ones(1, 3).double(),
            torch.tensor([[1.0, 0.0, 0.0]]).double(),
            (1,),
            r"out of reach: the best linear map leaves 0.667 of ‖Y‖² = 1",
            id="out of reach",
        ),
        pytest.param(
            EYE,
            EYE,
            (2, 1),
            r"a hidden width of \(2, 1\) is below the rank 2 of A = Y X⁺",
            id="narrow",
        ),
    ],
)
def test_networks_without_the_assumed_ranks_are_refused(verb, x, y, widths, message):
    with pytest.raises(RankDeficient, match=message):
        verb(DeepLinear(x, y, widths))


@pytest.mark.bad_input
@pytest.mark.parametrize("signs", [(1,), (1, 1, 1), (1, 0), (2, 1), ()])
def test_signs_name_a_component(signs):
    net, _ = network(2, (2, 4, 2), 3)
    with pytest.raises(OutOfDomain) as error:
        sample(net, seeded(), signs=signs)
    assert str(error.value) == (f"signs: one of +1, -1 for each of the layers (1, 3), got {signs}")


@pytest.mark.bad_input
def test_a_point_too_near_singular_to_have_a_label_is_refused():
    """‖A − A'‖ is below the tolerance of the loss, and P_1 is singular: no sign to read."""
    a = torch.diag(torch.tensor([1.0, 1e-9], dtype=torch.float64))
    p = torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64))
    with pytest.raises(RankDeficient, match=r"W_1 ⋯ W_1 is singular within rounding"):
        component(DeepLinear(EYE, a, (2,)), (p, p))
