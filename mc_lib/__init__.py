"""Parameter-space symmetry and mode connectivity: act, connect, measure, bound."""

from mc_lib import figures, minima
from mc_lib.claims import check, claims_table
from mc_lib.errors import (
    CheckFailed,
    DtypeMismatch,
    McLibError,
    NoRealLogarithm,
    NotAMinimum,
    NotConnected,
    NotFinite,
    NotInGroup,
    NotSymmetric,
    OutOfDomain,
    ParameterError,
    RankDeficient,
    ShapeMismatch,
)
from mc_lib.groups import GeneralLinear
from mc_lib.minima import component, count_components
from mc_lib.networks import DeepLinear, partial_products
from mc_lib.parameters import integer, integers, number
from mc_lib.params import distance, inner, lerp, norm
from mc_lib.symmetry import Fixed, Into, Layer, OutOf, Symmetry

__all__ = [
    "CheckFailed",
    "DeepLinear",
    "DtypeMismatch",
    "Fixed",
    "GeneralLinear",
    "Into",
    "Layer",
    "McLibError",
    "NoRealLogarithm",
    "NotAMinimum",
    "NotConnected",
    "NotFinite",
    "NotInGroup",
    "NotSymmetric",
    "OutOf",
    "OutOfDomain",
    "ParameterError",
    "RankDeficient",
    "ShapeMismatch",
    "Symmetry",
    "check",
    "claims_table",
    "component",
    "count_components",
    "distance",
    "figures",
    "inner",
    "integer",
    "integers",
    "lerp",
    "minima",
    "norm",
    "number",
    "partial_products",
]
