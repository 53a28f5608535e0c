"""Every public callable with bad values in each place: named errors, and never a silent NaN.

One good call of each is known; then one argument after the other is exchanged for values of
some fifty kinds. Whatever happens is a result, a McLibError or a TypeError.
"""

import inspect
import math
import warnings
from dataclasses import fields, is_dataclass
from functools import cache

import numpy as np
import optree
import pytest
import torch

import mc_lib as mc

pytestmark = pytest.mark.bad_input

EYE = torch.eye(2, dtype=torch.float64)
A = torch.tensor([[2.0, 1.0], [0.5, 1.0]], dtype=torch.float64)
B = torch.tensor([[1.0, -0.5], [0.25, 2.0]], dtype=torch.float64)
ONES = torch.ones(2, dtype=torch.float64)
QUARTER = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)


# -- good values, by the name of the parameter -----------------------------------
def loss(w):
    return sum(x.square().sum((-2, -1)) for x in optree.tree_leaves(w))


class Product:
    """A network of one's own."""

    @property
    def symmetry(self):
        return chain(mc.Permutation(2))

    def output(self, w):
        return w[1] @ w[0]

    def loss(self, w):
        return loss(self.output(w))


def chain(group):
    return mc.Symmetry.chain([mc.Layer(group)])


def line():
    return mc.Line((A, B), (B, A))


def generator():
    return torch.Generator().manual_seed(0)


@cache
def linear_map():
    return torch.nn.Linear(2, 2, bias=False).double()


@cache
def found():
    return mc.find_symmetry(linear_map(), (EYE.repeat(8, 1),))


@cache
def networks():
    return {
        "DeepLinear": mc.DeepLinear(EYE, A, (2,)),
        "ResidualLinear": mc.ResidualLinear(EYE, A, 2, 1.0),
        "TwoLayer": mc.TwoLayer(EYE, A, 3, torch.tanh),
        "Classifier": mc.Classifier(EYE, EYE, (2,)),
    }


@cache
def minima(name):
    """Two minima of a network in one component."""
    net = networks()[name]
    first = mc.minima.sample(net, generator())
    signs = {} if name == "TwoLayer" else {"signs": mc.component(net, first).tolist()}
    return first, mc.minima.sample(net, generator().manual_seed(1), **signs)


def common():
    net = networks()["DeepLinear"]
    w0, w1 = minima("DeepLinear")
    return {
        **{"symmetry": chain(mc.GeneralLinear(2)), "u": (A, B), "v": (B, A), "w": (A, B)},
        **{"w0": w0, "w1": w1, "g": (A,), "h": (B,), "m": (B,), "M": (B,), "x": A, "z": A},
        **{"t": torch.tensor([0.25, 0.5], dtype=torch.float64), "generator": generator()},
        **{"curve": line(), "curves": [line(), mc.Line((B, A), (A, B))], "loss": loss},
        **{"points": 5, "samples": 5, "max_bytes": 10**6, "refine": 1, "tolerance": None},
        **{"rtol": 1e-6, "batch": (2,), "batch_ndim": 0, "rounds": 2, "restarts": 1, "net": net},
        **{"X": EYE, "Y": A, "widths": (2,), "hidden": 2, "n": 2, "layer": "a", "degree": 1.0},
        **{"group": mc.PositiveScaling(2), "slope": 0.5, "condition": 4.0, "component": 1},
        **{"dtype": torch.float64, "device": "cpu", "kappa": 0.5, "length": 1.0, "chord": 0.8},
        **{"lipschitz": 2.0, "deviation": 0.5, "norms": (1.0, 2.0), "X_norm": 1.0, "Y_norm": 1.0},
        **{"radius": 0.5, "level": 0.5, "k": 1.0, "c": 4.0, "norm_in": 1.0, "norm_out": 2.0},
        **{"beta": 2.0, "b": 1.0, "alpha": 0.5, "nuclear": 2.0, "first": A, "second": B, "A": A},
        **{"M1": A, "M2": B, "U": A, "H": B, "V": B, "activation": torch.tanh, "nearest": True},
        **{"bend": (B, A), "epsilon": 1.0, "depth": 2, "width": 2, "gain": 1.0, "q": QUARTER},
        **{"columns": torch.tensor([0, 1]), "labels": torch.tensor([0, 1]), "classes": 2},
        **{"scale": 1.0, "biases": True, "barrier_limit": 0.1, "drop_limit": 0.1, "inner": 0},
        **{"model": linear_map(), "args": (EYE.repeat(8, 1),), "data": [(EYE, EYE)]},
        **{"found": found(), "criterion": torch.nn.functional.mse_loss, "over": (), "at": None},
        **{"models": [linear_map(), linear_map()], "by": "weights", "held_out": None},
        **{"outer": 1, "layers": [mc.Layer(mc.GeneralLinear(2))], "signs": (1,)},
    }


def special():
    """Where a name of a parameter means something else, by the name of the callable."""
    nets, rows = networks(), {"u": (A, B), "w": (B, A)}
    wide = {"w": (torch.ones(3, 2).double() + torch.eye(3, 2), torch.ones(2, 3).double())}
    scaling = torch.tensor([1.0, 2.0], dtype=torch.float64)
    permuted, w = chain(mc.Permutation(2)), (A, B, ONES, ONES)
    three = torch.eye(3, dtype=torch.float64)
    on_minimum = {"w": minima("DeepLinear")[0]}
    return {
        "align": {"symmetry": permuted},
        "align_rescaled": {"symmetry": chain(mc.PositiveScaling(2))},
        "align_activations": {"symmetry": permuted, "of_u": [A], "of_w": [B]},
        "approximate_act": {"g": A},
        "compare": {"net": Product(), "test": Product()},
        "ApproximateOrbit": {"net": nets["TwoLayer"], "M": three, "g": 2 * three, **wide},
        "QuadraticBezier": {"w0": (A, B), "w1": (B, B)},
        "PolygonalChain": {"points": [(A, B), (B, A)]},
        "RescalingCurve": {"m": 2.0},
        **{f"rescaling_{x}": {"m": 2.0} for x in ("loss", "midpoint_loss", "barrier")},
        "distance_to_curve": {"points": (B, A)},
        "tube_norms": {"w0": (A, B), "w1": (B, A)},
        "Symmetry": {"weights": permuted.weights, "layers": permuted.layers},
        "Symmetry.chain": {"layers": list(permuted.layers.values())},
        "Symmetry.act": {"g": (torch.tensor([1, 0]),)},
        "Classifier": {"Y": EYE, "w": w},
        "ResidualLinear": {"w": (A, B, A)},
        "TwoLayer": {"hidden": 3, "v": wide["w"][0], **wide},
        "intrinsic_dimension": {"net": nets["TwoLayer"]},
        "TwoLayerCurve.between": {
            "net": nets["TwoLayer"],
            **dict(zip(("w0", "w1"), minima("TwoLayer"), strict=True)),
        },
        "HomogeneousNet.hidden": {"w": (A,)},
        "component": on_minimum,
        "relative_loss": on_minimum,
        "require_minimum": on_minimum,
        "Layer": {"g": scaling},
        "GeneralLinear": {"g": A, "h": B, "m": B, **rows},
        "Orthogonal": {"g": QUARTER, "h": QUARTER, "m": QUARTER, **rows},
        "PositiveScaling": {"g": scaling, "h": scaling, "m": scaling, **rows},
        "ComplexScaling": {"g": scaling, "h": scaling, "m": scaling, **rows},
        "CentredOrthogonal": {"g": EYE, "h": EYE, "m": 0 * EYE, **rows},
        "Trivial": {"g": torch.tensor([0, 1]), "h": torch.tensor([0, 1]), **rows},
        "Permutation": {"g": torch.tensor([1, 0]), "h": torch.tensor([1, 0]), **rows},
        "SignedPermutation": {"g": torch.tensor([-2, 1]), "h": torch.tensor([1, -2]), **rows},
    }


# -- the public surface ------------------------------------------------------------
SPACES = (mc, mc.alignment, mc.bounds, mc.curves, mc.groups, mc.minima, mc.networks)
ABSTRACT = {"Curve", "Network", "Group", "GroupPath", "MinimumCurve", "MatrixNetwork"}
RESULTS = {"Alignment", "ResidualCurve", "TwoLayerCurve"}  # made by functions
SHARED = (mc.Curve, mc.networks.MatrixNetwork)  # their methods are tried on one subclass


def surface():
    """The names of all public functions, classes and methods."""
    found, seen = {}, set()
    names = {k: f for space in SPACES for k, f in vars(space).items()}
    for name, f in sorted(names.items(), key=lambda item: item[0] != "Line"):  # the quickest curve
        ours = getattr(f, "__module__", "").startswith("mc_lib") and callable(f)
        error = inspect.isclass(f) and issubclass(f, Exception)
        if name.startswith("_") or not ours or error or name in ABSTRACT:
            continue
        if name not in RESULTS:
            found[name] = f
        if inspect.isclass(f):
            for method, g in inspect.getmembers(f, callable):
                key = (getattr(g, "__func__", g), None if issubclass(f, SHARED) else f)
                if (method == "__call__" or method[0] != "_") and key not in seen:
                    seen.add(key)
                    found[f"{name}.{method}"] = f
    return {k: f for k, f in found.items() if k.split(".")[-1] != "activation"}


def good_call(label):
    """A callable and good values for all its arguments, by their names."""
    name, _, method = label.partition(".")
    known = common() | special().get(name, {})
    f = surface()[label]
    if method:
        kind = name.removesuffix("Curve")
        if name in RESULTS - {"Alignment"}:
            net = kind + ("Linear" if kind == "Residual" else "")
            f = mc.connect(networks()[net], *minima(net))
        else:
            f = f(**chosen(f, known))
        f = getattr(f, method)
    return f, chosen(f, known | special().get(label, {}))


def chosen(f, known):
    parameters = inspect.signature(f).parameters.values()
    taken = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    return {name: known[name] for name in taken}


def call(f, arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(f, "registry"):  # singledispatch looks at positional arguments only
            first, *rest = arguments
            return f(arguments[first], **{name: arguments[name] for name in rest})
        return f(**arguments)


# -- bad values ----------------------------------------------------------------------
FIXED = {
    **{"None": None, "a text": "text", "no list": [], "a list of numbers": [1.0, 2.0]},
    **{"a dict": {"a": 1.0}, "no tuple": (), "an array": np.eye(2), "0": 0, "-1": -1, "3": 3},
    **{"1.5": 1.5, "True": True, "NaN": math.nan, "inf": math.inf, "1e300": 1e300},
    **{
        "1e-300": 1e-300,
        "1j": 1j,
        "an object": object(),
        "a class": object,
        "a float16": np.half(2),
    },
    **{"a function": lambda *a, **k: 1.0, "a matrix": EYE, "a scalar": torch.tensor(2.0)},
    **{"a vector": torch.ones(3).double(), "mixed": [EYE, torch.ones(3)], "half": torch.float16},
    **{"(-1,)": (-1,), "(1.5,)": (1.5,), "(2, 3)": (2, 3), "an integer dtype": torch.int64},
}
EACH = {  # changes of every tensor in a good value
    "NaN": lambda x: x * math.nan if x.is_floating_point() else x - 9,
    "empty": lambda x: x[:0],
    "a batch": lambda x: x.expand(5, *x.shape),
    "scalars": lambda x: x.reshape(-1)[0],
    "wide": lambda x: torch.cat([x, x], -1),
    "other integers": lambda x: x.to(torch.int64 if x.is_floating_point() else torch.int32),
    "half": lambda x: x.half(),
    "complex": lambda x: x.to(torch.complex128),
    "bool": lambda x: x.bool(),
    "meta": lambda x: x.to("meta"),
    "sparse": lambda x: x.to_sparse(),
    "arrays": lambda x: x.numpy(),
    "lists": lambda x: x.tolist(),
    "huge": lambda x: x * 1e200,
    "at the limit": lambda x: x * 8e307,
    "tiny": lambda x: x * 1e-200,
    "subnormal": lambda x: x * 1e-308,
    "zero": lambda x: x * 0,
}
ONE = {  # changes of the first tensor
    "infinity": lambda x: x * math.inf,
    "no columns": lambda x: x[..., :0],
    "flat": lambda x: x.reshape(-1),
    "tall": lambda x: torch.cat([x, x]),
    "float32": lambda x: x.float(),
    "meta": lambda x: x.to("meta"),
    "None": lambda x: None,
}
WHOLE = {
    "a dict": lambda x: dict(enumerate(x)) if isinstance(x, tuple | list) else {"a": x},
    "one less": lambda x: x[:-1],
    "twice": lambda x: (*x, *x),
    "nested": lambda x: (x,),
    "a generator": lambda x: (y for y in x),
}


def bad_values(good):
    yield from FIXED.items()
    if isinstance(good, float):
        yield "an integer too large for a float", 10**400
    changed = [(f"each {name}", on_each(change)) for name, change in EACH.items()]
    changed += [(f"one {name}", on_first(change)) for name, change in ONE.items()]
    for name, change in (*changed, *WHOLE.items()):
        try:
            yield name, change(good)
        except Exception:  # noqa: S112 - such a value cannot be made of this one
            continue


def on_each(change):
    return lambda good: optree.tree_map(lambda x: change(x) if is_tensor(x) else x, some(good))


def on_first(change):
    def changed(good):
        first = next(x for x in optree.tree_leaves(good) if is_tensor(x))
        return optree.tree_map(lambda x: change(x) if x is first else x, good)

    return changed


def some(good):
    assert any(map(is_tensor, optree.tree_leaves(good)))
    return good


def is_tensor(x):
    return isinstance(x, torch.Tensor)


def is_finite(x):
    numbers = [y for y in optree.tree_leaves(x) if is_tensor(y) or isinstance(y, float)]
    try:
        return all(bool(torch.as_tensor(y).isfinite().all()) for y in numbers)
    except (RuntimeError, NotImplementedError):
        return False


def has_nan(x):
    if is_dataclass(x) and not isinstance(x, type):
        x = [getattr(x, field.name) for field in fields(x)]
    numbers = [y for y in optree.tree_leaves(x) if is_tensor(y) or isinstance(y, float)]
    return any(bool(torch.as_tensor(y).isnan().any()) for y in numbers)


# -- the tests -------------------------------------------------------------------------
@pytest.mark.parametrize("label", surface())
def test_a_bad_value_is_named_or_understood(label):
    f, good = good_call(label)
    try:
        call(f, good)
    except mc.McLibError as error:
        assert "discrete" in str(error), error
    wrong = []
    for name, value in good.items():
        for kind, bad in bad_values(value):
            try:
                found = call(f, good | {name: bad})
            except (mc.McLibError, TypeError):
                continue
            except Exception as error:
                wrong.append(f"{name} = {kind}: {type(error).__name__}: {str(error)[:100]}")
                continue
            if is_finite(bad) and has_nan(found):
                wrong.append(f"{name} = {kind}: NaN")
    assert not wrong, "\n".join(wrong)
