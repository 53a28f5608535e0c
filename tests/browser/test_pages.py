"""Every page in a real browser, wide and narrow, light and dark: nothing is broken."""

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import HTML, PAGES, ROOT
from playwright.sync_api import Browser, BrowserContext, Page

from book.pipeline import pdf

SCREENSHOTS = ROOT / "_build" / "screenshots"
HEAVIEST = 2_000_000  # bytes of a page without the scripts, styles and fonts that pages share
SLOWEST = 2000  # ms until the front page paints
DEVICES = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "is_mobile": True,
        "has_touch": True,
    },
}


# axe-core takes long over ten thousand words of code in colour: two of each kind are enough
THIN = """() => {
    const count = {};
    for (const word of document.querySelectorAll("pre span")) {
        const kind = word.className + word.closest("[class^=highlight]")?.className;
        count[kind] = (count[kind] ?? 0) + 1;
        if (count[kind] > 2) word.replaceWith(...word.childNodes);
    }
    for (const formula of document.querySelectorAll("mjx-container")) formula.replaceChildren();
}"""

# it takes half as long when it need not describe all that is in order
# and no style sheets, which only rules that are off by default ask for
BROKEN_ONLY = {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}
Device = tuple[str, BrowserContext]


class Visit:
    """A page as a reader opens it, and all that went wrong meanwhile."""

    def __init__(self, page: Page, site: str, path: str) -> None:
        self.problems: list[str] = []
        self.weight = 0
        self.page, self.host = page, urlsplit(site).netloc
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("requestfailed", lambda request: self.problems.append(f"failed: {request.url}"))
        page.on("request", self._require_here)
        page.on("response", self._weigh)
        page.goto(site + path, wait_until="load")
        page.evaluate("window.MathJax ? MathJax.startup.promise.then(() => 1) : 1")

    def _hear(self, message):
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _require_here(self, request):
        address = urlsplit(request.url)
        if address.scheme.startswith("http") and address.netloc != self.host:
            self.problems.append(f"asks another host: {request.url}")

    def _weigh(self, response):
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")
        elif "/_static/" not in response.url:
            self.weight += int(response.headers.get("content-length", 0))


@pytest.fixture(scope="session", params=DEVICES)
def device(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device on which one page after another is opened; what they share is loaded once."""
    context = browser.new_context(**DEVICES[request.param])
    yield request.param, context
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_sound(site: str, path: str, device: Device):
    kind, context = device
    page = context.new_page()
    try:
        visit = Visit(page, site, path)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = path.removesuffix(".html").replace("/", "-")
        problems = [*visit.problems, *unset_mathematics(visit.page)]
        problems += [*too_wide(visit.page), *cut_off(visit.page)]
        shot = SCREENSHOTS / f"{name}-{kind}.jpeg"
        visit.page.screenshot(path=shot, full_page=True, type="jpeg", quality=80)
        visit.page.evaluate(THIN)
        problems += barriers(visit.page)
    finally:
        page.close()
    assert problems == []
    assert visit.weight <= HEAVIEST


def unset_mathematics(page: Page) -> list[str]:
    """Formulas that MathJax refused, or left as they were typed."""
    return page.evaluate("""() => [
        ...[...document.querySelectorAll("mjx-merror, .MathJax_Error")]
            .map(e => "formula refused: " + e.textContent),
        ...[...document.querySelectorAll("span.math, div.math")]
            .filter(e => !e.querySelector("mjx-container"))
            .map(e => "formula not typeset: " + e.textContent),
    ]""")


def cut_off(page: Page) -> list[str]:
    """Formulas that begin to the left of their box, where no scrolling reaches them."""
    return page.evaluate("""() => [...document.querySelectorAll("div.math")]
        .filter(box => {
            const formula = box.querySelector("mjx-math")?.getBoundingClientRect();
            return formula && formula.left < box.getBoundingClientRect().left - box.scrollLeft - 1;
        })
        .map(box => "formula cut off: " + box.previousElementSibling?.textContent.slice(-60))
    """)


def too_wide(page: Page) -> list[str]:
    """What makes the whole page scroll sideways."""
    return page.evaluate("""() => {
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        const wide = [...document.querySelectorAll("main *")]
            .filter(e => e.getBoundingClientRect().right > width + 1)
            .map(e => e.tagName + "." + e.className);
        return ["the page scrolls sideways: " + wide.slice(0, 5).join(", ")];
    }""")


def barriers(page: Page, within: str | None = None) -> list[str]:
    """What axe-core calls a serious or a critical barrier."""
    found = Axe().run(page, context=within, options=BROKEN_ONLY).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:120]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"][:5]
    ]


def test_the_address_of_the_book_leads_to_its_front_page(tab: Page, site: str):
    tab.goto(site)
    tab.wait_for_url(f"{site}book/index.html")


def test_the_front_page_paints_in_two_seconds(browser: Browser, site: str):
    times = []
    for _ in range(3):  # the fastest of three: the machine may be busy with something else
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{site}book/index.html", wait_until="load")
        times.append(
            page.evaluate("""() => new Promise(resolve => new PerformanceObserver(list =>
                resolve(list.getEntriesByName("first-contentful-paint")[0].startTime)
            ).observe({ type: "paint", buffered: true }))""")
        )
        context.close()
    assert min(times) < SLOWEST


def test_the_book_prints_to_one_file(tmp_path):
    file = tmp_path / "book.pdf"
    # a program of its own: two browsers cannot be driven from one
    program = [sys.executable, "-m", "book.pipeline.pdf", str(HTML), str(file)]
    subprocess.run(program, check=True, cwd=ROOT)
    assert file.read_bytes().startswith(b"%PDF-")
    assert not (HTML / "book" / pdf.PAGE).exists()
    assert list(tmp_path.iterdir()) == [file]


def test_search_finds_a_theorem(tab: Page, site: str):
    tab.goto(f"{site}book/index.html")
    tab.keyboard.press("Control+k")
    tab.keyboard.type("Proposition 4.1")
    tab.keyboard.press("Enter")
    first = tab.locator("#search-results ul.search li")
    first.first.wait_for()
    assert any("Connected components" in text for text in first.all_inner_texts())


def test_every_notebook_can_be_downloaded(tab: Page, site: str):
    chapters = [path for path in PAGES if (HTML / "_sources" / path).with_suffix(".ipynb").exists()]
    assert chapters
    for path in chapters:
        tab.goto(site + path, wait_until="domcontentloaded")
        tab.locator(".dropdown-download-buttons > button").click()
        link = tab.locator('.dropdown-download-buttons a[href$=".ipynb"]')
        assert tab.request.get(tab.url.rsplit("/", 1)[0] + "/" + link.get_attribute("href")).ok
        cells = tab.request.get(f"{site}_sources/{path.removesuffix('.html')}.ipynb").json()
        assert cells["cells"]


def test_no_launch_button_leads_nowhere(tab: Page, site: str):
    tab.goto(f"{site}{PAGES[0]}")
    for link in tab.locator(".dropdown-launch-buttons a").all():
        address = urlsplit(link.get_attribute("href"))
        assert address.netloc
        assert "None" not in address.path
        assert address.path.count("/") > 3
