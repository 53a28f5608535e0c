"""The words of the command line."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import mc_lib

EXAMPLES = """\
MODEL is package.module:function, which returns (model, example inputs) or (model, example
inputs, criterion), or a folder with the config.json of a language model of transformers.
A and B are checkpoints of it: safetensors, or what torch.save writes of model.state_dict().

  mc symmetries my_models:small_gpt
  mc compare    my_models:small_gpt a.safetensors b.safetensors --data my_models:held_out
  mc align      my_models:small_gpt a.safetensors b.pt -o b-aligned.safetensors
  mc connect    my_models:small_gpt a.pt b.pt --data my_models:training -o path
  mc merge      my_models:small_gpt a.pt b.pt c.pt -o mean.safetensors
"""


def parser(run: Mapping[str, Callable[[argparse.Namespace], Any]]) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="mc",
        description="Symmetries of neural networks: find them, and use them to compare, align, "
        "connect and merge checkpoints.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"mc_lib {mc_lib.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, words: str, checkpoints: str = "") -> argparse.ArgumentParser:
        return _command(commands, name, run[name], words, checkpoints)

    pairs = "package.module:function, which returns pairs (inputs, targets)"
    add("symmetries", "print each layer of symmetry, what is fixed, and why")
    add("verify", "act with every symmetry and compare the outputs, beside a control")
    one = add("compare", "say what two checkpoints are to one another", "two")
    _data(one, pairs)
    one.add_argument("--limit", type=float, default=0.05, help="barrier for averaging (0.05)")
    one = add("align", "move B near A by a symmetry; its function stays", "two")
    _data(one, pairs + "; for activations and loss")
    one.add_argument("--by", choices=("weights", "activations", "loss"), default="weights")
    one.add_argument("--steps", type=int, default=250, help="for loss: of Adam (250)")
    _output(one, "the moved checkpoint, safetensors")
    one = add("connect", "find a path of low loss from A to B", "two")
    _data(one, pairs + "; not needed where B is A moved")
    one.add_argument("--steps", type=int, default=400, help="of Adam (400)")
    one.add_argument("--points", type=int, default=5, help="checkpoints on the path (5)")
    one.add_argument("--picture", metavar="FILE", help="the losses as PNG or SVG (matplotlib)")
    _output(one, "a new folder, with a checkpoint for each point")
    one = add("merge", "average checkpoints after alignment to the first", "more")
    _data(one, pairs + "; needed where there are batch norms")
    one.add_argument("--by", choices=("weights", "activations"), default="weights")
    _output(one, "the merged checkpoint, safetensors")
    return whole


def _command(
    commands: Any, name: str, run: Any, words: str, checkpoints: str
) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=words,
        description=words[0].upper() + words[1:] + ".",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.set_defaults(run=run, checkpoints=[], by="weights", data=None, held_out=None, steps=0)
    one.add_argument("model", metavar="MODEL", help="the architecture, see below")
    if checkpoints == "two":
        one.add_argument("checkpoints", metavar=("A", "B"), nargs=2, help="two checkpoints of it")
    elif checkpoints:
        one.add_argument("checkpoints", metavar="A", nargs="+", help="two or more of them")
    one.add_argument("--untie", action="store_true", help="give tied weights tensors of their own")
    one.add_argument("--float", action="store_true", help="read half precision as float32")
    one.add_argument("--double", action="store_true", help="compute in float64")
    one.add_argument("--seed", type=int, default=0, help="of all that is random (0)")
    one.add_argument("--json", action="store_true", help="print the record, not words")
    one.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return one


def _data(one: argparse.ArgumentParser, words: str) -> None:
    one.add_argument("--data", metavar="FUNCTION", help=words)
    one.add_argument("--held-out", metavar="FUNCTION", help="other pairs, for the losses")


def _output(one: argparse.ArgumentParser, words: str) -> None:
    one.add_argument("-o", "--output", metavar="PATH", required=True, help=words)
    one.add_argument("--force", action="store_true", help="replace what is there")
