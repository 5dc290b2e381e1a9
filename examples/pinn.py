"""A network that solves Burgers' equation u_t + u u_x = (0.1 / pi) u_xx, given no data but the equation.

The loss holds second derivatives of the network by its inputs. Raissi, Perdikaris and Karniadakis, Physics-informed
neural networks, 2019: https://doi.org/10.1016/j.jcp.2018.10.045
"""

from collections.abc import Iterator

import numpy as np
from common import equal_weights, nn, run, tensor, torch

POINTS = 256
VISCOSITY = 0.1 / np.pi

net = nn.Sequential(
    nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
)
equal_weights(net)


def solution(x, t):
    """Zero at both ends and -sin(pi x) at the start, whatever the network says."""
    start = -torch.sin(np.pi * x)
    return start + t * (1 - x**2) * net(torch.cat([x, t], dim=1))


def residual(x, t):
    """By how much the equation is missed at the points: u_t + u u_x - v u_xx."""
    u = solution(x, t)
    u_x, u_t = torch.autograd.grad(u.sum(), (x, t), create_graph=True)
    (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
    return u_t + u * u_x - VISCOSITY * u_xx


def train() -> Iterator[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    rng = np.random.default_rng(1)
    while True:
        x = tensor(rng.uniform(-1, 1, (POINTS, 1))).requires_grad_()
        t = tensor(rng.uniform(0, 1, (POINTS, 1))).requires_grad_()
        loss = residual(x, t).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def exact(x, t):
    """The solution by Cole and Hopf's transformation, its integrals by Hermite's quadrature."""
    at, weight = np.polynomial.hermite.hermgauss(100)
    y = x - np.sqrt(4 * VISCOSITY * t) * at
    growth = np.exp(-np.cos(np.pi * y) / (2 * np.pi * VISCOSITY))
    return -(weight * np.sin(np.pi * y) * growth).sum(-1) / (weight * growth).sum(-1)


def report() -> str:
    x = np.linspace(-1, 1, 101)[:, None]
    with torch.no_grad():
        found = solution(tensor(x), tensor(np.full_like(x, 0.5))).numpy()[:, 0]
    true = exact(x, 0.5)
    return f"at half time: relative error {np.linalg.norm(found - true) / np.linalg.norm(true):.3f}"


if __name__ == "__main__":
    run(train, steps=2000, report=report)
