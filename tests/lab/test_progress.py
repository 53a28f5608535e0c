"""Progress is shown on a terminal, leaves no trace, and never reaches a book or a file."""

import sys

from lab import progress


class Terminal:
    """A screen that remembers what was written on it."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def shown(monkeypatch, items):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    bar = progress.tqdm
    at_once = {"delay": 0, "mininterval": 0}
    monkeypatch.setattr(progress, "tqdm", lambda *a, **k: bar(*a, **{**k, **at_once}))
    assert list(progress.progress(items, "counting")) == list(items)
    return screen.text


def test_progress_is_shown_on_a_terminal_and_wiped_off(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    text = shown(monkeypatch, range(3))
    assert "counting" in text
    assert "2/3" in text
    assert text.rstrip(" ").endswith("\r")


def test_no_progress_is_shown_while_a_book_is_built(monkeypatch, tmp_path):
    monkeypatch.setenv("MC_LIB_RECORDS", str(tmp_path))
    assert shown(monkeypatch, range(3)) == ""


def test_no_progress_is_written_to_a_file(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    monkeypatch.setattr(Terminal, "isatty", lambda self: False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert shown(monkeypatch, range(3)) == ""
