"""What scripts ask of `torch.cuda`: there is no GPU here, and they go on with the CPU."""

from __future__ import annotations

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize"]


def is_available() -> bool:
    """Is there a GPU to use? Never.

    >>> rg.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """The number of GPUs to use: 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Accepted and without effect: there is no GPU generator."""


def manual_seed_all(seed: int) -> None:
    """Accepted and without effect: there is no GPU generator."""


def synchronize(device: object = None) -> None:
    """Accepted and without effect: every op has finished when it returns."""


def empty_cache() -> None:
    """Accepted and without effect: there is no GPU memory."""
