"""Functions, classes and methods take the parameters that PyTorch's take: the same names, order and defaults.

PyTorch's are in docs/pytorch_names.json, which docs/pytorch_names.py made. Where Python can tell them, the two are
compared as text. Of compiled functions PyTorch's stubs tell the ways to call them: each has to fit, parameter by
parameter; a default of ours where PyTorch has none is no difference. Start reading at `differences`.
"""

import ast
import importlib
import json
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SIGNATURES = json.loads((DOCS / "pytorch_names.json").read_text(encoding="utf-8"))
signature = runpy.run_path(str(DOCS / "pytorch_names.py"))["signature"]

# What differs on purpose, by reason. Under a module or class stand its names.
DIFFERENT = {
    "also says what is kept, what is freed, and what a failure leaves": {
        "torch.autograd": "backward grad",
        "torch.Tensor": "backward",
    },
    "results are new tensors: there is no out=": {"torch": "chain_matmul norm tensordot"},
    "one function serves here and in nn.functional": {
        "torch": "alpha_dropout binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss dropout "
        "feature_alpha_dropout feature_dropout hinge_embedding_loss kl_div log_softmax margin_ranking_loss "
        "poisson_nll_loss rrelu softmax triplet_margin_loss",
        "torch.Tensor": "log_softmax softmax",
        "torch.nn.functional": "group_norm layer_norm",
    },
    "takes the tensor by position, and the rest as the function without _ does": {
        "torch": "alpha_dropout_ celu_ dropout_ feature_alpha_dropout_ feature_dropout_ relu_ rrelu_ selu_ threshold_",
        "torch.nn.functional": "celu_ elu_ hardtanh_ leaky_relu_ relu_ rrelu_ selu_ threshold_",
    },
    "named as PyTorch's documentation names them, not its stubs": {
        "torch": "cholesky_inverse cholesky_solve lu_solve matrix_exp orgqr ormqr tensor triangular_solve unsafe_split",
        "torch.Tensor": "cholesky_solve copy_ is_set_to new_tensor orgqr ormqr requires_grad_ resize_as_",
        "torch.nn.functional": "gelu",
    },
    "swapaxes is transpose, with its names": {"torch": "swapaxes", "torch.Tensor": "swapaxes"},
    "a name for what nobody passes by name": {
        "torch": "from_numpy",
        "torch.nn.Sequential": "extend",
        "torch.autograd": "enable_grad",
    },
    "None, or left out, means the same": {
        "torch": "asarray meshgrid",
        "torch.nn.ModuleList": "pop",
        "torch.nn.Sequential": "pop",
    },
    "dtype by name alone": {"torch.Tensor": "norm"},
    "there is no pinned or shared memory": {"torch.Tensor": "is_pinned share_memory_"},
    "nothing is pickled": {"torch": "load save"},
    "takes more": {
        "torch.autograd": "no_grad",
        "torch.func": "jacfwd",
        "torch.utils.checkpoint": "checkpoint",
        "torch.optim.lr_scheduler.ReduceLROnPlateau": "step",
        "torch.optim.LBFGS": "step",
    },
    "one classmethod hands on what the method's constructor takes": {
        f"torch.nn.utils.prune.{name}": "apply"
        for name in ("CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "RandomStructured",
                     "RandomUnstructured")
    },
}  # fmt: skip


def ours(path):
    """What has the path of PyTorch's module or class here, or None."""
    value = importlib.import_module("regrad")
    for name in path.split(".")[1:]:
        value = getattr(value, name, None)
    return value


def read(text):
    """A signature in parts: positional names, whether others may follow, keyword names, whether others may."""
    args = ast.parse(f"def f({text}): ...").body[0].args
    values = [None] * (len(args.args) - len(args.defaults)) + args.defaults
    positional = {a.arg: d and ast.unparse(d) for a, d in zip(args.args, values, strict=True)}
    keywords = {a.arg: d and ast.unparse(d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)}
    return positional, args.vararg is not None, keywords, args.kwarg is not None


def same(theirs, here):
    """Whether two defaults are one: 2 is 2.0; the stubs' ``()`` and ``...`` do not say what is meant."""
    if theirs in (None, "()", "...") or theirs == here:
        return True
    if theirs.endswith("_format"):
        return here == "None"  # which means the same
    if here is None or "None" in (theirs, here):
        return False
    return ast.literal_eval(theirs) == ast.literal_eval(here)


def misfit(way, text):
    """Why a function with the signature ``text`` cannot be called in this way, or None."""
    positional, _, keywords, _ = read(way)
    names, more, options, others = read(text)
    order, known = list(names), names | options
    for i, (name, default) in enumerate(positional.items()):
        if more and i >= len(order):
            break
        if order[i : i + 1] != [name]:
            return f"{name} is not parameter {i + 1}"
        if not same(default, names[name]):
            return f"{name}={default} is {names[name]}"
    for name, default in keywords.items():
        if name == "out" or (others and name not in known):  # results are new tensors
            continue
        if name not in known:
            return f"{name} is not taken"
        if not same(default, known[name]):
            return f"{name}={default} is {known[name]}"
    wanted = [n for n, d in known.items() if d is None and n not in positional and n not in keywords]
    return f"{wanted[0]} is wanted" if wanted and "*" not in way else None


def method(owner, name):
    """Whether a name stands for a method, which is called without its first parameter."""
    kinds = (vars(c)[name] for c in getattr(owner, "__mro__", ()) if name in vars(c))
    return isinstance(owner, type) and not isinstance(next(kinds, None), (staticmethod, classmethod))


def differences():
    """Every difference, by name: what PyTorch has, and what is here."""
    found = {}
    for path, names in SIGNATURES.items():
        owner = ours(path)
        for name, theirs in names.items():
            value = getattr(owner, name, None)
            if value is None or theirs in (None, "*args, **kwargs"):
                continue
            here = signature(value, method(owner, name))
            if isinstance(theirs, str):
                if here != theirs:
                    found[f"{path}.{name}"] = (theirs, here)
            elif len(theirs) == 1 and here is not None and (why := misfit(theirs[0], here)):
                found[f"{path}.{name}"] = (f"{theirs[0]}: {why}", here)
    return found


def test_every_parameter_is_pytorchs():
    meant = {f"{path}.{name}" for rows in DIFFERENT.values() for path, names in rows.items() for name in names.split()}
    found = differences()
    news = [f"{name}\n    PyTorch: {found[name][0]}\n    here:    {found[name][1]}" for name in set(found) - meant]
    assert not news, "signatures that differ from PyTorch's:\n" + "\n".join(sorted(news))
    assert set() == meant - set(found), "these differ no longer"


def test_enough_was_compared():
    known = [(path, name) for path, names in SIGNATURES.items() for name, theirs in names.items() if theirs is not None]
    assert len([1 for path, name in known if hasattr(ours(path), name)]) > 1500


@pytest.mark.parametrize(
    ("way", "text", "why"),
    [
        ("input, dim=0", "input, dim=0", None),
        ("input, dim=2", "input, dim=2.0, more=1", None),
        ("input, *, out=None", "input", None),
        ("input, dim=0", "input, axis=0", "dim is not parameter 2"),
        ("input, dim=0", "input, dim=1", "dim=0 is 1"),
        ("input, dim=0", "input, dim=None", "dim=0 is None"),
        ("input, *, value=1", "input", "value is not taken"),
        ("input, *, value=1", "input, *, value=2", "value=1 is 2"),
        ("input", "input, other", "other is wanted"),
        ("*size", "*size, dtype=None", None),
    ],
)
def test_what_counts_as_a_misfit(way, text, why):
    assert why == misfit(way, text)
