"""The zero-loss set of a network: its points, its components, and the paths inside them."""

from mc_lib.minima.curve import MinimumCurve as MinimumCurve
from mc_lib.minima.linear import signed_layers as signed_layers
from mc_lib.minima.linear_path import LinearCurve as LinearCurve
from mc_lib.minima.permuted import joining_permutations as joining_permutations
from mc_lib.minima.residual_path import ResidualCurve as ResidualCurve
from mc_lib.minima.two_layer import intrinsic_dimension as intrinsic_dimension
from mc_lib.minima.two_layer_path import TwoLayerCurve as TwoLayerCurve
from mc_lib.minima.verbs import component as component
from mc_lib.minima.verbs import connect as connect
from mc_lib.minima.verbs import count_components as count_components
from mc_lib.minima.verbs import loss_between as loss_between
from mc_lib.minima.verbs import sample as sample
from mc_lib.minima.zero_loss import relative_loss as relative_loss
from mc_lib.minima.zero_loss import require_minimum as require_minimum
