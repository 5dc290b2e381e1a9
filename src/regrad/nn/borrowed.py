"""Small helpers of PyTorch's layers that scripts borrow, as ``nn.modules.utils``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """A function that makes one number n of them, and leaves several as they are."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple[Any, ...]:
    """The elements from the last to the first, n times each: padding by dimension as `functional.pad` takes it."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))


def _list_with_default(out_size: Any, defaults: list[int]) -> Any:
    """A size with the sizes of the input, the last ones of ``defaults``, in place of None."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [given if size is None else size for size, given in zip(out_size, defaults[-len(out_size) :])]


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix such as ``"module."`` off the keys of a state, in place; the order stays as it was.

    PyTorch: torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.

    >>> state = {"module.weight": 1, "step": 2}
    >>> rg.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    >>> state
    {'weight': 1, 'step': 2}
    """
    for key in list(state_dict):
        state_dict[key.removeprefix(prefix)] = state_dict.pop(key)
    # The versions of modules, by their paths: those have no dot at the end.
    metadata = getattr(state_dict, "_metadata", {})
    for key in list(metadata):
        if key and (key + ".").startswith(prefix):
            metadata[key.removeprefix(prefix.rstrip(".")).removeprefix(".")] = metadata.pop(key)
