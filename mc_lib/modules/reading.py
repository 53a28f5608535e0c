"""What the finder has learned, read off as a table: views of the parameters, layers, axes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mc_lib.groups import (
    CentredOrthogonal,
    ComplexScaling,
    GeneralLinear,
    Group,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
)
from mc_lib.groups.trivial import Trivial
from mc_lib.layers import Axis as Mark
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.modules.chart import Cut, View
from mc_lib.modules.spaces import (
    Atom,
    Axis,
    Factor,
    Joined,
    Leaf,
    Scaling,
    Value,
    base,
    expanded,
    length,
    root,
)
from mc_lib.symmetry import Symmetry

Dim = tuple[Axis, int]  # an axis of a view, and the axis of the stored tensor that it is of


def group_of(leaf: Leaf) -> Group | None:
    """Return the largest group that all operations on an index set allow; None for {1}.

    Args:
        leaf: one that is not split.

    Returns:
        The group.

    >>> group_of(Leaf(3, flags={"met": "linear"})), group_of(Leaf(3, flags={"mono": "relu"}))
    (GeneralLinear(n=3), None)
    """
    flags = leaf.flags
    if "met" not in flags or "still" in flags:
        return None
    if "complex" in flags:
        return None if flags.keys() & {"mono", "orth", "one"} else ComplexScaling()
    if "mono" in flags or "one" in flags and "orth" not in flags:
        return Permutation(leaf.n)
    if "orth" in flags:
        return CentredOrthogonal(leaf.n) if "one" in flags else Orthogonal(leaf.n)
    return GeneralLinear(leaf.n)


def _is_index(leaf: Leaf) -> bool:
    return isinstance(group_of(leaf), Permutation) or "still" in leaf.flags


@dataclass(eq=False)
class Reading:
    """The views of all parameters, and the layers that their axes meet.

    Args:
        values: of each parameter, by its name, with its shape.
    """

    values: Mapping[str, Value]
    rows: dict[str, list[tuple[Factor | None, int]]] = field(default_factory=dict)
    names: dict[Leaf | Scaling, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cuts = {
            key: self._cut(key, [(axis, i) for i, axis in enumerate(value.axes)])
            for key, value in self.values.items()
        }
        self.holders: dict[Leaf | Scaling, list[frozenset[Leaf]]] = {}
        for row in self.rows.values():
            found = [factor for factor, _ in row if isinstance(factor, Atom)]
            here = frozenset(atom.leaf for atom in found)
            things: set[Leaf | Scaling] = {atom.leaf for atom in found}
            for thing in things.union(*(atom.monomial for atom in found)):
                self.holders.setdefault(thing, []).append(here)
        self.layers: dict[str, Layer] = {}

    # -- views --------------------------------------------------------------------------
    def _cut(self, name: str, dims: list[Dim]) -> Cut | View:
        dims = [(expanded(axis), i) for axis, i in dims]
        for d, (axis, i) in enumerate(dims):
            sizes = tuple(factor.n for factor in axis)
            if len(axis) > 1:
                finer: list[Dim] = [((factor,), i) for factor in axis]
                return Cut(d, sizes, (self._cut(name, [*dims[:d], *finer, *dims[d + 1 :]]),))
            if axis and isinstance(axis[0], Joined):
                return self._pieces(name, dims, d, axis[0])
        row = [(axis[0] if axis else None, i) for axis, i in dims]
        self.rows[name] = row
        return View(name, tuple(factor.n if factor else 1 for factor, _ in row))

    def _pieces(self, name: str, dims: list[Dim], d: int, joined: Joined) -> Cut:
        parts, start = [], 0
        for piece in joined.pieces:
            stop = start + length(piece)
            label = f"{name}[{':, ' * d}{start}:{stop}]"
            parts.append(self._cut(label, [*dims[:d], (piece, dims[d][1]), *dims[d + 1 :]]))
            start = stop
        return Cut(d, tuple(length(piece) for piece in joined.pieces), tuple(parts))

    # -- layers ---------------------------------------------------------------------------
    def over(self, thing: Leaf | Scaling) -> tuple[Leaf, ...] | None:
        """Return the index sets over which a layer lives; None where there is no such layer.

        Each must be on every view that the layer meets, with those over which it lives itself.
        """
        if isinstance(thing, Leaf) and _is_index(thing) and group_of(thing) is None:
            return ()  # nothing permutes it
        home = root(thing.home)[0] if isinstance(thing, Scaling) else None
        wanted = {leaf for leaf in base(thing) if _is_index(leaf) and leaf is not thing}
        wanted -= {home}
        for here in self.holders[thing]:
            wanted &= here
        below = {leaf: set(self.over(leaf) or ()) for leaf in wanted}
        while bad := {leaf for leaf in wanted if not below[leaf] <= wanted}:
            wanted -= bad
        if home is None:
            return self._sorted(wanted)
        if not set(self.over(home) or ()) <= wanted:
            return None
        return (home, *self._sorted(wanted))

    def _sorted(self, leaves: Iterable[Leaf]) -> tuple[Leaf, ...]:
        order = {leaf: i for i, leaf in enumerate(self.holders) if isinstance(leaf, Leaf)}
        return tuple(sorted(leaves, key=order.__getitem__))

    def scaling_group(self, v: Scaling) -> Group | None:
        """Return the numbers that a free scaling runs over; None where there are none.

        A scaling of a whole linear group is in that group, one of a frequency in the complex
        numbers of its pair, and one at the heads in those at the heads and their neurons.
        """
        home = root(v.home)[0]
        if not _is_index(home) or v.inner is not None and v.inner.value is None:
            return None
        if home.pair is not None and isinstance(group_of(root(home.pair)[0]), ComplexScaling):
            return None
        if "met" not in home.flags or {"unit", "positive"} <= v.flags:
            return None
        if "unit" in v.flags:
            return SignedPermutation(1)
        return PositiveScaling(1) if "positive" in v.flags else GeneralLinear(1)

    def layer(self, thing: Leaf | Scaling, label: str) -> str | None:
        """Return the name of the layer of an index set or scaling, made where it is met first."""
        if thing in self.names:
            return self.names[thing]
        scales = isinstance(thing, Scaling)
        group = self.scaling_group(thing) if isinstance(thing, Scaling) else group_of(thing)
        over = self.over(thing) if group is not None else None
        if group is None or over is None:
            return None
        name = f"{label} scale" if scales else label
        while name in self.layers:
            name += "'"
        self.names[thing] = name
        self.layers[name] = Layer(group)  # keeps its place before those over which it lives
        bases = tuple(self.index(leaf) for leaf in over)
        self.layers[name] = Layer(group, over=bases)
        return name

    def index(self, leaf: Leaf) -> str:
        """Return the name of the layer of an index set, one of the trivial group if need be."""
        if (name := self.layer(leaf, f"index {len(self.names)}")) is not None:
            return name
        name = self.names[leaf] = f"index {len(self.names)}"
        self.layers[name] = Layer(Trivial(leaf.n))
        return name

    # -- axes -----------------------------------------------------------------------------
    def symmetry(self) -> Symmetry:
        """Return the table of all views."""
        marks = {name: self._moves(name, row) for name, row in self.rows.items()}
        table = {}
        for name, moves in marks.items():
            axes: list[Mark] = []
            for thing, sign, d in moves:
                axes.append(self._mark(thing, sign, d, self.rows[name]))
            table[name] = tuple(axes)
        met = {
            axis.layer for axes in table.values() for axis in axes if not isinstance(axis, Fixed)
        }
        return Symmetry(table, {name: layer for name, layer in self.layers.items() if name in met})

    def _moves(
        self, name: str, row: list[tuple[Factor | None, int]]
    ) -> list[tuple[Leaf | Scaling | None, int, int]]:
        """Return what moves each axis of a view, then each scaling on an axis of size 1."""
        moves: list[tuple[Leaf | Scaling | None, int, int]] = []
        for d, (factor, _) in enumerate(row):
            if isinstance(factor, Atom):
                self.layer(factor.leaf, f"{name} axis {d}")
            moves.append((factor.leaf if isinstance(factor, Atom) else None, _sign(factor), d))
        for d, (factor, _) in enumerate(row):
            for v, e in factor.monomial.items() if isinstance(factor, Atom) else ():
                if self.layer(v, f"{name} axis {d}") is not None:
                    moves += [(v, 1 if e > 0 else -1, d)] * abs(e)
        return moves

    def _mark(
        self, thing: Leaf | Scaling | None, sign: int, d: int, row: list[tuple[Factor | None, int]]
    ) -> Mark:
        if thing is None or thing not in self.names:
            return Fixed()
        over = self.over(thing) or ()
        at = tuple(self._place(leaf, d, row) for leaf in over)
        return (Into if sign > 0 else OutOf)(self.names[thing], at or None)

    def _place(self, leaf: Leaf, d: int, row: list[tuple[Factor | None, int]]) -> int:
        """Return the axis of a view that an index set is on: of the same stored axis, or near."""
        where = [i for i, (f, _) in enumerate(row) if isinstance(f, Atom) and f.leaf is leaf]
        return min(where, key=lambda i: (row[i][1] != row[d][1], abs(i - d)))


def _sign(factor: Factor | None) -> int:
    return factor.sign if isinstance(factor, Atom) else 1
