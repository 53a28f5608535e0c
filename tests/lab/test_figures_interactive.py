"""Interactive figures: what is drawn is what was given, small, stable, and valid for plotly."""

import json
import math
import re

import plotly.graph_objects as go
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab import figures, homeomorphism
from lab.figures import interactive
from lab.residual_sheets import residual_sheets
from lab.sliders import cassini_sweep

ALT = "A picture of something for a test."


def spec(figure):
    """The data in the HTML of a figure, as the page's script reads it."""
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', html(figure), re.S)
    return json.loads(text)


def html(figure):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MC_LIB_RECORDS", "somewhere")
        return figure._repr_html_()


def require_valid(figure):
    """Plotly refuses an unknown property; what it takes at each place is one of its figures."""
    data = spec(figure)
    for frame in data["frames"]:
        go.Figure(data=data["fixed"] + frame["traces"], layout=data["layout"])


def scalar_net(epsilon, dtype):
    one = torch.eye(1, dtype=dtype)
    if epsilon == 0:
        return homeomorphism.sheets(mc.DeepLinear(one, one, (1, 1)), 2.0, 5)
    return residual_sheets(mc.ResidualLinear(one, one, 1, epsilon), 2.5, 5.0, 5)


def curves(**changes):
    x = torch.linspace(0.5, 1, 4)
    arguments = {
        "name": "family",
        "values": [1.0, 2.0],
        "x": x,
        "curves": {"a": torch.stack([x, 2 * x])},
        "references": {"still": x, "moving": torch.stack([3 * x, 4 * x])},
        "labels": ("t", "loss", "m"),
        "alt": ALT,
    }
    return figures.slider_curves(**arguments | changes)


def paths(**changes):
    path = torch.arange(12.0).reshape(2, 3, 2)
    arguments = {
        "name": "paths",
        "values": [1.0, 2.0],
        "paths": {"a": path},
        "labels": ("x", "y", "c"),
        "alt": ALT,
    }
    return figures.slider_paths(**arguments | changes)


def rescalings(**changes):
    m = torch.tensor([2.0, 3.0])
    hyperbola = torch.tensor([[1.0, 2.0, 3.0], [1.0, 0.5, 1 / 3]])
    arguments = {
        "name": "two",
        "hyperbola": hyperbola,
        "start": hyperbola[:, 0],
        "ends": hyperbola[:, 1:].mT,
        "alpha": torch.tensor([0.0, 0.5, 1.0]),
        "segment": torch.tensor([[0.0, 1 / 64, 0.0], [0.0, 1 / 9, 0.0]]),
        "m": m,
    }
    return figures.slider_rescalings(**arguments | changes)


def discs(**changes):
    angle = torch.linspace(0, 2 * math.pi, 9)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    oval = torch.stack([circle, circle])
    arguments = {
        "name": "discs",
        "values": [1.0, 2.0],
        "oval": oval,
        "chord": oval[:, [0, 4]],
        "bound": torch.tensor([1.0, 0.5]),
        "distance": torch.tensor([1.0, 1.0]),
    }
    return figures.slider_discs(**arguments | changes)


# -- what is drawn -------------------------------------------------------------
def test_every_figure_is_valid_for_plotly(dtype):
    sheets = [scalar_net(epsilon, dtype) for epsilon in (-1.0, 0.0, 1.0)]
    require_valid(figures.rotatable_sheets("turn", sheets[1], ALT))
    require_valid(figures.slider_sheets("epsilon", [-1.0, 0.0, 1.0], sheets, ALT))
    for figure in (curves(), paths(), rescalings(), discs()):
        require_valid(figure)


def test_plotly_would_refuse_what_it_does_not_know():
    bad = interactive.Frame("", "", ({"type": "scatter", "colour": "red"},))
    with pytest.raises(ValueError, match="colour"):
        require_valid(interactive.Interactive("bad", ALT, (bad,), {}))


def test_a_sheet_is_drawn_where_the_weights_are_in_the_colour_of_its_component(dtype):
    w, signs = scalar_net(1.0, dtype)
    traces = spec(figures.rotatable_sheets("turn", (w, signs), ALT))["frames"][0]["traces"]
    assert len(traces) == 3
    for i, trace in enumerate(traces):
        for axis, weight in zip("xyz", w, strict=True):
            drawn = torch.tensor(trace[axis], dtype=dtype)
            assert torch.allclose(drawn, weight[i, ..., 0, 0], rtol=1e-3)
        colour = figures.COMPONENT[tuple(signs[i].tolist())]
        assert {c for _, c in trace["colorscale"]} == {colour}


def test_the_axes_of_surfaces_hold_all_of_them_and_do_not_change():
    epsilons = [-1.0, 0.0, 1.0]
    sheets = [scalar_net(epsilon, torch.float64) for epsilon in epsilons]
    scene = spec(figures.slider_sheets("epsilon", epsilons, sheets, ALT))["layout"]["scene"]
    for i, axis in enumerate(("xaxis", "yaxis", "zaxis")):
        reach = max(float(w[i].abs().max()) for w, _ in sheets)
        low, high = scene[axis]["range"]
        assert -high == low
        assert reach < high < 1.1 * reach


def test_at_each_place_of_a_slider_its_own_curves_are_drawn():
    data = spec(curves())
    assert [frame["label"] for frame in data["frames"]] == ["m = 1", "m = 2"]
    for i, frame in enumerate(data["frames"]):
        moving, a = frame["traces"]
        assert (moving["name"], a["name"]) == ("moving", "a")
        assert a["y"] == pytest.approx([(i + 1) * x for x in a["x"]], rel=1e-3)
        assert moving["y"] == pytest.approx([(i + 3) * x for x in a["x"]], rel=1e-3)
        assert moving["line"]["dash"] == "dash"
        assert moving["zorder"] > a.get("zorder", 0)
    (still,) = data["fixed"]
    assert still["y"] == still["x"]


@pytest.mark.parametrize("log", [False, True])
def test_the_axes_of_curves_hold_all_places_of_the_slider(log):
    low, high = spec(curves(log=(False, log)))["layout"]["yaxis"]["range"]
    least, most = (math.log10(0.5), math.log10(4)) if log else (0.5, 4)
    margin = 0.05 * (most - least)
    assert low == pytest.approx(least - margin, rel=1e-3)
    assert high == pytest.approx(most + margin, rel=1e-3)


def test_a_flat_curve_still_has_an_axis():
    flat = torch.ones(2, 4)
    axis = spec(curves(curves={"a": flat}, references={}))["layout"]["yaxis"]
    assert axis["range"] == [0, 2]


def test_paths_are_drawn_at_one_scale():
    data = spec(paths(references={"r": torch.zeros(2, 5, 2)}))
    assert data["layout"]["yaxis"]["scaleanchor"] == "x"
    reference, path = data["frames"][1]["traces"]
    assert (path["x"], path["y"]) == ([6, 8, 10], [7, 9, 11])
    assert reference["x"] == [0] * 5


def test_figure_2_shows_the_segment_and_the_loss_along_it():
    data = spec(rescalings())
    minimum, zero = data["fixed"]
    assert minimum["x"] == [1, 2, 3]
    assert zero["y"] == [0, 0, 0]
    chord, loss = data["frames"][1]["traces"]
    assert (chord["x"], chord["y"]) == ([1, 3], [1, 0.3333])
    assert loss["y"] == [0, 0.1111, 0]
    assert (zero["xaxis"], loss["xaxis"]) == ("x2", "x2")
    assert "xaxis" not in chord
    assert data["frames"][1]["text"].endswith("0.111")


def test_a_bound_is_said_to_hold_or_to_fail():
    data = spec(discs())
    assert data["frames"][0]["text"].endswith("1 away: it holds")
    assert data["frames"][1]["text"].endswith("1 away: it fails")
    promise = data["frames"][1]["traces"][0]
    radii = [math.hypot(x, y) for x, y in zip(promise["x"], promise["y"], strict=True)]
    assert radii == pytest.approx([0.5] * len(radii), rel=1e-3)


def test_the_cassini_oval_breaks_the_bound_at_the_level_it_is_known_for():
    sweep = cassini_sweep(torch.tensor([1.2, 1.5], dtype=torch.float64), points=21)
    oval = torch.cat([sweep.lobe, -sweep.lobe], 1)
    ends = sweep.lobe[:, [0, -1]]
    figure = discs(
        values=[1.2, 1.5], oval=oval, chord=ends, bound=sweep.bound, distance=sweep.distance
    )
    assert all(frame["text"].endswith("it fails") for frame in spec(figure)["frames"])


def test_a_slider_begins_in_the_middle_or_where_it_is_told():
    assert spec(curves())["start"] == 1
    assert spec(curves(start=0))["start"] == 0


# -- what a page carries -------------------------------------------------------
def test_the_output_in_a_book_is_small_ascii_and_holds_no_script_to_run():
    page = html(curves())
    assert page.isascii()
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json">']
    assert 'id="family"' in page
    assert interactive.FALLBACK in page
    assert len(page) < 5000


def test_what_closes_a_script_cannot_stand_in_the_data():
    assert "</script><b>" not in html(curves(alt="A picture of </script><b> and more of it."))
    assert spec(curves(alt="A picture of </script> in words."))["alt"].count("</script>") == 1


def test_outside_a_book_the_output_carries_plotly_itself(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    page = curves()._repr_html_()
    assert len(page) > 1_000_000
    assert interactive.SCRIPT.read_text(encoding="utf-8") in page


def test_outside_a_book_without_plotly_it_says_what_to_install(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    assert 'pip install "mc_lib[book]"' in curves()._repr_html_()


def test_the_text_of_a_figure_is_the_same_on_every_machine():
    assert repr(curves()) == "Interactive('family', 2 frames)"


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
        curves(name=name)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"alt": "too short"}, mc.errors.OutOfDomain, "too short"),
        ({"start": 2}, mc.errors.OutOfDomain, "no place 2 among 2"),
        ({"start": -1}, mc.errors.OutOfDomain, "no place -1"),
        ({"values": [1.0]}, mc.errors.ShapeMismatch, r"\(1, 4\)"),
        ({"values": [2.0, 1.0]}, mc.errors.OutOfDomain, "increasing"),
        ({"values": [1.0, 1.0]}, mc.errors.OutOfDomain, "increasing"),
        ({"texts": ["one"]}, mc.errors.ShapeMismatch, "2 texts, got 1"),
        ({"x": torch.ones(3)}, mc.errors.ShapeMismatch, r"\(2, 3\)"),
        ({"x": torch.ones(4, 1)}, mc.errors.ShapeMismatch, "over x"),
        ({"curves": {"a": torch.ones(4)}}, mc.errors.ShapeMismatch, "a: expected"),
        ({"curves": {}}, mc.errors.OutOfDomain, "1 to 5 curves, got 0"),
        ({"curves": {str(i): torch.ones(2, 4) for i in range(6)}}, mc.errors.OutOfDomain, "got 6"),
        ({"curves": {"a": torch.full((2, 4), math.nan)}}, mc.errors.NotFinite, "nan"),
        ({"curves": {"a": torch.zeros(2, 4)}, "log": (False, True)}, mc.errors.OutOfDomain, "loss"),
        ({"x": torch.arange(4.0), "log": (True, False)}, mc.errors.OutOfDomain, "t 0"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        curves(**changes)


@pytest.mark.bad_input
def test_a_slider_with_one_place_is_refused():
    with pytest.raises(mc.errors.OutOfDomain, match="two increasing"):
        curves(values=[1.0], curves={"a": torch.ones(1, 4)}, references={})


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(3, 3, 2), (2, 3, 3), (2, 3)])
def test_paths_that_are_not_plane_are_refused(shape):
    with pytest.raises(mc.errors.ShapeMismatch, match="a: expected"):
        paths(paths={"a": torch.zeros(shape)})


@pytest.mark.bad_input
def test_other_shapes_are_refused():
    with pytest.raises(mc.errors.ShapeMismatch, match=r"\(2, P\)"):
        rescalings(ends=torch.ones(3, 2))
    with pytest.raises(mc.errors.ShapeMismatch, match="V = 2"):
        discs(bound=torch.ones(3))
    with pytest.raises(mc.errors.ShapeMismatch, match="2 values, got 1"):
        one = scalar_net(1.0, torch.float64)
        figures.slider_sheets("epsilon", [0.0, 1.0], [one], ALT)
    with pytest.raises(mc.errors.ShapeMismatch, match="components out of"):
        w, signs = scalar_net(1.0, torch.float64)
        figures.rotatable_sheets("turn", (w, 2 * signs), ALT)


@pytest.mark.bad_input
def test_a_figure_too_heavy_for_a_page_is_refused():
    x = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    with pytest.raises(mc.errors.OutOfDomain, match="150000"):
        curves(x=x, curves={"a": torch.stack([x, x])}, references={})
