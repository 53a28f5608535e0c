"""The abstract domain of the finder: index sets, the largest groups that act on them, scalings.

An axis of a value is a list of *factors*, in row-major order: an `Atom`, one index set that a
group may move; `Data`, indices that nothing moves; or `Joined`, pieces behind one another. An
index set (`Leaf`) carries the largest group with which all operations seen so far commute: at
first GL(n), and every flag makes it smaller, so that the group only shrinks. Two index sets
that must move alike are united, with a sign for g against g⁻ᵀ. Scalings are monomials in free
numbers (`Scaling`), one for each index, on the atoms; an equation between monomials eliminates
one of them.

The invariant that makes a rule right: if the parameters move by g, the value v moves by ρ_v(g).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

SERIAL = count()


class Unmatched(Exception):
    """Two axes whose factors do not divide one another: their indices stay fixed."""


@dataclass(eq=False)
class Leaf:
    """An index set of n, with what is known of the group that acts on it.

    `flags` maps what the group must respect to the operation that asked for it: `mono` (only
    permutations and scalings commute), `still` (no permutation either), `orth` (squares are
    summed), `one` (the vector 1 is used), `complex` (a rotated pair), `met` (used at all). The
    group may vary over the leaves that are in every set of `bounds`.
    """

    n: int
    bounds: list[frozenset["Leaf"]] = field(default_factory=lambda: [frozenset()])
    flags: dict[str, str] = field(default_factory=dict)
    above: "Leaf | None" = None
    sign: int = 1
    kids: "tuple[Leaf | Data, ...]" = ()
    joined: bool = False  # whether the kids stand behind one another, or are factors
    carries: tuple[bool, ...] = ()  # which kids take the scalings
    pair: "Leaf | None" = None  # of a frequency: the pair that it turns


@dataclass(eq=False)
class Scaling:
    """One free number for each index of a leaf: `positive`, `unit` (±1) or any but 0."""

    home: Leaf
    bounds: list[frozenset[Leaf]]
    flags: set[str] = field(default_factory=set)
    value: "dict[Scaling, int] | None" = None
    kids: "tuple[Scaling | None, ...]" = ()
    inner: "Scaling | None" = None  # of one at the outer factor: the other half of it
    serial: int = field(default_factory=lambda: next(SERIAL))


Monomial = dict[Scaling, int]


@dataclass(frozen=True, eq=False)
class Atom:
    """A factor of an axis that moves: by g (sign 1) or g⁻ᵀ, and by a monomial of scalings."""

    leaf: Leaf
    sign: int
    monomial: Monomial

    @property
    def n(self) -> int:
        """The number of indices."""
        return self.leaf.n


@dataclass(frozen=True)
class Data:
    """A factor of an axis that nothing moves; `constant` if the value is equal along it."""

    n: int
    constant: bool = False


@dataclass(frozen=True, eq=False)
class Joined:
    """A factor made of pieces behind one another, each an axis."""

    pieces: tuple["Axis", ...]

    @property
    def n(self) -> int:
        """The number of indices."""
        return sum(map(length, self.pieces))


Factor = Atom | Data | Joined
Axis = tuple[Factor, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """What the finder knows of one tensor: its axes."""

    axes: tuple[Axis, ...]


def length(axis: Iterable[Factor]) -> int:
    """Return the number of indices of an axis.

    Args:
        axis: its factors.

    Returns:
        The product of their sizes.

    >>> length((Data(2), Data(3)))
    6
    """
    n = 1
    for factor in axis:
        n *= factor.n
    return n


def product(a: Monomial, b: Monomial, power: int = 1) -> Monomial:
    """Return a·bᵏ.

    Args:
        a: a monomial.
        b: another.
        power: k.

    Returns:
        The monomial, without what cancels.

    >>> product({}, {})
    {}
    """
    found = dict(a)
    for v, e in b.items():
        found[v] = found.get(v, 0) + power * e
    return {v: e for v, e in found.items() if e != 0}


def root(leaf: Leaf) -> tuple[Leaf, int]:
    """Return the leaf that stands for all those united with this one, and the sign to it.

    Args:
        leaf: any.

    Returns:
        The leaf and ±1.

    >>> a = Leaf(2); root(Leaf(2, above=a, sign=-1)) == (a, -1)
    True
    """
    sign = 1
    while leaf.above is not None:
        leaf, sign = leaf.above, sign * leaf.sign
    return leaf, sign


def resolved(monomial: Monomial) -> Monomial:
    """Return a monomial in the scalings that are still free.

    Args:
        monomial: any.

    Returns:
        The monomial with what has been eliminated put in.

    >>> leaf = Leaf(1); v = Scaling(leaf, []); u = Scaling(leaf, [], value={v: -1})
    >>> resolved({u: 1}) == {v: -1}
    True
    """
    found: Monomial = {}
    for v, e in monomial.items():
        found = product(found, {v: 1} if v.value is None else resolved(v.value), e)
    return found


def terminal(leaf: Leaf) -> frozenset[Leaf]:
    """Return the leaves of which one consists at last.

    Args:
        leaf: any.

    Returns:
        Leaves that are not split.

    >>> inner = Leaf(2); terminal(Leaf(4, kids=(Data(2), inner))) == {inner}
    True
    """
    leaf = root(leaf)[0]
    if not leaf.kids:
        return frozenset([leaf])
    return frozenset().union(*(terminal(kid) for kid in leaf.kids if isinstance(kid, Leaf)))


def base(thing: Leaf | Scaling) -> frozenset[Leaf]:
    """Return the leaves over which a group or a scaling may vary.

    Args:
        thing: a leaf or a scaling.

    Returns:
        Leaves that are not split.

    >>> base(Leaf(2))
    frozenset()
    """
    sets = [frozenset().union(*map(terminal, bound)) for bound in thing.bounds]
    return frozenset.intersection(*sets) if sets else frozenset()


def expanded(axis: Iterable[Factor]) -> Axis:
    """Return an axis in the finest factors known: split leaves are replaced by their kids.

    Args:
        axis: its factors.

    Returns:
        The factors, without those of size 1.

    >>> expanded([Data(1), Data(2)])
    (Data(n=2, constant=False),)
    """
    return tuple(f for factor in axis for f in _finer(factor) if f.n != 1)


def _finer(factor: Factor) -> Iterator[Factor]:
    if isinstance(factor, Joined):
        yield Joined(_flat(map(expanded, factor.pieces)))
    if not isinstance(factor, Atom):
        if isinstance(factor, Data):
            yield factor
        return
    leaf, sign = root(factor.leaf)
    monomial = resolved(factor.monomial)
    sign *= factor.sign
    if not leaf.kids:
        yield Atom(leaf, sign, monomial)
        return
    parts: list[Axis] = []
    for i, kid in enumerate(leaf.kids):
        mine = {_kid(v, leaf, i): e for v, e in monomial.items() if leaf.carries[i]}
        parts.append(expanded([Atom(kid, sign, mine) if isinstance(kid, Leaf) else kid]))
    if leaf.joined:
        yield Joined(_flat(parts))
    else:
        for part in parts:
            yield from part


def _flat(pieces: Iterable[Axis]) -> tuple[Axis, ...]:
    """Return pieces of which none is a joined factor alone."""
    found: list[Axis] = []
    for piece in pieces:
        found += piece[0].pieces if len(piece) == 1 and isinstance(piece[0], Joined) else [piece]
    return tuple(found)


def _kid(v: Scaling, leaf: Leaf, i: int) -> Scaling:
    """Return what becomes of a scaling on the kid of a split leaf; its flags pass on."""
    if not v.kids:
        made: list[Scaling | None] = []
        for kid, carries in zip(leaf.kids, leaf.carries, strict=True):
            free = carries and isinstance(kid, Leaf)
            more = kid.bounds[0] - leaf.bounds[0] if isinstance(kid, Leaf) else frozenset()
            bounds = [bound | more for bound in v.bounds]
            made.append(Scaling(kid, bounds, set(v.flags)) if free else None)  # type: ignore[arg-type]
        if not leaf.joined and len(made) == 2 and made[0] and made[1]:
            made[0].inner = made[1]
        v.kids = tuple(made)
    found = v.kids[i]
    assert found is not None
    return found


def atoms(axes: Iterable[Axis]) -> Iterator[Atom]:
    """Yield the atoms of some axes, those of joined pieces too.

    Args:
        axes: the axes.

    Yields:
        The atoms, of leaves that are not split.

    >>> list(atoms([(Data(2),)]))
    []
    """
    for axis in axes:
        for factor in expanded(axis):
            if isinstance(factor, Atom):
                yield factor
            elif isinstance(factor, Joined):
                yield from atoms(factor.pieces)
