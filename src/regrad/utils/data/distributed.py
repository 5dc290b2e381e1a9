"""The share of each of several programs that train together: `DistributedSampler`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from regrad.ops.random import Generator, randperm
from regrad.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th sample, from number ``rank`` on, of an order that all replicas shuffle alike.

    The order follows from ``seed`` and the epoch (`set_epoch`). Shares are of one length: a few samples come twice,
    or are left out with ``drop_last``. PyTorch: torch.utils.data.distributed.DistributedSampler.

    >>> list(rg.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "DistributedSampler: there is no process group that would tell how many replicas there are and which"
                " this is; pass num_replicas= and rank="
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        length = len(dataset)
        self.num_samples = length // num_replicas if drop_last else math.ceil(length / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        length = len(self.dataset)
        if self.shuffle:
            order = randperm(length, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        else:
            order = list(range(length))
        if length:
            order *= math.ceil(self.total_size / length) or 1
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, so that its order is another one."""
        self.epoch = epoch
