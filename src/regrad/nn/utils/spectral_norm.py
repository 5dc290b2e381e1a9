"""Spectral normalisation by a hook: before every forward the weight is divided by its largest singular value.

`regrad.nn.utils.parametrizations.spectral_norm` is the newer form. Miyato et al., 2018: Spectral Normalization for
Generative Adversarial Networks.
"""

from __future__ import annotations

from typing import Any

from regrad.autograd.grad_mode import no_grad
from regrad.nn.functional import normalize
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter
from regrad.nn.utils.weight_norm import find_hook, weight_of
from regrad.ops.matmul import dot, mv

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


def as_matrix(weight: Any, dim: int) -> Any:
    """The weight with ``dim`` as rows and everything else as columns."""
    return weight.movedim(dim, 0).reshape(weight.shape[dim], -1)


def random_direction(like: Any, size: int, eps: float) -> Any:
    """A vector of norm 1."""
    return normalize(like.new_empty(size).normal_(), dim=0, eps=eps)


def default_dim(module: Any) -> int:
    """Where the outputs of a layer's weight are: dimension 1 for transposed convolutions, else 0."""
    return 1 if getattr(module, "transposed", False) else 0


def positive(n_power_iterations: int) -> int:
    """The number of iterations, which is at least one."""
    if n_power_iterations <= 0:
        raise ValueError(
            f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
        )
    return n_power_iterations


class SpectralNorm:
    """The hook that computes the weight."""

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = positive(n_power_iterations)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Any:
        """W / σ with σ = u·Wv; the power iteration improves u and v first."""
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(normalize(mv(matrix, v), dim=0, eps=self.eps))
        u, v = u.clone(), v.clone()  # for backward, when the next forward has gone on with them
        return weight / dot(u, mv(matrix, v))

    def __call__(self, module: Module, inputs: Any) -> None:
        """Compute the weight anew."""
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Divide a weight by its largest singular value, found by power iteration in training; returns the module.

    ``dim`` is that of the outputs. PyTorch: torch.nn.utils.spectral_norm.

    >>> layer = rg.nn.utils.spectral_norm(rg.nn.Linear(4, 3))
    >>> list(layer.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if find_hook(module, SpectralNorm, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    weight = weight_of("spectral_norm", module, name)
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u, v = random_direction(weight, rows, eps), random_direction(weight, columns, eps)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make the weight a parameter again, as it is now; returns the module.

    PyTorch: torch.nn.utils.remove_spectral_norm.

    >>> rg.nn.utils.remove_spectral_norm(rg.nn.utils.spectral_norm(rg.nn.Linear(4, 3)))
    Linear(in_features=4, out_features=3, bias=True)
    """
    key = find_hook(module, SpectralNorm, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    with no_grad():
        weight = module._forward_pre_hooks.pop(key).compute_weight(module, do_power_iteration=False)
    for end in ("", "_u", "_v", "_orig"):
        delattr(module, name + end)
    module.register_parameter(name, Parameter(weight))
    return module
