"""The gallery of the front page: a thumbnail of each figure, with a link to where it stands."""

from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

WIDTH = 320  # pixels of a thumbnail


def figures(notebook: Path) -> list[dict[str, Any]]:
    """Return the name, the alt text and the first sentence of the caption of each figure."""
    metadata = (c.metadata.get("mystnb", {}) for c in nbformat.read(notebook, as_version=4).cells)
    return [
        {
            "chapter": notebook.stem,
            "name": meta["figure"]["name"],
            "alt": meta["image"]["alt"],
            "title": meta["figure"]["caption"].split(". ")[0].split(": ")[0].rstrip("."),
        }
        for meta in metadata
        if "figure" in meta
    ]


def thumbnails(chapters: Path, names: list[str], folder: Path) -> list[dict[str, Any]]:
    """Write the thumbnails to `folder` and return what the gallery says of each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    found = [figure for name in names for figure in figures(chapters / f"{name}.ipynb")]
    for figure in found:
        name = f"{figure['name']}.png"
        drawn = chapters / f"{figure['chapter']}.records" / "figures" / name
        figure["size"] = thumbnail(drawn, folder / name)
    return found


def thumbnail(source: Path, target: Path) -> tuple[int, int]:
    """Write a small version of a picture in few colours and return its size."""
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        small.thumbnail((WIDTH, WIDTH))
        small.quantize(64).save(target, optimize=True)
        return small.size
