"""Utilities around training: data and its loaders, checkpointing of activations."""

import importlib
import typing

from regrad.utils import checkpoint as checkpoint

if typing.TYPE_CHECKING:
    from regrad.utils import data as data

__all__ = ["checkpoint", "data"]


def __getattr__(name: str) -> typing.Any:
    if name == "data":  # with worker processes behind it, it takes as long to import as half of the rest
        return importlib.import_module("regrad.utils.data")
    raise AttributeError(f"module 'regrad.utils' has no attribute {name!r}")
