"""The browser that prints and tests the book: found on the machine, never downloaded.

    python -m book.pipeline.browser

says which one it is, or that there is none.
"""

import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "MC_LIB_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# No sandbox: in a container there is often no right to one, and the pages are our own.
# No outside network: what a page asks of another host fails, and the tests see it.
OPTIONS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-unsafe-swiftshader",
]


class NoBrowser(RuntimeError):
    """There is no browser, or the one that was named is none."""


def find() -> str:
    """Return the path of the browser: the one named by MC_LIB_BROWSER, or a Chromium."""
    named = os.environ.get(VARIABLE)
    found = [path for name in ([named] if named else NAMES) if (path := shutil.which(name))]
    if found:
        return found[0]
    if named:
        raise NoBrowser(f"{VARIABLE}={named} is not a program on this machine")
    raise NoBrowser(
        "no browser: install Chromium (Debian, Ubuntu: apt-get install chromium), or name a "
        f"Chromium or Chrome by its path in {VARIABLE}"
    )


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine alone, and yield its address."""
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def main() -> int:
    """Print the path of the browser and return the exit status."""
    try:
        print(f"browser: {find()}")
    except NoBrowser as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
