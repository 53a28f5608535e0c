"""The register of rules: what each operation asks of its inputs, and what it makes of them."""

from collections.abc import Callable, Sequence
from typing import Any

from mc_lib.modules.spaces import Data, Value

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register what some operations ask of their inputs, and what they make.

    Args:
        *names: of operations, as `operation` returns them.

    Returns:
        A decorator. The rule takes the finder, the node and the arguments of the operation, a
        `Value` for each tensor, and returns a `Value`, or several.

    >>> rule("identity")(len) is RULES.pop("identity")
    True
    """

    def decorator(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, f))
        return f

    return decorator


def still_value(sizes: Sequence[int]) -> Value:
    """Return a value of a shape of which nothing moves.

    Args:
        sizes: its shape.

    Returns:
        The value.

    >>> still_value((2,)).axes
    ((Data(n=2, constant=False),),)
    """
    return Value(tuple((Data(n),) for n in sizes))
