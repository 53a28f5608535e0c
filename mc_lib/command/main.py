"""The command line: mc symmetries | verify | compare | align | connect | merge."""

import argparse
import copy
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import mc_lib
from mc_lib.command.files import (
    Architecture,
    architecture,
    data_of,
    load,
    picture_of,
    require_free,
    save_record,
    save_tensors,
)
from mc_lib.command.parser import parser
from mc_lib.errors import McLibError
from mc_lib.modules import (
    align_models,
    compare_models,
    connect_models,
    find_symmetry,
    merge,
    untied,
    verify,
)
from mc_lib.modules.aligning import change_of_outputs
from mc_lib.modules.connecting import ModelPath
from mc_lib.modules.found import FoundSymmetry
from mc_lib.modules.nodes import cast


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where it succeeds, 1 where a check fails, 2 where input is refused."""
    options = parser(RUN).parse_args(arguments)
    warnings.simplefilter("ignore")  # torch on its own vmap and export
    try:
        record, words, status = options.run(options)
    except (McLibError, TypeError, OSError) as error:
        said = " ".join(str(error).split())
        print(f"mc: error: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mc: interrupted, nothing was written", file=sys.stderr)
        return 130
    print(json.dumps(record, indent=1, allow_nan=False) if options.json else words)
    return int(status)


# -- the commands ---------------------------------------------------------------------------
Done = tuple[dict[str, Any], str, int]


def _symmetries(options: argparse.Namespace) -> Done:
    found = _found(options, architecture(options.model))
    layers = {
        name: {"group": str(layer.group), "over": list(layer.over)}
        for name, layer in found.symmetry.layers.items()
    }
    record = _record(options) | {
        "layers": layers,
        "dimension": found.dimension,
        "components": found.components,
        "fixed": [vars(x) for x in found.fixed],
        "without a rule": list(found.unknown),
    }
    return record, str(found), 0


def _verify(options: argparse.Namespace) -> Done:
    made = architecture(options.model)
    found = _found(options, made)
    generator = torch.Generator().manual_seed(options.seed)
    checked = verify(found, found.chart.model, made.args, generator=generator)
    record = _record(options) | {
        "holds": checked.holds,
        "worst": checked.worst,
        "control": checked.control,
        "own": checked.own,
        "rounding": checked.rounding,
        "inert": list(checked.inert),
    }
    words = (
        f"{'holds' if checked.holds else 'FAILS'}: the outputs change by {checked.worst:.1e} in "
        f"float64, by {checked.control:.1e} or more under a control; {checked.own:.1e} in the "
        f"model's dtype, whose rounding is {checked.rounding:.1e}"
    )
    return record, words, 0 if checked.holds else 1


def _compare(options: argparse.Namespace) -> Done:
    made, found, (u, v) = _loaded(options)
    relation = compare_models(
        found,
        u,
        v,
        data=_data(options.held_out or options.data, "--data"),
        criterion=made.criterion,
        barrier_limit=options.limit,
    )
    record = _record(options) | vars(relation)
    return record | {"kind": relation.kind, "verdict": relation.verdict}, str(relation), 0


def _align(options: argparse.Namespace) -> Done:
    target = Path(options.output)
    side, moves = _beside(target, ".json"), _beside(target, ".g.safetensors")
    require_free([target, side, moves], options.checkpoints, force=options.force)
    made, found, (u, v) = _loaded(options)
    _say(options, f"aligning by {options.by}")
    result = align_models(
        found,
        u,
        v,
        by=options.by,
        data=_data(options.data, "--data"),
        criterion=made.criterion,
        steps=options.steps,
        generator=torch.Generator().manual_seed(options.seed),
    )
    record = _record(options) | {
        "by": options.by,
        "before": result.before,
        "after": result.after,
        "change of outputs": change_of_outputs(found, result.moved, found.chart.point(v)),
    }
    save_tensors(_state(made, found.chart.module(result.moved)), target)
    save_tensors(dict(zip(found.symmetry.layers, result.g, strict=True)), moves)
    save_record(record, side)
    what = "loss half-way" if options.by == "loss" else "squared distance"
    return record, f"{what} {result.before:.6g} → {result.after:.6g}; wrote {target}", 0


def _connect(options: argparse.Namespace) -> Done:
    folder = Path(options.output)
    require_free([folder], options.checkpoints, force=False)
    draw = picture_of(options.picture, folder, options.checkpoints)
    made, found, (u, v) = _loaded(options)
    _say(options, "connecting")
    path = connect_models(
        found,
        u,
        v,
        data=_data(options.data, "--data"),
        criterion=made.criterion,
        held_out=_data(options.held_out, "--held-out"),
        steps=options.steps,
        generator=torch.Generator().manual_seed(options.seed),
    )
    record = _record(options) | {
        "exact": path.exact,
        "t": list(path.t),
        "losses": list(path.losses),
        "barrier": path.barrier if path.losses else None,
    }
    _write_path(options, made, found, path, record)
    if draw is not None:
        draw(path)
    kind = "along the orbit, the same function throughout" if path.exact else "trained"
    words = f"a path {kind}; wrote {options.points} points to {folder}"
    if path.losses:
        ends = f"{path.losses[0]:.4g} and {path.losses[-1]:.4g}"
        words = f"barrier {path.barrier:.4g}, losses of the ends {ends}; {words}"
    return record, words, 0


def _write_path(
    options: argparse.Namespace,
    made: Architecture,
    found: FoundSymmetry,
    path: ModelPath,
    record: dict[str, Any],
) -> None:
    """Write the folder of a path, whole or not at all."""
    folder = Path(options.output)
    part = folder.with_name(folder.name + ".part")
    part.mkdir()
    try:
        for i in range(options.points):
            t = i / max(options.points - 1, 1)
            with torch.no_grad():
                state = _state(made, found.chart.module(path.curve(t)))
            save_tensors(state, part / f"point-{i}.safetensors")
        save_record(record, part / "record.json")
        part.replace(folder)
    finally:
        for file in part.glob("*") if part.is_dir() else ():
            file.unlink()
        if part.is_dir():
            part.rmdir()


def _merge(options: argparse.Namespace) -> Done:
    target = Path(options.output)
    side = _beside(target, ".json")
    require_free([target, side], options.checkpoints, force=options.force)
    made, found, models = _loaded(options)
    _say(options, f"merging {len(models)} models, aligned by {options.by}")
    result = merge(
        found,
        models,
        by=options.by,
        data=_data(options.data, "--data"),
        criterion=made.criterion,
        held_out=_data(options.held_out, "--held-out"),
    )
    record = _record(options) | {
        "ends": list(result.ends),
        "loss": result.loss,
        "ensemble": result.ensemble,
    }
    save_tensors(_state(made, result.module), target)
    save_record(record, side)
    return record, f"{result}; wrote {target}", 0


RUN: dict[str, Callable[[argparse.Namespace], Done]] = {
    "symmetries": _symmetries,
    "verify": _verify,
    "compare": _compare,
    "align": _align,
    "connect": _connect,
    "merge": _merge,
}


# -- parts ------------------------------------------------------------------------------------
def _copy(options: argparse.Namespace, made: Architecture) -> nn.Module:
    """Return a copy of the model as it is now, untied and in float64 where that is asked for."""
    model = untied(made.model) if options.untie else copy.deepcopy(made.model)
    return (model.double() if options.double else model).eval()


def _found(
    options: argparse.Namespace, made: Architecture, model: nn.Module | None = None
) -> FoundSymmetry:
    """Return the symmetry of a copy of the model, or of one that has been made."""
    _say(options, "finding the symmetries")
    args = tuple(cast(x, torch.float64) for x in made.args) if options.double else made.args
    return find_symmetry(_copy(options, made) if model is None else model, args)


def _loaded(options: argparse.Namespace) -> tuple[Architecture, FoundSymmetry, list[nn.Module]]:
    """Return the architecture, its symmetry, and the models of all checkpoints."""
    made = architecture(options.model)
    models = []
    for path in options.checkpoints:
        _say(options, f"reading {path}")
        load(made.holder, path, cast=options.float)
        models.append(_copy(options, made))
    return made, _found(options, made, models[0]), models


def _state(made: Architecture, module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of a module by the names that its checkpoints have."""
    holder = module if made.holder is made.model else getattr(module, "model", module)
    return dict(holder.state_dict())


def _data(where: str | None, what: str) -> Any:
    return None if where is None else data_of(where, what)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name.removesuffix(".safetensors") + suffix)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "model": options.model,
        "checkpoints": list(options.checkpoints),
        "seed": options.seed,
        "versions": {
            "mc_lib": mc_lib.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def _say(options: argparse.Namespace, words: str) -> None:
    if not options.quiet:
        print(f"mc: {time.strftime('%H:%M:%S')} {words} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
