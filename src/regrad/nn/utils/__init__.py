"""Helpers around modules and parameters: clipping gradients, normalising weights, sequences, functional calls.

Parametrized tensors are in `parametrize` (the machinery) and `parametrizations` (some to register), sequences of
different lengths in `rnn`, pruning in `prune`. PyTorch: https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from regrad.nn.utils import parametrizations as parametrizations
from regrad.nn.utils import parametrize as parametrize
from regrad.nn.utils import prune as prune
from regrad.nn.utils import rnn as rnn
from regrad.nn.utils import stateless as stateless
from regrad.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from regrad.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from regrad.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from regrad.nn.utils.init import skip_init
from regrad.nn.utils.memory_format import convert_conv2d_weight_memory_format, convert_conv3d_weight_memory_format
from regrad.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from regrad.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]
