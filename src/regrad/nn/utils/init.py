"""A module without its usual starting values."""

from __future__ import annotations

from typing import Any

from regrad.nn.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A module of this class, the values of whose parameters and buffers are not to be relied on.

    Its constructor must take ``device``. PyTorch: torch.nn.utils.skip_init.

    >>> rg.nn.utils.skip_init(rg.nn.Linear, 5, 1)
    Linear(in_features=5, out_features=1, bias=True)
    """
    import inspect

    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    return module_cls(*args, **kwargs).to_empty(device=kwargs.get("device"))
