"""The minimum of a two-layer network that is at least as wide as the data.

Where H = σ(VX), h × k, has full column rank k, {U : U H = Y} is an affine space. So the
full-rank part of the minimum, M = {(V, U) : rank σ(VX) = k, U σ(VX) = Y}, is a bundle of
affine spaces over F = {V : rank σ(VX) = k}, and has the components of F.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mc_lib.checks import broadcast_shapes, first_fault, tolerance
from mc_lib.errors import NotFinite, OutOfDomain, RankDeficient
from mc_lib.groups.sampling import require_source
from mc_lib.kinds import require_number
from mc_lib.minima import verbs
from mc_lib.minima.fibre import random_in_fibre
from mc_lib.minima.zero_loss import require_drawn, require_minimum
from mc_lib.networks import TwoLayer, Weights

REDRAWS = 20
SIZES = (0.25, 1.0, 4.0, 16.0)
"""Of the largest entry of vX, where features that span are looked for."""


@verbs.count_components.register(TwoLayer)
def count_components(net: TwoLayer) -> int:
    """Return the number of components of the full-rank part M of the minimum: 1 for h > k.

    What is counted is M = {(V, U) ∈ L⁻¹(0) : rank σ(VX) = k}; the minimum may have other
    points, with σ(VX) of smaller rank, about which nothing is said. M is path-connected for
    every continuous σ and h ≥ k + 1 (ours; the proof is in `basis_exchange`). It is empty
    exactly where the features σ(vX), v ∈ R¹ˣⁿ, do not span Rᵏ, since the rows of V are free
    and U H = Y has a solution for every H of rank k. `features_span` looks for k independent
    ones; M counts as empty where it finds none.

    Raises:
        RankDeficient: h ≤ k, or M is empty as far as `features_span` can tell.

    >>> X = torch.eye(2)
    >>> count_components(TwoLayer(X, X, hidden=3, activation=torch.tanh))
    1
    """
    _require_spare_neuron(net)
    if not features_span(net):
        raise RankDeficient(
            f"no V was found for which σ(VX) has the full column rank {net.columns}: the part of "
            "the minimum that is counted is empty, as far as random features can tell. Are two "
            "columns of X equal, or is σ a polynomial of low degree?"
        )
    return 1


def features_span(net: TwoLayer) -> bool:
    """Return whether random features σ(vX) span Rᵏ, so that some σ(VX) has full column rank.

    v is normal, of sizes that make the largest entry of vX about 1/4, 1, 4 and 16, and of the
    size that `sample` draws; sizes at which σ overflows are left out. The same v are drawn in
    every call, 2k + 16 of them and, where these do not span, four times as many. True is a
    proof up to rounding; False is none, if σ is peculiar enough to hide from these v.

    >>> one = torch.ones(1, 2)
    >>> features_span(TwoLayer(one, one, 3, torch.tanh))  # two equal columns
    False
    """
    generator = torch.Generator(device=net.X.device)
    return any(_span(net, rows, generator) for rows in (2 * net.columns + 16, 8 * net.columns + 64))


def _span(net: TwoLayer, rows: int, generator: torch.Generator) -> bool:
    n, k = net.X.shape
    entries = torch.randn(rows, n, generator=generator, dtype=net.X.dtype, device=net.X.device)
    entries = entries / n**0.5
    sizes = (entries @ net.X).abs().amax(-1, keepdim=True)
    unit = torch.where(sizes > 0, sizes, 1)
    found = []
    for v in (*(entries / unit * size for size in SIZES), entries):
        try:
            found.append(net.features(v))
        except NotFinite:
            continue
    h = torch.cat([net.X.new_zeros(1, k), *found])
    peaks = h.abs().amax(-1, keepdim=True)
    h = h / torch.where(peaks > 0, peaks, 1)  # no change of rank
    return len(h) >= k and not bool(_is_flat(torch.linalg.svdvals(h)))


def _require_spare_neuron(net: TwoLayer) -> None:
    if net.hidden <= net.columns:
        raise RankDeficient(
            f"the number of components is known for h ≥ k + 1 = {net.columns + 1} hidden neurons, "
            f"k the columns of data; got h = {net.hidden}"
        )


@verbs.component.register(TwoLayer)
def component(net: TwoLayer, w: Weights) -> Int[Tensor, "*batch 0"]:
    """Return the name of the component of M that holds w: empty, as there is only one.

    Raises:
        NotAMinimum: w has positive loss.
        RankDeficient: h ≤ k, or σ(VX) does not have full column rank.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=2, activation=torch.relu)
    >>> component(net, (torch.ones(2, 1), torch.ones(1, 2) / 2)).shape
    torch.Size([0])
    """
    _require_spare_neuron(net)
    require_minimum(net, w)
    require_full_rank(net, w[0])
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
    """Return random points (V, U) of M.

    V is standard normal times scale/√n, drawn again (20 times at most) while σ(VX) does not
    have full column rank, as with ReLU when a column of data happens to switch all neurons
    off; U = Y H⁺ + Z (I − H H⁺) with a standard normal Z/√h.

    Raises:
        OutOfDomain: scale is not positive.
        RankDeficient: h < k, or in every draw some σ(VX) does not have full column rank.

    >>> X = torch.eye(2)
    >>> net = TwoLayer(X, X, hidden=3, activation=torch.tanh)
    >>> bool(net.loss(sample(net, torch.Generator())) < 1e-10)
    True
    """
    require_source(generator, batch, net.X.dtype)
    require_number(scale, "scale")
    if not 0 < scale < float("inf"):
        raise OutOfDomain(f"scale is a positive number, got {scale}")
    h, n = net.shapes[0]

    def draw() -> Tensor:
        device, dtype = generator.device, net.X.dtype
        entries = torch.randn(*batch, h, n, generator=generator, dtype=dtype, device=device)
        return entries * (scale / n**0.5)

    v = draw()
    for _ in range(REDRAWS):
        flat = _is_flat(torch.linalg.svdvals(net.features(v)))
        if h < net.X.shape[1] or not flat.any():
            break
        v = torch.where(flat[..., None, None], draw(), v)
    require_full_rank(net, v)
    u = random_in_fibre(net.features(v), net.Y.expand(*batch, *net.Y.shape), generator)
    return require_drawn(net, (v, u), scale=scale)


def require_full_rank(net: TwoLayer, v: Float[Tensor, "*batch h n"], at: str = "") -> None:
    """Refuse a first layer whose features σ(VX) do not have full column rank.

    Raises:
        RankDeficient: h < k, or σ_min(H) is at most the rank tolerance times σ_max(H).

    >>> two = torch.ones(1, 2)
    >>> require_full_rank(TwoLayer(two, two, hidden=1, activation=torch.tanh), torch.ones(1, 1))
    Traceback (most recent call last):
    ...
    mc_lib.errors.RankDeficient: σ(VX) is 1 × 2: full column rank needs h ≥ k = 2 ...
    """
    h, k = net.hidden, net.X.shape[1]
    if h < k:
        raise RankDeficient(
            f"σ(VX) is {h} × {k}: full column rank needs h ≥ k = {k} hidden neurons, and a "
            f"path between any two minima h ≥ k + 1"
        )
    s = torch.linalg.svdvals(net.features(v).detach())
    flat = _is_flat(s)
    if flat.any():
        where, entry = first_fault(flat)
        raise RankDeficient(
            f"σ(VX){at} does not have full column rank {k}{entry}: smallest singular value "
            f"{float(s[where][-1]):.3g} against the largest {float(s[where][0]):.3g}"
        )


def _is_flat(s: Float[Tensor, "*batch k"]) -> Bool[Tensor, "*batch"]:
    return s[..., -1] <= tolerance(s.dtype).rank * s[..., 0]
