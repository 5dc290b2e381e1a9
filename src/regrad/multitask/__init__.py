"""Several losses over shared parameters: how much the gradient of each counts in a step.

- method: what all methods are made of; start reading there, at `Method.backward`
- surgery: methods that look at the gradients: PCGrad, MGDA, CAGrad, UPGrad, IMTLG, NashMTL
- weighing: methods that weigh the losses: Mean, Sum, RLW, DWA, GradNorm
- gramian: inner products of gradients, and their combination
- quadratic: the small convex problems behind some methods

    combine = rg.multitask.UPGrad()
    combine.backward(losses, model.trunk.parameters(), model.heads.parameters())
    optimizer.step()

For all methods side by side, see docs/multitask.md.
"""

from regrad.multitask.method import Method
from regrad.multitask.surgery import IMTLG, MGDA, CAGrad, NashMTL, PCGrad, UPGrad
from regrad.multitask.weighing import DWA, RLW, GradNorm, Mean, Sum

__all__ = [
    "CAGrad",
    "DWA",
    "GradNorm",
    "IMTLG",
    "MGDA",
    "Mean",
    "Method",
    "NashMTL",
    "PCGrad",
    "RLW",
    "Sum",
    "UPGrad",
]
