"""A transformer that writes Python's documentation, character by character.

It is trained on the text behind ``help()``, and writes some of its own at the end.
"""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import python_documentation

LENGTH = 48
BATCH = 16
WIDTH = 64

text = python_documentation()
alphabet = sorted(set(text))
codes = np.searchsorted(alphabet, list(text))


class Writer(nn.Module):
    """Embedded characters and positions, a causal transformer, scores of the next character at each position."""

    def __init__(self):
        super().__init__()
        self.characters = nn.Embedding(len(alphabet), WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, nhead=4, dim_feedforward=4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.scores = nn.Linear(WIDTH, len(alphabet))

    def forward(self, codes):
        length = codes.shape[1]
        x = self.characters(codes) + self.positions(torch.arange(length))
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        return self.scores(self.norm(self.layers(x, mask=mask, is_causal=True)))


writer = Writer()
equal_weights(writer)


def train() -> Iterator[float]:
    optimizer = torch.optim.AdamW(writer.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.05, total_iters=50)
    rng = np.random.default_rng(1)
    while True:
        starts = rng.integers(0, len(codes) - LENGTH - 1, BATCH)
        batch = tensor(np.stack([codes[i : i + LENGTH + 1] for i in starts]))
        scores = writer(batch[:, :-1])
        loss = F.cross_entropy(scores.reshape(-1, len(alphabet)), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(writer.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield loss.item()


def report(length: int = 300) -> str:
    writer.eval()
    rng = np.random.default_rng(2)
    written = [int(c) for c in np.searchsorted(alphabet, list("The "))]
    with torch.no_grad():
        for _ in range(length):
            scores = writer(torch.tensor([written[-LENGTH:]]))[0, -1]
            odds = (scores / 0.7).softmax(0).double().numpy()
            written.append(int(rng.choice(len(alphabet), p=odds / odds.sum())))
    return "".join(alphabet[c] for c in written)


if __name__ == "__main__":
    run(train, steps=1000, report=report)
