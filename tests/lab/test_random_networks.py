"""The random cases of chapter 6: the sizes, and the properties that they are drawn for."""

import itertools

import pytest
import torch

from lab import random_networks as cases
from mc_lib.networks import TwoLayer


@pytest.mark.parametrize(("h", "depth"), list(itertools.product((1, 3, 8), (2, 4))))
def test_cases_have_zero_loss_along_their_curves(h, depth, generator):
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    drawn = [cases.linear_case(generator, h, depth)]
    drawn += [cases.homogeneous_case(generator, h, depth, k) for k in (1.0, 2.0)]
    for case in drawn:
        size = case.net.Y.square().sum()
        assert len(case.M) == depth - 1
        assert float((case.net.loss(case.curve(0.5)(t)) / size).max()) < 1e-20
    assert drawn[2].net.degree == 2
    half, whole = drawn[0].curve(0.5)(1.0), drawn[0].curve()(0.5)
    torch.testing.assert_close(half, whole, rtol=1e-10, atol=1e-10)


def test_the_networks_of_figure_3(generator):
    sizes = []
    for _ in range(60):
        net, (v, u), rate = cases.sigmoid_case(generator, 6)
        sizes += [*net.X.shape, net.hidden, net.Y.shape[0]]
        worst = 2 * float(torch.linalg.matrix_norm(net.features(v), 2) ** 2)
        assert 0 < rate < 1 / worst
        assert u.shape == (net.Y.shape[0], net.hidden)
    assert (min(sizes), max(sizes)) == (2, 6)
    net, w = cases.leaky_case(generator, 8)
    assert (net.X.shape, net.Y.shape) == ((16, 8), (64, 8))
    assert [tuple(x.shape) for x in w] == [(32, 16), (64, 32)]


def test_the_change_of_the_output_by_a_naive_formula(generator):
    net, w, _ = cases.sigmoid_case(generator, 9)
    h = net.hidden
    g = torch.randn(h, h, generator=generator, dtype=torch.float64)
    old, new = (torch.sigmoid(x @ net.X) for x in (w[0], g @ w[0]))
    lost = w[1] @ old - w[1] @ old @ torch.linalg.pinv(new) @ new
    found = cases.output_change(net, w, g)
    torch.testing.assert_close(
        found, torch.stack([lost.norm(), (w[1] @ old).norm()]), atol=1e-8, rtol=1e-8
    )


def test_the_two_regimes_and_the_nearest_choice(generator):
    for s in range(5):
        make = lambda s=s: torch.Generator().manual_seed(s)  # noqa: E731
        few = cases.regime(make(), 8, 3, torch.tanh)
        assert few[0] < 1e-10 < 0.01 < few[1]
        many = cases.regime(make(), 3, 8, torch.tanh)
        assert many[1] < 1e-10 < 1e-4 < many[0]
        near = cases.regime(make(), 8, 3, torch.tanh, nearest=True)
        assert near[1] == 0
        assert near[2] == few[2] > 0
    assert isinstance(cases.leaky_case(generator, 2)[0], TwoLayer)
