"""Changing dtype and asking what a tensor is: `to` and its short forms, sizes, strides, Python numbers."""

from __future__ import annotations

from typing import Any

from regrad import dtypes
from regrad.graph.value import Value, View, root
from regrad.ops.core import cast
from regrad.ops.creation import check_device

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "is_complex",
    "is_floating_point",
    "is_nonzero",
    "is_signed",
    "is_tensor",
    "memory_format",
    "numel",
    "preserve_format",
    "result_type",
    "sparse_coo",
    "strided",
]


class MemoryFormat:
    """How elements lie in memory. Accepted where PyTorch takes it; results here are row by row."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"regrad.{self._name}"


contiguous_format = MemoryFormat("contiguous_format")
preserve_format = MemoryFormat("preserve_format")
channels_last = MemoryFormat("channels_last")
channels_last_3d = MemoryFormat("channels_last_3d")
strided = MemoryFormat("strided")
sparse_coo = MemoryFormat("sparse_coo")
memory_format = MemoryFormat


def to(
    self: Any,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Any:
    """This tensor with another dtype: ``to(dtype)``, ``to(device, dtype)`` or ``to(other)``.

    The tensor itself where nothing changes, unless ``copy``. The conversion is differentiable.

    >>> rg.tensor([1, 2]).to(rg.float32)
    tensor([1., 2.])
    """
    flags = [a for a in args if isinstance(a, bool)]
    copy = copy or flags[1:] == [True]
    for a in args:
        if isinstance(a, Value):
            dtype = dtypes.of(a.array.dtype)
        elif isinstance(a, dtypes.dtype) or a in (float, int, bool, complex):
            dtype = a
        elif isinstance(a, (bool, MemoryFormat)):
            continue
        elif isinstance(a, str) or type(a).__name__ == "device":
            device = a
        elif a is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments - got {type(a).__name__}; give a dtype,"
                " 'cpu' or a tensor"
            )
    check_device(device)
    target = self.array.dtype if dtype is None else dtypes.to_numpy(dtype)
    if target == self.array.dtype:
        return self.clone() if copy else self
    return cast(self, target)


def _short(name: str, target: str) -> Any:
    def method(self: Any, memory_format: Any = None) -> Any:
        return to(self, getattr(dtypes, target))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"This tensor as `{target}`."
    return method


def type_as(self: Any, other: Any) -> Any:
    """This tensor with the dtype of ``other``."""
    return to(self, other)


def type_(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, such as ``torch.FloatTensor``; or, given a dtype, the tensor converted to it."""
    if dtype is None:
        return "torch." + _TYPE_NAMES[dtypes.of(self.array.dtype).name] + "Tensor"
    if isinstance(dtype, str):
        names = {"torch." + v + "Tensor": k for k, v in _TYPE_NAMES.items()}
        if dtype not in names:
            raise ValueError(f"invalid type: {dtype!r}")
        dtype = getattr(dtypes, names[dtype])
    return to(self, dtype)


_TYPE_NAMES = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "bool": "Bool",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
}


def _need(x: Any, name: str) -> None:
    if not isinstance(x, Value):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(x).__name__}")


def is_tensor(obj: Any) -> bool:
    """Is ``obj`` a tensor?"""
    return isinstance(obj, Value)


def is_floating_point(input: Any) -> bool:
    """Are the elements real floating-point numbers?"""
    _need(input, "is_floating_point")
    return bool(dtypes.of(input.array.dtype).is_floating_point)


def is_complex(input: Any) -> bool:
    """Are the elements complex numbers?"""
    _need(input, "is_complex")
    return bool(input.array.dtype.kind == "c")


def is_signed(input: Any) -> bool:
    """Can the elements be negative?"""
    return bool(dtypes.of(input.array.dtype).is_signed)


def is_nonzero(input: Any) -> bool:
    """Is the one element of ``input`` not zero?"""
    return bool(_single(input, "is_nonzero"))


def numel(input: Any) -> int:
    """The number of elements."""
    return int(input.array.size)


def result_type(*operands: Any) -> Any:
    """The dtype that an op on these tensors and numbers computes in.

    >>> rg.result_type(rg.tensor([1, 2]), 1.0)
    regrad.float32
    """
    pairs = tuple(
        (o.array.dtype, 2 if o.array.ndim else 1) if isinstance(o, Value) else (type(o), 0) for o in operands
    )
    return dtypes.of(dtypes.result_dtype(pairs))


def size(self: Any, dim: int | None = None) -> Any:
    """The sizes, or the size along ``dim``."""
    if dim is None:
        return self.shape
    from regrad.shapes import dim_in

    if not self.array.ndim:
        raise IndexError(f"size: Dimension specified as {dim} but tensor has no dimensions")
    return self.array.shape[dim_in(dim, self.array.ndim, "size")]


def dim(self: Any) -> int:
    """The number of dimensions."""
    return int(self.array.ndim)


def stride(self: Any, dim: int | None = None) -> Any:
    """Elements to skip in memory for a step along each dimension, or along ``dim``."""
    array = self.array
    strides = tuple(s // array.itemsize for s in array.strides)
    if 0 in strides and (not array.size or 1 in array.shape):
        # NumPy leaves the stride open where there is at most one element to step over; PyTorch counts it up.
        want, expect = list(strides), 1
        for d in reversed(range(array.ndim)):
            if want[d] == 0 and (array.shape[d] == 1 or not array.size):
                want[d] = expect
            expect = want[d] * max(array.shape[d], 1)
        strides = tuple(want)
    return strides if dim is None else strides[dim]


def storage_offset(self: Any) -> int:
    """Elements between the start of the memory and this tensor's first element."""
    array, memory = self.array, root(self.array)
    return int(
        (array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]) // array.itemsize
    )


def is_contiguous(self: Any, memory_format: Any = None) -> bool:
    """Do the elements lie in memory row by row without gaps?"""
    return bool(self.array.flags.c_contiguous)


def _single(x: Any, name: str) -> Any:
    if x.array.size != 1:
        if name == "bool":
            raise RuntimeError(
                "Boolean value of Tensor with more than one value is ambiguous; use .any() or .all()"
                if x.array.size
                else "Boolean value of Tensor with no values is ambiguous"
            )
        error = RuntimeError if name in ("item", "is_nonzero") else ValueError
        raise error(f"a Tensor with {x.array.size} elements cannot be converted to Scalar; reduce it first, as "
                    "with .mean(), or take .tolist()")
    if name in ("int", "float") and x.array.dtype.kind == "c":
        raise RuntimeError(f"{name}(): a complex number cannot be converted without loss; take .real or .abs()")
    return x.array.item()


def item(self: Any) -> Any:
    """The one element as a Python number.

    >>> rg.tensor([2.5]).item()
    2.5
    """
    return _single(self, "item")


def tolist(self: Any) -> Any:
    """The elements as nested lists of Python numbers."""
    return self.array.tolist()


def _to_bool(self: Any) -> bool:
    return bool(_single(self, "bool"))


def _to_int(self: Any) -> int:
    return int(_single(self, "int"))


def _to_float(self: Any) -> float:
    return float(_single(self, "float"))


def _to_complex(self: Any) -> complex:
    return complex(_single(self, "complex"))


def _to_index(self: Any) -> int:
    if self.array.dtype.kind not in "iub" or self.array.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.array.item())


def is_inference(self: Any) -> bool:
    """Was this tensor made in inference mode?"""
    return bool(self.meta is not None and self.meta.inference)


def _is_view(self: Any) -> bool:
    return isinstance(self._view, View)


def cuda(self: Any, device: Any = None, non_blocking: bool = False, memory_format: Any = preserve_format) -> Any:
    """Refused: Regrad computes on the CPU."""
    check_device("cuda")


def cpu(self: Any, memory_format: Any = None) -> Any:
    """This tensor: it is on the CPU."""
    return self


def is_same_size(self: Any, other: Any) -> bool:
    """Do both tensors have the same sizes?"""
    return bool(self.array.shape == other.array.shape)


def stay(self: Any, *args: Any, **kwargs: Any) -> Any:
    """This tensor: its memory is where it can be."""
    return self


METHODS = {
    "is_same_size": is_same_size,
    "pin_memory": stay,
    "share_memory_": stay,
    "to": to,
    "type_as": type_as,
    "type": type_,
    "size": size,
    "dim": dim,
    "ndimension": dim,
    "numel": numel,
    "nelement": numel,
    "stride": stride,
    "storage_offset": storage_offset,
    "is_contiguous": is_contiguous,
    "item": item,
    "tolist": tolist,
    "is_floating_point": is_floating_point,
    "is_complex": is_complex,
    "is_signed": is_signed,
    "is_nonzero": is_nonzero,
    "is_inference": is_inference,
    "_is_view": _is_view,
    "cpu": cpu,
    "cuda": cuda,
    "__bool__": _to_bool,
    "__int__": _to_int,
    "__float__": _to_float,
    "__complex__": _to_complex,
    "__index__": _to_index,
    "element_size": lambda self: int(self.array.itemsize),
    "data_ptr": lambda self: int(self.array.ctypes.data),
    "get_device": lambda self: -1,
    "is_pinned": lambda self: False,
    "is_set_to": lambda self, other: self.array is other.array,
    **{
        name: _short(name, target)
        for name, target in {
            "float": "float32",
            "double": "float64",
            "half": "float16",
            "bfloat16": "bfloat16",
            "int": "int32",
            "long": "int64",
            "short": "int16",
            "char": "int8",
            "byte": "uint8",
            "bool": "bool",
            "cfloat": "complex64",
            "cdouble": "complex128",
        }.items()
    },
}
