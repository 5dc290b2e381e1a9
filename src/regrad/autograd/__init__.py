"""The public face of differentiation: `backward` and `grad` first. Start reading there.

- passes: backward, grad
- several: several losses over one graph
- function: custom functions
- grad_mode: recording on and off, inference, anomaly checks
- graph: saved-value policies, hooks on several gradients, edges
- forward_ad: forward mode, dual tensors
- functional: Jacobians, Hessians and their products
- gradcheck: derivatives held against differences
- batching: what `vmap` stands on; the rules are in batch_rules and its neighbours
"""

from __future__ import annotations

from regrad.autograd import forward_ad as forward_ad
from regrad.autograd import functional as functional
from regrad.autograd import graph as graph
from regrad.autograd import several as several
from regrad.autograd.function import Function
from regrad.autograd.grad_mode import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from regrad.autograd.gradcheck import gradcheck, gradgradcheck
from regrad.autograd.passes import backward, grad

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
