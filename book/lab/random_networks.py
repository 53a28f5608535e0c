"""Chapters 6 and 6b: random networks and curves to measure, a function for each kind."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib import minima
from mc_lib.approximate import approximate_act
from mc_lib.curves import ApproximateOrbit, OrbitCurve
from mc_lib.networks import DeepLinear, HomogeneousNet, MatrixNetwork, TwoLayer, Weights
from mc_lib.points import distance, norm


@dataclass(frozen=True)
class Case:
    """A network, weights of zero loss, and a direction in the Lie algebra of its symmetry.

    Args:
        net: the network.
        w: weights.
        M: one entry a hidden layer.
    """

    net: MatrixNetwork
    w: Weights
    M: tuple[Tensor, ...]

    def curve(self, scale: float = 1.0) -> OrbitCurve:
        """Return exp(t · scale · M)·w, a curve of zero loss (4)."""
        return OrbitCurve(self.net.symmetry, tuple(scale * x for x in self.M), self.w)


def linear_case(generator: torch.Generator, width: int, depth: int) -> Case:
    """Return a linear network of square matrices, and M with normal entries / √width.

    Args:
        generator: the source of randomness.
        width: of all layers.
        depth: the number of weights.

    Returns:
        The case, in torch's default dtype.

    >>> case = linear_case(torch.Generator().manual_seed(0), 3, 2)
    >>> bool(case.net.loss(case.curve()(1.0)) < 1e-20)
    True
    """
    net = DeepLinear.square(depth, width, generator)
    noise = _normal(generator, depth - 1, width, width) / width**0.5
    return Case(net, minima.sample(net, generator), tuple(noise))


def homogeneous_case(
    generator: torch.Generator, width: int, depth: int, degree: float = 1.0
) -> Case:
    """Return a homogeneous network with its own output as the targets, and a normal M.

    Args:
        generator: the source of randomness.
        width: h of the input and of all hidden layers; there are 2h data points.
        depth: the number of weights.
        degree: of the activation.

    Returns:
        The case, in torch's default dtype.

    >>> case = homogeneous_case(torch.Generator().manual_seed(0), 3, 2)
    >>> bool(case.net.loss(case.curve()(1.0)) < 1e-20)
    True
    """
    x, widths = _normal(generator, width, 2 * width), (width,) * (depth - 1)
    net = HomogeneousNet(x, x, widths, degree)
    w = net.random(generator)
    net = HomogeneousNet(x, net.output(w), widths, degree)
    return Case(net, w, tuple(_normal(generator, width) for _ in widths))


def sigmoid_case(generator: torch.Generator, largest: int) -> tuple[TwoLayer, Weights, float]:
    """Return a network of Figure 3(a), weights to start from, and a rate for SGD.

    m, h, n, k are uniform integers from 2 to `largest`; X and Y are standard normal. The
    rate is ¼ / (‖σ(VX)‖₂² + (‖U‖₂‖X‖₂/4)²), below the inverse of the curvature of the
    loss at the start in either weight, since σ' ≤ ¼.

    Args:
        generator: the source of randomness.
        largest: the largest size.

    Returns:
        (net, w, rate).

    >>> net, w, rate = sigmoid_case(torch.Generator().manual_seed(0), 5)
    >>> max(*net.X.shape, *net.Y.shape) <= 5, rate > 0
    (True, True)
    """
    m, h, n, k = torch.randint(
        2, largest + 1, (4,), generator=generator, device=generator.device
    ).tolist()
    net = TwoLayer(_normal(generator, n, k), _normal(generator, m, k), h, torch.sigmoid)
    v, u = net.random(generator)
    a, b, c = (torch.linalg.matrix_norm(z, 2) for z in (net.features(v), u, net.X))
    return net, (v, u), float(0.25 / (a**2 + (b * c / 4) ** 2))


def leaky_case(generator: torch.Generator, columns: int) -> tuple[TwoLayer, Weights]:
    """Return the network of Figure 3(b, c), X 16 × k, Y 64 × k, h = 32, leaky ReLU.

    Args:
        generator: the source of randomness.
        columns: k; 8 in the paper.

    Returns:
        (net, weights to start from).

    >>> net, w = leaky_case(torch.Generator().manual_seed(0), 8)
    >>> [tuple(x.shape) for x in w]
    [(32, 16), (64, 32)]
    """
    x, y = _normal(generator, 16, columns), _normal(generator, 64, columns)
    net = TwoLayer(x, y, 32, torch.nn.functional.leaky_relu)
    return net, net.random(generator)


def output_change(net: TwoLayer, w: Weights, g: Float[Tensor, "h h"]) -> Float[Tensor, "2"]:
    """Return ‖Uσ(VX) − U'σ(V'X)‖ and ‖Uσ(VX)‖, the two sides of (7).

    Args:
        net: the network.
        w: weights (V, U).
        g: an element of GL_h.

    Returns:
        The two norms.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, 1, torch.relu)
    >>> output_change(net, (one, 3 * one), -one)  # the neuron dies, and all is lost
    tensor([3., 3.])
    """
    image = approximate_act(g, w[1], w[0], net.X, net.activation)
    before, after = net.output(w), net.output((image.V, image.U))
    return torch.stack([torch.linalg.matrix_norm(x) for x in (before - after, before)])


def regime(
    generator: torch.Generator,
    hidden: int,
    columns: int,
    activation: Callable[[Tensor], Tensor],
    *,
    nearest: bool = False,
) -> tuple[float, float, float]:
    """Return how a random curve of map (6) behaves at h and k: three numbers.

    Args:
        generator: the source of randomness.
        hidden: h.
        columns: k.
        activation: σ.
        nearest: as for `ApproximateOrbit`.

    Returns:
        The largest change of the output, relative; ‖γ(0) − w‖ / ‖w‖; the smallest
        singular value of σ(VX) met at five times.

    >>> moved, start, least = regime(torch.Generator().manual_seed(0), 6, 2, torch.tanh)
    >>> moved < 1e-12, start > 0.01
    (True, True)
    """
    x = _normal(generator, 12, columns)
    net = TwoLayer(x, torch.ones(3, columns), hidden, activation)
    w = net.random(generator)
    M = 0.3 * _normal(generator, hidden, hidden) / hidden**0.5
    curve = ApproximateOrbit(net, M, w, nearest)
    t = torch.linspace(0, 1, 5)
    before, after = net.output(w), net.output(curve(t))
    moved = torch.linalg.matrix_norm(after - before).max() / torch.linalg.matrix_norm(before)
    start = distance(curve(0.0), w) / norm(w)
    return float(moved), float(start), float(curve.image(t).smallest.min())


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, device=generator.device)
