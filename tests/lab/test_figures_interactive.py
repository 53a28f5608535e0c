"""Interactive figures: small on the page, stable, valid for plotly, and exact to four digits."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.figures import interactive

ALT = "A picture of something for a test."


def family(**changes):
    """A line of slope m at two places of a slider."""
    frames = tuple(
        interactive.Frame(
            f"m = {m}", "", ({"type": "scatter", "x": [0, 1, 2], "y": [0, m, 2 * m]},)
        )
        for m in (1, 2)
    )
    arguments = {"name": "family", "alt": ALT, "frames": frames, "layout": {}}
    return interactive.Interactive(**arguments | changes)


def test_plotly_takes_what_it_knows_and_would_refuse_the_rest(require_valid):
    require_valid(family())
    bad = interactive.Frame("", "", ({"type": "scatter", "colour": "red"},))
    with pytest.raises(ValueError, match="colour"):
        require_valid(family(frames=(bad,)))


def test_a_slider_begins_in_the_middle_or_where_it_is_told(spec):
    assert spec(family())["start"] == 1
    assert spec(family(start=0))["start"] == 0


# -- what a page carries -------------------------------------------------------
def test_the_output_in_a_book_is_small_ascii_and_holds_no_script_to_run(html):
    page = html(family())
    assert page.isascii()
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json">']
    assert 'id="family"' in page
    assert interactive.FALLBACK in page
    assert len(page) < 5000


def test_what_closes_a_script_cannot_stand_in_the_data(spec, html):
    assert "</script><b>" not in html(family(alt="A picture of </script><b> and more of it."))
    assert spec(family(alt="A picture of </script> in words."))["alt"].count("</script>") == 1


def test_outside_a_book_the_output_is_hardly_larger_and_asks_the_server_for_the_scripts(
    monkeypatch, html
):
    inside = html(family())
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    outside = family()._repr_html_()
    assert outside == inside + interactive.LIVE
    assert len(interactive.LIVE) < 400


def test_the_text_of_a_figure_is_the_same_on_every_machine():
    assert repr(family()) == "Interactive('family', 2 frames)"


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_numbers_keep_four_digits(x):
    (shown,) = interactive.rounded(torch.tensor([x], dtype=torch.float64))
    assert shown == pytest.approx(x, rel=5.001e-4, abs=1e-300)
    assert len(f"{float(shown):.10g}".split("e")[0].strip("-0").replace(".", "").strip("0")) <= 4


def test_three_digits_and_a_true_minus_are_read():
    shown = [interactive.number(x) for x in (0.0, -1.0, 0.1234, 1234.0, 1e-4, -3e7)]
    assert shown == ["0", "−1", "0.123", "1.23·10³", "0.0001", "−3·10⁷"]


# -- refusals ------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["", "Figure", "1a", "a b", 'a"b'])
def test_a_name_that_is_no_id_is_refused(name):
    with pytest.raises(mc.errors.OutOfDomain, match="a name is"):
        family(name=name)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"alt": "too short"}, "too short", id="alt"),
        pytest.param({"start": 2}, "no place 2 among 2", id="beyond"),
        pytest.param({"start": -1}, "no place -1", id="before"),
    ],
)
def test_figures_without_words_or_a_start_are_refused(changes, message):
    with pytest.raises(mc.errors.OutOfDomain, match=message):
        family(**changes)


@pytest.mark.bad_input
def test_a_figure_too_heavy_for_a_page_is_refused():
    x = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    trace = {"type": "scatter", "x": interactive.rounded(x), "y": interactive.rounded(x)}
    with pytest.raises(mc.errors.OutOfDomain, match="150000"):
        family(frames=(interactive.Frame("", "", (trace, trace)),))
