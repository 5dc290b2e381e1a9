"""A convolutional network that reads handwritten digits."""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import HELD_OUT, digits

BATCH = 64


class Network(nn.Module):
    """Two convolutions with batch norm, a pooling after each, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Linear(32 * 2 * 2, 10)

    def forward(self, images):
        return self.head(self.features(images).flatten(1))


images, labels = (tensor(array) for array in digits())
images = images.unsqueeze(1)
net = Network()
equal_weights(net)


def train() -> Iterator[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    rng = np.random.default_rng(1)
    while True:
        batch = torch.tensor(rng.integers(HELD_OUT, len(images), BATCH))
        loss = F.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def report() -> str:
    net.eval()
    with torch.no_grad():
        right = (net(images[:HELD_OUT]).argmax(1) == labels[:HELD_OUT]).double().mean().item()
    return f"held-out digits told right: {right:.1%}"


if __name__ == "__main__":
    run(train, steps=400, report=report)
