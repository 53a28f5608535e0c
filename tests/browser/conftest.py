"""A local server for the built book, and a real browser without any other network."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from book.pipeline import browser as machine

ROOT = Path(__file__).resolve().parents[2]
HTML = Path(os.environ.get("MC_LIB_HTML", ROOT / "_build" / "html"))
NOT_READ = {
    "_static",
    "_sources",
    "_modules",
    "index.html",
}  # the last sends the reader to book/index.html
PAGES = sorted(
    str(path.relative_to(HTML))
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in NOT_READ
)


def pytest_configure(config: pytest.Config) -> None:
    """Stop before the first test where there is nothing to test, or nothing to test with."""
    if config.option.collectonly:
        return
    if not PAGES:
        raise pytest.UsageError(f"no book in {HTML}: run make book first")
    try:
        machine.find()
    except machine.NoBrowser as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the book on this machine."""
    with machine.serve(HTML) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=machine.find(), args=machine.OPTIONS)
        yield started
        started.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """One page of a desktop's width, closed after the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()
