"""Tensor: the value that users meet.

Here are a tensor's place in the graph, its conversion to and from Python, pickling and copying. What it can compute
comes from the tables of the op modules (``METHODS``, ``PROPERTIES``, ``INPLACE``), attached at the end of this module;
what NumPy functions do with it is in `regrad.interop`. Start reading at `Tensor`.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from regrad import declare, dtypes, interop, ops, printing
from regrad.declare import refresh
from regrad.errors import PickleAttachedError
from regrad.graph import lifetime, sharing, versions
from regrad.graph.modes import mode
from regrad.graph.node import Handle, Leaf, Node, Output, leaf_for, meta_of
from regrad.graph.roots import RootGrads
from regrad.graph.value import SPENT, Value, View, root, wrap
from regrad.ops import conversion, core, creation, writing
from regrad.shapes import Size

__all__ = ["Tensor", "device"]


class device:
    """Where tensors live: always the CPU.

    >>> rg.device("cpu").type
    'cpu'
    """

    __slots__ = ("index", "type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        creation.check_device(type)
        _, colon, number = str(type).partition(":")
        self.type, self.index = "cpu", int(number) if colon else index

    def __eq__(self, other: object) -> bool:
        return str(other).partition(":")[0] == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")

    def __str__(self) -> str:
        return "cpu" if self.index is None else f"cpu:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='cpu'{'' if self.index is None else f', index={self.index}'})"


_CPU = device()


class Tensor(Value):
    """An n-dimensional array that can record how it was computed.

    ``Tensor(data)`` makes a tensor of the default dtype from nested numbers, ``Tensor(2, 3)`` an uninitialised one;
    `rg.tensor` is the usual way to make one. PyTorch: torch.Tensor.

    >>> x = rg.tensor([1., 2.], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__dict__",)
    __array_priority__ = 1000
    device = _CPU
    layout = conversion.strided
    is_cpu = True
    is_cuda = is_sparse = is_quantized = is_meta = is_mkldnn = False
    names = property(lambda self: (None,) * self.array.ndim)

    def __new__(cls, *data: Any, requires_grad: bool = False) -> Any:  # noqa: D102 - the class says it
        default = dtypes.get_default_dtype()
        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            if isinstance(data[0], (float, complex)):
                raise TypeError(f"Tensor(): data must be a sequence (got {type(data[0]).__name__})")
            made = creation.tensor(data[0], dtype=None if isinstance(data[0], Value) else default)
        else:
            made = creation.empty(*data) if data else creation.tensor([], dtype=default)
        return _as(made, cls) if not requires_grad else _as(made, cls).requires_grad_()

    if TYPE_CHECKING:  # what `_attach` gives the class, for type checkers

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Any: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __neg__(self) -> Any: ...
        def __pos__(self) -> Any: ...
        def __abs__(self) -> Any: ...
        def __invert__(self) -> Any: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __rfloordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: Any) -> Any: ...
        def __rmod__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __rpow__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __rmatmul__(self, other: Any) -> Any: ...
        def __and__(self, other: Any) -> Any: ...
        def __or__(self, other: Any) -> Any: ...
        def __xor__(self, other: Any) -> Any: ...
        def __lshift__(self, other: Any) -> Any: ...
        def __rshift__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...

    # -- the graph

    def _edge(self) -> Any:
        view = self._view
        if view is None or view is SPENT:
            return self.edge
        return refresh(self) if type(view) is View else None

    @property
    def requires_grad(self) -> bool:
        """Is a gradient asked for, of this tensor or of something it was computed from?"""
        return self._edge() is not None

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if not isinstance(on, bool):
            raise RuntimeError(f"requires_grad must be a bool, not {type(on).__name__}")
        self.requires_grad_(on)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask (or no longer ask) for the gradient of this leaf; returns the tensor."""
        edge = self._edge()
        if requires_grad:
            if edge is None:
                if self.array.dtype.kind not in "fcV":
                    raise RuntimeError(
                        "only Tensors of floating point and complex dtype can require gradients; this one is"
                        f" {self.dtype}: convert it with .float()"
                    )
                if self.meta is not None and self.meta.inference and not mode().inference:
                    raise RuntimeError(
                        "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
                    )
                leaf_for(self)
                if type(self._view) is View:  # made a leaf of its own: it no longer follows its base
                    self._view = None
        elif type(edge) is Leaf:
            self.edge = None
        elif edge is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed "
                "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        return self

    @property
    def grad_fn(self) -> Any:
        """The node that computed this tensor; None for a leaf."""
        edge = self._edge()
        if type(edge) is Output:
            return edge.node
        return None if type(edge) is Leaf else edge

    @property
    def graph_state(self) -> str:
        """The state of this tensor's graph: "leaf", "live", "partial", "consumed" or "released".

        See `regrad.graph.graph_state`; `regrad.graph.explain` tells more.
        """
        from regrad.graph.report import graph_state

        return graph_state(self)

    @property
    def output_nr(self) -> int:
        """Which output of `grad_fn` this tensor is."""
        edge = self._edge()
        return edge.index if type(edge) is Output else 0

    @property
    def is_leaf(self) -> bool:
        """Was this tensor made by the user, or computed without recording?"""
        edge = self._edge()
        return edge is None or type(edge) is Leaf

    @property
    def grad(self) -> Any:
        """The gradient that backward has accumulated here, or None."""
        if (
            self._grad is None
            and type(self.edge) is Node
            and not (self.meta is not None and self.meta.retain)
        ):
            import warnings

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad"
                " attribute won't be populated during autograd.backward(). If you indeed want the .grad field"
                " to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, g: Any) -> None:
        if g is not None:
            if not isinstance(g, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__};"
                    " convert it with rg.as_tensor"
                )
            if g is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if g.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: {g.dtype} for a tensor of {self.dtype}"
                )
            if g.array.shape != self.array.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(g.array.shape)}' to a tensor of size"
                    f" '{list(self.array.shape)}'. Please ensure that the gradient and the tensor are the same size:"
                    " assigned grad has data of a different size; sum over the dimensions that are too many"
                )
        self._grad = g

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Any = None,
        retain_graph: Any = None,
        create_graph: bool = False,
        inputs: Any = None,
        *,
        release: str = "pass",
        on_error: str | None = None,
    ) -> None:
        """Accumulate the gradient of this tensor into the leaves it was computed from.

        See `regrad.autograd.backward` for the arguments. PyTorch: torch.Tensor.backward.

        >>> x = rg.tensor(3., requires_grad=True)
        >>> (x ** 2).backward()
        >>> x.grad
        tensor(6.)
        """
        _backward(
            self, gradient, retain_graph, create_graph, inputs=inputs, release=release, on_error=on_error
        )

    def detach(self) -> Tensor:
        """This tensor's elements, shared, without its history and its tangents.

        >>> x = rg.ones(2, requires_grad=True)
        >>> (x * 2).detach().requires_grad
        False
        """
        out = wrap(self.array)
        if self.meta is not None and self.meta.inference:
            out._view, meta_of(out).inference = self._view, True
        return out  # type: ignore[no-any-return]

    def detach_(self) -> Tensor:
        """Cut this tensor from its history, in place."""
        if type(self._view) is View:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.edge = None
        return self

    @property
    def data(self) -> Tensor:
        """This tensor's elements, shared, without history; a write to them is noticed by graphs that saved them."""
        return wrap(self.array)  # type: ignore[no-any-return]

    @data.setter
    def data(self, other: Any) -> None:
        if not isinstance(other, Value):
            raise TypeError(f"data must be set to a Tensor, not {type(other).__name__}")
        if type(self._edge()) is Leaf and other.array.dtype.kind not in "fcV":
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype, not"
                f" {dtypes.of(other.array.dtype)}"
            )
        self.array = other.array

    def retain_grad(self, *, per_root: bool = False) -> None:
        """Keep the gradient of this computed tensor in ``.grad``, as for a leaf.

        With ``per_root``, ``.grads[loss]`` also holds what came from each root. PyTorch: torch.Tensor.retain_grad.

        >>> h = rg.ones(1, requires_grad=True) * 2
        >>> h.retain_grad(per_root=True)
        >>> one, two = h.sum(), (h * 3).sum()
        >>> rg.graph.backward({one: None, two: None})
        >>> h.grads[one], h.grads[two], h.grad
        (tensor([1.]), tensor([3.]), tensor([4.]))
        """
        edge = self._edge()
        if edge is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if type(edge) is Leaf:
            if per_root:
                raise RuntimeError(
                    "retain_grad(per_root=True) is for computed tensors; of a leaf, rg.graph.grad_each gives the"
                    " gradient of each loss"
                )
            return
        if per_root and meta_of(self).grads is None:
            meta_of(self).grads = RootGrads()
        node, index = (edge.node, edge.index) if type(edge) is Output else (edge, 0)
        extra = node.more()
        extra.retain = {**(extra.retain or {}), index: weakref.ref(self)}
        meta_of(self).retain = True

    @property
    def grads(self) -> Any:
        """The gradients from each root, after ``retain_grad(per_root=True)``; else None."""
        return None if self.meta is None else self.meta.grads

    @property
    def retains_grad(self) -> bool:
        """Is the gradient of this computed tensor kept?"""
        return self.meta is not None and self.meta.retain

    def register_hook(self, hook: Any) -> Handle:
        """Call ``hook(grad)`` with every gradient of this tensor; what it returns takes the gradient's place.

        >>> x = rg.tensor(1., requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> (x * 2).backward()
        >>> x.grad
        tensor(20.)
        """
        edge = self._edge()
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if type(edge) is Leaf:
            return edge.hook("tensor_pre", hook)
        node, index = (edge.node, edge.index) if type(edge) is Output else (edge, 0)
        extra = node.more()
        extra.tensor_pre = OrderedDict() if extra.tensor_pre is None else extra.tensor_pre
        return Handle(extra.tensor_pre.setdefault(index, OrderedDict()), hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> Handle:
        """Call ``hook(tensor)`` when this leaf's gradient has been accumulated."""
        edge = self._edge()
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if type(edge) is not Leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return edge.hook("watch", hook)

    @property
    def _version(self) -> int:
        if self.meta is not None and self.meta.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return versions.version(self.array)

    @property
    def _base(self) -> Any:
        return self._view.base if type(self._view) is View else None

    @property
    def name(self) -> str | None:
        """The tensor's name in error messages, such as a parameter's dotted path."""
        return None if self.meta is None else self.meta.name

    @name.setter
    def name(self, name: str | None) -> None:
        meta_of(self).name = name

    # -- what it is

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return dtypes.of(self.array.dtype)

    @property
    def shape(self) -> Size:
        """The size along each dimension."""
        return Size(self.array.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.array.nbytes  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __reversed__(self) -> Any:
        return self.flip(0) if self.array.ndim else self

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (Value, int, float, complex, np.number, np.bool_)):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
            )
        return bool((self.array == (element.array if isinstance(element, Value) else element)).any())

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if not self.array.ndim:
            return format(self.array.item(), spec)
        if spec:
            raise TypeError(
                f"unsupported format string passed to Tensor.__format__: {spec!r} is for a number, and this tensor has"
                f" the shape {list(self.array.shape)}; format t.mean() or the elements, t.tolist()"
            )
        return str(self)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        fn = self.grad_fn
        tangent = None
        if self.meta is not None and self.meta.tangent:
            tangent = repr(self.meta.tangent[max(self.meta.tangent)])
        return printing.tensor_text(
            self.array,
            dtype_name=self.dtype.name,
            default_dtype_name=dtypes.get_default_dtype().name,
            requires_grad=self.requires_grad,
            grad_fn_name=None if fn is None else fn.name(),
            tangent_text=tangent,
        )

    # -- NumPy

    def numpy(self, *, force: bool = False) -> Any:
        """The elements as a NumPy array that shares this tensor's memory; ``force`` detaches first.

        >>> rg.tensor([1., 2.]).numpy()
        array([1., 2.], dtype=float32)
        """
        if self._edge() is not None and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        return sharing.lend(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if not copy and (dtype is None or self.array.dtype == dtype):
            return self.numpy()
        if self._edge() is not None:
            return self.numpy()  # raises
        array = self.array
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"converting {array.dtype} to {dtype} needs a copy, and copy=False forbids it"
                )
            return array.astype(dtype)
        return array.copy()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return interop.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return interop.function(func, args, kwargs)

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self._edge() is not None:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return sharing.lend(self).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    # -- copying and pickling

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at"
                " the moment. If you were attempting to deepcopy a module, this may be because of a cached"
                " activation: detach it."
            )
        if id(self) in memo:
            return memo[id(self)]
        import copy

        memory = _memory(self.array)
        twin = memo.get(id(memory))
        if twin is None:
            twin = memo[id(memory)] = memory.copy(order="K")
        out = _as(wrap(_placed(twin, _layout(self.array, memory))), type(self))
        memo[id(self)] = out
        if self._edge() is not None:
            leaf_for(out)
        if self._grad is not None:
            out._grad = copy.deepcopy(self._grad, memo)
        if self.meta is not None and self.meta.name:
            meta_of(out).name = self.meta.name
        out.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return out

    def __copy__(self) -> Any:
        out = _as(wrap(self.array, self._edge() if not self.is_leaf else None), type(self))
        if self.is_leaf and self._edge() is not None:
            leaf_for(out)
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf and not lifetime.pickling_values():
            fn = self.grad_fn
            raise PickleAttachedError(
                f"cannot pickle a tensor that is attached to its graph (grad_fn={fn.name()}, made at"
                f" {fn.made_at}): the graph would be lost in silence. Choose: `t.detach()` for the value"
                " alone; `rg.dumps(t, graph=True)` for the value with its graph; or `with"
                " rg.graph.values_only():` around the pickling to store values of all attached tensors."
            )
        leaf = type(self._edge()) is Leaf
        memory = _memory(self.array)
        return _rebuild, (type(self), memory, _layout(self.array, memory), leaf, dict(self.__dict__))


_backward: Callable[..., None]


def use_backward(backward: Callable[..., None]) -> None:
    """Say what `Tensor.backward` calls: passes are in a room above this one."""
    global _backward
    _backward = backward


def _as(value: Any, cls: type[Value]) -> Any:
    """A value as an instance of a subclass."""
    if type(value) is cls:
        return value
    out = object.__new__(cls)
    out.array, out.edge, out._view, out._grad, out.meta = (
        value.array,
        value.edge,
        value._view,
        value._grad,
        value.meta,
    )
    return out


def _memory(array: Any) -> Any:
    """The array that owns the memory of ``array``; ``array`` itself where that memory has gaps."""
    memory = root(array)
    return memory if memory.flags.c_contiguous or memory.flags.f_contiguous else array


def _layout(array: Any, memory: Any) -> tuple[Any, ...]:
    """How ``array`` lies in ``memory``: dtype, shape, offset and strides; two views of one memory go on sharing it."""
    start = [a.__array_interface__["data"][0] for a in (array, memory)]
    return array.dtype, array.shape, start[0] - start[1], array.strides


def _placed(memory: Any, layout: tuple[Any, ...]) -> Any:
    dtype, shape, offset, strides = layout
    if memory.dtype == dtype and memory.shape == shape and memory.strides == strides:
        return memory
    return np.ndarray(shape, dtype, memory, offset, strides)


def _rebuild(
    cls: type[Value], memory: Any, layout: tuple[Any, ...], requires_grad: bool, extras: dict[str, Any]
) -> Any:
    out = _as(wrap(_placed(memory, layout)), cls)
    out.__dict__.update(extras)
    if requires_grad:
        leaf_for(out)
    return out


def _attach() -> None:
    """Give the class what the op modules list for it."""
    for module in ops.MODULES:
        methods = getattr(module, "METHODS", {})
        for name, fn in methods.items():
            setattr(Tensor, name, fn)
        for name, fn in getattr(module, "PROPERTIES", {}).items():
            setattr(Tensor, name, fn if isinstance(fn, property) else property(fn))
        for name in getattr(module, "INPLACE", ()):
            setattr(Tensor, name + "_", writing.inplace(methods[name], name + "_"))


_attach()
declare.use_tensor(
    Tensor,
    cast=core.cast,
    expand_to=lambda x, shape: core.expand_to(x, shape=shape),
    transposed=core.transposed_jvp,
)
