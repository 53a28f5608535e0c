"""What is asked of the minimum of any network."""

import pytest
import torch

from mc_lib import minima
from mc_lib.errors import NotAMinimum, OutOfDomain
from mc_lib.networks import DeepLinear, MatrixNetwork

ONE = torch.eye(1, dtype=torch.float64)


def test_loss_between_is_a_loss_or_none():
    plain = DeepLinear(ONE, ONE, (1,))
    assert minima.loss_between(plain, (ONE, ONE), (-ONE, -ONE)) is None
    found = minima.loss_between(plain, (ONE, ONE), (8 * ONE, ONE / 8))
    curve = minima.connect(plain, (ONE, ONE), (8 * ONE, ONE / 8))
    t = torch.linspace(0, 1, 21, dtype=torch.float64)
    assert found == float(plain.loss(curve(t)).max()) < 1e-28


@pytest.mark.bad_input
def test_other_errors_than_not_connected_are_not_swallowed():
    with pytest.raises(NotAMinimum):
        minima.loss_between(DeepLinear(ONE, ONE, (1,)), (ONE, ONE), (ONE, 2 * ONE))


@pytest.mark.bad_input
def test_one_time_is_no_path():
    with pytest.raises(OutOfDomain, match="got points = 1"):
        minima.loss_between(DeepLinear(ONE, ONE, (1,)), (ONE, ONE), (ONE, ONE), points=1)


class Other(MatrixNetwork):
    """A network of numbers whose minimum nobody has described."""

    shapes = ((1, 1),)
    symmetry = None

    def _forward(self, w, X):
        return w[0] @ X


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param("count_components", (), id="count_components"),
        pytest.param("component", ((ONE,),), id="component"),
        pytest.param("sample", (torch.Generator(),), id="sample"),
        pytest.param("connect", ((ONE,), (ONE,)), id="connect"),
    ],
)
def test_a_network_of_another_kind_is_refused(name, arguments):
    with pytest.raises(OutOfDomain) as error:
        getattr(minima, name)(Other(ONE, ONE), *arguments)
    modules = ", FoundSymmetry" if name == "connect" else ""  # models of any architecture
    assert str(error.value) == (
        f"{name}: the minimum of a Other is not described here; it is for DeepLinear, "
        f"ResidualLinear, TwoLayer{modules} (mc.minima.{name}.register adds another)"
    )


def test_a_network_of_ones_own_can_register():
    class Parabola:
        """Points (x, y); the minimum of (y − x²)² is connected."""

    @minima.count_components.register
    def _(net: Parabola) -> int:
        return 1

    assert minima.count_components(Parabola()) == 1
