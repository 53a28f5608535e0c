"""A claim is compared, printed, recorded, and raised when it is broken."""

import json
import re
from pathlib import Path

import nbval.plugin
import pytest
import torch

from book.pipeline import compare
from lab.claims import CheckFailed, check, claims_table
from mc_lib.errors import OutOfDomain


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    """A build's folder; call it for the lines recorded so far."""
    monkeypatch.setenv("MC_LIB_RECORDS", str(tmp_path))

    def lines():
        path = tmp_path / "claims.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]

    return lines


@pytest.fixture(autouse=True)
def outside_a_build(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    monkeypatch.delenv("MC_LIB_CHECKS", raising=False)


# -- rounding ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        ({"rounding": 1e-12}, 1e-12, 1.1e-12),
        ({"at_most": 1, "rounding": 1e-12}, 1 + 0.9e-12, 1 + 1.1e-12),
        ({"at_least": 1, "rounding": 1e-12}, 1 - 0.9e-12, 1 - 1.1e-12),
    ],
)
def test_rounding_moves_the_bound_by_what_the_dtype_may_leave(bound, inside, outside):
    check("Eq (8)", "ratio", inside, **bound)
    with pytest.raises(CheckFailed):
        check("Eq (8)", "ratio", outside, **bound)
    torch.set_default_dtype(torch.float32)
    try:
        check("Eq (8)", "ratio", outside, **bound)
    finally:
        torch.set_default_dtype(torch.float64)


@pytest.mark.bad_input
def test_rounding_does_not_go_with_equals():
    with pytest.raises(OutOfDomain, match="exactly one"):
        check("Eq (8)", "ratio", 1.0, equals=1.0, rounding=1e-12)


# -- what is printed -----------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"measured": 4, "equals": 4}, "✓ Cor 4.2: components (= 4)"),
        ({"measured": 1.5e-13, "at_most": 1e-12}, "✓ Cor 4.2: components: 1.5e-13 (≤ 1e-12)"),
        ({"measured": 2.0, "at_least": 1.23456}, "✓ Cor 4.2: components: 2 (≥ 1.23)"),
        ({"measured": 0.0, "at_most": 0.0}, "✓ Cor 4.2: components: 0 (≤ 0)"),
        ({"measured": [1, -1], "equals": [1, -1]}, "✓ Cor 4.2: components (= [1, -1])"),
        ({"measured": False, "equals": False}, "✓ Cor 4.2: components (= False)"),
        ({"measured": 1, "equals": 1, "cases": 2}, "✓ Cor 4.2: components (= 1, 2 cases)"),
        ({"measured": 1, "equals": 1, "cases": 1}, "✓ Cor 4.2: components (= 1)"),
    ],
)
def test_a_claim_that_holds_prints_what_was_measured_and_its_bound(options, line, capsys):
    assert check("Cor 4.2", "components", **options) is None
    assert capsys.readouterr().out == line + "\n"


def sanitized(text):
    patterns = Path(compare.__file__).with_name("measured.cfg").read_text(encoding="utf-8")
    for regex, replace in nbval.plugin.get_sanitize_patterns(patterns):
        text = re.sub(regex, replace, text)
    return text


def test_two_runs_agree_where_only_what_was_measured_differs(monkeypatch, capsys):
    tables = []
    for measured, bound in ((1e-15, 1e-12), (-3e-14, 1e-12), (1e-15, 2e-12)):
        monkeypatch.setattr("lab.claims._log", [])
        check("Prop 4.1", "error: of (A)", measured, at_most=bound)
        tables.append(sanitized(claims_table()._repr_html_()))
    lines = [sanitized(line) for line in capsys.readouterr().out.splitlines()]
    for same, other, changed in (lines, tables):
        assert same == other != changed
    assert sanitized("✓ Cor 4.2: components (= 4)") == "✓ Cor 4.2: components (= 4)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measured": 3, "equals": 4}, "✗ Cor 4.2: components (measured 3, not = 4)"),
        ({"measured": 2.34567, "at_most": 1.5}, "✗ Cor 4.2: components (measured 2.35, not ≤ 1.5)"),
        ({"measured": 1, "at_least": 2.0}, "✗ Cor 4.2: components (measured 1, not ≥ 2)"),
        ({"measured": 1, "equals": True, "cases": 9}, None),
    ],
)
def test_a_broken_claim_raises_with_the_measured_value(options, message, capsys):
    if message is None:  # 1 == True in Python: a truth value is a number
        check("Cor 4.2", "components", **options)
        return
    with pytest.raises(CheckFailed) as error:
        check("Cor 4.2", "components", **options)
    assert str(error.value) == message
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("bound", [1.0, float("nan")])
@pytest.mark.parametrize("side", ["at_most", "at_least", "equals"])
def test_nan_fails_every_comparison(side, bound):
    with pytest.raises(CheckFailed, match="measured nan"):
        check("Prop 6.1", "ratio", float("nan"), **{side: bound})


@pytest.mark.parametrize(
    ("side", "holds"),
    [("at_most", {0.5, 1.0}), ("at_least", {1.0, 2.0}), ("equals", {1.0})],
)
def test_the_three_relations(side, holds, capsys):
    for measured in (0.5, 1.0, 2.0):
        if measured in holds:
            check("x", "y", measured, **{side: 1.0})
        else:
            with pytest.raises(CheckFailed):
                check("x", "y", measured, **{side: 1.0})
    assert len(capsys.readouterr().out.splitlines()) == len(holds)


def test_a_tensor_of_one_entry_is_a_number(ledger):
    check("Prop 4.1", "loss", torch.tensor([[0.5]]), at_most=1.0)
    check("Cor 4.2", "components", torch.tensor(4), equals=torch.tensor(4))
    check("Cor 4.2", "signs", torch.tensor([1, -1]), equals=torch.tensor([1, -1]))
    assert [entry["measured"] for entry in ledger()] == [0.5, 4, [1, -1]]
    assert ledger()[2]["reference"] == [1, -1]


# -- what is recorded ----------------------------------------------------------
def test_a_build_collects_every_claim(ledger):
    check("Cor 4.2", "components", 4, equals=4, cases=3)
    with pytest.raises(CheckFailed):
        check("Prop 6.1", "Verhältnis ‖U‖", 2.0, at_most=1.0)
    assert ledger() == [
        {
            "statement": "Cor 4.2",
            "what": "components",
            "relation": "=",
            "measured": 4,
            "reference": 4,
            "cases": 3,
            "holds": True,
        },
        {
            "statement": "Prop 6.1",
            "what": "Verhältnis ‖U‖",
            "relation": "≤",
            "measured": 2.0,
            "reference": 1.0,
            "cases": 1,
            "holds": False,
        },
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_json_cannot_hold_is_recorded_as_text(ledger, value):
    for side in ("at_most", "at_least"):
        try:
            check("x", "y", float(value), **{side: 0.0})
        except CheckFailed:
            pass
    with pytest.raises(CheckFailed):
        check("x", "y", 0.0, equals=float(value))
    assert [entry["measured"] for entry in ledger()] == [value, value, 0.0]
    assert [entry["reference"] for entry in ledger()] == [0.0, 0.0, value]


def test_outside_a_build_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check("Cor 4.2", "components", 4, equals=4)
    assert list(tmp_path.iterdir()) == []


def test_claims_need_utf_8_whatever_the_locale(ledger, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    check("§ 4.1", "‖W‖ ≥ 0", 1.0, at_least=0.0)
    assert ledger()[0]["statement"] == "§ 4.1"


# -- the table -----------------------------------------------------------------
def test_the_table_lists_this_process_s_claims_in_order(monkeypatch):
    monkeypatch.setattr("lab.claims._log", [])
    check("Cor 4.2", "components", 4, equals=4, cases=3)
    with pytest.raises(CheckFailed):
        check("Prop 6.1", "ratio < 1", 2.0, at_most=1.2345)
    table = claims_table()
    assert repr(table) == "ClaimsTable of 2 claims"
    assert table._repr_html_().splitlines() == [
        '<table class="dataframe claims"><tr><th>statement</th><th>checked</th><th>measured</th>'
        "<th>bound</th><th>cases</th><th>holds</th></tr>",
        '<tr><td>Cor 4.2</td><td>components</td><td class="measured">4</td>'
        "<td>= 4</td><td>3</td><td>✓</td></tr>",
        '<tr><td>Prop 6.1</td><td>ratio &lt; 1</td><td class="measured">2</td>'
        "<td>≤ 1.23</td><td>1</td><td>✗</td></tr>",
        "</table>",
    ]
    check("Cor 4.2", "components", 4, equals=4)
    assert len(table.claims) == 2  # a table is what was known when it was asked for
    assert len(claims_table().claims) == 3


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        ({}, r"got {'≤': None, '≥': None, '=': None} and cases = 1"),
        ({"at_most": 1.0, "at_least": 0.0}, r"got {'≤': 1.0, '≥': 0.0, '=': None}"),
        ({"at_most": 1.0, "equals": 0.0}, r"got {'≤': 1.0, '≥': None, '=': 0.0}"),
        ({"equals": 0.0, "cases": 0}, r"and cases = 0"),
    ],
)
def test_a_claim_makes_exactly_one_comparison(options, quoted, ledger):
    with pytest.raises(OutOfDomain, match=quoted) as error:
        check("Thm 6.2", "bound", 0.0, **options)
    assert "Thm 6.2: give exactly one of at_most, at_least, equals and cases ≥ 1" in str(
        error.value
    )
    assert ledger() == []


@pytest.mark.bad_input
@pytest.mark.parametrize("measured", [torch.zeros(2), "many", None, 1j, [0.0]])
def test_only_numbers_are_compared_by_size(measured, ledger):
    with pytest.raises(OutOfDomain, match=r"Thm 6.2: ≤ compares numbers, got "):
        check("Thm 6.2", "bound", measured, at_most=1.0)
    assert ledger() == []


# -- a sweep sees all claims of a run --------------------------------------------
def test_in_a_sweep_a_failed_claim_is_printed_and_recorded_and_does_not_raise(
    monkeypatch, ledger, capsys
):
    monkeypatch.setenv("MC_LIB_CHECKS", "record")
    check("Eq (3)", "error", 2.0, at_most=1.0)
    check("Eq (3)", "error", float("nan"), at_most=1.0)
    check("Eq (3)", "error", 0.5, at_most=1.0)
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == ["✗", "✗", "✓"]
    assert [(entry["measured"], entry["holds"]) for entry in ledger()] == [
        (2.0, False),
        ("nan", False),
        (0.5, True),
    ]
    assert [claim.holds for claim in claims_table().claims[-3:]] == [False, False, True]


@pytest.mark.parametrize("value", ["", "raise", "RECORD", "1"])
def test_no_other_value_silences_a_failed_claim(monkeypatch, value):
    monkeypatch.setenv("MC_LIB_CHECKS", value)
    with pytest.raises(CheckFailed):
        check("Eq (3)", "error", 2.0, at_most=1.0)
