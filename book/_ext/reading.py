"""What a reader's browser needs: the scripts of interactive figures, and buttons.

plotly.js comes from the installed package, so it is not committed, and our own script lies with
the figures in the lab; only a page with an interactive figure loads them. The buttons that launch,
edit or report need the address of the repository, which _config.yml or continuous integration says.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

PLOTLY = ("plotly", "package_data/plotly.min.js")
OURS = Path(__file__).parents[1] / "lab" / "figures" / "interactive.js"
ADDRESS = ("repository_url", "repository_branch", "path_to_docs", "launch_buttons")
BUTTONS = ("use_issues_button", "use_repository_button", "use_edit_page_button")
COLAB = """\
!git clone --depth 1 {address} companion
%cd companion/book
%pip install --quiet .."""


def script(package: str, path: str) -> str:
    """Return where an installed package keeps a file, without importing the package."""
    spec = find_spec(package)
    for folder in spec.submodule_search_locations or [] if spec else []:
        if (Path(folder) / path).exists():
            return str(Path(folder) / path)
    raise ConfigError(f"the interactive figures need {path} of {package}: run make environment")


def address() -> str:
    """Return the address of the repository in continuous integration; nothing elsewhere."""
    parts = [os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY")]
    return "/".join(parts) if all(parts) else ""


def configure(app: Sphinx, config: Config) -> None:
    """Copy the scripts to _static; show the buttons that need an address where there is one."""
    config.html_static_path += [script(*PLOTLY), str(OURS)]
    options = config.html_theme_options
    options["repository_url"] = options.get("repository_url") or address()
    options.update(dict.fromkeys(BUTTONS, bool(options["repository_url"])))
    if not options["repository_url"]:
        for option in ADDRESS:
            options.pop(option, None)


def write_at_once(app: Sphinx, env: Any) -> None:
    """Write the pages on all cores; reading them is left to one, as sphinx-proof needs it."""
    app.parallel = os.cpu_count() or 1


def add_script(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Load interactive.js on the pages that hold an interactive figure; each script once."""
    if 'class="mc-interactive"' in context.get("body", ""):
        app.add_js_file("interactive.js", loading_method="defer")
    # two extensions add one and the same script, whose second `const` is an error
    scripts = context["script_files"]
    scripts[:] = {(s.filename or "", s.attributes.get("body")): s for s in scripts}.values()


def name_once(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Keep the first of equal ids: sphinx-proof writes the same one twice."""
    seen: set[str] = set()

    def keep_first(match: re.Match[str]) -> str:
        new = match[1] not in seen
        seen.add(match[1])
        return match[0] if new else ""

    if "body" in context:
        context["body"] = re.sub(r' id="([^"<>]+)"(?=[^<>]*>)', keep_first, context["body"])


class LaunchNote(Directive):
    """How to run a chapter elsewhere: nothing at all while there is no address."""

    def run(self) -> list[nodes.Node]:
        """Return one paragraph, or none."""
        options = self.state.document.settings.env.config.html_theme_options
        address = options.get("repository_url")
        if not address:
            return []
        text = (
            "The rocket at the top of a chapter opens it on Binder, where everything is "
            "installed, or on Colab, where this is the first cell to run:"
        )
        code = COLAB.format(address=address)
        return [nodes.paragraph("", text), nodes.literal_block(code, code, language="ipython")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", configure)
    app.connect("env-updated", write_at_once)
    app.connect("html-page-context", add_script, priority=900)
    app.connect("html-page-context", name_once)
    app.add_directive("launch-note", LaunchNote)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
