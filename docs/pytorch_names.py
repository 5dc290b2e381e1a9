"""Writes docs/pytorch_names.json, PyTorch's public names and signatures: ``python docs/pytorch_names.py``.

It needs PyTorch, the release whose names Regrad takes over (``.venv-compare`` has it); what reads the file does not.
For each module the file has its functions and classes, for each class the methods it defines. With each name stand
its parameters and defaults, as text: one line where Python can tell them, a list where PyTorch's stubs tell several
ways to call a compiled function, null where nobody tells. Start reading at `signature`.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import json
import re
import types
import warnings
from pathlib import Path
from typing import Any, TypeAlias

FILE = Path(__file__).with_name("pytorch_names.json")
Names: TypeAlias = dict[str, "str | list[str] | None"]
MODULES = [
    "torch.autograd", "torch.func", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.parameter",
    "torch.nn.utils", "torch.nn.utils.parametrizations", "torch.nn.utils.parametrize", "torch.nn.utils.prune",
    "torch.nn.utils.rnn", "torch.nn.utils.stateless", "torch.optim", "torch.optim.lr_scheduler",
    "torch.optim.swa_utils", "torch.utils.checkpoint", "torch.utils.data",
]  # fmt: skip
# Named in these modules without being theirs: PyTorch's own plumbing.
PLUMBING = re.compile(
    r"Tensor|assert_int_or_pair|boolean_dispatch|factory_kwargs|\w*torch_function\w*|argument_validation"
    r"|adaptive_max_pool.d_with_indices|(fractional_)?max_pool.d_with_indices|check_backward_validity|detach_variable"
)


def default(value: Any) -> str:
    """The default of a parameter, as text that does not depend on the library."""
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)):
        return str(value.__name__)
    text = re.sub(r"\b(torch|regrad)\.", "", repr(value))
    return "..." if " object at 0x" in text else text


def signature(function: Any, method: bool = False) -> str | None:
    """The parameters of a function or class, without annotations; None where Python cannot tell."""
    if isinstance(function, enum.EnumMeta):
        return None  # it depends on the release of Python
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if method and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]  # self
    parts: list[str] = []
    starred = False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        name = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        parts.append(name if p.default is p.empty else f"{name}={default(p.default)}")
    return ", ".join(parts)


def methods(cls: type) -> Names:
    """The public methods that a class defines itself."""
    found: Names = {}
    for name, raw in sorted(vars(cls).items()):
        if not name.startswith("_") and isinstance(raw, (types.FunctionType, staticmethod, classmethod)):
            found[name] = signature(getattr(cls, name), isinstance(raw, types.FunctionType))
    return found


def public(module: Any) -> dict[str, Any]:
    """The functions and classes that a module gives out."""
    names = [n for n in getattr(module, "__all__", None) or vars(module) if not n.startswith("_")]
    return {
        name: value
        for name in sorted(names)
        if callable(value := getattr(module, name, None))
        and (getattr(value, "__module__", None) or "").split(".")[0] == "torch"
        and not PLUMBING.fullmatch(name)
    }


def stubs(body: list[ast.stmt], method: bool = False) -> dict[str, list[str]]:
    """The ways to call each function of a stub file, without those that PyTorch deprecates or that name dimensions."""
    found: dict[str, list[str]] = {}
    for function in body:
        if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
            continue
        args = function.args
        everyone = [*args.args, *args.kwonlyargs, *filter(None, [args.vararg, args.kwarg])]
        if "EllipsisType" in ast.unparse(args) or (not method and any(a.arg == "self" for a in everyone)):
            continue
        for arg in everyone:
            arg.annotation = None
        del args.args[:method]
        text = re.sub(r"\b(torch|regrad)\.", "", ast.unparse(args))
        ways = found.setdefault(function.name, [])
        if text not in ways:
            ways.append(text)
    return found


def compiled() -> dict[str, dict[str, list[str]]]:
    """The ways to call what is not Python: the functions, those of networks, the methods of tensors."""
    folder = Path(str(importlib.import_module("torch").__file__)).parent / "_C"
    functions, networks, core = (
        ast.parse((folder / name).read_text(encoding="utf-8")).body
        for name in ("_VariableFunctions.pyi", "_nn.pyi", "__init__.pyi")
    )
    tensor = next(node for node in core if isinstance(node, ast.ClassDef) and node.name == "TensorBase")
    top = stubs(functions)
    return {
        "torch": top,
        "torch.nn.functional": top | stubs(networks),
        "torch.Tensor": stubs(tensor.body, method=True),
    }


def collect() -> dict[str, Names]:
    """By module the names in it, by class its methods."""
    found: dict[str, Names] = {}
    for path in MODULES:
        values = public(importlib.import_module(path))
        found[path] = {name: signature(value) for name, value in values.items()}
        for name, value in values.items():
            if isinstance(value, type) and (own := methods(value)):
                found[f"{path}.{name}"] = own
    torch = importlib.import_module("torch")
    found["torch"] = {n: signature(v) for n, v in public(torch).items() if isinstance(v, types.FunctionType)}
    found["torch.Tensor"] = methods(torch.Tensor)
    for path, functions in compiled().items():
        names = found[path]
        if path == "torch.nn.functional":  # its stubs have functions that nobody is meant to call
            functions = {name: ways for name, ways in functions.items() if name in names}
        names.update({name: ways for name, ways in functions.items() if names.get(name) is None})
    return found


def text(found: dict[str, Names]) -> str:
    """The file: one line a name, so that a new release shows as the lines that changed."""
    sections = []
    for path, names in sorted(found.items()):
        lines = (f"  {json.dumps(name)}: {json.dumps(how)}" for name, how in sorted(names.items()))
        sections.append(f" {json.dumps(path)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(sections) + "\n}\n"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FILE.write_text(text(collect()), encoding="utf-8")
