"""The errors of Regrad, each a subclass of the builtin that PyTorch raises in the same place.

    RuntimeError
      GraphFreedError          a pass needs values that an earlier pass or a release has freed
      SavedModifiedError       a pass needs values that were written to after they were saved
      NonDifferentiableSaved   a second derivative would go through a value that has no history
      ShapeError               sizes that do not fit together
      DtypeError               an op that is not defined for a dtype
      GraphEscapedError        a graph outlived the context that it was made in
      PickleAttachedError      pickling a tensor that still hangs on its graph
      FileFormatError          a file that `rg.load` cannot read; also a ValueError
      SaveError                a file that `rg.save` could not write; also an OSError
    IndexError
      DimError                 a dimension that the tensor does not have
    UserWarning
      LoopWarning              a batching rule is missing and a Python loop stands in for it
      GraphGrowthWarning       graphs of earlier steps are still there, and their number grows
      UnusedRetainWarning      a graph was retained and never run again
      UnusedCreateGraphWarning a gradient was recorded and never differentiated

The two long stories (who freed, who wrote, what to do) are told in `regrad.graph.lifetime`; this module only
holds the boxes.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "DimError",
    "DtypeError",
    "FileFormatError",
    "GraphEscapedError",
    "GraphFreedError",
    "GraphGrowthWarning",
    "LoopWarning",
    "NonDifferentiableSaved",
    "PickleAttachedError",
    "SaveError",
    "SavedModifiedError",
    "ShapeError",
    "UnusedCreateGraphWarning",
    "UnusedRetainWarning",
]


class ShapeError(RuntimeError):
    """Sizes that do not fit together."""


class DtypeError(RuntimeError):
    """An op that is not defined for the dtype it was given."""


class DimError(IndexError):
    """A dimension that the tensor does not have."""


class PickleAttachedError(RuntimeError):
    """Pickling a tensor that is attached to its graph."""


class FileFormatError(ValueError, RuntimeError):
    """A file that is damaged, cut short, or of another format than `rg.load` reads.

    PyTorch raises RuntimeError, UnpicklingError or EOFError there, by the damage.
    """


class SaveError(OSError, RuntimeError):
    """A file that could not be written; what was there before is unchanged.

    Fields: those of OSError (``errno``, ``strerror``, ``filename``). PyTorch raises RuntimeError.
    """


class NonDifferentiableSaved(RuntimeError):  # noqa: N818 - named for what was saved
    """A derivative would have to go through a saved value that has no history.

    Fields: ``name`` (the attribute or slot that holds it), ``op`` (the custom function).
    """

    def __init__(self, text: str, *, name: str = "", op: str = "") -> None:
        super().__init__(text)
        self.name, self.op = name, op


class GraphFreedError(RuntimeError):
    """A backward pass met a node whose saved values are gone.

    Fields: ``op`` (its name), ``made_at`` (file, line of the op), ``freed_by`` (what freed it, in words),
    ``freed_at`` (file, line of that pass or call), ``cause`` (``SAME_ROOT_TWICE``, ``SHARED_TRUNK``,
    ``STALE_INPUT`` or ``RELEASED``), ``boundary`` (for a stale input: the value that came over from the earlier
    step and the line that read it), ``shared`` (for a shared trunk: the nodes that both roots reach) and
    ``advice`` (one sentence).
    """

    op: str = ""
    made_at: Any = None
    freed_by: str = ""
    freed_at: Any = None
    cause: str = ""
    boundary: Any = None
    shared: tuple[Any, ...] = ()
    advice: str = ""


class SavedModifiedError(RuntimeError):
    """A backward pass met a saved value that has been written to since it was saved.

    Fields: ``name`` (dotted path of the parameter where known), ``op`` (the op that reads it), ``read_at`` (file,
    line of that op), ``written_at`` (file, line of the last write), ``writer`` (who wrote, such as ``SGD.step``),
    ``versions`` (at saving, now) and ``advice`` (one sentence).
    """

    name: str = ""
    op: str = ""
    read_at: Any = None
    written_at: Any = None
    writer: str = ""
    versions: tuple[int, int] = (0, 0)
    advice: str = ""


class GraphEscapedError(RuntimeError):
    """A graph made inside `rg.graph.must_free` outlived it.

    Fields: ``roots`` (for each: ``op``, ``shape``, ``nbytes``, ``made_at`` and ``holders``, the chains that keep it),
    ``nbytes`` (of all of them, memory that they share counted once).
    """

    roots: tuple[Any, ...] = ()
    nbytes: int = 0


class LoopWarning(UserWarning):
    """An op without a batching rule was run once per slice."""


class GraphGrowthWarning(UserWarning):
    """Graphs of earlier steps are still reachable, and their number grows.

    Fields: ``line`` (file and line of the op that reads a value of an earlier step, or of the oldest graph's last op),
    ``op``, ``bytes_per_step``, ``nodes_per_step`` and ``holders`` (the chains that keep the oldest graph).
    """

    line: Any = None
    op: str = ""
    bytes_per_step: int = 0
    nodes_per_step: int = 0
    holders: Any = ()


class UnusedRetainWarning(UserWarning):
    """A graph was retained for another pass that never came.

    Fields: ``line`` (file and line of the pass), ``count`` (graphs), ``nbytes`` (what they held in vain, in all) and
    ``byte_seconds`` (bytes times the seconds for which they were held).
    """

    line: Any = None
    count: int = 0
    nbytes: int = 0
    byte_seconds: float = 0.0


class UnusedCreateGraphWarning(UserWarning):
    """A pass recorded its gradient (``create_graph=True``), and nobody differentiated it.

    Fields: those of `UnusedRetainWarning`.
    """

    line: Any = None
    count: int = 0
    nbytes: int = 0
    byte_seconds: float = 0.0
