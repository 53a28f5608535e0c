"""The minimum of the linear network with a skip connection: two pieces, or three.

With A = Y X⁺ and M = εI + W_2 W_1, zero loss means W_3 M = A. So M is invertible, and
for ε ≠ 0 the minimum is the graph of W_3 = A M⁻¹ over D = {(W_1, W_2) : det M ≠ 0}: it
has the components of D. For ε = 0 the network is `DeepLinear` with hidden widths (h, n).
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes
from mc_lib.errors import OutOfDomain
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.sampling import require_source
from mc_lib.minima import linear, verbs
from mc_lib.minima.fibre import in_random_position, natural_unit, random_in_fibre
from mc_lib.minima.zero_loss import attainable_map, require_drawn, require_minimum
from mc_lib.networks import DeepLinear, ResidualLinear, Weights


@verbs.count_components.register(ResidualLinear)
def count_components(net: ResidualLinear) -> int:
    """Return the number of connected components of L⁻¹(0), n inputs, h hidden neurons.

    For ε ≠ 0 it is 3 when n = h = 1 (Proposition 4.3) and 2 otherwise, told apart by the
    sign of det M; `connect` constructs the paths and with them the proof (ours). For ε = 0
    it is that of the linear network: 4 for h = n, 2 for h > n.

    Raises:
        RankDeficient: A does not have full column rank, or zero loss is out of reach; for
            ε = 0 also where h < n.

    >>> one, eye = torch.eye(1), torch.eye(2)
    >>> [count_components(ResidualLinear(one, one, 1, epsilon)) for epsilon in (0.0, 1.0)]
    [4, 3]
    >>> count_components(ResidualLinear(eye, eye, 2, 1.0))
    2
    """
    if net.epsilon == 0:
        return linear.count_components(without_skip(net))
    attainable_map(net)
    return 3 if is_scalar(net) else 2


@verbs.component.register(ResidualLinear)
def component(net: ResidualLinear, w: Weights) -> Int[Tensor, "*batch b"]:
    """Return the name of the component of L⁻¹(0) that holds w.

    For ε ≠ 0 it is the pair (s, z): s the sign of det(M/ε), z the sign of W_1 where
    n = h = 1 and s = −1, and 0 everywhere else. For ε = 0 it is that of the linear network.

    Raises:
        NotAMinimum: w has positive loss.
        RankDeficient: as `count_components`; also where rounding leaves M singular.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, one, hidden=1, epsilon=1.0)
    >>> component(net, (-one, 3 * one, -one / 2))  # M = 1 − 3
    tensor([-1, -1])
    """
    if net.epsilon == 0:
        return linear.component(without_skip(net), w)
    attainable_map(net)
    require_minimum(net, w)
    det = linear.sign_of_determinant(net.block(w), "εI + W_2 W_1 is")
    s = det if net.epsilon > 0 else det * (-1) ** net.X.shape[0]
    z = torch.zeros_like(s)
    if is_scalar(net):
        z = torch.where(s < 0, w[0][..., 0, 0].sign(), z)
    batch = broadcast_shapes(*(x.shape[:-2] for x in w))
    return torch.stack([s.expand(batch), z.expand(batch)], dim=-1).to(torch.int64)


@verbs.sample.register(ResidualLinear)
def sample(
    net: ResidualLinear,
    generator: torch.Generator,
    batch: tuple[int, ...] = (),
    *,
    condition: float = 10.0,
    signs: Sequence[int] | None = None,
) -> Weights:
    """Return random points of L⁻¹(0), in every component.

    For h ≥ n: W_1 and M are random of the given condition number, W_2 is random among
    the solutions of W_2 W_1 = M − εI. For h < n the same with the roles of W_1 and W_2
    exchanged and εI_h + W_1 W_2 in place of M. W_3 = A M⁻¹. M has the size of ε where that is
    above 1000 or below 1/1000, since rounding would drown the smaller one.

    Raises:
        OutOfDomain: `signs` names no component.
        RankDeficient: as `count_components`.

    >>> one = torch.eye(1)
    >>> net = ResidualLinear(one, one, hidden=1, epsilon=1.0)
    >>> component(net, sample(net, torch.Generator(), signs=(-1, 1)))
    tensor([-1,  1])
    """
    if net.epsilon == 0:
        plain = without_skip(net)
        return linear.sample(plain, generator, batch, condition=condition, signs=signs)
    require_source(generator, batch, net.X.dtype)
    target, names = attainable_map(net), labels(net)
    if signs is not None and tuple(signs) not in names:
        raise OutOfDomain(f"signs: one of the components {names}, got {signs}")
    s, z = signs if signs is not None else (None, 0)
    short, tall = sorted((net.hidden, net.X.shape[0]))
    a, m = (
        GeneralLinear(short).sample(
            generator, batch, condition=condition, component=sign, dtype=target.dtype
        )
        for sign in (z or None, s)
    )
    m = m * math.copysign(natural_unit(abs(net.epsilon)), net.epsilon)  # det(M/ε) as drawn
    a = in_random_position(a, tall, generator)
    eye = torch.eye(short, dtype=m.dtype, device=m.device)
    first_two = placed(net, a, random_in_fibre(a, m - net.epsilon * eye, generator))
    m = net.block(first_two)
    w = (*first_two, GeneralLinear(m.shape[-1]).right_inverse(target, m))
    return require_drawn(net, w, condition=condition, signs=signs)


def labels(net: ResidualLinear) -> list[tuple[int, int]]:
    """Return the names of the components for ε ≠ 0, as `component` gives them.

    >>> eye = torch.eye(2)
    >>> labels(ResidualLinear(eye, eye, hidden=2, epsilon=1.0))
    [(1, 0), (-1, 0)]
    """
    return [(1, 0), (-1, 1), (-1, -1)] if is_scalar(net) else [(1, 0), (-1, 0)]


def is_scalar(net: ResidualLinear) -> bool:
    """Return whether n = h = 1, the case with a third component.

    >>> is_scalar(ResidualLinear(torch.eye(1), torch.eye(1), hidden=2, epsilon=1.0))
    False
    """
    return net.hidden == net.X.shape[0] == 1


def without_skip(net: ResidualLinear) -> DeepLinear:
    """Return the linear network W_3 W_2 W_1 X, which a residual one with ε = 0 is.

    >>> without_skip(ResidualLinear(torch.eye(2), torch.eye(2), hidden=3, epsilon=0.0)).widths
    (3, 2)
    """
    return DeepLinear(net.X, net.Y, (net.hidden, net.X.shape[0]))


def placed(
    net: ResidualLinear, a: Float[Tensor, "*#batch r s"], b: Float[Tensor, "*#batch s r"]
) -> tuple[Tensor, Tensor]:
    """Return (W_1, W_2), given the tall one of them and the other; W_1 counts as tall for h = n.

    >>> net = ResidualLinear(torch.eye(2), torch.eye(2), hidden=1, epsilon=1.0)
    >>> [tuple(x.shape) for x in placed(net, torch.ones(2, 1), torch.ones(1, 2))]
    [(1, 2), (2, 1)]
    """
    return (a, b) if net.hidden >= net.X.shape[0] else (b, a)
