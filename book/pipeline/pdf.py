"""Print the built book as one PDF, through a browser that typesets its mathematics.

    python -m book.pipeline.pdf [HTML [PDF]]

The chapters are put on one page in the order in which a reader goes through them; the links
between them, and the outline, work in the file. Of an interactive figure it holds the still. Each
page then offers the file for download.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

from book.pipeline import browser
from book.pipeline.profiles import ROOT

FIRST = "book/index.html"
PAGE = "whole-book.html"
STYLE = """
html { font-size: 13px; }
article { break-before: page; }
article:first-of-type { break-before: auto; }
body { background: white; }
.bd-article-container { max-width: none; }
"""
SKIP = ".headerlink, .mc-interactive, .prev-next-footer, script, button, .tocHeader"
FOOTER = (
    '<div style="font-size:8px;width:100%;text-align:center"><span class="pageNumber"></span></div>'
)
MENU = re.compile(r'(<div class="dropdown dropdown-download-buttons">.*?)(\s*</ul>)', re.S)
MARGIN = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}


def pages(html: Path) -> Iterator[tuple[str, BeautifulSoup]]:
    """Yield each page of the book by its name, from the first along the links to the next."""
    file: Path | None = html / FIRST
    while file:
        page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        yield file.stem, page
        after = page.find("link", rel="next")
        file = file.parent / str(after["href"]) if isinstance(after, Tag) else None


def single(html: Path) -> str:
    """Return the book as one page: it belongs into the folder of the others."""
    chapters = dict(pages(html))
    book = chapters[Path(FIRST).stem]
    main = book.new_tag("main", attrs={"class": "bd-main"})
    for name, page in chapters.items():
        article = page.select_one("article")
        if article is None:
            raise ValueError(f"{name}.html has no <article>")
        main.append(_prepared(article.extract(), name, set(chapters)))
    if book.body is None or book.head is None or book.html is None:
        raise ValueError(f"{FIRST} is no HTML page")
    for script in book.head.select("script[src]"):
        if "mathjax" not in str(script["src"]):
            script.decompose()
    style = book.new_tag("style")
    style.string = STYLE
    book.head.append(style)
    book.body.clear()
    book.body.append(main)
    book.html["data-theme"] = book.html["data-mode"] = "light"
    return str(book)


def _prepared(article: Tag, name: str, names: set[str]) -> Tag:
    """Name the places of a chapter by the chapter too, and unfold what is folded."""
    for tag in article.select(SKIP):
        tag.decompose()
    for tag in article.select("details"):
        tag["open"] = ""
    for tag in article.select("[id]"):
        tag["id"] = f"{name}--{tag['id']}"
    for tag in article.select("a[href]"):
        target = urlsplit(str(tag["href"]))
        page = Path(target.path).stem or name
        if not target.scheme and page in names:
            place = target.fragment and f"--{target.fragment}"
            tag["href"] = f"#{page}{place}"
    article["id"] = name
    return article


def write(html: Path, pdf: Path) -> None:
    """Print the book in `html` to the file `pdf`, whole or not at all."""
    from playwright.sync_api import sync_playwright

    program = browser.find()
    draft, page_file = pdf.with_suffix(".draft"), (html / FIRST).with_name(PAGE)
    page_file.write_text(single(html), encoding="utf-8")
    try:
        with browser.serve(html) as address, sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=program, args=browser.OPTIONS)
            page = started.new_page(color_scheme="light")
            page.set_default_timeout(300_000)
            page.goto(f"{address}book/{PAGE}", wait_until="load")
            page.evaluate("MathJax.startup.promise.then(() => 1)")
            page.pdf(
                path=draft,
                format="A4",
                margin=MARGIN,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=FOOTER,
                outline=True,
                tagged=True,
                print_background=True,
            )
            started.close()
        draft.replace(pdf)
    finally:
        page_file.unlink()
        draft.unlink(missing_ok=True)


def offer(html: Path, pdf: Path) -> None:
    """Put the PDF beside the pages, and into the download menu of each."""
    offered = html / "book.pdf"
    shutil.copy(pdf, offered)
    for page in (html / "book").rglob("*.html"):
        address = os.path.relpath(offered, page.parent)
        entry = (
            f'<li><a class="dropdown-item" href="{address}" download>The whole book (.pdf)</a></li>'
        )
        text = page.read_text(encoding="utf-8")
        if entry not in text:
            page.write_text(MENU.sub(rf"\1{entry}\2", text, count=1), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the PDF and return the exit status."""
    given = [Path(argument) for argument in arguments]
    html, pdf = [*given, *[ROOT / "_build" / "html", ROOT / "_build" / "book.pdf"][len(given) :]]
    if not (html / FIRST).exists():
        print(f"error: no book in {html}: run make book first", file=sys.stderr)
        return 2
    try:
        write(html, pdf)
        offer(html, pdf)
    except browser.NoBrowser as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"pdf: {pdf.relative_to(ROOT) if pdf.is_relative_to(ROOT) else pdf}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
