"""The plane of a curve and its segment: what is drawn is what was given."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import mc_lib as mc
from lab import figures

mpl.use("Agg")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def landscape():
    x, y = torch.linspace(-1, 2, 5), torch.linspace(0, 1, 4)
    curve = torch.tensor([[0.0, 0.0], [0.5, 0.4], [1.0, 0.0]])
    return x, y, 1 + x[:, None].square() + y, curve, curve[[0, 2]]


def test_the_plane_shows_the_curve_the_segment_and_its_ends():
    figure = figures.plane(*landscape(), unit="nats")
    axes, scale = figure.axes
    curve, segment, ends = axes.lines
    assert np.allclose(curve.get_xydata(), landscape()[3])
    assert np.allclose(segment.get_xydata(), landscape()[4])
    assert np.allclose(ends.get_xydata(), landscape()[4])
    assert scale.get_ylabel() == "nats"
    assert axes.get_aspect() == 1
    assert [x.get_text() for x in figure.legends[0].get_texts()] == ["curve", "segment"]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(
            lambda x, y, loss, curve, segment: (x, y, loss.mT, curve, segment),
            mc.errors.ShapeMismatch,
            r"\(p, q\)",
            id="losses",
        ),
        pytest.param(
            lambda x, y, loss, curve, segment: (x, y, loss, curve, curve),
            mc.errors.ShapeMismatch,
            r"\(p, q\)",
            id="segment",
        ),
        pytest.param(
            lambda x, y, loss, curve, segment: (x, y, loss - 2, curve, segment),
            mc.errors.OutOfDomain,
            "positive losses",
            id="negative losses",
        ),
    ],
)
def test_planes_that_cannot_be_drawn_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        figures.plane(*change(*landscape()))
