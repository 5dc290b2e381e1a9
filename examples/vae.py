"""A variational autoencoder of handwritten digits.

Kingma and Welling, Auto-Encoding Variational Bayes, 2014: https://arxiv.org/abs/1312.6114
"""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import HELD_OUT, digits

BATCH = 64
LATENT = 8

images = tensor(digits()[0].reshape(-1, 64))


class Autoencoder(nn.Module):
    """Mean and log-variance of a code for an image, and an image for a code."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 128), nn.SiLU(), nn.Linear(128, 64))

    def forward(self, images, noise):
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        code = mean + noise * (0.5 * log_variance).exp()
        return self.decoder(code), mean, log_variance


def loss_of(images, noise):
    """The negative evidence lower bound, per image."""
    drawn, mean, log_variance = net(images, noise)
    likelihood = F.binary_cross_entropy_with_logits(drawn, images, reduction="sum")
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return (likelihood + divergence) / len(images)


net = Autoencoder()
equal_weights(net)


def train() -> Iterator[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    rng = np.random.default_rng(1)
    while True:
        batch = torch.tensor(rng.integers(HELD_OUT, len(images), BATCH))
        loss = loss_of(images[batch], tensor(rng.normal(size=(BATCH, LATENT))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def report() -> str:
    rng = np.random.default_rng(2)
    with torch.no_grad():
        bound = loss_of(images[:HELD_OUT], tensor(rng.normal(size=(HELD_OUT, LATENT)))).item()
        made = net.decoder(tensor(rng.normal(size=(4, LATENT)))).sigmoid().reshape(4, 8, 8).numpy()
    shades = np.array(list(" .:+#@"))[np.clip((made * 6).astype(int), 0, 5)]
    rows = ["   ".join("".join(2 * c for c in digit[i]) for digit in shades) for i in range(8)]
    return f"held-out bound: {bound:.2f} nats an image. Digits that nobody wrote:\n" + "\n".join(rows)


if __name__ == "__main__":
    run(train, steps=1500, report=report)
