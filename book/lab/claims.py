"""Every chapter: claims that can fail, compared, printed, recorded, and raised when broken."""

import html
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab import settings
from mc_lib.errors import McLibError, OutOfDomain

RECORDS = "MC_LIB_RECORDS"
"""Environment variable: the folder in which a book build collects its records."""

CHECKS = "MC_LIB_CHECKS"
"""Environment variable: set to "record", a claim that fails is printed and does not raise."""


class CheckFailed(McLibError):
    """A claim that did not hold: the measured value broke its bound."""


@dataclass(frozen=True)
class Claim:
    """One comparison: what was claimed, what was measured, and whether it holds."""

    statement: str  # the paper's own number, such as "Prop 4.1"
    what: str
    relation: str  # one of "≤", "≥", "="
    measured: Any
    reference: Any
    cases: int
    holds: bool

    def entry(self) -> dict[str, Any]:
        """Return the claim as the records hold it: JSON has no NaN and no infinity."""
        entry = asdict(self)
        for key in ("measured", "reference"):
            if isinstance(entry[key], float) and not math.isfinite(entry[key]):
                entry[key] = str(entry[key])
        return entry

    def __str__(self) -> str:
        bound = f"{self.relation} {_show(self.reference)}"
        count = f", {self.cases} cases" if self.cases > 1 else ""
        if not self.holds:
            found = f"(measured {_show(self.measured)}, not {bound})"
            return f"✗ {self.statement}: {self.what} {found}"
        found = "" if self.relation == "=" else f": {_rounded(self.measured)}"
        return f"✓ {self.statement}: {self.what}{found} ({bound}{count})"


@dataclass(frozen=True)
class ClaimsTable:
    """Claims as a table, which a notebook shows as HTML."""

    claims: tuple[Claim, ...]

    def __repr__(self) -> str:
        return f"ClaimsTable of {len(self.claims)} claims"

    def _repr_html_(self) -> str:
        names = ("statement", "checked", "measured", "bound", "cases", "holds")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "\n".join(f"<tr>{_cells(claim)}</tr>" for claim in self.claims)
        return f'<table class="dataframe claims"><tr>{head}</tr>\n{body}\n</table>'


def _cells(claim: Claim) -> str:
    bound = f"{claim.relation} {_show(claim.reference)}"
    mark = "✓" if claim.holds else "✗"
    before, after = (claim.statement, claim.what), (bound, claim.cases, mark)
    cells = ["".join(f"<td>{html.escape(str(x))}</td>" for x in part) for part in (before, after)]
    return f'<td class="measured">{_rounded(claim.measured)}</td>'.join(cells)


_log: list[Claim] = []  # every claim that this process has checked, in order


def claims_table() -> ClaimsTable:
    """Return all claims checked so far in this process: in a notebook, the chapter's.

    Returns:
        The table, one row a claim.

    >>> isinstance(claims_table(), ClaimsTable)
    True
    """
    return ClaimsTable(tuple(_log))


def check(
    statement: str,
    what: str,
    measured: Any,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    equals: Any = None,
    rounding: float | None = None,
    cases: int = 1,
) -> None:
    """Compare a measurement with what a statement says, and record the outcome.

    Prints one line: what was measured, to two digits, and the bound. When a chapter is executed
    again, all but what was measured is compared.
    While a book is being built the claim with its measured value is appended to the
    ledger's records, the failed ones too. With the environment variable MC_LIB_CHECKS=record
    a claim that fails is printed and recorded like the others and does not raise, so that a
    sweep over seeds sees all claims of a chapter.

    Args:
        statement: the number of the statement in the paper, such as "Prop 4.1".
        what: what is being compared, in words.
        measured: a number, or for `equals` any JSON value; a tensor of one entry counts
            as a number, any other as a list.
        at_most: passes when measured ≤ at_most.
        at_least: passes when measured ≥ at_least.
        equals: passes when measured == equals.
        rounding: how far `measured` may lie beyond at_most (0 if only this is given) or
            at_least through rounding errors, in float64; see `settings.rounding`.
        cases: over how many cases `measured` is the worst.

    Raises:
        CheckFailed: the comparison fails, unless MC_LIB_CHECKS=record; NaN fails every
            comparison.
        OutOfDomain: not exactly one of at_most, at_least, equals was given (`rounding` alone
            stands for at_most, and does not go with equals), cases < 1, or
            `measured` is no number where one is compared by size.
        ParameterError: `rounding` is not a number between 0 and 1.

    >>> check("Cor 4.2", "components for l = 3", measured=4, equals=2**2)
    ✓ Cor 4.2: components for l = 3 (= 4)
    >>> check("Eq (4)", "loss on the curve", measured=3e-25, rounding=1e-20)
    ✓ Eq (4): loss on the curve: 3e-25 (≤ 1e-20)
    >>> check("Cor 4.2", "components for l = 3", measured=3, equals=2**2)
    Traceback (most recent call last):
    ...
    lab.claims.CheckFailed: ✗ Cor 4.2: components for l = 3 (measured 3, not = 4)
    """
    if rounding is not None and at_most is None and at_least is None:
        at_most = 0.0
    bounds = {"≤": at_most, "≥": at_least, "=": equals}
    given = [(relation, value) for relation, value in bounds.items() if value is not None]
    if len(given) != 1 or cases < 1:
        raise OutOfDomain(
            f"{statement}: give exactly one of at_most, at_least, equals and cases ≥ 1, "
            f"got {bounds} and cases = {cases}"
        )
    relation, reference = given[0]
    value, reference = _plain(measured), _plain(reference)
    if rounding is not None:
        reference += {"≤": 1, "≥": -1}[relation] * settings.rounding(rounding)
    if relation != "=" and not isinstance(value, int | float):
        raise OutOfDomain(f"{statement}: {relation} compares numbers, got {value!r}")
    holds = {
        "≤": lambda: value <= reference,
        "≥": lambda: value >= reference,
        "=": lambda: value == reference,
    }[relation]()
    claim = Claim(statement, what, relation, value, reference, cases, bool(holds))
    _log.append(claim)
    _record(claim)
    if not claim.holds and os.environ.get(CHECKS) != "record":
        raise CheckFailed(str(claim))
    print(claim)


def _show(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _rounded(value: Any) -> str:
    return html.escape(f"{value:.2g}" if isinstance(value, float) else str(value))


def _plain(value: Any) -> Any:
    if not hasattr(value, "tolist"):
        return value
    return value.item() if math.prod(value.shape) == 1 else value.tolist()


def _record(claim: Claim) -> None:
    if RECORDS in os.environ:
        with (Path(os.environ[RECORDS]) / "claims.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(claim.entry(), ensure_ascii=False) + "\n")
