"""The table of methods says what was measured along their curves."""

import math

import pytest
import torch

import mc_lib as mc
from lab import methods
from lab.methods import MethodTable, measure_method, paste_as


def test_the_table_says_what_was_measured(problem):
    net, u, v = problem()
    found = measure_method("segment", [mc.Line(u, v), mc.Line(u, u)], net, net, gradients=7)
    t = [i / 60 for i in range(61)]
    losses = [float(net.loss(mc.Line(u, v)(s))) for s in t]
    ends = [(1 - s) * losses[0] + s * losses[-1] for s in t]
    want = max(a - b for a, b in zip(losses, ends, strict=True))
    assert found.train.tolist() == pytest.approx([want, 0.0], abs=1e-12)
    assert torch.equal(found.train, found.test)
    right = [float(net.accuracy(mc.Line(u, v)(s))) for s in t]
    assert found.train_accuracy.tolist() == pytest.approx([min(right), right[0]])
    assert torch.equal(found.test_accuracy, found.train_accuracy)
    table = MethodTable((found,))
    shown = f"{want / 2:.3f} ± {want / math.sqrt(2):.3f}"
    assert repr(table) == f"barrier, train / test\nsegment: {shown} / {shown}"
    page = table._repr_html_()
    assert f"<td>{shown}</td>" in page and "<td>7</td><td>nothing</td><td>yes</td>" in page
    low = [100 * x for x in found.train_accuracy.tolist()]
    spread = abs(low[0] - low[1]) / math.sqrt(2)
    assert f"<td>{sum(low) / 2:.1f} ± {spread:.1f} %</td>" in page
    assert page.count("<tr>") == 2 and page.count("<th>") == page.count("<td>") == 8


def test_held_out_data_are_measured_on_the_test_network(problem):
    net, u, v = problem()
    other = net.on(-net.X, net.Y)
    found = measure_method("x", [mc.Line(u, v)], net, other, explicit=False, needs="a & b")
    swapped = measure_method("x", [mc.Line(u, v)], other, net)
    assert torch.equal(found.test, swapped.train) and torch.equal(found.train, swapped.test)
    assert torch.equal(found.test_accuracy, swapped.train_accuracy)
    page = MethodTable((found,))._repr_html_()
    assert "<td>a &amp; b</td><td>no</td>" in page
    assert f"<td>{float(found.train):.3f}</td>" in page  # of one pair there is no spread


def test_what_is_pasted_bears_the_name_that_the_page_asks_for(monkeypatch):
    """Where myst-nb looks for it, and without the prefix that would hide it in the notebook."""
    seen = []
    monkeypatch.setattr(methods, "display", lambda *shown, metadata: seen.append((shown, metadata)))
    table = MethodTable(())
    paste_as("methods", table)
    assert seen == [((table,), {"scrapbook": {"name": "methods", "mime_prefix": ""}})]


@pytest.mark.bad_input
def test_no_curve_is_refused_with_the_name_of_the_method(problem):
    net, _, _ = problem()
    with pytest.raises(mc.errors.OutOfDomain, match="x: measure one curve"):
        measure_method("x", [], net, net)
