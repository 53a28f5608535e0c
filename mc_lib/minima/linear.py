"""The minimum L⁻¹(0) of a linear network, for X and Y of any rank.

Let A = Y X⁺, r its rank, E an orthonormal basis of its row space and Π = X X⁺. Zero loss means
W_l ⋯ W_1 E = A E and W_l ⋯ W_2 Q = 0, where Q = W_1 (Π − E Eᵀ). The second equation stays when Q
is scaled to 0, and W_1 (I − Π) meets no data: both are free of cost to remove. What remains is
parametrised by P_i = W_i ⋯ W_1 E, i < l, any n_i × r matrices of full column rank r; where n_i = r
that is an invertible matrix, and the sign of its determinant is what a continuous path cannot
change. So there are 2ᵇ components, b = #{i < l : n_i = r}. For X = I the count is that of Trager,
Kohn and Bruna (2020).
"""

from collections.abc import Sequence

import scipy  # its parts are loaded when they are used
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes, numerical_rank, tolerance
from mc_lib.errors import OutOfDomain, RankDeficient
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.polar import is_invertible
from mc_lib.groups.sampling import require_source
from mc_lib.kinds import require_kind
from mc_lib.minima import verbs
from mc_lib.minima.fibre import in_random_position, random_in_fibre
from mc_lib.minima.zero_loss import require_drawn, require_minimum, smallest_map
from mc_lib.networks import DeepLinear, Weights, partial_products


@verbs.count_components.register(DeepLinear)
def count_components(net: DeepLinear) -> int:
    """Return the number of connected components of L⁻¹(0).

    It is 2ᵇ, b the number of hidden layers exactly as wide as the rank of A = Y X⁺ (proved in
    the book's appendix); all l − 1 of them give the 2^{l-1} of Corollary 4.2.

    Raises:
        RankDeficient: zero loss is out of reach, with a layer too narrow for it or with any.

    >>> X = torch.eye(3)
    >>> count_components(DeepLinear(X, X, widths=(3, 3))), count_components(
    ...     DeepLinear(X, X, widths=(3, 4))
    ... )
    (4, 2)
    """
    return 2 ** len(signed_layers(net))


def signed_layers(net: DeepLinear) -> tuple[int, ...]:
    """Return the hidden layers i with n_i = rank Y X⁺, where det P_i has a sign to keep.

    They are counted from 1.

    Raises:
        RankDeficient: as `count_components`.

    >>> signed_layers(DeepLinear(torch.eye(2), torch.eye(2), widths=(2, 3, 2)))
    (1, 3)
    """
    require_kind(net, DeepLinear, "the network")
    return _as_wide(net, target_and_basis(net)[1])


def _as_wide(net: DeepLinear, basis: Tensor) -> tuple[int, ...]:
    return tuple(i for i, h in enumerate(net.widths, start=1) if h == basis.shape[1])


@verbs.component.register(DeepLinear)
def component(net: DeepLinear, w: Weights) -> Int[Tensor, "*batch b"]:
    """Return the name of the component of L⁻¹(0) that holds w.

    It is the tuple of the signs of det P_i, P_i = W_i ⋯ W_1 E, at the layers of
    `signed_layers`, with E of `row_basis`, E = I where Y X⁺ has full column rank: two minima are
    joined by a path of zero loss if and only if these agree.

    Raises:
        NotAMinimum: w has positive loss.
        RankDeficient: as `count_components`; also where rounding leaves some P_i singular.

    >>> one = torch.eye(1)
    >>> component(DeepLinear(one, one, (1, 1)), (-one, one, -one))
    tensor([-1, -1])
    """
    _, basis = target_and_basis(net)
    layers = _as_wide(net, basis)
    require_minimum(net, w)
    products = partial_products((w[0] @ basis, *w[1:]))
    signs = [sign_of_determinant(products[i - 1], f"W_{i} ⋯ W_1 is") for i in layers]
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

    Each P_i = W_i ⋯ W_1 E is a random n_i × r matrix of full column rank, of the given
    condition number, and W_i = P_i P_{i-1}⁺ + Z_i (I − P_{i-1} P_{i-1}⁺) with a standard
    normal Z_i / √n_{i-1}; W_1 = P_1 Eᵀ + Z_1 (I − E Eᵀ), without what the output would see of
    Z_1. Where Y = 0, W_l = 0 and the others are normal.

    Raises:
        OutOfDomain: `signs` is not one of +1, -1 for each layer of `signed_layers`.
        RankDeficient: as `count_components`.

    >>> net = DeepLinear(torch.eye(2), torch.eye(2), widths=(2, 2))
    >>> w = sample(net, torch.Generator().manual_seed(0), signs=(1, -1))
    >>> component(net, w)
    tensor([ 1, -1])
    """
    require_source(generator, batch, net.X.dtype)
    target, basis = target_and_basis(net)
    r, layers = basis.shape[1], _as_wide(net, basis)
    if signs is not None and (len(signs) != len(layers) or not set(signs) <= {1, -1}):
        raise OutOfDomain(f"signs: one of +1, -1 for each of the layers {layers}, got {signs}")
    if r == 0:
        drawn = net.random(generator, batch)
        return (*drawn[:-1], torch.zeros_like(drawn[-1]))
    chosen = dict(zip(layers, signs, strict=True)) if signs is not None else {}
    product = torch.eye(r, dtype=target.dtype, device=target.device).expand(*batch, r, r)
    weights: list[Tensor] = []
    for i, h in enumerate((*net.widths, None), start=1):
        if h is None:
            after = (target @ basis).expand(*batch, len(target), r)
        else:
            square = GeneralLinear(r).sample(
                generator, batch, condition=condition, component=chosen.get(i), dtype=target.dtype
            )
            after = in_random_position(square, h, generator)
        weights.append(random_in_fibre(product, after, generator))
        product = weights[-1] @ product
    if r < len(net.X):
        weights[0] = weights[0] @ basis.mT + _unseen(net, weights, basis, generator)
    return require_drawn(net, tuple(weights), condition=condition, signs=signs)


def _unseen(
    net: DeepLinear, weights: list[Tensor], basis: Tensor, generator: torch.Generator
) -> Tensor:
    """Return a random part of W_1 off E that the layers above do not let through to the data."""
    (h, n), w = net.shapes[0], weights[0]
    z = torch.randn(*w.shape[:-2], h, n, generator=generator, dtype=w.dtype, device=w.device)
    z = (z - z @ basis @ basis.mT) / n**0.5
    above = weights[-1]
    for x in weights[-2:0:-1]:
        above = above @ x
    _, s, seen = torch.linalg.svd(above, full_matrices=False)
    seen = torch.where((s > tolerance(s.dtype).rank * s[..., :1])[..., None], seen, 0)
    return z - seen.mT @ (seen @ z @ data_projection(net, basis))


def target_map(net: DeepLinear) -> Float[Tensor, "m n"]:
    """Return A = Y X⁺, the smallest linear map of zero loss.

    Raises:
        RankDeficient: zero loss is out of reach, as where a hidden layer is narrower than the
            rank of A.

    >>> target_map(DeepLinear(2 * torch.eye(1), torch.eye(1), widths=(1,)))
    tensor([[0.5000]])
    """
    return target_and_basis(net)[0]


def target_and_basis(net: DeepLinear) -> tuple[Float[Tensor, "m n"], Float[Tensor, "n r"]]:
    """Return A = Y X⁺ and the basis E of its row space.

    Raises:
        RankDeficient: as `target_map`.

    >>> one = torch.eye(1)
    >>> target_and_basis(DeepLinear(one, 2 * one, widths=(1,)))
    (tensor([[2.]]), tensor([[1.]]))
    """
    target = smallest_map(net)
    basis = row_basis(target)
    if min(net.widths) < basis.shape[1]:
        raise RankDeficient(
            f"zero loss is out of reach: a hidden width of {net.widths} is below the rank "
            f"{basis.shape[1]} of A = Y X⁺"
        )
    return target, basis


def row_basis(target: Float[Tensor, "m n"]) -> Float[Tensor, "n r"]:
    """Return an orthonormal basis E of the row space of A, and I where that is all of Rⁿ.

    Its sign is such that at its most independent rows it has a positive determinant.

    >>> row_basis(torch.tensor([[0.0, -2.0]]))
    tensor([[0.],
            [1.]])
    """
    _, s, vt = torch.linalg.svd(target, full_matrices=False)
    r = int((s > tolerance(s.dtype).rank * s.max()).sum())
    if r == target.shape[1]:
        return torch.eye(r, dtype=s.dtype, device=s.device)
    basis = vt[:r].mT.clone()
    _, order = scipy.linalg.qr(vt[:r].cpu().numpy(), mode="r", pivoting=True)
    if r > 0 and torch.linalg.slogdet(basis[sorted(order[:r].tolist())]).sign < 0:
        basis[:, -1] *= -1
    return basis


def data_projection(net: DeepLinear, basis: Float[Tensor, "n r"]) -> Float[Tensor, "n n"]:
    """Return Π = X X⁺, and E Eᵀ to the last bit where X has no larger rank.

    >>> data_projection(DeepLinear(torch.ones(2, 1), torch.ones(1, 1), (1,)), torch.zeros(2, 0))
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    rank = numerical_rank(net.X)
    if rank == basis.shape[1]:
        return basis @ basis.mT
    columns = torch.linalg.svd(net.X, full_matrices=False).U[:, :rank]
    return columns @ columns.mT
