"""Parameter-space symmetry and mode connectivity: act, connect, measure, bound."""

from mc_lib import bounds, cases, figures, matrix_cases, minima, topology
from mc_lib.alignment import (
    Alignment,
    align,
    align_activations,
    align_rescaled,
    match_permutation,
    match_rotation,
    permutations_of,
)
from mc_lib.approximate import ApproximateImage, approximate_act
from mc_lib.attention import attention_scores, query_key, score_change
from mc_lib.claims import check, claims_table
from mc_lib.comparison import Comparison, alignments, compare
from mc_lib.computing import compute_with, generator, rounding
from mc_lib.curves import (
    ApproximateOrbit,
    ArcCurves,
    CassiniLobe,
    Concatenation,
    Curve,
    Line,
    OrbitCurve,
    PolarCurve,
    PolygonalChain,
    QuadraticBezier,
    RescalingCurve,
    cassini_loss,
)
from mc_lib.digits import digits
from mc_lib.dropout import StablePath, dropout_path, dropped, keep_half
from mc_lib.ensembles import Ensemble, calibration_error, measure_ensemble
from mc_lib.errors import (
    CheckFailed,
    DtypeMismatch,
    McLibError,
    NoRealLogarithm,
    NotAMinimum,
    NotConnected,
    NotFinite,
    NotInGroup,
    NotInstalled,
    NotSymmetric,
    OutOfDomain,
    ParameterError,
    RankDeficient,
    ShapeMismatch,
)
from mc_lib.fibre_training import FixedOutputs
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
from mc_lib.methods import Method, MethodTable, measure_method
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
from mc_lib.pairs import Pairs
from mc_lib.parameters import integer, integers, number, numbers
from mc_lib.params import distance, inner, lerp, norm
from mc_lib.path_training import Descent, TrainedPath, elastic_band, train_bezier, train_chain
from mc_lib.permuted import joining_permutations, permute
from mc_lib.permuted_loss import Matching, PermutedLoss
from mc_lib.planes import Plane
from mc_lib.products import NearestProduct, balanced_factors, nearest_product
from mc_lib.proximity import distance_to_curve, segment_distance
from mc_lib.repair import RepairedLine
from mc_lib.rescaled import (
    RescalingFamily,
    fit_last,
    largest_rescaling_barrier,
    planted_minimum,
    rescaling_family,
)
from mc_lib.survey import Survey, survey_components
from mc_lib.sweeps import ApproximateSweep, CassiniSweep, approximate_sweep, cassini_sweep
from mc_lib.symmetry import Symmetry
from mc_lib.topology import count_grid_components, label_grid
from mc_lib.training import Training, train
from mc_lib.uses import learn_new, new_minima, two_tasks
from mc_lib.widening import permutation_path, widen

__all__ = [
    "Alignment",
    "ApproximateImage",
    "ApproximateOrbit",
    "ApproximateSweep",
    "ArcCurves",
    "Barrier",
    "CassiniLobe",
    "CassiniSweep",
    "CheckFailed",
    "Classifier",
    "Comparison",
    "Concatenation",
    "Curve",
    "DeepLinear",
    "Descent",
    "DtypeMismatch",
    "Ensemble",
    "Fixed",
    "FixedOutputs",
    "GeneralLinear",
    "HomogeneousNet",
    "Into",
    "Invariance",
    "Layer",
    "Line",
    "Matching",
    "McLibError",
    "Method",
    "MethodTable",
    "NearestProduct",
    "NoRealLogarithm",
    "NotAMinimum",
    "NotConnected",
    "NotFinite",
    "NotInGroup",
    "NotInstalled",
    "NotSymmetric",
    "OrbitCurve",
    "Orthogonal",
    "OutOf",
    "OutOfDomain",
    "Pairs",
    "ParameterError",
    "Permutation",
    "PermutedLoss",
    "Plane",
    "PolarCurve",
    "PolygonalChain",
    "PositiveScaling",
    "QuadraticBezier",
    "RankDeficient",
    "RepairedLine",
    "RescalingCurve",
    "RescalingFamily",
    "ResidualLinear",
    "ShapeMismatch",
    "SignedPermutation",
    "StablePath",
    "Survey",
    "Symmetry",
    "TrainedPath",
    "Training",
    "TwoLayer",
    "align",
    "align_activations",
    "align_rescaled",
    "alignments",
    "approximate_act",
    "approximate_sweep",
    "attention_scores",
    "balanced_factors",
    "barrier",
    "bounds",
    "calibration_error",
    "cases",
    "cassini_loss",
    "cassini_sweep",
    "check",
    "claims_table",
    "compare",
    "component",
    "compute_with",
    "connect",
    "count_components",
    "count_grid_components",
    "curvature",
    "digits",
    "distance",
    "distance_to_curve",
    "dropout_path",
    "dropped",
    "elastic_band",
    "figures",
    "fit_last",
    "generator",
    "inner",
    "integer",
    "integers",
    "joining_permutations",
    "keep_half",
    "label_grid",
    "largest_rescaling_barrier",
    "leaky_power",
    "learn_new",
    "length",
    "lerp",
    "log_positive",
    "log_rotation",
    "loss_along",
    "match_permutation",
    "match_rotation",
    "matrix_cases",
    "max_curvature",
    "measure_ensemble",
    "measure_invariance",
    "measure_method",
    "minima",
    "nearest_product",
    "new_minima",
    "norm",
    "number",
    "numbers",
    "partial_products",
    "permutation_path",
    "permutations_of",
    "permute",
    "planted_minimum",
    "query_key",
    "require_invariance",
    "rescaling_family",
    "rounding",
    "score_change",
    "segment_distance",
    "survey_components",
    "topology",
    "train",
    "train_bezier",
    "train_chain",
    "two_tasks",
    "widen",
]
