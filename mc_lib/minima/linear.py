"""The minimum L⁻¹(0) of a linear network: its points, its components, their number.

Write P_i = W_i ⋯ W_1 and A = Y X⁺ for the only linear map of zero loss. L⁻¹(0) is
parametrised by P_1, ..., P_{l-1} (and, where a layer is wider than the input, by a free
part of the next weight that does not meet the data). P_i can be any n_i × n matrix of
full column rank n; where n_i = n that is an invertible matrix, and the sign of its
determinant is what a continuous path cannot change.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes
from mc_lib.errors import OutOfDomain, RankDeficient
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.polar import is_invertible
from mc_lib.groups.sampling import require_source
from mc_lib.kinds import require_kind
from mc_lib.minima import verbs
from mc_lib.minima.fibre import in_random_position, random_in_fibre
from mc_lib.minima.zero_loss import attainable_map, require_drawn, require_minimum
from mc_lib.networks import DeepLinear, Weights, partial_products


@verbs.count_components.register(DeepLinear)
def count_components(net: DeepLinear) -> int:
    """Return the number of connected components of L⁻¹(0).

    It is 2ᵇ, b the number of hidden layers exactly as wide as the input (proved in the
    book's appendix); all l − 1 of them give the 2^{l-1} of Corollary 4.2.

    Raises:
        RankDeficient: A does not have full column rank, a layer is too narrow for it, or
            zero loss is out of reach.

    >>> X = torch.eye(3)
    >>> count_components(DeepLinear(X, X, widths=(3, 3))), count_components(
    ...     DeepLinear(X, X, widths=(3, 4))
    ... )
    (4, 2)
    """
    target_map(net)
    return 2 ** len(signed_layers(net))


def signed_layers(net: DeepLinear) -> tuple[int, ...]:
    """Return the hidden layers i with n_i = n, where det P_i has a sign to keep.

    Args:
        net: the network.

    Returns:
        Their numbers, counted from 1.

    >>> signed_layers(DeepLinear(torch.eye(2), torch.eye(2), widths=(2, 3, 2)))
    (1, 3)
    """
    require_kind(net, DeepLinear, "the network")
    return tuple(i for i, h in enumerate(net.widths, start=1) if h == net.X.shape[0])


@verbs.component.register(DeepLinear)
def component(net: DeepLinear, w: Weights) -> Int[Tensor, "*batch b"]:
    """Return the name of the component of L⁻¹(0) that holds w.

    It is the tuple of the signs of det P_i, P_i = W_i ⋯ W_1, at the layers of
    `signed_layers`: two minima are joined by a path of zero loss if and only if these
    agree.

    Raises:
        NotAMinimum: w has positive loss.
        RankDeficient: as `count_components`; also where rounding leaves some P_i singular.

    >>> one = torch.eye(1)
    >>> component(DeepLinear(one, one, (1, 1)), (-one, one, -one))
    tensor([-1, -1])
    """
    target_map(net)
    require_minimum(net, w)
    products = partial_products(w)
    signs = [sign_of_determinant(products[i - 1], f"W_{i} ⋯ W_1 is") for i in signed_layers(net)]
    batch = broadcast_shapes(*(x.shape[:-2] for x in w))
    if not signs:
        return torch.ones(*batch, 0, dtype=torch.int64, device=net.X.device)
    return torch.stack([s.expand(batch) for s in signs], dim=-1).to(torch.int64)


def sign_of_determinant(p: Float[Tensor, "*batch n n"], what: str) -> Float[Tensor, "*batch"]:
    """Return the sign of det P, which a matrix singular to working precision does not have.

    Raises:
        RankDeficient: some P is not invertible by the measure of `is_invertible`.

    >>> sign_of_determinant(torch.diag(torch.tensor([1e-30, -1e-30])), "P is")
    tensor(-1.)
    """
    p = p.detach()
    if not is_invertible(torch.linalg.svdvals(p)).all():
        raise RankDeficient(f"{what} singular within rounding: det has no sign")
    return torch.linalg.slogdet(p).sign


@verbs.sample.register(DeepLinear)
def sample(
    net: DeepLinear,
    generator: torch.Generator,
    batch: tuple[int, ...] = (),
    *,
    condition: float = 10.0,
    signs: Sequence[int] | None = None,
) -> Weights:
    """Return random points of L⁻¹(0).

    Each P_i = W_i ⋯ W_1 is a random n_i × n matrix of full column rank, of the given
    condition number, and W_i = P_i P_{i-1}⁺ + Z_i (I − P_{i-1} P_{i-1}⁺) with a standard
    normal Z_i / √n_{i-1}.

    Raises:
        OutOfDomain: `signs` is not one of +1, -1 for each layer of `signed_layers`.
        RankDeficient: as `count_components`.

    >>> net = DeepLinear(torch.eye(2), torch.eye(2), widths=(2, 2))
    >>> w = sample(net, torch.Generator().manual_seed(0), signs=(1, -1))
    >>> component(net, w)
    tensor([ 1, -1])
    """
    require_source(generator, batch, net.X.dtype)
    target = target_map(net)
    n, layers = net.X.shape[0], signed_layers(net)
    if signs is not None and (len(signs) != len(layers) or not set(signs) <= {1, -1}):
        raise OutOfDomain(f"signs: one of +1, -1 for each of the layers {layers}, got {signs}")
    chosen = dict(zip(layers, signs, strict=True)) if signs is not None else {}
    product = torch.eye(n, dtype=target.dtype, device=target.device).expand(*batch, n, n)
    weights: list[Tensor] = []
    for i, h in enumerate((*net.widths, None), start=1):
        if h is None:
            after = target.expand(*batch, *target.shape)
        else:
            square = GeneralLinear(n).sample(
                generator, batch, condition=condition, component=chosen.get(i), dtype=target.dtype
            )
            after = in_random_position(square, h, generator)
        weights.append(random_in_fibre(product, after, generator))
        product = weights[-1] @ product
    return require_drawn(net, tuple(weights), condition=condition, signs=signs)


def target_map(net: DeepLinear) -> Float[Tensor, "m n"]:
    """Return A = Y X⁺, the only linear map of zero loss.

    Raises:
        RankDeficient: zero loss is out of reach, A does not have full column rank n, or
            a hidden layer is narrower than n.

    >>> target_map(DeepLinear(2 * torch.eye(1), torch.eye(1), widths=(1,)))
    tensor([[0.5000]])
    """
    n, target = net.X.shape[0], attainable_map(net)
    if min(net.widths) < n:
        raise RankDeficient(f"a hidden width of {net.widths} is below the rank {n} of A = Y X⁺")
    return target
