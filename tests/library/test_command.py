"""The command mc, run as its users run it, and in one process on input that it must refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import mc_lib as mc
from mc_lib.command.main import main

safetensors = pytest.importorskip("safetensors.torch")
ROOT = Path(mc.__file__).parents[1]
MODULE = """
import torch
from torch import nn

def net():
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    return model, x, nn.functional.mse_loss

def normed():
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)), torch.randn(4, 3)

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4, bias=False), nn.Linear(5, 4, bias=False)
        self.b.weight = self.a.weight
    def forward(self, x):
        return self.a(x) @ self.b.weight

def tied():
    return Tied().double(), torch.randn(4, 5, dtype=torch.float64)

def data():
    x = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return [(x[:20], x[:20, :2].sin()), (x[20:], x[20:, :2].sin())]

def nothing():
    return None

def wrong():
    return net()[0]

def single():
    return [torch.randn(4, 3)]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module, a checkpoint, one moved, and one of other weights."""
    name = f"models_{os.getpid()}_{abs(hash(str(tmp_path))) % 10**8}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    r = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    with torch.no_grad():
        for x in model.parameters():
            x.copy_(torch.randn(x.shape, generator=r, dtype=x.dtype))
    found = mc.find_symmetry(model, (torch.ones(4, 3, dtype=torch.float64),))
    u = found.chart.point(model)
    g = found.symmetry.group.sample(r)
    torch.save(model.state_dict(), "a.pt")
    state = found.chart.module(found.symmetry.act(g, u)).state_dict()
    safetensors.save_file(state, "b.safetensors")
    other = {k: torch.randn(x.shape, generator=r, dtype=x.dtype) for k, x in state.items()}
    safetensors.save_file(other, "c.safetensors")
    return name


def run(capsys, *arguments):
    status = main([*arguments, *(() if arguments[0].startswith("-") else ("--quiet",))])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_table_and_the_certificate(folder, capsys):
    status, out, _ = run(capsys, "symmetries", f"{folder}:net")
    assert status == 0 and "SignedPermutation" in out
    status, out, _ = run(capsys, "symmetries", f"{folder}:net", "--json")
    assert json.loads(out)["components"] == 2**6 * 720
    status, out, _ = run(capsys, "verify", f"{folder}:net", "--json")
    assert status == 0 and json.loads(out)["holds"]


def test_a_moved_copy_is_named_aligned_connected_and_merged(folder, capsys):
    model, a, b = f"{folder}:net", "a.pt", "b.safetensors"
    status, out, _ = run(capsys, "compare", model, a, b, "--data", f"{folder}:data", "--json")
    record = json.loads(out)
    assert status == 0 and record["kind"] == "copy" and record["aligned"] < 1e-12
    assert record["barrier"] > 0 and record["aligned_barrier"] == pytest.approx(0, abs=1e-12)

    assert run(capsys, "align", model, a, b, "-o", "b2.safetensors")[0] == 0
    there, here = safetensors.load_file("b2.safetensors"), torch.load("a.pt", weights_only=True)
    assert all(torch.allclose(there[k], here[k]) for k in here)
    record = json.loads(Path("b2.json").read_text())
    assert record["after"] == pytest.approx(0, abs=1e-20) and record["versions"]["torch"]
    assert len(safetensors.load_file("b2.g.safetensors")) == 2

    assert run(capsys, "connect", model, a, b, "-o", "path", "--points", "3")[0] == 0
    assert sorted(x.name for x in Path("path").iterdir()) == [
        *(f"point-{i}.safetensors" for i in range(3)),
        "record.json",
    ]
    status, out, _ = run(
        capsys, "merge", model, a, b, "-o", "m.safetensors", "--data", f"{folder}:data"
    )
    merged = safetensors.load_file("m.safetensors")
    assert status == 0 and all(torch.allclose(merged[k], here[k]) for k in here)


def test_strangers_are_joined_by_a_trained_curve_with_a_picture(folder, capsys):
    pytest.importorskip("matplotlib")
    arguments = ("connect", f"{folder}:net", "a.pt", "c.safetensors", "--data", f"{folder}:data")
    more = ("-o", "path", "--steps", "20", "--picture", "p.svg", "--json")
    status, out, _ = run(capsys, *arguments, *more)
    record = json.loads(out)
    assert status == 0 and not record["exact"] and len(record["losses"]) == 9
    assert "<svg" in Path("p.svg").read_text()


def test_tied_weights_stay_tied_and_are_untied_by_request(folder, capsys):
    model = f"{folder}:tied"
    state = {"a.weight": torch.randn(4, 5, dtype=torch.float64)}
    safetensors.save_file(state, "t.safetensors")
    dimension = [
        json.loads(run(capsys, "symmetries", model, "--json", *more)[1])["dimension"]
        for more in ((), ("--untie",))
    ]
    assert dimension == [6, 16]  # O(4) where W meets itself, GL(4) between two weights
    assert (
        run(capsys, "align", model, "t.safetensors", "t.safetensors", "-o", "u.safetensors")[0] == 0
    )
    assert list(safetensors.load_file("u.safetensors")) == ["a.weight"]


BAD = {
    "no module": (("symmetries", "nowhere:net"), "no module 'nowhere'"),
    "no colon": (("symmetries", "nowhere"), "package.module:name"),
    "no function": (("symmetries", "{m}:absent"), "absent"),
    "model alone": (("symmetries", "{m}:wrong"), "must return (model, example inputs)"),
    "no file": (("compare", "{m}:net", "a.pt", "z.pt"), "there is no checkpoint 'z.pt'"),
    "a pickle": (("compare", "{m}:net", "a.pt", "code.pt"), "could run code"),
    "not safetensors": (("compare", "{m}:net", "a.pt", "bad.safetensors"), "no safetensors file"),
    "other shapes": (("compare", "{m}:net", "a.pt", "wide.pt"), "another architecture"),
    "missing keys": (("compare", "{m}:net", "a.pt", "less.pt"), "lacks '2.bias'"),
    "additional keys": (("compare", "{m}:net", "a.pt", "more.pt"), "has more: 'extra'"),
    "NaN": (("compare", "{m}:net", "a.pt", "nan.pt"), "'0.weight' holds NaN"),
    "half precision": (("compare", "{m}:net", "a.pt", "half.pt"), "--float"),
    "a list": (("compare", "{m}:net", "a.pt", "list.pt"), "not tensors by name"),
    "empty loader": (("compare", "{m}:net", "a.pt", "a.pt", "--data", "{m}:nothing"), "pairs"),
    "no pairs": (("compare", "{m}:net", "a.pt", "a.pt", "--data", "{m}:single"), "pairs"),
    "over an input": (
        ("align", "{m}:net", "a.pt", "b.safetensors", "-o", "b.safetensors"),
        "input",
    ),
    "over a file": (
        ("align", "{m}:net", "a.pt", "b.safetensors", "-o", "c.safetensors"),
        "--force",
    ),
    "no folder": (("merge", "{m}:net", "a.pt", "a.pt", "-o", "x/y.safetensors"), "no folder"),
    "no data": (("connect", "{m}:net", "a.pt", "c.safetensors", "-o", "path"), "needs data"),
    "one checkpoint": (("merge", "{m}:net", "a.pt", "-o", "y.safetensors"), "two models"),
    "batch norm": (("merge", "{m}:normed", "n.pt", "n.pt", "-o", "y.safetensors"), "batch norms"),
    "picture": (
        ("connect", "{m}:net", "a.pt", "b.safetensors", "-o", "path", "--picture", "p.gif"),
        ".png or .svg",
    ),
}


@pytest.mark.parametrize("label", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(folder, capsys, label):
    state = torch.load("a.pt", weights_only=True)
    torch.save({**state, "0.weight": torch.zeros(7, 3, dtype=torch.float64)}, "wide.pt")
    torch.save({k: x for k, x in state.items() if k != "2.bias"}, "less.pt")
    torch.save({**state, "extra": torch.zeros(1)}, "more.pt")
    torch.save({**state, "0.weight": state["0.weight"] * torch.nan}, "nan.pt")
    torch.save({k: x.half() for k, x in state.items()}, "half.pt")
    torch.save([1, 2], "list.pt")
    torch.save(nn.Linear(1, 1), "code.pt")
    torch.save(
        nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)).state_dict(), "n.pt"
    )
    Path("bad.safetensors").write_bytes(b"nothing of the kind")
    before = {x.name: x.stat().st_mtime_ns for x in Path().iterdir() if x.is_file()}
    arguments, said = BAD[label]
    status, out, err = run(capsys, *(x.format(m=folder) for x in arguments))
    assert status == 2 and out == "", (status, out)
    assert said in err and err.count("\n") == 1 and err.startswith("mc: error: "), err
    assert {x.name: x.stat().st_mtime_ns for x in Path().iterdir() if x.is_file()} == before


def test_it_runs_as_a_command_with_help_and_progress(folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = [sys.executable, "-m", "mc_lib.command.main"]
    options = {"capture_output": True, "text": True, "check": False, "env": environment}
    shown = subprocess.run([*start, "--help"], **options)
    assert shown.returncode == 0
    for word in ("symmetries", "verify", "compare", "align", "connect", "merge", "MODEL is"):
        assert word in shown.stdout
    done = subprocess.run([*start, "compare", f"{folder}:net", "a.pt", "b.safetensors"], **options)
    assert done.returncode == 0 and "copy" in done.stdout
    assert "finding the symmetries" in done.stderr
    assert subprocess.run([*start, "paint"], **options).returncode == 2
