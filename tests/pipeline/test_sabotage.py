"""The list of what is broken fits the chapters, and a run says which checks noticed."""

import pytest

from book.pipeline import sabotage
from book.pipeline.sabotage import Outcome, Sabotage

EVERY = sabotage.listed()
CHAPTER = "03b-groups-and-orbits"
TEXT = "G.has_real_log(torch.stack((g, -one)))"


@pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.statements[0]}: {one.broken}")
def test_what_is_broken_stands_once_in_the_chapter_and_the_page_tells_of_it(one):
    code = "\n".join(
        c.source for c in sabotage.changed(one.chapter, one.change).cells if c.cell_type == "code"
    )
    assert all(new in code and old not in code.replace(new, "") for old, new in one.change.items())
    page = sabotage.PAGE.read_text(encoding="utf-8")
    assert f"| {', '.join(one.statements)} | {one.broken} | {{doc}}`{one.chapter}` |" in page


def test_the_page_says_that_each_was_noticed():
    assert " 0 were not noticed.**" in sabotage.PAGE.read_text(encoding="utf-8")


def test_a_text_that_does_not_occur_once_is_refused():
    with pytest.raises(ValueError, match=f"{CHAPTER}: 'seed' occurs \\d+ times, not once"):
        sabotage.changed(CHAPTER, {"seed": ""})


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("G.has_real_log(torch.stack((g, g)))", "failed: C4 (ours), diag(−1, −2), −I"),
        (f"{TEXT}[:2]", "**not noticed**"),
        ("G.log(g)", "refused: NoRealLogarithm: "),
        (f"{TEXT} / None", "**stopped**: TypeError: unsupported operand"),
    ],
    ids=["broken", "nothing broken", "refused", "stopped"],
)
def test_a_run_says_what_noticed(new, said):
    found = sabotage.run(Sabotage(["C4"], "a hypothesis", CHAPTER, {TEXT: new}))
    assert str(found).startswith(said)
    assert found.noticed == (said[0] != "*")


def test_each_statement_is_asked():
    found = sabotage.run(Sabotage(["C4", "GL_n"], "a hypothesis", CHAPTER, {TEXT: "[False] * 2"}))
    assert (found.silent, found.noticed) == (["GL_n"], False)
    assert len(found.failed) == 1 and str(found) == "**not noticed** by GL_n"


def test_a_chapter_that_fails_unbroken_shows_nothing(monkeypatch, capsys):
    claims = [{"statement": "GL_n", "what": "pieces", "holds": False}]
    monkeypatch.setattr(sabotage, "result", lambda chapter, change: (claims, ""))
    monkeypatch.setattr(sabotage, "PAGE", None)  # is not written
    assert sabotage.main() == 1
    first = EVERY[0].chapter
    assert capsys.readouterr().err.startswith(f"error: {first}, with nothing broken: pieces")


def test_the_page_counts_and_escapes():
    one = Sabotage(["GL_n"], "|det| > 0", CHAPTER, {})
    outcomes = (
        Outcome(["GL_n, a", "GL_n, b"], [], ""),
        Outcome([], ["GL_n"], "NotConnected: why"),
        Outcome([], ["GL_n"], ""),
    )
    page = sabotage.page([(one, outcome) for outcome in outcomes])
    assert "3 things were broken: 1 were noticed by a check" in page
    assert "1 were refused by the library, 1 were not noticed" in page
    assert "| \\|det\\| > 0 |" in page and "failed: GL_n, a, and 1 more |" in page
    assert "Not sabotaged: Sec 1, " in page
