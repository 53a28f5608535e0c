"""The reference of the library as a page: every public name, in the order of the floors.

The page holds directives only; Sphinx fills in the docstrings.
"""

import inspect
from types import ModuleType

import mc_lib

# the units of mc_lib in the order in which a reader meets them, and what they hold
UNITS = {
    "groups": "Groups",
    "layers": "Layers",
    "symmetry": "Symmetries",
    "invariance": "Invariance",
    "approximate": "The approximate symmetry",
    "networks": "Networks",
    "curves": "Curves",
    "minima": "Minima: components and paths",
    "permuted": "Minima up to permutation",
    "permuted_loss": "The loss over all permutations",
    "rescaled": "Rescaled minima",
    "pairs": "Random pairs of minima",
    "products": "Factors of a matrix",
    "attention": "Attention",
    "landscape": "Loss along a curve",
    "geometry": "Length and curvature",
    "proximity": "Distances to a curve",
    "bounds": "Bounds and closed forms",
    "alignment": "Alignment",
    "comparison": "Comparing two networks",
    "training": "Training",
    "path_training": "Training a path",
    "fibre_training": "Training with fixed outputs",
    "widening": "Spare neurons",
    "dropout": "Dropout-stable paths",
    "repair": "Variance repair",
    "ensembles": "Ensembles",
    "methods": "Methods side by side",
    "survey": "Counting without theory",
    "topology": "Cells of a grid",
    "planes": "Planes of parameter space",
    "digits": "Data",
    "matrix_cases": "Matrices of Chapter 3",
    "cases": "Random cases of Chapter 6",
    "sweeps": "Sweeps of a slider",
    "uses": "Experiments of Chapter 7",
    "params": "Points of parameter space",
    "claims": "Claims",
    "parameters": "Parameters of a chapter",
    "computing": "Device, dtype, threads",
    "figures": "Figures",
    "errors": "Errors",
}

HEAD = """\
# The library

`mc_lib` is the library behind the chapters. Import it as `import mc_lib as mc`; everything on \
this page is then `mc.…`. Each example is run by the tests, after \
`torch.set_default_dtype(torch.float64)`. Weights are tensors whose last two dimensions are the \
matrix, all dimensions before them are batch; dtype and device follow the input. What is made \
from nothing has torch's default dtype, and lives where its random generator lives. Whatever is \
impossible raises one of the errors at the end.
"""


def public() -> dict[str, list[str]]:
    """Return the full names of all that is public, by unit."""
    found: dict[str, list[str]] = {unit: [] for unit in UNITS}
    for prefix, module in (("mc_lib", mc_lib), *submodules()):
        for name in names(module):
            thing = getattr(module, name)
            again = module is not mc_lib and name in mc_lib.__all__
            if callable(thing) and not again:
                found.setdefault(thing.__module__.split(".")[1], []).append(f"{prefix}.{name}")
    return found


def names(module: ModuleType) -> list[str]:
    """Return the public names of a module: its `__all__`, or what is defined in it."""
    home = module.__name__
    own = [n for n, thing in vars(module).items() if getattr(thing, "__module__", "") == home]
    return getattr(module, "__all__", [n for n in sorted(own) if not n.startswith("_")])


def submodules() -> list[tuple[str, ModuleType]]:
    """Return the public modules inside mc_lib, such as mc_lib.bounds."""
    found = {name: getattr(mc_lib, name) for name in mc_lib.__all__}
    return [(f"mc_lib.{n}", x) for n, x in found.items() if isinstance(x, ModuleType)]


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for unit, listed in public().items():
        if listed:
            parts.append(f"## {UNITS.get(unit, unit)}\n")
            parts.append("```{eval-rst}\n" + "\n\n".join(map(directive, listed)) + "\n```\n")
    return "\n".join(parts)


def directive(name: str) -> str:
    """Return the directive that documents one name."""
    module, _, short = name.rpartition(".")
    thing = getattr(mc_lib if module == "mc_lib" else getattr(mc_lib, module.split(".")[1]), short)
    if not inspect.isclass(thing):
        return f".. autofunction:: {name}"
    members = "" if issubclass(thing, Exception) else "\n   :members:"
    return f".. autoclass:: {name}{members}"
