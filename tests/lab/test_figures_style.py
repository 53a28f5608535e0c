"""Figures are saved only in a build, the same to the last byte, with the arrays they show."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from lab import figures

mpl.use("Agg")
X = torch.linspace(0, 1, 5, dtype=torch.float64)


@pytest.fixture(autouse=True)
def no_figures_left(monkeypatch):
    monkeypatch.delenv("MC_LIB_RECORDS", raising=False)
    yield
    plt.close("all")


@pytest.fixture
def build(monkeypatch, tmp_path):
    monkeypatch.setenv("MC_LIB_RECORDS", str(tmp_path))
    return tmp_path / "figures"


def parabola():
    figure, axes = plt.subplots()
    axes.plot(X, X**2, label="$x^2$")
    axes.legend()
    return figure


def test_every_component_has_its_own_colour():
    assert len(set(figures.COMPONENT.values())) == len(figures.COMPONENT)


def test_a_build_saves_the_figure_and_its_numbers(build):
    figures.save(parabola(), "figure-1a", w=X, n=np.arange(3))
    assert {path.name for path in build.iterdir()} == {
        "figure-1a.svg",
        "figure-1a.png",
        "figure-1a.npz",
    }
    with np.load(build / "figure-1a.npz") as file:
        saved = dict(file)
    assert set(saved) == {"w", "n"}
    np.testing.assert_array_equal(saved["w"], X.numpy())
    np.testing.assert_array_equal(saved["n"], [0, 1, 2])
    assert (build / "figure-1a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in (build / "figure-1a.svg").read_bytes()


def test_numbers_that_carry_gradients_are_saved(build):
    figures.save(plt.figure(), "x", w=torch.ones(2, requires_grad=True))
    with np.load(build / "x.npz") as file:
        np.testing.assert_array_equal(file["w"], [1.0, 1.0])


def test_two_builds_write_the_same_bytes(build):
    for name in ("first", "second"):
        figures.save(parabola(), name, w=X)
    for kind in ("svg", "png", "npz"):
        first, second = ((build / f"{name}.{kind}").read_bytes() for name in ("first", "second"))
        assert first == second


def test_outside_a_build_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures.save(parabola(), "figure-1a", w=X)
    assert list(tmp_path.iterdir()) == []
