"""Distances between vectors as modules."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

from typing import Any

from regrad.nn import functional as F
from regrad.nn.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along ``dim``; lengths below ``eps`` count as ``eps``.

    PyTorch: torch.nn.CosineSimilarity.

    >>> rg.nn.CosineSimilarity(dim=0)(rg.tensor([1., 1.]), rg.tensor([1., 0.]))
    tensor(0.7071)
    """

    __constants__ = ["dim", "eps"]

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of ``x1 - x2 + eps`` along the last dimension, which ``keepdim`` keeps with size 1.

    PyTorch: torch.nn.PairwiseDistance.

    >>> rg.nn.PairwiseDistance()(rg.tensor([[3., 0.]]), rg.tensor([[0., 4.]]))
    tensor([5.])
    """

    __constants__ = ["norm", "eps", "keepdim"]

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
