"""Modules that take their sizes from the first input.

A lazy class mixes `LazyModuleMixin` into an eager one and says in ``initialize_parameters`` which sizes an input tells.
After the first call the module is of the eager class. PyTorch: torch.nn.modules.lazy.LazyModuleMixin.
"""

from __future__ import annotations

from typing import Any

from regrad.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """What makes a module lazy: its parameters take shape when it is first called, or when a state is loaded.

    >>> layer = rg.nn.LazyLinear(3)
    >>> layer(rg.ones(5, 2)).shape, layer
    (regrad.Size([5, 3]), Linear(in_features=2, out_features=3, bias=True))
    """

    cls_to_become: type[Any] | None = None

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first_call = self.register_forward_pre_hook(_take_shape, with_kwargs=True)
        self._first_load = self.register_load_state_dict_pre_hook(_take_loaded_shapes)

    def has_uninitialized_params(self: Any) -> bool:
        """Is there a parameter or buffer without a shape?"""
        return any(map(is_lazy, [*self._parameters.values(), *self._buffers.values()]))

    def initialize_parameters(self: Any, *args: Any, **kwargs: Any) -> None:
        """Give the parameters the shapes that these inputs ask for."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")


def _take_shape(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {type(module).__name__} has not been fully initialized")
    _become(module)


def _become(module: Any) -> None:
    """The module is lazy no longer."""
    module._first_call.remove()
    module._first_load.remove()
    del module._first_call, module._first_load
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


def _take_loaded_shapes(module: Any, state_dict: Any, prefix: str, *_: Any) -> None:
    """Give parameters without a shape that of the values about to be loaded."""
    for name, own in [*module._parameters.items(), *module._buffers.items()]:
        given = state_dict.get(prefix + name)
        if own is not None and is_lazy(own) and given is not None and not is_lazy(given):
            own.materialize(given.shape)
