"""Writes docs/ops.md, the table of all ops: ``python docs/make_ops.py``.

The page is made from `regrad.declare.OPS` and must be made again when an op is added or changed; a test compares.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import regrad
from regrad.declare import OPS, Op

PAGE = Path(__file__).with_name("ops.md")
_HEAD = """\
# Every op, and what it saves

Made by `python docs/make_ops.py` from the declarations: do not edit by hand.

{count} ops are declared. What users call is often a function or method on top of them (`x[1:]` and `x @ y`
are such). The third column says how a tangent goes through, see [design.md](design.md). The last one
says, for each argument with a derivative, what its rule reads and a node therefore saves: arguments, results, or
shapes, which cost no memory. A value is saved only when a gradient is wanted that reads it, and once, however many
read it.
"""
_COLUMNS = """
| op | what it does | kind | what the rules read |
|---|---|---|---|
"""


def reads(op: Op) -> str:
    """For each argument of ``op`` with a rule, what the rule reads."""
    if not op.rules:
        return "no derivative"
    plan = op.plan(1 if op.many else sum(1 << i for i, a in enumerate(op.args) if a in op.rules))
    rows = []
    for i, arg in enumerate(op.args):
        if arg in op.rules:
            names = [s for s, who in zip(plan.slots, plan.readers, strict=True) if op.many or i in who]
            rows.append(f"{arg}: {', '.join(names) or 'nothing'}")
    return "; ".join(rows)


def sentence(op: Op) -> str:
    """The first sentence of the op's docstring, fit for a table."""
    first = inspect.cleandoc(op.caller.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return first.replace("``", "`").replace("|", "\\|")


def page() -> str:
    """The text of the page."""
    ours = [op for op in OPS.values() if op.module.split(".")[0] == regrad.__name__]  # a test may declare more
    parts = [_HEAD.format(count=len(ours))]
    for module in sorted({op.module for op in ours}):
        about = inspect.getdoc(importlib.import_module(module)) or ""
        first = about.split("\n\n")[0].replace("\n", " ").replace("``", "`")
        parts.append(f"\n## {module.removeprefix('regrad.')}\n\n{first}\n{_COLUMNS}")
        family = sorted((op for op in ours if op.module == module), key=lambda op: op.name)
        parts.extend(f"| `{op.name}` | {sentence(op)} | {op.kind} | {reads(op)} |\n" for op in family)
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
