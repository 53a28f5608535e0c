"""Make the docstrings of mc_lib readable for Sphinx: mathematics in plain text, named errors.

The docstrings are written for people who read the source. Their |x| and W* would be markup
to Sphinx, so both are escaped outside code; and `act` or OutOfDomain, without the module,
are found wherever in mc_lib they live. Names of other packages lead to their documentation. A name
that is neither ours nor known here is an error of the build.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

PYTHON, TORCH = "https://docs.python.org/3/library", "https://docs.pytorch.org/docs/stable"
ELSEWHERE = {
    **{name: f"{PYTHON}/functions.html#{name}" for name in ("bool", "float", "int")},
    **{name: f"{PYTHON}/stdtypes.html#{name}" for name in ("dict", "list", "str", "tuple")},
    **{name: f"{PYTHON}/exceptions.html#{name}" for name in ("TypeError", "ValueError")},
    **{
        f"collections.abc.{name}": f"{PYTHON}/collections.abc.html#collections.abc.{name}"
        for name in ("Callable", "Iterator", "Mapping", "Sequence")
    },
    **{
        f"typing.{name}": f"{PYTHON}/typing.html#typing.{name}"
        for name in ("Any", "ClassVar", "TypeAlias")
    },
    "None": f"{PYTHON}/constants.html#None",
    "torch.Tensor": f"{TORCH}/tensors.html#torch.Tensor",
    "torch._C.Generator": f"{TORCH}/generated/torch.Generator.html#torch.Generator",
    "torch.dtype": f"{TORCH}/tensor_attributes.html#torch.dtype",
    "torch.device": f"{TORCH}/tensor_attributes.html#torch.device",
    "torch.nn.modules.module.Module": f"{TORCH}/generated/torch.nn.Module.html#torch.nn.Module",
    **{
        f"jaxtyping.{name}": "https://docs.kidger.site/jaxtyping/api/array/"
        for name in ("Bool", "Float", "Int")
    },
}
CODE = re.compile(r"``.*?``|`[^`]*`")


def escape(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape what Sphinx would take for markup; leave examples and code as they are."""
    example = False
    for i, text in enumerate(lines):
        example = text.lstrip().startswith(">>>") or (example and text.strip() != "")
        if not example:
            parts, codes = CODE.split(text), CODE.findall(text)
            safe = [re.sub(r"([|*])", r"\\\1", part) for part in parts]
            joints = ["\\ " if part[:1].isalnum() else "" for part in safe[1:]]
            shown = [code(text) + joint for text, joint in zip(codes, joints, strict=True)]
            lines[i] = "".join(a + b for a, b in zip(safe, [*shown, ""], strict=True))


def code(text: str) -> str:
    """Return `x` in single backquotes as ``x``: code, not a reference."""
    return text if text.startswith("``") else f"`{text}`"


def resolve(app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
    """Find a name without its module in mc_lib, or in the documentation of another package."""
    if node.get("refdomain") != "py":
        return None
    domain = env.domains["py"]
    target = node["reftarget"].rpartition(".")[2]
    homes = [name for name in domain.objects if name.rpartition(".")[2] == target]
    if homes:
        found = domain.objects[min(homes, key=len)]
        return make_refnode(
            app.builder, node["refdoc"], found.docname, found.node_id, contnode, target
        )
    address = ELSEWHERE.get(node["reftarget"])
    if address:
        return nodes.reference("", "", contnode, refuri=address, internal=False)
    # the words before a colon of "Returns:" come as classes too
    ours = node["reftype"] != "class" or "." in node["reftarget"]
    return None if ours and not is_inside(node["reftarget"]) else contnode


def is_inside(name: str) -> bool:
    """Return whether mc_lib has this class, which it names but lets nobody make: no entry."""
    module, _, last = name.rpartition(".")
    return (
        module.startswith("mc_lib.")
        and bool(find_spec(module))
        and hasattr(import_module(module), last)
    )


class Summary(Directive):
    """A table of what modules offer, a line each, before all of it is described."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        lines = [".. list-table::", "   :widths: 30 70", ""]
        for module in self.arguments[0].split():
            for name, thing in sorted(offered(module).items()):
                said = [thing.__doc__.strip().splitlines()[0]]
                escape(None, "", "", None, None, said)
                lines += [f"   * - :py:obj:`{name} <{module}.{name}>`", f"     - {said[0]}"]
        table = nodes.container()
        self.state.nested_parse(StringList(lines, "summary"), self.content_offset, table)
        return table.children


def offered(module: str) -> dict[str, Any]:
    """Return what a page of the reference describes of a module: public, ours and described."""
    found = import_module(module)
    package = hasattr(found, "__path__")
    return {
        name: thing
        for name, thing in vars(found).items()
        if callable(thing) and not name.startswith("_") and thing.__doc__
        if str(thing.__module__).startswith("mc_lib" if package else module)
    }


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two hooks, the first before napoleon reads the sections."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", escape, priority=400)
    app.connect("missing-reference", resolve)
    app.add_directive("summary", Summary)
    return {"parallel_read_safe": True}
