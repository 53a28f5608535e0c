"""What the command reads and writes: architectures, checkpoints, data, records."""

import importlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mc_lib.errors import McLibError, NotFinite, ShapeMismatch

HALF = (torch.float16, torch.bfloat16)


class Refused(McLibError):
    """What was asked for cannot be read or written; the message is one line."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """A model with example inputs.

    Args:
        model: what is exported.
        holder: what checkpoints are loaded into: the model, or what it wraps.
        args: the example inputs.
        criterion: of outputs and targets, or None.
    """

    model: nn.Module
    holder: nn.Module
    args: tuple[Any, ...]
    criterion: Callable[[Any, Any], Tensor] | None


def named_object(where: str, what: str) -> Any:
    """Return the object `package.module:name`; the current folder is searched too."""
    module, _, name = where.partition(":")
    if not name:
        raise Refused(f"{what} is package.module:name, got {where!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise Refused(f"{what} {where!r}: there is no module {error.name!r}") from error
    except AttributeError as error:
        raise Refused(f"{what} {where!r}: {error}") from error


def architecture(where: str) -> Architecture:
    """Return the model of `package.module:function`, or of a folder with a config.json."""
    if (Path(where) / "config.json").is_file():
        return _transformer(Path(where))
    made = named_object(where, "MODEL")
    made = made() if callable(made) else made
    if not isinstance(made, tuple) or not 2 <= len(made) <= 3 or not isinstance(made[0], nn.Module):
        raise Refused(
            f"MODEL {where!r} must return (model, example inputs) or (model, example inputs, "
            f"criterion), got {_kind(made)}"
        )
    args = made[1] if isinstance(made[1], tuple) else (made[1],)
    return Architecture(made[0], made[0], args, made[2] if len(made) > 2 else None)


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.model(ids, use_cache=False).logits
        return found


def _transformer(folder: Path) -> Architecture:
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise Refused(f"{folder}/config.json needs the package transformers") from error
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = (getattr(config, "architectures", None) or [""])[0]
    if not hasattr(transformers, kind):
        raise Refused(f"{folder}/config.json names no architecture of transformers: {kind!r}")
    model = getattr(transformers, kind)(config).float()
    ids = torch.arange(32).reshape(2, 16) % config.vocab_size

    def next_token(logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())

    return Architecture(_Logits(model), model, (ids,), next_token)


# -- checkpoints ------------------------------------------------------------------------
def tensors_of(path: str) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint: safetensors, or a file of weights only of torch."""
    file = Path(path)
    if not file.is_file():
        raise Refused(f"there is no checkpoint {path!r}")
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except SafetensorError as error:
            raise Refused(f"{path} is no safetensors file: {error}") from error
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        said = str(error).strip().splitlines()
        raise Refused(
            f"{path} is no file of weights only, and nothing else is loaded, as it could run code: "
            f"save model.state_dict() ({(said or [type(error).__name__])[0][:120]})"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(x, Tensor) for x in found.values()):
        raise Refused(f"{path} holds {_kind(found)}, not tensors by name: save model.state_dict()")
    return dict(found)


def load(into: nn.Module, path: str, *, cast: bool) -> None:
    """Put a checkpoint into a module, after checking that it fits.

    Raises:
        Refused: it cannot be read, or holds half precision without `cast`.
        ShapeMismatch: keys are missing, additional, or of other shapes.
        NotFinite: naming the tensor.
    """
    found, own = tensors_of(path), into.state_dict(keep_vars=True)
    storage = {key: x.data_ptr() for key, x in own.items()}
    given = {storage[key] for key in found if key in own}
    missing = [k for k in own if k not in found and storage[k] not in given]
    more = [k for k in found if k not in own]
    if missing or more:
        parts = [
            f"{word} {_few(keys)}"
            for word, keys in (("lacks", missing), ("has more:", more))
            if keys
        ]
        raise ShapeMismatch(f"{path} is of another architecture: it {' and '.join(parts)}")
    for key, x in found.items():
        if x.shape != own[key].shape:
            raise ShapeMismatch(
                f"{path} is of another architecture: {key!r} has shape {tuple(x.shape)}, the model "
                f"{tuple(own[key].shape)}"
            )
        if x.dtype in HALF and not cast:
            raise Refused(f"{path} holds {x.dtype}, {key!r} among it: --float computes in float32")
        if x.is_floating_point() and not bool(torch.isfinite(x).all()):
            raise NotFinite(f"{path}: {key!r} holds NaN or infinity")
    into.load_state_dict(found, strict=False)


def data_of(where: str, what: str) -> list[tuple[Any, Any]]:
    """Return the pairs of inputs and targets that a function returns."""
    made = named_object(where, what)
    made = made() if callable(made) else made
    if made is None or isinstance(made, str | bytes | Tensor):
        raise Refused(f"{what} {where!r} must return pairs (inputs, targets), got {_kind(made)}")
    try:
        pairs = list(made)
    except TypeError as error:
        raise Refused(f"{what} {where!r} must return pairs, got {_kind(made)}") from error
    if not pairs or any(not isinstance(x, tuple | list) or len(x) != 2 for x in pairs):
        got = "none" if not pairs else _kind(pairs[0])
        raise Refused(f"{what} {where!r} must return pairs (inputs, targets), got {got}")
    return [(x, y) for x, y in pairs]


# -- output ---------------------------------------------------------------------------------
def require_free(paths: Sequence[Path], inputs: Sequence[str], *, force: bool) -> None:
    """Refuse to write over an input, or over anything without `force`."""
    for path in paths:
        if any(path.resolve() == Path(x).resolve() for x in inputs):
            raise Refused(f"{path} is an input, and stays as it is: choose another output")
        if path.exists() and not force:
            raise Refused(f"{path} exists: --force replaces it")
        if not path.parent.is_dir():
            raise Refused(f"there is no folder {path.parent} to write to")


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, whole or not at all; of tied ones the first name only."""
    from safetensors.torch import save_file

    seen: set[int] = set()
    kept = {}
    for key, x in tensors.items():
        if x.numel() and x.data_ptr() in seen:
            continue
        seen.add(x.data_ptr())
        kept[key] = x.detach().contiguous()
    part = path.with_name(path.name + ".part")
    try:
        save_file(kept, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def save_record(record: Mapping[str, Any], path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)


def picture_of(file: str | None, folder: Path, inputs: Sequence[str]) -> Any:
    """Return a function that draws the losses of a path; refused before any work is done."""
    if file is None:
        return None
    target = Path(file)
    if target.suffix not in (".png", ".svg"):
        raise Refused(f"a picture is a .png or .svg, got {file!r}")
    require_free([target], inputs, force=False)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Refused("a picture needs the package matplotlib") from error

    def draw(path: Any) -> None:
        if not path.losses:
            raise Refused("a picture of losses needs --data and a criterion")
        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(path.t, path.losses, "o-", label="path")
        axes.plot((0, 1), (path.losses[0], path.losses[-1]), "--", label="between the ends")
        axes.set(xlabel="time along the path", ylabel="loss")
        axes.legend()
        figure.savefig(target)

    return draw


def _kind(x: Any) -> str:
    return f"a {type(x).__name__}"


def _few(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(map(repr, keys[:3])) + more
