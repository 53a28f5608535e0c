"""Mentions of numbered statements, figures and equations lead to where these stand."""

import importlib.util
import sys

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

from book.pipeline.profiles import ROOT

FIRST = r"""# First
(prop-4-1)=
## A section about Proposition 4.1

$$ x = 1 \tag{5} $$

By (5) and Proposition 4.1, (3) items; equation (3) is elsewhere, as are Figures 1(a) and 2.

In code `Theorem 6.2`, in mathematics $(5)$, f(5), years (2020), version Theorem 6.2.1, (17).
"""
SECOND = r"""# Second
Propositions 5.2 to 5.4, Corollary 4.2, Corollaries 3.2 and 3.3, Proposition A.5, Lemma 5.1.
Equations (4), (2) and (3); map (6*); (8*); [Theorem 6.2](first.md); C1 and E2. No E9, no (9).

<table><tr><td>Thm 1: Theorem 6.2, Prop 4.1, Fig 2(b, c), Eq (3)</td>
<td><a href="x">(5)</a> <code>(5)</code> (5)
<details><summary>of (5)</summary></details></td></tr></table>

### C1. A correction of (5)
"""
STATEMENTS = """
Section:
- {id: Thm 6.2, title: x, where: second#thm-6-2}
- {id: Prop 4.1, title: x, where: first#prop-4-1}
- {id: Prop 5.2, title: x, where: first#prop-5-2}
- {id: Prop 5.4, title: x, where: first#prop-5-4}
- {id: Prop 3.5, title: The components of a product (A.5), where: first#prop-3-5}
- {id: Cor 4.2, title: x, where: first#cor-4-2}
- {id: Cor 3.2, title: x, where: first#cor-3-2}
- {id: Cor 3.3, title: x, where: first#cor-3-3}
- {id: Lemma 5.1, title: x, where: first#lemma-5-1}
- {id: Fig 1(a), title: x, where: first#figure-1a}
- {id: "Fig 2(b, c)", title: x, where: second#figure-2}
- {id: Eq (4), title: x, where: second}
- {id: Eq (6), title: x, where: first#six}
- {id: Eq (8), title: x, where: second#thm-6-2}
- {id: E2, title: x, where: first}
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("mentions")
    (root / "book").mkdir()
    (root / "index.md").write_text("# Book\n```{toctree}\nbook/first\nbook/second\n```\n")
    (root / "book" / "first.md").write_text(FIRST)
    (root / "book" / "second.md").write_text(SECOND)
    (root / "statements.yml").write_text(STATEMENTS)
    spec = importlib.util.spec_from_file_location("mentions", ROOT / "book/_ext/mentions.py")
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "mentions", extension)
        patch.setattr(extension, "STATEMENTS", root / "statements.yml")
        options = {
            "extensions": ["myst_parser", "mentions"],
            "myst_enable_extensions": ["dollarmath"],
            "suppress_warnings": ["myst.header"],
        }
        app = Sphinx(root, None, root / "html", root / "trees", "html", options, status=None)
        app.build()
    read = (root / "html" / "book" / f"{name}.html" for name in ("first", "second"))
    soups = [BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in read]
    return [soup.find("div", class_="body") for soup in soups]


def links(part):
    return [(a.text, a["href"]) for a in part.find_all("a") if "headerlink" not in a["class"]]


def test_the_formula_that_bears_a_number_can_be_led_to(pages):
    assert pages[0].find(id="eq-5")["class"][0] == "math"


def test_mentions_on_the_same_page_and_on_another_lead_there(pages):
    by, code = pages[0].find_all("p")
    assert links(by) == [
        ("(5)", "#eq-5"),
        ("Proposition 4.1", "#prop-4-1"),
        ("(3)", "#prop-5-2"),
        ("Figures 1(a)", "#figure-1a"),
        ("2", "second.html#figure-2"),
    ]


def test_code_mathematics_titles_and_other_numbers_stay(pages):
    by, code = pages[0].find_all("p")
    assert links(code) == []
    assert links(pages[0].find("h2")) == links(pages[1].find("h2")) == []


def test_lists_corrections_and_paper_numbers_lead_there(pages):
    paragraph = pages[1].find("p")
    assert links(paragraph) == [
        ("Propositions 5.2", "first.html#prop-5-2"),
        ("5.4", "first.html#prop-5-4"),
        ("Corollary 4.2", "first.html#cor-4-2"),
        ("Corollaries 3.2", "first.html#cor-3-2"),
        ("3.3", "first.html#cor-3-3"),
        ("Proposition A.5", "first.html#prop-3-5"),
        ("Lemma 5.1", "first.html#lemma-5-1"),
        ("(3)", "first.html#prop-5-2"),
        ("(6*)", "first.html#six"),
        ("(8*)", "#thm-6-2"),
        ("Theorem 6.2", "first.html"),
        ("C1", "#c1-a-correction-of-5"),
        ("E2", "first.html"),
    ]


def test_a_table_has_links_where_it_has_none_of_its_own(pages):
    assert [(a.text, a["href"]) for a in pages[1].find("table").find_all("a")] == [
        ("Theorem 6.2", "#thm-6-2"),
        ("Prop 4.1", "first.html#prop-4-1"),
        ("Fig 2(b, c)", "#figure-2"),
        ("(3)", "first.html#prop-5-2"),
        ("(5)", "x"),
        ("(5)", "first.html#eq-5"),
    ]
