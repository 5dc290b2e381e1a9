"""Neural networks: functions now, modules to come on top of them."""

from regrad.nn import functional as functional

__all__ = ["functional"]
