"""The losses under torch.func: vmap, functional_call and derivatives in both modes."""

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, vmap

from mc_lib.errors import ShapeMismatch
from mc_lib.groups import PositiveScaling
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.networks import (
    Classifier,
    DeepLinear,
    HomogeneousNet,
    Network,
    ResidualLinear,
    TwoLayer,
    leaky_power,
)
from mc_lib.symmetry import Symmetry

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def network(name, dtype=torch.float64):
    x, y = normal(2, 4, seed=1, dtype=dtype), normal(2, 4, seed=2, dtype=dtype)
    return {
        "deep": lambda: DeepLinear(x, y, (3, 3)),
        "residual": lambda: ResidualLinear(x, y, 3, 0.5),
        "two layers": lambda: TwoLayer(x, y, 3, torch.tanh),
        "leaky": lambda: HomogeneousNet(x, y, (3, 3), slope=0.1),
        "quadratic": lambda: HomogeneousNet(x, y, (3,), degree=2),
        "classifier": lambda: Classifier(x, y.softmax(0), (3,)),
    }[name]()


NAMES = ["deep", "residual", "two layers", "leaky", "quadratic", "classifier"]


def point(net, seed=3, batch=()):
    like = net.X
    return tuple(
        normal(*batch, *shape, seed=seed + i, dtype=like.dtype)
        for i, shape in enumerate(net.shapes)
    )


def slopes(net, w, step):
    """The gradient by central differences, one vector."""
    found = []
    for i, x in enumerate(w):
        for j in range(x.numel()):
            h = torch.zeros_like(x)
            h.view(-1)[j] = step
            ends = [net.loss((*w[:i], x + s * h, *w[i + 1 :])) for s in (1, -1)]
            found.append((ends[0] - ends[1]) / (2 * step))
    return torch.stack(found)


def flat(w):
    return torch.cat([x.flatten() for x in w])


@pytest.mark.parametrize("name", NAMES)
def test_gradients_in_both_modes_are_those_of_difference_quotients(name):
    net = network(name)
    w = point(net)
    want = slopes(net, w, 1e-6)
    for jacobian in (jacrev, jacfwd, grad):
        torch.testing.assert_close(flat(jacobian(net.loss)(w)), want, rtol=1e-6, atol=1e-6)
    single = network(name, torch.float32)
    found = flat(jacfwd(single.loss)(tuple(x.float() for x in w)))
    want = slopes(network_of(single), w, 1e-6)
    torch.testing.assert_close(found.double(), want, rtol=1e-3, atol=1e-3)


def network_of(single):
    """The same network in double precision."""
    return type(single)(single.X.double(), single.Y.double(), *rest(single))


def rest(net):
    return [getattr(net, key) for key in net.__dataclass_fields__ if key not in ("X", "Y")]


@pytest.mark.parametrize("name", NAMES)
def test_the_hessian_is_that_of_difference_quotients_of_the_gradient(name):
    net = network(name)
    w = point(net)
    rows = hessian(net.loss)(w)
    found = torch.cat(
        [
            torch.cat([b.reshape(x.numel(), -1) for b in row], 1)
            for row, x in zip(rows, w, strict=True)
        ]
    )
    columns = []
    for i, x in enumerate(w):
        for j in range(x.numel()):
            h = torch.zeros_like(x)
            h.view(-1)[j] = 1e-5
            ends = [flat(grad(net.loss)((*w[:i], x + s * h, *w[i + 1 :]))) for s in (1, -1)]
            columns.append((ends[0] - ends[1]) / 2e-5)
    torch.testing.assert_close(found, torch.stack(columns, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_the_loss_is_the_batched_loss(name):
    net = network(name)
    w = point(net, batch=(5,))
    torch.testing.assert_close(vmap(net.loss)(w), net.loss(w), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(vmap(net.output)(w), net.output(w), rtol=1e-12, atol=1e-12)
    together = vmap(grad(net.loss))(w)
    for i in range(5):
        alone = grad(net.loss)(tuple(x[i] for x in w))
        for x, y in zip(together, alone, strict=True):
            torch.testing.assert_close(x[i], y, rtol=1e-10, atol=1e-12)


def test_shapes_are_checked_inside_vmap():
    net = network("deep")
    with pytest.raises(ShapeMismatch):
        vmap(lambda x: net.loss((x, x, x)))(normal(5, 3, 2))


class Module:
    """A network of a user, whose parameters are those of a torch module."""

    def __init__(self):
        self.net = torch.nn.Sequential(
            torch.nn.Linear(2, 3, bias=False), torch.nn.ReLU(), torch.nn.Linear(3, 2, bias=False)
        )
        table = {"0.weight": (Into("h"), Fixed()), "2.weight": (Fixed(), OutOf("h"))}
        self.symmetry = Symmetry(table, {"h": Layer(PositiveScaling(3))})
        self.x, self.y = normal(4, 2, seed=1), normal(4, 2, seed=2)

    def output(self, w):
        return functional_call(self.net, w, (self.x,))

    def loss(self, w):
        return (self.output(w) - self.y).square().sum()


def test_functional_call_and_vmap_work_on_the_action_and_the_loss_of_a_module():
    net = Module()
    assert isinstance(net, Network)
    w = {key: x.detach() for key, x in net.net.named_parameters()}
    g = PositiveScaling(3).sample(torch.Generator().manual_seed(0), (6,))
    losses = vmap(lambda g: net.loss(net.symmetry.act((g,), w)))(g)
    torch.testing.assert_close(losses, net.loss(w).expand(6), rtol=1e-12, atol=1e-12)
    curved = hessian(lambda g: net.loss(net.symmetry.act((g,), w)))(g[0])
    torch.testing.assert_close(curved, torch.zeros(3, 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("degree", [0.5, 1.5, 2.0, 3.0])
def test_a_power_has_no_nan_among_its_derivatives_at_zero(degree, dtype):
    z = torch.tensor([-2.0, 0.0, 3.0], dtype=dtype)

    def number(z):
        return leaky_power(z, degree, slope=0.5).sum()

    first, second = grad(number)(z), hessian(number)(z).diagonal()
    assert leaky_power(z, degree)[1] == 0 == first[1] == second[1]
    want = torch.tensor([0.5 * degree * 2.0 ** (degree - 1), 0.0, degree * 3.0 ** (degree - 1)])
    torch.testing.assert_close(first, want.to(dtype))
    assert second.isfinite().all()
