"""Parameters and buffers: the tensors that a module knows by name.

Assigning a `Parameter` or a `Buffer` to an attribute of a `Module` registers it. The uninitialised kinds stand in for
tensors whose shape the first input will tell.
"""

from __future__ import annotations

from typing import Any

from regrad.graph.node import leaf_for
from regrad.graph.value import Value, wrap
from regrad.ops import creation
from regrad.tensor import Tensor, _as

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Parameter(Tensor):
    """A tensor that training changes: a leaf that requires grad, found by `Module.parameters`.

    ``Parameter(data, requires_grad=True)`` shares the memory of ``data``. PyTorch: torch.nn.parameter.Parameter.

    >>> rg.nn.Parameter(rg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:  # noqa: D102 - the class says it
        return _shared(cls, data).requires_grad_(requires_grad)

    def __repr__(self, **contents: Any) -> str:  # type: ignore[override]
        return f"Parameter containing:\n{super().__repr__(**contents)}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = super().__deepcopy__(memo)
        twin._grad = None  # as in PyTorch, a copied network starts without gradients
        return twin


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not trained, such as a running mean.

    ``persistent=False`` leaves it out of the `state_dict`. PyTorch: torch.nn.parameter.Buffer.

    >>> module = rg.nn.Module()
    >>> module.steps = rg.nn.Buffer(rg.zeros(1))
    >>> list(module.state_dict())
    ['steps']
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:  # noqa: D102 - the class says it
        made = _shared(cls, data)
        made.persistent = persistent
        return made


def _shared(cls: type[Tensor], data: Any) -> Any:
    """A leaf of class ``cls`` over the memory of ``data``."""
    if data is None:
        data = creation.empty(0)
    elif not isinstance(data, Value):
        raise TypeError(
            f"{cls.__name__}: data must be a tensor, not {type(data).__name__}; make one with rg.tensor(...)"
        )
    return _as(wrap(data.array), cls)


_ARRAY: Any = Value.__dict__["array"]  # the slot, below the property that hides it


class _Uninitialized:
    """What the two uninitialised kinds share: reading the elements is an error until `materialize` has been called."""

    _dtype: Any

    def _no_array(self) -> Any:
        kind = type(self).__name__
        raise ValueError(
            f"Attempted to use an uninitialized parameter: this {kind} has no shape yet. Its lazy module takes the"
            " shape from the first input: call the module once (a dry run) before using its parameters."
        )

    def _set_array(self, array: Any) -> None:
        _ARRAY.__set__(self, array)

    array = property(_no_array, _set_array)

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. Call the lazy module once with an input,"
            " or load a state dict."
        )

    @property
    def is_leaf(self) -> bool:
        return True

    def detach(self) -> Any:
        return self

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of this shape, with elements still to be set."""
        made = creation.empty(shape, dtype=dtype or self._dtype, device=device)
        self.__class__ = self.cls_to_become  # type: ignore[attr-defined]
        self.array = made.array

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(requires_grad=self.requires_grad, dtype=self.dtype)  # type: ignore[call-arg, attr-defined]
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, None, self.dtype)  # type: ignore[attr-defined]

    def __repr__(self, **_: Any) -> str:
        return f"<{type(self).__name__}>"


def _unmade(cls: type[Any], requires_grad: bool, device: Any, dtype: Any) -> Any:
    blank = creation.empty(0, dtype=dtype, device=device)
    made = _as(blank, cls)
    made._dtype = blank.dtype
    if requires_grad:
        leaf_for(made)
    return made


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[misc]
    """A parameter without a shape, until `materialize` gives it one.

    PyTorch: torch.nn.parameter.UninitializedParameter.

    >>> rg.nn.LazyLinear(3).weight
    <UninitializedParameter>
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:  # noqa: D102
        return _unmade(cls, requires_grad, device, dtype)


class UninitializedBuffer(_Uninitialized, Buffer):  # type: ignore[misc]
    """A buffer without a shape, until `materialize` gives it one.

    PyTorch: torch.nn.parameter.UninitializedBuffer.

    >>> rg.nn.LazyBatchNorm1d().running_mean
    <UninitializedBuffer>
    """

    cls_to_become = Buffer

    def __new__(  # noqa: D102 - the class says it
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        made = _unmade(cls, requires_grad, device, dtype)
        made.persistent = persistent
        return made


def is_lazy(param: Any) -> bool:
    """Is this a parameter or buffer whose shape is not known yet?

    >>> rg.nn.parameter.is_lazy(rg.nn.Parameter(rg.ones(1)))
    False
    """
    return isinstance(param, _Uninitialized)
