"""Curves in parameter space: position, velocity and acceleration, batched over time."""

from mc_lib.curves.approximate import ApproximateOrbit
from mc_lib.curves.arcs import ArcCurves
from mc_lib.curves.base import Curve
from mc_lib.curves.cassini import CassiniLobe, cassini_loss
from mc_lib.curves.concatenation import Concatenation
from mc_lib.curves.orbit import OrbitCurve
from mc_lib.curves.parametric import Line, PolygonalChain, QuadraticBezier
from mc_lib.curves.polar import PolarCurve
from mc_lib.curves.rescaling import RescalingCurve

__all__ = [
    "ApproximateOrbit",
    "ArcCurves",
    "CassiniLobe",
    "Concatenation",
    "Curve",
    "Line",
    "OrbitCurve",
    "PolarCurve",
    "PolygonalChain",
    "QuadraticBezier",
    "RescalingCurve",
    "cassini_loss",
]
