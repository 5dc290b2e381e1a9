"""Batch normalisation folded into the layer before it, for evaluation: one layer computes what two did.

With running mean μ and variance σ², the scale is γ / √(σ² + ε): it multiplies the weight, and the bias becomes
(b - μ) · scale + β.
"""

from __future__ import annotations

import copy
from typing import Any

from regrad.nn.parameter import Parameter
from regrad.ops.creation import ones_like, zeros_like

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that computes ``bn(conv(x))``; both must be in evaluation mode.

    ``transpose`` is for transposed convolutions. PyTorch: torch.nn.utils.fuse_conv_bn_eval.

    >>> conv, bn = rg.nn.Conv2d(3, 8, 3).eval(), rg.nn.BatchNorm2d(8).eval()
    >>> fused = rg.nn.utils.fuse_conv_bn_eval(conv, bn)
    >>> x = rg.randn(1, 3, 5, 5)
    >>> rg.allclose(fused(x), bn(conv(x)), atol=1e-5)
    True
    """
    _check(conv, bn)
    return _fused(fuse_conv_bn_weights, conv, bn, transpose)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that computes ``bn(linear(x))``; both must be in evaluation mode.

    PyTorch: torch.nn.utils.fuse_linear_bn_eval.

    >>> linear, bn = rg.nn.Linear(3, 8).eval(), rg.nn.BatchNorm1d(8).eval()
    >>> x = rg.randn(4, 3)
    >>> rg.allclose(rg.nn.utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-5)
    True
    """
    _check(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got"
            f" linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    return _fused(fuse_linear_bn_weights, linear, bn)


def _check(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval! Call eval() on both modules first")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("To fuse, the batch norm must have running_mean and running_var")


def _fused(fuse: Any, layer: Any, bn: Any, *more: Any) -> Any:
    layer = copy.deepcopy(layer)
    layer.weight, layer.bias = fuse(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *more
    )
    return layer


def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Any, Any]:
    """(Weight, bias) of the fused convolution. PyTorch: torch.nn.utils.fuse_conv_bn_weights."""
    shape = [-1 if d == int(transpose) else 1 for d in range(conv_w.ndim)]
    return _weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Any, Any]:
    """(Weight, bias) of the fused linear layer. PyTorch: torch.nn.utils.fuse_linear_bn_weights."""
    return _weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _weights(
    w: Any, b: Any, mean: Any, var: Any, eps: float, gamma: Any, beta: Any, shape: list[int]
) -> tuple[Any, Any]:
    gamma, beta = ones_like(mean) if gamma is None else gamma, zeros_like(mean) if beta is None else beta
    scale = gamma * (var + eps).rsqrt()
    bias = (zeros_like(mean) if b is None else b) - mean
    weight_grad, bias_grad, dtype = w.requires_grad, b is not None and b.requires_grad, w.dtype
    return (
        Parameter((w * scale.reshape(shape)).to(dtype), weight_grad),
        Parameter((bias * scale + beta).to(dtype if b is None else b.dtype), bias_grad),
    )
