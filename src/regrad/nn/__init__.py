"""Neural networks: functions and helpers now, modules to come on top of them."""

from regrad.nn import functional as functional
from regrad.nn import utils as utils

__all__ = ["functional", "utils"]
