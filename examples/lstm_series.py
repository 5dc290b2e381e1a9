"""An LSTM that foretells brain waves: four electrodes of an electroencephalogram, one step ahead."""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import brain_waves

LENGTH = 50
BATCH = 16
SEEN = 640  # the rest is held out

waves = brain_waves()


class Forecast(nn.Module):
    """Two LSTM layers, and a linear layer that says how the series goes on from each moment."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 32, num_layers=2, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, series):
        return series + self.head(self.lstm(series)[0])


net = Forecast()
equal_weights(net)


def train() -> Iterator[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    rng = np.random.default_rng(1)
    while True:
        starts = rng.integers(0, SEEN - LENGTH - 1, BATCH)
        series = tensor(np.stack([waves[i : i + LENGTH + 1] for i in starts]))
        loss = F.mse_loss(net(series[:, :-1]), series[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        yield loss.item()


def report() -> str:
    series = tensor(waves[None, SEEN:])
    with torch.no_grad():
        error = F.mse_loss(net(series[:, :-1]), series[:, 1:]).item()
        same = F.mse_loss(series[:, :-1], series[:, 1:]).item()
    return f"held out: squared error {error:.3f}; saying that nothing changes has {same:.3f}"


if __name__ == "__main__":
    run(train, steps=600, report=report)
