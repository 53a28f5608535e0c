"""The paper's networks: data X, Y, hidden widths, and a loss on parameter space."""

from mc_lib.networks.base import Network as Network
from mc_lib.networks.classifier import Classifier as Classifier
from mc_lib.networks.homogeneous import HomogeneousNet as HomogeneousNet
from mc_lib.networks.homogeneous import leaky_power as leaky_power
from mc_lib.networks.linear import DeepLinear as DeepLinear
from mc_lib.networks.linear import partial_products as partial_products
from mc_lib.networks.matrices import MatrixNetwork as MatrixNetwork
from mc_lib.networks.matrices import Weights as Weights
from mc_lib.networks.residual import ResidualLinear as ResidualLinear
from mc_lib.networks.two_layer import TwoLayer as TwoLayer
