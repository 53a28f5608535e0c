"""Write the pages that are made from what the chapters recorded.

They are the claims ledger, how the book was made, the gallery of all figures, and what the front
page says of the checks and shows of the figures.
"""

from pathlib import Path
from typing import Any

import jinja2

from book.pipeline import colophon, gallery, ledger, profiles
from book.pipeline.ledger import Ledger

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=lambda name: name != "made.md",  # that one is Markdown without HTML
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters["number"] = ledger.number
PLAIN = {"holds", "definition"}  # verdicts that need no word in the ledger at a glance
FRONT = ["1-plane", "4-closing", "2", "real-logarithms", "cassini", "5-pairs"]
SEEDS = profiles.ROOT / "book" / "generated" / "seeds.json"


def render(template: str, **values: Any) -> str:
    """Return a page or a part of one, from the template of that name."""
    return TEMPLATES.get_template(template).render(values)


def of_ledger(found: Ledger, runs: dict[str, Any], seeds: dict[str, tuple[int, int]]) -> str:
    """Return the ledger as a page, with the sizes of the runs and what a sweep over seeds found."""
    sizes = {name: colophon.sizes(run) for name, run in runs.items()}
    return render("ledger.md", sizes=sizes, seeds=seeds, plain=PLAIN, **found.shown())


def of_runs(runs: dict[str, Any]) -> str:
    """Return how the book was made as a page."""
    return render("made.md", runs=runs, first=next(iter(runs.values())))


def _on_the_front_page(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_name = {figure["name"]: figure for figure in figures}
    return [by_name[f"figure-{name}"] for name in FRONT]


def write(chapters: Path, book: Path) -> None:
    """Write all generated pages, or raise a LedgerError and write none."""
    notebooks = profiles.chapters()
    runs = colophon.runs(chapters, list(notebooks))
    changed = [n for n, run in runs.items() if run["parameters"] != profiles.defaults(notebooks[n])]
    found = ledger.collect(ledger.read(chapters, list(notebooks)), changed=changed)
    thumbnails = gallery.thumbnails(chapters, list(notebooks), book / "_static" / "gallery")
    pages = {
        "ledger.md": of_ledger(found, runs, ledger.over_seeds(SEEDS)),
        "made.md": of_runs(runs),
        "generated/summary.md": f"{found.summary()} {ledger.of_seeds(SEEDS)}\n",
        "generated/gallery.md": render("gallery.md", figures=thumbnails),
        "generated/front.md": render("gallery.md", figures=_on_the_front_page(thumbnails)),
    }
    for name, text in pages.items():
        (book / name).parent.mkdir(parents=True, exist_ok=True)
        (book / name).write_text(text, encoding="utf-8")
