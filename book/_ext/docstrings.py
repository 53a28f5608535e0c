"""Make the docstrings of mc_lib readable for Sphinx: mathematics in plain text, named errors.

The docstrings are written for people who read the source. Their |x| and W* would be markup
to Sphinx, so both are escaped outside code; and `act` or OutOfDomain, without the module,
are found wherever in mc_lib they live.
"""

import re
from typing import Any

from sphinx.application import Sphinx

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
    """Find a name without its module in mc_lib; plain text for what is not documented."""
    if node.get("refdomain") != "py":
        return None
    domain = env.domains["py"]
    target = node["reftarget"].rpartition(".")[2]
    homes = [name for name in domain.objects if name.rpartition(".")[2] == target]
    found = domain.objects[min(homes, key=len)] if homes else None
    if found is None:
        return contnode
    from sphinx.util.nodes import make_refnode

    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, contnode, target)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two hooks, the first before napoleon reads the sections."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", escape, priority=400)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
