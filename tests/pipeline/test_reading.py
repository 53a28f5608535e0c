"""What readers' browsers get: scripts, launch buttons, unique names, the book on one page."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.errors import ConfigError

from book.pipeline import browser, pdf
from book.pipeline.profiles import ROOT


@pytest.fixture(scope="module")
def reading():
    spec = importlib.util.spec_from_file_location("reading", ROOT / "book/_ext/reading.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config(**options):
    return SimpleNamespace(html_static_path=["book/_static"], html_theme_options=options)


# -- the Sphinx extension ------------------------------------------------------
def test_the_scripts_are_those_of_plotly_and_of_the_lab(reading):
    given = config()
    reading.configure(None, given)
    assert [path.split("/")[-1] for path in given.html_static_path[1:]] == [
        "plotly.min.js",
        "interactive.js",
    ]


def test_a_missing_script_is_named(reading):
    with pytest.raises(ConfigError, match="none.js of mc_lib"):
        reading.script("mc_lib", "none.js")
    with pytest.raises(ConfigError, match="no_such_package"):
        reading.script("no_such_package", "none.js")


@pytest.fixture
def elsewhere(monkeypatch):
    """Not in continuous integration."""
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)


def test_without_an_address_nothing_is_launched_edited_or_reported(reading, elsewhere):
    launch = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["launch_buttons"]
    given = config(repository_url="", launch_buttons=launch, extra=1)
    reading.configure(None, given)
    unused = dict.fromkeys(reading.BUTTONS, False)
    assert given.html_theme_options == {"extra": 1} | unused


def test_continuous_integration_says_the_address(reading, monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")
    for said, address in (("", "https://github.com/a/b"), ("https://x.org/y", "https://x.org/y")):
        given = config(repository_url=said)
        reading.configure(None, given)
        used = dict.fromkeys(reading.BUTTONS, True)
        assert given.html_theme_options == {"repository_url": address} | used


def test_with_an_address_the_launch_buttons_stay(reading):
    options = {"repository_url": "https://github.com/a/b", "launch_buttons": {"colab_url": "c"}}
    given = config(**options)
    reading.configure(None, given)
    assert given.html_theme_options.items() >= options.items()


@pytest.mark.parametrize("address", ["", "https://github.com/a/b"])
def test_the_note_on_launching_is_there_when_an_address_is(reading, address):
    environment = SimpleNamespace(config=config(repository_url=address))
    directive = SimpleNamespace(
        state=SimpleNamespace(document=SimpleNamespace(settings=SimpleNamespace(env=environment)))
    )
    text = "".join(node.astext() for node in reading.LaunchNote.run(directive))
    assert (f"git clone --depth 1 {address} companion" in text) == bool(address)
    assert bool(text) == bool(address)


def test_the_cell_for_colab_makes_the_chapters_imports_work(reading, tmp_path):
    """From a clone of this repository, without a network: what is installed stays as it is."""
    origin = tmp_path / "origin"
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "mc_lib", "book/lab"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, origin / name)
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*me, "commit", "--quiet", "-mAll"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    cell = reading.COLAB.format(address=origin.as_uri())
    check = "import lab, mc_lib; print(lab.__file__, mc_lib.__file__)"
    program = f"from IPython import start_ipython as s; s(['-c', {cell + chr(10) + check!r}])"
    (tmp_path / "site").mkdir()
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    site = {"PIP_TARGET": str(tmp_path / "site"), "PYTHONPATH": str(tmp_path / "site")}
    home = {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | offline | site | home,
        capture_output=True,
        text=True,
    )
    lab, library = done.stdout.splitlines()[-1].split()
    assert lab == str(tmp_path / "companion" / "book" / "lab" / "__init__.py"), done.stderr
    assert library == str(tmp_path / "site" / "mc_lib" / "__init__.py")


def test_the_lab_imports_only_what_colab_has():
    """As Colab documents it: numpy, scipy, torch, matplotlib, plotly, scikit-learn, tqdm."""
    there = {"numpy", "scipy", "torch", "matplotlib", "mpl_toolkits", "plotly", "sklearn", "tqdm"}
    there |= {"IPython"}  # in which a notebook runs, here and there
    installed = {"mc_lib", "jaxtyping", "optree", "typing_extensions"}  # by the cell
    files = (ROOT / "book" / "lab").rglob("*.py")
    nodes = [n for path in files for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    roots = {name.partition(".")[0] for name in names}
    assert roots - there - installed - sys.stdlib_module_names == {"lab"}


def page_context(body, scripts=()):
    files = [SimpleNamespace(filename=None, attributes={"body": s}, priority=i)
             for i, s in enumerate(scripts)]  # fmt: skip
    return {"body": body, "script_files": files}


@pytest.mark.parametrize("figures", [0, 2])
def test_a_page_loads_the_script_when_it_has_a_figure(reading, figures):
    asked = []
    app = SimpleNamespace(add_js_file=lambda name, **options: asked.append(name))
    context = page_context('<figure class="mc-interactive" id="x"></figure>' * figures)
    reading.add_script(app, "page", "page.html", context, None)
    assert asked == ["interactive.js"] * bool(figures)


def test_a_script_that_two_extensions_add_is_loaded_once(reading):
    context = page_context("", ["const a = 1", "var b", "const a = 1"])
    reading.add_script(None, "page", "page.html", context, None)
    assert [s.attributes["body"] for s in context["script_files"]] == ["const a = 1", "var b"]


def test_of_equal_names_in_a_page_the_first_stays(reading):
    body = '<div id="a"><p id="a" class="b">id="a"</p><p id="c"></p></div>'
    context = page_context(body)
    reading.name_once(None, "page", "page.html", context, None)
    assert context["body"] == '<div id="a"><p class="b">id="a"</p><p id="c"></p></div>'


# -- the browser ---------------------------------------------------------------
def test_the_browser_named_by_the_environment_is_taken(monkeypatch):
    monkeypatch.setenv(browser.VARIABLE, sys.executable)
    assert browser.find() == sys.executable
    assert browser.main() == 0


@pytest.mark.parametrize("named", ["", "no-such-browser"])
def test_where_there_is_no_browser_one_line_says_what_to_do(monkeypatch, capsys, tmp_path, named):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(browser.VARIABLE, named)
    assert browser.main() == 2
    said = capsys.readouterr().err
    assert (named or "apt-get install chromium") in said
    assert browser.VARIABLE in said
    assert said.count("\n") == 1


# -- the book on one page ------------------------------------------------------
PAGE = """<html><head>{next}<script src="../_static/theme.js"></script>
<script src="../_static/mathjax/tex-chtml.js"></script></head><body><nav>menu</nav>
<article>{body}</article></body></html>"""


@pytest.fixture
def html(tmp_path):
    folder = tmp_path / "html" / "book"
    folder.mkdir(parents=True)
    link = '<link rel="next" href="second.html">'
    first = (
        '<h1 id="top">First<a class="headerlink" href="#top">#</a></h1>'
        '<a href="second.html#place">there</a><a href="second.html">all of it</a>'
        '<a href="#top">here</a><a href="https://example.org/second.html">elsewhere</a>'
        '<a href="../_static/data.csv">a file</a>'
        '<figure class="mc-interactive" id="f">turn me</figure>'
    )
    second = '<h1 id="place">Second</h1><details><summary>Proof</summary>Hidden.</details>'
    (folder / "index.html").write_text(PAGE.format(next=link, body=first), encoding="utf-8")
    (folder / "second.html").write_text(PAGE.format(next="", body=second), encoding="utf-8")
    return tmp_path / "html"


def test_the_book_is_one_page_in_the_order_of_reading(html):
    book = BeautifulSoup(pdf.single(html), "html.parser")
    assert [article["id"] for article in book.find_all("article")] == ["index", "second"]
    assert "menu" not in book.text
    assert "turn me" not in book.text
    assert [script["src"] for script in book.select("script[src]")] == [
        "../_static/mathjax/tex-chtml.js"
    ]


def test_links_between_chapters_work_inside_the_one_page(html):
    book = BeautifulSoup(pdf.single(html), "html.parser")
    targets = [a["href"] for a in book.find_all("a")]
    assert targets == [
        "#second--place",
        "#second",
        "#index--top",
        "https://example.org/second.html",
        "../_static/data.csv",
    ]
    for target in targets[:3]:
        assert book.find(id=target[1:]), target


def test_what_is_folded_on_the_page_is_printed_open(html):
    book = BeautifulSoup(pdf.single(html), "html.parser")
    assert book.find("details").has_attr("open")


def test_the_pdf_is_offered_in_the_menu_of_each_page_once(html, tmp_path):
    menu = '<div class="dropdown dropdown-download-buttons"><ul><li>x</li></ul></div><ul></ul>'
    (html / "book" / "part").mkdir()
    for name in ("first.html", "part/second.html"):
        (html / "book" / name).write_text(menu, encoding="utf-8")
    (tmp_path / "book.pdf").write_bytes(b"%PDF")
    for _ in range(2):
        pdf.offer(html, tmp_path / "book.pdf")
    assert (html / "book.pdf").read_bytes() == b"%PDF"
    for name, address in (("first.html", "../book.pdf"), ("part/second.html", "../../book.pdf")):
        page = BeautifulSoup((html / "book" / name).read_text(encoding="utf-8"), "html.parser")
        (link,) = page.select("div > ul a")
        assert link["href"] == address and page.find_all("li")[1] == link.parent


def test_without_a_book_or_a_browser_one_line_says_what_to_do(html, tmp_path, monkeypatch, capsys):
    assert pdf.main([str(tmp_path / "none"), str(tmp_path / "book.pdf")]) == 2
    assert "run make book first" in capsys.readouterr().err
    monkeypatch.setenv(browser.VARIABLE, "no-such-browser")
    assert pdf.main([str(html), str(tmp_path / "book.pdf")]) == 2
    assert "no-such-browser" in capsys.readouterr().err
    assert list(tmp_path.glob("*.pdf")) == []
    assert not (html / "book" / pdf.PAGE).exists()


# -- the reference of the library ----------------------------------------------
@pytest.fixture(scope="module")
def docstrings():
    spec = importlib.util.spec_from_file_location("docstrings", ROOT / "book/_ext/docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "target", "leads"),
    [
        pytest.param("class", "torch.Tensor", "docs.pytorch.org", id="another package"),
        pytest.param("class", "float", "docs.python.org", id="Python"),
        pytest.param("class", "The", "text", id="a word of a sentence"),
        pytest.param("class", "mc_lib.groups.polar.PolarPath", "text", id="inside"),
        pytest.param(
            "class", "mc_lib.groups.polar.Such", "error", id="a class that is not described"
        ),
        pytest.param("exc", "NoSuchError", "error", id="an error that is not described"),
    ],
)
def test_a_name_of_the_reference_leads_somewhere_or_is_an_error(docstrings, kind, target, leads):
    environment = SimpleNamespace(domains={"py": SimpleNamespace(objects={})})
    node = {"refdomain": "py", "reftype": kind, "reftarget": target, "refdoc": "api"}
    word = nodes.Text(target)
    found = docstrings.resolve(None, environment, node, word)
    if leads == "error":
        assert found is None  # Sphinx then warns, and every warning stops the build
    elif leads == "text":
        assert found is word
    else:
        assert leads in found["refuri"] and target in found["refuri"]


def test_a_summary_lists_what_a_module_offers(docstrings):
    assert "measure_invariance" in docstrings.offered("mc_lib.invariance")
    groups = docstrings.offered("mc_lib.groups")
    assert {"GeneralLinear", "Permutation"} <= set(groups)
    assert "Tensor" not in docstrings.offered("mc_lib.points")
