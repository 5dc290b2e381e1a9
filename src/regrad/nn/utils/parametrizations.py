"""Parametrizations to register: orthogonal matrices, weight normalisation, spectral normalisation.

Each function here registers one on a module's tensor, as `regrad.nn.utils.parametrize` describes, and returns the
module.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from regrad.autograd.grad_mode import no_grad
from regrad.graph.value import Value, wrap
from regrad.linalg import solve
from regrad.nn.functional import normalize
from regrad.nn.module import Module
from regrad.nn.utils.parametrize import register_parametrization
from regrad.nn.utils.spectral_norm import as_matrix, default_dim, positive, random_direction
from regrad.nn.utils.weight_norm import norm_except_dim, normalised
from regrad.ops.comparison import allclose
from regrad.ops.creation import eye
from regrad.ops.joining import cat
from regrad.ops.linalg import geqrf, matrix_exp, orgqr, qr
from regrad.ops.matmul import mv, vdot
from regrad.ops.random import randn_like

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor_of(module: Any, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Value):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# -- weight normalisation


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return normalised(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Train a weight as its norms and its direction: w = g · v / ‖v‖.

    The norms are of slices along ``dim``; None means one norm of all. State dicts of the older
    `rg.nn.utils.weight_norm` load too. Salimans & Kingma, 2016. PyTorch: torch.nn.utils.parametrizations.weight_norm.

    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape, layer.parametrizations.weight.original1.shape
    (regrad.Size([40, 1]), regrad.Size([40, 20]))
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module._register_load_state_dict_pre_hook(functools.partial(_rename_older, name))
    return module


def _rename_older(name: str, state_dict: Any, prefix: str, *rest: Any) -> None:
    """Keys that the older `weight_norm` gave, under their names of today."""
    older = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
    if all(key in state_dict for key in older):
        for i, key in enumerate(older):
            state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)


# -- spectral normalisation


class _SpectralNorm(Module):
    _u: Any
    _v: Any

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but got {dim})"
            )
        self.n_power_iterations = positive(n_power_iterations)
        self.dim, self.eps = dim % weight.ndim, eps
        if weight.ndim > 1:
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                rows, columns = matrix.shape
                self.register_buffer("_u", random_direction(weight, rows, eps))
                self.register_buffer("_v", random_direction(weight, columns, eps))
                self._iterate(matrix, 15)

    def _iterate(self, matrix: Any, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(normalize(mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # for backward, when the next read has gone on with them
        return weight / vdot(u, mv(matrix, v))

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Divide a weight by its largest singular value, found by power iteration; in training, by more at every read.

    ``dim`` is that of the outputs. Miyato et al., 2018. PyTorch: torch.nn.utils.parametrizations.spectral_norm.

    >>> layer = rg.nn.utils.parametrizations.spectral_norm(rg.nn.Linear(4, 3), n_power_iterations=50)
    >>> rg.linalg.matrix_norm(layer.weight, 2).item()
    1.0...
    """
    weight = _tensor_of(module, name)
    made = _SpectralNorm(weight, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    return register_parametrization(module, name, made)


# -- orthogonal matrices

_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """A tall matrix with orthonormal columns (or a wide one with such rows) from the lower triangle of any.

    ``base``, if there is one, is the point around which the map works: Lezcano-Casado, 2019: Trivializations for
    Gradient-Based Optimization on Manifolds.
    """

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = tuple(weight.shape), orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Any) -> Any:
        wide = x.shape[-2] < x.shape[-1]
        if wide:
            x = x.mT
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            vectors = x.tril(-1)
            q = orgqr(vectors, 2.0 / (1.0 + (vectors * vectors).sum(-2)))
            q = q * x.detach().diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        else:
            a = x.tril()
            if n != k:
                a = cat([a, a.new_zeros(*a.shape[:-1], n - k)], -1)
            a = a - a.mH
            if self.orthogonal_map == "matrix_exp":
                q = matrix_exp(a)
            else:
                one = eye(n, dtype=a.dtype)
                q = solve(one - a / 2, one + a / 2)
            q = q[..., :k]
        if self.use_trivialization:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Any) -> Any:
        if tuple(q.shape) != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {list(self.shape)}. Got a tensor of shape"
                f" {list(q.shape)}."
            )
        with no_grad():
            wide = q.shape[-2] < q.shape[-1]
            tall = q.mT if wide else q
            if self.use_trivialization:
                self.base = _completed(tall)
                return wrap(np.broadcast_to(-np.eye(*self.shape[-2:]), self.shape).astype(q.array.dtype))
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when"
                    " use_trivialization=False."
                )
            vectors, tau = geqrf(tall)
            i = np.arange(tau.shape[-1])
            vectors.array[..., i, i] = np.sign(vectors.array[..., i, i]) * np.where(tau.array == 0, -1, 1)
            return vectors.mT if wide else vectors


def _completed(q: Any) -> Any:
    """A square matrix with orthonormal columns, the first of which span what those of ``q`` do; ``q`` if it is one."""
    n, k = q.shape[-2:]
    if n == k and allclose(q.mH @ q, eye(n, dtype=q.dtype), atol=10 * n * float(np.finfo(q.array.dtype).eps)):
        return q.clone()
    q = cat([q, randn_like(q[..., :1].expand(*q.shape[:-1], n - k))], -1)
    q, r = qr(q)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def orthogonal(
    module: Any, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Any:
    """Keep a matrix, or a batch of matrices, orthogonal: orthonormal columns if it is tall, rows if it is wide.

    ``orthogonal_map``      "matrix_exp" or "cayley" of a skew-symmetric matrix, or "householder" reflections (the
                            default unless the matrix is square or complex)
    ``use_trivialization``  keep a base point, which helps training and costs memory

    PyTorch: torch.nn.utils.parametrizations.orthogonal.

    >>> layer = rg.nn.utils.parametrizations.orthogonal(rg.nn.Linear(2, 4))
    >>> rg.dist(layer.weight.T @ layer.weight, rg.eye(2)).item() < 1e-5
    True
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
