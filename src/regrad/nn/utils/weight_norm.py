"""Weight normalisation by a hook: the weight is computed from ``weight_g`` and ``weight_v`` before every forward.

`regrad.nn.utils.parametrizations.weight_norm` is the newer form. Salimans & Kingma, 2016: Weight Normalization.
"""

from __future__ import annotations

import warnings
from typing import Any

from regrad.autograd.grad_mode import no_grad
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter, is_lazy
from regrad.ops.reduction import vector_norm

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def norm_except_dim(v: Any, dim: int) -> Any:
    """The norm of each slice along ``dim``, which stays; of the whole tensor for -1."""
    if dim == -1:
        return vector_norm(v)
    rest = [d for d in range(v.ndim) if d != dim % v.ndim]
    return vector_norm(v, 2, rest, keepdim=True) if rest else v.abs()


def normalised(v: Any, g: Any, dim: int) -> Any:
    """The weight: ``v`` with the norms ``g``."""
    return v * (g / norm_except_dim(v, dim))


class WeightNorm:
    """The hook that computes the weight."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """The weight, g · v / ‖v‖."""
        return normalised(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        """Compute the weight anew."""
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Train a weight as its norms and its direction: w = g · v / ‖v‖; returns the module.

    The norms are of slices along ``dim``; None means one norm of all. Deprecated in favour of
    `regrad.nn.utils.parametrizations.weight_norm`. PyTorch: torch.nn.utils.weight_norm.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    if find_hook(module, WeightNorm, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = weight_of("weight_norm", module, name)
    with no_grad():
        norms = norm_except_dim(weight, hook.dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(norms))
    module.register_parameter(name + "_v", Parameter(weight.data))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make the weight a parameter again, as it is now; returns the module.

    PyTorch: torch.nn.utils.remove_weight_norm.
    """
    key = find_hook(module, WeightNorm, name)
    if key is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    with no_grad():
        weight = module._forward_pre_hooks.pop(key).compute_weight(module)
    delattr(module, name)
    del module._parameters[name + "_g"], module._parameters[name + "_v"]
    setattr(module, name, Parameter(weight))
    return module


def find_hook(module: Any, kind: type[Any], name: str) -> int | None:
    """The key of the module's hook of this kind for the weight ``name``."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key  # type: ignore[no-any-return]
    return None


def weight_of(call: str, module: Any, name: str) -> Any:
    """The parameter to be normalised."""
    if name not in module._parameters:
        kind = AttributeError if call == "weight_norm" else KeyError  # as in PyTorch
        raise kind(f"{call}: {type(module).__name__} has no parameter {name!r}; give one of {list(module._parameters)}")
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`{call}` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{call}` can't have uninitialized parameters. Make sure to run the dummy forward"
            " before applying it"
        )
    return weight
