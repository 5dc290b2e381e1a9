"""Datasets, samplers and the `DataLoader`, which makes batches of them, alone or with worker processes or threads.

Start reading at `dataloader`. What workers do is in `worker`, how they are led in `crew`, how their batches travel in
`transport`.
"""

from regrad.utils.data.collate import default_collate, default_convert
from regrad.utils.data.dataloader import DataLoader
from regrad.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)  # fmt: skip
from regrad.utils.data.distributed import DistributedSampler
from regrad.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)  # fmt: skip
from regrad.utils.data.worker import get_worker_info

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "DistributedSampler", "IterableDataset",
    "RandomSampler", "Sampler", "SequentialSampler", "StackDataset", "Subset", "SubsetRandomSampler", "TensorDataset",
    "WeightedRandomSampler", "default_collate", "default_convert", "get_worker_info", "random_split",
]  # fmt: skip
