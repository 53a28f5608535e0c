"""A curve as the segment between its ends sees it, and the farthest point of the segment."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.piecewise import DEGREE, Piecewise, resolved
from mc_lib.points import leaves
from mc_lib.sampling import climb, in_chunks, local_maxima, require_finite, start_of, time_grid

ROUNDS = 12
"""Of the search for kinks; three are enough where the curve crosses the segment often."""

KINKS = 8
"""How many are looked at in a round."""

GAIN = 1e-6
"""Of a squared distance, relative: a kink that promises less is left alone."""

BLOCK = 2**24
"""How many bytes of the curve are computed at once: more would not be faster."""

AT_ONCE = 10**6
"""How many pairs of a point of the segment and a place of the curve are looked at together."""


@dataclass(frozen=True, eq=False)
class Profile:
    """How far along the segment, and how far off its line, a curve is at each time.

    Let u be the direction of the segment and d its length. With α = ⟨γ − γ(0), u⟩ and ρ
    the norm of the rest, ‖γ(0) + sdu − γ(t)‖² = (α(t) − sd)² + ρ(t)². So each point of γ
    is computed once, and not again for every s. `chord` is d; on `grid`, two places in each
    panel and where ρ is smallest, a search begins.
    """

    curve: Piecewise
    chord: Float[Tensor, ""]
    grid: Float[Tensor, "Q"]

    def nearest(self, s: Float[Tensor, "S"]) -> tuple[Float[Tensor, "S c"], Float[Tensor, "S c"]]:
        """Return near places of the curve for points of the segment, and squared distances.

        >>> flat = lambda *x: torch.tensor([[[*x, 0.0, 0.0, 0.0]]])
        >>> bow = torch.cat([flat(0.0, 2.0, 0.0), flat(1.0, 0.0, 0.0)], 1)  # a line beside it
        >>> grid = torch.tensor([0.0, 0.5, 1.0])
        >>> profile = Profile(Piecewise(torch.tensor([[0.0, 1.0]]), bow), torch.tensor(2.0), grid)
        >>> [x.round(decimals=5)[0, 0] for x in profile.nearest(torch.tensor([0.25]))]
        [tensor(0.2500), tensor(1.)]
        """
        rows = [self._near(x) for x in s.split(max(1, AT_ONCE // len(self.grid)))]
        most = max(q.shape[1] for q, _ in rows)
        return tuple(  # type: ignore[return-value]
            torch.cat([torch.cat([x, x[:, :1].expand(-1, most - x.shape[1])], 1) for x in xs])
            for xs in zip(*rows, strict=True)
        )

    def _near(self, s: Float[Tensor, "S"]) -> tuple[Tensor, Tensor]:
        def closeness(q: Tensor) -> Tensor:
            at = (s * self.chord).reshape(-1, *[1] * (q.ndim - 1))
            along, off = self.curve(q)
            return -((along - at).square() + off.clamp(min=0))

        values = closeness(self.grid.expand(len(s), -1))
        near = local_maxima(values, most=3)
        last = float(self.curve.panels)
        q, value = climb(closeness, self.grid[near], values.gather(1, near), 0.5, last=last)
        return q, -value

    def farthest(self, points: int) -> Float[Tensor, ""]:
        """Return the point of the segment that is farthest from the curve.

        By cutting planes. For finitely many points of the curve the squared distance is
        (sd)² + min over them of ρ² + α² − 2sdα, the minimum of a family of lines beside a
        convex function: its maximum is at a kink, where two neighbours on the lower hull of
        the points (α, α² + ρ²) are equally near. It bounds that of the curve from above. The
        points nearest to the kinks join the others. A section search about the best ends it.

        >>> none = torch.zeros(1, 1, 3)
        >>> steep = torch.cat([torch.tensor([[[0.0, 2.0, 0.0]]]), none], 2)
        >>> hump = torch.cat([torch.tensor([[[0.0, 4.0, -4.0]]]), none], 2)  # ρ² = 4x(1 − x)
        >>> bow = Piecewise(torch.tensor([[0.0, 1.0]]), torch.cat([steep, hump], 1))
        >>> round(float(Profile(bow, torch.tensor(2.0), torch.tensor([0.0, 1.0])).farthest(3)), 6)
        0.5
        """
        s = torch.linspace(0, 1, points, dtype=self.grid.dtype, device=self.grid.device)
        tried, squares, places = s[:0], s[:0], self.grid
        for _ in range(ROUNDS):
            q, square = self.nearest(s)
            tried, squares = torch.cat([tried, s]), torch.cat([squares, square.amin(1)])
            places, s, bounds = self._kinks(torch.cat([places, q.reshape(-1)]))
            s = s[bounds > squares.max() * (1 + GAIN)][:KINKS]
            if len(s) == 0:
                break
        tried, order = tried.sort()
        best = local_maxima(squares[order])
        value = squares[order][best]
        s, value = climb(
            lambda x: self.nearest(x.reshape(-1))[1].amin(1).reshape(x.shape),
            tried[best],
            value,
            1 / (points - 1),
        )
        return s[value.argmax()]

    def _kinks(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the places on the hull, the kinks, farthest first, and their squared distances."""
        along, off = self.curve(places)
        off = off.clamp(min=0)
        height = along.square() + off
        on = lower_hull(along.double().numpy(force=True), height.double().numpy(force=True))
        a, b = along[on], off[on]
        steps = a.diff() * 2 * self.chord
        s = (a.square().diff() + b.diff()) / torch.where(steps > 0, steps, torch.inf)
        bounds = (s * self.chord - a[:-1]).square() + b[:-1]
        inside = (s > 0) & (s < 1)
        order = bounds[inside].argsort(descending=True)
        return places[on], s[inside][order], bounds[inside][order]


def profile_of(
    curve: Any, ends: Float[Tensor, "2 N"], samples: int, max_bytes: int | float
) -> Profile:
    """Return the profile of a curve, from about `samples` of its points or more.

    Raises:
        OutOfDomain: fewer than 2 samples, or a curve that 20 000 panels do not resolve.
        NotFinite: a point of the curve is NaN or infinite.
        McLibError: as `curve`.

    >>> half = lambda t: (torch.stack([(math.pi * t).cos(), (math.pi * t).sin()], -1),)
    >>> arc = lambda t: half(torch.as_tensor(t))
    >>> ends = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> round(float(profile_of(arc, ends, 21, 1e9).farthest(5)), 3)
    0.5
    """
    first = time_grid(curve, max(2, math.ceil((samples - 1) / DEGREE) + 1))
    start, chord = ends[0], ends[1] - ends[0]
    size = chord.norm()
    unit = chord / torch.where(size > 0, size, 1)

    sizes = [x.numel() for x in leaves(start_of(curve))]
    parts = list(zip(start.split(sizes), unit.split(sizes), strict=True))

    def split(times: Tensor) -> Tensor:
        moved = leaves(curve(times))
        gaps = [x.reshape(len(x), -1) - a for x, (a, _) in zip(moved, parts, strict=True)]
        along = torch.stack([gap @ u for gap, (_, u) in zip(gaps, parts, strict=True)]).sum(0)
        rest = [gap.addr_(along, u, alpha=-1) for gap, (_, u) in zip(gaps, parts, strict=True)]
        off = torch.stack([torch.linalg.vector_norm(x, dim=1) for x in rest]).square().sum(0)
        values = torch.stack([along, off], 1)
        require_finite(values.sum(1), times, "the position")
        return values

    def allowed(values: Tensor) -> Tensor:
        eps, (along, off) = torch.finfo(values.dtype).eps, values.abs().amax(0).unbind()
        noise = eps ** (2 / 3) * (start.norm() + along + off.sqrt())
        small = eps ** (1 / 3) * off.sqrt() + noise
        return torch.stack([small, small * (off.sqrt() + noise)])

    every = resolved(
        lambda t: in_chunks(split, t, start_of(curve), min(max_bytes, BLOCK)),
        first,
        allowed,
        "the curve",
    )
    low, _ = every.highest(lambda q: -every(q)[1], size, 2 * every.panels)
    half = torch.arange(2 * every.panels + 1, dtype=low.dtype, device=low.device) / 2
    return Profile(every, size, torch.cat([half, low]).unique())


def lower_hull(x: np.ndarray, y: np.ndarray) -> list[int]:
    """Return the corners of the lower convex hull of points in the plane.

    >>> lower_hull(np.array([2.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, -1.0]))
    [1, 3, 0]
    """
    hull: list[tuple[float, float, int]] = []
    for i in np.lexsort((y, x)).tolist():
        at, height = float(x[i]), float(y[i])
        if hull and hull[-1][0] == at:
            continue
        while len(hull) > 1:
            (a, low, _), (b, middle, _) = hull[-2:]
            if (middle - low) * (at - a) < (height - low) * (b - a):
                break
            hull.pop()
        hull.append((at, height, i))
    return [i for _, _, i in hull]
