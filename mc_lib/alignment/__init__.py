"""Alignment: choose a group element g so that g·w comes near u."""

from mc_lib.alignment.activations import align_activations as align_activations
from mc_lib.alignment.anchored import align_anchored as align_anchored
from mc_lib.alignment.balance import balance as balance
from mc_lib.alignment.base import Alignment as Alignment
from mc_lib.alignment.base import permutations_of as permutations_of
from mc_lib.alignment.weights import align as align
from mc_lib.alignment.weights import align_rescaled as align_rescaled
