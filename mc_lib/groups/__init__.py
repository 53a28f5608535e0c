"""The groups that live at a hidden layer, one file each."""

from mc_lib.groups.base import Group
from mc_lib.groups.general_linear import GeneralLinear

__all__ = ["GeneralLinear", "Group"]
