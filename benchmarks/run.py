"""mc_lib against scipy and geomstats: the same inputs, one run, ratios.

    make bench

An absolute time says little about a library; a ratio on the same machine in the same run
says more. Before anything is timed, the results are compared. Each time is the median of
several repeats after a warm-up, with as many threads as the machine has cores.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["GEOMSTATS_BACKEND"] = "numpy"

import geomstats
import numpy as np
import scipy.linalg
import torch
from geomstats.geometry.general_linear import GeneralLinear as GeomstatsGL

import mc_lib as mc

REPEATS = 5
OUT = Path(__file__).resolve().parents[1] / "_build" / "benchmarks.json"


def median_seconds(run: Callable[[], Any]) -> float:
    """Return the median time of a call, after one call to warm up."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def row(
    what: str, other: str, ours: float, theirs: float, error: float, target: float | None
) -> dict[str, Any]:
    """Return one line of the table; the ratio is how many times longer the other takes."""
    ratio = theirs / ours
    return {
        "what": what,
        "against": other,
        "ours_s": ours,
        "theirs_s": theirs,
        "ratio": ratio,
        "target": target,
        "met": None if target is None else ratio >= target,
        "relative_error": error,
    }


def relative(a: np.ndarray | torch.Tensor, b: np.ndarray | torch.Tensor) -> float:
    """Return ‖a − b‖ / ‖b‖."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def agree(what: str, error: float, at_most: float) -> float:
    """Stop the benchmark when two results differ; times of different things mean nothing."""
    if not error <= at_most:
        sys.exit(f"error: {what}: the results differ by {error:.3g}, more than {at_most:.3g}")
    return error


def paths() -> list[dict[str, Any]]:
    """A path from I to g for 64 random matrices of GL_64⁺: polar factors against logarithms.

    The logarithm of such a matrix is complex for all but a few, so that the other
    libraries do not give a path of real matrices at all; what agrees is the end point.
    """
    generator = torch.Generator().manual_seed(0)
    group = mc.GeneralLinear(64)
    g = torch.randn(64, 64, 64, generator=generator, dtype=torch.float64)
    g[:, 0] *= torch.linalg.det(g).sign().unsqueeze(-1)
    half = torch.tensor([0.5], dtype=torch.float64)

    def ours() -> torch.Tensor:
        return group.path(g)(half)

    def with_scipy() -> list[np.ndarray]:
        return [scipy.linalg.logm(a) for a in g.numpy()]

    geometry = GeomstatsGL(64)

    def with_geomstats() -> np.ndarray:
        return geometry.log(g.numpy())

    end = group.path(g)(torch.ones(1, dtype=torch.float64))[0]
    error = agree("path(g)(1) and g", relative(end, g), 1e-12)
    logs = np.stack([scipy.linalg.expm(a) for a in with_scipy()])
    agree("expm(logm(g)) and g", relative(logs, g), 1e-8)
    mine = median_seconds(ours)
    what = "path in GL_64⁺, 64 matrices"
    return [
        row(what, "scipy.linalg.logm", mine, median_seconds(with_scipy), error, 15.0),
        row(what, "geomstats log", mine, median_seconds(with_geomstats), error, None),
    ]


def orbits() -> list[dict[str, Any]]:
    """101 points of an orbit curve at width 256: against expm, and against the products alone."""
    h, generator = 256, torch.Generator().manual_seed(0)
    symmetry = mc.Symmetry.chain([mc.Layer(mc.GeneralLinear(h))])
    m, u, v = torch.randn(3, h, h, generator=generator, dtype=torch.float64)
    m = m / h**0.5
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    curve = mc.OrbitCurve(symmetry, (m,), (u, v))

    def ours() -> tuple[torch.Tensor, ...]:
        return curve(t)

    def with_scipy() -> tuple[np.ndarray, np.ndarray]:
        a, x, y = m.numpy(), u.numpy(), v.numpy()
        pairs = [(scipy.linalg.expm(s * a) @ x, y @ scipy.linalg.expm(-s * a)) for s in t.numpy()]
        return tuple(np.stack(part) for part in zip(*pairs, strict=True))

    geometry = GeomstatsGL(h)

    def with_geomstats() -> tuple[np.ndarray, np.ndarray]:
        steps = t.numpy()[:, None, None] * m.numpy()
        return geometry.exp(steps) @ u.numpy(), v.numpy() @ geometry.exp(-steps)

    factors = torch.randn(2, 101, h, h, generator=generator, dtype=torch.float64)

    def products_alone() -> tuple[torch.Tensor, torch.Tensor]:
        return factors[0] @ u, v @ factors[1]

    error = max(relative(a, b) for a, b in zip(ours(), with_scipy(), strict=True))
    agree("orbit curve and expm", error, 1e-11)
    agree("geomstats and expm", relative(with_geomstats()[0], with_scipy()[0]), 1e-11)
    mine = median_seconds(ours)
    what = "orbit curve, h = 256, 101 points"
    return [
        row(what, "scipy.linalg.expm", mine, median_seconds(with_scipy), error, 20.0),
        row(what, "geomstats exp", mine, median_seconds(with_geomstats), error, None),
        row(what, "the products alone", mine, median_seconds(products_alone), error, 0.25),
    ]


def losses() -> list[dict[str, Any]]:
    """The loss at 1001 points of a segment: one batched call against a loop."""
    generator = torch.Generator().manual_seed(0)
    net = mc.DeepLinear.square(4, 64, generator)
    ends = mc.minima.sample(net, generator), mc.minima.sample(net, generator)
    curve = mc.Line(*ends)
    t = torch.linspace(0, 1, 1001, dtype=torch.float64)

    def ours() -> torch.Tensor:
        return mc.loss_along(curve, net.loss, t)

    def loop() -> torch.Tensor:
        return torch.stack([net.loss(curve(s)) for s in t])

    error = agree("batched and looped losses", relative(ours()[1:-1], loop()[1:-1]), 1e-10)
    what = "loss along a segment, 4 × 64 × 64, 1001 points"
    return [row(what, "a loop", median_seconds(ours), median_seconds(loop), error, None)]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    lines = [f"{'what':48} {'against':20} {'ours':>9} {'theirs':>9} {'ratio':>7} {'target':>7}"]
    for r in rows:
        target = "" if r["target"] is None else f"{r['target']:7.2f}"
        verdict = {None: "", True: "met", False: "MISSED"}[r["met"]]
        lines.append(
            f"{r['what']:48} {r['against']:20} {r['ours_s'] * 1e3:7.1f}ms "
            f"{r['theirs_s'] * 1e3:7.1f}ms {r['ratio']:7.2f} {target:>7} {verdict}"
        )
    return "\n".join(lines)


def main() -> int:
    """Run everything, print the table, write the JSON; fail when a target is missed."""
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    rows = [*paths(), *orbits(), *losses()]
    versions = {m.__name__: m.__version__ for m in (torch, np, scipy, geomstats)}
    OUT.parent.mkdir(exist_ok=True)
    report = {"cores": cores, "repeats": REPEATS, "versions": versions, "rows": rows}
    OUT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(rows))
    return 1 if any(r["met"] is False for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
