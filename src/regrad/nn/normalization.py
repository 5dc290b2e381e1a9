"""Normalization layers: activations brought to mean 0 and variance 1, then scaled and shifted by learned numbers.

`_NormBase` holds what batch and instance norm share: weight, bias and running statistics. Both move the statistics in
place when they train, after everything has been checked. Start reading at `_BatchNorm.forward`; `LayerNorm`,
`GroupNorm` and `RMSNorm` keep no statistics.
"""

from __future__ import annotations

import warnings
from operator import index as as_index
from typing import Any

from regrad import dtypes
from regrad.autograd.grad_mode import no_grad
from regrad.nn import init
from regrad.nn.lazy import LazyModuleMixin
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from regrad.ops.creation import empty, ones, tensor, zeros
from regrad.ops.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
    window,
)

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "CrossMapLRN2d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyInstanceNorm1d",
    "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LocalResponseNorm", "RMSNorm", "SyncBatchNorm",
]  # fmt: skip


class _Affine(Module):
    """A norm with a learned weight and bias, either of which may be missing."""

    weight: Any
    bias: Any

    def _make(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight to ones and bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


# -- norms with running statistics


class _NormBase(_Affine):
    """Weight, bias and running statistics, one number for each channel."""

    _version = 2  # 1 had no num_batches_tracked
    _sizes: tuple[int, ...]  # of how many dimensions an input may be
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._make_statistics(device, dtype)
        self._make(num_features, affine, affine and bias, device, dtype)

    def _make_statistics(self, device: Any, dtype: Any) -> None:
        made: tuple[Any, ...] = (None, None, None)
        if self.track_running_stats:
            size = self.num_features
            made = (zeros(size, device=device, dtype=dtype), ones(size, device=device, dtype=dtype),
                    tensor(0, dtype=dtypes.int64))
        for name, buffer in zip(("running_mean", "running_var", "num_batches_tracked"), made):
            self.register_buffer(name, buffer)

    def reset_running_stats(self) -> None:
        """Forget the statistics: mean 0, variance 1, no batches seen."""
        if self.track_running_stats:
            with no_grad():
                self.running_mean.zero_()
                self.running_var.fill_(1)
                self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the statistics, and set weight to ones and bias to zeros."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in self._sizes:
            expected = " or ".join(f"{n}D" for n in self._sizes)
            raise ValueError(
                f"{self._get_name()}: expected {expected} input (got {input.ndim}D input): batch and channels first;"
                " there are layers of this kind for 1, 2 and 3 dimensions behind these"
            )

    def _channel_dim(self, input: Any) -> int:
        return 1

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine},"
            f" bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any) -> None:
        key = prefix + "num_batches_tracked"
        if self.track_running_stats and (local_metadata.get("version") or 1) < 2 and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        mean, var, count, momentum = self.running_mean, self.running_var, None, self.momentum
        if self.training:
            if self.track_running_stats:
                count = self.num_batches_tracked
            else:
                mean = var = None
        if momentum is None:  # the plain average of all batches
            momentum = 0.0 if count is None else 1.0 / (count.item() + 1)
        training = self.training or (mean is None and var is None)
        out = batch_norm(input, mean, var, self.weight, self.bias, training, momentum, self.eps)
        if count is not None:
            count.add_(1)
        return out


class BatchNorm1d(_BatchNorm):
    """Batch norm of vectors (N, C) or signals (N, C, L): see `BatchNorm2d`. PyTorch: torch.nn.BatchNorm1d.

    >>> rg.nn.BatchNorm1d(1)(rg.tensor([[1.], [3.]]))
    tensor([[-1.0000],
            [ 1.0000]], grad_fn=<NativeBatchNormBackward0>)
    """

    _sizes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of images (N, C, H, W): ``(x - mean) / sqrt(var + eps) * weight + bias`` for each channel.

    In training the statistics are those of the batch, and ``running_mean`` and ``running_var`` move towards them by
    ``momentum`` (None: they are the plain average of all batches, which ``num_batches_tracked`` counts). In evaluation
    the running statistics are used; without ``track_running_stats`` always those of the batch. ``affine`` False leaves
    out ``weight`` and ``bias``. Raises ValueError for a training batch of one value per channel. Ioffe and Szegedy
    (2015), https://arxiv.org/abs/1502.03167. PyTorch: torch.nn.BatchNorm2d.

    >>> norm = rg.nn.BatchNorm2d(1)
    >>> norm(rg.tensor([[[[1., 3.]]]]))
    tensor([[[[-1.0000,  1.0000]]]], grad_fn=<NativeBatchNormBackward0>)
    >>> norm.running_mean, norm.num_batches_tracked
    (tensor([0.2000]), tensor(1))
    """

    _sizes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of volumes (N, C, D, H, W): see `BatchNorm2d`. PyTorch: torch.nn.BatchNorm3d.

    >>> rg.nn.BatchNorm3d(2).eval()(rg.ones(1, 2, 3, 3, 3)).shape
    regrad.Size([1, 2, 3, 3, 3])
    """

    _sizes = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes. There is one process, so it is that of any (N, C, ...).

    `convert_sync_batchnorm` puts it in the place of all batch norms of a network. PyTorch: torch.nn.SyncBatchNorm.

    >>> rg.nn.SyncBatchNorm.convert_sync_batchnorm(rg.nn.Sequential(rg.nn.BatchNorm1d(2)))[0]
    SyncBatchNorm(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, process_group: Any = None, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim < 2:
            raise ValueError(f"SyncBatchNorm: expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The network with this class in place of every batch norm; parameters and statistics are the same tensors."""
        made = module
        if isinstance(module, _BatchNorm):
            made = cls(
                module.num_features, module.eps, module.momentum, False, False, process_group
            )
            made.affine, made.track_running_stats = module.affine, module.track_running_stats
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class _InstanceNorm(_NormBase):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _channel_dim(self, input: Any) -> int:
        return 0 if input.ndim == self._sizes[0] else 1  # without a batch or with one

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        dim = self._channel_dim(input)
        if input.shape[dim] != self.num_features:
            words = (
                f"{self._get_name()}: expected input's size at dim={dim} to match num_features ({self.num_features}),"
                f" but got: {input.shape[dim]}"
            )
            if self.affine:
                raise ValueError(words)
            if not self.track_running_stats:
                warnings.warn(f"{words}; with affine=False it makes no difference", stacklevel=3)
        out = instance_norm(
            input if dim else input.unsqueeze(0), self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, 0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return out if dim else out.squeeze(0)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], strict: bool, missing_keys: list[str],
        unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        if local_metadata.get("version") is None and not self.track_running_stats:
            old = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if old:  # once, instance norm kept them but made no use of them
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {' and '.join(map(repr, old))} for {self._get_name()} with"
                    " track_running_stats=False. Remove these keys from the state dict, or build the module with"
                    " track_running_stats=True if its statistics are to be used"
                )
                for key in old:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of signals (N, C, L) or (C, L): see `InstanceNorm2d`. PyTorch: torch.nn.InstanceNorm1d.

    >>> rg.nn.InstanceNorm1d(1)(rg.tensor([[1., 3.]]))
    tensor([[-1.0000,  1.0000]])
    """

    _sizes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of images (N, C, H, W) or (C, H, W): each channel of each sample by its own mean and variance.

    ``affine`` adds ``weight`` and ``bias``; with ``track_running_stats`` the averages over samples are kept and used in
    evaluation. Ulyanov et al. (2016), https://arxiv.org/abs/1607.08022. PyTorch: torch.nn.InstanceNorm2d.

    >>> rg.nn.InstanceNorm2d(2)(rg.tensor([[[1., 3.]], [[10., 30.]]]))
    tensor([[[-1.0000,  1.0000]],
    <BLANKLINE>
            [[-1.0000,  1.0000]]])
    """

    _sizes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of volumes (N, C, D, H, W) or (C, D, H, W): see `InstanceNorm2d`. PyTorch: torch.nn.InstanceNorm3d.

    >>> rg.nn.InstanceNorm3d(2)(rg.ones(1, 2, 3, 3, 3)).sum()
    tensor(0.)
    """

    _sizes = (4, 5)


# -- lazy


class _LazyNorm(LazyModuleMixin, _NormBase):
    """A norm that takes ``num_features`` from its first input."""

    def __init__(
        self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True,
        device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _make_statistics(self, device: Any, dtype: Any) -> None:
        super()._make_statistics(device, dtype)
        if self.track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)

    def _make(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, UninitializedParameter(device=device, dtype=dtype) if wanted else None)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        self._check_input_dim(input)
        dim = self._channel_dim(input)
        members = [p for p in (self.weight, self.bias, self.running_mean, self.running_var) if p is not None]
        if not self.has_uninitialized_params():  # a state was loaded, or there is nothing to hold one
            self.num_features = members[0].shape[0] if members else input.shape[dim]
            return
        self.num_features = input.shape[dim]
        for member in members:
            member.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes ``num_features`` from its first input. PyTorch: torch.nn.LazyBatchNorm1d.

    >>> norm = rg.nn.LazyBatchNorm1d()
    >>> norm(rg.ones(2, 3)).shape, norm.running_mean
    (regrad.Size([2, 3]), tensor([0.1000, 0.1000, 0.1000]))
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes ``num_features`` from its first input. PyTorch: torch.nn.LazyBatchNorm2d.

    >>> rg.nn.LazyBatchNorm2d()(rg.ones(2, 3, 4, 4)).shape
    regrad.Size([2, 3, 4, 4])
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` that takes ``num_features`` from its first input. PyTorch: torch.nn.LazyBatchNorm3d.

    >>> rg.nn.LazyBatchNorm3d()(rg.ones(2, 3, 4, 4, 4)).shape
    regrad.Size([2, 3, 4, 4, 4])
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that takes ``num_features`` from its first input. PyTorch: torch.nn.LazyInstanceNorm1d.

    >>> norm = rg.nn.LazyInstanceNorm1d()
    >>> norm(rg.ones(2, 3, 4)).shape, norm.num_features
    (regrad.Size([2, 3, 4]), 3)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that takes ``num_features`` from its first input. PyTorch: torch.nn.LazyInstanceNorm2d.

    >>> rg.nn.LazyInstanceNorm2d()(rg.ones(2, 3, 4, 4)).shape
    regrad.Size([2, 3, 4, 4])
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that takes ``num_features`` from its first input. PyTorch: torch.nn.LazyInstanceNorm3d.

    >>> rg.nn.LazyInstanceNorm3d()(rg.ones(2, 3, 4, 4, 4)).shape
    regrad.Size([2, 3, 4, 4, 4])
    """

    cls_to_become = InstanceNorm3d


# -- norms of each sample


def _shape(normalized_shape: Any) -> tuple[int, ...]:
    return tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (as_index(normalized_shape),)


class LayerNorm(_Affine):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dimensions, whose sizes are ``normalized_shape``.

    Each position of each sample has statistics of its own. ``elementwise_affine`` False leaves out ``weight`` and
    ``bias``. Ba et al. (2016), https://arxiv.org/abs/1607.06450. PyTorch: torch.nn.LayerNorm.

    >>> rg.nn.LayerNorm(2)(rg.tensor([[1., 3.], [10., 30.]]))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]], grad_fn=<NativeLayerNormBackward0>)
    """

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        self._make(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine},"
            f" bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over each of ``num_groups`` groups of the ``num_channels``.

    Input (N, C, ...); each sample has statistics of its own, so batches may be small. ``weight`` and ``bias`` hold a
    number for each channel. Wu and He (2018), https://arxiv.org/abs/1803.08494. PyTorch: torch.nn.GroupNorm.

    >>> rg.nn.GroupNorm(2, 4, affine=False)(rg.tensor([[1., 3., 10., 30.]]))
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_groups <= 0 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups ({num_groups}): give"
                f" {' or '.join(str(n) for n in range(1, num_channels + 1) if num_channels % n == 0)}"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._make(num_channels, affine, affine and bias, device, dtype)

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine},"
            f" bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """``x / sqrt(mean(x²) + eps) * weight`` over the last dimensions, whose sizes are ``normalized_shape``.

    ``eps`` is that of the dtype unless given. Zhang and Sennrich (2019), https://arxiv.org/abs/1910.07467. PyTorch:
    torch.nn.RMSNorm.

    >>> rg.nn.RMSNorm(2, elementwise_affine=False)(rg.tensor([3., 4.]))
    tensor([0.8485, 1.1314])
    """

    weight: Any

    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight to ones."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Any:
        """The normalized input."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """``x / (k + alpha mean(x²))^beta``, the mean taken over ``size`` neighbouring channels of (N, C, ...).

    Krizhevsky et al. (2012), https://papers.nips.cc/paper/4824. PyTorch: torch.nn.LocalResponseNorm.

    >>> rg.nn.LocalResponseNorm(2, alpha=1., beta=1.)(rg.tensor([[[1.], [2.]]]))
    tensor([[[0.6667],
             [0.5714]]])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` of images (N, C, H, W) with as many neighbours on either side: (size - 1) // 2.

    PyTorch: torch.nn.CrossMapLRN2d, which in release 2.13 counts the first channel among the neighbours of every one.

    >>> rg.nn.CrossMapLRN2d(3, alpha=3., beta=1.)(rg.tensor([1., 2.]).reshape(1, 2, 1, 1)).flatten()
    tensor([0.1667, 0.3333])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        reach = (self.size - 1) // 2
        squares = window(input * input, before=reach, after=reach)
        return input / (squares * (self.alpha / self.size) + self.k) ** self.beta
