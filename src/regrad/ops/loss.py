"""Losses: one number that says how far a network is from its targets. Start reading at `mse_loss`.

The common ones (squares, cross entropy) are ops of their own, which save little and take few passes over
memory; the others are written in other ops. Arguments ``size_average`` and ``reduce`` are the old way to say
``reduction``.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from regrad import shapes
from regrad.declare import OPS, elementwise, general, linear
from regrad.declare import _names_of as rule_names
from regrad.errors import ShapeError
from regrad.graph.provenance import levels
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import activation as activation_kernels
from regrad.kernels.reference import loss as kernels
from regrad.ops import arithmetic, choosing, exponential, shaping
from regrad.ops.activation import clipped, log_softmax, logsigmoid, rectified, softmax
from regrad.ops.reduction import mean
from regrad.ops.reduction import sum as summed

__all__ = ["binary_cross_entropy_with_logits", "cosine_embedding_loss", "ctc_loss", "hinge_embedding_loss",
           "kl_div", "margin_ranking_loss", "poisson_nll_loss", "triplet_margin_loss"]


# -- what losses share


def old_reduction(size_average: Any, reduce: Any) -> str | None:
    """The reduction asked for in the old way; None: in the new one."""
    if size_average is None and reduce is None:
        return None
    if isinstance(size_average, Value) or isinstance(reduce, Value):
        raise RuntimeError("size_average and reduce are true or false, but one of them is a tensor; a loss module is "
                           "made first and then called, as in nn.MSELoss()(input, target), and a weight goes by "
                           "keyword")
    every, single = (True if v is None else v for v in (reduce, size_average))
    reduction = "none" if not every else "mean" if single else "sum"
    warnings.warn(f"size_average and reduce args will be deprecated, please use "
                  f"reduction='{reduction}' instead.", stacklevel=levels())  # fmt: skip
    return reduction


def _reduction(name: str, input: Any, reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """The reduction asked for, in the new or in the old way; a warning if it is the mean of nothing."""
    reduction = old_reduction(size_average, reduce) or reduction
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: {reduction} is not a valid value for reduction; it is 'none', 'mean' or 'sum'")
    if reduction == "mean" and 0 in input.shape:
        _warn_of_nan(name, f"the input of shape {list(input.shape)} is empty")
    return reduction


def _warn_of_nan(name: str, why: str) -> None:
    warnings.warn(f"{name}: {why}, and the mean of nothing is nan: skip such a batch (a DataLoader leaves out a last "
                  "one that is too small with drop_last=True), or take reduction='sum', which gives 0",
                  stacklevel=levels())  # fmt: skip


def reduced(loss: Any, how: str) -> Any:
    """The loss of every element, its mean, or its sum."""
    return mean(loss) if how == "mean" else summed(loss) if how == "sum" else loss


def _total(loss: Any, how: str) -> Any:
    """`reduced` of an array, in its dtype."""
    if how == "none":
        return loss
    if how == "mean" and not loss.size:  # NumPy would warn of its own
        return np.asarray(math.nan, loss.dtype)
    wide = np.float32 if loss.dtype.itemsize == 2 else None
    return np.asarray(loss.mean(dtype=wide) if how == "mean" else loss.sum(dtype=wide), loss.dtype)


def _loss_shape(x: Any, y: Any, *others: Any, how: str, **_: Any) -> tuple[int, ...]:
    return shapes.broadcast(x, y, *(s for s in others if s is not None)) if how == "none" else ()


def _share(g: Any, how: str, *given: Any) -> Any:
    """The cotangent of each element, from that of the reduced loss."""
    if how != "mean":
        return g
    return g / max(math.prod(shapes.broadcast(*(a.shape for a in given if a is not None))), 1)


def _pushed(name: str) -> Any:
    """The tangent rule of a loss of each pair of elements: that of an elementwise op, then reduced."""

    def push(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
        op, total = OPS[name], None
        values = dict(zip(op.args, args))
        for arg, t in zip(op.args, tangents):
            if t is not None and arg in op.rules:
                _, names, keywords = rule_names(op.rules[arg])
                given = {k: "none" if k == "how" else params[k] for k in keywords}
                piece = op.rules[arg](t, *(values[n] for n in names), **given)
                total = piece if total is None else total + piece
        return reduced(total, params["how"])

    return push


def _same_size(input: Any, target: Any) -> str:
    """How the target gets the size of the input, where it has as many elements."""
    return ": give target.view_as(input)" if math.prod(input.shape) == math.prod(target.shape) else ""


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both operands; a warning if they differ in shape, since that is seldom meant."""
    if input.shape != target.shape:
        warnings.warn(f"{name}: Using a target size ({target.shape}) that is different to the input size "
                      f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
                      f"Please ensure they have the same size{_same_size(input, target)}.", stacklevel=levels())
    return input, target


def _weighted(name: str, loss: Any, weight: Any, input: Any, how: str, *, by_weight: bool) -> Any:
    """The reduction of ``loss`` times ``weight``; the mean is by the weights, or by the number of elements."""
    if weight.shape != input.shape:
        raise ValueError(f"{name}: Weights and input must have the same size, got {tuple(weight.shape)} and "
                         f"{tuple(input.shape)}; weight.expand_as(input) has it where sizes broadcast")  # fmt: skip
    loss = loss * weight
    return summed(loss) / summed(weight) if how == "mean" and by_weight else reduced(loss, how)


# -- distances


@general(x=lambda g, x, y, *, how: (x - y) * (_share(g, how, x, y) * 2),
         y=lambda g, x, y, *, how: (y - x) * (_share(g, how, x, y) * 2),
         shape=_loss_shape, dtype="promote", broadcast=True, name="mse_loss", jvp=_pushed("mse_loss"))  # fmt: skip
def squares(x, y, *, how):
    """Squared difference of each pair of elements, reduced."""
    activation_kernels.refuse_integers(x, "mse_loss")
    d = x - y
    d *= d
    return _total(d, how)


def mse_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
             weight: Any = None) -> Any:  # fmt: skip
    """Squared difference ``(input - target)²``, averaged unless ``reduction`` is "sum" or "none".

    A ``weight`` of the input's shape counts the elements; the mean is then taken by the weights.
    PyTorch: torch.nn.functional.mse_loss.

    >>> rg.nn.functional.mse_loss(rg.tensor([1., 4.]), rg.tensor([1., 2.]))
    tensor(2.)
    """
    how = _reduction("mse_loss", input, reduction, size_average, reduce)
    x, y = _pair("mse_loss", input, target)
    if weight is not None:
        return _weighted("mse_loss", squares(x, y, how="none"), weight, input, how, by_weight=True)
    return squares(x, y, how=how)


def l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
            weight: Any = None) -> Any:  # fmt: skip
    """Absolute difference ``|input - target|``, averaged unless ``reduction`` is "sum" or "none".

    PyTorch: torch.nn.functional.l1_loss.

    >>> rg.nn.functional.l1_loss(rg.tensor([1., 4.]), rg.tensor([1., 2.]))
    tensor(1.)
    """
    how = _reduction("l1_loss", input, reduction, size_average, reduce)
    x, y = _pair("l1_loss", input, target)
    loss = abs(arithmetic.sub(x, y))
    if weight is not None:
        return _weighted("l1_loss", loss, weight, input, how, by_weight=True)
    return reduced(loss, how)


def _bent(d: Any, delta: float) -> Any:
    return clipped(d, min_val=-delta, max_val=delta)


@general(x=lambda g, x, y, *, how, delta: _bent(x - y, delta) * _share(g, how, x, y),
         y=lambda g, x, y, *, how, delta: _bent(y - x, delta) * _share(g, how, x, y),
         shape=_loss_shape, dtype="promote", broadcast=True, name="huber_loss", jvp=_pushed("huber_loss"))  # fmt: skip
def rounded_distance(x, y, *, how, delta):
    """``d² / 2`` up to ``|d| = delta``, from there the straight line that continues it; reduced."""
    return _rounded(x, y, how, delta)


def _rounded(x: Any, y: Any, how: str, delta: float) -> Any:
    activation_kernels.refuse_integers(x, "huber_loss")
    d = x - y
    inner = activation_kernels.clamped(d, min_val=-delta, max_val=delta)
    d -= inner * 0.5
    d *= inner
    return _total(d, how)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0,
               weight: Any = None) -> Any:
    """``d² / 2`` for differences up to ``delta``, else ``delta (|d| - delta / 2)``.

    Raises RuntimeError unless ``delta`` is positive.
    Huber (1964), https://doi.org/10.1214/aoms/1177703732. PyTorch: torch.nn.functional.huber_loss.

    >>> rg.nn.functional.huber_loss(rg.tensor([1., 5.]), rg.tensor([0., 0.]), reduction="none")
    tensor([0.5000, 4.5000])
    """
    how = _reduction("huber_loss", input, reduction)
    if not delta > 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta. Got {delta}; "
                           "it is where the square becomes a line, such as 1.0")
    x, y = _pair("huber_loss", input, target)
    if weight is not None:
        loss = rounded_distance(x, y, how="none", delta=delta)
        return _weighted("huber_loss", loss, weight, input, how, by_weight=False)
    return rounded_distance(x, y, how=how, delta=delta)


@general(x=lambda g, x, y, *, how, beta: _bent((x - y) / beta, 1) * _share(g, how, x, y),
         y=lambda g, x, y, *, how, beta: _bent((y - x) / beta, 1) * _share(g, how, x, y),
         shape=_loss_shape, dtype="promote", broadcast=True, name="smooth_l1_loss",
         grad_name="SmoothL1LossBackward0", jvp=_pushed("smooth_l1_loss"))  # fmt: skip
def smooth_distance(x, y, *, how, beta):
    """``d² / (2 beta)`` up to ``|d| = beta``, from there ``|d| - beta / 2``; reduced."""
    return _rounded(x, y, how, beta) / beta


def smooth_l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None,
                   reduction: str = "mean", beta: float = 1.0) -> Any:
    """``d² / (2 beta)`` for differences up to ``beta``, else ``|d| - beta / 2``.

    Raises RuntimeError for a negative ``beta``.
    Girshick (2015), https://arxiv.org/abs/1504.08083. PyTorch: torch.nn.functional.smooth_l1_loss.

    >>> rg.nn.functional.smooth_l1_loss(rg.tensor([1., 5.]), rg.tensor([0., 0.]), reduction="none")
    tensor([0.5000, 4.5000])
    """
    how = _reduction("smooth_l1_loss", input, reduction, size_average, reduce)
    x, y = _pair("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    return reduced(abs(arithmetic.sub(x, y)), how) if beta == 0 else smooth_distance(x, y, how=how, beta=beta)


# -- two classes


TINY = 1e-12  # what the derivatives of binary cross entropy keep away from zero by, in PyTorch's two ways


@elementwise(s=lambda g, x, y: g * (x - y) / ((x + TINY) * (1 - x + TINY)),
             x=lambda g, s, x, y: g * s * (x * x - 2 * x * y + y) / ((x + TINY) * (1 - x + TINY)) ** 2,
             y=lambda g, s, x: -g * s / clipped((1 - x) * x, min_val=TINY, max_val=math.inf),
             grad_name="BinaryCrossEntropyBackwardBackward0")  # fmt: skip
def bernoulli_pull(s, x, y):
    """``s (x - y) / ((1 - x) x)``: the derivative of binary cross entropy."""
    return s * (x - y) / np.maximum((1 - x) * x, TINY)


@general(x=lambda g, x, y, *, how: bernoulli_pull(_share(g, how, x), x, y),
         y=lambda g, x, *, how: (exponential.log1p(-x) - exponential.log(x)) * _share(g, how, x),
         shape=_loss_shape, dtype="promote", name="binary_cross_entropy",
         jvp=_pushed("binary_cross_entropy"))  # fmt: skip
def bernoulli_entropy(x, y, *, how):
    """``-y log(x) - (1 - y) log(1 - x)``, reduced."""
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError("binary_cross_entropy: all elements of input should be between 0 and 1; pass it "
                           "through a sigmoid, or use binary_cross_entropy_with_logits")
    out = (y - 1) * np.maximum(np.log1p(-x), -100)
    out -= y * np.maximum(np.log(x), -100)
    return _total(out, how)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None,
                         reduce: Any = None, reduction: str = "mean") -> Any:
    """Cross entropy ``-target log(input) - (1 - target) log(1 - input)`` of probabilities.

    The logarithms stop at -100.
    Raises ValueError if the sizes differ and RuntimeError for an input outside of [0, 1].
    PyTorch: torch.nn.functional.binary_cross_entropy.

    >>> rg.nn.functional.binary_cross_entropy(rg.tensor([0.5, 0.5]), rg.tensor([0., 1.]))
    tensor(0.6931)
    """
    how = _reduction("binary_cross_entropy", input, reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(f"binary_cross_entropy: Using a target size ({target.shape}) that is different to "
                         f"the input size ({input.shape}) is deprecated. Please ensure they have the same "
                         f"size{_same_size(input, target)}.")
    if weight is None:
        return bernoulli_entropy(input, target, how=how)
    return reduced(bernoulli_entropy(input, target, how="none") * weight, how)


def _logits_slope(x: Any, y: Any, pos_weight: Any) -> Any:
    s = exponential.sigmoid(x)
    return s - y if pos_weight is None else s * (1 + (pos_weight - 1) * y) - pos_weight * y


def _logits_by_target(x: Any, pos_weight: Any) -> Any:
    return -x if pos_weight is None else (1 - pos_weight) * logsigmoid(x) - x


@general(x=lambda g, x, y, pos_weight, *, how: _share(g, how, x, pos_weight) * _logits_slope(x, y, pos_weight),
         y=lambda g, x, pos_weight, *, how: _share(g, how, x, pos_weight) * _logits_by_target(x, pos_weight),
         pos_weight=lambda g, x, y, pos_weight, *, how: _share(g, how, x, pos_weight) * (-y * logsigmoid(x)),
         shape=_loss_shape, dtype="promote", broadcast=True,
         name="binary_cross_entropy_with_logits", jvp=_pushed("binary_cross_entropy_with_logits"))  # fmt: skip
def logits_entropy(x, y, pos_weight, *, how):
    """``(1 - y) x - (1 + (pos_weight - 1) y) logsigmoid(x)``, reduced."""
    tail = activation_kernels.logsigmoid(x)
    if pos_weight is not None:
        tail = tail * (1 + (pos_weight - 1) * y)
    return _total((1 - y) * x - tail, how)


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, size_average: Any = None,
                                     reduce: Any = None, reduction: str = "mean",
                                     pos_weight: Any = None) -> Any:
    """Cross entropy of ``sigmoid(input)``, exact also where the sigmoid rounds to 0 or 1.

    ``weight`` counts the elements and ``pos_weight`` the positive targets; both are broadcast. Raises
    ValueError if input and target differ in size. PyTorch:
    torch.nn.functional.binary_cross_entropy_with_logits.

    >>> rg.nn.functional.binary_cross_entropy_with_logits(rg.tensor([0., 100.]), rg.tensor([0., 1.]))
    tensor(0.3466)
    """
    how = _reduction("binary_cross_entropy_with_logits", input, reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(f"binary_cross_entropy_with_logits: Target size ({target.shape}) must be the same "
                         f"as input size ({input.shape}){_same_size(input, target)}")
    if weight is None:
        return logits_entropy(input, target, pos_weight, how=how)
    return reduced(logits_entropy(input, target, pos_weight, how="none") * weight, how)


def soft_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None,
                     reduction: str = "mean") -> Any:
    """``log(1 + exp(-target input))`` for targets 1 and -1.

    PyTorch: torch.nn.functional.soft_margin_loss.

    >>> rg.nn.functional.soft_margin_loss(rg.tensor([0., 0.]), rg.tensor([1., -1.]))
    tensor(0.6931)
    """
    how = _reduction("soft_margin_loss", input, reduction, size_average, reduce)
    return reduced(-logsigmoid(input * target), how)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, size_average: Any = None,
                         reduce: Any = None, reduction: str = "mean") -> Any:
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1.

    PyTorch: torch.nn.functional.hinge_embedding_loss.

    >>> rg.nn.functional.hinge_embedding_loss(rg.tensor([0.5, 0.25]), rg.tensor([1., -1.]), reduction="none")
    tensor([0.5000, 0.7500])
    """
    how = _reduction("hinge_embedding_loss", input, reduction, size_average, reduce)
    far = choosing.where(target != 1, choosing.clamp_min(margin - input, 0), 0)
    return reduced(far + choosing.where(target != -1, input, 0), how)


# -- several classes


def class_shape(x: Any) -> tuple[int, ...]:
    """A shape without its classes, dimension 1."""
    return (x[0], *x[2:])


@linear(kernel=kernels.pick, x=lambda g, target, x_shape: place_class(g, target, shape=x_shape), quiet=False,
        shape=lambda x, target: class_shape(x))  # fmt: skip
def pick_class(x, target):
    """The element of each target's class."""


@linear(kernel=kernels.place, s=lambda g, target: pick_class(g, target), quiet=False,
        shape=lambda s, target, *, shape: tuple(shape))  # fmt: skip
def place_class(s, target, *, shape):
    """Zeros of ``shape``, with ``s`` at each target's class."""


def _picked_shapes(x: Any, target: Any, weight: Any, *, how: str, ignore_index: int) -> Any:
    return [class_shape(x) if how == "none" else (), class_shape(x)]


@linear(x=lambda g, target, counts, x_shape: place_class(-(g * counts), target, shape=x_shape),
        shape=_picked_shapes, outs=("out", "counts"), diff=(0,), visible=1, name="nll_loss")  # fmt: skip
def picked(x, target, weight, *, how, ignore_index):
    """Minus the element of each target's class, weighted and reduced; and how much each target counts."""
    return kernels.nll(x, target, weight, how=how, ignore_index=ignore_index, name="nll_loss")


@general(kernel=kernels.entropy_pull, shape=lambda s, logp, target: tuple(logp),
         s=lambda g, logp, target: summed(g * exponential.exp(logp), 1) - pick_class(g, target),
         logp=lambda g, s, logp: g * exponential.exp(logp) * shaping.unsqueeze(s, 1))  # fmt: skip
def entropy_pull(s, logp, target):
    """``s`` times the softmax, less ``s`` at each target's class."""


def _entropy_push(t: Any, x: Any, target: Any, weight: Any, **params: Any) -> Any:
    moved = t - summed(t * softmax(x, 1), 1, True)  # the logarithms
    return picked(moved, target, weight, **params), moved


def _entropy_rule(g: Any, target: Any, counts: Any, logp: Any) -> Any:
    out, inner = g  # the cotangents of the loss and of the logarithms, which the rule itself reads
    piece = None if out is None else entropy_pull(out * counts, logp, target)
    if inner is None:
        return piece
    inner = inner - exponential.exp(logp) * summed(inner, 1, True)
    return inner if piece is None else piece + inner


@general(x=lambda g, target, counts, logp: _entropy_rule(g, target, counts, logp),
         shape=lambda x, target, weight, *, how, ignore_index:
             [class_shape(x) if how == "none" else (), tuple(x), class_shape(x)],
         jvp=lambda args, outs, tangents, params: _entropy_push(tangents[0], *args, **params),
         name="cross_entropy", grad_name="NllLossBackward0", outs=("out", "logp", "counts"), diff=(0, 1),
         visible=1)  # fmt: skip
def entropy(x, target, weight, *, how, ignore_index):
    """`picked` of the log-softmax over the classes: one node, which saves the logarithms."""
    logp = activation_kernels.log_softmax(x, dim=1)
    out, counts = kernels.nll(logp, target, weight, how=how, ignore_index=ignore_index, name="cross_entropy")
    return out, logp, counts


def _check_order(name: str, input: Any, target: Any) -> None:
    """Refuse what is no tensor, and targets in the input's place."""
    for what, x in (("input", input), ("target", target)):
        if not isinstance(x, Value):
            raise TypeError(f"{name}(): argument '{what}' must be Tensor, not {type(x).__name__}; convert it with "
                            "rg.as_tensor")  # fmt: skip
    if input.array.dtype.kind not in "fV":
        hint = "are the two swapped? First come the scores, then the classes" if target.array.dtype.kind == "f" else \
            "convert it with .float()"
        raise NotImplementedError(f'"{name}" not implemented for \'{_title(input)}\': the input holds a score for each '
                                  f"class, as floating-point numbers; {hint}")


def _check_classes(name: str, input: Any, target: Any, weight: Any) -> None:
    """Refuse sizes and dtypes that do not fit."""
    got, want = tuple(input.shape), tuple(target.shape)
    if not got:
        raise ValueError(f"{name}: Expected 1 or more dimensions (got 0)")
    if target.array.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"{name}: expected target dtype to be Long or Byte, but got {_title(target)}; classes "
                           "are whole numbers: convert them with .long()" + (
                               f", or give probabilities in the shape of the input, {list(got)}"
                               if name == "cross_entropy" else ""))
    if len(got) == 1 and len(want) == 1 and want != (1,):
        raise ValueError(f"{name}: For 1D input, 1D target must have size 1, but got target size: {want[0]}")
    if len(got) > 1 and (not want or got[0] != want[0]):
        raise ValueError(f"{name}: Expected input batch_size ({got[0]}) to match target batch_size "
                         f"({want[0] if want else 1}). The input is {list(got)} and the target {list(want)}: do both "
                         "come from the same batch, and did a reshape on the way take samples apart?")
    fits = want in ((), (1,)) if len(got) == 1 else want == class_shape(got)
    if not fits:
        if len(got) <= 2 and len(want) > 1:
            hint = "; drop its last dimension with .squeeze(1)" if want[1:] == (1,) else ""
            raise ShapeError(f"{name}: 0D or 1D target tensor expected, multi-target not supported; the "
                             f"target is {list(want)}{hint}")
        last = "; if the classes come last in the input, give input.movedim(-1, 1)" if want == got[:-1] else ""
        raise ShapeError(f"{name}: Expected target size {list(class_shape(got)) if len(got) > 1 else []}, "
                         f"got {list(want)}, for an input {list(got)} with its classes in dimension 1{last}")
    classes = got[1] if len(got) > 1 else got[0]
    _check_weight(name, weight, classes)


def _title(x: Any) -> str:
    from regrad.ops.matmul import title_of

    return title_of(x)


def _check_labels(name: str, target: Any) -> None:
    if target.array.dtype != np.int64:
        raise RuntimeError(f"{name}: expected scalar type Long but found {_title(target)} for the target; convert "
                           "it with .long()")


def _check_weight(name: str, weight: Any, classes: int) -> None:
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(f"{name}: weight tensor should be defined either for all {classes} classes or no "
                         f"classes but got weight tensor of shape: {list(weight.shape)}; it counts each class, not "
                         "each sample")


def _batched(op: Any, input: Any, target: Any, weight: Any, how: str, ignore_index: int) -> Any:
    """``op`` on an input that may lack the dimension of the batch."""
    if len(input.shape) > 1:
        return op(input, target, weight, how=how, ignore_index=ignore_index)
    out = op(shaping.unsqueeze(input, 0), shaping.reshape(target, (1,)), weight, how=how, ignore_index=ignore_index)
    return shaping.reshape(out, tuple(target.shape)) if how == "none" else out


def nll_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
             reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """Negative log likelihood: minus the log-probability of each target's class.

    ``input`` is (C), (N, C) or (N, C, d1, ...), ``target`` int64 without the C. ``weight`` counts the
    classes, and the mean is taken by it; targets equal to ``ignore_index`` count nothing. Raises IndexError
    for a target that is no class. PyTorch: torch.nn.functional.nll_loss.

    >>> rg.nn.functional.nll_loss(rg.tensor([[-1., -2.], [-3., -4.]]), rg.tensor([0, 1]))
    tensor(2.5000)
    """
    _check_order("nll_loss", input, target)
    how = _reduction("nll_loss", input, reduction, size_average, reduce)
    _check_classes("nll_loss", input, target, weight)
    return _counted("nll_loss", _batched(picked, input, target, weight, how, ignore_index), target, how, ignore_index)


def _counted(name: str, loss: Any, target: Any, how: str, ignore_index: int) -> Any:
    """The loss; a warning if it is nan for want of a target that counts."""
    labels = target.array
    if how == "mean" and labels.size and (labels.flat[0] == ignore_index) and (labels == ignore_index).all():
        _warn_of_nan(name, f"all {labels.size} targets are ignored, with ignore_index={ignore_index}")
    return loss


def _for_classes(weight: Any, input: Any) -> Any:
    """A weight for each class, to be broadcast against the input."""
    return shaping.reshape(weight, (weight.shape[0], *(1,) * (len(input.shape) - 2)))


def _soft_entropy(input: Any, target: Any, weight: Any, how: str, label_smoothing: float) -> Any:
    """Cross entropy with the probability of each class as the target."""
    dim = 1 if len(input.shape) > 1 else 0
    classes = input.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    loss = log_softmax(input, dim) * target
    if weight is not None:
        loss = loss * _for_classes(weight, input)
    if how == "none":
        return -summed(loss, dim)
    total = -summed(loss)
    return total / (math.prod(input.shape) / classes) if how == "mean" else total


def _smoothed_entropy(input: Any, target: Any, weight: Any, how: str, ignore_index: int,
                      label_smoothing: float) -> Any:
    """Cross entropy whose targets give a part of their probability to all classes alike."""
    dim = 1 if len(input.shape) > 1 else 0
    classes = input.shape[dim]
    logp = log_softmax(input, dim)
    sharp = _batched(picked, logp, target, weight, how, ignore_index)
    spread = logp if weight is None else logp * _for_classes(weight, input)
    smooth = -summed(spread, dim)
    counted = target.array != ignore_index
    smooth = choosing.where(wrap(counted), smooth, 0)
    if how == "mean":
        labels = target.array[counted]
        over = len(labels) if weight is None else summed(weight[wrap(labels)])
        smooth = summed(smooth) / over if weight is not None or over else summed(smooth) / math.nan
    else:
        smooth = reduced(smooth, how)
    return sharp * (1 - label_smoothing) + smooth * (label_smoothing / classes)


def cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None,
                  ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Any:
    """Cross entropy of ``softmax(input)`` over the classes with the targets; one node, which saves one array.

    ``input`` is (C), (N, C) or (N, C, d1, ...). ``target`` holds int64 classes, without the C, or
    probabilities in the shape of the input. ``weight`` counts the classes; targets equal to ``ignore_index``
    count nothing;
    ``label_smoothing`` in [0, 1] is the part of each target that goes to all classes alike. Raises IndexError
    for a target that is no class. PyTorch: torch.nn.functional.cross_entropy.

    >>> rg.nn.functional.cross_entropy(rg.tensor([[0., 0.], [9., 0.]]), rg.tensor([0, 0]))
    tensor(0.3466)
    """
    _check_order("cross_entropy", input, target)
    how = _reduction("cross_entropy", input, reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError("cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: "
                           f"{label_smoothing}")
    if target.shape == input.shape and (target.array.dtype.kind == "f" or len(input.shape)):
        if target.array.dtype.kind not in "fV":
            if len(input.shape) != 1 or input.shape[0] != 1:
                raise RuntimeError("cross_entropy: Expected floating point type for target with class "
                                   f"probabilities, got {target.dtype}; give the classes themselves, "
                                   f"{list(class_shape(tuple(input.shape)))} of int64 (of one-hot rows "
                                   "target.argmax(1)), or probabilities with target.float()")
        else:
            if ignore_index >= 0:
                raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
            _check_weight("cross_entropy", weight, input.shape[1] if len(input.shape) > 1 else input.shape[0])
            return _soft_entropy(input, target, weight, how, label_smoothing)
    _check_classes("cross_entropy", input, target, weight)
    if label_smoothing:
        loss = _smoothed_entropy(input, target, weight, how, ignore_index, label_smoothing)
    else:
        loss = _batched(entropy, input, target, weight, how, ignore_index)
    return _counted("cross_entropy", loss, target, how, ignore_index)


def linear_cross_entropy(input: Any, linear_weight: Any, target: Any, *, linear_bias: Any = None,
                         weight: Any = None, reduction: str = "mean", ignore_index: int | None = None,
                         label_smoothing: float = 0.0, options: Any = None) -> Any:
    """`cross_entropy` of ``linear(input, linear_weight, linear_bias)``.

    ``input`` is (F) or (N, F); ``linear_weight`` (C, F), or (C, d1, ..., F) for a loss at several places.
    PyTorch: torch.nn.functional.linear_cross_entropy, whose ``options`` (how to split the work) are not
    needed here.

    >>> eye = rg.tensor([[1., 0.], [0., 1.]])
    >>> rg.nn.functional.linear_cross_entropy(rg.tensor([[0., 0.]]), eye, rg.tensor([1]))
    tensor(0.6931)
    """
    from regrad.ops.matmul import linear as affine

    many, classes, places = tuple(input.shape), linear_weight.shape[0], tuple(linear_weight.shape[1:-1])
    if len(many) not in (1, 2):
        raise ShapeError(f"linear_cross_entropy: expected input with dimensionality 1 or 2, got {len(many)}")
    if len(linear_weight.shape) < 2:
        raise ShapeError(f"linear_cross_entropy: expected linear_weight with dimensionality at least 2, got "
                         f"{len(linear_weight.shape)}")  # fmt: skip
    if many[-1] != linear_weight.shape[-1]:
        raise ShapeError("linear_cross_entropy: expected equal input and linear_weight last dimensions "
                         f"(in_features), got {many[-1]} and {linear_weight.shape[-1]}, respectively")
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *places):
        raise ShapeError(f"linear_cross_entropy: expected linear_bias shape {(classes, *places)}, got "
                         f"{tuple(linear_bias.shape)}")
    if places and len(many) == 1:
        raise ShapeError("linear_cross_entropy: K-dimensional loss defined by linear_weight shape "
                         f"{tuple(linear_weight.shape)} requires batched input, (N, {many[-1]}), got "
                         f"unbatched input with shape {many}")
    full = (*many[:-1], classes, *places)
    if tuple(target.shape) == full and ignore_index is not None:
        raise RuntimeError("linear_cross_entropy: ignore_index cannot be specified when target contains "
                           "probabilities")
    if places:
        linear_weight = shaping.reshape(linear_weight, (classes * math.prod(places), many[-1]))
        if linear_bias is not None:
            linear_bias = shaping.reshape(linear_bias, (classes * math.prod(places),))
    logits = affine(input, linear_weight, linear_bias)
    if places:
        logits = shaping.reshape(logits, full)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(logits, target, weight=weight, reduction=reduction, ignore_index=ignored,
                         label_smoothing=label_smoothing)  # fmt: skip


def _samples(name: str, input: Any) -> tuple[Any, bool]:
    """The input as (N, C), and whether it came so."""
    if len(input.shape) > 2 or 0 in input.shape[-1:]:
        raise ShapeError(f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but "
                         f"got: {list(input.shape)}")
    return (input, True) if len(input.shape) == 2 else (shaping.reshape(input, (1, -1)), False)


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                      size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """``Σ max(0, margin - x[target] + x[i])^p / C`` over the other classes i; ``p`` is 1 or 2.

    PyTorch: torch.nn.functional.multi_margin_loss.

    >>> rg.nn.functional.multi_margin_loss(rg.tensor([[1., 0.5]]), rg.tensor([0]))
    tensor(0.2500)
    """
    how = _reduction("multi_margin_loss", input, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if weight is not None and len(weight.shape) != 1:
        raise ValueError(f"multi_margin_loss: weight must be one-dimensional, got {len(weight.shape)} "
                         "dimensions")
    x, many = _samples("multi_margin_loss", input)
    if math.prod(target.shape) != x.shape[0] or len(target.shape) > 1:
        raise ShapeError("multi_margin_loss: inconsistent target size: target tensor should be 1-D with size "
                         f"equal to the number of rows. Expected target size [{x.shape[0]}], but got "
                         f"{list(target.shape)}")
    _check_labels("multi_margin_loss", target)
    if weight is not None and weight.shape[0] != x.shape[1]:
        raise ShapeError(f"multi_margin_loss: inconsistent weight size, expected {x.shape[1]} but got "
                         f"{list(weight.shape)}")
    labels = target.array.reshape(-1)
    kernels.check_targets(labels, x.shape[1], -100, "multi_margin_loss", RuntimeError)
    short = rectified(margin - shaping.unsqueeze(pick_class(x, wrap(labels)), 1) + x)
    short = short if p == 1 else short * short
    if weight is not None:
        short = short * shaping.unsqueeze(weight[wrap(labels)], 1)
    others = np.arange(x.shape[1]) != labels[:, None]
    loss = summed(choosing.where(wrap(others), short, 0), 1) / x.shape[1]
    return shaping.reshape(loss, tuple(target.shape)) if how == "none" and not many else reduced(loss, how)


def multilabel_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None,
                           reduction: str = "mean") -> Any:
    """``Σ max(0, 1 - x[j] + x[i]) / C`` over the target classes j and all others i.

    A target ends at its first -1.
    PyTorch: torch.nn.functional.multilabel_margin_loss.

    >>> rg.nn.functional.multilabel_margin_loss(rg.tensor([[1., 0.5, 0.]]), rg.tensor([[0, 1, -1]]))
    tensor(0.1667)
    """
    how = _reduction("multilabel_margin_loss", input, reduction, size_average, reduce)
    x, many = _samples("multilabel_margin_loss", input)
    if tuple(target.shape) != tuple(input.shape):
        raise ShapeError(f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input "
                         f"of size: {list(input.shape)}")
    _check_labels("multilabel_margin_loss", target)
    labels = target.array.reshape(x.shape)
    listed = np.logical_and.accumulate(labels >= 0, axis=1)
    kernels.check_targets(labels[listed], x.shape[1], -100, "multilabel_margin_loss", RuntimeError)
    labels = np.where(listed, labels, 0)
    others = np.ones(labels.shape, bool)
    rows = np.nonzero(listed)[0]
    others[rows, labels[listed]] = False
    counted = wrap(listed[:, :, None] & others[:, None, :])
    at = shaping.unsqueeze(_at_labels(x, labels), 2)
    short = rectified(1 - at + shaping.unsqueeze(x, 1))
    loss = summed(choosing.where(counted, short, 0), (1, 2)) / x.shape[1]
    return reduced(loss, how) if many or how != "none" else shaping.reshape(loss, ())


def _at_labels(x: Any, labels: Any) -> Any:
    from regrad.ops.scattering import gather

    return gather(x, 1, wrap(labels))


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None,
                                reduce: Any = None, reduction: str = "mean") -> Any:
    """Cross entropy of ``sigmoid(input)`` with the targets, averaged over the classes, the last dimension.

    PyTorch: torch.nn.functional.multilabel_soft_margin_loss.

    >>> rg.nn.functional.multilabel_soft_margin_loss(rg.tensor([[0., 0.]]), rg.tensor([[1., 0.]]))
    tensor(0.6931)
    """
    how = _reduction("multilabel_soft_margin_loss", input, reduction, size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(mean(loss, -1), how)


# -- distributions


def kl_div(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
           log_target: bool = False) -> Any:  # fmt: skip
    """Kullback-Leibler divergence ``target (log(target) - input)`` of log-probabilities from a target.

    With ``log_target`` the target is given by its logarithms. "batchmean" divides the sum by the batch size,
    which is what the divergence is; "mean" divides by the number of elements. PyTorch:
    torch.nn.functional.kl_div.

    >>> half = rg.tensor([[0.5, 0.5]])
    >>> rg.nn.functional.kl_div(rg.log(rg.tensor([[0.25, 0.75]])), half, reduction="batchmean")
    tensor(0.1438)
    """
    batch = reduction == "batchmean"
    if not log_target and (target.array < 0).any():
        warnings.warn("kl_div: the target has elements below 0, whose logarithm is nan, so the loss is nan: it takes "
                      "probabilities, or with log_target=True their logarithms", stacklevel=levels())
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the support size. "
                      "'batchmean' divides only by the batch size, and aligns with the KL div math "
                      "definition. 'mean' will be changed to behave the same as 'batchmean' in the next "
                      "major release.", stacklevel=levels())
    how = _reduction("kl_div", input, "sum" if batch else reduction, size_average, reduce)
    if batch and 0 in input.shape[:1]:
        _warn_of_nan("kl_div", f"the input of shape {list(input.shape)} is empty")
    if log_target:
        loss = exponential.exp(target) * (target - input)
    else:
        loss = exponential.xlogy(target, target) - target * input
    out = reduced(loss, how)
    return out / input.shape[0] if batch and len(input.shape) else out


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False,
                     size_average: Any = None, eps: float = 1e-8, reduce: Any = None,
                     reduction: str = "mean") -> Any:
    """Negative log likelihood of counts, ``exp(input) - target input`` or ``input - target log(input + eps)``.

    ``full`` adds Stirling's approximation of ``log(target!)`` for targets above 1.
    PyTorch: torch.nn.functional.poisson_nll_loss.

    >>> rg.nn.functional.poisson_nll_loss(rg.tensor([0.]), rg.tensor([2.]))
    tensor(1.)
    """
    how = _reduction("poisson_nll_loss", input, reduction, size_average, reduce)
    given, rate = (input, exponential.exp(input)) if log_input else (exponential.log(input + eps), input)
    loss = rate - target * given
    if full:
        rest = target * exponential.log(target) - target + 0.5 * exponential.log(target * (2 * math.pi))
        loss = loss + choosing.where(target <= 1, 0, rest)
    return reduced(loss, how)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Any:
    """Negative log likelihood of a normal distribution, ``(log(var) + (input - target)² / var) / 2``.

    ``var`` has the input's shape, or 1 in place of its last size or without it; it is raised to ``eps``.
    ``full`` adds
    ``log(2π) / 2``. Raises ValueError for a negative variance. PyTorch:
    torch.nn.functional.gaussian_nll_loss.

    >>> rg.nn.functional.gaussian_nll_loss(rg.tensor([1.]), rg.tensor([3.]), rg.tensor([1.]))
    tensor(2.)
    """
    if isinstance(var, (int, float)):
        var = wrap(np.full(input.shape, var, input.array.dtype))
    if (var.array < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entry/entries; it is a variance: make it "
                         "positive, as by .exp() or softplus")
    if var.shape != input.shape:
        odd = [m for n, m in zip(input.shape, var.shape) if n != m]
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = shaping.unsqueeze(var, -1)
        elif len(input.shape) != len(var.shape) or sum(odd) != 1:
            raise ValueError(f"gaussian_nll_loss: var is of incorrect size {tuple(var.shape)}; it takes "
                             f"{tuple(input.shape)}, with 1 or nothing in place of the last size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"gaussian_nll_loss: {reduction} is not valid; it is 'none', 'mean' or 'sum'")
    _reduction("gaussian_nll_loss", input, reduction)
    var = raised(var, eps=eps)
    loss = 0.5 * (exponential.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


@linear(x=lambda g: g, shape=shapes.same, quiet=False, jvp=lambda args, outs, tangents, params: tangents[0])
def raised(x, *, eps):
    """``max(x, eps)``, whose gradient passes as if nothing had been raised."""
    return np.maximum(x, eps)


# -- sequences


@general(kernel=kernels.slid, x=lambda g, *, by: slid(g, by=-by, fill=0.0), shape=shapes.same, quiet=False,
         jvp=lambda args, outs, tangents, params: slid(tangents[0], by=params["by"], fill=0.0))  # fmt: skip
def slid(x, *, by, fill):
    """The elements moved ``by`` places along the last dimension, ``fill`` moving in."""


def _step_pull(g: Any, before: Any, emit: Any, skip: Any, going: Any, out: Any) -> Any:
    """Each label's share of the paths that it leads to; nan if asked of paths that do not exist."""
    on = choosing.where(going, g, 0)
    rest = choosing.where((out == -math.inf) & (on == 0), -math.inf, emit - out)
    there = on * exponential.exp(before + rest)
    for by, ahead in ((-1, rest), (-2, rest + skip)):
        share = exponential.exp(before + slid(ahead, by=by, fill=-math.inf))
        there = there + slid(on, by=by, fill=0.0) * share
    return there + choosing.where(going, 0, g)


@general(before=lambda g, before, emit, skip, going, out: _step_pull(g, before, emit, skip, going, out),
         emit=lambda g, going: choosing.where(going, g, 0), kernel=kernels.ctc_step,
         shape=lambda before, emit, skip, going: tuple(before))  # fmt: skip
def ctc_step(before, emit, skip, going):
    """One step in time of the sum over all paths through a target's labels."""


def _lengths(name: str, lengths: Any, count: int) -> Any:
    found = lengths.array if isinstance(lengths, Value) else np.asarray(lengths)
    if found.dtype.kind not in "iu" and found.size:
        raise RuntimeError(f"ctc_loss: {name} must be integral, got {found.dtype}")
    found = found.astype(np.int64).reshape(-1)
    if len(found) != count:
        raise RuntimeError(f"ctc_loss: {name} must be of size batch_size, {count}, got {len(found)}")
    return found


def ctc_loss(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0,
             reduction: str = "mean", zero_infinity: bool = False) -> Any:
    """Minus the log-probability of each target, summed over all its alignments with the sequence (CTC).

    ``log_probs`` is (T, N, C) or (T, C) and ``targets`` (N, S) or all targets in a row; the lengths say how
    much of each counts. A target that cannot be aligned has an infinite loss, or none with ``zero_infinity``.
    "mean" divides each loss by its target's length first. Graves et al. (2006),
    https://www.cs.toronto.edu/~graves/icml_2006.pdf. PyTorch: torch.nn.functional.ctc_loss.

    >>> logp = rg.log_softmax(rg.zeros(3, 1, 2), dim=2)
    >>> rg.nn.functional.ctc_loss(logp, rg.tensor([[1]]), [3], [1])
    tensor(0.2877)
    """
    from regrad.ops.joining import unbind
    from regrad.ops.scattering import gather

    how = _reduction("ctc_loss", log_probs, reduction)
    single = len(log_probs.shape) == 2
    if single:
        log_probs = shaping.unsqueeze(log_probs, 1)
    if len(log_probs.shape) != 3:
        raise ShapeError(f"ctc_loss: log_probs is (T, N, C) or (T, C), got {len(log_probs.shape)} dimensions")
    steps, count, classes = log_probs.shape
    dtype = log_probs.array.dtype
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range, 0 to {classes - 1}, got {blank}")
    times = _lengths("input_lengths", input_lengths, count)
    sizes = _lengths("target_lengths", target_lengths, count)
    if times.size and (times.max() > steps or times.min() < 0):
        raise RuntimeError(f"ctc_loss: Expected input_lengths to have value at most {steps}, but got value "
                           f"{times.max()}: log_probs is (T, N, C), here with {steps} steps in time, and each length "
                           "is how many of them belong to the sample")
    labels, skip = kernels.ctc_labels(_rows_of(targets.array, sizes), sizes, blank, dtype)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise RuntimeError(f"ctc_loss: a target is no class; they are numbered 0 to {classes - 1}")
    # PyTorch's gradient is that by the logits of which these are the log-softmax. What makes it so is a term that is 0
    # and has the derivative of the sum of each step's probabilities; they stay finite up to e^80.
    whole = summed(exponential.exp(choosing.clamp_max(log_probs, 80)), -1, True)
    log_probs = log_probs - (whole - whole.detach())
    emits = unbind(gather(log_probs, 2, wrap(np.broadcast_to(labels, (steps, *labels.shape)))))
    column = np.arange(labels.shape[1])
    # In no time, only the empty target is reached.
    none = np.where((times[:, None] == 0) & (column == 0), 0.0, -np.inf).astype(dtype)
    alpha: Any = wrap(np.broadcast_to(none, labels.shape))
    if steps:
        alpha = choosing.where(wrap((times[:, None] > 0) & (column <= (sizes[:, None] > 0))), emits[0], alpha)
    for t in range(1, steps):
        alpha = ctc_step(alpha, emits[t], wrap(skip), wrap(t < times[:, None]))
    # A target's paths end at its last label or at the blank after it: a step without skips adds the two.
    nothing, never = wrap(np.zeros_like(none)), wrap(np.full_like(skip, -np.inf))
    ended = ctc_step(alpha, nothing, never, wrap(np.ones((count, 1), bool)))
    loss = -pick_class(ended, wrap(2 * sizes))
    if zero_infinity:
        loss = choosing.where(loss == math.inf, 0, loss)
    if how == "mean":
        return mean(loss / wrap(np.maximum(sizes, 1).astype(dtype)))
    return shaping.squeeze(loss, 0) if single and how == "none" else reduced(loss, how)


def _rows_of(targets: Any, sizes: Any) -> Any:
    """The targets as one row each, however they were given."""
    if targets.ndim == 2:
        if targets.shape[0] != len(sizes) or (sizes.size and sizes.max() > targets.shape[1]):
            raise RuntimeError(f"ctc_loss: Expected targets of {len(sizes)} rows, at least "
                               f"{sizes.max(initial=0)} long, got {list(targets.shape)}")
        return targets
    if targets.ndim != 1 or len(targets) != sizes.sum():
        raise RuntimeError(f"ctc_loss: Expected {sizes.sum()} targets in a row, the sum of target_lengths, "
                           f"got {list(targets.shape)}")
    rows = np.zeros((len(sizes), sizes.max(initial=0)), np.int64)
    rows[np.arange(rows.shape[1]) < sizes[:, None]] = targets
    return rows


# -- pairs and triples


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None,
                        reduce: Any = None, reduction: str = "mean") -> Any:
    """``max(0, margin - target (input1 - input2))``: target 1 ranks the first input higher, -1 the second.

    PyTorch: torch.nn.functional.margin_ranking_loss.

    >>> rg.nn.functional.margin_ranking_loss(rg.tensor([1.]), rg.tensor([3.]), rg.tensor([1.]))
    tensor(2.)
    """
    how = _reduction("margin_ranking_loss", input1, reduction, size_average, reduce)
    if not len(input1.shape) == len(input2.shape) == len(target.shape):
        raise ShapeError("margin_ranking_loss : All input tensors should have same dimension but got sizes: "
                         f"input1: {list(input1.shape)}, input2: {list(input2.shape)}, target: "
                         f"{list(target.shape)}")
    return reduced(choosing.clamp_min(-target * (input1 - input2) + margin, 0), how)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None,
                          reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """``1 - cos`` of each pair of vectors where the target is 1, ``max(0, cos - margin)`` where it is -1.

    The inputs are (N, D) with targets (N), or (D) with a single target. PyTorch:
    torch.nn.functional.cosine_embedding_loss.

    >>> rg.nn.functional.cosine_embedding_loss(rg.tensor([1., 0.]), rg.tensor([0., 1.]), rg.tensor(1.))
    tensor(1.)
    """
    how = _reduction("cosine_embedding_loss", input1, reduction, size_average, reduce)
    ndim = len(target.shape)
    if ndim > 1:
        raise ShapeError("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not "
                         f"supported; it is {ndim}D: give one 1 or -1 for each row, as with .flatten()")
    if not len(input1.shape) == len(input2.shape) == ndim + 1:
        raise ShapeError(f"cosine_embedding_loss: {ndim}D target tensor expects {ndim + 1}D input tensors, "
                         f"but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}.")
    product = summed(input1 * input2, -1)
    sizes = (summed(input1 * input1, -1) + 1e-12) * (summed(input2 * input2, -1) + 1e-12)
    cos = product / exponential.sqrt(sizes)
    near = choosing.where(target == 1, 1 - cos, 0)
    return reduced(near + choosing.where(target == -1, choosing.clamp_min(cos - margin, 0), 0), how)


def _check_triple(name: str, anchor: Any, positive: Any, negative: Any, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"{name}: margin must be greater than 0, got {margin}")
    if not len(anchor.shape) == len(positive.shape) == len(negative.shape):
        raise ShapeError(f"{name}: The anchor, positive, and negative tensors are expected to have the same "
                         f"number of dimensions, but got: anchor {len(anchor.shape)}D, positive "
                         f"{len(positive.shape)}D, and negative {len(negative.shape)}D inputs")


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2,
                        eps: float = 1e-6, swap: bool = False, size_average: Any = None, reduce: Any = None,
                        reduction: str = "mean") -> Any:
    """``max(0, margin + |anchor - positive| - |anchor - negative|)`` with p-norms over the last dimension.

    ``swap`` takes the negative's distance from the positive where that is smaller. Balntas et al. (2016),
    http://www.bmva.org/bmvc/2016/papers/paper119/. PyTorch: torch.nn.functional.triplet_margin_loss.

    >>> a = rg.tensor([[0.]])
    >>> rg.nn.functional.triplet_margin_loss(a, a + 1, a + 3, margin=4.)
    tensor(2.)
    """
    how = _reduction("triplet_margin_loss", anchor, reduction, size_average, reduce)
    _check_triple("triplet_margin_loss", anchor, positive, negative, margin)
    from regrad.ops.attention import pairwise_distance

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, how)


def _triplet(anchor: Any, positive: Any, negative: Any, distance: Any, margin: float, swap: bool,
             how: str) -> Any:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = choosing.minimum(far, distance(positive, negative))
    return reduced(choosing.clamp_min(margin + near - far, 0), how)


def triplet_margin_with_distance_loss(anchor: Any, positive: Any, negative: Any, *,
                                      distance_function: Any = None, margin: float = 1.0, swap: bool = False,
                                      reduction: str = "mean") -> Any:
    """`triplet_margin_loss` with a distance of your own, a function of two tensors.

    PyTorch: torch.nn.functional.triplet_margin_with_distance_loss.

    >>> far = lambda a, b: (a - b).abs().sum(-1)
    >>> a = rg.tensor([[0.]])
    >>> rg.nn.functional.triplet_margin_with_distance_loss(a, a + 1, a + 3, distance_function=far, margin=4.)
    tensor(2.)
    """
    how = _reduction("triplet_margin_with_distance_loss", anchor, reduction)
    _check_triple("triplet_margin_with_distance_loss", anchor, positive, negative, margin)
    if distance_function is None:
        from regrad.ops.attention import pairwise_distance as distance_function
    return _triplet(anchor, positive, negative, distance_function, margin, swap, how)


FUNCTIONAL = ("binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
              "cross_entropy", "ctc_loss", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss",
              "kl_div", "l1_loss", "linear_cross_entropy", "margin_ranking_loss", "mse_loss",
              "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss",
              "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
              "triplet_margin_with_distance_loss")
