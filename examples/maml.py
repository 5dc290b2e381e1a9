"""Learning to learn: weights from which one gradient step fits a new sine wave (MAML).

The outer gradient goes through the inner step, hence ``create_graph=True``. Finn, Abbeel and Levine, Model-Agnostic
Meta-Learning for Fast Adaptation of Deep Networks, 2017: https://arxiv.org/abs/1703.03400
"""

from collections.abc import Iterator

import numpy as np
from common import F, run, tensor, torch

TASKS = 8
POINTS = 10
INNER_RATE = 0.05

_rng = np.random.default_rng(0)
weights = [
    tensor(_rng.normal(size=(n, m)) / np.sqrt(n)).requires_grad_() for n, m in ((1, 40), (40, 40), (40, 1))
] + [tensor(np.zeros(m)).requires_grad_() for m in (40, 40, 1)]


def predict(weights, x):
    """Two hidden layers, as a function of its weights."""
    w1, w2, w3, b1, b2, b3 = weights
    return torch.relu(torch.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def waves(rng):
    """Sine waves of random amplitude and phase: points to fit, and other points to be judged by."""
    amplitude, phase = rng.uniform(0.5, 3, (TASKS, 1, 1)), rng.uniform(0, np.pi, (TASKS, 1, 1))
    x = rng.uniform(-4, 4, (TASKS, 2 * POINTS, 1))
    y = amplitude * np.sin(x - phase)
    return zip(*(tensor(part) for part in (x[:, :POINTS], y[:, :POINTS], x[:, POINTS:], y[:, POINTS:])), strict=True)


def adapted(x, y, create_graph):
    """The weights after one step on a wave."""
    gradients = torch.autograd.grad(F.mse_loss(predict(weights, x), y), weights, create_graph=create_graph)
    return [w - INNER_RATE * g for w, g in zip(weights, gradients, strict=True)]


def train() -> Iterator[float]:
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    rng = np.random.default_rng(1)
    while True:
        losses = [F.mse_loss(predict(adapted(x, y, True), u), v) for x, y, u, v in waves(rng)]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def report() -> str:
    before, after = [], []
    rng = np.random.default_rng(2)
    for _ in range(20):
        for x, y, u, v in waves(rng):
            before.append(F.mse_loss(predict(weights, u), v).item())
            after.append(F.mse_loss(predict(adapted(x, y, False), u), v).item())
    return f"new waves: squared error {np.mean(before):.2f} before the step, {np.mean(after):.2f} after one"


if __name__ == "__main__":
    run(train, steps=1000, report=report)
