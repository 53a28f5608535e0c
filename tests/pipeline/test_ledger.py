"""The ledger tells what a build recorded, and a build with a gap has none."""

import importlib
import json
import re

import nbformat
import pytest
import yaml
from PIL import Image

import mc_lib
from book.pipeline import colophon, gallery, ledger, pages, profiles

LISTED = """
Section 1:
- {id: Thm 1, title: A < B, where: 01-tiny#thm-1, verdict: holds}
- {id: Thm 2, title: Another, where: 01-tiny, verdict: misprint, note: read 1 for 0}
"""


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "statements.yml"
    path.write_text(LISTED)
    return path


def record(statement, measured=1e-9, relation="≤", reference=1e-6, cases=3, holds=True):
    return {
        "statement": statement,
        "what": f"what of {statement}",
        "relation": relation,
        "measured": measured,
        "reference": reference,
        "cases": cases,
        "holds": holds,
        "chapter": "01-tiny",
    }


RUNS = {"01-tiny": {"parameters": {"seed": 0, "sizes": [1], "threads": 1}}}
WHOLE = {"01-tiny": [record("Thm 1"), record("Thm 1", 5e-7), record("Thm 2", 2, "=", 2, 1)]}


def test_records_are_read_in_order_and_know_their_chapter(tmp_path):
    folder = tmp_path / "01-tiny.records"
    folder.mkdir()
    (folder / "claims.jsonl").write_text("\n".join(map(json.dumps, WHOLE["01-tiny"])) + "\n")
    found = ledger.read(tmp_path, ["01-tiny", "02-silent"])
    assert [r["statement"] for r in found["01-tiny"]] == ["Thm 1", "Thm 1", "Thm 2"]
    assert {r["chapter"] for r in found["01-tiny"]} == {"01-tiny"}
    assert found["02-silent"] == []


def test_a_statement_counts_its_cases_and_knows_its_tightest_check(listed):
    first, second = ledger.collect(WHOLE, listed).statements
    assert (first.cases, len(first.records)) == (6, 2)
    assert first.tightest["measured"] == 5e-7
    assert second.tightest is None


@pytest.mark.parametrize(
    ("measured", "relation", "reference", "share"),
    [
        (1.0, "≤", 4.0, 0.25),
        (4.0, "≥", 1.0, 0.25),
        (-4.0, "≤", -1.0, 0.25),
        (-3.0, "≤", 0.0, 0.0),
        (0.0, "≤", 0.0, 0.0),
        (True, "=", True, None),
    ],
)
def test_closeness_is_the_share_of_the_bound(measured, relation, reference, share):
    assert ledger.closeness(record("x", measured, relation, reference)) == share


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record("Thm 1")], "statements without a record: Thm 2"),
        ([*WHOLE["01-tiny"], record("Thm 3")], "does not list: Thm 3"),
        ([*WHOLE["01-tiny"], record("Thm 1", holds=False)], "records that failed: what of Thm 1"),
    ],
)
def test_a_gap_a_stranger_and_a_failure_stop_the_build(listed, records, message):
    with pytest.raises(ledger.LedgerError, match=message):
        ledger.collect({"01-tiny": records}, listed)


def test_with_other_parameters_a_failure_is_marked_and_stops_nothing(listed):
    broken = record("Thm 1", 2e-6, holds=False)
    records = {"01-tiny": [*WHOLE["01-tiny"], broken]}
    found = ledger.collect(records, listed, changed=["01-tiny"])
    assert [s.failed for s in found.statements] == [1, 0]
    assert found.statements[0].tightest is broken
    text = pages.of_ledger(found, RUNS, {})
    assert "<strong>1 of 3 checks failed here</strong>" in text
    assert "2e-06 ≤ 1e-06, 3 cases; does not hold with these parameters" in text
    assert "1 of them failed with the settings of this build" in text
    with pytest.raises(ledger.LedgerError, match="records that failed"):
        ledger.collect(records, listed, changed=["02-silent"])


def test_what_is_ours_is_marked_in_the_chapter_only(listed):
    records = {"01-tiny": [record("Thm 1 (ours)"), record("Thm 2")]}
    assert [len(s.records) for s in ledger.collect(records, listed).statements] == [1, 1]


def test_one_check_can_serve_two_statements(listed):
    found = ledger.collect({"01-tiny": [record("Thm 1, Thm 2 (ours)")]}, listed)
    assert [len(s.records) for s in found.statements] == [1, 1]


def test_exercises_need_no_row(listed):
    records = {"01-tiny": [*WHOLE["01-tiny"], record("Exercise")]}
    assert [s.id for s in ledger.collect(records, listed).statements] == ["Thm 1", "Thm 2"]


def test_the_page_shows_each_statement_with_its_checks(listed):
    text = pages.of_ledger(ledger.collect(WHOLE, listed), RUNS, {"Thm 1": (97, 100)})
    assert '<td><a href="seeds.html">97 of 100</a></td><td>holds</td>' in text
    assert "<td>–</td><td>misprint</td>" in text
    assert '<a href="01-tiny.html#thm-1">Thm 1</a>' in text
    assert '<a href="01-tiny.html">Thm 2</a>' in text
    assert "A &lt; B" in text
    assert "5e-07 ≤ 1e-06" in text
    assert "what of Thm 2: 2 = 2" in text
    assert "read 1 for 0" in text
    assert text.count("<p>Sizes and seeds in 01-tiny: seed = 0, sizes = [1]</p>") == 2
    assert "3 checks in 7 cases over 1 chapters" in text
    assert "1 × holds, 1 × misprint" in text


def test_the_glance_names_what_does_not_simply_hold(listed):
    shown = ledger.collect(WHOLE, listed).shown() | {"plain": pages.PLAIN}
    text = pages.render("glance.md", **shown)
    assert "<em>misprint</em>" in text
    assert "holds" not in text


def test_every_listed_statement_has_its_place():
    sections = yaml.safe_load(ledger.STATEMENTS.read_text(encoding="utf-8"))
    ids = [entry["id"] for entries in sections.values() for entry in entries]
    assert len(ids) == len(set(ids))
    for entry in (e for entries in sections.values() for e in entries):
        page = entry["where"].partition("#")[0]
        assert any((profiles.ROOT / "book" / f"{page}{s}").exists() for s in (".md", ".ipynb")), (
            page
        )


def test_a_run_says_what_it_was(monkeypatch):
    cells = [nbformat.v4.new_code_cell(f"cell_{i}()\nmore") for i in range(5)]
    for i, cell in enumerate(cells):
        cell.metadata["papermill"] = {"duration": float(i)}
    run = colophon.record(nbformat.v4.new_notebook(cells=cells), {"seed": 4}, 12.34)
    assert run["parameters"] == {"seed": 4}
    assert run["seconds"] == 12.3
    assert [s["cell"] for s in run["slowest"]] == ["cell_4()", "cell_3()", "cell_2()"]
    assert run["packages"]["torch"].startswith("2.")
    assert run["peak_mb"] >= 0


def test_the_sizes_and_seeds_are_those_of_the_run():
    run = {"parameters": {"seed": 3, "sizes": [1, 2], "device": "cpu"}}
    assert colophon.sizes(run) == "seed = 3, sizes = [1, 2]"


def test_over_seeds_the_weakest_check_counts(tmp_path):
    def claim(statement, *pairs):
        settings = {str(i): {"held": a, "runs": b} for i, (a, b) in enumerate(pairs)}
        return {"statement": statement, "settings": settings}

    claims = [
        claim("Thm 1", (10, 10), (9, 12)),
        claim("Thm 1", (8, 10)),
        claim("E1, E2 (ours)", (3, 3)),
    ]
    table = tmp_path / "seeds.json"
    table.write_text(json.dumps({"chapters": {"01-tiny": {"claims": claims}}}))
    assert ledger.over_seeds(table) == {"Thm 1": (9, 12), "E1": (3, 3), "E2": (3, 3)}
    assert ledger.over_seeds(tmp_path / "none.json") == {}


def test_the_page_of_runs_names_every_chapter(tmp_path):
    names = ["01-tiny", "02-more"]
    for name in names:
        (tmp_path / f"{name}.records").mkdir()
        run = colophon.record(nbformat.v4.new_notebook(), {"seed": 7, "sizes": [1, 2]}, 3.0)
        run["estimated_mb"] = 100
        (tmp_path / f"{name}.records" / "run.json").write_text(json.dumps(run))
    text = pages.of_runs(colophon.runs(tmp_path, names))
    for piece in ("{doc}`01-tiny`", "{doc}`02-more`", "`sizes = [1, 2]`", "6 s, added up"):
        assert piece in text


def test_a_thumbnail_is_small_and_keeps_its_shape(tmp_path):
    Image.new("RGB", (900, 600), "white").save(tmp_path / "large.png")
    assert gallery.thumbnail(tmp_path / "large.png", tmp_path / "small.png") == (320, 213)
    assert (tmp_path / "small.png").stat().st_size < 20_000


def test_the_gallery_shows_every_figure_of_the_book():
    shown = [f for path in profiles.chapters().values() for f in gallery.figures(path)]
    names = [figure["name"] for figure in shown]
    assert len(names) == len(set(names)) >= 7
    assert {f"figure-{name}" for name in pages.FRONT} < set(names)


def test_the_front_page_says_how_many_checks_failed_for_some_seed(tmp_path):
    claims = [[{"held": 3, "runs": 3}, {"held": held, "runs": 3}] for held in (3, 3, 2)]
    settings = [{"settings": dict(zip("ab", pair, strict=True))} for pair in claims]
    chapters = {"one": {"claims": settings[:1]}, "two": {"claims": settings[1:]}}
    (tmp_path / "seeds.json").write_text(json.dumps({"seeds": [0, 1, 2], "chapters": chapters}))
    said = ledger.of_seeds(tmp_path / "seeds.json")
    assert said.startswith(
        "With 3 seeds, at smaller sizes, 2 of 3 checks held every time; the other 1"
    )
    assert ledger.of_seeds(tmp_path / "none.json") == ""


def test_the_reference_lists_the_home_of_each_public_name():
    pages = [path.read_text(encoding="utf-8") for path in (profiles.ROOT / "book/api").glob("*.md")]
    listed = re.findall(r"automodule:: (\S+)", "\n".join(pages))
    summed = re.findall(r"summary:: (.*)", "\n".join(pages))
    assert " ".join(summed).split() == listed
    offered = {id(x) for module in listed for x in vars(importlib.import_module(module)).values()}
    public = {name: thing for name, thing in vars(mc_lib).items() if getattr(thing, "__doc__", "")}
    functions = {n: x for n, x in public.items() if callable(x) and not n.startswith("_")}
    assert len(functions) > 40
    assert [name for name, thing in functions.items() if id(thing) not in offered] == []
    assert len(listed) == len(set(listed))
