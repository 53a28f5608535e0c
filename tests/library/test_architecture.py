"""The library's order, read from its source: floors, sizes, docstrings, and no side effects."""

import ast
import doctest
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mc_lib
from mc_lib import errors

ROOT = Path(mc_lib.__file__).parent
PACKAGE = ROOT.name

# A file imports from lower floors only; the files of a package are one unit, without cycles.
FLOORS = (
    {"errors"},
    {"checks", "kinds", "norms"},
    {"trees"},
    {"points"},
    {"groups", "bounds", "sampling"},
    {"layers", "approximate", "geometry", "piecewise"},
    {"landscape", "profile"},
    {"symmetry"},
    {"networks", "alignment", "invariance"},
    {"curves"},
    {"minima", "proximity", "comparison"},
    {"modules"},
    {"command"},
)
ROOF = "__init__"
COMMAND = "command"  # the command mc: stands on the library, and speaks to a terminal
FLOOR = {unit: height for height, units in enumerate(FLOORS) for unit in units}
SURFACE = 60  # the most names that `import mc_lib as mc` offers


def files():
    """The source files by dotted name inside the package: 'params', 'minima.linear', ..."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(ROOT.rglob("*.py"))
    }


FILES = files()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
every_file = pytest.mark.parametrize("name", FILES)


def imports(name):
    """The dotted names inside mc_lib that a file imports."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import, line {node.lineno}"
            if node.module == PACKAGE:
                found |= {alias.name for alias in node.names}
            elif node.module.startswith(f"{PACKAGE}."):
                inner = node.module.removeprefix(f"{PACKAGE}.")
                found |= {resolved(f"{inner}.{alias.name}", inner) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix(f"{PACKAGE}.")
                for alias in node.names
                if alias.name.split(".")[0] == PACKAGE
            }
    return found


def resolved(dotted, parent):
    """The file that `from parent import child` reads: the child's own, or the parent's."""
    if dotted in FILES or f"{dotted}.__init__" in FILES:
        return dotted
    return f"{parent}.__init__" if f"{parent}.__init__" in FILES else parent


def unit(name):
    return name.split(".")[0]


def modules_outside(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


# -- floors --------------------------------------------------------------------
def test_every_file_has_a_floor():
    assert {unit(name) for name in FILES} - {ROOF} == set(FLOOR)


@every_file
def test_a_file_imports_from_lower_floors_only(name):
    if ROOF == name or unit(name) == COMMAND:
        return
    height = FLOOR[unit(name)]
    for other in imports(name) - {name}:
        assert unit(other) not in (PACKAGE, "__init__"), f"{name} imports the top, {PACKAGE}"
        below = FLOOR[unit(other)]
        assert unit(other) == unit(name) or below < height, (
            f"{name} (floor {height}) imports {other} (floor {below})"
        )


def test_no_two_files_import_each_other():
    graph = {name: imports(name) - {name} for name in FILES if name != "__init__"}
    named = {
        name: {other if other in FILES else f"{other}.__init__" for other in others}
        for name, others in graph.items()
    }
    try:
        TopologicalSorter(named).prepare()
    except CycleError as error:
        pytest.fail(f"these files import each other: {error.args[1]}")


# -- the surface ---------------------------------------------------------------
@every_file
def test_the_library_imports_nothing_of_the_book(name):
    assert not {"book", "lab"} & set(modules_outside(name))


def test_the_surface_is_small_and_has_no_second_list():
    names = [
        alias
        for node in TREES[ROOF].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert len(names) <= SURFACE
    assert [alias.asname for alias in names] == [alias.name for alias in names]
    for name, tree in TREES.items():
        assert "__all__" not in {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}, name


# -- side effects --------------------------------------------------------------
@every_file
def test_nothing_draws_shows_progress_or_reads_data(name):
    if unit(name) == COMMAND:
        return
    assert not {"matplotlib", "tqdm", "sklearn"} & set(modules_outside(name))


@every_file
def test_nothing_prints_plots_writes_or_sets_what_is_global(name):
    if unit(name) == COMMAND:
        return
    forbidden = {"print", "open", "savefig", "show", "write_text", "write_bytes", "savez"}
    forbidden |= {"savez_compressed", "mkdir", "unlink", "seed", "manual_seed"}
    forbidden |= {"set_default_device", "set_default_dtype", "set_num_threads"}
    forbidden |= {"use_deterministic_algorithms"}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert called not in forbidden, f"{name}, line {node.lineno}: calls {called}"
        assert not isinstance(node, ast.Global), f"{name}, line {node.lineno}: global statement"


def test_importing_the_library_changes_no_global_state():
    program = """
import json, random, sys, warnings
import numpy as np, torch
import scipy.linalg, scipy.optimize, optree, jaxtyping
def state():
    return json.dumps([
        str(torch.get_default_dtype()), torch.is_grad_enabled(), torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist(),
        np.geterr(), str(np.get_printoptions()), str(np.random.get_state()),
        str(random.getstate()), str(warnings.filters),
    ])
before, loaded = state(), set(sys.modules)  # torch loads tqdm
import mc_lib
assert not {"matplotlib", "tqdm", "sklearn"} & (set(sys.modules) - loaded)
now = state()
for a, b in zip(json.loads(before), json.loads(now)):
    assert a == b, (a, b)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


# -- sizes ---------------------------------------------------------------------
@every_file
def test_a_file_has_at_most_300_lines(name):
    lines = FILES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= 300, f"{name} has {lines} lines: split it by mathematical object"


def functions(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@every_file
def test_a_function_has_at_most_40_lines_of_code(name):
    for node in functions(name):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if body:
            length = node.end_lineno - body[0].lineno + 1
            assert length <= 40, f"{name}.{node.name} has {length} lines of code"


# -- docstrings ----------------------------------------------------------------
@every_file
def test_every_file_says_what_it_holds(name):
    assert ast.get_docstring(TREES[name]), f"{name} has no docstring"


def public(nodes):
    for node in nodes:
        kinds = ast.FunctionDef | ast.ClassDef
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node


def overrides(method):
    """Whether a method says that it inherits its docstring."""
    return "override" in {getattr(decorator, "id", "") for decorator in method.decorator_list}


@every_file
def test_every_public_name_has_a_docstring_and_every_public_function_a_doctest(name):
    for node in public(TREES[name].body):
        where = f"{name}.{node.name}"
        assert ast.get_docstring(node), f"{where} has no docstring"
        if isinstance(node, ast.FunctionDef):
            examples = doctest.DocTestParser().get_examples(ast.get_docstring(node))
            assert examples or unit(name) == COMMAND, f"{where} has no doctest"
        else:
            for method in public(node.body):
                said = ast.get_docstring(method) or overrides(method)
                assert said, f"{where}.{method.name} has no docstring and overrides none"


# -- data ----------------------------------------------------------------------
HOLDS_TENSORS = {"Tensor", "Float", "Int", "Bool", "Point", "Elements", "Weights", "Rows", "Any"}


@every_file
def test_a_dataclass_that_holds_tensors_compares_by_identity(name):
    """By entries, == would be a tensor, or raise."""
    for node in ast.walk(TREES[name]):
        options = [d for d in getattr(node, "decorator_list", ()) if isinstance(d, ast.Call)]
        kinds = {getattr(d.func, "id", ""): {k.arg for k in d.keywords} for d in options}
        if isinstance(node, ast.ClassDef) and "dataclass" in kinds:
            fields = [x.annotation for x in node.body if isinstance(x, ast.AnnAssign)]
            words = {getattr(x, "id", "") for field in fields for x in ast.walk(field)}
            assert not words & HOLDS_TENSORS or "eq" in kinds["dataclass"], f"{name}.{node.name}"


# -- errors --------------------------------------------------------------------
def test_every_error_derives_from_one():
    for node in TREES["errors"].body:
        if isinstance(node, ast.ClassDef):
            assert issubclass(getattr(errors, node.name), errors.McLibError)
    assert issubclass(errors.McLibError, ValueError)
