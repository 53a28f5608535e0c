"""Alignment: choose a group element g so that g·w comes near u."""

from mc_lib.alignment.activations import align_activations
from mc_lib.alignment.base import Alignment, permutations_of
from mc_lib.alignment.one_layer import match_permutation, match_rotation
from mc_lib.alignment.weights import align, align_rescaled

__all__ = [
    "Alignment",
    "align",
    "align_activations",
    "align_rescaled",
    "match_permutation",
    "match_rotation",
    "permutations_of",
]
