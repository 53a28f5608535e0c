"""The groups that live at a hidden layer, one file each."""

from mc_lib.groups.base import Group
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.orthogonal import Orthogonal
from mc_lib.groups.path import GroupPath
from mc_lib.groups.permutation import Permutation
from mc_lib.groups.polar import log_positive
from mc_lib.groups.positive_scaling import PositiveScaling
from mc_lib.groups.rotation import log_rotation
from mc_lib.groups.signed_permutation import SignedPermutation

__all__ = [
    "GeneralLinear",
    "Group",
    "GroupPath",
    "Orthogonal",
    "Permutation",
    "PositiveScaling",
    "SignedPermutation",
    "log_positive",
    "log_rotation",
]
