"""Two minima of a wide two-layer network: a path of zero loss between them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.curves.base import locate
from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.groups.ranges import largest
from mc_lib.minima import verbs
from mc_lib.minima.basis_exchange import exchange_corners
from mc_lib.minima.curve import CHUNK, MinimumCurve, require_joined
from mc_lib.minima.fibre import natural_unit, nearest_in_fibre, size_ratio
from mc_lib.minima.two_layer import require_full_rank
from mc_lib.minima.zero_loss import require_ends
from mc_lib.networks import TwoLayer, Weights
from mc_lib.norms import vector_norm
from mc_lib.points import lerp
from mc_lib.sampling import climb, in_chunks, local_maxima

TRIES = 4
"""How many third first-layers are tried."""

GRID = 201
"""The equally spaced times at which the smallest singular value is looked for."""


@dataclass(frozen=True, eq=False)
class TwoLayerCurve(MinimumCurve):
    """The path (V_t, U_t) of zero loss over a polygon V_t of first layers.

    With H_t = σ(V_tX), of full column rank, U_t = Z_t + (Y − Z_tH_t)H_t⁺ is the second
    layer of zero loss nearest to Z_t = (1 − t) U_0 + t U_1, weighted by ‖H_t‖ where that changes
    by a factor above 1000; it is U_0 at t = 0 and U_1 at t = 1. The map (6) is the case
    V_1 = gV_0. Y is taken on the segment between the outputs at the ends, which differ from it
    by rounding. Where σ has kinks, so has U_t.

    Args:
        net: the network.
        w0: γ(0).
        w1: γ(1).
        corners: of the polygon, V_0 first and V_1 last.
        route: "straight", "through a third V" or "exchange".
        smallest: the smallest singular value of H_t that was met.
    """

    net: TwoLayer
    corners: Float[Tensor, "c h n"]
    route: str
    smallest: float

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """The times of the inner corners."""
        sides = len(self.corners) - 1
        return tuple(i / sides for i in range(1, sides))

    def _formula(self, t: Float[Tensor, "T"]) -> Weights:
        v = on_polygon(self.corners, t)
        y = lerp(self.net.output(self.w0), self.net.output(self.w1), t)
        h = self.net.features(v)
        return v, nearest_in_fibre(self._free_part(h, t), h, y)

    def _free_part(self, h: Tensor, t: Tensor) -> Tensor:
        """Return Z_t; where H changes its size, so scaled that Z_tH_t stays between its ends."""
        h0, h1 = self.net.features(self.w0[0]), self.net.features(self.w1[0])
        if size_ratio(h0, h1) == 1:
            return lerp(self.w0[1], self.w1[1], t)
        size0, size1, size = (vector_norm(x.flatten(-2)) for x in (h0, h1, h))
        z = lerp(self.w0[1], self.w1[1] * (size1 / size0), t)
        return z * (size0 / size)[:, None, None]


@verbs.connect.register(TwoLayer)
def connect(net: TwoLayer, w0: Weights, w1: Weights, *, tries: int = TRIES) -> TwoLayerCurve:
    """Return a path of zero loss from w0 to w1, on which σ(VX) keeps full column rank.

    First the segment from V_0 to V_1 is tried; it works unless the rank drops on it, which
    generically it does not for h ≥ k + 1 (codimension h − k + 1). Then polygons through a
    random third V, `tries` of them, the same in every call. Then, for h ≥ k + 1, the polygon
    of `exchange`, which always works. The path says its `route` and the `smallest` singular
    value of σ(VX) on it.

    Raises:
        RankDeficient: at an end σ(VX) does not have full column rank; or, with h ≥ k + 1,
            only to working precision on the way.
        NotConnected: h = k and no path was found, which does not mean that there is none.
        NotAMinimum: an end has positive loss.
        ShapeMismatch: an end is batched, or no weights of the network.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=2, activation=torch.tanh)
    >>> v = torch.ones(2, 1)
    >>> u = v.mT / (2 * torch.tanh(one))
    >>> connect(net, (v, u), (2 * v, v.mT / (2 * torch.tanh(2 * one)))).route
    'straight'
    """
    require_ends(net, w0, w1)
    for name, w in (("w0", w0), ("w1", w1)):
        require_full_rank(net, w[0], f" at {name}")
    ends = torch.linalg.svdvals(net.features(torch.stack([w0[0], w1[0]])).detach())
    rank = tolerance(net.X.dtype).rank
    enough = min(rank**0.5 * float(ends.max()), float(ends[:, -1].min()) / 2)
    for route, corners in _simple_routes(w0[0], w1[0], tries):
        smallest = smallest_on(net, corners.detach())
        if smallest >= enough:
            return require_joined(TwoLayerCurve(net, w0, w1, corners, route, smallest))
    if net.hidden == net.X.shape[1]:
        _refuse(net, w0[0], w1[0], tries)
    corners = exchange_corners(net, w0[0], w1[0])
    smallest = smallest_on(net, corners.detach())
    if smallest <= rank * float(ends.max()):
        raise RankDeficient(
            f"a path exists, but σ(VX) loses rank on it to working precision: smallest singular "
            f"value {smallest:.3g} against {float(ends.max()):.3g} at the ends"
        )
    return require_joined(TwoLayerCurve(net, w0, w1, corners, "exchange", smallest))


def on_polygon(corners: Float[Tensor, "c h n"], t: Float[Tensor, "T"]) -> Float[Tensor, "T h n"]:
    """Return the points of a polygon, each of whose sides takes an equal time.

    >>> on_polygon(torch.tensor([0.0, 1.0, 5.0])[:, None, None], torch.tensor([0.75])).item()
    3.0
    """
    side, s = locate(t, len(corners) - 1)
    return torch.lerp(corners[side], corners[side + 1], s[:, None, None])


def smallest_on(net: TwoLayer, corners: Float[Tensor, "c h n"]) -> float:
    """Return the smallest singular value of σ(VX) met on a polygon of first layers.

    The least at 201 equally spaced times and at the corners, refined about the four lowest.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=1, activation=torch.tanh)
    >>> smallest_on(net, torch.tensor([-1.0, 2.0])[:, None, None]) < 1e-3
    True
    """

    def depth(t: Tensor) -> Tensor:
        flat = t.reshape(-1)
        points = in_chunks(
            lambda s: torch.linalg.svdvals(net.features(on_polygon(corners, s)))[:, -1],
            flat,
            (corners[0],),
            CHUNK * corners[0].numel() * corners.element_size(),
        )
        return -points.reshape(t.shape)

    grid = torch.linspace(0, 1, GRID, dtype=corners.dtype, device=corners.device)
    values = depth(grid)
    lowest = local_maxima(values)
    _, refined = climb(depth, grid[lowest], values[lowest], 1 / (GRID - 1))
    at_corners = torch.linalg.svdvals(net.features(corners))[:, -1]
    return min(float(-refined.max()), float(at_corners.min()))


def _simple_routes(v0: Tensor, v1: Tensor, tries: int) -> Iterator[tuple[str, Tensor]]:
    yield "straight", torch.stack([v0, v1])
    generator = torch.Generator(device=v0.device)  # its default seed: the same in every call
    both = torch.stack([v0, v1])
    unit = natural_unit(largest(both)) if both.any() else 1.0
    size = (both / unit).square().mean().sqrt() * unit
    for _ in range(tries):
        third = size * torch.randn(v0.shape, generator=generator, dtype=v0.dtype, device=v0.device)
        yield "through a third V", torch.stack([v0, third, v1])


def _refuse(net: TwoLayer, v0: Tensor, v1: Tensor, tries: int) -> None:
    dets = [float(torch.linalg.slogdet(net.features(v)).sign) for v in (v0, v1)]
    why = (
        "det σ(VX) has opposite signs at the ends, so σ(VX) is singular somewhere on every path"
        if dets[0] != dets[1]
        else f"neither the segment nor {tries} third V kept σ(VX) invertible"
    )
    raise NotConnected(
        f"no path was found, which does not mean that there is none: {why}. With h = k = "
        f"{net.hidden} hidden neurons none is promised; with h ≥ k + 1 there always is one"
    )
