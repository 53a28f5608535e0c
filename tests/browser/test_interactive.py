"""The interactive figures answer to the mouse, the keyboard, the theme and the printer."""

import re
from contextlib import suppress

import pytest
from conftest import HTML, PAGES
from playwright.sync_api import Locator, Page, TimeoutError
from test_pages import barriers

FIGURES = {
    name: path
    for path in PAGES
    for name in re.findall(
        r'class="mc-interactive" id="([^"]+)"', (HTML / path).read_text(encoding="utf-8")
    )
}
PROMISED = {"1a", "1b", "2", "3", "4", "cassini"}
# the data, and of a surface the place of the eye
STATE = """(e) => JSON.stringify([
    e.querySelector(".mc-plot").data,
    e.querySelector(".mc-plot")._fullLayout.scene?._scene.getCamera().eye,
])"""


def drawn(tab: Page, name: str) -> Locator:
    """The figure, after its script drew it."""
    figure = tab.locator(f"#{name}")
    figure.scroll_into_view_if_needed()
    tab.wait_for_function("e => e.dataset.state === 'ready'", arg=figure.element_handle())
    return figure


def test_the_book_has_the_interactive_figures_it_promises():
    assert {f"interactive-{name}" for name in PROMISED} <= set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_answers_to_a_drag_and_to_the_keyboard(tab: Page, site: str, name: str):
    tab.goto(site + FIGURES[name])
    figure = drawn(tab, name)
    assert figure.locator(".mc-fallback").is_hidden()
    drag(tab, figure)
    for slider in figure.locator("input[type=range]").all():
        said, state = slider.get_attribute("aria-valuetext"), figure.evaluate(STATE)
        slider.focus()
        tab.keyboard.press("ArrowLeft")
        assert slider.get_attribute("aria-valuetext") != said
        require_change(tab, figure, state)
        assert figure.locator(f"label[for={slider.get_attribute('id')}]").inner_text()
    assert barriers(tab, f"#{name}") == []


EYE = """(e) => Object.values(
    e.querySelector(".mc-plot")._fullLayout.scene._scene.getCamera().eye
).map((x) => x.toFixed(6)).join()"""


def test_a_slider_and_a_change_of_theme_leave_the_eye_where_it_is(tab: Page, site: str):
    tab.goto(site + FIGURES["interactive-1b"])
    figure = drawn(tab, "interactive-1b")
    eye, state = figure.evaluate(EYE), figure.evaluate(STATE)
    figure.locator("input[type=range]").first.focus()
    tab.keyboard.press("ArrowLeft")
    require_change(tab, figure, state)
    assert figure.evaluate(EYE) == eye
    tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    tab.wait_for_timeout(500)
    assert figure.evaluate(EYE) == eye


def require_change(tab: Page, figure: Locator, before: str, limit: int = 60_000) -> None:
    """Wait until another drawing is there: without graphics hardware a surface takes seconds."""
    other = f"([e, old]) => ({STATE})(e) !== old"
    tab.wait_for_function(other, arg=[figure.element_handle(), before], timeout=limit)


def drag(tab: Page, figure: Locator) -> None:
    """Drag a surface itself, of curves the slider, until the drawing is another one.

    Without graphics hardware a frame takes seconds, and a drag may fall between two.
    """
    turns = figure.locator(".gl-container canvas").count() > 0
    handle = figure.locator(".mc-plot" if turns else "input[type=range]").first
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = figure.evaluate(STATE)
    for _ in range(10):
        tab.mouse.move(x, y)
        tab.mouse.down()
        for step in (0.1, 0.2, 0.3):
            tab.mouse.move(x + step * box["width"], y)
            tab.wait_for_timeout(200)
        tab.mouse.up()
        with suppress(TimeoutError):
            require_change(tab, figure, before, 1000)
            return
    pytest.fail("ten drags changed nothing")


@pytest.fixture
def flat() -> str:
    """A figure of curves, which a machine without graphics hardware draws fast."""
    return next(name for name in FIGURES if not re.search("1[ab]$", name))


def test_a_figure_follows_the_theme(tab: Page, site: str, flat: str):
    tab.goto(site + FIGURES[flat])
    figure = drawn(tab, flat)
    colour = "e => e.querySelector('.mc-plot').layout.font.color"
    light = figure.evaluate(colour)
    tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    tab.wait_for_function(
        f"([e, old]) => ({colour})(e) !== old", arg=[figure.element_handle(), light]
    )
    brightness = [sum(map(int, re.findall(r"\d+", c))) for c in (light, figure.evaluate(colour))]
    assert brightness[0] < 384 < brightness[1]


def test_a_figure_is_not_printed_but_its_still_is(tab: Page, site: str, flat: str):
    tab.goto(site + FIGURES[flat])
    tab.emulate_media(media="print")
    assert tab.locator(f"#{flat}").is_hidden()
    assert tab.locator("figure img").first.is_visible()


def test_without_scripts_a_sentence_says_where_the_figure_is(browser, site: str, flat: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site + FIGURES[flat])
    assert "built book" in page.locator(f"#{flat} .mc-fallback").inner_text()
    context.close()


def test_only_a_page_with_a_figure_loads_its_scripts(tab: Page, site: str):
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    without = next(p for p in PAGES if p.startswith("book/") and p not in FIGURES.values())
    tab.goto(site + without)
    assert not [url for url in asked if "plotly" in url or "interactive" in url]
