"""Logistic regression by Newton's method: the full Hessian of the loss, and a linear system in every step.

The data are measurements of 569 tumours, benign or malignant.
"""

from collections.abc import Iterator

import numpy as np
from common import F, run, tensor, torch
from data import tumours

_measured, _benign = tumours()
x = tensor(np.hstack([_measured, np.ones((len(_measured), 1))]))
y = tensor(_benign)
weights = tensor(np.zeros(x.shape[1]))


def loss_of(weights):
    """Cross entropy, and a little of the squared weights."""
    return F.binary_cross_entropy_with_logits(x @ weights, y) + 0.5e-2 * (weights**2).sum()


def train() -> Iterator[float]:
    global weights
    while True:
        w = weights.detach().requires_grad_()
        loss = loss_of(w)
        (gradient,) = torch.autograd.grad(loss, w)
        hessian = torch.autograd.functional.hessian(loss_of, weights)
        weights = weights - torch.linalg.solve(hessian, gradient)
        yield loss.item()


def report() -> str:
    right = ((x @ weights > 0) == (y > 0.5)).double().mean().item()
    gradient = torch.func.grad(loss_of)(weights).abs().max().item()
    return f"told right: {right:.1%}; the largest entry of the gradient is {gradient:.0e}"


if __name__ == "__main__":
    run(train, steps=10, report=report)
