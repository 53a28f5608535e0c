"""The symmetries of any PyTorch module: found, acted with, certified."""

from mc_lib.modules.complete import completeness as completeness
from mc_lib.modules.find import find_symmetry as find_symmetry
from mc_lib.modules.losses import loss_on as loss_on
from mc_lib.modules.verification import verify as verify
