"""Proposition 5.2 as an algorithm: permutations that join any two minima."""

import itertools

import pytest
import torch

import mc_lib as mc
from mc_lib.errors import NotAMinimum, NotConnected

DOUBLE = {"dtype": torch.float64}


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("h", [2, 3, 6])
def test_any_two_minima_are_joined_after_permuting(depth, h, generator):
    net = mc.DeepLinear.square(depth, h, generator)
    size = float(net.Y.square().sum())
    for signs in itertools.product((1, -1), repeat=depth - 1):
        w0 = mc.minima.sample(net, generator, signs=signs)
        w1 = mc.minima.sample(net, generator)
        p = mc.minima.joining_permutations(net, w0, w1)
        moved = mc.permutations_of(net.symmetry).act(p, w0)
        assert torch.equal(mc.component(net, moved), mc.component(net, w1))
        path = mc.connect(net, moved, w1)(torch.linspace(0, 1, 7, **DOUBLE))
        assert float(net.loss(path).max()) < 1e-20 * size


def test_a_layer_is_permuted_only_where_the_signs_differ(generator):
    net = mc.DeepLinear.square(4, 3, generator)
    w0 = mc.minima.sample(net, generator, signs=(1, -1, 1))
    w1 = mc.minima.sample(net, generator, signs=(1, 1, -1))
    p = mc.minima.joining_permutations(net, w0, w1)
    assert [x.tolist() for x in p] == [[0, 1, 2], [1, 0, 2], [1, 0, 2]]


def test_layers_wider_than_the_input_need_no_permutation(generator):
    x, y = mc.GeneralLinear(2).sample(generator, (2,))
    net = mc.DeepLinear(x, y, (3, 2, 4))
    w0 = mc.minima.sample(net, generator, signs=(1,))
    w1 = mc.minima.sample(net, generator, signs=(-1,))
    p = mc.minima.joining_permutations(net, w0, w1)
    assert [x.tolist() for x in p] == [[0, 1, 2], [1, 0], [0, 1, 2, 3]]
    moved = mc.permutations_of(net.symmetry).act(p, w0)
    assert mc.connect(net, moved, w1).residual < 1e-18


def test_permuting_is_the_naive_product_with_permutation_matrices(dtype, generator):
    sizes = (3, 4, 2, 5)
    w = tuple(
        torch.randn(b, a, generator=generator, dtype=dtype) for a, b in itertools.pairwise(sizes)
    )
    p = tuple(torch.randperm(h, generator=generator) for h in sizes[1:-1])
    matrices = [torch.eye(len(x), dtype=dtype)[x] for x in p]
    left, right = [*matrices, torch.eye(5, dtype=dtype)], [torch.eye(3, dtype=dtype), *matrices]
    expected = tuple(a @ x @ b.mT for a, x, b in zip(left, w, right, strict=True))
    permutations = mc.Symmetry.chain([mc.Layer(mc.Permutation(h)) for h in sizes[1:-1]])
    for got, want in zip(permutations.act(p, w), expected, strict=True):
        assert torch.equal(got, want)


@pytest.mark.bad_input
def test_one_neuron_has_nothing_to_swap():
    one = torch.eye(1, **DOUBLE)
    net = mc.DeepLinear(one, one, (1, 1))
    a, b = (one, one, one), (-one, one, -one)
    with pytest.raises(NotConnected, match=r"layers \[1, 2\].*h ≥ 2"):
        mc.minima.joining_permutations(net, a, b)
    assert [p.tolist() for p in mc.minima.joining_permutations(net, a, a)] == [[0], [0]]


@pytest.mark.bad_input
def test_only_minima_are_joined(generator):
    net = mc.DeepLinear.square(2, 2, generator)
    w = mc.minima.sample(net, generator)
    with pytest.raises(NotAMinimum):
        mc.minima.joining_permutations(net, w, tuple(2 * x for x in w))
