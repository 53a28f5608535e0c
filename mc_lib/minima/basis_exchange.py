"""The always-working path between two first layers whose features have full rank.

**Theorem (ours).** For every continuous σ and h ≥ k + 1, the set F of the h × n matrices V
for which H = σ(VX) has full column rank k is path-connected.

*Proof, by Steinitz exchange.* Row j of H is r_j = σ(v_j X), a function of row j of V
alone. Keep a *basis*, k labels whose rows r_j are a basis of Rᵏ; the h − k ≥ 1 other labels
are *free*: their rows may move along any path without a loss of rank. Let B' be a basis of
the end V', and treat the positions v'_j, j ∈ B', one after another:

1. *Arrive.* Move a free row to v'_j. Its feature r'_j is a combination of the basis. Not all
   the coefficients at the basis labels that have not arrived can vanish, since r'_j is
   independent of the r' of those that have. Drop one with coefficient ≠ 0: it becomes free,
   and the arrived row takes its place in the basis (Steinitz).
2. *Sort.* Now the basis rows stand on the positions B', perhaps in another order. For each
   position j that is not held by label j: where label j holds another position, a free row
   moves there and replaces it (their features are equal); label j, now free, moves to
   position j and replaces the row that was there, which becomes free.
3. *Finish.* The basis labels are B' and stand still; move all others to their ends.

Every step moves one row on a straight line while a basis stands still. ∎

For h = k it fails in general: the sign of det σ(VX) cuts F in two.
"""

import scipy  # its parts are loaded when they are used
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.errors import RankDeficient
from mc_lib.networks import TwoLayer


def exchange_corners(
    net: TwoLayer, v0: Float[Tensor, "h n"], v1: Float[Tensor, "h n"]
) -> Float[Tensor, "c h n"]:
    """Return the corners of a polygon from V₀ to V₁ on which σ(VX) keeps full column rank.

    Each side moves one row, in the three phases of the theorem in the head of this file;
    there are at most 3k + h. The coefficient at which a row is exchanged is the largest of
    all that could be, as in elimination with complete pivoting.

    Raises:
        RankDeficient: h ≤ k leaves no free row, or an exchange finds no independent row, to
            working precision.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=2, activation=torch.relu)
    >>> v0, v1 = (torch.tensor([v]).mT for v in ([1.0, -3.0], [-3.0, 1.0]))
    >>> exchange_corners(net, v0, v1).squeeze(-1).tolist()  # never both negative
    [[1.0, -3.0], [1.0, 1.0], [-3.0, 1.0]]
    """
    h, k = net.hidden, net.X.shape[1]
    if h <= k:
        raise RankDeficient(
            f"the exchange needs a free row: h ≥ k + 1 = {k + 1} hidden neurons, got {h}"
        )
    basis, goals = (independent_rows(net.features(v)) for v in (v0, v1))
    polygon = _Polygon(v0, v1)
    holder = _arrive(net, polygon, basis, goals)
    _sort(polygon, holder)
    for label in range(h):
        polygon.move(label, label)
    return torch.stack(polygon.corners)


def independent_rows(features: Float[Tensor, "h k"]) -> list[int]:
    """Return k rows of a matrix of full column rank that are a basis, by pivoted QR.

    >>> independent_rows(torch.tensor([[0.0], [3.0], [1.0]]))
    [1]
    """
    _, order = scipy.linalg.qr(features.mT.detach().cpu().numpy(), mode="r", pivoting=True)
    return [int(i) for i in order[: features.shape[1]]]


class _Polygon:
    """Corners, each with one row of the last one moved to a row of the end V₁."""

    def __init__(self, v0: Tensor, v1: Tensor) -> None:
        self.corners, self.end = [v0], v1

    def move(self, label: int, position: int) -> None:
        following = self.corners[-1].clone()
        following[label] = self.end[position]
        if not torch.equal(following, self.corners[-1]):
            self.corners.append(following)


def _arrive(net: TwoLayer, polygon: _Polygon, basis: list[int], goals: list[int]) -> dict[int, int]:
    """Bring basis rows to all the positions `goals`; return the label at each position."""
    now, end = net.features(polygon.corners[0]), net.features(polygon.end)
    rows = now[basis]  # row i belongs to the label basis[i]
    basis, open_rows, waiting = list(basis), list(range(len(basis))), list(goals)
    free = min(set(range(net.hidden)) - set(basis))
    holder: dict[int, int] = {}
    while waiting:
        coefficients = torch.linalg.solve(rows, end[waiting], left=False)[:, open_rows].abs()
        best = int(coefficients.argmax())
        position = waiting.pop(best // len(open_rows))
        slot = open_rows.pop(best % len(open_rows))
        if not coefficients.max() > torch.finfo(rows.dtype).eps:
            raise RankDeficient(
                f"no row can be exchanged for row {position} of the end: the largest "
                f"coefficient is {float(coefficients.max()):.3g}"
            )
        polygon.move(free, position)
        holder[position], rows = free, rows.clone()
        rows[slot] = end[position]
        basis[slot], free = free, basis[slot]
    return holder


def _sort(polygon: _Polygon, holder: dict[int, int]) -> None:
    """Give each position of the basis to the label of the same number."""
    free = min(set(range(len(polygon.end))) - set(holder.values()))
    for position in holder:
        label = holder[position]
        if label == position:
            continue
        elsewhere = [p for p, other in holder.items() if other == position]
        for p in elsewhere:  # the free row replaces label `position`, which becomes free
            polygon.move(free, p)
            holder[p] = free
        polygon.move(position, position)
        holder[position], free = position, label
