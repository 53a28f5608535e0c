"""What of the package's description depends on where the project lives: addresses and README.

The address of the repository comes from continuous integration. Without it the package names the
paper alone, and the README leaves out the pictures and the links that lead into the repository.
"""

import os
import re
from pathlib import Path

from setuptools import setup

PAPER = "https://arxiv.org/abs/2505.23681"
LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?://|#)([^)]+)\)")


def address():
    """Return the address of the repository, or nothing where it is not known."""
    server, name = (os.environ.get(f"GITHUB_{part}") for part in ("SERVER_URL", "REPOSITORY"))
    return f"{server}/{name}" if server and name else ""


def urls(home):
    """Return the addresses that a package index shows."""
    parts = {"Source": "", "Issues": "/issues", "Changelog": "/blob/main/CHANGELOG.md"}
    return {"Paper": PAPER} | ({name: home + part for name, part in parts.items()} if home else {})


def readme(text, home):
    """Return the README with links that hold outside the repository."""

    def absolute(match):
        picture, name, path = match.groups()
        if not home:
            return "" if picture else name
        return f"{picture}[{name}]({home}/{'raw' if picture else 'blob'}/main/{path})"

    return LINK.sub(absolute, text)


if __name__ == "__main__":
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    setup(
        long_description=readme(text, address()),
        long_description_content_type="text/markdown",
        project_urls=urls(address()),
    )
