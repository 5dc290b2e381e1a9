"""The names of PyTorch's files: ``nn.modules.batchnorm._BatchNorm``, ``from regrad.nn.modules.utils import _pair``.

Nothing is defined here. The classes themselves are found by name too, as in ``nn.modules.Linear``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from regrad.nn import activation as _activation
from regrad.nn import attention as _attention
from regrad.nn import borrowed as utils
from regrad.nn import containers as container
from regrad.nn import convolution as conv
from regrad.nn import distance as distance
from regrad.nn import dropout as dropout
from regrad.nn import embedding as sparse
from regrad.nn import lazy as lazy
from regrad.nn import linear as _linear
from regrad.nn import loss as loss
from regrad.nn import module as module
from regrad.nn import normalization as normalization
from regrad.nn import padding as padding
from regrad.nn import pooling as pooling
from regrad.nn import recurrent as rnn
from regrad.nn import resampling as upsampling
from regrad.nn import shaping as flatten
from regrad.nn import transformer as transformer


def _together(name: str, *sources: ModuleType) -> ModuleType:
    """What is one file in PyTorch and several here."""
    file = ModuleType(f"{__name__}.{name}", f"The names of {' and '.join(source.__name__ for source in sources)}.")
    for source in sources:
        vars(file).update({key: value for key, value in vars(source).items() if not key.startswith("__")})
    return file


activation = _together("activation", _activation, _attention)
linear = _together("linear", _linear, _attention)
adaptive = loss
batchnorm = instancenorm = normalization
channelshuffle = fold = pixelshuffle = flatten

__all__ = [
    "activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout", "flatten",
    "fold", "instancenorm", "lazy", "linear", "loss", "module", "normalization", "padding", "pixelshuffle", "pooling",
    "rnn", "sparse", "transformer", "upsampling", "utils",
]  # fmt: skip

# What an import statement looks for: regrad.nn.modules.conv, and so on.
sys.modules.update({f"{__name__}.{name}": globals()[name] for name in __all__})


def __getattr__(name: str) -> Any:
    from regrad import nn

    value = vars(nn).get(name)
    if not isinstance(value, type):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return value
