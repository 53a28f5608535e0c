"""Any two points of a two-layer network, joined by moves that leave its output alone.

Row j of H = σ(VX) is the *feature* r_j = σ(v_jX) of neuron j, a function of its own weights
alone, and the output is the sum of u_j r_j over the neurons. So a neuron with u_j = 0 is
*silent* and may move anywhere, whatever σ is; and while V stands still, U may move on a
segment between any two solutions of U H = O.

**Theorem (ours).** Let h ≥ s + 1, where s = dim span{σ(vX) : v}. For every function σ, every
convex function ℓ and every number c the set {(V, U) : ℓ(Uσ(VX)) ≤ c} is path-connected.

*Proof, by Steinitz exchange.* Given (V, U) and the end (V', U'), let B and B' be labels of
neurons whose features are a basis of the row space of H and of H'.

1. *Gather.* Move U to a solution of U H = O with u_j = 0 for j ∉ B.
2. *Arrive.* For each goal j ∈ B' move a silent neuron f to v'_j. If r'_j is independent of
   the basis, f joins it. Otherwise the coefficient of r'_j at some basis neuron b that has not
   arrived is not 0, as r'_j is independent of the other goals. Move U to the solution without b:
   b falls silent, f takes its place. All features lie in a space of s < h dimensions, so that
   one neuron at least is silent at all times.
3. *Cross.* Silence all but the arrived, and give these the U of the end, gathered likewise: the
   output runs straight from O to O'. Only here it moves.
4. *Sort.* Where position j is held by a label a ≠ j: if label j holds another position, a silent
   neuron moves there and takes over its u. Label j moves to v'_j and takes over that of a.
5. *Finish.* The others are silent: move them to their ends, and then U to U'. ∎

A convex ℓ is at most max(ℓ(O), ℓ(O')) on the way. For h = s and a continuous σ it fails: where
Y has rank k = s = h, the sign of det σ(VX) cuts the minimum in two.
"""

import scipy  # its parts are loaded when they are used
import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import tolerance
from mc_lib.errors import NotConnected, RankDeficient
from mc_lib.networks import TwoLayer, Weights
from mc_lib.norms import power_of_two


def exchange_corners(net: TwoLayer, w0: Weights, w1: Weights) -> Weights:
    """Return the corners of a polygon of weights from w0 to w1, by the theorem of this file.

    The features of w0 and w1 together span t ≤ s dimensions; t + 1 neurons are enough. On each
    side either silent neurons move or U does. There are at most 6t + 5 corners. The coefficient
    at which a neuron is exchanged is the largest of all that could be, as in elimination with
    complete pivoting.

    Raises:
        NotConnected: no neuron is silent where one must move; h ≥ s + 1 excludes it.
        RankDeficient: rounding takes a corner off its output.

    >>> one = torch.eye(1)
    >>> net = TwoLayer(one, one, hidden=2, activation=torch.relu)
    >>> ends = [(torch.tensor([v]).mT, torch.tensor([v]).relu()) for v in ([1.0, -3], [-3.0, 1])]
    >>> exchange_corners(net, *ends)[0].squeeze(-1).tolist()  # never both negative
    [[1.0, -3.0], [1.0, 1.0], [1.0, 1.0], [-3.0, 1.0]]
    """
    walk = _Walk(net, w0, w1)
    outputs = net.output(w0), net.output(w1)
    basis, goals = (independent_rows(net.features(v), u) for v, u in (w0, w1))
    walk.settle(basis, outputs[0])
    holder = walk.arrive(basis, goals, outputs[0])
    walk.settle(list(holder.values()), outputs[1])
    walk.sort(holder)
    walk.add(w1[0], walk.u)
    walk.add(*w1)
    if len(walk.corners) == 1:  # both ends are one point
        walk.corners.append(w1)
    v, u = (torch.stack(x) for x in zip(*walk.corners, strict=True))
    _require_outputs(u @ net.features(v), outputs)
    return v, u


def independent_rows(features: Float[Tensor, "h k"], u: Float[Tensor, "m h"]) -> list[int]:
    """Return the rows that a basis of what U takes of the features needs, by pivoted QR.

    Row j is taken with its share in the output, the size of u_j r_j. What is left out is of the
    size of rounding against the largest share.

    >>> independent_rows(torch.tensor([[0.0], [3.0], [1.0]]), torch.ones(1, 3))
    [1]
    """
    rows, u = _units(features.detach()), u.detach().abs().amax(0)
    share = u.log2() + rows[1].squeeze(-1).log2()
    share = torch.exp2(share - share.max().nan_to_num(neginf=0.0))
    contributions = (rows[0] * share[:, None]).mT.double().cpu().numpy()
    r, order = scipy.linalg.qr(contributions, mode="r", pivoting=True)
    sizes = abs(r.diagonal())
    rank = int((sizes > _rounding(features)).sum())
    return [int(i) for i in order[:rank]]


def _units(rows: Float[Tensor, "h k"]) -> tuple[Tensor, Tensor]:
    """Return rows of entries of size about 1 and the powers of two that they were divided by."""
    size = power_of_two(rows.detach().abs().amax(-1, keepdim=True))
    return rows / size, torch.where(rows.detach().any(-1, keepdim=True), size, 0)


def _rounding(features: Tensor) -> float:
    """What counts as zero against 1 in a combination of rows."""
    return max(features.shape) * torch.finfo(features.dtype).eps


NONE_FREE = (
    "no path was found, which does not mean that there is none: all {} hidden neurons are needed, "
    "and none can be moved. With more than dim span{{σ(vX)}} of them, k + 1 for k columns of data "
    "at the most, there always is a path"
)


def _require_outputs(found: Float[Tensor, "c m k"], outputs: tuple[Tensor, Tensor]) -> None:
    """Refuse corners whose output is neither that of the start nor that of the end."""
    ends = torch.stack(outputs).detach()
    unit = power_of_two(ends.abs().max())
    gaps = ((found.detach()[:, None] - ends) / unit).square().sum((-2, -1))
    size = float((ends / unit).square().sum((-2, -1)).max())
    zero, worst = tolerance(found.dtype).zero_loss * size, float(gaps.amin(1).max())
    if not worst <= zero:
        raise RankDeficient(
            "a path exists where more neurons are hidden than the features span dimensions, but "
            f"the features are so nearly dependent that rounding moves the output by {worst:.3g} "
            f"of its squared size {size:.3g}"
        )


class _Walk:
    """Corners (V, U), each of which changes V at silent neurons only, or U only."""

    def __init__(self, net: TwoLayer, w0: Weights, w1: Weights) -> None:
        (self.v, self.u), self.end = w0, w1[0]
        self.rows, self.goals = net.features(w0[0]), net.features(w1[0])
        self.corners = [w0]

    def add(self, v: Tensor, u: Tensor) -> None:
        self.v, self.u = v, u
        if not all(torch.equal(a, b) for a, b in zip(self.corners[-1], (v, u), strict=True)):
            self.corners.append((v, u))

    def move(self, label: int, position: int) -> None:
        v, self.rows = self.v.clone(), self.rows.clone()
        v[label], self.rows[label] = self.end[position], self.goals[position]
        self.add(v, self.u)

    def settle(self, labels: list[int], output: Tensor) -> None:
        """Move U to the solution of U H = O that is 0 but at these labels."""
        u = torch.zeros_like(self.u)
        if labels:
            rows, sizes = _units(self.rows[labels])
            q, r = torch.linalg.qr(rows.mT)
            u[:, labels] = torch.linalg.solve_triangular(r, q.mT @ output.mT, upper=True).mT
            u[:, labels] /= sizes.squeeze(-1)
        self.add(self.v, u)

    def take_over(self, label: int, from_label: int) -> None:
        u = self.u.clone()
        u[:, label], u[:, from_label] = self.u[:, from_label], 0
        self.add(self.v, u)

    def silent(self, basis: list[int]) -> int:
        """Return a neuron outside the basis."""
        free = set(range(len(self.v))) - set(basis)
        if not free:
            raise NotConnected(NONE_FREE.format(len(self.v)))
        return min(free)

    def arrive(self, basis: list[int], goals: list[int], output: Tensor) -> dict[int, int]:
        """Bring neurons to all the goals; return the label at each."""
        basis, waiting, zero = list(basis), list(goals), _rounding(self.rows)
        clear = tolerance(self.rows.dtype).rank ** 0.5  # no rounding comes near it
        holder: dict[int, int] = {}
        while waiting:
            label = self.silent(basis)
            coefficients, missed = self._coefficients(basis, waiting)
            coefficients[:, [b in holder.values() for b in basis]] = 0
            coefficients[missed > max(zero, float(missed.min()))] = 0
            best, spare = int(missed.argmax()), len(self.v) - len(basis) - 1
            grows = bool(missed[best] > zero) and len(basis) < self.rows.shape[1]
            grows &= spare > 0 or len(waiting) == 1
            if not grows:
                best, dropped = divmod(int(coefficients.argmax()), len(basis)) if basis else (0, 0)
                if missed[best] > clear or not coefficients.any():
                    raise NotConnected(NONE_FREE.format(len(self.v)))
            position = waiting.pop(best)
            self.move(label, position)
            holder[position] = label
            if grows:
                basis.append(label)
            else:
                basis[dropped] = label
                self.settle(basis, output)
        return holder

    def _coefficients(self, basis: list[int], waiting: list[int]) -> tuple[Tensor, Tensor]:
        """Return those of the goals in the basis, and how far the goals are from its span."""
        rows, goals = (_units(x.detach())[0] for x in (self.rows[basis], self.goals[waiting]))
        q, r = torch.linalg.qr(rows.mT)
        inside = goals @ q
        coefficients = torch.linalg.solve_triangular(r, inside.mT, upper=True).mT
        return coefficients.abs(), (goals - inside @ q.mT).abs().amax(-1)

    def sort(self, holder: dict[int, int]) -> None:
        """Give each goal to the label of the same number."""
        for position in holder:
            label = holder[position]
            if label == position:
                continue
            for p in [p for p, other in holder.items() if other == position]:
                holder[p] = self.silent(list(holder.values()))
                self.move(holder[p], p)
                self.take_over(holder[p], position)
            self.move(position, position)
            self.take_over(position, label)
            holder[position] = position
