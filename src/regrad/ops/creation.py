"""Making tensors: from data, filled, counted, and shaped like others. Start reading at `tensor`.

``device`` and ``layout`` arguments are accepted where PyTorch has them and must say CPU and strided.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.graph.node import leaf_for
from regrad.graph.sharing import borrow
from regrad.graph.value import Value, root, wrap
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
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients; this one is "
                               f"{dtypes.of(out.array.dtype)}: give a dtype such as rg.float32")
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


def _plain(data: Any, met: set[Any]) -> Any:
    """Nested data with tensors turned into numbers; ``met`` gets the dtypes and types of what is in it."""
    if isinstance(data, Value):
        if data.array.size != 1:
            raise ValueError(
                "tensor(): only one element tensors can be converted to Python scalars; join larger ones with"
                " rg.stack"
            )
        met.add(data.array.dtype)
        return data.array.item()
    if isinstance(data, (list, tuple)):
        return [_plain(d, met) for d in data]
    met.add(data.dtype if isinstance(data, (np.ndarray, np.generic)) else type(data))
    return data


def _unified(met: set[Any]) -> Any:
    """The dtype for numbers beside arrays and tensors: all of them promoted to one."""
    kinds = [
        dtypes.of(m) if isinstance(m, np.dtype) else dtypes.of(_default()) if issubclass(m, float)
        else dtypes.get_default_dtype().to_complex() if issubclass(m, complex)
        else dtypes.bool if m is bool else dtypes.int64
        for m in met
    ]  # fmt: skip
    return functools.reduce(dtypes.promote_types, kinds).np


def _checked(array: Any, target: Any, name: str) -> Any:
    """``array``, or an error if numbers in it are beyond what ``target`` holds; negative ones wrap around."""
    if target.kind in "iu" and array.dtype.kind in "iufO" and array.size:
        top = int(np.iinfo(target).max)
        low = -top if target.kind == "u" else int(np.iinfo(target).min)
        least, most = array.min(), array.max()
        if not (least >= low and most <= top):  # a nan is neither
            raise RuntimeError(
                f"{name}: value cannot be converted to type {dtypes.of(target)} without overflow: "
                f"{most if least >= low else least}"
            )
    if array.dtype.kind == "c" and target.kind not in "cb":
        raise TypeError(f"{name}: must be real number, not complex; take the real part for {dtypes.of(target)}")
    return array


def _ragged(data: Any, dim: int = 0) -> Exception | None:
    """What is said where nested sequences do not have equal lengths."""
    if not isinstance(data, list) or not data:
        return None
    lengths = [len(part) if isinstance(part, list) else -1 for part in data]
    odd = next((n for n in lengths if n != lengths[0]), lengths[0])
    if odd == lengths[0]:
        return next(filter(None, (_ragged(part, dim + 1) for part in data)), None)
    if -1 in (odd, lengths[0]):
        return TypeError(f"tensor(): a sequence at dim {dim} holds numbers beside sequences; give rows of equal length")
    return ValueError(
        f"tensor(): expected sequence of length {lengths[0]} at dim {dim + 1} (got {odd}); pad the rows to one length,"
        " as rg.nn.utils.rnn.pad_sequence does, or keep them in a list"
    )


def array_of(data: Any, dtype: Any = None) -> Any:
    """A fresh array of ``data`` with PyTorch's dtype for it."""
    if isinstance(data, Value):
        return np.array(data.array, dtype=dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
    else:
        if isinstance(data, (str, bytes)):
            raise TypeError(
                f"tensor(): cannot make a tensor of {type(data).__name__}; give numbers, sequences of numbers"
                " or arrays"
            )
        met: set[Any] = set()
        plain = _plain(list(data) if isinstance(data, (bytearray, memoryview)) else data, met)
        if not isinstance(plain, (list, int, float, complex, bool)) and hasattr(plain, "__array__"):
            plain = np.asarray(plain)
        try:
            array = np.array(plain)
        except ValueError as error:
            raise (_ragged(plain) or error) from None
        if array.dtype.kind in "US":
            raise ValueError("tensor(): too many dimensions 'str'; give numbers")
        if array.dtype.kind == "O":
            odd = [x for x in array.ravel() if not isinstance(x, (int, float, complex))]
            if odd:
                raise RuntimeError(f"tensor(): Could not infer dtype of {type(odd[0]).__name__}; give numbers")
        mixed = any(isinstance(m, np.dtype) for m in met)
        if dtype is not None:
            if not isinstance(plain, np.ndarray):
                _checked(array, dtype, "tensor()")
        elif array.dtype.kind == "O" or (array.dtype == np.uint64 and not mixed):
            raise ValueError("tensor(): Overflow when unpacking long: a number does not fit into 64 bits")
        elif isinstance(plain, np.ndarray):
            pass  # an array keeps its own
        elif mixed:
            array = array.astype(_unified(met))
        elif array.dtype.kind == "f" or array.size == 0:
            array = array.astype(_default())
        elif array.dtype.kind == "c":
            array = array.astype(dtypes.get_default_dtype().to_complex().np)
    if dtype is not None and array.dtype != dtype:
        array = cast(array, dtype)
    dtypes.of(array.dtype)
    return array


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
        return wrap(borrow(data) if target is None or data.dtype == target else cast(data, target))
    return wrap(array_of(data, target))


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Any:
    """``obj`` as a tensor; ``copy`` True: never shares memory, False: always, or raises."""
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    out = as_tensor(obj, dtype, device)
    if copy is False and not (out is obj or (isinstance(obj, np.ndarray) and root(out.array) is root(obj))):
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
        raise TypeError(f"expected np.ndarray (got {type(array).__name__}); rg.tensor takes numbers and lists")
    dtypes.of(array.dtype)
    return wrap(borrow(array))


def from_dlpack(ext_tensor: Any) -> Any:
    """A tensor over the memory of any array that speaks DLPack.

    >>> rg.from_dlpack(np.arange(3.))
    tensor([0., 1., 2.], dtype=regrad.float64)
    """
    plain = isinstance(ext_tensor, np.ndarray) and ext_tensor.flags.writeable
    return from_numpy(ext_tensor if plain else np.from_dlpack(ext_tensor))


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Any:
    """A 1-D tensor over the memory of a Python buffer."""
    size = memoryview(buffer).nbytes
    if not 0 <= offset < size:
        raise ValueError(
            f"frombuffer: offset ({offset} bytes) must be non-negative and less than the buffer's length ({size} bytes)"
        )
    return finish(borrow(np.frombuffer(buffer, dtypes.to_numpy(dtype), count, offset)), requires_grad)


# -- filled


def sized(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Let the sizes of ``fn(*size)`` be given by name as well, and refuse a call without any."""

    @functools.wraps(fn)
    def call(*given: Any, **named: Any) -> Any:
        if "size" in named:
            given += (named.pop("size"),)
        if not given:
            raise TypeError(f"{fn.__name__}() missing 1 required positional argument: 'size'")
        return fn(*given, **named)

    return call


def _target(dtype: Any) -> Any:
    return _default() if dtype is None else dtypes.to_numpy(dtype)


@sized
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


@sized
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


@sized
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
    if isinstance(value, Value) and value.array.ndim:
        raise TypeError(f"a number is needed here, not a Tensor of shape {list(value.array.shape)}")
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
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' must be tuple of ints, not {type(size).__name__}")
    return finish(filled(sizes_of((size,), "full"), value, target, "full"), requires_grad)


def filled(shape: tuple[int, ...], value: Any, target: Any, name: str) -> Any:
    """An array of ``value`` everywhere; raises where the dtype cannot hold it."""
    limit = math.inf if target.kind not in "fV" else float(dtypes.finfo(dtypes.of(target)).max)
    if (isinstance(value, complex) and target.kind != "c") or limit < abs(value) < math.inf:
        raise RuntimeError(f"{name}: value cannot be converted to type {dtypes.of(target)} without overflow: {value}")
    return np.full(shape, _checked(np.asarray(value), target, name).astype(target))


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
        array = _model(input, name)
        out = make(array, "C" if _repeats(array) else "K", None if dtype is None else dtypes.to_numpy(dtype))
        return finish(out, requires_grad) if isinstance(input, Value) else out

    like.__name__ = like.__qualname__ = name
    like.__module__ = __name__
    return like


def _model(input: Any, name: str) -> Any:
    if not isinstance(input, (Value, np.ndarray, np.generic)):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input.array if isinstance(input, Value) else np.asarray(input)


def _repeats(array: Any) -> bool:
    """Is some element of memory seen more than once? What is made like such a view lies row by row."""
    return any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape))


zeros_like = _like(lambda a, order, dtype: np.zeros_like(a, dtype, order), "zeros_like")
zeros_like.__doc__ = """Zeros of the shape and dtype of ``input``.

    >>> rg.zeros_like(rg.tensor([1., 2.]))
    tensor([0., 0.])
    """
ones_like = _like(lambda a, order, dtype: np.ones_like(a, dtype, order), "ones_like")
ones_like.__doc__ = """Ones of the shape and dtype of ``input``.

    >>> rg.ones_like(rg.tensor([1, 2]))
    tensor([1, 1])
    """
empty_like = _like(lambda a, order, dtype: np.empty_like(a, dtype, order), "empty_like")
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
    array = _model(input, "full_like")
    target = array.dtype if dtype is None else dtypes.to_numpy(dtype)
    out = np.empty_like(array, target, "C" if _repeats(array) else "K")
    out[...] = filled((), _number(fill_value), target, "full_like")
    return finish(out, requires_grad)


def _own_unless(tensor: Any, dtype: Any) -> Any:
    """The tensor's own dtype unless one is given."""
    return dtypes.of(tensor.array.dtype) if dtype is None else dtype


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
        return make(*size, dtype=_own_unless(self, dtype), device=device, requires_grad=requires_grad)

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
    return full(size, fill_value, dtype=_own_unless(self, dtype), device=device, requires_grad=requires_grad)


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
    return tensor(data, dtype=_own_unless(self, dtype), device=device, requires_grad=requires_grad)


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
    if any(s < 0 for s in stride):
        raise RuntimeError(f"empty_strided: strides must not be negative, got {list(stride)}")
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
    return empty_strided(size, stride, dtype=_own_unless(self, dtype), device=device, requires_grad=requires_grad)


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
    if target.kind == "b":
        raise NotImplementedError("arange: not implemented for regrad.bool; count in ints and convert")
    if target.kind in "iu" and whole:
        array = np.arange(int(start), int(end), int(step)).astype(target)
    else:
        if target.kind in "iu":
            start, end, step = int(start), int(end), int(step)
        count = math.ceil((end - start) / step)
        array = (start + step * np.arange(count, dtype="f8")).astype(target)
    return finish(array, requires_grad)


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """The numbers from ``start`` to ``end``, the end included. PyTorch's own advice: use `arange`."""
    check_device(device)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("range: step must be nonzero")
    if (step > 0) != (end >= start) and start != end:
        raise RuntimeError(
            f"range: upper bound and lower bound inconsistent with step sign: {start} -> {end} by {step}"
        )
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
