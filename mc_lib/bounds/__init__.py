"""The paper's inequalities and closed forms, as pure functions of numbers.

Every function takes Python numbers or real tensors, elementwise and broadcast, and
returns a float when no argument is a tensor. Outside its domain it raises `OutOfDomain`.
"""

from mc_lib.bounds.curvature import chord_deviation, lipschitz_loss_bound, sagitta
from mc_lib.bounds.orbits import (
    approximate_action_bound,
    midpoint_distance_squared,
    midpoint_scale,
    orbit_barrier_bound,
    orbit_interval,
)
from mc_lib.bounds.rescaling import (
    rescaling_barrier,
    rescaling_factor,
    rescaling_loss,
    rescaling_midpoint_loss,
)

__all__ = [
    "approximate_action_bound",
    "chord_deviation",
    "lipschitz_loss_bound",
    "midpoint_distance_squared",
    "midpoint_scale",
    "orbit_barrier_bound",
    "orbit_interval",
    "rescaling_barrier",
    "rescaling_factor",
    "rescaling_loss",
    "rescaling_midpoint_loss",
    "sagitta",
]
