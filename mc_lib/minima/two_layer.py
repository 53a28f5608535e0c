"""The minimum of a two-layer network that has a neuron to spare.

Let s = dim span{σ(vX) : v}, at most the number k of columns of X. For h ≥ s + 1 the minimum
is path-connected, for every function σ (ours; the proof is in `basis_exchange`).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes, first_fault, numerical_rank, tolerance
from mc_lib.errors import NotFinite, OutOfDomain, RankDeficient
from mc_lib.groups.sampling import require_source
from mc_lib.kinds import require_kind, require_number
from mc_lib.minima import verbs
from mc_lib.minima.fibre import size_ratio
from mc_lib.minima.zero_loss import require_drawn, require_minimum
from mc_lib.networks import TwoLayer, Weights

REDRAWS = 20
SIZES = (0.25, 1.0, 4.0, 16.0)
"""Of the largest entry of vX, where features that span are looked for."""


@verbs.count_components.register(TwoLayer)
def count_components(net: TwoLayer) -> int:
    """Return the number of components of the minimum: 1 for h ≥ s + 1.

    It is proved for h ≥ k + 1 ≥ s + 1. For fewer neurons s is `intrinsic_dimension`, a lower
    bound.

    Raises:
        RankDeficient: h ≤ s, or zero loss is out of reach, as far as random features tell.

    >>> X = torch.eye(2)
    >>> count_components(TwoLayer(X, X, hidden=3, activation=torch.tanh))
    1
    """
    _require_spare_neuron(net)
    if not _is_reached(random_features(net), net.Y).all():
        raise RankDeficient(
            "zero loss is out of reach: the rows of Y are no combinations of features σ(vX), as "
            "far as random v tell. Are two columns of X equal, or is σ a polynomial of low degree?"
        )
    return 1


def random_features(net: TwoLayer) -> Float[Tensor, "N k"]:
    """Return random features σ(vX), with entries up to 1, whose rank is taken for s.

    v is normal, of sizes that make the largest entry of vX about 1/4, 1, 4 and 16, and of the
    size that `sample` draws; sizes at which σ overflows are left out. The same v are drawn in
    every call, 8k + 64 of each size.

    >>> one = torch.ones(1, 2)
    >>> int(torch.linalg.matrix_rank(random_features(TwoLayer(one, one, 3, torch.tanh))))
    1
    """
    generator = torch.Generator(device=net.X.device)
    (n, k), kind = net.X.shape, net.X
    entries = torch.randn(8 * k + 64, n, generator=generator, dtype=kind.dtype, device=kind.device)
    entries = entries / n**0.5
    sizes = (entries @ net.X).abs().amax(-1, keepdim=True)
    unit = torch.where(sizes > 0, sizes, 1)
    found = [net.X.new_zeros(1, k)]
    for v in (*(entries / unit * size for size in SIZES), entries):
        try:
            found.append(net.features(v))
        except NotFinite:
            continue
    h = torch.cat(found)
    peaks = h.abs().amax(-1, keepdim=True)
    return h / torch.where(peaks > 0, peaks, 1)


def intrinsic_dimension(net: TwoLayer) -> int:
    """Return s = dim span{σ(vX) : v}, the rank of `random_features`, at most k.

    It is the intrinsic dimension of Venturi, Bandeira and Bruna (2019) on the data X: one
    hidden neuron more connects the minimum.

    Returns:
        The rank: a lower bound of s, and s itself for an analytic σ with probability 1.

    >>> X = torch.tensor([[1.0, 2.0, 3.0]])
    >>> intrinsic_dimension(TwoLayer(X, X, 1, torch.square))  # (vx)² = v² x²
    1
    """
    require_kind(net, TwoLayer, "the network")
    return numerical_rank(random_features(net))


def _require_spare_neuron(net: TwoLayer) -> None:
    if net.hidden <= net.columns and net.hidden <= (s := intrinsic_dimension(net)):
        raise RankDeficient(
            f"the number of components is known for h ≥ s + 1 = {s + 1} hidden neurons, s = "
            f"dim span{{σ(vX)}}; got h = {net.hidden}"
        )


@verbs.component.register(TwoLayer)
def component(net: TwoLayer, w: Weights) -> Int[Tensor, "*batch 0"]:
    """Return the name of the component that holds w: empty, as there is only one.

    Raises:
        NotAMinimum: w has positive loss.
        RankDeficient: h ≤ s, as for `count_components`.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=2, activation=torch.relu)
    >>> component(net, (torch.ones(2, 1), torch.ones(1, 2) / 2)).shape
    torch.Size([0])
    """
    require_minimum(net, w)
    _require_spare_neuron(net)
    batch = broadcast_shapes(*(x.shape[:-2] for x in w))
    return torch.ones(*batch, 0, dtype=torch.int64, device=net.X.device)


@verbs.sample.register(TwoLayer)
def sample(
    net: TwoLayer,
    generator: torch.Generator,
    batch: tuple[int, ...] = (),
    *,
    scale: float = 1.0,
) -> Weights:
    """Return random points (V, U) of the minimum.

    V is standard normal times scale/√n, drawn again (20 times at most) while Y is out of the
    reach of σ(VX), as with ReLU when a column of data happens to switch all neurons off;
    U = Z + (Y − Z H) H⁺ with H = σ(VX) and a standard normal Z/√h.

    Args:
        net: the network.
        generator: the source of randomness.
        batch: leading shape.
        scale: of V, positive.

    Returns:
        Weights with leading shape `batch`.

    Raises:
        OutOfDomain: scale is not positive.
        RankDeficient: in every draw Y is out of the reach of some σ(VX).

    >>> X = torch.eye(2)
    >>> net = TwoLayer(X, X, hidden=3, activation=torch.tanh)
    >>> bool(net.loss(sample(net, torch.Generator())) < 1e-10)
    True
    """
    require_source(generator, batch, net.X.dtype)
    require_number(scale, "scale")
    if not 0 < scale < float("inf"):
        raise OutOfDomain(f"scale is a positive number, got {scale}")
    (h, n), dtype, device = net.shapes[0], net.X.dtype, generator.device

    def draw(*shape: int) -> Tensor:
        return torch.randn(*batch, *shape, generator=generator, dtype=dtype, device=device)

    v = draw(h, n) * (scale / n**0.5)
    for _ in range(REDRAWS):
        reached = _is_reached(net.features(v), net.Y)
        if reached.all():
            break
        v = torch.where(reached[..., None, None], v, draw(h, n) * (scale / n**0.5))
    features = net.features(v)
    missed = ~_is_reached(features, net.Y)
    if missed.any():
        raise RankDeficient(
            f"zero loss is out of reach of σ(VX), {h} × {net.columns}, in {REDRAWS + 1} draws of V"
            f"{first_fault(missed)[1]}: the rows of Y are no combinations of its rows"
        )
    u = draw(net.Y.shape[0], h) / h**0.5 * size_ratio(features, net.Y)
    for _ in range(2):  # the second time for what rounding leaves
        u = u + (net.Y - u @ features) @ _inverse(features)
    return require_drawn(net, (v, u), scale=scale)


def _inverse(h: Float[Tensor, "*batch h k"]) -> Float[Tensor, "*batch k h"]:
    return torch.linalg.pinv(h, rtol=tolerance(h.dtype).rank)


def _is_reached(h: Float[Tensor, "*batch h k"], y: Float[Tensor, "m k"]) -> Tensor:
    """Return where the rows of Y are combinations of the rows of H."""
    y = y / y.abs().max().clamp(min=torch.finfo(y.dtype).tiny)
    gap = y - y @ _inverse(h) @ h
    return gap.square().sum((-2, -1)) <= tolerance(y.dtype).zero_loss * y.square().sum()
