"""The book's figures: arrays in, matplotlib figures out."""

from mc_lib.figures.losses import path_against_segment
from mc_lib.figures.preliminaries import determinants, orbits, regions, shares
from mc_lib.figures.residual import pieces
from mc_lib.figures.style import COMPONENT, STYLE, save
from mc_lib.figures.surfaces import sheets

__all__ = [
    "COMPONENT",
    "STYLE",
    "determinants",
    "orbits",
    "path_against_segment",
    "pieces",
    "regions",
    "save",
    "shares",
    "sheets",
]
