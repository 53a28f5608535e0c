"""The figures of Chapter 3 show the arrays they are given, and refuse all others."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from lab import figures
from lab.figures.preliminaries import ACROSS, PIECES, REFERENCE
from lab.figures.style import CURVE, SEGMENT
from mc_lib.errors import OutOfDomain, ShapeMismatch

mpl.use("Agg")
T = torch.linspace(0, 1, 5, dtype=torch.float64)
LABELS = torch.tensor([[0, 1, 2], [3, 0, 6]])
BOX = (-1.0, 2.0, 0.0, 4.0)
RAYS = torch.tensor([[[0.0, 0.0], [1.0, 2.0]], [[0.0, 0.0], [-1.0, -2.0]]])
HOLE = torch.zeros(1, 2)


@pytest.fixture(autouse=True)
def no_figures_left():
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


def colour(line):
    return to_hex(line.get_color()).upper()


def texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def draw_all():
    return {
        "regions": figures.regions([LABELS, LABELS], ["a", "b"], [BOX, BOX]),
        "determinants": figures.determinants(T, T, T, T[None]),
        "shares": figures.shares(T + 1, T, T, T[:1]),
        "orbits": figures.orbits([[RAYS]], [HOLE], ["a"]),
    }


# -- regions -------------------------------------------------------------------
def test_the_first_axis_points_right_and_the_second_up():
    (axes,) = figures.regions([LABELS], ["six"], [BOX]).axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), LABELS.T)
    assert image.origin == "lower"
    assert tuple(image.get_extent()) == BOX
    assert image.get_interpolation() == "nearest"
    assert axes.get_xlabel() == "six"


def test_every_piece_has_its_colour_and_the_outside_is_white():
    (axes,) = figures.regions([LABELS], ["six"], [BOX]).axes
    (image,) = axes.images
    shown = [to_hex(image.cmap(image.norm(i))).upper() for i in range(7)]
    assert shown == ["#FFFFFF", *PIECES]
    assert len(set(PIECES)) == 6
    assert list(PIECES[:-1]) == list(figures.COMPONENT.values())


def test_panels_stand_side_by_side():
    figure = figures.regions([LABELS, 0 * LABELS], ["a", "b"], [BOX, BOX])
    assert [axes.get_xlabel() for axes in figure.axes] == ["a", "b"]
    np.testing.assert_allclose(figure.get_size_inches(), [5.4, 2.7])


# -- determinants --------------------------------------------------------------
def test_determinants_are_drawn_against_the_zero_line():
    across = torch.stack((1 - 2 * T, 1 - 3 * T))
    figure = figures.determinants(T, 1 + T, 1 - T, across)
    (axes,) = figure.axes
    zero, first, second, segment, inside = axes.lines
    assert list(zero.get_ydata()) == [0, 0]
    assert colour(zero) == REFERENCE
    for line, values in ((first, across[0]), (second, across[1]), (segment, 1 - T)):
        np.testing.assert_array_equal(line.get_xdata(), T)
        np.testing.assert_array_equal(line.get_ydata(), values)
    np.testing.assert_array_equal(inside.get_ydata(), 1 + T)
    assert [colour(x) for x in (inside, first, second)] == [CURVE, ACROSS, ACROSS]
    assert colour(segment) == SEGMENT
    assert segment.get_linestyle() == "--"
    assert first.get_label() == "paths to $GL_2^-$"
    assert second.get_label().startswith("_")  # named once
    assert [line.get_linewidth() for line in (zero, first, second)] == [1, 1, 1]
    np.testing.assert_allclose(figure.get_size_inches(), [6.0, 3.8])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$t$", "determinant")
    assert axes.get_xlim() == (0, 1)
    assert texts(figure) == [
        "singular matrices",
        "paths to $GL_2^-$",
        "segment",
        "path in $GL_2^+$",
    ]


# -- shares --------------------------------------------------------------------
def test_shares_have_error_bars_exact_marks_and_the_line_at_one():
    n = torch.tensor([1, 2, 8])
    share, error = torch.tensor([1.0, 0.75, 0.5]), torch.tensor([0.0, 0.125, 0.25])
    figure = figures.shares(n, share, error, torch.tensor([1.0, 0.875]))
    (axes,) = figure.axes
    one, dots, exact = (axes.lines[i] for i in (0, 1, -1))
    assert list(one.get_ydata()) == [1, 1]
    assert colour(one) == REFERENCE
    np.testing.assert_array_equal(dots.get_xydata(), [[1, 1], [2, 0.75], [8, 0.5]])
    np.testing.assert_array_equal(exact.get_xydata(), [[1, 1], [2, 0.875]])
    assert (colour(dots), colour(exact)) == (CURVE, REFERENCE)
    (bars,) = axes.collections
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        [1, 1],
        [0.625, 0.875],
        [0.25, 0.75],
    ]
    assert axes.get_xscale() == "log"
    assert (exact.get_marker(), exact.get_markerfacecolor()) == ("D", "none")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "8"]
    assert len(axes.get_xticks(minor=True)) == 0
    assert (one.get_linewidth(), exact.get_markersize()) == (1, 12)
    np.testing.assert_allclose(figure.get_size_inches(), [6.0, 3.8])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$n$", "share with a real logarithm")
    assert axes.get_ylim() == (0, 1.08)
    assert sorted(texts(figure)) == ["all, as (5) presumes", "exact", "measured"]


# -- orbits --------------------------------------------------------------------
def test_one_colour_an_orbit_and_hollow_points_where_the_space_has_none():
    figure = figures.orbits([[RAYS, RAYS + 1], [RAYS]], [HOLE, HOLE + 3], ["a", "b"])
    first, second = figure.axes
    assert len(first.lines) == 5
    assert len(second.lines) == 3
    assert [colour(line) for line in first.lines] == [
        PIECES[0],
        PIECES[0],
        PIECES[1],
        PIECES[1],
        REFERENCE,
    ]
    np.testing.assert_array_equal(first.lines[1].get_xydata(), RAYS[1])
    np.testing.assert_array_equal(first.lines[2].get_xydata(), RAYS[0] + 1)
    hole = second.lines[-1]
    np.testing.assert_array_equal(hole.get_xydata(), [[3, 3]])
    assert hole.get_marker() == "o"
    assert hole.get_markerfacecolor() == "white"
    assert (hole.get_markersize(), first.lines[0].get_linewidth()) == (7, 2)
    assert first.get_adjustable() == "datalim"
    assert hole.get_zorder() > second.lines[0].get_zorder()
    assert [axes.get_xlabel() for axes in figure.axes] == ["a", "b"]
    assert first.get_aspect() == 1
    np.testing.assert_allclose(figure.get_size_inches(), [5.4, 2.7])


# -- all of them ---------------------------------------------------------------
def test_two_drawings_save_the_same_bytes(monkeypatch, tmp_path):
    monkeypatch.setenv("MC_LIB_RECORDS", str(tmp_path))
    for run in ("first", "second"):
        for name, figure in draw_all().items():
            figures.save(figure, f"{name}-{run}")
    for name in draw_all():
        for kind in ("svg", "png"):
            one, two = (tmp_path / f"figures/{name}-{r}.{kind}" for r in ("first", "second"))
            assert one.read_bytes() == two.read_bytes()


def test_arrays_with_gradients_can_be_drawn():
    t, rays = T.clone().requires_grad_(), RAYS.clone().requires_grad_()
    figures.determinants(t, t, t, t[None])
    figures.shares(t + 1, t, t, t)
    figures.orbits([[rays]], [rays[0]], ["a"])


def test_as_many_pieces_and_orbits_as_colours_can_be_drawn():
    assert figures.regions([LABELS], ["a"], [BOX]) is not None
    assert figures.orbits([6 * [RAYS]], [HOLE], ["a"]) is not None
    assert figures.shares(T + 1, T, T, T) is not None


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        pytest.param(
            LABELS[0], ShapeMismatch, r"plane sets of shape \(p, q\), got \(3,\)", id="a line"
        ),
        pytest.param(
            LABELS.clamp(min=1) + (LABELS == 6),
            OutOfDomain,
            "labels from 0 to 6, got 1 to 7",
            id="seven",
        ),
        pytest.param(LABELS - 1, OutOfDomain, "labels from 0 to 6, got -1 to 5", id="negative"),
    ],
)
def test_sets_that_cannot_be_drawn_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        figures.regions([labels], ["a"], [BOX])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("sets", "names", "boxes", "got"),
    [
        pytest.param([LABELS], [], [BOX], r"got \[1, 0, 1\]", id="no name"),
        pytest.param([LABELS], ["a"], [BOX, BOX], r"got \[1, 1, 2\]", id="two boxes"),
        pytest.param([], [], [], r"got \[0, 0, 0\]", id="nothing"),
    ],
)
def test_regions_without_a_name_and_a_box_each_are_refused(sets, names, boxes, got):
    with pytest.raises(ShapeMismatch, match=f"as many of each for one panel or more, {got}"):
        figures.regions(sets, names, boxes)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param((T, T[:4], T, T[None]), id="inside"),
        pytest.param((T, T, T[:4], T[None]), id="segment"),
        pytest.param((T, T, T, T[None, :4]), id="across"),
        pytest.param((T, T, T, T), id="across as a vector"),
        pytest.param((T, T, T, T[None][:0]), id="no path across"),
        pytest.param((T[None], T[None], T[None], T[None]), id="matrices"),
        pytest.param((T[0], T[0], T[0], T), id="numbers"),
    ],
)
def test_determinants_of_different_lengths_are_refused(arrays):
    message = r"shapes \(T,\), \(T,\), \(T,\) and \(k, T\), got \["
    with pytest.raises(ShapeMismatch, match=message):
        figures.determinants(*arrays)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param((T, T[:4], T, T[:1]), id="share"),
        pytest.param((T, T, T[:4], T[:1]), id="error"),
        pytest.param((T[:4], T[:4], T[:4], T), id="more exact ones"),
        pytest.param((T, T, T, T[None]), id="exact as a matrix"),
        pytest.param((T[None], T[None], T[None], T[:1]), id="matrices"),
    ],
)
def test_shares_of_different_lengths_are_refused(arrays):
    message = r"shapes \(N,\), \(N,\), \(N,\) and \(K,\), K ≤ N, got \["
    with pytest.raises(ShapeMismatch, match=message):
        figures.shares(*arrays)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("panels", "names", "error", "message"),
    [
        pytest.param(
            [[RAYS[0]]],
            ["a"],
            ShapeMismatch,
            r"orbits of shape \(k, p, 2\), got \(2, 2\)",
            id="one ray",
        ),
        pytest.param(
            [[RAYS[..., :1]]],
            ["a"],
            ShapeMismatch,
            r"orbits of shape \(k, p, 2\), got \(2, 2, 1\)",
            id="numbers",
        ),
        pytest.param(
            [[RAYS], 7 * [RAYS]],
            ["a", "b"],
            OutOfDomain,
            "at most 6 orbits in a panel, got 7",
            id="seven",
        ),
        pytest.param(
            [[RAYS]],
            ["a", "b"],
            ShapeMismatch,
            r"as many of each for one panel or more, got \[1, 1, 2\]",
            id="two names",
        ),
        pytest.param(
            [],
            [],
            ShapeMismatch,
            r"as many of each for one panel or more, got \[0, 0, 0\]",
            id="nothing",
        ),
    ],
)
def test_orbits_that_cannot_be_drawn_are_refused(panels, names, error, message):
    with pytest.raises(error, match=message):
        figures.orbits(panels, [HOLE] * len(panels), names)
