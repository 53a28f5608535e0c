"""Claims that can fail: each is compared, printed, recorded, and raised when broken."""

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mc_lib.errors import CheckFailed, OutOfDomain

RECORDS = "MC_LIB_RECORDS"
"""Environment variable: the folder in which a book build collects its records."""


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

    def __str__(self) -> str:
        bound = f"{self.relation} {_show(self.reference)}"
        count = f", {self.cases} cases" if self.cases > 1 else ""
        if self.holds:
            return f"✓ {self.statement}: {self.what} ({bound}{count})"
        return f"✗ {self.statement}: {self.what} (measured {_show(self.measured)}, not {bound})"


def check(
    statement: str,
    what: str,
    measured: Any,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    equals: Any = None,
    cases: int = 1,
) -> None:
    """Compare a measurement with what a statement says, and record the outcome.

    Prints one line that does not depend on rounding (the bound, not the measurement).
    While a book is being built the claim with its measured value is appended to the
    ledger's records, the failed ones too.

    Args:
        statement: the number of the statement in the paper, such as "Prop 4.1".
        what: what is being compared, in words.
        measured: a number, or for `equals` any JSON value; a tensor of one entry is one.
        at_most: passes when measured ≤ at_most.
        at_least: passes when measured ≥ at_least.
        equals: passes when measured == equals.
        cases: over how many cases `measured` is the worst.

    Raises:
        CheckFailed: the comparison fails; NaN fails every comparison.
        OutOfDomain: not exactly one of at_most, at_least, equals was given, or cases < 1.

    >>> check("Cor 4.2", "components for l = 3", measured=4, equals=2**2)
    ✓ Cor 4.2: components for l = 3 (= 4)
    >>> check("Cor 4.2", "components for l = 3", measured=3, equals=2**2)
    Traceback (most recent call last):
    ...
    mc_lib.errors.CheckFailed: ✗ Cor 4.2: components for l = 3 (measured 3, not = 4)
    """
    bounds = {"≤": at_most, "≥": at_least, "=": equals}
    given = [(relation, value) for relation, value in bounds.items() if value is not None]
    if len(given) != 1 or cases < 1:
        raise OutOfDomain(
            f"{statement}: give exactly one of at_most, at_least, equals and cases ≥ 1, "
            f"got {bounds} and cases = {cases}"
        )
    relation, reference = given[0]
    value = measured.item() if hasattr(measured, "item") else measured
    holds = {
        "≤": lambda: value <= reference,
        "≥": lambda: value >= reference,
        "=": lambda: value == reference,
    }[relation]()
    claim = Claim(statement, what, relation, value, reference, cases, bool(holds))
    _record(claim)
    if not claim.holds:
        raise CheckFailed(str(claim))
    print(claim)


def _show(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _record(claim: Claim) -> None:
    if RECORDS in os.environ:
        entry = asdict(claim)
        if isinstance(entry["measured"], float) and not math.isfinite(entry["measured"]):
            entry["measured"] = str(entry["measured"])  # JSON has no NaN
        with (Path(os.environ[RECORDS]) / "claims.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
