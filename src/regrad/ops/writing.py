"""Writing in place: ``x.mul_(y)``, ``x[i] = y``, ``x.copy_(y)``, and what it does to the graph.

An in-place method runs the ordinary op, writes the result into the tensor's memory and takes over its history. A
saved value that lived in that memory is given a copy of the old elements if the op itself saved it; if an earlier
op did, the write's mark makes that op's backward raise. Through a view, the base gets a new history
(`core.copy_slices`) and every other view of it makes its own anew when it is next used. Start reading at `inplace`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.declare import OPS, _record, _tangents, general, refresh, view_refused
from regrad.graph import versions
from regrad.graph.modes import mode
from regrad.graph.node import Leaf, Node, Output, meta_of, tick
from regrad.graph.observers import drops, holds, observers
from regrad.graph.quiet import QUIET, quiet_reset, quiet_set
from regrad.graph.value import SPENT, Value, View, root, wrap
from regrad.ops.core import cast, copy_slices, expand_to, memory_order, sum_to
from regrad.ops.creation import filled

__all__ = ["check_writable", "copy_", "fill_", "inplace", "write", "zero_"]


def check_writable(x: Any, name: str, *sources: Any) -> None:
    """Refuse an in-place write of something computed from ``sources`` that would break the graph, before it happens."""
    check_history(x, name, *sources)
    array = x.array
    for told in versions.before_write:
        told(array)
    if name not in ("fill_", "zero_") and 0 in array.strides and array.size > 1 and _lies_on_itself(array):
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor refers to a"
            " single memory location. Please clone() the tensor before performing the operation."
        )
    if not array.flags.writeable:
        raise RuntimeError(
            f"{name}: the tensor's memory is read-only (it shares a read-only NumPy array); clone it first"
        )


def _lies_on_itself(array: Any) -> bool:
    return any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True))


def check_history(x: Any, name: str, *sources: Any) -> None:
    """Refuse to give ``x`` a new history, computed from ``sources``, where the old one has no place for it."""
    m = mode()
    view = x._view
    if m.record:
        edge = x.edge if view is None else refresh(x)
        if type(edge) is Leaf and view is None:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place operation. Write"
                " under `with rg.no_grad():`, or out of place."
            )
        if type(view) is View:
            if view.origin and (view.base.edge is not None or any(_traced(s) for s in sources)):
                raise view_refused(view, f"is being modified inplace by {name}")
            if type(view.base.edge) is Leaf:
                raise RuntimeError(
                    f"{name}: a view of a leaf Variable that requires grad is being used in an in-place "
                    "operation. Write under `with rg.no_grad():`, or out of place."
                )
        if x.meta is not None and x.meta.inference and not m.inference and edge is not None:
            raise RuntimeError(
                f"{name}: Inplace update to inference tensor outside InferenceMode is not allowed. Clone it"
                " first."
            )


def _traced(source: Any) -> bool:
    """Would a result computed from ``source`` be recorded?"""
    return (
        isinstance(source, Value) and (source.edge if source._view is None else refresh(source)) is not None
    )


def check_overlap(x: Any, others: Any, name: str) -> None:
    """Refuse an operand that shares some, but not all, of the memory that is written to.

    As in PyTorch, only windows without gaps are compared.
    """
    array = x.array
    for other in others:
        if (
            isinstance(other, Value)
            and other is not x
            and root(other.array) is root(array)
            and array.size
            and other.array.size
        ):
            a, b = array, other.array
            start, end = a.__array_interface__["data"][0], b.__array_interface__["data"][0]
            if not (_gapless(a) and _gapless(b)) or start + a.nbytes <= end or end + b.nbytes <= start:
                continue
            if start == end and a.shape == b.shape and a.strides == b.strides:
                continue
            raise RuntimeError(
                f"{name}: unsupported operation: some elements of the input tensor and the written-to tensor"
                " refer to a single memory location. Please clone() the tensor before performing the"
                " operation."
            )


def _gapless(array: Any) -> bool:
    """Do the elements fill a stretch of memory, in whatever order of dimensions?"""
    expect = array.itemsize
    for stride, n in sorted(zip(array.strides, array.shape, strict=True)):
        if n != 1:
            if stride != expect:
                return False
            expect *= n
    return True


def inplace(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The in-place method ``name`` of the function ``fn``, whose first argument is written to."""
    op = getattr(fn, "op", None)
    kernel = (
        op.forward if op is not None and isinstance(op.forward, np.ufunc) and op.policy == "promote" else None
    )

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(self, "adopt"):  # a batched tensor: its value is written to
            return self.adopt(fn(self, *args, **kwargs))
        check_writable(self, name, *args, *kwargs.values())
        if args:
            check_overlap(self, args, name)
        if (
            kernel is not None
            and self.edge is None
            and len(args) == kernel.nin - 1
            and not kwargs
            and _direct(kernel, self, args)
        ):
            versions.wrote(self.array, name)
            return self
        start = tick()
        result = fn(self, *args, **kwargs)
        write(self, result, name, start)
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of `{name[:-1]}`."
    return method


def _direct(kernel: Any, x: Any, args: tuple[Any, ...]) -> bool:
    """Run a NumPy kernel straight into the tensor's memory where nothing has to be recorded or converted."""
    arrays = []
    for a in args:
        if isinstance(a, Value):
            if (
                (_traced(a) and mode().record)
                or a.array.dtype is not x.array.dtype
                or a.array.ndim > x.array.ndim
            ):
                return False
            if a.meta is not None or root(a.array) is root(x.array):
                return False
            arrays.append(a.array)
        elif type(a) is float or type(a) is int:
            arrays.append(a)
        else:
            return False
    if x.array.dtype.kind != "f" or x.meta is not None or x._view is not None or mode().batch is not None:
        return False
    token = quiet_set(QUIET)
    try:
        kernel(x.array, *arrays, out=x.array)
    except ValueError:  # does not broadcast: the general path says why
        return False
    finally:
        quiet_reset(token)
    return True


def write(x: Any, result: Any, name: str, start: int) -> None:
    """Write ``result`` (computed after the time ``start``) into ``x`` and give ``x`` its history."""
    array = x.array
    if hasattr(result, "adopt"):
        raise RuntimeError(
            f"vmap: {name}: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other`"
            " in extra_args that has more elements than `self`. This happened due to `other` being vmapped over but"
            " `self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace"
            " arithmetic."
        )
    if result.array.shape != array.shape:
        try:
            fits = np.broadcast_shapes(result.array.shape, array.shape) == array.shape
        except ValueError:
            fits = False
        if not fits or name not in ("copy_", "fill_", "__setitem__"):
            raise RuntimeError(
                f"{name}: output with shape {list(array.shape)} doesn't match the broadcast shape "
                f"{list(result.array.shape)}; write out of place to get the larger result"
            )
        result = expand_to(result, shape=array.shape)
    if result.array.dtype is not array.dtype:
        if not dtypes.can_cast(dtypes.of(result.array.dtype), dtypes.of(array.dtype)) and name not in (
            "copy_",
            "__setitem__",
        ):
            raise RuntimeError(
                f"{name}: result type {_title(result.array.dtype)} can't be cast to the desired output type "
                f"{_title(array.dtype)}; convert with .to() or write out of place"
            )
        result = cast(result, array.dtype)
    fresh = _young_nodes(result.edge, start)
    memory = root(array)
    for node in fresh:
        if type(node.saved) is tuple and any(_holds(e, memory) for e in node.saved):
            _save_instead(node, tuple(_copied(e, memory) for e in node.saved))
    array[...] = result.array
    versions.wrote(array, name, 3)
    node = result.edge.node if type(result.edge) is Output else result.edge
    if fresh and node is fresh[0]:
        _save_instead(node, tuple(array if e is result.array else e for e in node.saved))
        node.seq = tick()  # the node reads what has just been written: it is younger than the write
    _take_history(x, result)


def _save_instead(node: Node, saved: tuple[Any, ...]) -> None:
    if observers:
        drops(node)
    node.saved = saved
    if observers:
        holds(node)


def _young_nodes(edge: Any, start: int) -> list[Node]:
    """The nodes made since ``start`` that ``edge`` leads to, the youngest first."""
    found: dict[int, Node] = {}
    stack = [edge]
    while stack:
        edge = stack.pop()
        node = edge.node if type(edge) is Output else edge
        if isinstance(node, Node) and node.seq > start and node.seq not in found:
            found[node.seq] = node
            stack.extend(node.edges)
    return [found[s] for s in sorted(found, reverse=True)]


def _holds(entry: Any, memory: Any) -> bool:
    if isinstance(entry, np.ndarray):
        return root(entry) is memory
    return type(entry) is tuple and any(_holds(e, memory) for e in entry)


def _copied(entry: Any, memory: Any) -> Any:
    if isinstance(entry, np.ndarray):
        return entry.copy() if root(entry) is memory else entry
    return tuple(_copied(e, memory) for e in entry) if type(entry) is tuple else entry


def _take_history(x: Any, result: Any) -> None:
    m = mode()
    if m.dual:
        _take_tangents(x, result)
    if not m.record or (result.edge is None and x.edge is None):
        return
    view = x._view
    if type(view) is View:
        base = view.base
        params = {"recipe": view.recipe, "order": memory_order(base.array)}
        renewed = _record(OPS["copy_slices"], (base, result), (base.array, result.array), base.array, params, m)
        _move_retained(base, renewed.edge)
        base.edge = renewed.edge
        refresh(x)
    else:
        _move_retained(x, result.edge)
        x.edge = result.edge
        if view is None or view is SPENT:
            x._view = SPENT if result._view is SPENT else None


def _take_tangents(x: Any, result: Any) -> None:
    """``x`` has the tangents of what was written to it; of a view, they are a part of its base's."""
    new = _tangents(result)
    if new or _tangents(x):
        meta_of(x).tangent = new
    if type(x._view) is View:
        base, recipe = x._view.base, x._view.recipe
        old = _tangents(base)
        whole = {}
        for level in {*old, *new}:
            mine = old.get(level) if level in old else wrap(np.zeros_like(base.array))
            piece = new.get(level) if level in new else wrap(np.zeros_like(result.array))
            whole[level] = copy_slices(mine, piece, recipe=recipe, order=memory_order(base.array))
        if whole:
            meta_of(base).tangent = whole


def _move_retained(x: Any, edge: Any) -> None:
    """A tensor that retains its gradient goes on doing so with its new history."""
    if x.meta is None or not x.meta.retain or edge is None:
        return
    for old, index in ((x.edge.node, x.edge.index) if type(x.edge) is Output else (x.edge, 0),):
        if isinstance(old, Node) and old.extra is not None and old.extra.retain:
            ref = old.extra.retain.pop(index, None)
            node, number = (edge.node, edge.index) if type(edge) is Output else (edge, 0)
            if ref is not None and isinstance(node, Node):
                node.more().retain = {**(node.more().retain or {}), number: ref}


def _title(dtype: Any) -> str:
    titles = {
        "float32": "Float",
        "float64": "Double",
        "int64": "Long",
        "int32": "Int",
        "bool": "Bool",
        "float16": "Half",
        "uint8": "Byte",
        "int8": "Char",
        "int16": "Short",
    }
    return titles.get(dtype.name, str(dtype))


# -- writing values


def _overwrite_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    return args[0] * 0 if tangents[1] is None else expand_to(tangents[1], shape=outs[0].array.shape)


@general(
    x=lambda g: g * 0,
    src=lambda g, src_shape: sum_to(g, shape=src_shape),
    shape=lambda x, src: tuple(x),
    jvp=_overwrite_jvp,
    name="copy",
    grad_name="CopyBackwards",
)
def overwrite(x, src):
    """``src`` broadcast to the shape of ``x``, whose own elements count no more."""
    return np.array(np.broadcast_to(src, x.shape))


def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write ``src``, broadcast and converted as needed, into this tensor.

    >>> rg.zeros(2).copy_(rg.tensor([1, 2]))
    tensor([1., 2.])
    """
    if hasattr(self, "adopt"):
        return self.adopt(src)
    check_writable(self, "copy_", src)
    if not isinstance(src, Value):
        raise TypeError(f"copy_(): argument 'other' must be Tensor, not {type(src).__name__}")
    check_overlap(self, (src,), "copy_")
    start = tick()
    if src.array.dtype is not self.array.dtype:
        src = cast(src, self.array.dtype)
    try:
        fits = np.broadcast_shapes(src.array.shape, self.array.shape) == self.array.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"copy_: The size of tensor a must match the size of tensor b: source {list(src.array.shape)}"
            f" does not broadcast to {list(self.array.shape)}"
        )
    if (
        self.edge is None
        and not (_traced(src) and mode().record)
        and mode().batch is None
        and self.meta is None
        and src.meta is None
    ):
        self.array[...] = src.array
        versions.wrote(self.array, "copy_")
        return self
    write(self, overwrite(self, src), "copy_", start)
    return self


def fill_(self: Any, value: Any) -> Any:
    """Write ``value`` (a number or a 0-d tensor) to every element."""
    if isinstance(value, Value):
        if value.array.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.array.ndim}"
                " dimensions."
            )
        return copy_(self, value)
    check_writable(self, "fill_")
    if not isinstance(value, (bool, int, float, complex, np.generic)):
        raise TypeError(f"fill_(): argument 'value' must be a number or a 0-d tensor, not {type(value).__name__}")
    value = filled((), value, self.array.dtype, "fill_")
    if self.edge is None and self.meta is None:
        self.array[...] = value
        versions.wrote(self.array, "fill_")
        return self
    start = tick()
    write(self, overwrite(self, wrap(value)), "fill_", start)
    return self


def zero_(self: Any) -> Any:
    """Write zero to every element."""
    return fill_(self, 0)


METHODS = {"copy_": copy_, "fill_": fill_, "zero_": zero_}
