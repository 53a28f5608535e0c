"""The book's figures: arrays in; out come matplotlib figures, or interactive ones."""

from mc_lib.figures.connectivity import (
    brackets,
    growth,
    heatmaps,
    pairs,
    rescalings,
    spreads,
)
from mc_lib.figures.curves import cassini, deviations, loss_map, losses_with_spread, scatter
from mc_lib.figures.interactive import Interactive
from mc_lib.figures.losses import path_against_segment
from mc_lib.figures.preliminaries import determinants, orbits, regions, shares
from mc_lib.figures.related import barriers, paths_beside_segment
from mc_lib.figures.residual import closing, pieces
from mc_lib.figures.sliders import (
    slider_curves,
    slider_discs,
    slider_paths,
    slider_rescalings,
)
from mc_lib.figures.spatial import rotatable_sheets, slider_sheets
from mc_lib.figures.style import COMPONENT, STYLE, save
from mc_lib.figures.surfaces import sheets
from mc_lib.figures.uses import dots, plane, tradeoff

__all__ = [
    "COMPONENT",
    "Interactive",
    "STYLE",
    "barriers",
    "brackets",
    "cassini",
    "closing",
    "determinants",
    "deviations",
    "dots",
    "growth",
    "heatmaps",
    "loss_map",
    "losses_with_spread",
    "orbits",
    "pairs",
    "path_against_segment",
    "paths_beside_segment",
    "pieces",
    "plane",
    "regions",
    "rescalings",
    "rotatable_sheets",
    "save",
    "scatter",
    "shares",
    "sheets",
    "slider_curves",
    "slider_discs",
    "slider_paths",
    "slider_rescalings",
    "slider_sheets",
    "spreads",
    "tradeoff",
]
