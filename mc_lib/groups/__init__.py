"""The groups that live at a hidden layer, one file each."""

from mc_lib.groups.base import Group as Group
from mc_lib.groups.centred_orthogonal import CentredOrthogonal as CentredOrthogonal
from mc_lib.groups.complex_scaling import ComplexScaling as ComplexScaling
from mc_lib.groups.general_linear import GeneralLinear as GeneralLinear
from mc_lib.groups.orthogonal import Orthogonal as Orthogonal
from mc_lib.groups.path import GroupPath as GroupPath
from mc_lib.groups.permutation import Permutation as Permutation
from mc_lib.groups.positive_scaling import PositiveScaling as PositiveScaling
from mc_lib.groups.rotation import log_rotation as log_rotation
from mc_lib.groups.signed_permutation import SignedPermutation as SignedPermutation
from mc_lib.groups.trivial import Trivial as Trivial
