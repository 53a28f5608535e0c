"""The paper's inequalities and closed forms, as pure functions of numbers.

Every function takes Python numbers or real tensors, elementwise and broadcast, and
returns a float when no argument is a tensor. Outside its domain it raises `OutOfDomain`.
"""

from mc_lib.bounds.curvature import chord_deviation as chord_deviation
from mc_lib.bounds.curvature import lipschitz_loss_bound as lipschitz_loss_bound
from mc_lib.bounds.curvature import sagitta as sagitta
from mc_lib.bounds.lipschitz import loss_lipschitz as loss_lipschitz
from mc_lib.bounds.lipschitz import output_lipschitz as output_lipschitz
from mc_lib.bounds.lipschitz import root_loss_bound as root_loss_bound
from mc_lib.bounds.lipschitz import tube_norms as tube_norms
from mc_lib.bounds.orbits import midpoint_distance_squared as midpoint_distance_squared
from mc_lib.bounds.orbits import midpoint_scale as midpoint_scale
from mc_lib.bounds.orbits import orbit_barrier_bound as orbit_barrier_bound
from mc_lib.bounds.orbits import orbit_interval as orbit_interval
from mc_lib.bounds.rescaling import rescaling_barrier as rescaling_barrier
from mc_lib.bounds.rescaling import rescaling_factor as rescaling_factor
from mc_lib.bounds.rescaling import rescaling_loss as rescaling_loss
from mc_lib.bounds.rescaling import rescaling_midpoint_loss as rescaling_midpoint_loss
from mc_lib.bounds.two_layers import balanced_distance_squared as balanced_distance_squared
from mc_lib.bounds.two_layers import component_distance as component_distance
from mc_lib.bounds.two_layers import product_barrier as product_barrier
from mc_lib.bounds.two_layers import product_distance_bound as product_distance_bound
