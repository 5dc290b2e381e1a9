"""Making tensors: from data, filled, counted, and shaped like others. Start reading at `tensor`.

``device`` and ``layout`` arguments are accepted where PyTorch has them and must say CPU and strided.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.graph.node import leaf_for
from regrad.graph.value import Value, wrap
from regrad.ops.core import cast

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "from_dlpack",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "range",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]

_range = range


def check_device(device: Any) -> None:
    """Refuse any device but the CPU."""
    if device is not None and str(device).split(":")[0] not in ("cpu", "meta"):
        raise RuntimeError(
            f"device {device!r}: Regrad computes on the CPU only; pass device='cpu' or leave it out"
        )


def finish(array: Any, requires_grad: bool) -> Any:
    """A tensor around a fresh array, a leaf if it requires grad."""
    out = wrap(array)
    if requires_grad:
        if out.array.dtype.kind not in "fcV":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        leaf_for(out)
    return out


def _default() -> Any:
    return dtypes.to_numpy(dtypes.get_default_dtype())


def sizes_of(size: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """The sizes given as ``(2, 3)``, ``([2, 3],)`` or ``(Size,)``."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    out = []
    for n in size:
        if isinstance(n, (bool, float)) or not hasattr(n, "__index__"):
            raise TypeError(
                f"{name}(): argument 'size' must be tuple of ints, but found element of type"
                f" {type(n).__name__}"
            )
        n = int(n.__index__())
        if n < 0:
            raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {n}: {list(size)}")
        out.append(n)
    return tuple(out)


def _plain(data: Any) -> Any:
    """Nested data with tensors turned into what NumPy takes."""
    if isinstance(data, Value):
        return data.array.tolist() if data.array.ndim == 0 else data.array
    if isinstance(data, (list, tuple)):
        return [_plain(d) for d in data]
    return data


def array_of(data: Any, dtype: Any = None) -> Any:
    """A fresh array of ``data`` with PyTorch's dtype for it."""
    if isinstance(data, Value):
        return np.array(data.array, dtype=dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
    else:
        if isinstance(data, (str, bytes)) or data is None:
            raise TypeError(
                f"tensor(): cannot make a tensor of {type(data).__name__}; give numbers, sequences of numbers"
                " or arrays"
            )
        plain = _plain(data)
        if not isinstance(plain, (list, int, float, complex, bool)) and hasattr(plain, "__array__"):
            plain = np.asarray(plain)
        try:
            array = np.array(plain)
        except ValueError as error:
            raise ValueError(f"tensor(): expected sequences of equal length at every dim ({error})") from None
        if array.dtype.kind == "O":
            wide = [x for x in array.ravel() if not isinstance(x, (int, float, complex))]
            if not wide:
                raise RuntimeError(
                    "tensor(): Overflow when unpacking long: a number does not fit into 64 bits"
                )
            raise TypeError(f"tensor(): new(): invalid data type {type(wide[0]).__name__!r}; give numbers")
        if dtype is not None or isinstance(plain, np.ndarray) or (array.size and _has_arrays(plain)):
            pass  # the dtype asked for holds, or the arrays' own
        elif array.dtype.kind == "f" or array.size == 0:
            array = array.astype(_default())
        elif array.dtype.kind == "c":
            array = array.astype(dtypes.get_default_dtype().to_complex().np)
    if dtype is not None and array.dtype != dtype:
        array = cast(array, dtype)
    dtypes.of(array.dtype)
    return array


def _has_arrays(data: Any) -> bool:
    if isinstance(data, (np.ndarray, np.generic)):
        return True
    return isinstance(data, list) and any(_has_arrays(d) for d in data)


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Any:
    """A new tensor with a copy of ``data``: a number, nested sequences of numbers, or an array.

    Floats get the default dtype, ints int64; an array keeps its own. PyTorch: torch.tensor.

    >>> rg.tensor([[1., 2.], [3., 4.]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    check_device(device)
    return finish(array_of(data, None if dtype is None else dtypes.to_numpy(dtype)), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
    """``data`` as a tensor, sharing its memory where the dtype allows. PyTorch: torch.as_tensor.

    >>> a = np.zeros(2)
    >>> t = rg.as_tensor(a)
    >>> a[0] = 5.
    >>> t
    tensor([5., 0.], dtype=regrad.float64)
    """
    check_device(device)
    target = None if dtype is None else dtypes.to_numpy(dtype)
    if isinstance(data, Value):
        return data if target is None or data.array.dtype == target else cast(data, target)
    if isinstance(data, np.ndarray):
        dtypes.of(data.dtype)
        return wrap(data if target is None or data.dtype == target else cast(data, target))
    return wrap(array_of(data, target))


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Any:
    """``obj`` as a tensor; ``copy`` True: never shares memory, False: always, or raises."""
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    out = as_tensor(obj, dtype, device)
    if copy is False and not (out is obj or (isinstance(obj, np.ndarray) and out.array is obj)):
        raise ValueError("asarray: cannot alias the given object without a copy; pass copy=None")
    return out.requires_grad_() if requires_grad else out


def from_numpy(array: Any) -> Any:
    """A tensor over the memory of a NumPy array: writes to one are seen by the other.

    >>> a = np.zeros(2)
    >>> t = rg.from_numpy(a)
    >>> _ = t.add_(1)
    >>> a
    array([1., 1.])
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtypes.of(array.dtype)
    return wrap(array if type(array) is np.ndarray else array.view(np.ndarray))


def from_dlpack(ext_tensor: Any) -> Any:
    """A tensor over the memory of any array that speaks DLPack.

    >>> rg.from_dlpack(np.arange(3.))
    tensor([0., 1., 2.], dtype=regrad.float64)
    """
    return from_numpy(np.from_dlpack(ext_tensor))


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Any:
    """A 1-D tensor over the memory of a Python buffer."""
    return finish(np.frombuffer(buffer, dtypes.to_numpy(dtype), count, offset), requires_grad)


# -- filled


def _target(dtype: Any) -> Any:
    return _default() if dtype is None else dtypes.to_numpy(dtype)


def empty(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """A tensor of the given size with whatever is in memory.

    >>> rg.empty(2, 3).shape
    regrad.Size([2, 3])
    """
    check_device(device)
    return finish(np.empty(sizes_of(size, "empty"), _target(dtype)), requires_grad)


def zeros(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Zeros.

    >>> rg.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    check_device(device)
    return finish(np.zeros(sizes_of(size, "zeros"), _target(dtype)), requires_grad)


def ones(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Ones.

    >>> rg.ones(3)
    tensor([1., 1., 1.])
    """
    check_device(device)
    return finish(np.ones(sizes_of(size, "ones"), _target(dtype)), requires_grad)


def _fill_dtype(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return np.dtype(bool)
    if isinstance(value, (int, np.integer)):
        return np.dtype("i8")
    return dtypes.get_default_dtype().to_complex().np if isinstance(value, complex) else _default()


def _number(value: Any) -> Any:
    return value.array.item() if isinstance(value, Value) else value


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """``fill_value`` everywhere; the dtype follows the value unless given.

    >>> rg.full((2,), 7)
    tensor([7, 7])
    """
    check_device(device)
    value = _number(fill_value)
    target = _fill_dtype(value) if dtype is None else dtypes.to_numpy(dtype)
    return finish(
        _filled(sizes_of((size,) if isinstance(size, (tuple, list)) else (size,), "full"), value, target),
        requires_grad,
    )


def _filled(shape: tuple[int, ...], value: Any, target: Any) -> Any:
    if isinstance(value, complex) and target.kind != "c":
        raise RuntimeError(f"full: value cannot be converted to type {dtypes.of(target)} without overflow")
    if target.kind in "iu" and isinstance(value, (int, float)):
        info = np.iinfo(target)
        if not math.isfinite(value) or not info.min <= value <= info.max:
            raise RuntimeError(
                f"full: value cannot be converted to type {dtypes.of(target)} without overflow: {value}"
            )
    return np.full(shape, value, target)


def _like(make: Any, name: str) -> Any:
    def like(
        input: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        layout: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Any:
        check_device(device)
        array = input.array if isinstance(input, Value) else np.asarray(input)
        out = make(array, dtype=None if dtype is None else dtypes.to_numpy(dtype))
        return finish(out, requires_grad) if isinstance(input, Value) else out

    like.__name__ = like.__qualname__ = name
    like.__module__ = __name__
    return like


zeros_like = _like(np.zeros_like, "zeros_like")
zeros_like.__doc__ = """Zeros of the shape and dtype of ``input``.

    >>> rg.zeros_like(rg.tensor([1., 2.]))
    tensor([0., 0.])
    """
ones_like = _like(np.ones_like, "ones_like")
ones_like.__doc__ = """Ones of the shape and dtype of ``input``.

    >>> rg.ones_like(rg.tensor([1, 2]))
    tensor([1, 1])
    """
empty_like = _like(np.empty_like, "empty_like")
empty_like.__doc__ = """An uninitialised tensor of the shape and dtype of ``input``.

    >>> rg.empty_like(rg.ones(2, 3)).shape
    regrad.Size([2, 3])
    """


def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Any:
    """``fill_value`` everywhere, in the shape and dtype of ``input``.

    >>> rg.full_like(rg.ones(2), 7)
    tensor([7., 7.])
    """
    check_device(device)
    array = input.array if isinstance(input, Value) else np.asarray(input)
    target = array.dtype if dtype is None else dtypes.to_numpy(dtype)
    return finish(_filled(array.shape, _number(fill_value), target), requires_grad)


def _new(make: Any) -> Any:
    def method(
        self: Any,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
    ) -> Any:
        return make(
            *size, dtype=dtypes.of(self.array.dtype) if dtype is None else dtype, requires_grad=requires_grad
        )

    method.__name__ = method.__qualname__ = "new_" + make.__name__
    method.__doc__ = f"`rg.{make.__name__}` with this tensor's dtype unless another is given."
    return method


def new_full(
    self: Any,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """`rg.full` with this tensor's dtype unless another is given."""
    return full(
        size,
        fill_value,
        dtype=dtypes.of(self.array.dtype) if dtype is None else dtype,
        requires_grad=requires_grad,
    )


def new_tensor(
    self: Any,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """`rg.tensor` with this tensor's dtype unless another is given."""
    return tensor(
        data, dtype=dtypes.of(self.array.dtype) if dtype is None else dtype, requires_grad=requires_grad
    )


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """A 0-d tensor of the default dtype."""
    check_device(device)
    return finish(np.array(_number(s)).astype(_target(dtype)), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Ones on the diagonal of an ``n`` by ``m`` matrix.

    >>> rg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_device(device)
    for name, k in (("n", n), ("m", m)):
        if k is not None and k < 0:
            raise RuntimeError(f"eye: {name} must be greater or equal to 0, got {k}")
    return finish(np.eye(n, m, dtype=_target(dtype)), requires_grad)


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """An uninitialised tensor with the given strides (in elements)."""
    check_device(device)
    target = _target(dtype)
    if len(size) != len(stride):
        raise RuntimeError(
            f"empty_strided: dimensionality of sizes ({len(size)}) must match dimensionality of strides"
            f" ({len(stride)})"
        )
    span = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    flat = np.empty(max(span, 1), target)
    array = np.lib.stride_tricks.as_strided(flat, size, [s * target.itemsize for s in stride])
    return finish(array, requires_grad)


def new_empty_strided(
    self: Any,
    size: Any,
    stride: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """`rg.empty_strided` with this tensor's dtype unless another is given."""
    return empty_strided(
        size,
        stride,
        dtype=dtypes.of(self.array.dtype) if dtype is None else dtype,
        requires_grad=requires_grad,
    )


def empty_permuted(
    size: Any,
    physical_layout: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """An uninitialised tensor whose memory runs through the dimensions in the order ``physical_layout``."""
    check_device(device)
    if sorted(physical_layout) != list(_range(len(size))):
        if len(physical_layout) != len(size):
            raise RuntimeError(
                "empty_permuted: Number of dimensions in size does not match the length of the"
                f" physical_layout; i.e. len(size) = {len(size)} is not equal to len(physical_layout) ="
                f" {len(physical_layout)}"
            )
        out_of_range = [p for p in physical_layout if not 0 <= p < len(size)]
        what = f"Dimension out of range: {out_of_range[0]}" if out_of_range else "Duplicate dim not allowed"
        raise RuntimeError(f"empty_permuted: {what} in physical_layout {list(physical_layout)}")
    flat = np.empty([size[p] for p in physical_layout], _target(dtype))
    return finish(flat.transpose(np.argsort(physical_layout)) if len(size) else flat, requires_grad)


# -- counted


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """The numbers from ``start`` to below ``end`` in steps of ``step``; int64 when all three are ints.

    >>> rg.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    check_device(device)
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end}")
    if (step > 0) != (end >= start) and start != end:
        raise RuntimeError(
            f"arange: upper bound and lower bound inconsistent with step sign: {start} -> {end} by {step}"
        )
    whole = all(isinstance(v, (int, np.integer)) for v in (start, end, step))
    target = (np.dtype("i8") if whole else _default()) if dtype is None else dtypes.to_numpy(dtype)
    if target.kind in "iu" and whole:
        array = np.arange(int(start), int(end), int(step)).astype(target)
    else:
        if target.kind in "iu":
            start, end, step = int(start), int(end), int(step)
        count = math.ceil((end - start) / step)
        array = (start + step * np.arange(count, dtype="f8")).astype(target)
    return finish(array, requires_grad)


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False
) -> Any:
    """The numbers from ``start`` to ``end``, the end included. PyTorch's own advice: use `arange`."""
    if end is None:
        start, end = 0, start
    count = math.floor((end - start) / step) + 1
    return finish((start + step * np.arange(count, dtype="f8")).astype(_target(dtype)), requires_grad)


def _line(start: Any, end: Any, steps: Any, dtype: Any, name: str) -> tuple[Any, Any]:
    steps = _number(steps)
    if isinstance(steps, (bool, float)) or not hasattr(steps, "__index__"):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError(f"{name}: number of steps must be non-negative, got {steps}")
    for end_name, v in (("start", start), ("end", end)):
        if isinstance(v, Value) and v.array.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimensional {end_name} and end tensors, but got {end_name} with "
                f"{v.array.ndim} dimension(s)."
            )
    start, end = _number(start), _number(end)
    is_complex = isinstance(start, complex) or isinstance(end, complex)
    target = (
        (dtypes.get_default_dtype().to_complex().np if is_complex else _default())
        if dtype is None
        else dtypes.to_numpy(dtype)
    )
    if is_complex and target.kind != "c":
        raise RuntimeError(
            f"{name}: inferred dtype complex can't be safely cast to passed dtype {dtypes.of(target)}"
        )
    if target.kind in "iu":
        start, end = int(start), int(end)
    if steps == 1:
        points = np.array([start], "c16" if is_complex else "f8")
    else:
        step = (end - start) / (steps - 1) if steps > 1 else 0.0
        k = np.arange(int(steps))
        points = np.where(k < int(steps) // 2, start + step * k, end - step * (int(steps) - 1 - k))
    return points, target


def linspace(
    start: Any,
    end: Any,
    steps: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> rg.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_device(device)
    points, target = _line(start, end, steps, dtype, "linspace")
    return finish(points.astype(target), requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: Any,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """``base ** x`` for ``steps`` evenly spaced ``x`` from ``start`` to ``end``.

    >>> rg.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    check_device(device)
    points, target = _line(start, end, steps, dtype, "logspace")
    with np.errstate(all="ignore"):
        return finish(
            np.power(complex(base) if points.dtype.kind == "c" else float(base), points).astype(target),
            requires_grad,
        )


METHODS = {
    "new_zeros": _new(zeros),
    "new_ones": _new(ones),
    "new_empty": _new(empty),
    "new_full": new_full,
    "new_tensor": new_tensor,
    "new_empty_strided": new_empty_strided,
}
