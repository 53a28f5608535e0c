"""What a stranger gets: the wheel, the sdist, their description, and how to cite them."""

import email
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
import yaml

import mc_lib
from book.pipeline import package
from book.pipeline.profiles import ROOT

HOME = "https://git.example.org/someone/companion"
BUILD = "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"
MADE_FROM = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md",
             "CITATION.cff", "mc_lib", "tests/conftest.py", "tests/library")  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["", HOME], ids=["no address", "an address"])
def built(request, tmp_path_factory):
    """The address, the sdist, and the wheel that are built where that is the address."""
    root = tmp_path_factory.mktemp("package")
    for name in MADE_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (root / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, root / name)
    server, _, name = request.param.partition("/someone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_SERVER_URL", server)
        patch.setenv("GITHUB_REPOSITORY", f"someone{name}" if name else "")
        command = [sys.executable, "-W", "ignore", "-c", BUILD]
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    (sdist,), (wheel,) = (root / "dist").glob("*.tar.gz"), (root / "dist").glob("*.whl")
    return request.param, sdist, wheel


def metadata(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(file.read(name))


def test_the_wheel_says_who_made_it_for_whom_and_under_which_licence(built):
    _, _, wheel = built
    said = metadata(wheel)
    assert said["Version"] == mc_lib.__version__
    assert said["Author"] == PROJECT["authors"][0]["name"] == CITATION["authors"][0]["name"]
    assert said["License-Expression"] == "MIT"
    assert said.get_all("Classifier") == PROJECT["classifiers"]
    assert said["Requires-Python"] == PROJECT["requires-python"]
    assert said["Description-Content-Type"] == "text/markdown"


def test_the_wheel_has_the_addresses_that_are_known(built):
    home, _, wheel = built
    urls = dict(line.split(", ") for line in metadata(wheel).get_all("Project-URL"))
    assert urls.pop("Paper") == CITATION["preferred-citation"]["url"]
    assert set(urls) == ({"Source", "Issues", "Changelog"} if home else set())
    assert all(url.startswith(home) for url in urls.values())


def test_the_description_leads_nowhere_inside_the_repository(built):
    home, _, wheel = built
    text = metadata(wheel).get_payload()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
    assert ("figure-1a.png" in text) == bool(home)
    assert "CITATION.cff" in text


def test_the_links_of_the_readme_lead_to_files():
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("https://")]
    assert inside
    assert [link for link in inside if not (ROOT / link).is_file()] == []


def test_the_wheel_holds_the_library_its_types_and_its_licence_alone(built):
    _, _, wheel = built
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (licence,) = (name for name in names if name.endswith("LICENSE"))
        assert file.read(licence) == (ROOT / "LICENSE").read_bytes()
    info = f"mc_lib-{mc_lib.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"mc_lib", info}
    ours = {f"mc_lib/{p.relative_to(ROOT / 'mc_lib')}" for p in (ROOT / "mc_lib").rglob("*.py")}
    assert {name for name in names if not name.startswith(info)} == {*ours, "mc_lib/py.typed"}


def test_the_sdist_holds_the_librarys_tests_and_nothing_of_the_book(built):
    _, sdist, _ = built
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "library").glob("*.py")}
    assert {name for name in names if name.startswith("tests/") and name.endswith(".py")} == {
        *tests,
        "tests/conftest.py",
    }
    assert {"CHANGELOG.md", "CITATION.cff", "setup.py"} <= names
    assert [name for name in names if name.startswith(("book", "benchmarks", "sweeps"))] == []


def test_what_is_built_is_accepted_by_an_index(built):
    _, sdist, wheel = built
    command = [sys.executable, "-m", "twine", "check", "--strict", sdist, wheel]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("built", [""], indirect=True, ids=["no address"])
def test_a_test_of_the_sdist_runs_with_the_library_of_the_wheel(built, tmp_path):
    _, sdist, wheel = built
    shutil.unpack_archive(sdist, tmp_path)
    (root,) = tmp_path.iterdir()
    shutil.rmtree(root / "mc_lib")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(root)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command.append("tests/library/test_kinds.py")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_package_names_the_program_that_fails(monkeypatch, capsys):
    def build():
        raise subprocess.CalledProcessError(1, [package.BIN / "twine", "check"])

    monkeypatch.setattr(package, "build", build)
    assert package.main() == 1
    assert capsys.readouterr().err == "error: package: twine failed\n"


# -- how to cite ---------------------------------------------------------------
def test_what_is_said_for_citation_agrees():
    code = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\S+) - (\S+)$", changes, re.M).groups()
    assert version == mc_lib.__version__ == CITATION["version"]
    assert version == code["version"] == zenodo["version"]
    assert date == str(CITATION["date-released"]) == code["datePublished"]
    assert CITATION["title"] == code["name"] == zenodo["title"]
    assert CITATION["abstract"] == code["description"] == zenodo["description"]
    assert CITATION["keywords"] == code["keywords"] == zenodo["keywords"]
    assert CITATION["keywords"] == PROJECT["keywords"]
    names = [re.split("[<>=]", text)[0] for text in PROJECT["dependencies"]]
    assert code["softwareRequirements"] == names


def test_the_paper_that_is_cited_is_that_of_the_book():
    paper = CITATION["preferred-citation"]
    entry = (ROOT / "book" / "references.bib").read_text(encoding="utf-8").split("\n\n")[0]
    assert entry.startswith("@inproceedings{zhao2025understanding")
    for said in (paper["title"], str(paper["year"]), f"{{{paper['volume']}}}"):
        assert said in entry
    assert all(author["family-names"] in entry for author in paper["authors"])
    assert paper["url"].rpartition("/")[2] in entry
    assert paper in CITATION["references"]
