"""Chapters 4, 5, 6 and 6b: figures that a reader turns and slides, from the page alone.

A figure is data: curves or surfaces for each place of a slider, in the JSON of plotly.js.
The script interactive.js beside this file draws it and makes the slider, an ordinary
<input type="range"> that works from the keyboard. A book loads the script and plotly.js
once a page. In JupyterLab a line beside the figure asks the server for them, where
`make jupyter` offers both, so that a saved chapter stays as small as it was.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from lab.claims import RECORDS
from mc_lib.errors import NotFinite, OutOfDomain, ShapeMismatch

DIGITS = 4  # significant digits of the numbers on a page
LARGEST = 150_000  # bytes of one figure
LIVE = """<script>
(() => {
  const told = document.getElementById("jupyter-config-data");
  const script = document.createElement("script");
  if (told) script.src = `${JSON.parse(told.textContent).fullLabextensionsUrl}/interactive.js`;
  if (told) document.head.append(script);
})();
</script>"""

FALLBACK = (
    "An interactive figure belongs here. It works in the built book, in a browser that runs "
    "scripts: make book, then open this chapter in _build/html. The figure above is its still."
)

Trace = dict[str, Any]
"""What plotly.js draws as one: a curve, a set of points, a surface."""


@dataclass(frozen=True)
class Frame:
    """What a figure shows at one place of its slider.

    Args:
        label: what stands beside the slider, such as "m = 2".
        text: a sentence under the figure, may be empty.
        traces: what is drawn at this place only.
    """

    label: str
    text: str
    traces: tuple[Trace, ...]


@dataclass(frozen=True)
class Interactive:
    """A figure with a slider, or one to turn, as a page shows it.

    Args:
        name: the id of the element, such as "interactive-1a".
        alt: the figure in words, for who does not see it.
        frames: one for each place of the slider; with a single one there is no slider.
        layout: plotly's layout; the script adds colours and sizes.
        fixed: what is drawn at every place.
        start: the place where the slider begins; by default the middle.

    Raises:
        OutOfDomain: a name that is no id, words too few, no such place, or more than
            150 kB on the page.

    >>> point = {"type": "scatter", "x": [1], "y": [2]}
    >>> Interactive("one-point", "One point, at (1, 2).", (Frame("", "", (point,)),), {})
    Interactive('one-point', 1 frame)
    """

    name: str
    alt: str
    frames: tuple[Frame, ...]
    layout: dict[str, Any]
    fixed: tuple[Trace, ...] = ()
    start: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9-]*", self.name):
            raise OutOfDomain(f"a name is of a-z, 0-9 and -, such as 'slide-m', got {self.name!r}")
        if len(self.alt) < 20:
            raise OutOfDomain(f"{self.name}: say in words what is seen, got {self.alt!r}")
        if not 0 <= self.place < len(self.frames):
            raise OutOfDomain(f"{self.name}: no place {self.place} among {len(self.frames)}")
        size = len(self.to_json())
        if size > LARGEST:
            raise OutOfDomain(
                f"{self.name}: {size} bytes, more than {LARGEST}: fewer points or places"
            )

    @property
    def place(self) -> int:
        """Where the slider begins."""
        return len(self.frames) // 2 if self.start is None else self.start

    def __repr__(self) -> str:
        """Return the name and the number of places, the same on every machine."""
        count = len(self.frames)
        return f"Interactive({self.name!r}, {count} frame{'s' if count > 1 else ''})"

    def to_json(self) -> str:
        """Return what the script draws, ASCII, fit to stand inside a <script> element."""
        spec = {
            "alt": self.alt,
            "start": self.place,
            "layout": self.layout,
            "fixed": self.fixed,
            "frames": [vars(frame) for frame in self.frames],
        }
        return json.dumps(spec, separators=(",", ":"), allow_nan=False).replace("</", r"<\/")

    def _repr_html_(self) -> str:
        """Return the element that a page shows."""
        live = "" if RECORDS in os.environ else LIVE
        return (
            f'<figure class="mc-interactive" id="{self.name}">\n'
            f'<p class="mc-fallback">{escape(FALLBACK)}</p>\n'
            f'<script type="application/json">{self.to_json()}</script>\n'
            f"</figure>{live}"
        )


def rounded(x: Tensor) -> list[Any]:
    """Return the entries, nested like the tensor, to 4 significant digits.

    Args:
        x: any tensor of numbers.

    Returns:
        Nested lists.

    Raises:
        NotFinite: an entry is NaN or infinite.

    >>> import torch
    >>> rounded(torch.tensor([[1.0, 1 / 3], [-2e-7, 123456.0]]))
    [[1, 0.3333], [-2e-07, 123500]]
    """
    array = np.asarray(x.numpy(force=True), dtype=float)
    if not np.isfinite(array).all():
        raise NotFinite(f"a figure draws finite numbers, got {array[~np.isfinite(array)][0]}")
    return [_rounded(row) for row in array.tolist()]


def _rounded(x: Any) -> Any:
    if isinstance(x, list):
        return [_rounded(row) for row in x]
    value = float(f"{x:.{DIGITS}g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def places(slider: str, values: Sequence[float], texts: Sequence[str] | None) -> list[list[str]]:
    """Return the label and the text of each place of a slider.

    Args:
        slider: what the slider sets, such as "m".
        values: the values, increasing.
        texts: a sentence for each value; by default none.

    Returns:
        Pairs [label, text].

    Raises:
        ShapeMismatch: not one text for each value.
        OutOfDomain: fewer than two values, or not increasing.

    >>> places("ε", [-0.5, 1], None)
    [['ε = −0.5', ''], ['ε = 1', '']]
    """
    texts = [""] * len(values) if texts is None else texts
    if len(texts) != len(values):
        raise ShapeMismatch(f"expected {len(values)} texts, got {len(texts)}")
    if len(values) < 2 or any(a >= b for a, b in zip(values, values[1:], strict=False)):
        raise OutOfDomain(f"a slider wants two increasing values or more, got {list(values)}")
    return [[f"{slider} = {number(v)}", text] for v, text in zip(values, texts, strict=True)]


def number(x: float) -> str:
    """Return a number as a reader reads it: three digits, and a true minus sign.

    Args:
        x: the number.

    Returns:
        Such as "−0.5" or "1.2·10⁷".

    >>> number(-0.5), number(12345678.0), number(1 / 3), number(2e-9)
    ('−0.5', '1.23·10⁷', '0.333', '2·10⁻⁹')
    """
    digits, e, power = f"{x:.3g}".partition("e")
    if e:
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        digits = f"{digits}·10{raised}"
    return digits.replace("-", "−")
