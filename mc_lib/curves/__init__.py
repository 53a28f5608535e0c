"""Curves in parameter space: position, velocity and acceleration, batched over time."""

from mc_lib.curves.approximate import ApproximateOrbit as ApproximateOrbit
from mc_lib.curves.base import Curve as Curve
from mc_lib.curves.concatenation import Concatenation as Concatenation
from mc_lib.curves.orbit import OrbitCurve as OrbitCurve
from mc_lib.curves.parametric import Line as Line
from mc_lib.curves.parametric import PolygonalChain as PolygonalChain
from mc_lib.curves.parametric import QuadraticBezier as QuadraticBezier
from mc_lib.curves.rescaling import RescalingCurve as RescalingCurve
