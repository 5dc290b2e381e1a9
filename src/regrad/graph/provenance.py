"""Where things were made: the user's file and line, kept as two cheap objects and resolved only when asked.

A site is ``(code, lasti)``: the code object of the user's frame and the instruction it was at. Frames of Regrad
itself are passed over, so that an op made by a composite function points at the line that called it. No frame is
kept, hence nothing that the frame holds is kept alive. Start reading at `site`.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any, NamedTuple

__all__ = [
    "Place", "inside", "operand_text", "outer", "place", "site", "source_line", "trail", "variables",
    "with_source",
]  # fmt: skip

# Spelled as Python spells the file names of code objects: with links as they are.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120
# Programs that ship with the package are users of it like any other.
_GUESTS = (_ROOT + "cli" + os.sep,)


class _Inside(dict[str, bool]):
    """File name -> is it Regrad's own code? Filled as files are met; a lookup costs one dict access."""

    def __missing__(self, filename: str) -> bool:
        own = filename.startswith(_ROOT) and not filename.startswith(_GUESTS)
        self[filename] = own
        return own


inside = _Inside()


class Place(NamedTuple):
    """A file and a line; prints as ``file:line``."""

    file: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def outer(frame: FrameType) -> FrameType:
    """The nearest frame, from ``frame`` outwards, that is not Regrad's own (else the outermost one)."""
    while inside[frame.f_code.co_filename] and frame.f_back is not None:
        frame = frame.f_back
    return frame


def site(depth: int = 1) -> tuple[CodeType, int]:
    """The user's site of the call that is going on."""
    frame = outer(sys._getframe(depth))
    return frame.f_code, frame.f_lasti


def levels() -> int:
    """The ``stacklevel`` with which a warning of the caller's points at the user's line."""
    frame, count = sys._getframe(1), 1
    while inside[frame.f_code.co_filename] and frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


def variables(frame: FrameType) -> list[tuple[str, Any]]:
    """The names and values that a frame knows, leaving behind no copy that would keep the values alive.

    Before Python 3.13 a function's frame keeps the snapshot that ``f_locals`` makes, until it ends.
    """
    names = frame.f_locals
    found = list(names.items())
    code = frame.f_code
    if sys.version_info < (3, 13) and code.co_flags & _FUNCTION and sys.getrefcount(names) <= _ours:
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            names.pop(name, None)
    return found


_FUNCTION = 1  # the flag of code whose variables are not in a dictionary


def _references() -> int:
    """To a snapshot that nobody else, such as a caller of ``locals()``, has in hand."""
    names = sys._getframe().f_locals
    return sys.getrefcount(names)


_ours = _references()


def trail(depth: int = 1, length: int = 4) -> tuple[str, str, tuple[tuple[CodeType, int], ...]]:
    """(who is acting, for which function, the user's sites from the innermost outwards) for an in-place write.

    The actor is the outermost of Regrad's own frames, such as ``SGD.step``; the function is the user's.
    """
    frame: FrameType | None = sys._getframe(depth)
    own = None
    while frame is not None and inside[frame.f_code.co_filename]:
        own, frame = frame, frame.f_back
    actor = "" if own is None else _qualified(own)
    user = "" if frame is None else _qualified(frame)
    sites: list[tuple[CodeType, int]] = []
    while frame is not None and len(sites) < length:
        sites.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return actor, user, tuple(sites)


def _qualified(frame: FrameType) -> str:
    """``Class.method`` or the function's name; Python 3.10 has it not in the code object but in ``self``."""
    code = frame.f_code
    if hasattr(code, "co_qualname"):
        return str(code.co_qualname)
    name = code.co_name
    owner = dict(variables(frame)).get("self") if "self" in frame.f_code.co_varnames[:1] else None
    return name if owner is None else f"{type(owner).__name__}.{name}"


def place(code: CodeType | None, lasti: int) -> Place | None:
    """The file, line and function of a site."""
    if code is None:
        return None
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= lasti < end and number is not None:
            line = number
    name: str = getattr(code, "co_qualname", code.co_name)
    return Place(code.co_filename, line, name)


def operand_text(code: CodeType, lasti: int, index: int) -> str:
    """How the source writes operand ``index`` of the call at a site: "h" in ``h * w``; empty where that cannot be told.

    Read off the column positions that Python 3.11 and later keep in code objects; before, off the instructions, which
    tell the names of two operands that are plain variables.
    """
    import ast
    import linecache
    import textwrap

    if not hasattr(code, "co_positions"):
        return _loaded_before(code, lasti, index)
    positions = list(code.co_positions())
    if lasti // 2 >= len(positions):
        return ""
    first, last, left, right = positions[lasti // 2]
    if first is None or last is None or left is None or right is None:
        return ""
    lines = [linecache.getline(code.co_filename, k) for k in range(first, last + 1)]
    if not lines or not lines[0]:
        return ""
    lines[-1] = lines[-1].encode()[:right].decode()
    lines[0] = lines[0].encode()[left:].decode()
    try:
        tree = ast.parse(textwrap.dedent("".join(lines)), mode="eval").body
    except SyntaxError:
        return ""
    operands: list[ast.expr] = []
    if isinstance(tree, ast.BinOp):
        operands = [tree.left, tree.right]
    elif isinstance(tree, ast.UnaryOp):
        operands = [tree.operand]
    elif isinstance(tree, ast.Call):
        operands = [tree.func.value] if isinstance(tree.func, ast.Attribute) else []
        operands += tree.args
    simple = (ast.Name, ast.Attribute, ast.Subscript)
    return (
        ast.unparse(operands[index]) if index < len(operands) and isinstance(operands[index], simple) else ""
    )


def _loaded_before(code: CodeType, lasti: int, index: int) -> str:
    """The variable that was loaded as operand ``index`` (of two) right before a binary instruction."""
    import dis

    loads: list[str] = []
    for step in dis.get_instructions(code):
        if step.offset == lasti:
            binary = step.opname.startswith(("BINARY_", "INPLACE_"))
            return loads[index - 2] if binary and len(loads) >= 2 and index < 2 else ""
        if step.opname == "LOAD_ATTR" and loads:
            loads[-1] += f".{step.argval}"
        elif step.opname in ("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF"):
            loads.append(str(step.argval))
        else:
            loads.clear()
    return ""


def with_source(where: Any) -> str:
    """A place and, where it can be read, the text of its line: ``train.py:7: h = (h @ w).tanh()``."""
    text = source_line(where)
    return f"{where}: {text}" if text else str(where)


def source_line(where: Any) -> str:
    """The text of a place's line, stripped; empty where the source cannot be read."""
    import linecache

    return linecache.getline(where.file, where.line).strip() if where else ""
