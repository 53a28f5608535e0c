"""The symmetries of any PyTorch module: found, acted with, certified, used to align and merge."""

from mc_lib.modules.aligning import align_models as align_models
from mc_lib.modules.complete import completeness as completeness
from mc_lib.modules.connecting import ModelPath as ModelPath
from mc_lib.modules.connecting import connect_models as connect_models
from mc_lib.modules.find import find_symmetry as find_symmetry
from mc_lib.modules.losses import loss_on as loss_on
from mc_lib.modules.merging import Merge as Merge
from mc_lib.modules.merging import merge as merge
from mc_lib.modules.relation import Relation as Relation
from mc_lib.modules.relation import compare_models as compare_models
from mc_lib.modules.tying import untied as untied
from mc_lib.modules.verification import verify as verify
