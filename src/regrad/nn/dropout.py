"""Dropout as modules: in training, elements or whole channels are zeroed at random; in evaluation nothing happens."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

from typing import Any

from regrad.nn import functional as F
from regrad.nn.describe import Described

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Described):
    """The probability with which something is dropped, and whether that is done in place."""

    __constants__ = ["p", "inplace"]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: dropout probability has to be between 0 and 1, but got {p}; of"
                             " every element the share that becomes zero")
        self.p, self.inplace = p, inplace


class Dropout(_DropoutNd):
    """In training each element is zeroed with probability ``p`` and the others are divided by ``1 - p``.

    Raises ValueError unless ``p`` is in [0, 1]. Srivastava et al. (2014),
    https://jmlr.org/papers/v15/srivastava14a.html. PyTorch: torch.nn.Dropout.

    >>> set(rg.nn.Dropout(0.75)(rg.ones(100)).tolist()) == {0., 4.}
    True
    >>> rg.nn.Dropout(0.75).eval()(rg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """`Dropout` of whole channels of (N, C, L) or (C, L).

    Tompson et al. (2014), https://arxiv.org/abs/1411.4280. PyTorch: torch.nn.Dropout1d.

    >>> set(rg.nn.Dropout1d()(rg.ones(40, 3)).sum(1).tolist()) == {0., 6.}
    True
    """

    def forward(self, input: Any) -> Any:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """`Dropout` of whole channels of (N, C, H, W). PyTorch: torch.nn.Dropout2d.

    >>> set(rg.nn.Dropout2d()(rg.ones(1, 40, 3, 3)).sum((2, 3)).flatten().tolist()) == {0., 18.}
    True
    """

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """`Dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W). PyTorch: torch.nn.Dropout3d.

    >>> set(rg.nn.Dropout3d()(rg.ones(40, 1, 3, 3)).sum((1, 2, 3)).tolist()) == {0., 18.}
    True
    """

    def forward(self, input: Any) -> Any:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for `SELU` networks: dropped elements go to its lowest value, and mean and variance stay as they were.

    The result is always a new tensor, whatever ``inplace`` says, as in PyTorch.
    Klambauer et al. (2017), https://arxiv.org/abs/1706.02515. PyTorch: torch.nn.AlphaDropout.

    >>> len(set(rg.nn.AlphaDropout()(rg.ones(100)).tolist()))
    2
    """

    def forward(self, input: Any) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels (dimension 1). PyTorch: torch.nn.FeatureAlphaDropout.

    >>> len(set(rg.nn.FeatureAlphaDropout()(rg.ones(1, 40, 3)).sum(2).flatten().tolist()))
    2
    """

    def forward(self, input: Any) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)
