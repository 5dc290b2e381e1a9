"""The graph as `torch.autograd.graph` shows it: nodes, edges, hooks on several gradients, saved-value policies.

Start reading at `saved_tensors_hooks`; the rest are small uses of the engine's hooks and of write marks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from regrad.autograd.passes import GradientEdge, edge_of
from regrad.graph import versions
from regrad.graph.modes import MODE, Switch, mode
from regrad.graph.node import Handle, Node, Output
from regrad.graph.observers import drops, holds, observers
from regrad.graph.value import Value, root, wrap

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

_refusal: ContextVar[str | None] = ContextVar("regrad_hooks_refused", default=None)


class saved_tensors_hooks(Switch):
    """Hand every value saved inside this context to ``pack_hook``, and ask ``unpack_hook`` for it when it is read.

    ``pack_hook(tensor)`` may return anything; ``unpack_hook`` gets that back and returns a tensor of equal elements.
    Of nested contexts the innermost counts. PyTorch: torch.autograd.graph.saved_tensors_hooks.

    >>> x = rg.tensor([2., 3.], requires_grad=True)
    >>> with rg.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), rg.tensor):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([4., 6.])
    """

    __slots__ = ("pack_hook", "unpack_hook")

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        super().__init__()
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> Any:
        refused = _refusal.get()
        if refused is not None:
            raise RuntimeError(refused)
        was = mode()
        self._was.append(was)
        MODE.set(was.but(policy=(*was.policy, (self.pack_hook, self.unpack_hook))))
        return self


class save_on_cpu(saved_tensors_hooks):
    """Keep a copy of every saved value and not the value itself, as PyTorch does to move it off a GPU.

    Here everything is in main memory already, so that this frees nothing; it is here for scripts that use it.
    """

    __slots__ = ()

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: wrap(t.array.copy()), lambda t: t)


class disable_saved_tensors_hooks:
    """Inside this context, entering `saved_tensors_hooks` raises with ``error_message``."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if mode().policy:
            raise RuntimeError(self.error_message)
        self._was = _refusal.get()
        _refusal.set(self.error_message)

    def __exit__(self, *exc: object) -> None:
        _refusal.set(self._was)


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge by which gradients reach ``tensor``; it does not hold the tensor's elements.

    PyTorch: torch.autograd.graph.get_gradient_edge.
    """
    edge = edge_of(tensor, "tensor")
    if edge is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(edge.node, edge.index) if type(edge) is Output else GradientEdge(edge, 0)


def increment_version(tensor: Any) -> None:
    """Say that ``tensor`` (or several) was written to by means that Regrad cannot see."""
    for t in (tensor,) if isinstance(tensor, Value) else tensor:
        versions.wrote(t.array, "increment_version")


class _MultiHandle:
    """Removes the hooks that `register_multi_grad_hook` has set."""

    def __init__(self, handles: Sequence[Handle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[..., Any], *, mode: str = "all"
) -> _MultiHandle:
    """Call ``fn`` when the gradients of all (or, with ``mode="any"``, of the first) of ``tensors`` have been computed.

    With "all", ``fn`` gets the list of gradients, None for tensors that this pass does not reach; with "any", the one
    gradient. PyTorch: torch.autograd.graph.register_multi_grad_hook.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    state: dict[int, dict[str, Any]] = {}  # one record for each pass that is under way

    def expected(pass_id: int) -> int:
        from regrad.graph import engine

        return sum(engine.will_run(t.edge) for t in tensors)

    def hook_for(i: int) -> Callable[[Any], None]:
        def hook(g: Any) -> None:
            from regrad.graph import engine

            key = engine.current_pass()
            with lock:
                record = state.setdefault(
                    key, {"grads": [None] * len(tensors), "count": 0, "of": expected(key)}
                )
                record["grads"][i] = g
                record["count"] += 1
                first, last = record["count"] == 1, record["count"] == record["of"]
                if last:
                    state.pop(key, None)
            if mode == "any" and first:
                fn(g)
            elif mode == "all" and last:
                fn(record["grads"])

        return hook

    return _MultiHandle([t.register_hook(hook_for(i)) for i, t in enumerate(tensors)])


class allow_mutation_on_saved_tensors:
    """Inside this context saved values may be written to: a copy of the old elements is kept for the backward.

    A value is copied at the first write to its memory, and only if a live node has saved it; the context object
    counts the copies in ``copies`` and forgets them on exit. PyTorch:
    torch.autograd.graph.allow_mutation_on_saved_tensors.

    >>> w = rg.tensor([2.], requires_grad=True)
    >>> with rg.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = w.clone() ; z = (y * y).sum() ; _ = y.mul_(10)
    ...     z.backward()
    >>> w.grad
    tensor([4.])
    """

    def __init__(self) -> None:
        self.copies = 0
        self._nodes: list[Any] = []

    def __enter__(self) -> allow_mutation_on_saved_tensors:
        was = mode()
        self._mode = was
        MODE.set(was.but(watch=(*was.watch, self._noted)))
        versions.before_write.append(self._before)
        return self

    def __exit__(self, *exc: object) -> None:
        MODE.set(self._mode)
        versions.before_write.remove(self._before)
        self._nodes.clear()

    def _noted(self, node: Node) -> None:
        import weakref

        self._nodes.append(weakref.ref(node))

    def _before(self, array: Any) -> None:
        memory = root(array)
        kept: dict[int, Any] = {}  # one copy for all nodes that saved the same array
        alive = []
        for ref in self._nodes:
            node = ref()
            if node is None or type(node.saved) is not tuple:
                continue
            alive.append(ref)
            saved = tuple(self._replaced(e, memory, kept) for e in node.saved)
            if observers:
                drops(node)
            node.saved = saved
            if observers:
                holds(node)
        self._nodes = alive

    def _replaced(self, entry: Any, memory: Any, kept: dict[int, Any]) -> Any:
        if type(entry) is tuple:
            return tuple(self._replaced(e, memory, kept) for e in entry)
        if not isinstance(entry, np.ndarray) or root(entry) is not memory:
            return entry
        if id(entry) not in kept:
            kept[id(entry)] = entry.copy()
            self.copies += 1
        return kept[id(entry)]
