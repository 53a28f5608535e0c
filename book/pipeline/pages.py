"""Write the pages that are made from what the chapters recorded.

They are the claims ledger, how the book was made, and the ledger and the gallery of the front page.
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
PLAIN = {"holds", "definition"}  # verdicts that need no word on the front page
SEEDS = profiles.ROOT / "book" / "generated" / "seeds.json"


def render(template: str, **values: Any) -> str:
    """Return a page or a part of one, from the template of that name."""
    return TEMPLATES.get_template(template).render(values)


def of_ledger(found: Ledger, runs: dict[str, Any], seeds: dict[str, tuple[int, int]]) -> str:
    """Return the ledger as a page, with the sizes of the runs and what a sweep over seeds found."""
    sizes = {name: colophon.sizes(run) for name, run in runs.items()}
    return render("ledger.md", sizes=sizes, seeds=seeds, **found.shown())


def of_runs(runs: dict[str, Any]) -> str:
    """Return how the book was made as a page."""
    return render("made.md", runs=runs, first=next(iter(runs.values())))


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
        "generated/glance.md": render("glance.md", plain=PLAIN, **found.shown()),
        "generated/gallery.md": render("gallery.md", figures=thumbnails),
    }
    for name, text in pages.items():
        (book / name).parent.mkdir(parents=True, exist_ok=True)
        (book / name).write_text(text, encoding="utf-8")
