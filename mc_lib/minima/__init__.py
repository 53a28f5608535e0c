"""The zero-loss set of a network: its points, its components, their number."""

from mc_lib.minima.homeomorphism import from_group, sheets, to_group
from mc_lib.minima.linear import (
    component,
    count_components,
    require_minimum,
    sample,
    signed_layers,
)

__all__ = [
    "component",
    "count_components",
    "from_group",
    "require_minimum",
    "sample",
    "sheets",
    "signed_layers",
    "to_group",
]
