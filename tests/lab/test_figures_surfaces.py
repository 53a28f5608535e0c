"""Surfaces: one a component, in its colour, with a legend of what is drawn."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from lab import figures
from lab.homeomorphism import sheets
from mc_lib.errors import ShapeMismatch
from mc_lib.networks import DeepLinear

mpl.use("Agg")
ONE = torch.ones(1, 1, dtype=torch.float64)
W, SIGNS = sheets(DeepLinear(ONE, ONE, (1, 1)), 2.0, 4)


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def test_one_surface_a_sheet_in_the_colour_of_its_component():
    axes = figures.sheets(W, SIGNS).axes[0]
    assert len(axes.collections) == 4
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()) == ("$W_1$", "$W_2$", "$W_3$")
    names = {
        colour: [name for name, c in figures.COMPONENT.items() if c == colour]
        for colour in figures.COMPONENT.values()
    }
    assert all(len(name) == 1 for name in names.values())
    for sign in SIGNS.tolist():
        one = figures.sheets(tuple(x[:1] * 0 + 1 for x in W), torch.tensor([sign]))
        face = one.axes[0].collections[0].get_facecolor()
        # shading changes the brightness and keeps the hue
        want = mpl.colors.rgb_to_hsv(mpl.colors.to_rgb(figures.COMPONENT[tuple(sign)]))[0]
        assert mpl.colors.rgb_to_hsv(face[0, :3])[0] == pytest.approx(want, abs=0.02)


def test_the_legend_names_the_four_components_by_their_signs_in_their_colours():
    (legend,) = figures.sheets(W, SIGNS).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "(+, +)",
        "(+, −)",
        "(−, +)",
        "(−, −)",
    ]
    colours = [to_hex(patch.get_facecolor()).upper() for patch in legend.get_patches()]
    assert colours == [c for name, c in figures.COMPONENT.items() if 0 not in name]


def test_the_legend_names_only_what_is_drawn_and_takes_a_title():
    names = torch.tensor([[1, 0], [-1, 1], [-1, -1]])
    (legend,) = figures.sheets(tuple(x[:3] for x in W), names, title="signs").legends
    assert [text.get_text() for text in legend.get_texts()] == ["(−, +)", "(−, −)", "(+, any)"]
    assert legend.get_title().get_text() == "signs"


def test_drawing_changes_no_global_style():
    before = dict(mpl.rcParams)
    figures.sheets(W, SIGNS)
    assert dict(mpl.rcParams) == before


def test_weights_with_gradients_can_be_drawn():
    assert figures.sheets(tuple(x.clone().requires_grad_() for x in W), SIGNS) is not None


def test_two_drawings_save_the_same_bytes(monkeypatch, tmp_path):
    monkeypatch.setenv("MC_LIB_RECORDS", str(tmp_path))
    for name in ("first", "second"):
        figures.save(figures.sheets(W, SIGNS), name)
    for kind in ("svg", "png"):
        one, two = (tmp_path / f"figures/{name}.{kind}" for name in ("first", "second"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("w", "signs", "got"),
    [
        pytest.param(
            W[:2],
            SIGNS,
            r"got \[\(4, 4, 4, 1, 1\), \(4, 4, 4, 1, 1\)\] and \(4, 2\)",
            id="two weights",
        ),
        pytest.param(
            (W[0], W[1], W[2][:, :3]), SIGNS, r"\(4, 3, 4, 1, 1\)\] and \(4, 2\)", id="grids"
        ),
        pytest.param(
            tuple(x.expand(4, 4, 4, 2, 1) for x in W), SIGNS, r"\(4, 4, 4, 2, 1\)", id="vectors"
        ),
        pytest.param(tuple(x[..., 0] for x in W), SIGNS, r"\(4, 4, 4, 1\)\]", id="axes"),
        pytest.param(W, SIGNS[:3], r"and \(3, 2\)", id="three names"),
        pytest.param(W, SIGNS[:, :1], r"and \(4, 1\)", id="one sign"),
        pytest.param(W, SIGNS[:, 0], r"and \(4,\)", id="a vector of signs"),
        pytest.param((), SIGNS, r"got \[\] and", id="nothing"),
    ],
)
def test_what_is_no_surface_is_refused(w, signs, got):
    message = rf"three weights of shape \(s, p, q, 1, 1\) and s pairs of signs, .*{got}"
    with pytest.raises(ShapeMismatch, match=message):
        figures.sheets(w, signs)


@pytest.mark.bad_input
def test_signs_other_than_plus_and_minus_are_refused():
    with pytest.raises(ShapeMismatch, match=r"names of components out of .*got \[\(0, 0\)"):
        figures.sheets(W, 0 * SIGNS)
