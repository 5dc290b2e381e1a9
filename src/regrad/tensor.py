"""Tensor: the value that users meet. Methods come from the tables of the op modules, operators from their ops.

Start reading at `Tensor`; what an op does is in `regrad.ops`, what a pass does in `regrad.graph.engine`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad import declare, dtypes, printing
from regrad.declare import refresh
from regrad.graph import versions
from regrad.graph.modes import mode
from regrad.graph.node import Handle, Leaf, Node, Output, leaf_for, meta_of
from regrad.graph.value import Value, View, wrap
from regrad import ops
from regrad.ops import arithmetic, core, writing
from regrad.shapes import Size

__all__ = ["Tensor"]


class Tensor(Value):
    """An n-dimensional array that can record how it was computed."""

    __slots__ = ("__dict__",)

    # -- the graph

    @property
    def requires_grad(self) -> bool:
        """Is a gradient of this tensor asked for?"""
        return self._edge() is not None

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        self.requires_grad_(on)

    def _edge(self) -> Any:
        view = self.view
        if view is None:
            return self.edge
        return refresh(self) if type(view) is View else None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask (or no longer ask) for the gradient of this leaf; returns the tensor."""
        edge = self._edge()
        if requires_grad:
            if edge is None:
                if self.array.dtype.kind not in "fcV":
                    raise RuntimeError(f"only Tensors of floating point dtype can require gradients; this one is "
                                       f"{self.dtype}: convert it with .float()")  # fmt: skip
                if self.meta is not None and self.meta.inference and not mode().inference:
                    raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
                leaf_for(self)
        elif type(edge) is Leaf:
            self.edge = None
        elif edge is not None:
            raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a computed "
                               "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().")  # fmt: skip
        return self

    @property
    def grad_fn(self) -> Any:
        """The node that computed this tensor; None for a leaf."""
        edge = self._edge()
        if type(edge) is Output:
            return edge.node
        return None if type(edge) is Leaf else edge

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
        return self._grad

    @grad.setter
    def grad(self, g: Any) -> None:
        if g is not None:
            if not isinstance(g, Value):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(g).__name__}")
            if g is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if g.array.shape != self.array.shape:
                raise RuntimeError(f"assigned grad has data of a different size: {list(g.array.shape)} for a tensor of "
                                   f"{list(self.array.shape)}")  # fmt: skip
            if g.array.dtype != self.array.dtype:
                raise RuntimeError(f"assigned grad has data of a different type: {g.dtype} for a tensor of {self.dtype}")  # type: ignore[attr-defined]
        self._grad = g

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(self, gradient: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None) -> None:
        """Accumulate the gradient of this tensor into the leaves; see `regrad.autograd.backward`."""
        from regrad.autograd.passes import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """This tensor's elements, shared, without its history."""
        return wrap(self.array)  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return dtypes.of(self.array.dtype)

    @property
    def shape(self) -> Size:
        """The size along each dimension."""
        return Size(self.array.shape)

    @property
    def _version(self) -> int:
        return versions.version(self.array)

    def numpy(self, *, force: bool = False) -> Any:
        """The elements as a NumPy array that shares this tensor's memory."""
        if self._edge() is not None and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self.array

    def register_hook(self, hook: Any) -> Handle:
        """Call ``hook(grad)`` with every gradient of this tensor; what it returns takes the gradient's place."""
        edge = self._edge()
        if edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if type(edge) is Leaf:
            return edge.hook("tensor_pre", hook)
        from collections import OrderedDict

        node, index = (edge.node, edge.index) if type(edge) is Output else (edge, 0)
        extra = node.more()
        extra.tensor_pre = OrderedDict() if extra.tensor_pre is None else extra.tensor_pre
        return Handle(extra.tensor_pre.setdefault(index, OrderedDict()), hook)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        fn = self.grad_fn
        return printing.tensor_text(self.array, dtype_name=self.dtype.name, default_dtype_name=dtypes.get_default_dtype().name,
                                    requires_grad=self.requires_grad, grad_fn_name=None if fn is None else fn.name())  # fmt: skip


def _attach() -> None:
    for module in ops.modules():
        for name, fn in getattr(module, "METHODS", {}).items():
            setattr(Tensor, name, fn)
        for name, fn in getattr(module, "PROPERTIES", {}).items():
            setattr(Tensor, name, property(fn))
        for name in getattr(module, "INPLACE", ()):
            setattr(Tensor, name + "_", writing.inplace(getattr(module, "METHODS")[name], name + "_"))


Tensor.__mul__ = arithmetic.mul
Tensor.__add__ = arithmetic.plus
Tensor.__sub__ = arithmetic.minus
Tensor.__neg__ = arithmetic.neg
Tensor.__truediv__ = arithmetic.quotient
_attach()
declare.use_tensor(Tensor, cast=core.cast, expand_to=lambda x, shape: core.expand_to(x, shape=shape), transposed=core.transposed_jvp)
