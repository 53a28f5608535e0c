"""Linear networks on data of any rank: bottlenecks, few samples, few outputs, attention."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from mc_lib import minima
from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.networks import DeepLinear


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


SHAPES = {  # n inputs, k samples of rank ρ, hidden widths, m outputs, rank r of Y
    "few samples": (5, 2, 2, (3, 4), 3, 2),
    "few samples, as wide as them": (5, 2, 2, (2, 2), 3, 2),
    "one output": (4, 6, 4, (3, 1, 2), 1, 1),
    "few outputs": (4, 6, 4, (2, 3), 2, 2),
    "low rank of the data": (4, 9, 2, (4, 2), 3, 2),
    "low rank of the target": (4, 9, 4, (3, 2, 2), 4, 2),
    "both": (5, 9, 4, (2, 4, 5), 4, 2),
    "rank 1 and no spare neuron": (3, 5, 3, (1, 1), 3, 1),
    "attention, head as wide as the rank": (5, 5, 5, (2,), 5, 2),
    "attention, one wider": (5, 5, 5, (3,), 5, 2),
    "full rank": (3, 3, 3, (3, 4), 3, 3),
}
every_shape = pytest.mark.parametrize("name", SHAPES)
every_seed = pytest.mark.parametrize("seed", range(10))


def problem(name, seed):
    """A network and a minimum built by hand: the rank is lost in one layer, none is zero."""
    n, k, rho, widths, m, r = SHAPES[name]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, rho)) @ rng.normal(size=(rho, k)) if rho < min(n, k) else rng.normal(
        size=(n, k)
    )  # fmt: skip
    sizes = (n, *widths, m)
    w = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)]
    lossy = int(rng.integers(len(w)))
    b, a = w[lossy].shape
    w[lossy] = rng.normal(size=(b, r)) @ rng.normal(size=(r, a)) / r**0.5
    y = chain(w) @ x
    assert np.linalg.matrix_rank(y) == r and np.linalg.matrix_rank(x) == rho
    net = DeepLinear(torch.from_numpy(x), torch.from_numpy(y), widths)
    return net, tuple(map(torch.from_numpy, w)), r


def chain(w):
    product = w[0]
    for x in w[1:]:
        product = x @ product
    return product


def loss(net, w):
    """In numpy, relative."""
    out = net.X.numpy()
    for x in w:
        out = x.numpy() @ out
    return ((net.Y.numpy() - out) ** 2).sum((-2, -1)) / (net.Y.numpy() ** 2).sum()


def minima_of(net, w):
    """The minimum built by hand, moved by the group, and samples of the library."""
    generator = seeded(7)
    for _ in range(2):
        g = [torch.randn(h, h, generator=generator, dtype=torch.float64) for h in net.widths]
        yield net.symmetry.act(g, w)
    for seed in range(3):
        yield minima.sample(net, seeded(seed), condition=3.0)


# -- the count, the paths ----------------------------------------------------------
@every_shape
@every_seed
def test_any_two_minima_are_joined_exactly_where_their_names_agree(name, seed):
    net, w, r = problem(name, seed)
    points = list(minima_of(net, w))
    assert max(float(loss(net, p)) for p in points) < 1e-20
    signed = sum(h == r for h in net.widths)
    assert minima.count_components(net) == 2**signed
    for a, b in itertools.pairwise(points):
        same = torch.equal(minima.component(net, a), minima.component(net, b))
        try:
            curve = minima.connect(net, a, b)
        except NotConnected:
            assert not same
            continue
        assert same
        found = curve(torch.linspace(0, 1, 301, dtype=torch.float64))
        assert loss(net, found).max() < 1e-19
        for x, first, last in zip(found, a, b, strict=True):
            assert torch.equal(x[0], first) and torch.equal(x[-1], last)
        steps = [(x[1:] - x[:-1]).norm(dim=(1, 2)) / (1 + x[1:].norm(dim=(1, 2))) for x in found]
        assert max(float(s.max()) for s in steps) < 0.8  # no jump


@every_shape
def test_every_name_occurs(name):
    net, _, r = problem(name, 0)
    names = minima.component(net, minima.sample(net, seeded(), (200,), condition=2.0))
    assert len(set(map(tuple, names.tolist()))) == 2 ** sum(h == r for h in net.widths)


@every_shape
def test_names_stay_on_small_moves_of_a_minimum(name):
    """Group elements near 1, and parts of W_1 that no sample sees, change no name."""
    net, w, _ = problem(name, 3)
    before = minima.component(net, w)
    g = [torch.linalg.matrix_exp(torch.randn(h, h, generator=seeded(h)).double() / 2)
         for h in net.widths]  # fmt: skip
    u, s, _ = np.linalg.svd(net.X.numpy())
    outside = torch.from_numpy(u[:, int((s > 1e-9).sum()) :])
    moved = (w[0] + torch.ones(len(w[0]), outside.shape[1]).double() @ outside.mT, *w[1:])
    assert torch.equal(minima.component(net, net.symmetry.act(g, moved)), before)


# -- an oracle in exact arithmetic ----------------------------------------------------
def determinant(rows):
    if not rows:
        return Fraction(1)
    return sum(
        (-1) ** j * x * determinant([row[:j] + row[j + 1 :] for row in rows[1:]])
        for j, x in enumerate(rows[0])
    )


def exact(x):
    return np.array([[Fraction(float(v)) for v in row] for row in x], dtype=object)


@pytest.mark.parametrize(("n", "r", "m"), [(2, 1, 2), (3, 2, 2), (4, 2, 3), (3, 1, 1), (4, 3, 4)])
@every_seed
def test_the_sign_is_that_of_an_exact_minor_for_integer_weights(n, r, m, seed):
    """W_2 W_1 = A with r hidden neurons: W_1 = G R, where R is r × n and G an r × r matrix.

    Between two such minima the sign of det G' / det G is the ratio of any r × r minors of W_1.
    """
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, (r, n)).astype(float)
    left = rng.integers(-3, 4, (m, r)).astype(float)
    if np.linalg.matrix_rank(left) < r or np.linalg.matrix_rank(rows) < r:
        rows[:, :r], left[:r] = np.eye(r), np.eye(r)
    net = DeepLinear(torch.eye(n).double(), torch.from_numpy(left @ rows), (r,))
    points = []
    while len(points) < 6:
        g = rng.integers(-3, 4, (r, r)).astype(float)
        if determinant(exact(g).tolist()):
            w = g @ rows, np.linalg.solve(g.T, left.T).T
            points.append(tuple(map(torch.from_numpy, w)))
    columns = next(
        list(c) for c in itertools.combinations(range(n), r)
        if determinant(exact(rows)[:, list(c)].tolist())
    )  # fmt: skip
    minors = [determinant(exact(w[0].numpy())[:, columns].tolist()) for w in points]
    names = [int(minima.component(net, w)) for w in points]
    assert [np.sign(float(x)) * names[0] for x in minors] == [
        np.sign(float(minors[0])) * name for name in names
    ]


# -- the extremes --------------------------------------------------------------------
def test_a_target_zero_has_one_component():
    net = DeepLinear(torch.eye(3).double(), torch.zeros(2, 3).double(), (1, 2))
    w0, w1 = (minima.sample(net, seeded(i)) for i in (0, 1))
    w1 = (0 * w1[0], w1[1], w1[2] + 1)  # another part of the cone
    assert minima.count_components(net) == 1
    found = minima.connect(net, w0, w1)(torch.linspace(0, 1, 31, dtype=torch.float64))
    assert float((found[2] @ found[1] @ found[0]).abs().max()) == 0


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_best_approximation_through_a_bottleneck(width):
    """Zero loss is out of reach; the global minima are those of the best target of this rank."""
    rng = np.random.default_rng(width)
    y = rng.normal(size=(4, 4))
    net = DeepLinear(torch.eye(4).double(), torch.from_numpy(y), (width, 4))
    with pytest.raises(RankDeficient, match="below the rank 4 of A = Y X⁺"):
        minima.count_components(net)
    u, s, vt = np.linalg.svd(y)
    best = DeepLinear(net.X, torch.from_numpy((u[:, :width] * s[:width]) @ vt[:width]), net.widths)
    w = minima.sample(best, seeded())
    assert float(net.loss(w)) == pytest.approx((s[width:] ** 2).sum())  # Eckart–Young
    assert minima.count_components(best) == 2
