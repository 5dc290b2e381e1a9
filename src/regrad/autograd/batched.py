"""`grad(..., is_grads_batched=True)`: one pass for a whole batch of cotangents."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.graph.modes import MODE, mode
from regrad.graph.value import wrap

__all__ = ["batched_grad"]


def batched_grad(
    outputs: Any, inputs: Any, cotangents: Any, allow: bool, materialize: bool, **terms: Any
) -> tuple[Any, ...]:
    """The gradients for each row of the cotangents, the rows in front; ``terms`` are those of `grad`."""
    from regrad.autograd import batch_folds as batch_folds  # fills the table of rules, as the next one does
    from regrad.autograd import batch_indexing as batch_indexing
    from regrad.autograd import batch_rules as batch_rules
    from regrad.autograd.batching import Batched, Level
    from regrad.autograd.passes import grad, unused

    if cotangents is None:
        raise RuntimeError("is_grads_batched=True needs grad_outputs with a leading batch dimension")
    sizes = {g.array.shape[0] for g in cotangents if g is not None and g.array.ndim}
    if len(sizes) != 1:
        raise RuntimeError(
            f"is_grads_batched=True needs grad_outputs of one batch size in front, got {sorted(sizes)}"
        )
    for o, g in zip(outputs, cotangents, strict=True):
        if g is not None and g.array.shape[1:] != o.array.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the"
                " batch dimension. The sizes of the remaining dimensions are expected to match the shape of"
                " corresponding output, but a mismatch was detected: grad_output has a shape of"
                f" {list(g.array.shape)} and output has a shape of {list(o.array.shape)}."
            )
    level = Level(sizes.pop(), mode().batch, "error")
    token = MODE.set(mode().but(batch=level))
    try:
        given = [None if g is None else level.wrap(g) for g in cotangents]
        found = grad(outputs, inputs, given, allow_unused=True, **terms)
    finally:
        MODE.reset(token)
    out = []
    for k, (x, g) in enumerate(zip(inputs, found, strict=True)):
        if g is None:
            if not allow:
                raise unused(k)
            out.append(wrap(np.zeros((level.size, *x.array.shape), x.array.dtype)) if materialize else None)
        else:
            out.append(g.value if isinstance(g, Batched) else g.expand(level.size, *g.shape))
    return tuple(out)
