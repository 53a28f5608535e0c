"""Curves in parameter space: position, velocity and acceleration, batched over time."""

from mc_lib.curves.base import Curve
from mc_lib.curves.concatenation import Concatenation
from mc_lib.curves.orbit import OrbitCurve
from mc_lib.curves.parametric import Line, PolygonalChain, QuadraticBezier
from mc_lib.curves.polar import PolarCurve
from mc_lib.curves.rescaling import RescalingCurve

__all__ = [
    "Concatenation",
    "Curve",
    "Line",
    "OrbitCurve",
    "PolarCurve",
    "PolygonalChain",
    "QuadraticBezier",
    "RescalingCurve",
]
