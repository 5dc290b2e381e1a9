"""Saved values: how a rule gets them, as arrays or with their history, and how a policy may hold them.

An entry of ``Node.saved`` is an array, a plain Python value, a tuple of arrays (for ops of many inputs), or a
`Packed`: something a policy (``saved_tensors_hooks`` and what is built on it) gave back for an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from regrad.graph.node import Node, Output, meta_of
from regrad.graph.value import root, wrap

__all__ = [
    "Dual",
    "Packed",
    "all_memories",
    "arrays_of",
    "entries",
    "memories",
    "opened",
    "opened_by_name",
    "opened_tensors",
    "pack",
    "unpacked",
]


class Packed:
    """A saved array in the hands of a policy: the payload that ``pack`` returned, and how to get the array back.

    A payload that is the node's own output (what an identity hook returns) is kept as an array and not as the
    tensor, which would hold the node that holds it.
    """

    __slots__ = ("array", "payload", "unpack_hook")

    def __init__(self, payload: Any, unpack_hook: Any, array: Any = None) -> None:
        self.payload, self.unpack_hook, self.array = payload, unpack_hook, array

    def unpack(self) -> Any:
        """The value, as the unpack hook returns it: a tensor."""
        payload = wrap(self.array) if self.array is not None else self.payload
        value = self.unpack_hook(payload)
        if not hasattr(value, "array"):
            raise TypeError(
                f"unpack hook: expected a tensor, got {type(value).__name__}; return a tensor from it"
            )
        return value


class Dual:
    """A saved array whose value had tangents (forward mode inside a recorded graph)."""

    __slots__ = ("array", "tangents")

    def __init__(self, array: Any, tangents: dict[int, Any]) -> None:
        self.array, self.tangents = array, tangents

    def unpack(self) -> Any:
        """The value with its tangents."""
        value = wrap(self.array)
        meta_of(value).tangent = dict(self.tangents)
        return value


def pack(saved: tuple[Any, ...], policy: tuple[Any, Any], out_arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hand every saved array to the policy, the pair ``(pack hook, unpack hook)``."""
    pack_hook, unpack_hook = policy

    def one(entry: Any) -> Any:
        if type(entry) is np.ndarray:
            given = wrap(entry)
            before = entry.copy() if entry.size <= 64 else None
            payload = pack_hook(given)
            if before is not None and not np.array_equal(before, entry, equal_nan=entry.dtype.kind in "fc"):
                raise RuntimeError(
                    "A saved tensor pack hook is modifying its input in place. Tensors provided as "
                    "input to pack hook can not be modified by in-place operations; clone it first."
                )
            if hasattr(payload, "array") and (
                payload is given or any(payload.array is o for o in out_arrays)
            ):
                return Packed(None, unpack_hook, payload.array)
            return Packed(payload, unpack_hook)
        if type(entry) is tuple and entry and type(entry[0]) is np.ndarray:
            return tuple(one(e) for e in entry)
        return entry

    return tuple(one(e) for e in saved)


def arrays_of(entry: Any) -> Iterator[np.ndarray]:
    """The arrays that one saved entry holds in memory."""
    if isinstance(entry, np.ndarray):
        yield entry
    elif isinstance(entry, Packed):
        if entry.array is not None:
            yield entry.array
        elif isinstance(getattr(entry.payload, "array", None), np.ndarray):
            yield entry.payload.array
    elif isinstance(entry, Dual):
        yield entry.array
        yield from (t.array for t in entry.tangents.values())
    elif type(entry) is tuple:
        for e in entry:
            yield from arrays_of(e)


def entries(node: Node) -> Iterator[tuple[str, tuple[int, ...], np.ndarray]]:
    """(slot name, readers, array) of every array that ``node`` holds."""
    saved = node.saved
    if isinstance(saved, tuple):
        for name, readers, entry in zip(node.plan.slots, node.plan.readers, saved, strict=False):
            for array in arrays_of(entry):
                yield name, readers, array


def released(node: Node) -> None:
    """Tell a custom function's ``ctx`` that a pass has let go of what it kept."""
    if hasattr(node.params, "_released"):
        node.params._released()


def object_bytes(node: Node) -> int:
    """Bytes of the objects that a custom function has asked to keep, as it told them."""
    return int(node.params._object_bytes) if node.plan.op.custom and hasattr(node.params, "_object_bytes") else 0


def memories(node: Node) -> dict[Any, int]:
    """What ``node`` holds, counted: bytes by the memory's id (its views are one), and those of its objects."""
    held: dict[Any, int] = {id(m): m.nbytes for _, _, a in entries(node) for m in (root(a),)}
    extra = object_bytes(node)
    if extra:
        held[id(node), "objects"] = extra
    return held


def all_memories(nodes: Iterable[Node]) -> dict[Any, int]:
    """What ``nodes`` hold together, counted as `memories` does: what several hold is there once."""
    held: dict[Any, int] = {}
    for node in nodes:
        held.update(memories(node))
    return held


def unpacked(node: Node) -> tuple[Any, ...]:
    """The saved entries with every packed one asked back from its policy, as arrays."""

    def one(entry: Any) -> Any:
        if type(entry) is Packed or type(entry) is Dual:
            return entry.unpack().array
        if type(entry) is tuple:
            return tuple(one(e) for e in entry)
        return entry

    return tuple(one(e) for e in node.saved)


def opened(node: Node) -> tuple[Any, ...]:
    """The saved entries as tensors with their history: what a rule reads when the gradient is recorded."""
    plan = node.plan
    edges = node.edges
    found = []
    for (kind, i), entry in zip(plan.sources, node.saved, strict=True):
        if kind == "in" and type(entry) is tuple:  # the inputs of an op of many
            found.append(tuple(_with_history(e, edges[i + k]) for k, e in enumerate(entry)))
        elif kind == "in":
            found.append(_with_history(entry, edges[i]))
        elif kind == "out":
            found.append(_with_history(entry, _own_edge(node, i)))
        else:
            found.append(entry)
    return tuple(found)


def _with_history(entry: Any, edge: Any) -> Any:
    """A saved entry as a tensor with the given edge; what is not an array stays as it is."""
    if type(entry) is Packed:
        return wrap(entry.unpack().array, edge)
    if type(entry) is Dual:
        value = entry.unpack()
        value.edge = edge
        return value
    return wrap(entry, edge) if isinstance(entry, np.ndarray) else entry


def _own_edge(node: Node, k: int) -> Any:
    """The edge of the node's own output ``k``: None where it is not differentiable."""
    diff = node.plan.op.diff
    if diff is None or diff == (k,):
        return node
    return Output(node, diff.index(k), len(diff)) if k in diff else None


def opened_tensors(node: Node) -> tuple[Any, ...]:
    """The saved values for a user's eyes; raises when they are freed."""
    from regrad.graph import lifetime

    if not isinstance(node.saved, tuple):
        raise lifetime.freed_error(node, (node,))
    return tuple(e for e in opened(node) if hasattr(e, "array"))


def opened_by_name(node: Node, name: str) -> Any:
    """PyTorch's ``grad_fn._saved_<name>``: ``self``, ``other``, ``result`` or the rule's own name."""
    from regrad.graph import lifetime

    alias = {"self": 0, "other": 1, "result": "out"}.get(name, name)
    for slot, (kind, i), k in zip(
        node.plan.slots, node.plan.sources, range(len(node.plan.slots)), strict=True
    ):
        if slot == alias or (kind == "in" and i == alias):
            if not isinstance(node.saved, tuple):
                raise lifetime.freed_error(node, (node,))
            return opened(node)[k]
    raise AttributeError(
        f"{node.name()} saves {', '.join(node.plan.slots) or 'nothing'}; there is no {name!r}"
    )
