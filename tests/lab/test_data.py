"""The digits: the images of scikit-learn, each once, in a random order."""

import sys

import pytest
import torch

import mc_lib as mc
from lab.data import NotInstalled, digits


def test_every_image_is_either_trained_on_or_held_out(generator, dtype):
    datasets = pytest.importorskip("sklearn.datasets")
    (x, labels), (held_out, others) = digits(generator, test=100, dtype=dtype)
    assert x.shape == (64, 1697) and held_out.shape == (64, 100)
    assert x.dtype == held_out.dtype == dtype and labels.dtype == torch.int64
    assert float(x.min()) == 0 and float(x.max()) == 1
    found = torch.cat([torch.cat([x, held_out], 1).T * 16, torch.cat([labels, others])[:, None]], 1)
    pixels, shown = datasets.load_digits(return_X_y=True)
    want = [(*map(int, row), int(label)) for row, label in zip(pixels, shown, strict=True)]
    assert sorted(tuple(row) for row in found.long().tolist()) == sorted(want)


def test_the_seed_alone_decides_the_order():
    (a, la), _ = digits(torch.Generator().manual_seed(1))
    (b, lb), _ = digits(torch.Generator().manual_seed(1))
    (c, _), _ = digits(torch.Generator().manual_seed(2))
    assert torch.equal(a, b) and torch.equal(la, lb)
    assert not torch.equal(a, c)


def test_all_digits_are_held_out_about_equally_often(generator):
    _, (_, labels) = digits(generator)
    counts = torch.bincount(labels, minlength=10)
    assert counts.sum() == 597
    assert counts.min() > 35 and counts.max() < 85


@pytest.mark.bad_input
@pytest.mark.parametrize("test", [0, 1797])
def test_refuses_to_hold_out_all_or_nothing(generator, test):
    with pytest.raises(
        mc.errors.OutOfDomain, match=f"1 to 1796 of the 1797 images, got test = {test}"
    ):
        digits(generator, test=test)


@pytest.mark.bad_input
def test_refuses_integers(generator):
    with pytest.raises(mc.errors.DtypeMismatch, match=r"torch.int64 is not supported"):
        digits(generator, dtype=torch.int64)


@pytest.mark.bad_input
def test_says_what_to_install(generator, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(NotInstalled, match=r"pip install scikit-learn, or pip install mc_lib"):
        digits(generator)
