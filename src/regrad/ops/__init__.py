"""What can be computed, one module per family. Each lists its functions (``__all__``), methods and in-place methods."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

__all__ = ["modules"]


def modules() -> list[ModuleType]:
    """The op modules, in alphabetical order."""
    found = []
    for m in pkgutil.iter_modules(__path__):
        try:
            found.append(importlib.import_module(f"{__name__}.{m.name}"))
        except (ImportError, SyntaxError, NameError, TypeError, AttributeError) as e:  # while being written
            import sys
            print(f"!! regrad.ops.{m.name}: {e!r}", file=sys.stderr)
    return found
