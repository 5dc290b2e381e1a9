"""Several tasks on one network, whose gradients are kept from working against each other (PCGrad).

Where the gradients of two tasks point apart, each loses its part along the other. One graph serves all tasks, so every
gradient but the last retains it. Yu et al., Gradient Surgery for Multi-Task Learning, 2020:
https://arxiv.org/abs/2001.06782
"""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import HELD_OUT, digits

BATCH = 64

_images, _labels = digits()
images, labels = tensor(_images.reshape(-1, 64)), tensor(_labels)
ink = images.mean(1, keepdim=True) * 10


class Network(nn.Module):
    """A trunk under three heads: which digit, how much ink, and the image again."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.digit, self.ink, self.image = nn.Linear(32, 10), nn.Linear(32, 1), nn.Linear(32, 64)


net = Network()
equal_weights(net)
shared = list(net.trunk.parameters())
private = [p for head in (net.digit, net.ink, net.image) for p in head.parameters()]


def losses_of(batch):
    seen = net.trunk(images[batch])
    return [
        F.cross_entropy(net.digit(seen), labels[batch]),
        F.mse_loss(net.ink(seen), ink[batch]),
        10 * F.mse_loss(net.image(seen), images[batch]),
    ]


def without_conflict(gradients, rng):
    """The sum of the gradients, each first freed of what it has against the others, in random order."""
    total = torch.zeros_like(gradients[0])
    for i, own in enumerate(gradients):
        for j in rng.permutation(len(gradients)):
            other = gradients[j]
            along = own @ other
            if j != i and along < 0:
                own = own - along / (other @ other) * other
        total = total + own
    return total


def train() -> Iterator[float]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    rng = np.random.default_rng(1)
    while True:
        losses = losses_of(torch.tensor(rng.integers(HELD_OUT, len(images), BATCH)))
        each = [torch.autograd.grad(loss, shared, retain_graph=True) for loss in losses]
        for p, g in zip(private, torch.autograd.grad(sum(losses), private), strict=True):
            p.grad = g
        vector = without_conflict([nn.utils.parameters_to_vector(gradients) for gradients in each], rng)
        start = 0
        for p in shared:
            p.grad = vector[start : start + p.numel()].view_as(p)
            start += p.numel()
        optimizer.step()
        yield sum(losses).item()


def report() -> str:
    with torch.no_grad():
        held_out = slice(0, HELD_OUT)
        right = (net.digit(net.trunk(images[held_out])).argmax(1) == labels[held_out]).double().mean().item()
        _, ink_loss, image_loss = (loss.item() for loss in losses_of(held_out))
    errors = f"squared errors {ink_loss:.3f} of ink, {image_loss / 10:.4f} of pixels"
    return f"held out: {right:.1%} of the digits told right, {errors}"


if __name__ == "__main__":
    run(train, steps=800, report=report)
