"""Random programs of ops, views, in-place writes and passes, run with any torch-shaped library.

A program is a list of steps, each four whole numbers that are read against what exists at that point, so that every
list is a program and a shorter one a simpler program. Its outcome is a list of what could be seen: values, versions,
gradients, and which steps were refused and why. Start reading at `run`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Outcome", "run"]

Outcome = list[Any]
LEAVES = {
    "a": [[0.3, -0.7, 1.1], [0.9, 0.2, -0.4]],
    "b": [0.5, -1.2, 0.8],
    "c": 0.7,
    "d": [[1.3, 0.1, -0.6], [0.4, -0.9, 0.25]],
}
NEEDS_GRAD = ("a", "b", "c")

BINARY = ("add", "sub", "mul")
UNARY = ("sin", "tanh", "neg", "square", "exp_small", "times_two", "plus_one")
VIEWS = ("row", "columns", "transpose", "flatten", "row_of_matrix", "alias")
WRITES = ("mul_", "add_", "sub_", "tanh_", "sin_", "neg_", "mul_number_", "zero_", "copy_")
SMALL = 0.5


def refusal(error: Exception) -> str:
    """Why a step was refused, in one word."""
    text = str(error)
    for word, phrase in (
        ("freed", "second time"),
        ("modified", "modified by an inplace operation"),
        ("leaf", "leaf Variable"),
        ("no grad", "does not require grad"),
        ("overlap", "unsupported operation"),
        ("shape", "shape"),
        ("shape", "size"),
    ):
        if phrase in text:
            return word
    return "other: " + text[:60]


def fits(x: Any, y: Any) -> bool:
    """Can ``y`` be broadcast to the shape of ``x`` without growing it?"""
    a, b = tuple(x.shape), tuple(y.shape)
    return len(b) <= len(a) and all(n in (1, m) for m, n in zip(a[::-1], b[::-1]))


def together(x: Any, y: Any) -> bool:
    a, b = tuple(x.shape), tuple(y.shape)
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1]))


def unary(x: Any, k: int) -> Any:
    name = UNARY[k % len(UNARY)]
    if name == "exp_small":
        return (x * SMALL).sin().exp()
    if name == "times_two":
        return x * 2.0
    if name == "plus_one":
        return x + 1.0
    return x**2 if name == "square" else -x if name == "neg" else getattr(x, name)()


def view(x: Any, k: int, j: int) -> Any:
    name = VIEWS[k % len(VIEWS)]
    if name == "alias":
        return x.view_as(x)
    if not x.shape:
        return None
    if name == "row":
        return x[j % x.shape[0]]
    if name == "flatten":
        return x.reshape(-1, 1) if len(x.shape) == 1 else x.view_as(x)
    if len(x.shape) < 2:
        return x[: max(1, j % (x.shape[0] + 1))]
    if name == "columns":
        return x[:, : max(1, j % (x.shape[1] + 1))]
    if name == "transpose":
        return x.t()
    return x.t()[j % x.shape[1]]


def write(lib: Any, x: Any, y: Any, k: int) -> Any:
    name = WRITES[k % len(WRITES)]
    _ = getattr(x, "grad_fn", None)  # PyTorch renews the history of a view only when it is looked at
    if name in ("tanh_", "sin_", "neg_", "zero_"):
        return getattr(x, name)()
    if name == "mul_number_":
        return x.mul_(0.75)
    if not fits(x, y):
        return None
    return getattr(x, name)(y)


def run(lib: Any, steps: list[tuple[int, int, int, int]], stop_when_refused: bool = False) -> Outcome:
    """Run a program; what could be seen, step by step."""
    things = []
    leaves = {}
    loose: set[int] = set()  # what was detached, and views of it
    family: dict[int, int] = {}  # thing -> the first thing with the same memory
    for name, data in LEAVES.items():
        leaf = lib.tensor(data, dtype=lib.float64)
        leaves[name] = leaf.requires_grad_() if name in NEEDS_GRAD else leaf
        things.append(leaf)
    seen: Outcome = []
    for kind, i, j, k in steps:
        x, y = things[i % len(things)], things[j % len(things)]
        try:
            if kind % 12 in (6, 7) and id(x) in loose and y.requires_grad:
                continue  # it would get a history that its memory does not share
            if kind % 12 in (6, 7) and x is y:
                continue  # x.mul_(x): PyTorch copies its old elements for one factor only; Regrad serves both
            if kind % 12 in (6, 7, 8) and x is not y and family.get(id(x), id(x)) == family.get(id(y), id(y)):
                continue  # PyTorch reads what it has just written, or refuses
            happened, made = step(lib, kind % 12, x, y, j, k, leaves)
        except RuntimeError as error:
            why = refusal(error)
            seen.append((kind % 12, "refused", why))
            if stop_when_refused and why in ("freed", "modified"):
                break  # PyTorch has half-written gradients now, and Regrad none
            continue
        if made is not None:
            things.append(made)
            if (kind % 12 == 9 and k % 2 == 0) or (kind % 12 in (4, 5) and id(x) in loose):
                loose.add(id(made))
            if kind % 12 in (4, 5) or (kind % 12 == 9 and k % 2 == 0):
                family[id(made)] = family.get(id(x), id(x))
            seen.append((kind % 12, "made", tolist(made), bool(made.requires_grad)))
        seen += happened
    seen.append(("versions", [t._version for t in things]))
    seen.append(("values", [tolist(t) for t in things]))
    seen.append(("requires grad", [bool(t.requires_grad) for t in things]))
    seen.append(("grads", [None if leaves[n].grad is None else tolist(leaves[n].grad) for n in NEEDS_GRAD]))
    return seen


def tolist(t: Any) -> Any:
    return t.detach().tolist()


def step(lib: Any, kind: int, x: Any, y: Any, j: int, k: int, leaves: dict[str, Any]) -> tuple[Outcome, Any]:
    """(what was seen, the tensor that was made)."""
    if kind in (0, 1):
        if not together(x, y):
            return [], None
        name = BINARY[k % len(BINARY)]
        return [], x + y if name == "add" else x - y if name == "sub" else x * y
    if kind in (2, 3):
        return [], unary(x, k)
    if kind in (4, 5):
        return [], view(x, k, j)
    if kind in (6, 7):
        write(lib, x, y, k)
        return [("wrote", tolist(x), x._version)], None
    if kind == 8:
        with lib.no_grad():
            write(lib, x, y, k)
        return [("wrote", tolist(x), x._version)], None
    if kind == 9:
        return [], x.clone() if k % 2 else x.detach()
    if kind == 10:  # backward from one root, or from two
        roots = [x.sum(), y.sum()] if k % 3 == 0 else [x.sum()]
        roots = [r for r in roots if r.requires_grad]
        if not roots:
            return [], None
        lib.autograd.backward(roots, retain_graph=bool(k % 2))
        return [
            ("grads", [None if leaves[n].grad is None else tolist(leaves[n].grad) for n in NEEDS_GRAD])
        ], None
    # All leaves, so that every rule is needed: PyTorch checks also the saved values that this pass would not read.
    wanted = [t for t in (y, *(leaves[n] for n in NEEDS_GRAD)) if t.requires_grad and not t._is_view()]
    root = x.sum()
    if not root.requires_grad or not wanted:
        return [], None
    found = lib.autograd.grad(root, wanted, retain_graph=bool(k % 2), allow_unused=True)
    return [("grad", [None if g is None else tolist(g) for g in found])], None


def differ(a: Any, b: Any) -> bool:
    """Are two outcomes different? Numbers may differ in their last digits; a zero gradient equals none."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) != len(b) or any(differ(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return not (a == b or abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b)) or (a != a and b != b))
    if (a is None) != (b is None):
        return any(v != 0.0 for v in flat(a if b is None else b))
    return bool(a != b)


def flat(x: Any) -> list[Any]:
    return [v for e in x for v in flat(e)] if isinstance(x, list) else [x]
