"""Write the pages that are made from what the chapters recorded.

    python -m book.pipeline.pages CHAPTERS BOOK

reads the executed chapters and their records in CHAPTERS and writes, below BOOK, the claims
ledger, how the book was made, and the ledger and the gallery of the front page.
"""

import sys
from pathlib import Path

from book.pipeline import gallery, ledger, made, profiles


def write(chapters: Path, book: Path) -> None:
    """Write all generated pages, or raise a LedgerError and write none."""
    notebooks = profiles.chapters()
    names = list(notebooks)
    records = ledger.read(chapters, names)
    changed = [
        name
        for name, run in made.runs(chapters, names).items()
        if run["parameters"] != profiles.defaults(notebooks[name])
    ]
    statements = ledger.collect(records, changed=changed)
    pages = {
        "ledger.md": ledger.page(
            statements,
            records,
            ledger.settings(chapters, names),
            ledger.over_seeds(profiles.ROOT / "book" / "generated" / "seeds.json"),
        ),
        "made.md": made.page(chapters, names),
        "generated/glance.md": ledger.summary(statements, records)
        + "\n"
        + ledger.glance(statements),
        "generated/gallery.md": gallery.write(chapters, names, book / "_static" / "gallery"),
    }
    for name, text in pages.items():
        (book / name).parent.mkdir(parents=True, exist_ok=True)
        (book / name).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the pages and return the exit status."""
    try:
        write(*map(Path, arguments))
    except ledger.LedgerError as error:
        print(f"error: ledger: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
