"""What was recorded and how long it lives. Start reading at `node`, then `engine.run`, then `lifetime`.

    value       the bare box: an array and where it came from
    node        nodes, outputs, leaves, plans, the clock
    slots       saved values: opened for a rule, packed by a policy
    versions    in-place writes, marked on the memory that was written
    sharing     memory shared with NumPy, where writes are not seen but noticed
    engine      the pass from roots to leaves
    plans       losses whose backward is still to come
    freeing     values released and graphs cut on purpose
    roots       a gradient for each root
    lifetime    checks before a pass and the stories told when they fail
    report      what a graph holds: records, bytes, states
    life        the life of a graph in words; all graphs that are alive
    tracking    the peak of what was held
    holders     who keeps a tensor or its graph alive
    leaks       graphs that live longer than they should
    diagnosis   what was kept for nothing
    observers   who wants to know of every node
    trees       leaves of a graph; trees of tensors cut from theirs
    modes       recording, inference, policies: what happens when an op runs
    provenance  the user's file and line of everything

As ``rg.graph`` this package is also where users look at graphs: the names below.
"""

import importlib
from typing import TYPE_CHECKING, Any

from regrad.graph.engine import PassInfo
from regrad.graph.engine import pass_info as current_pass
from regrad.graph.freeing import cut_behind, release
from regrad.graph.lifetime import strict, values_only
from regrad.graph.plans import plan
from regrad.graph.report import Record, Saved, graph_state, memory_stats, saved
from regrad.graph.sharing import explain_write, guard
from regrad.graph.trees import detach_tree, leaves

if TYPE_CHECKING:  # the first are in a room above, which hands them down; for the others see `_LATER`
    from regrad.autograd.several import backward, grad_each, stop_at
    from regrad.graph.diagnosis import Finding, diagnose
    from regrad.graph.holders import Chain, Holders, who_holds
    from regrad.graph.leaks import assert_freed, leak_guard, must_free
    from regrad.graph.life import Alive, Life, alive, explain
    from regrad.graph.tracking import Peak, peak_memory, reset_peak_memory_stats, track_memory

__all__ = [
    "Alive",
    "Chain",
    "Finding",
    "Holders",
    "Life",
    "PassInfo",
    "Peak",
    "Record",
    "Saved",
    "alive",
    "assert_freed",
    "backward",
    "current_pass",
    "cut_behind",
    "detach_tree",
    "diagnose",
    "explain",
    "explain_write",
    "grad_each",
    "graph_state",
    "guard",
    "leak_guard",
    "leaves",
    "memory_stats",
    "must_free",
    "peak_memory",
    "plan",
    "release",
    "reset_peak_memory_stats",
    "saved",
    "stop_at",
    "strict",
    "track_memory",
    "values_only",
    "who_holds",
]

# Imported when first asked for: what looks at graphs is seldom needed, and takes a while to import.
_LATER = {
    "diagnosis": ("Finding", "diagnose"),
    "holders": ("Chain", "Holders", "who_holds"),
    "leaks": ("assert_freed", "leak_guard", "must_free"),
    "life": ("Alive", "Life", "alive", "explain"),
    "tracking": ("Peak", "peak_memory", "reset_peak_memory_stats", "track_memory"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            globals().update({n: getattr(importlib.import_module(f"{__name__}.{module}"), n) for n in names})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
