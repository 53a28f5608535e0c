"""The committed chapters: executed, in order, readable, and in step with the profiles."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from book.pipeline import profiles

CHAPTERS = profiles.chapters()
PROFILES = [path.stem for path in (profiles.ROOT / "profiles").glob("*.yaml")]


@pytest.fixture(params=CHAPTERS.values(), ids=CHAPTERS.keys())
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def open_cells(notebook):
    """The code cells whose code a reader sees without a click."""
    folded = {"hide-input", "hide-cell"}
    return [c for c in code_cells(notebook) if not folded & set(c.metadata.get("tags", []))]


def test_the_book_has_chapters():
    assert list(CHAPTERS) == sorted(CHAPTERS)
    assert "04-connected-components" in CHAPTERS


def test_every_notebook_in_the_book_is_a_chapter():
    assert set((profiles.ROOT / "book").glob("*.ipynb")) == set(CHAPTERS.values())


def test_every_code_cell_was_executed_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_output_is_an_error_or_a_warning(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source


def test_every_figure_has_alt_text_a_caption_and_a_name(notebook):
    for cell in code_cells(notebook):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            meta = cell.metadata["mystnb"]
            assert len(meta["image"]["alt"]) > 40
            assert len(meta["figure"]["caption"]) > 80
            assert len(meta["figure"]["caption"].split()) <= 40
            assert meta["figure"]["name"]


def test_every_figure_has_reference_arrays(notebook):
    names = [
        cell.metadata["mystnb"]["figure"]["name"]
        for cell in code_cells(notebook)
        if "figure" in cell.metadata.get("mystnb", {})
    ]
    assert [n for n in names if not (profiles.ROOT / f"book/reference/{n}.npz").exists()] == []


def test_cells_are_short_and_prose_outweighs_code(notebook):
    code = [cell.source for cell in code_cells(notebook)]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for source in code:
        assert len(source.splitlines()) <= 15, source
        assert max(map(len, source.splitlines())) <= 80, source
    shown = [cell.source for cell in open_cells(notebook)]
    words = [sum(len(source.split()) for source in kind) for kind in (prose, shown)]
    assert words[0] >= 1.5 * words[1]


def test_what_is_not_the_idea_is_folded(notebook):
    shown = open_cells(notebook)
    for cell in shown:
        assert "parameters" not in cell.metadata.get("tags", [])
        assert not re.search(
            r"settings\.compute_with|figures\.save|claims_table\(|^import", cell.source
        )
    lines = [line for cell in shown for line in cell.source.splitlines()]
    assert sum("check(" in line for line in lines) <= 0.08 * len(lines)


def test_the_overview_is_short(notebook):
    text = next(c.source for c in notebook.cells if "Overview" in c.source)
    overview = text.split("Overview", 1)[1].strip()
    assert len(overview.split()) <= 120


def test_the_committed_notebook_bears_no_trace_of_a_run(notebook):
    text = json.dumps(notebook)
    for trace in ("papermill", str(Path.home()), str(profiles.ROOT)):
        assert trace not in text
    assert not any("injected-parameters" in c.metadata.get("tags", []) for c in notebook.cells)


@pytest.mark.parametrize("path", CHAPTERS.values(), ids=CHAPTERS.keys())
def test_a_chapter_is_small_enough_to_be_kept_many_times(path):
    """A library for interactive figures inside one would be ten times as large."""
    assert path.stat().st_size < 1_200_000


def test_every_chapter_has_a_seed():
    for path in CHAPTERS.values():
        assert profiles.defaults(path)["seed"] == 0


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid(name):
    assert set(profiles.profile(name)) <= set(CHAPTERS)


def test_the_paper_profile_leaves_the_papers_settings_alone():
    assert profiles.profile("paper") == {}
