"""Tensors as bytes: `dumps` and `loads`, with their graphs if asked. Loading runs no code.

The bytes are a JSON header and, behind it, the memory of the arrays, each stored once however many views of it there
are. A graph is stored as data: op names, edges, saved values, parameters. For weights and checkpoints, in files that
other programs can read, there are `save` and `load` in `regrad.files`. Start reading at `dumps`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.declare import OPS, Op, _pick
from regrad.errors import PickleAttachedError
from regrad.graph.lifetime import freed_error, reachable
from regrad.graph.node import Leaf, Node, Output, leaf_for, meta_of, tick
from regrad.graph.observers import holds, observers
from regrad.graph.slots import Packed
from regrad.graph.value import Value, root, wrap

__all__ = ["dumps", "loads"]

_MAGIC = b"REGRAD1\n"


class _Writer:
    def __init__(self, graph: bool) -> None:
        self.graph = graph
        self.nodes: dict[int, Node] = {}
        self.memories: list[np.ndarray] = []
        self.keys: dict[int, int] = {}
        self.leaves: list[dict[str, Any]] = []
        self.leaf_keys: dict[int, int] = {}

    def array(self, a: Any) -> dict[str, Any]:
        memory = root(a)
        if not memory.flags.c_contiguous and not memory.flags.f_contiguous:
            memory = a = np.ascontiguousarray(a)
        key = self.keys.get(id(memory))
        if key is None:
            key = self.keys[id(memory)] = len(self.memories)
            self.memories.append(memory)
        offset = a.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        return {
            "array": [
                key,
                a.dtype.str if a.dtype.kind != "V" else a.dtype.name,
                list(a.shape),
                list(a.strides),
                offset,
            ]
        }

    def thing(self, x: Any, where: str) -> Any:
        """A parameter or saved entry as JSON."""
        if x is None or isinstance(x, (bool, str)) or type(x) is int:
            return x
        if type(x) is float:
            return {"float": x.hex()}
        if isinstance(x, complex):
            return {"complex": [x.real.hex(), x.imag.hex()]}
        if isinstance(x, np.generic):
            return {"scalar": self.array(np.asarray(x))["array"]}
        if isinstance(x, np.ndarray):
            return self.array(x)
        if isinstance(x, np.dtype):
            return {"npdtype": dtypes.of(x).name}
        if isinstance(x, dtypes.dtype):
            return {"dtype": x.name}
        if isinstance(x, slice):
            return {"slice": [x.start, x.stop, x.step]}
        if x is Ellipsis:
            return {"ellipsis": 1}
        if isinstance(x, Op):
            return {"op": x.name}
        if hasattr(x, "op") and hasattr(x, "k") and isinstance(x.op, Op):
            return {"pick": [x.op.name, x.k]}
        if isinstance(x, (tuple, list)):
            return {"tuple" if isinstance(x, tuple) else "list": [self.thing(v, where) for v in x]}
        if isinstance(x, dict):
            return {"dict": [[k, self.thing(v, where)] for k, v in x.items()]}
        if isinstance(x, Packed):
            return self.array(x.unpack().array)
        raise PickleAttachedError(
            f"rg.dumps: {where} holds a {type(x).__name__}, which cannot be stored as data"
        )

    def leaf(self, edge: Leaf) -> int:
        key = self.leaf_keys.get(id(edge))
        if key is None:
            owner = edge.owner()
            key = self.leaf_keys[id(edge)] = len(self.leaves)
            name = owner.meta.name if owner is not None and owner.meta is not None else None
            self.leaves.append({"value": None if owner is None else self.array(owner.array), "name": name})
        return key

    def edge(self, e: Any) -> Any:
        if e is None:
            return None
        if type(e) is Leaf:
            return ["leaf", self.leaf(e)]
        if type(e) is Output:
            return ["output", e.node.seq, e.index, e.count]
        return ["node", e.seq]

    def node(self, n: Node) -> dict[str, Any]:
        op: Any = n.plan.op
        if not isinstance(n.saved, tuple):
            raise freed_error(n, (n,))
        if op.custom or id(OPS.get(op.name)) != id(op):
            raise PickleAttachedError(
                f"rg.dumps: the graph contains the custom function {op.name!r} (made at {n.made_at}), whose"
                " backward is code and cannot be stored: detach before it, or rebuild that part after"
                " loading"
            )
        made = n.made_at
        return {
            "seq": n.seq,
            "op": op.name,
            "mask": n.plan.mask,
            "complex": n.plan in op.plans_complex and n.plan not in op.plans,
            "edges": [self.edge(e) for e in n.edges],
            "saved": [self.thing(e, op.name) for e in n.saved],
            "params": self.thing(n.params, op.name),
            "shapes": self.thing(n.shapes, op.name),
            "made_at": None if made is None else [made.file, made.line],
        }

    def tree(self, x: Any) -> Any:
        """A tensor, or what holds tensors, as JSON; notes the nodes that it needs."""
        if isinstance(x, Value):
            edge = x._edge()  # type: ignore[attr-defined]
            if edge is not None and type(edge) is not Leaf:
                if not self.graph:
                    raise PickleAttachedError(
                        "rg.dumps: the tensor is attached to its graph; choose `rg.dumps(t, graph=True)` or"
                        " `rg.dumps(t.detach())`"
                    )
                self.nodes.update(reachable([edge]))
            return {"tensor": [self.array(x.array)["array"], self.edge(edge)]}
        if isinstance(x, (tuple, list)):
            return {"tuple" if isinstance(x, tuple) else "list": [self.tree(v) for v in x]}
        if isinstance(x, dict):
            return {"dict": [[k, self.tree(v)] for k, v in x.items()]}
        return self.thing(x, "the tree")


def dumps(tensors: Any, *, graph: bool = False) -> bytes:
    """A tensor (or tuples, lists and dictionaries of them) as bytes; with ``graph``, with all it was computed from.

    The graph goes on living; its loaded twin gives the same gradients bit for bit. Custom functions cannot be stored.
    Raises `PickleAttachedError` for an attached tensor when ``graph`` is false.

    >>> w = rg.tensor([1., 2.], requires_grad=True)
    >>> twin = rg.loads(rg.dumps((w * w).sum(), graph=True))
    >>> twin.backward()
    >>> rg.graph.leaves(twin)[0].grad
    tensor([2., 4.])
    """
    writer = _Writer(graph)
    tree = writer.tree(tensors)
    nodes = [writer.node(writer.nodes[seq]) for seq in sorted(writer.nodes)]
    header = {
        "tree": tree,
        "nodes": nodes,
        "leaves": writer.leaves,
        "memories": [m.nbytes for m in writer.memories],
    }
    text = json.dumps(header).encode()
    raw = [
        np.ascontiguousarray(m.T if m.flags.f_contiguous and not m.flags.c_contiguous else m).tobytes()
        for m in writer.memories
    ]
    return b"".join([_MAGIC, len(text).to_bytes(8, "little"), text, *raw])


def loads(data: bytes) -> Any:
    """What `dumps` stored. Raises ValueError for bytes that are damaged or not from `dumps`."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("rg.loads: these bytes were not written by rg.dumps")
    start = len(_MAGIC) + 8
    size = int.from_bytes(data[len(_MAGIC) : start], "little")
    try:
        header = json.loads(data[start : start + size])
        sizes = [int(n) for n in header["memories"]]
    except (ValueError, TypeError, KeyError):
        raise ValueError("rg.loads: the header is damaged or cut short") from None
    at = start + size
    if len(data) != at + sum(sizes) or min(sizes, default=0) < 0:
        raise ValueError(f"rg.loads: the data is cut short or too long: {len(data)} bytes, expected {at + sum(sizes)}")
    memories = []
    for nbytes in sizes:
        memories.append(np.frombuffer(data, np.uint8, nbytes, at).copy())
        at += nbytes
    try:
        return _Reader(memories, header).tree(header["tree"])
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"rg.loads: the header is damaged: {type(error).__name__}: {error}") from error


class _Reader:
    def __init__(self, memories: list[np.ndarray], header: dict[str, Any]) -> None:
        self.memories = memories
        self.owners: list[Any] = []
        self.leaves: list[Leaf] = []
        for entry in header["leaves"]:
            if entry["value"] is None:  # nobody held the leaf any more: its gradient goes nowhere
                self.owners.append(None)
                self.leaves.append(leaf_for(wrap(np.zeros(()))))
                continue
            value = wrap(self.array(*entry["value"]["array"]))
            self.leaves.append(leaf_for(value))
            if entry["name"]:
                meta_of(value).name = entry["name"]
            self.owners.append(value)
        self.nodes: dict[int, Node] = {}
        for entry in header["nodes"]:
            self.nodes[entry["seq"]] = self.node(entry)

    def array(self, key: int, dtype: str, shape: list[int], strides: list[int], offset: int) -> Any:
        kind = np.dtype(dtype) if dtype[0] in "<>|=" else dtypes.to_numpy(getattr(dtypes, dtype))
        return np.ndarray(tuple(shape), kind, self.memories[key], offset, tuple(strides))

    def thing(self, x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        ((tag, v),) = x.items()
        if tag in ("tuple", "list"):
            items = [self.thing(e) for e in v]
            return tuple(items) if tag == "tuple" else items
        read: dict[str, Any] = {
            "float": lambda: float.fromhex(v),
            "complex": lambda: complex(*map(float.fromhex, v)),
            "scalar": lambda: self.array(*v)[()],
            "array": lambda: self.array(*v),
            "npdtype": lambda: dtypes.to_numpy(getattr(dtypes, v)),
            "dtype": lambda: getattr(dtypes, v),
            "slice": lambda: slice(*v),
            "ellipsis": lambda: Ellipsis,
            "op": lambda: self.op(v),
            "pick": lambda: _pick(self.op(v[0]), v[1]),
            "dict": lambda: {k: self.thing(e) for k, e in v},
        }
        return read[tag]()

    @staticmethod
    def op(name: str) -> Op:
        if name not in OPS:
            raise ValueError(
                f"rg.loads: the graph needs the op {name!r}, which this version of Regrad does not have;"
                " import the module that declares it"
            )
        return OPS[name]

    def edge(self, e: Any) -> Any:
        if e is None:
            return None
        if e[0] == "leaf":
            return self.leaves[e[1]]
        node = self.nodes[e[1]]
        return Output(node, e[2], e[3]) if e[0] == "output" else node

    def node(self, entry: dict[str, Any]) -> Node:
        node = object.__new__(Node)
        op, mask = self.op(entry["op"]), entry["mask"]
        ruled = 1 if op.many else sum(1 << i for i, name in enumerate(op.args) if name in op.rules)
        if type(mask) is not int or not 0 < mask <= ruled or mask & ~ruled:
            raise ValueError(f"rg.loads: the header is damaged: {op.name!r} has no rules for the inputs {mask!r}")
        node.plan = op.plan(mask, bool(entry["complex"]))
        node.edges = tuple(self.edge(e) for e in entry["edges"])
        node.saved = tuple(self.thing(e) for e in entry["saved"])
        node.params, node.shapes, node.extra = self.thing(entry["params"]), self.thing(entry["shapes"]), None
        file, line = entry["made_at"] or ("<loaded>", 1)
        node.code, node.lasti = compile("", file, "exec").replace(co_firstlineno=line), -1
        node.seq = tick()
        if observers:
            holds(node)
        return node

    def tree(self, x: Any) -> Any:
        if isinstance(x, dict) and "tensor" in x:
            array, edge = x["tensor"]
            if edge is not None and edge[0] == "leaf":
                return self.owners[edge[1]]
            value = wrap(self.array(*array), self.edge(edge))
            value.__dict__["_leaves"] = self.owners  # the graph knows its leaves weakly: the root holds them
            return value
        if isinstance(x, dict):
            ((tag, v),) = x.items()
            if tag in ("tuple", "list"):
                items = [self.tree(e) for e in v]
                return tuple(items) if tag == "tuple" else items
            if tag == "dict":
                return {k: self.tree(e) for k, e in v}
        return self.thing(x)
