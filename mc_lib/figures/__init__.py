"""The book's figures: arrays in, matplotlib figures out."""

from mc_lib.figures.style import COMPONENT, STYLE, save
from mc_lib.figures.surfaces import sheets

__all__ = ["COMPONENT", "STYLE", "save", "sheets"]
