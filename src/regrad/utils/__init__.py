"""Utilities around training: data and its loaders, checkpointing of activations."""

from regrad.utils import checkpoint as checkpoint
from regrad.utils import data as data

__all__ = ["checkpoint", "data"]
