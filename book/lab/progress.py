"""Chapters 1, 2, 4b, 5, 6 and 7: how far a long computation has come, shown live only."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from lab.claims import RECORDS

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items, and show on the terminal or in JupyterLab how far they have come.

    The bar appears after two seconds and leaves no trace when it is done. Nothing is shown
    while a book is being built, nor where the output goes to a file.

    Args:
        items: what to go through.
        what: the name of the work.
        total: how many items there are, if it is known and they cannot tell.

    Yields:
        The items, in order.

    >>> list(progress([1, 2], "counting"))
    [1, 2]
    """
    live = sys.stderr.isatty() or "ipykernel" in sys.modules
    silent = RECORDS in os.environ or not live
    yield from tqdm(items, what, total, disable=silent, leave=False, delay=2.0)
