"""Losses as modules: each keeps its settings and calls its function. Start reading at `MSELoss` and `CrossEntropyLoss`.

``reduction`` says what becomes of the losses of the elements: their "mean", their "sum", or "none" for all of them;
``size_average`` and ``reduce`` are the old way to say it. A ``weight`` is a buffer: it goes where the module goes and
is part of its state.
"""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

import itertools
import math
import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regrad.errors import ShapeError
from regrad.graph.value import wrap
from regrad.nn import functional as F
from regrad.nn.containers import ModuleList, Sequential
from regrad.nn.distance import PairwiseDistance
from regrad.nn.linear import Linear
from regrad.nn.module import Module
from regrad.ops.joining import cat
from regrad.ops.loss import old_reduction

__all__ = [
    "AdaptiveLogSoftmaxWithLoss", "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss",
    "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "LinearCrossEntropyLoss", "MSELoss",
    "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d",
    "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip


class _Loss(Module):
    """A loss: it knows how the losses of the elements become one."""

    __constants__ = ["reduction"]

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = old_reduction(size_average, reduce) or reduction


class _WeightedLoss(_Loss):
    """A loss whose ``weight`` counts the classes or the elements."""

    weight: Any

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


# -- distances


class L1Loss(_Loss):
    """``|input - target|``. PyTorch: torch.nn.L1Loss.

    >>> rg.nn.L1Loss()(rg.tensor([1., 4.]), rg.tensor([1., 2.]))
    tensor(1.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """``(input - target)²``. PyTorch: torch.nn.MSELoss.

    >>> rg.nn.MSELoss()(rg.tensor([1., 4.]), rg.tensor([1., 2.]))
    tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """``d² / 2`` for differences ``d`` up to ``delta``, else ``delta (|d| - delta / 2)``.

    Raises TypeError unless ``delta`` is a number, and RuntimeError when called unless it is positive.
    Huber (1964), https://doi.org/10.1214/aoms/1177703732. PyTorch: torch.nn.HuberLoss.

    >>> rg.nn.HuberLoss(reduction="none")(rg.tensor([1., 5.]), rg.tensor([0., 0.]))
    tensor([0.5000, 4.5000])
    """

    __constants__ = ["reduction", "delta"]

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, (float, int)):
            raise TypeError(f"HuberLoss: delta must be a float or int, got: {type(delta)}")
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """``d² / (2 beta)`` for differences ``d`` up to ``beta``, else ``|d| - beta / 2``.

    Raises RuntimeError when called for a negative ``beta``. Girshick (2015), https://arxiv.org/abs/1504.08083.
    PyTorch: torch.nn.SmoothL1Loss.

    >>> rg.nn.SmoothL1Loss(reduction="none")(rg.tensor([1., 5.]), rg.tensor([0., 0.]))
    tensor([0.5000, 4.5000])
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


# -- likelihoods


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of each target's class: what follows a `LogSoftmax`.

    (N, C, ...) with int64 targets (N, ...), or (C) with a single one. ``weight`` (C) counts the classes, and the mean
    is taken by it; targets equal to ``ignore_index`` count nothing. Raises IndexError for a target that is no class.
    PyTorch: torch.nn.NLLLoss.

    >>> rg.nn.NLLLoss()(rg.tensor([[-1., -2.], [-3., -4.]]), rg.tensor([0, 1]))
    tensor(2.5000)
    """

    __constants__ = ["ignore_index", "reduction"]

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss`, with a FutureWarning. PyTorch: torch.nn.NLLLoss2d.

    >>> issubclass(rg.nn.NLLLoss2d, rg.nn.NLLLoss)
    True
    """

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in replacement.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """Cross entropy of ``softmax(input)`` over the classes with the targets.

    (N, C, ...) with int64 classes (N, ...) or probabilities (N, C, ...); or (C), with a single class or (C).
    ``weight`` (C) counts the classes, and the mean is taken by it; targets equal to ``ignore_index`` count nothing;
    ``label_smoothing`` in [0, 1] is the part of each target that goes to all classes alike. Raises IndexError for a
    target that is no class. PyTorch: torch.nn.CrossEntropyLoss.

    >>> rg.nn.CrossEntropyLoss()(rg.tensor([[0., 0.], [9., 0.]]), rg.tensor([0, 0]))
    tensor(0.3466)
    """

    __constants__ = ["ignore_index", "reduction", "label_smoothing"]

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip


class LinearCrossEntropyLoss(_WeightedLoss):
    """`CrossEntropyLoss` of a linear layer that it holds: (N, in_features) or (in_features) with the targets.

    With ``out_features`` (d1, ...) there is a loss at each of so many places, with targets (N, d1, ...) or
    (N, num_classes, d1, ...). ``options`` are kept and not needed here. Raises RuntimeError for a ``weight`` that is
    not (num_classes). PyTorch: torch.nn.LinearCrossEntropyLoss.

    >>> rg.nn.LinearCrossEntropyLoss(3, 4, reduction="none")(rg.zeros(2, 3), rg.tensor([0, 3]))
    tensor([1.3863, 1.3863], grad_fn=<NllLossBackward0>)
    """

    __constants__ = ["num_classes", "out_features", "reduction", "ignore_index", "label_smoothing"]

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
        device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Any = None,
        ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None,
    ) -> None:  # fmt: skip
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ShapeError(
                f"LinearCrossEntropyLoss: expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"LinearCrossEntropyLoss: expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.linear = Linear(in_features, num_classes * math.prod(out_features), bias, device, dtype)

    def forward(self, input: Any, target: Any) -> Any:
        layer, bias = self.linear, self.linear.bias
        each = (self.num_classes, *self.out_features)
        return F.linear_cross_entropy(
            input, layer.weight.reshape(*each, layer.in_features), target,
            linear_bias=None if bias is None else bias.reshape(each), weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features},"
            f" bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index},"
            f" label_smoothing={self.label_smoothing}, options={self.options}"
        )


class BCELoss(_WeightedLoss):
    """Cross entropy ``-target log(input) - (1 - target) log(1 - input)`` of probabilities; logarithms stop at -100.

    ``weight`` counts the elements; it is broadcast. Raises RuntimeError for an input outside of [0, 1] and ValueError
    if the sizes differ. PyTorch: torch.nn.BCELoss.

    >>> rg.nn.BCELoss()(rg.tensor([0.5, 0.5]), rg.tensor([0., 1.]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of ``sigmoid(input)``, exact also where the sigmoid rounds to 0 or 1.

    ``weight`` counts the elements and ``pos_weight`` the positive targets; both are broadcast. Raises ValueError if
    the sizes of input and target differ. PyTorch: torch.nn.BCEWithLogitsLoss.

    >>> rg.nn.BCEWithLogitsLoss()(rg.tensor([0., 100.]), rg.tensor([0., 1.]))
    tensor(0.3466)
    """

    weight: Any
    pos_weight: Any

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean", pos_weight: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence ``target (log(target) - input)`` of log-probabilities ``input`` from the target.

    ``reduction="batchmean"`` divides the sum by the batch, which is the definition. With ``log_target`` the target
    holds logarithms too. PyTorch: torch.nn.KLDivLoss.

    >>> rg.nn.KLDivLoss(reduction="batchmean")(rg.tensor([[-1., -1.]]), rg.tensor([[0., 1.]]))
    tensor(1.)
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
        log_target: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """Negative log likelihood of counts, ``exp(input) - target input`` or ``input - target log(input + eps)``.

    The first for ``log_input``; ``full`` adds Stirling's approximation of ``log(target!)`` for targets above 1.
    PyTorch: torch.nn.PoissonNLLLoss.

    >>> rg.nn.PoissonNLLLoss()(rg.tensor([0.]), rg.tensor([2.]))
    tensor(1.)
    """

    __constants__ = ["log_input", "full", "eps", "reduction"]

    def __init__(
        self, log_input: bool = True, full: bool = False, size_average: bool | None = None, eps: float = 1e-8,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Any, target: Any) -> Any:
        return F.poisson_nll_loss(
            log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """Negative log likelihood of a normal distribution, ``(log(var) + (input - target)² / var) / 2``.

    ``var`` has the input's shape, or 1 or nothing in place of its last size; it is raised to ``eps``. ``full`` adds
    ``log(2π) / 2``. Raises ValueError for a negative variance. PyTorch: torch.nn.GaussianNLLLoss.

    >>> rg.nn.GaussianNLLLoss()(rg.tensor([1.]), rg.tensor([3.]), rg.tensor([1.]))
    tensor(2.)
    """

    __constants__ = ["full", "eps", "reduction"]

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class CTCLoss(_Loss):
    """Minus the log-probability of each target, summed over all its alignments with the sequence (CTC).

    ``log_probs`` is (T, N, C) or (T, C) and ``targets`` (N, S) or all targets in a row; the lengths say how much of
    each counts. A target that cannot be aligned has an infinite loss, or none with ``zero_infinity``. "mean" divides
    each loss by its target's length first. Graves et al. (2006), https://www.cs.toronto.edu/~graves/icml_2006.pdf.
    PyTorch: torch.nn.CTCLoss.

    >>> logp = rg.log_softmax(rg.zeros(3, 1, 2), dim=2)
    >>> rg.nn.CTCLoss()(logp, rg.tensor([[1]]), [3], [1])
    tensor(0.2877)
    """

    __constants__ = ["blank", "reduction"]

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


# -- margins


class HingeEmbeddingLoss(_Loss):
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1. PyTorch: torch.nn.HingeEmbeddingLoss.

    >>> rg.nn.HingeEmbeddingLoss(reduction="none")(rg.tensor([0.5, 0.25]), rg.tensor([1., -1.]))
    tensor([0.5000, 0.7500])
    """

    __constants__ = ["margin", "reduction"]

    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-target input))`` for targets 1 and -1. PyTorch: torch.nn.SoftMarginLoss.

    >>> rg.nn.SoftMarginLoss()(rg.tensor([0., 0.]), rg.tensor([1., -1.]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """``Σ max(0, 1 - x[j] + x[i]) / C`` over the target classes j and all others i; a target ends at its first -1.

    PyTorch: torch.nn.MultiLabelMarginLoss.

    >>> rg.nn.MultiLabelMarginLoss()(rg.tensor([[1., 0.5, 0.]]), rg.tensor([[0, 1, -1]]))
    tensor(0.1667)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Cross entropy of ``sigmoid(input)`` with the targets, averaged over the classes, the last dimension.

    ``weight`` counts the classes. PyTorch: torch.nn.MultiLabelSoftMarginLoss.

    >>> rg.nn.MultiLabelSoftMarginLoss()(rg.tensor([[0., 0.]]), rg.tensor([[1., 0.]]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Any:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """``Σ max(0, margin - x[target] + x[i])^p / C`` over the other classes i; ``p`` is 1 or 2.

    ``weight`` counts the classes. Raises ValueError for another ``p`` and for a weight that is not 1-D.
    PyTorch: torch.nn.MultiMarginLoss.

    >>> rg.nn.MultiMarginLoss()(rg.tensor([[1., 0.5]]), rg.tensor([0]))
    tensor(0.2500)
    """

    __constants__ = ["p", "margin", "reduction"]

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: bool | None = None,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: only p == 1 and p == 2 supported, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.ndim}D instead")
        self.p, self.margin = p, margin

    def forward(self, input: Any, target: Any) -> Any:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


# -- pairs and triples


class MarginRankingLoss(_Loss):
    """``max(0, margin - target (input1 - input2))``: target 1 ranks the first input higher, -1 the second.

    PyTorch: torch.nn.MarginRankingLoss.

    >>> rg.nn.MarginRankingLoss()(rg.tensor([1.]), rg.tensor([3.]), rg.tensor([1.]))
    tensor(2.)
    """

    __constants__ = ["margin", "reduction"]

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """``1 - cos`` of each pair of vectors where the target is 1, ``max(0, cos - margin)`` where it is -1.

    The inputs are (N, D) with targets (N), or (D) with a single one. PyTorch: torch.nn.CosineEmbeddingLoss.

    >>> rg.nn.CosineEmbeddingLoss()(rg.tensor([1., 0.]), rg.tensor([0., 1.]), rg.tensor(1.))
    tensor(1.)
    """

    __constants__ = ["margin", "reduction"]

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """``max(0, margin + |anchor - positive| - |anchor - negative|)`` with p-norms over the last dimension.

    ``swap`` takes the negative's distance from the positive where that is smaller. Raises ValueError unless ``margin``
    is positive. Balntas et al. (2016), http://www.bmva.org/bmvc/2016/papers/paper119/.
    PyTorch: torch.nn.TripletMarginLoss.

    >>> a = rg.tensor([[0.]])
    >>> rg.nn.TripletMarginLoss(margin=4.)(a, a + 1, a + 3)
    tensor(2.)
    """

    __constants__ = ["margin", "p", "eps", "swap", "reduction"]

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
        size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        _check_margin(self, margin)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` with a distance of your own, a function or a module; by default `PairwiseDistance`.

    PyTorch: torch.nn.TripletMarginWithDistanceLoss.

    >>> far = lambda a, b: (a - b).abs().sum(-1)
    >>> a = rg.tensor([[0.]])
    >>> rg.nn.TripletMarginWithDistanceLoss(distance_function=far, margin=4.)(a, a + 1, a + 3)
    tensor(2.)
    """

    __constants__ = ["margin", "swap", "reduction"]
    distance_function: Any

    def __init__(
        self, *, distance_function: Callable[[Any, Any], Any] | None = None, margin: float = 1.0, swap: bool = False,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(reduction=reduction)
        _check_margin(self, margin)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip


def _check_margin(loss: Module, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"{type(loss).__name__}: expected margin to be greater than 0, got {margin} instead")


# -- many classes

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """An approximate softmax for very many classes, sorted from frequent to rare.

    ``cutoffs`` split the classes into a shortlist and clusters. The head scores the shortlist and, as one class each,
    the clusters; cluster i scores its classes from ``in_features / div_value^(i + 1)`` features. (N, in_features) with
    targets (N), or (in_features) with a single one → the log-probability of each target, and minus their mean: the
    fields ``output`` and ``loss``. Raises ValueError for cutoffs that are not rising within 1 to n_classes - 1.
    Grave et al. (2016), https://arxiv.org/abs/1609.04309. PyTorch: torch.nn.AdaptiveLogSoftmaxWithLoss.

    >>> out = rg.nn.AdaptiveLogSoftmaxWithLoss(16, 1000, cutoffs=[10, 100])(rg.ones(2, 16), rg.tensor([5, 500]))
    >>> out.output.shape, out.loss.shape
    (regrad.Size([2]), regrad.Size([]))
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
        head_bias: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of length larger than 0")
        ends = [0, *cutoffs, n_classes]
        if any(int(end) != end for end in cutoffs) or any(low >= high for low, high in itertools.pairwise(ends)):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of unique, positive integers sorted in an"
                f" increasing order, where each value is between 1 and n_classes-1, {n_classes - 1}; got {cutoffs}"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, ends[1:]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList(
            Sequential(
                Linear(in_features, narrow := int(in_features // div_value ** (i + 1)), False, device, dtype),
                Linear(narrow, high - low, False, device, dtype),
            )
            for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs))
        )

    def reset_parameters(self) -> None:
        """Draw the parameters of all parts anew."""
        for part in (self.head, *(layer for cluster in self.tail for layer in cluster)):
            part.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> Any:
        single = target_.ndim == 0
        self._check(input_, target_)
        input, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if single else (input_, target_)
        classes = target.array
        cluster = np.searchsorted(self.cutoffs[:-1], classes, side="right")  # 0 is the shortlist
        column = np.where(cluster, self.shortlist_size - 1 + cluster, classes)
        output = F.log_softmax(self.head(input), 1).gather(1, wrap(column[:, None])).squeeze(1)
        for i, part in enumerate(self.tail):
            rows = np.flatnonzero(cluster == i + 1)
            if rows.size:
                places = wrap((classes[rows] - self.cutoffs[i])[:, None])
                within = F.log_softmax(part(input.index_select(0, wrap(rows))), 1).gather(1, places).squeeze(1)
                output = output.index_add(0, wrap(rows), within)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)

    def _check(self, input: Any, target: Any) -> None:
        what = "AdaptiveLogSoftmaxWithLoss"
        if target.ndim > 1:
            raise ShapeError(
                f"{what}: 0D or 1D target tensor expected, multi-target not supported; it is {target.ndim}D"
            )
        if input.ndim != target.ndim + 1:
            raise ShapeError(
                f"{what}: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with"
                f" size {list(input.shape)}"
            )
        if target.ndim and input.shape[0] != target.shape[0]:
            raise ShapeError(
                f"{what}: Input and target should have the same size in the batch dimension, but got {input.shape[0]}"
                f" and {target.shape[0]}"
            )
        classes = target.array
        if classes.dtype.kind != "i":
            raise RuntimeError(f"{what}: the target holds classes, int64, but got {target.dtype}; convert with .long()")
        if classes.size and (classes.min() < 0 or classes.max() >= self.n_classes):
            raise RuntimeError(
                f"{what}: Target values should be in [0, {self.n_classes - 1}], but values in range"
                f" [{classes.min()}, {classes.max()}] were found."
            )

    def log_prob(self, input: Any) -> Any:
        """The log-probability of every class: (N, in_features) → (N, n_classes)."""
        return self._full(input, F.log_softmax(self.head(input), 1))

    def _full(self, input: Any, head: Any) -> Any:
        short = self.shortlist_size
        within = [
            F.log_softmax(part(input), 1) + head[:, short + i : short + i + 1] for i, part in enumerate(self.tail)
        ]
        return cat([head[:, :short], *within], 1)

    def predict(self, input: Any) -> Any:
        """The likeliest class of each row: ``log_prob(input).argmax(1)``, without the clusters that cannot win."""
        head = F.log_softmax(self.head(input), 1)
        best = head.argmax(1)
        rows = wrap(np.flatnonzero(best.array >= self.shortlist_size))
        if rows.numel():
            some = self._full(input.index_select(0, rows), head.index_select(0, rows))
            best = best.index_copy(0, rows, some.argmax(1))
        return best
