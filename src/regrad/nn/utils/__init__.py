"""Helpers around modules and parameters: clipping gradients, normalising weights, sequences, functional calls.

Parametrized tensors are in `parametrize` (the machinery) and `parametrizations` (some to register), sequences of
different lengths in `rnn`, pruning in `prune`. PyTorch: https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from regrad.nn.utils import parametrizations as parametrizations
from regrad.nn.utils import parametrize as parametrize
from regrad.nn.utils import rnn as rnn
from regrad.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from regrad.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from regrad.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from regrad.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
