"""What several files of this folder start from."""

import json
import re

import plotly.graph_objects as go
import pytest
import torch

import mc_lib as mc


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def random_classifiers(widths=(4, 4), seed=0, dtype=torch.float64, k=12):
    x = torch.randn(3, k, generator=seeded(seed), dtype=dtype)
    net = mc.Classifier.of_labels(x, torch.arange(k) % 3, 3, widths)
    w = net.random(seeded(seed + 1), (2,))
    # biases too, or their part in the constructions would not be seen
    w = tuple(a + 0.3 * torch.randn(a.shape, generator=seeded(seed + 2), dtype=dtype) for a in w)
    return net, tuple(a[0] for a in w), tuple(a[1] for a in w)


@pytest.fixture(scope="module")
def problem():
    """Call it for a classifier on random data, and two random weights of it."""
    return random_classifiers


def page_of(figure):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MC_LIB_RECORDS", "somewhere")
        return figure._repr_html_()


@pytest.fixture(scope="module")
def html():
    """Call it for what an interactive figure puts on a page of the book."""
    return page_of


@pytest.fixture(scope="module")
def spec():
    """Call it for the data in that HTML, as the page's script reads it."""

    def read(figure):
        pattern = r'<script type="application/json">(.*?)</script>'
        (text,) = re.findall(pattern, page_of(figure), re.S)
        return json.loads(text)

    return read


@pytest.fixture(scope="module")
def require_valid(spec):
    """Call it to have plotly refuse an unknown property at any place of a figure's slider."""

    def build(figure):
        data = spec(figure)
        for frame in data["frames"]:
            go.Figure(data=data["fixed"] + frame["traces"], layout=data["layout"])

    return build
