"""The gallery of the front page: a thumbnail of each figure, with a link to where it stands."""

import html
from pathlib import Path

import nbformat
from PIL import Image

WIDTH = 320  # pixels of a thumbnail


def figures(notebook: Path) -> list[tuple[str, str, str]]:
    """Return the name, the alt text and the first sentence of the caption of each figure."""
    found = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        meta = cell.metadata.get("mystnb", {})
        if "figure" in meta:
            title = meta["figure"]["caption"].split(". ")[0].split(": ")[0].rstrip(".")
            found.append((meta["figure"]["name"], meta["image"]["alt"], title))
    return found


def write(chapters: Path, names: list[str], folder: Path) -> str:
    """Write the thumbnails to `folder` and return the gallery as HTML for the front page."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    cards = []
    for chapter in names:
        for name, alt, title in figures(chapters / f"{chapter}.ipynb"):
            drawn = chapters / f"{chapter}.records" / "figures" / f"{name}.png"
            size = thumbnail(drawn, folder / f"{name}.png")
            cards.append(
                f'<a class="shown" href="{chapter}.html#{name}">'
                f'<img src="../_static/gallery/{name}.png" alt="{html.escape(alt)}" '
                f'width="{size[0]}" height="{size[1]}" loading="lazy">'
                f"<span>{html.escape(title)}</span></a>"
            )
    return '<div class="gallery">\n' + "\n".join(cards) + "\n</div>\n"


def thumbnail(source: Path, target: Path) -> tuple[int, int]:
    """Write a small version of a picture in few colours and return its size."""
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        small.thumbnail((WIDTH, WIDTH))
        small.quantize(64).save(target, optimize=True)
        return small.size
