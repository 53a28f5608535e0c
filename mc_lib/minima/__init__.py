"""The zero-loss set of a network: its points, its components, and the paths inside them."""

from mc_lib.minima.curve import MinimumCurve
from mc_lib.minima.front import component, connect, count_components, loss_between, sample
from mc_lib.minima.homeomorphism import from_group, sheets, to_group
from mc_lib.minima.linear import signed_layers
from mc_lib.minima.passage import crossing, forbidden_gap
from mc_lib.minima.residual_scalar import (
    residual_from_group,
    residual_piece,
    residual_to_group,
    shifted,
)
from mc_lib.minima.residual_sheets import residual_sheets
from mc_lib.minima.zero_loss import relative_loss, require_minimum

__all__ = [
    "MinimumCurve",
    "component",
    "connect",
    "count_components",
    "crossing",
    "forbidden_gap",
    "from_group",
    "loss_between",
    "relative_loss",
    "require_minimum",
    "residual_from_group",
    "residual_piece",
    "residual_sheets",
    "residual_to_group",
    "sample",
    "sheets",
    "shifted",
    "signed_layers",
    "to_group",
]
