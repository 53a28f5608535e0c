"""Every link inside the book leads to a page and a place that exist."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import HTML, PAGES


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def places(path: Path) -> frozenset[str]:
    named = soup(path).find_all(id=True) + soup(path).find_all("a", attrs={"name": True})
    return frozenset(tag.get("id") or tag.get("name") for tag in named)


def broken(path: Path) -> list[str]:
    found = []
    for tag in soup(path).find_all(["a", "img", "link", "script"]):
        target = urlsplit(tag.get("href") or tag.get("src") or "")
        if target.scheme or target.netloc or not (target.path or target.fragment):
            continue
        file = (path.parent / unquote(target.path)).resolve() if target.path else path
        file = file / "index.html" if file.is_dir() else file
        place = unquote(target.fragment)
        if not file.exists():
            found.append(f"no file: {target.geturl()}")
        elif place and place not in places(file):
            found.append(f"no such place: {target.geturl()}")
    return found


@pytest.mark.parametrize("path", PAGES)
def test_no_link_inside_the_book_is_broken(path):
    assert broken(HTML / path) == []


@pytest.mark.parametrize("path", [p for p in PAGES if p.startswith("book/")])
def test_no_two_places_of_a_page_have_one_name(path):
    names = [tag["id"] for tag in soup(HTML / path).find_all(id=True)]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("path", [p for p in PAGES if p.startswith("book/")])
def test_headings_go_down_one_level_at_a_time(path):
    article = soup(HTML / path).find("article")
    levels = [int(tag.name[1]) for tag in article.find_all(["h1", "h2", "h3", "h4", "h5", "h6"])]
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False)), levels


@pytest.mark.parametrize("path", [p for p in PAGES if p.startswith("book/")])
def test_every_picture_has_words(path):
    pictures = soup(HTML / path).find("article").find_all("img")
    assert [str(tag) for tag in pictures if len(tag.get("alt", "")) < 20] == []


# what a reader would click: a statement, a figure of the paper, or an equation from (4) on
MENTION = re.compile(
    r"\b(?:Theorem|Proposition|Corollary|Corollaries|Lemma|Figure|Thm|Prop|Cor|Fig)s? "
    r"(?:[1-7](?:\.\d+)?|A\.\d+)"
    r"|\b[Ee]quations? \(\d+|(?<![\w)\]}])\((?:[4-9]|1\d|2[01])\*?\)"
)
NOT_RUNNING = (
    "a, pre, code, script, style, nav, summary, dt, "
    "h1, h2, h3, h4, h5, h6, .math, .admonition-title"
)


@pytest.mark.parametrize("path", [p for p in PAGES if p.startswith("book/")])
def test_every_mention_of_a_statement_or_an_equation_is_a_link(path):
    article = BeautifulSoup(str(soup(HTML / path).find("article")), "html.parser")
    for tag in article.select(NOT_RUNNING):
        tag.extract()
    texts = article.find_all(string=MENTION)
    assert [text.strip() for text in texts if not text.find_parent(class_="mc-interactive")] == []


def test_the_chapters_lead_to_statements_and_equations():
    """As many as a reader of the paper would want: there were none before they were made."""
    count = 0
    for path in PAGES:
        for link in soup(HTML / path).select("article a.reference.internal"):
            count += bool(MENTION.match(link.text) or re.match(r"\(\d+\*?\)$", link.text))
    assert count > 300
