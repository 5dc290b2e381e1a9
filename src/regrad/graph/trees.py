"""Small walks that users ask for: the leaves of a graph, and a tree of tensors cut from their graphs."""

from __future__ import annotations

from typing import Any

from regrad.graph.lifetime import reachable
from regrad.graph.node import Leaf
from regrad.graph.value import Value, edge_now

__all__ = ["detach_tree", "leaves"]


def leaves(*roots: Any) -> list[Any]:
    """The leaf tensors that the graphs of ``roots`` lead to and that are still held, in the order of their first use.

    >>> w = rg.ones(2, requires_grad=True)
    >>> rg.graph.leaves((w * 2).sum())[0] is w
    True
    """
    edges = [edge_now(r) if isinstance(r, Value) else r for r in roots]
    nodes = reachable(edges)
    found: dict[int, Any] = {}
    for edge in [*(e for seq in sorted(nodes) for e in nodes[seq].edges), *edges]:
        if type(edge) is Leaf and edge.owner() is not None:
            found.setdefault(id(edge), edge.owner())
    return list(found.values())


def detach_tree(tree: Any) -> Any:
    """``tree`` (a tensor, or tuples, lists and dictionaries of them) with every tensor detached from its graph.

    What carries a state over from one step to the next: ``h = rg.graph.detach_tree(h)``. Other things stay as they are.

    >>> h = (rg.ones(1, requires_grad=True) * 2, None)
    >>> rg.graph.detach_tree(h)
    (tensor([2.]), None)
    """
    if isinstance(tree, Value):
        return tree.detach()  # type: ignore[attr-defined]
    if isinstance(tree, dict):
        return type(tree)((k, detach_tree(v)) for k, v in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(detach_tree(v) for v in tree))
    return type(tree)(detach_tree(v) for v in tree) if isinstance(tree, (tuple, list)) else tree
