"""Figures with a slider: at each place what was given for it is drawn."""

import math

import pytest
import torch

import mc_lib as mc
from lab import figures
from lab.sliders import cassini_sweep

ALT = "A picture of something for a test."


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


@pytest.mark.parametrize("draw", [curves, paths, rescalings, discs])
def test_every_figure_is_valid_for_plotly(require_valid, draw):
    require_valid(draw())


def test_at_each_place_of_a_slider_its_own_curves_are_drawn(spec):
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
def test_the_axes_of_curves_hold_all_places_of_the_slider(spec, log):
    low, high = spec(curves(log=(False, log)))["layout"]["yaxis"]["range"]
    least, most = (math.log10(0.5), math.log10(4)) if log else (0.5, 4)
    margin = 0.05 * (most - least)
    assert low == pytest.approx(least - margin, rel=1e-3)
    assert high == pytest.approx(most + margin, rel=1e-3)


def test_a_flat_curve_still_has_an_axis(spec):
    flat = torch.ones(2, 4)
    axis = spec(curves(curves={"a": flat}, references={}))["layout"]["yaxis"]
    assert axis["range"] == [0, 2]


def test_paths_are_drawn_at_one_scale(spec):
    data = spec(paths(references={"r": torch.zeros(2, 5, 2)}))
    assert data["layout"]["yaxis"]["scaleanchor"] == "x"
    reference, path = data["frames"][1]["traces"]
    assert (path["x"], path["y"]) == ([6, 8, 10], [7, 9, 11])
    assert reference["x"] == [0] * 5


def test_figure_2_shows_the_segment_and_the_loss_along_it(spec):
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


def test_a_bound_is_said_to_hold_or_to_fail(spec):
    data = spec(discs())
    assert data["frames"][0]["text"].endswith("1 away: it holds")
    assert data["frames"][1]["text"].endswith("1 away: it fails")
    promise = data["frames"][1]["traces"][0]
    radii = [math.hypot(x, y) for x, y in zip(promise["x"], promise["y"], strict=True)]
    assert radii == pytest.approx([0.5] * len(radii), rel=1e-3)


def test_the_cassini_oval_breaks_the_bound_at_the_level_it_is_known_for(spec):
    sweep = cassini_sweep(torch.tensor([1.2, 1.5], dtype=torch.float64), points=21)
    oval = torch.cat([sweep.lobe, -sweep.lobe], 1)
    ends = sweep.lobe[:, [0, -1]]
    figure = discs(
        values=[1.2, 1.5], oval=oval, chord=ends, bound=sweep.bound, distance=sweep.distance
    )
    assert all(frame["text"].endswith("it fails") for frame in spec(figure)["frames"])


def test_a_slider_begins_in_the_middle_or_where_it_is_told(spec):
    assert spec(curves())["start"] == 1
    assert spec(curves(start=0))["start"] == 0


def test_curves_take_little_of_a_page(html):
    page = html(curves())
    assert page.isascii()
    assert len(page) < 5000


# -- refusals ------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        pytest.param({"alt": "too short"}, mc.errors.OutOfDomain, "too short", id="alt"),
        pytest.param({"start": 2}, mc.errors.OutOfDomain, "no place 2 among 2", id="beyond"),
        pytest.param({"start": -1}, mc.errors.OutOfDomain, "no place -1", id="before"),
        pytest.param({"values": [1.0]}, mc.errors.ShapeMismatch, r"\(1, 4\)", id="values"),
        pytest.param({"values": [2.0, 1.0]}, mc.errors.OutOfDomain, "increasing", id="decreasing"),
        pytest.param({"values": [1.0, 1.0]}, mc.errors.OutOfDomain, "increasing", id="equal"),
        pytest.param({"texts": ["one"]}, mc.errors.ShapeMismatch, "2 texts, got 1", id="texts"),
        pytest.param({"x": torch.ones(3)}, mc.errors.ShapeMismatch, r"\(2, 3\)", id="times"),
        pytest.param({"x": torch.ones(4, 1)}, mc.errors.ShapeMismatch, "over x", id="plane times"),
        pytest.param(
            {"curves": {"a": torch.ones(4)}},
            mc.errors.ShapeMismatch,
            "a: expected",
            id="no axis of values",
        ),
        pytest.param({"curves": {}}, mc.errors.OutOfDomain, "1 to 5 curves, got 0", id="no curve"),
        pytest.param(
            {"curves": {str(i): torch.ones(2, 4) for i in range(6)}},
            mc.errors.OutOfDomain,
            "got 6",
            id="six curves",
        ),
        pytest.param(
            {"curves": {"a": torch.full((2, 4), math.nan)}}, mc.errors.NotFinite, "nan", id="nan"
        ),
        pytest.param(
            {"curves": {"a": torch.zeros(2, 4)}, "log": (False, True)},
            mc.errors.OutOfDomain,
            "loss",
            id="zero on a logarithmic axis",
        ),
        pytest.param(
            {"x": torch.arange(4.0), "log": (True, False)},
            mc.errors.OutOfDomain,
            "t 0",
            id="zero time on a logarithmic axis",
        ),
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
def test_ends_without_a_rescaling_each_are_refused():
    with pytest.raises(mc.errors.ShapeMismatch, match=r"\(2, P\)"):
        rescalings(ends=torch.ones(3, 2))


@pytest.mark.bad_input
def test_bounds_without_an_oval_each_are_refused():
    with pytest.raises(mc.errors.ShapeMismatch, match="V = 2"):
        discs(bound=torch.ones(3))
