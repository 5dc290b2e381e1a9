"""A generative adversarial network of handwritten digits: one network forges, another tells forgeries from real ones.

Goodfellow et al., Generative Adversarial Nets, 2014: https://arxiv.org/abs/1406.2661
"""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import digits

BATCH = 64
LATENT = 16

images = tensor(digits()[0].reshape(-1, 64) * 2 - 1)
forger = nn.Sequential(nn.Linear(LATENT, 128), nn.LeakyReLU(0.2), nn.Linear(128, 64), nn.Tanh())
judge = nn.Sequential(nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
equal_weights(forger, judge)


def train() -> Iterator[float]:
    forging = torch.optim.Adam(forger.parameters(), lr=1e-3, betas=(0.5, 0.999))
    judging = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.5, 0.999))
    rng = np.random.default_rng(1)
    true, false = tensor(np.ones((BATCH, 1))), tensor(np.zeros((BATCH, 1)))
    while True:
        real = images[torch.tensor(rng.integers(0, len(images), BATCH))]
        forged = forger(tensor(rng.normal(size=(BATCH, LATENT))))

        # The judge's loss stops at the forgeries: its backward needs nothing of how they were made.
        verdict = F.binary_cross_entropy_with_logits(judge(real), true)
        verdict = verdict + F.binary_cross_entropy_with_logits(judge(forged.detach()), false)
        judging.zero_grad()
        verdict.backward()
        judging.step()

        # The forger's goes through the judge as it is now.
        success = F.binary_cross_entropy_with_logits(judge(forged), true)
        forging.zero_grad()
        success.backward()
        forging.step()
        yield verdict.item() + success.item()


def report() -> str:
    with torch.no_grad():
        made = forger(tensor(np.random.default_rng(2).normal(size=(4, LATENT)))).reshape(4, 8, 8).numpy()
    shades = np.array(list(" .:+#@"))[np.clip(((made + 1) * 3).astype(int), 0, 5)]
    rows = ["   ".join("".join(2 * c for c in digit[i]) for digit in shades) for i in range(8)]
    return "Forged digits:\n" + "\n".join(rows)


if __name__ == "__main__":
    run(train, steps=3000, report=report)
