"""Optimizers, learning-rate schedules and averaged weights, named and behaving as in PyTorch.

How an optimizer is built is said in `regrad.optim.optimizer`; how its rule is run, in `regrad.optim.rules`.
"""

import importlib
import typing

from regrad.optim import lr_scheduler as lr_scheduler
from regrad.optim.adadelta import Adadelta
from regrad.optim.adafactor import Adafactor
from regrad.optim.adagrad import Adagrad
from regrad.optim.adam import Adam
from regrad.optim.adamax import Adamax
from regrad.optim.adamw import AdamW
from regrad.optim.asgd import ASGD
from regrad.optim.lbfgs import LBFGS
from regrad.optim.muon import Muon
from regrad.optim.nadam import NAdam
from regrad.optim.optimizer import Optimizer
from regrad.optim.radam import RAdam
from regrad.optim.rmsprop import RMSprop
from regrad.optim.rprop import Rprop
from regrad.optim.sgd import SGD

if typing.TYPE_CHECKING:
    from regrad.optim import swa_utils as swa_utils

__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "lr_scheduler",
    "swa_utils",
]


def __getattr__(name: str) -> typing.Any:
    if name == "swa_utils":  # it averages modules, and importing these takes longer than all the rest
        return importlib.import_module("regrad.optim.swa_utils")
    raise AttributeError(f"module 'regrad.optim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "swa_utils"})
