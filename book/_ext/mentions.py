"""Link every mention of a numbered statement, figure or equation to where it stands in the book.

"Theorem 6.2", "Propositions 5.2 to 5.4", "Figure 1(a)", "equation (5)" and "(8*)" in running text
and in tables lead, from any page, to the place that statements.yml names; an equation first to the
formula that bears its number. A correction or extension, "C1" or "E3", leads to its section. Text
in titles, code, mathematics and other links stays as it is. The numbers (1) to (3) also count items
of a list, so there the word "equation" or "map" must stand before.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_design.dropdown import dropdown_title

STATEMENTS = Path(__file__).parents[1] / "pipeline" / "statements.yml"
UNDER = {
    **{"1": "Prop 4.1", "3": "Prop 5.2", "11": "Prop 4.3", "12": "Prop 4.3"},
    **dict.fromkeys(("19", "20", "21"), "Prop 5.4"),
}
"""Equations of the paper that have neither a row nor a number of their own in the book."""
KINDS = {"Theorem": "Thm", "Proposition": "Prop", "Corollar": "Cor", "Lemma": "Lemma"}
KINDS |= {short: short for short in KINDS.values()}  # as tables have them
NUMBER = r"(?:\d|A)\.\d+"
PANEL = r"\d(?:\([a-c](?:, ?[a-c])*\))?"
AND = r"(?:,? and |, | to | or |–)"
LISTS = {
    kind: re.compile(rf"\b{kind}(?:s|y|ies)? (?P<all>{one}(?:{AND}{one})*)(?![\w.]*\d)")
    for kind, one in {**dict.fromkeys(KINDS, NUMBER), "Figure": PANEL, "Fig": PANEL}.items()
}
EQUATION = re.compile(r"(?<![\w)\]}])\((\d{1,2}\*?)\)")
SAID = re.compile(rf"(?i:equations?|eq|maps?|formulas?) (?:\(\d+\*?\){AND})*$")
OURS = re.compile(r"\b[CE]\d\b(?!\.\d)")
TAG = re.compile(r"\\tag\{([^}]*)\}")
LEFT_ALONE = (
    *(nodes.reference, nodes.title, nodes.literal, nodes.FixedTextElement, nodes.math),
    *(nodes.math_block, nodes.raw, nodes.Invisible, dropdown_title),
)


def statements() -> dict[str, tuple[str, str]]:
    """Return page and anchor of each statement, under all its names."""
    found: dict[str, tuple[str, str]] = {}
    for rows in yaml.safe_load(STATEMENTS.read_text(encoding="utf-8")).values():
        for row in rows:
            page, _, anchor = row["where"].partition("#")
            name = row["id"].replace(", ", ",")
            also = re.findall(r"\((A\.\d+)\)", row["title"])
            kind, _, number = name.partition(" ")
            panels = re.fullmatch(r"(\d)\(([a-c,]+)\)", number) if kind == "Fig" else None
            also = [f"{kind} {other}" for other in also]
            if panels:
                also += [f"Fig {panels[1]}({letter})" for letter in panels[2].split(",")]
                also.append(f"Fig {panels[1]}")
            for each in (name, *also):
                found.setdefault(each, (f"book/{page}", anchor))
    for number, name in UNDER.items():
        found.setdefault(f"Eq ({number})", found.get(name, ("", "")))
    return found


def mentions(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and name of each mention in a text, in their order."""
    found = [(m.start(), m.end(), m[0]) for m in OURS.finditer(text)]
    for kind, pattern in LISTS.items():
        short = KINDS.get(kind, "Fig")
        for several in pattern.finditer(text):
            offset = several.start("all")
            for i, one in enumerate(
                re.finditer(NUMBER if kind in KINDS else PANEL, several["all"])
            ):
                start = offset + one.start() if i else several.start()
                name = f"{short} {one[0].replace(', ', ',')}"
                found.append((start, offset + one.end(), name))
    for one in EQUATION.finditer(text):
        if one[1] not in {"1", "2", "3"} or SAID.search(text[: one.start()]):
            found.append((one.start(), one.end(), f"Eq ({one[1]})"))
    return iter(sorted(found))


def name_equations(app: Sphinx, tree: nodes.document) -> None:
    """Give each formula that bears a number an id, and remember where the first one stands."""
    known = app.env.__dict__.setdefault("mc_numbered", {})
    for block in tree.findall(nodes.math_block):
        for number in TAG.findall(block.astext()):
            place = "eq-" + number.replace("*", "-star")
            block["ids"].append(place)
            known.setdefault(app.env.docname, {})[f"Eq ({number})"] = place
    for section in tree.findall(nodes.section):
        if section["ids"] and (one := re.match(r"([CE]\d)\. ", section[0].astext())):
            known.setdefault(app.env.docname, {})[one[1]] = section["ids"][0]


class Mentions(SphinxPostTransform):
    """Replace each mention by a link, when everything else has been resolved."""

    default_priority = 900

    def run(self, **kwargs: Any) -> None:
        """Go through the running text and the tables of one page."""
        listed = statements()
        for text in list(self.document.findall(nodes.Text)):
            above = text.parent
            while above is not None and not isinstance(above, LEFT_ALONE):
                above = above.parent
            pieces = [] if above is not None else self.pieces(text.astext(), listed)
            if len(pieces) > 1:
                text.parent.replace(text, [node(*piece) for piece in pieces])
        for raw in list(self.document.findall(nodes.raw)):
            if "html" in raw["format"] and "<td" in raw.astext():
                html = self.table(raw.astext(), listed)
                raw.parent.replace(raw, nodes.raw("", html, format="html"))

    def table(self, html: str, listed: dict[str, tuple[str, str]]) -> str:
        """Return a table with links in its texts, but not in links, code or titles of details."""
        parts, closed = re.split(r"(<[^>]*>)", html), ""
        for i, part in enumerate(parts):
            if opened := re.match(r"<(a|code|script|style|summary)\b", part):
                closed = closed or f"</{opened[1]}>"
            elif part == closed:
                closed = ""
            elif not closed and not part.startswith("<"):
                parts[i] = "".join(
                    f'<a class="reference internal" href="{to}">{text}</a>' if to else text
                    for text, to in self.pieces(part, listed)
                )
        return "".join(parts)

    def pieces(self, text: str, listed: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
        """Return a text in pieces, each with the address that it leads to, mostly none."""
        found, done = [], 0
        for start, end, name in mentions(text):
            address = self.address(name, listed)
            if address and start >= done:
                found += [(text[done:start], ""), (text[start:end], address)]
                done = end
        return [*found, (text[done:], "")]

    def address(self, name: str, listed: dict[str, tuple[str, str]]) -> str:
        """Return where a mention leads from this page; nothing when the book has no such thing."""
        here = self.env.docname
        numbered = self.env.__dict__.get("mc_numbered", {})
        for page in (here, *sorted(numbered)):
            if name in numbered.get(page, {}):
                return self.relative(page, numbered[page][name])
        page, anchor = listed.get(name) or listed.get(name.replace("*", "")) or ("", "")
        return self.relative(page, anchor) if page else ""

    def relative(self, page: str, anchor: str) -> str:
        """Return the address of a place, from this page."""
        there = (
            ""
            if page == self.env.docname
            else self.app.builder.get_relative_uri(self.env.docname, page)
        )
        return f"{there}#{anchor}" if anchor else there


def node(text: str, address: str) -> nodes.Node:
    """Return a piece of text as a link, or as it is."""
    if not address:
        return nodes.Text(text)
    return nodes.reference("", text, internal=True, refuri=address)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("doctree-read", name_equations)
    app.add_post_transform(Mentions)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
