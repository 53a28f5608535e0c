"""Two minima in, a path or the obstruction out: one set of verbs for every network.

Each is a `functools.singledispatch`: a network of your own joins with, for instance,
`mc.connect.register(MyNetwork)`.
"""

from functools import singledispatch
from typing import Any, NoReturn

from jaxtyping import Int
from torch import Generator, Tensor, linspace

from mc_lib.errors import NotConnected, OutOfDomain
from mc_lib.kinds import require_count
from mc_lib.minima.curve import MinimumCurve
from mc_lib.minima.zero_loss import relative_loss
from mc_lib.networks import MatrixNetwork, Network, Weights


@singledispatch
def count_components(net: Network) -> int:
    """Return the number of connected components of the minimum L⁻¹(0).

    2ᵇ for `DeepLinear`, b the number of hidden layers exactly as wide as the rank of Y: the
    2^{l-1} of Corollary 4.2 when all are. 3 for `ResidualLinear` with 1 × 1 weights and
    ε ≠ 0 (Proposition 4.3), 2 for all larger ones. 1 for a `TwoLayer` with more hidden
    neurons than its features span dimensions, as with more than columns of data.
    Proofs of what is not in the paper are in the files of the networks and in the book's
    appendix.

    Args:
        net: the network.

    Returns:
        The number of components.

    Raises:
        RankDeficient: zero loss is out of reach, or the ranks that the count assumes.
        OutOfDomain: a network whose minimum is not described here.

    >>> import torch
    >>> from mc_lib.networks import DeepLinear, ResidualLinear
    >>> one = torch.eye(1)
    >>> net = DeepLinear(one, one, widths=(1, 1))
    >>> count_components(net), count_components(ResidualLinear(one, one, 1, epsilon=1.0))
    (4, 3)
    """
    return _refuse(net, count_components)


@singledispatch
def component(net: Network, w: Weights) -> Int[Tensor, "*batch b"]:
    """Return the name of the component of the minimum that holds w, a vector of signs.

    Two minima are joined by a path of zero loss if and only if their names agree.

    Args:
        net: the network.
        w: a point of L⁻¹(0), batched or not.

    Returns:
        Signs, shape (..., b): det(W_i ⋯ W_1) at the layers of `signed_layers`; for
        `ResidualLinear` det(I + W_2W_1/ε), and W_1 where it matters, else 0; for
        `TwoLayer` none.

    Raises:
        NotAMinimum: w has positive loss.
        RankDeficient: as `count_components`; also where rounding leaves no sign.
        OutOfDomain: a network whose minimum is not described here.

    >>> import torch
    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> component(DeepLinear(one, one, (1, 1)), (-one, one, -one))
    tensor([-1, -1])
    """
    return _refuse(net, component)


@singledispatch
def sample(
    net: Network, generator: Generator, batch: tuple[int, ...] = (), **options: Any
) -> Weights:
    """Return random points of the minimum, in every component.

    Args:
        net: the network.
        generator: the source of randomness.
        batch: leading shape.
        **options: for the linear networks `condition`, the condition number of what is
            free (by default 10), and `signs`, the component as `component` names it; for
            `TwoLayer` `scale`, the size of V.

    Returns:
        Weights with leading shape `batch`.

    Raises:
        OutOfDomain: an option out of its range, or a network that is not described here.
        RankDeficient: as `count_components`; also a sample so ill-conditioned that its
            loss is not zero to rounding.

    >>> import torch
    >>> from mc_lib.networks import DeepLinear
    >>> net = DeepLinear(torch.eye(2), torch.eye(2), widths=(2, 2))
    >>> w = sample(net, torch.Generator().manual_seed(0), signs=(1, -1))
    >>> component(net, w)
    tensor([ 1, -1])
    """
    return _refuse(net, sample)


@singledispatch
def connect(net: Network, w0: Weights, w1: Weights) -> MinimumCurve:
    """Return a path of zero loss from w0 to w1, or refuse with the obstruction.

    Args:
        net: the network.
        w0: a point of L⁻¹(0), unbatched.
        w1: a point of L⁻¹(0), unbatched.

    Returns:
        A curve with w0 and w1 as its ends to the last bit; its `residual` is the largest
        loss / ‖Y‖² measured on it.

    Raises:
        NotConnected: naming the signs that differ, and the layers.
        NotAMinimum: an end has positive loss.
        ShapeMismatch: an end is batched, or no weights of the network.
        RankDeficient: as `component`.
        OutOfDomain: a network whose minimum is not described here.

    >>> import torch
    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> net = DeepLinear(one, one, (1,))
    >>> connect(net, (one, one), (4 * one, one / 4))(0.5)  # the hyperbola W_1 W_2 = 1
    (tensor([[2.]]), tensor([[0.5000]]))
    """
    return _refuse(net, connect)


def loss_between(net: MatrixNetwork, w0: Weights, w1: Weights, points: int = 21) -> float | None:
    """Return the largest loss / ‖Y‖² on the path of `connect`, or None where it refuses.

    Args:
        net: the network.
        w0: a point of L⁻¹(0), unbatched.
        w1: a point of L⁻¹(0), unbatched.
        points: the number of equally spaced times, 2 or more.

    Returns:
        The largest relative loss at these times; None if w0 and w1 are not connected.

    Raises:
        OutOfDomain: points < 2.
        McLibError: as `connect`, but for `NotConnected`.

    >>> import torch
    >>> from mc_lib.networks import DeepLinear
    >>> one = torch.eye(1)
    >>> net = DeepLinear(one, one, (1,))
    >>> print(loss_between(net, (one, one), (-one, -one)))
    None
    >>> loss_between(net, (one, one), (2 * one, one / 2)) < 1e-12
    True
    """
    require_count(points, "the number of times", None)
    if points < 2:
        raise OutOfDomain(f"a path is looked at at 2 times or more, got points = {points}")
    try:
        curve = connect(net, w0, w1)
    except NotConnected:
        return None
    t = linspace(0, 1, points, dtype=net.X.dtype, device=net.X.device)
    return relative_loss(net, curve(t))


def _refuse(net: Any, verb: Any) -> NoReturn:
    known = ", ".join(kind.__name__ for kind in verb.registry if kind is not object)
    raise OutOfDomain(
        f"{verb.__name__}: the minimum of a {type(net).__name__} is not described here; it is for "
        f"{known} (mc.minima.{verb.__name__}.register adds another)"
    )
