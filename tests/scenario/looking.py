"""Looking at graphs and memory without asking the package: what the scenarios check its words against."""

from __future__ import annotations

import gc
import inspect
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np

__all__ = ["NumPyBytes", "count_runs", "held", "line_of", "nodes_of"]


def line_of(text: str) -> int:
    """The line of the calling function that contains ``text``."""
    frame = inspect.currentframe().f_back
    lines, first = inspect.getsourcelines(frame.f_code)
    return next(first + k for k, line in enumerate(lines) if text in line and "line_of" not in line)


def nodes_of(*tensors: Any) -> list[Any]:
    """Every node behind ``tensors``, found through PyTorch's names alone."""
    found, waiting = {}, [t.grad_fn for t in tensors if t.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if id(node) not in found and hasattr(node, "saved"):
            found[id(node)] = node
            waiting += [parent for parent, _ in node.next_functions if parent is not None]
    return list(found.values())


def held(*tensors: Any) -> int:
    """Bytes of the memories that these tensors' nodes hold, each once: every array that can be got at from a node."""
    memories = {}
    for node in nodes_of(*tensors):
        waiting = [node.saved]
        while waiting:
            thing = waiting.pop()
            if isinstance(thing, np.ndarray):
                while isinstance(thing.base, np.ndarray):
                    thing = thing.base
                memories[id(thing)] = thing.nbytes
            elif isinstance(thing, (tuple, list)):
                waiting += gc.get_referents(thing)
    return sum(memories.values())


def count_runs(*tensors: Any) -> Counter[str]:
    """From now on, how often each node behind ``tensors`` runs: by name and a number."""
    runs: Counter[str] = Counter()
    for k, node in enumerate(sorted(nodes_of(*tensors), key=lambda n: n.seq)):
        key = f"{node.name()} {k}"
        runs[key] = 0
        node.register_prehook(lambda g, key=key: runs.update([key]))
    return runs


class NumPyBytes:
    """The bytes of all arrays that were made inside this context and are alive, as the allocator knows them."""

    def __enter__(self) -> NumPyBytes:
        tracemalloc.start()
        return self

    def __exit__(self, *exc: object) -> None:
        tracemalloc.stop()

    def alive(self) -> int:
        """Bytes now; arrays of less than a kilobyte, which NumPy may keep for reuse, are left out."""
        domain = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        traces = tracemalloc.take_snapshot().filter_traces([domain]).traces
        return sum(t.size for t in traces if t.size >= 1024)
