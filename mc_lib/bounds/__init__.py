"""The paper's inequalities and closed forms, as pure functions of numbers.

Every function takes Python numbers or real tensors, elementwise and broadcast, and
returns a float when no argument is a tensor. Outside its domain it raises `OutOfDomain`.
"""

from mc_lib.bounds.curvature import chord_deviation, lipschitz_loss_bound, sagitta
from mc_lib.bounds.lipschitz import (
    loss_lipschitz,
    output_lipschitz,
    root_loss_bound,
    tube_norms,
)
from mc_lib.bounds.orbits import (
    approximate_action_bound,
    midpoint_distance_squared,
    midpoint_scale,
    orbit_barrier_bound,
    orbit_interval,
)
from mc_lib.bounds.products import (
    balanced_distance_squared,
    component_distance,
    product_barrier,
    product_distance_bound,
)
from mc_lib.bounds.rescaling import (
    rescaling_barrier,
    rescaling_factor,
    rescaling_loss,
    rescaling_midpoint_loss,
)

__all__ = [
    "approximate_action_bound",
    "balanced_distance_squared",
    "chord_deviation",
    "component_distance",
    "lipschitz_loss_bound",
    "loss_lipschitz",
    "midpoint_distance_squared",
    "midpoint_scale",
    "orbit_barrier_bound",
    "orbit_interval",
    "output_lipschitz",
    "product_barrier",
    "product_distance_bound",
    "rescaling_barrier",
    "rescaling_factor",
    "rescaling_loss",
    "rescaling_midpoint_loss",
    "root_loss_bound",
    "sagitta",
    "tube_norms",
]
