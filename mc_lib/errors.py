"""The named errors: everything impossible is refused with a reason.

Every error derives from `McLibError`, which is a `ValueError`, so that one
``except mc.McLibError`` catches all of them and nothing else.
"""


class McLibError(ValueError):
    """Base of every error that `mc_lib` raises on purpose."""


class ShapeMismatch(McLibError):
    """Tensors whose shapes do not fit together, or a tensor of the wrong rank."""


class MixedBatch(McLibError):
    """A loss that is another for a point alone than for the same point in a batch."""


class DtypeMismatch(McLibError):
    """Mixed dtypes or devices, or a dtype that is not a real floating-point type."""


class NotFinite(McLibError):
    """An input holds NaN or infinity."""


class OutOfDomain(McLibError):
    """A number outside the domain of the formula it was given to."""


class RankDeficient(McLibError):
    """A matrix of smaller rank than the statement assumes."""


class NotInGroup(McLibError):
    """A value that is not an element of the group (singular, not orthogonal, ...)."""


class NotSymmetric(McLibError):
    """A symmetry whose data do not describe an action, or a loss that it changes."""


class NoRealLogarithm(McLibError):
    """A matrix without a real logarithm; the message names the eigenvalues at fault."""


class NotConnected(McLibError):
    """Two points with no path between them; the message names the obstruction."""


class NotAMinimum(McLibError):
    """A point whose loss is above the tolerance; the message gives both."""
