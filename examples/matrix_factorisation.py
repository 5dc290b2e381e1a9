"""Matrix factorisation: a map of elevations, filled in from a fifth of its points.

Every row and every column of the map has a vector; the height at a point is their product, plus an offset of each.
Koren, Bell and Volinsky, Matrix Factorization Techniques for Recommender Systems, 2009:
https://doi.org/10.1109/MC.2009.263
"""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch
from data import terrain

BATCH = 256
RANK = 6

heights = terrain()
_rows, _columns = np.indices(heights.shape).reshape(2, -1)
_order = np.random.default_rng(0).permutation(heights.size)
known, unknown = _order[: heights.size // 5], _order[heights.size // 5 :]


class Factors(nn.Module):
    """A vector and an offset for each row and each column."""

    def __init__(self, rows, columns):
        super().__init__()
        self.row, self.column = nn.Embedding(rows, RANK), nn.Embedding(columns, RANK)
        self.row_offset, self.column_offset = nn.Embedding(rows, 1), nn.Embedding(columns, 1)

    def forward(self, rows, columns):
        offsets = self.row_offset(rows) + self.column_offset(columns)
        return (self.row(rows) * self.column(columns)).sum(1) + offsets.squeeze(1)


factors = Factors(*heights.shape)
equal_weights(factors)


def at(points):
    """Rows, columns and heights at the points."""
    return tensor(_rows[points]), tensor(_columns[points]), tensor(heights.ravel()[points])


def train() -> Iterator[float]:
    optimizer = torch.optim.Adagrad(factors.parameters(), lr=0.1)
    rng = np.random.default_rng(1)
    while True:
        rows, columns, height = at(rng.choice(known, BATCH))
        loss = F.mse_loss(factors(rows, columns), height)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def report() -> str:
    rows, columns, height = at(unknown)
    with torch.no_grad():
        error = F.mse_loss(factors(rows, columns), height).item()
    return f"points never seen: squared error {error:.3f}, of a variance of 1"


if __name__ == "__main__":
    run(train, steps=1500, report=report)
