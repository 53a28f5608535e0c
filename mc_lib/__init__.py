"""Parameter-space symmetry and mode connectivity: act, connect, measure, bound."""

from mc_lib import bounds, figures, minima
from mc_lib.approximate import ApproximateImage, approximate_act
from mc_lib.claims import check, claims_table
from mc_lib.curves import (
    Concatenation,
    Curve,
    Line,
    OrbitCurve,
    PolarCurve,
    PolygonalChain,
    QuadraticBezier,
    RescalingCurve,
)
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
from mc_lib.geometry import curvature, length, max_curvature
from mc_lib.groups import (
    GeneralLinear,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    log_positive,
    log_rotation,
)
from mc_lib.invariance import Invariance, measure_invariance, require_invariance
from mc_lib.landscape import Barrier, barrier, loss_along
from mc_lib.layers import Fixed, Into, Layer, OutOf
from mc_lib.minima import component, connect, count_components
from mc_lib.networks import (
    Classifier,
    DeepLinear,
    HomogeneousNet,
    ResidualLinear,
    TwoLayer,
    leaky_power,
    partial_products,
)
from mc_lib.parameters import integer, integers, number
from mc_lib.params import distance, inner, lerp, norm
from mc_lib.proximity import distance_to_curve, segment_distance
from mc_lib.survey import Survey, survey_components
from mc_lib.symmetry import Symmetry
from mc_lib.topology import count_grid_components, label_grid
from mc_lib.training import Training, train

__all__ = [
    "ApproximateImage",
    "Barrier",
    "CheckFailed",
    "Classifier",
    "Concatenation",
    "Curve",
    "DeepLinear",
    "DtypeMismatch",
    "Fixed",
    "GeneralLinear",
    "HomogeneousNet",
    "Into",
    "Invariance",
    "Layer",
    "Line",
    "McLibError",
    "NoRealLogarithm",
    "NotAMinimum",
    "NotConnected",
    "NotFinite",
    "NotInGroup",
    "NotSymmetric",
    "OrbitCurve",
    "Orthogonal",
    "OutOf",
    "OutOfDomain",
    "ParameterError",
    "Permutation",
    "PolarCurve",
    "PolygonalChain",
    "PositiveScaling",
    "QuadraticBezier",
    "RankDeficient",
    "RescalingCurve",
    "ResidualLinear",
    "ShapeMismatch",
    "SignedPermutation",
    "Survey",
    "Symmetry",
    "Training",
    "TwoLayer",
    "approximate_act",
    "barrier",
    "bounds",
    "check",
    "claims_table",
    "component",
    "connect",
    "count_components",
    "count_grid_components",
    "curvature",
    "distance",
    "distance_to_curve",
    "figures",
    "inner",
    "integer",
    "integers",
    "label_grid",
    "leaky_power",
    "length",
    "lerp",
    "log_positive",
    "log_rotation",
    "loss_along",
    "max_curvature",
    "measure_invariance",
    "minima",
    "norm",
    "number",
    "partial_products",
    "require_invariance",
    "segment_distance",
    "survey_components",
    "train",
]
