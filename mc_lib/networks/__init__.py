"""The paper's networks: data X, Y, hidden widths, and a loss on parameter space."""

from mc_lib.networks.base import Network, Weights
from mc_lib.networks.classifier import Classifier
from mc_lib.networks.homogeneous import HomogeneousNet, leaky_power
from mc_lib.networks.linear import DeepLinear, partial_products
from mc_lib.networks.residual import ResidualLinear
from mc_lib.networks.two_layer import TwoLayer

__all__ = [
    "Classifier",
    "DeepLinear",
    "HomogeneousNet",
    "Network",
    "ResidualLinear",
    "TwoLayer",
    "Weights",
    "leaky_power",
    "partial_products",
]
