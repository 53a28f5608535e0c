"""Figures are drawn from arrays, the same to the last byte, and saved only in a build."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from lab import figures
from lab.homeomorphism import sheets
from mc_lib.errors import ShapeMismatch
from mc_lib.networks import DeepLinear

mpl.use("Agg")
ONE = torch.ones(1, 1, dtype=torch.float64)


@pytest.fixture(autouse=True)
def no_figures_left(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    yield
    plt.close("all")


@pytest.fixture
def build(monkeypatch, tmp_path):
    monkeypatch.setenv("MC_LIB_RECORDS", str(tmp_path))
    return tmp_path / "figures"


def surface():
    return sheets(DeepLinear(ONE, ONE, (1, 1)), 2.0, 4)


# -- what is drawn -------------------------------------------------------------
def test_one_surface_a_sheet_in_the_colour_of_its_component():
    w, signs = surface()
    axes = figures.sheets(w, signs).axes[0]
    assert len(axes.collections) == 4
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()) == ("$W_1$", "$W_2$", "$W_3$")
    names = {
        colour: [name for name, c in figures.COMPONENT.items() if c == colour]
        for colour in figures.COMPONENT.values()
    }
    assert all(len(name) == 1 for name in names.values())
    for sign in signs.tolist():
        one = figures.sheets(tuple(x[:1] * 0 + 1 for x in w), torch.tensor([sign]))
        face = one.axes[0].collections[0].get_facecolor()
        # shading changes the brightness and keeps the hue
        want = mpl.colors.rgb_to_hsv(mpl.colors.to_rgb(figures.COMPONENT[tuple(sign)]))[0]
        assert mpl.colors.rgb_to_hsv(face[0, :3])[0] == pytest.approx(want, abs=0.02)


def test_the_legend_names_the_four_components_by_their_signs_in_their_colours():
    (legend,) = figures.sheets(*surface()).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "(+, +)",
        "(+, −)",
        "(−, +)",
        "(−, −)",
    ]
    colours = [to_hex(patch.get_facecolor()).upper() for patch in legend.get_patches()]
    assert colours == [c for name, c in figures.COMPONENT.items() if 0 not in name]


def test_the_legend_names_only_what_is_drawn_and_takes_a_title():
    w, _ = surface()
    names = torch.tensor([[1, 0], [-1, 1], [-1, -1]])
    (legend,) = figures.sheets(tuple(x[:3] for x in w), names, title="signs").legends
    assert [text.get_text() for text in legend.get_texts()] == ["(−, +)", "(−, −)", "(+, any)"]
    assert legend.get_title().get_text() == "signs"


def test_every_component_has_its_own_colour():
    assert len(set(figures.COMPONENT.values())) == len(figures.COMPONENT)


def test_drawing_changes_no_global_style():
    before = dict(mpl.rcParams)
    figures.sheets(*surface())
    assert dict(mpl.rcParams) == before


def test_weights_with_gradients_can_be_drawn():
    w, signs = surface()
    assert figures.sheets(tuple(x.clone().requires_grad_() for x in w), signs) is not None


# -- what is saved -------------------------------------------------------------
def test_a_build_saves_the_figure_and_its_numbers(build):
    w, signs = surface()
    figures.save(figures.sheets(w, signs), "figure-1a", w=w[0], n=np.arange(3))
    assert {path.name for path in build.iterdir()} == {
        "figure-1a.svg",
        "figure-1a.png",
        "figure-1a.npz",
    }
    with np.load(build / "figure-1a.npz") as file:
        saved = dict(file)
    assert set(saved) == {"w", "n"}
    np.testing.assert_array_equal(saved["w"], w[0].numpy())
    np.testing.assert_array_equal(saved["n"], [0, 1, 2])
    assert (build / "figure-1a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in (build / "figure-1a.svg").read_bytes()


def test_numbers_that_carry_gradients_are_saved(build):
    figures.save(plt.figure(), "x", w=torch.ones(2, requires_grad=True))
    with np.load(build / "x.npz") as file:
        np.testing.assert_array_equal(file["w"], [1.0, 1.0])


def test_two_builds_write_the_same_bytes(build):
    for name in ("first", "second"):
        figures.save(figures.sheets(*surface()), name, w=surface()[0][0])
    for kind in ("svg", "png", "npz"):
        first, second = ((build / f"{name}.{kind}").read_bytes() for name in ("first", "second"))
        assert first == second


def test_outside_a_build_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures.save(figures.sheets(*surface()), "figure-1a", w=surface()[0][0])
    assert list(tmp_path.iterdir()) == []


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
def test_what_is_no_surface_is_refused():
    w, signs = surface()
    cases = [
        (w[:2], signs, r"got \[\(4, 4, 4, 1, 1\), \(4, 4, 4, 1, 1\)\] and \(4, 2\)"),
        ((w[0], w[1], w[2][:, :3]), signs, r"\(4, 3, 4, 1, 1\)\] and \(4, 2\)"),
        (tuple(x.expand(4, 4, 4, 2, 1) for x in w), signs, r"\(4, 4, 4, 2, 1\)"),
        (tuple(x[..., 0] for x in w), signs, r"\(4, 4, 4, 1\)\]"),
        (w, signs[:3], r"and \(3, 2\)"),
        (w, signs[:, :1], r"and \(4, 1\)"),
        (w, signs[:, 0], r"and \(4,\)"),
        ((), signs, r"got \[\] and"),
    ]
    for point, names, got in cases:
        with pytest.raises(
            ShapeMismatch,
            match=rf"three weights of shape \(s, p, q, 1, 1\) and s pairs of signs, .*{got}",
        ):
            figures.sheets(point, names)


@pytest.mark.bad_input
def test_signs_other_than_plus_and_minus_are_refused():
    w, signs = surface()
    with pytest.raises(ShapeMismatch, match=r"names of components out of .*got \[\(0, 0\)"):
        figures.sheets(w, 0 * signs)
