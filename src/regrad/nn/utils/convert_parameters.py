"""Parameters as one vector and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.errors import ShapeError
from regrad.graph.value import Value
from regrad.ops.joining import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All elements of the parameters as one 1-D tensor, differentiably.

    PyTorch: torch.nn.utils.parameters_to_vector.

    >>> rg.nn.utils.parameters_to_vector([rg.ones(2), rg.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Give the parameters the elements of ``vec``, each its share in turn.

    PyTorch: torch.nn.utils.vector_to_parameters.

    >>> w = rg.zeros(2, 1)
    >>> rg.nn.utils.vector_to_parameters(rg.tensor([1., 2.]), [w])
    >>> w.tolist()
    [[1.0], [2.0]]
    """
    if not isinstance(vec, Value):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    sizes = [p.numel() for p in parameters]
    if vec.array.ndim != 1 or vec.array.size != sum(sizes):
        raise ShapeError(
            f"vector_to_parameters: a vector of shape {list(vec.array.shape)} for parameters with {sum(sizes)} elements"
            " together: give one with an element for each, as parameters_to_vector does"
        )
    start = 0
    for p, size in zip(parameters, sizes, strict=True):
        p.data = vec[start : start + size].view_as(p).data  # type: ignore[index]
        start += size
