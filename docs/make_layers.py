"""Writes docs/layers.md, PyTorch's names for training and what of them is here: ``python docs/make_layers.py``.

The page is made from docs/pytorch_names.json and from what the package has, and must be made again when a layer, an
optimizer or a function of these modules is added; a test compares. What is absent needs its reason in `ABSENT`.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("layers.md")
NAMES = json.loads(Path(__file__).with_name("pytorch_names.json").read_text(encoding="utf-8"))
MODULES = [
    "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.parameter", "torch.nn.utils",
    "torch.nn.utils.parametrizations", "torch.nn.utils.parametrize", "torch.nn.utils.prune", "torch.nn.utils.rnn",
    "torch.nn.utils.stateless", "torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils", "torch.utils.data",
    "torch.utils.checkpoint",
]  # fmt: skip
# Why something is not here, by reason; what belongs to an absent class is absent with it.
ABSENT = {
    "the CPU is the only device": {
        "torch.nn": "DataParallel",
        "torch.nn.Module": "ipu mtia xpu",
        "torch.utils.checkpoint": "DefaultDeviceType get_device_states set_device_states",
    },
    "there is no compiler": {"torch.nn.Module": "compile"},
    "there are no 8-bit floats": {"torch.nn.functional": "ScalingType SwizzleType scaled_grouped_mm scaled_mm"},
    "there are no sparse tensors": {"torch.optim": "SparseAdam"},
    "deprecated in PyTorch": {"torch.nn": "Container"},
    "how PyTorch is made, not for users": {
        "torch.nn.parameter": "UninitializedTensorMixin",
        "torch.nn.LSTM": "permute_hidden",
        "torch.nn.MultiheadAttention": "merge_masks",
        "torch.nn.RNNBase": "permute_hidden",
        "torch.optim": "swap_in_optimizer_params_and_state",
        "torch.optim.Optimizer": "profile_hook_step",
        "torch.utils.checkpoint": "CheckpointFunction GraphExecGroup",
    },
    "datapipes: PyTorch maintains them no longer": {
        "torch.utils.data": "DFIterDataPipe DataChunk IterDataPipe MapDataPipe functional_datapipe "
        "guaranteed_datapipes_determinism non_deterministic runtime_validation runtime_validation_disabled",
    },
    "a region is checkpointed whole or not at all": {
        "torch.utils.checkpoint": "CheckpointPolicy SelectiveCheckpointContext create_selective_checkpoint_contexts",
    },
    "not yet": {"torch.nn": "LinearCrossEntropyOptions", "torch.nn.functional": "grouped_mm"},
}
_HEAD = """\
# Layers, losses, optimizers, data: what is here

Made by `python docs/make_layers.py` from the names that PyTorch 2.13 has and what this package has: do not edit by
hand. A name that is here takes the same parameters in the same order with the same defaults; a test compares them,
and lists what differs on purpose. Of {all} names {here} are here. What each saves for its derivative is in
[ops.md](ops.md); how to train with them, in [training.md](training.md).
"""


def ours(path: str) -> Any:
    """What has the path of PyTorch's module or class here, or None."""
    value: Any = importlib.import_module("regrad")
    for name in path.split(".")[1:]:
        value = getattr(value, name, None)
    return value


def sentence(value: Any) -> str:
    """The first sentence of a docstring, fit for a table."""
    first = (inspect.getdoc(value) or "").split("\n\n")[0].split("\n::\n")[0].replace("\n", " ")
    return first.split(" PyTorch:")[0].replace("``", "`").replace("|", "\\|")


def absent() -> dict[str, str]:
    """The reason for each name that is not here; KeyError where there is none, or one for a name that is here."""
    reasons = {
        f"{path}.{name}": reason
        for reason, rows in ABSENT.items()
        for path, names in rows.items()
        for name in names.split()
    }
    here = [name for name in reasons if ours(name) is not None]
    missing = {
        name
        for path, names in NAMES.items()
        if path in MODULES or (path.rpartition(".")[0] in MODULES and ours(path) is not None)
        for name in (f"{path}.{n}" for n in names)
        if ours(name) is None
    }
    if here or missing != set(reasons):
        raise KeyError(
            f"docs/make_layers.py, ABSENT: no reason for {sorted(missing - set(reasons))}; "
            f"a reason, but no need of one, for {sorted(set(reasons) - missing)}"
        )
    return reasons


def owner(name: str) -> str:
    """The module that a name, or the class that it is a method of, stands in."""
    path = name.rpartition(".")[0]
    return path if path in MODULES else path.rpartition(".")[0]


def page() -> str:
    """The text of the page."""
    reasons = absent()
    count = sum(len(NAMES[module]) for module in MODULES)
    gone = sum(name.rpartition(".")[0] in MODULES for name in reasons)
    parts = [_HEAD.format(all=count, here=count - gone)]
    for module in MODULES:
        parts.append(f"\n## {module.removeprefix('torch.')}\n\n| name | what it does |\n|---|---|\n")
        values = {name: ours(f"{module}.{name}") for name in sorted(NAMES[module])}
        parts.extend(f"| `{name}` | {sentence(value)} |\n" for name, value in values.items() if value is not None)
        rest = [name for name in sorted(reasons) if owner(name) == module]
        if rest:
            parts.append("\n| not here | why |\n|---|---|\n")
            parts.extend(f"| `{name.removeprefix(f'{module}.')}` | {reasons[name]} |\n" for name in rest)
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
