"""Utilities around training: checkpointing of activations."""

from regrad.utils import checkpoint as checkpoint

__all__ = ["checkpoint"]
