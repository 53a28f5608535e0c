"""What operations ask of index sets: to move alike, to be split, to stay still."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch.fx import Node

from mc_lib.modules.spaces import (
    Atom,
    Axis,
    Data,
    Factor,
    Joined,
    Leaf,
    Monomial,
    Scaling,
    Unmatched,
    Value,
    atoms,
    expanded,
    length,
    product,
    resolved,
    root,
)


class Rewriter:
    """The demands that the rules make; each only makes groups smaller.

    `op` is the operation under way, which a flag remembers as its reason.
    """

    op = ""
    folds: Mapping[Node, Any] = {}

    def folded(self, node: Node, x: Value, gain: Value) -> Value:
        """Return the product of a value with a gain that its readers take over, which is free."""
        own = gain if len(gain.axes) == 1 else x
        self.flag(own.axes, "mono", "still")
        return x if own is gain else gain

    def fresh(self, n: int) -> Axis:
        """Return an axis of n indices of which nothing is known yet."""
        if n == 1:
            return ()
        leaf = Leaf(n)
        return (Atom(leaf, 1, {Scaling(leaf, [frozenset()]): 1}),)

    # -- flags ------------------------------------------------------------------------
    def flag(self, axes: Iterable[Axis], *names: str) -> None:
        """Make the groups on some axes respect what the names say."""
        for atom in atoms(axes):
            for name in (*names, "met"):
                atom.leaf.flags.setdefault(name, self.op)

    def restrict(self, axes: Iterable[Axis], flag: str) -> None:
        """Make the scalings on some axes `positive` or `unit`: their product, not each factor."""
        for atom in atoms(axes):
            m = resolved(atom.monomial)
            free = [v for v, e in m.items() if abs(e) == 1 and not v.flags]
            if len(m) > 1 and free:
                pivot = max(free, key=lambda v: v.serial)
                whole = Scaling(pivot.home, pivot.bounds, {flag})
                e = m.pop(pivot)
                pivot.value = {whole: e, **{v: -e * k for v, k in m.items()}}
                for v in m:
                    v.bounds = v.bounds + pivot.bounds
                continue
            for v in m:
                v.flags.add(flag)

    def one(self, monomial: Monomial) -> None:
        """Demand that a monomial be 1: a scaling of exponent ±1 goes, a free one, the newest."""
        m = resolved(monomial)
        pivots = [v for v, e in m.items() if abs(e) == 1]
        if not pivots:
            for v in m:
                v.value = {}
            return
        pivot = max(pivots, key=lambda v: (not v.flags, v.serial))
        e = m.pop(pivot)
        pivot.value = {v: -e * k for v, k in m.items()}
        for v in m:
            v.flags |= pivot.flags
            v.bounds = v.bounds + pivot.bounds

    def unscaled(self, axes: Iterable[Axis]) -> None:
        """Demand that no scaling act on some axes."""
        for atom in atoms(axes):
            self.one(atom.monomial)

    def still(self, axes: Iterable[Axis]) -> None:
        """Demand that nothing move on some axes."""
        axes = list(axes)
        self.flag(axes, "mono", "still")
        self.unscaled(axes)

    def present(self, value: Value) -> Value:
        """Return a value, after forbidding its groups to vary over what it has not."""
        found = list(atoms(value.axes))
        here = frozenset(atom.leaf for atom in found)
        for atom in found:
            things: list[Leaf | Scaling] = [atom.leaf, *atom.monomial]
            for thing in things:
                if all(thing.bounds) and not all(here >= bound for bound in thing.bounds):
                    thing.bounds = [*thing.bounds, here]
        return value

    # -- splitting ----------------------------------------------------------------------
    def split(self, leaf: Leaf, kids: Sequence[Leaf | Data], carries: Sequence[bool]) -> None:
        """Split a leaf into factors; a scaling becomes one on each of those that carry it."""
        leaf.kids, leaf.carries = tuple(kids), tuple(carries)

    def halves(self, leaf: Leaf, n: int, outer: bool, inner: bool, both: bool) -> None:
        """Split a leaf into n times the rest: heads times a group at each head.

        `outer` and `inner` say which of the two moves at all, `both` whether both take scalings.
        """
        flags = {k: v for k, v in leaf.flags.items() if k != "complex"}
        common = {k: v for k, v in flags.items() if k in ("met", "still")}
        first = Leaf(n, list(leaf.bounds), common | {"mono": self.op} if inner else flags)
        over = frozenset([first]) if outer else frozenset()
        second = Leaf(leaf.n // n, [bound | over for bound in leaf.bounds], flags)
        kids = (first if outer else Data(n), second if inner else Data(leaf.n // n))
        self.split(leaf, kids, (outer and (both or not inner), inner))

    def pairs(self, leaf: Leaf, interleaved: bool) -> None:
        """Split a leaf into pairs that rotations turn, one group for each frequency."""
        common = {k: v for k, v in leaf.flags.items() if k != "complex"}
        frequency = Leaf(
            leaf.n // 2, list(leaf.bounds), common | dict.fromkeys(("mono", "still"), self.op)
        )
        bounds = [bound | {frequency} for bound in leaf.bounds]
        pair = Leaf(2, bounds, common | {"complex": self.op})
        frequency.pair = pair
        kids = (frequency, pair) if interleaved else (pair, frequency)
        self.split(leaf, kids, tuple(kid is frequency for kid in kids))

    def sections(self, factor: Factor, sizes: Sequence[int]) -> list[Axis]:
        """Return a factor in pieces of the given sizes, behind one another."""
        if sum(sizes) != factor.n:
            raise Unmatched
        if len(sizes) == 1:
            return [(factor,)]
        if isinstance(factor, Data):
            return [(Data(n, factor.constant),) for n in sizes]
        if isinstance(factor, Atom):
            leaf = factor.leaf
            parts = [Leaf(n, list(leaf.bounds), dict(leaf.flags)) for n in sizes]
            self.split(leaf, parts, [True] * len(parts))
            leaf.joined = True
            factor = expanded([factor])[0]
            if not isinstance(factor, Joined):  # all but one of size 0
                raise Unmatched
        rest, found = list(sizes), []
        for piece in factor.pieces:
            inside, total = [], 0
            while total < length(piece):
                inside.append(rest.pop(0))
                total += inside[-1]
            if total != length(piece) or len(inside) > 1 and len(piece) != 1:
                raise Unmatched
            found += [piece] if len(inside) == 1 else self.sections(piece[0], inside)
        return found

    def parts(self, axis: Axis, sizes: Sequence[int]) -> list[Axis]:
        """Return pieces of an axis, behind one another, each of one piece or joined."""
        axis, marks = expanded(axis), _marks(sizes)
        if all(isinstance(factor, Data) for factor in axis):
            return [(Data(n),) for n in sizes]
        if len(axis) != 1:
            raise Unmatched
        inside = axis[0].pieces if isinstance(axis[0], Joined) else ()
        fine = sorted({*marks, *_marks(list(map(length, inside)))})
        steps = [b - a for a, b in zip(fine, fine[1:], strict=False)]
        pieces = dict(zip(fine, self.sections(axis[0], steps), strict=False))
        found = []
        for start, n in zip(marks, sizes, strict=False):
            mine = [piece for at, piece in pieces.items() if start <= at < start + n]
            found.append(mine[0] if len(mine) == 1 else (Joined(tuple(mine)),))
        return found

    # -- moving alike ---------------------------------------------------------------------
    def matched(self, a: Axis, b: Axis) -> list[tuple[Factor, Factor]]:
        """Return the factors of two axes side by side, split where the other is finer."""
        x, y, found = list(expanded(a)), list(expanded(b)), []
        if length(x) != length(y):
            raise Unmatched
        while x:
            if x[0].n == y[0].n:
                found.append((x.pop(0), y.pop(0)))
            elif x[0].n > y[0].n:
                x[0:1] = self._cut(x[0], y)
            else:
                y[0:1] = self._cut(y[0], x)
        return found

    def _cut(self, factor: Factor, other: list[Factor]) -> Axis:
        n = other[0].n
        if factor.n % n or isinstance(factor, Joined):
            raise Unmatched
        if isinstance(factor, Data):
            return Data(n, factor.constant), Data(factor.n // n, factor.constant)
        total, inner = 1, False
        for part in other[1:]:
            if total < factor.n // n:
                inner = inner or _moves(part)
                total *= part.n
        self.halves(factor.leaf, n, _moves(other[0]), inner, both=True)
        return expanded([factor])

    def unify(self, a: Axis, b: Axis, how: str) -> Axis:
        """Make two axes move alike and return the axis of the result.

        Args:
            a: an axis.
            b: another of the same length.
            how: `same` (a sum), `mul` (an entrywise product), `dual` (a contraction) or `batch`.

        Returns:
            The axis of the result; one that is contracted has none.

        Raises:
            Unmatched: their factors do not divide one another.
        """
        return tuple(f for x, y in self.matched(a, b) for f in self._unified(x, y, how))

    def _unified(self, x: Factor, y: Factor, how: str) -> Axis:
        a, b = expanded([x]), expanded([y])
        if len(a) != 1 or len(b) != 1:  # split since they were matched
            return self.unify(a, b, how)
        x, y = a[0], b[0]
        if isinstance(x, Joined) or isinstance(y, Joined):
            return (self._joined(x, y, how),)
        if isinstance(x, Atom) and isinstance(y, Atom):
            return (self._atoms(x, y, how),)
        if isinstance(x, Data) and isinstance(y, Data):
            return (Data(x.n, x.constant and y.constant),)
        if isinstance(x, Data):
            x, y = y, x
        assert isinstance(x, Atom) and isinstance(y, Data)
        return (self._against(x, y, how),)

    def _joined(self, x: Factor, y: Factor, how: str) -> Factor:
        pieces = [f.pieces if isinstance(f, Joined) else () for f in (x, y)]
        marks = sorted({m for part in pieces for m in _marks(list(map(length, part)))})
        sizes = [b - a for a, b in zip(marks, marks[1:], strict=False)]
        both = zip(self.sections(x, sizes), self.sections(y, sizes), strict=True)
        return Joined(tuple(self.unify(a, b, how) for a, b in both))

    def _against(self, x: Atom, y: Data, how: str) -> Factor:
        """Let an index set meet indices that nothing moves."""
        axes = [(x,)]
        if how == "mul":
            self.flag(axes, *([] if y.constant else ["mono", "still"]))
            return x
        if how == "batch":
            self.flag(axes, "mono", *([] if y.constant else ["still"]))
            self.unscaled(axes)
            return x
        if how == "same" and y.constant:
            self.flag(axes, "one")
            self.unscaled(axes)
            return x
        self.still(axes)
        return Data(x.n)

    def _atoms(self, x: Atom, y: Atom, how: str) -> Factor:
        self.unite(x, y, -1 if how == "dual" else 1)
        if how in ("mul", "batch"):
            self.flag([(x,)], "mono")
        if how == "mul":
            return Atom(x.leaf, x.sign, product(x.monomial, y.monomial))
        if how == "batch":
            self.unscaled([(x,), (y,)])
        else:
            self.one(product(x.monomial, y.monomial, 1 if how == "dual" else -1))
        return x

    def unite(self, x: Atom, y: Atom, sign: int) -> None:
        """Make the leaves of two atoms one; g = g⁻ᵀ makes it orthogonal."""
        self.flag([(x,), (y,)])
        (a, s), (b, t) = root(x.leaf), root(y.leaf)
        relative = sign * x.sign * s * y.sign * t
        if a is b:
            if relative < 0:
                self.flag([(x,)], "orth")
            return
        b.above, b.sign = a, relative
        a.flags = b.flags | a.flags
        a.bounds = a.bounds + b.bounds


def _marks(sizes: Sequence[int]) -> list[int]:
    """Return where pieces of these sizes begin and end, from 0 on."""
    return [sum(sizes[:i]) for i in range(len(sizes) + 1)]


def _moves(factor: Factor) -> bool:
    return not isinstance(factor, Data) or factor.constant
