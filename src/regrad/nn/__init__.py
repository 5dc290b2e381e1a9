"""Neural networks: modules, their functions, initialisation, helpers.

`Module` (regrad.nn.module) is what all others are made of; each family of layers has a module named like that of its
ops. PyTorch: https://docs.pytorch.org/docs/stable/nn.html
"""

from regrad.nn import functional as functional
from regrad.nn import parameter as parameter
from regrad.nn import utils as utils
from regrad.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from regrad.nn.module import Module
from regrad.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer", "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList", "Sequential",
    "UninitializedBuffer", "UninitializedParameter", "functional", "parameter", "utils",
]  # fmt: skip
