"""Small helpers around parameters: as one vector and back; sequences padded to one length (`rnn`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.nn.utils import rnn as rnn
from regrad.ops.joining import cat

__all__ = ["parameters_to_vector", "rnn", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All elements of the parameters as one 1-D tensor, differentiably.

    >>> rg.nn.utils.parameters_to_vector([rg.ones(2), rg.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Give the parameters the elements of ``vec``, each its share in turn.

    >>> w = rg.zeros(2, 1)
    >>> rg.nn.utils.vector_to_parameters(rg.tensor([1., 2.]), [w])
    >>> w.tolist()
    [[1.0], [2.0]]
    """
    if not hasattr(vec, "array"):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for p in parameters:
        size = p.numel()
        p.data = vec[start : start + size].view_as(p).data
        start += size
