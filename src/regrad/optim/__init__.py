"""Optimizers, learning-rate schedules and averaged weights, named and behaving as in PyTorch.

How an optimizer is built is said in `regrad.optim.optimizer`; how its rule is run, in `regrad.optim.rules`.
"""

from regrad.optim.optimizer import Optimizer
from regrad.optim.sgd import SGD

__all__ = ["Optimizer", "SGD"]
