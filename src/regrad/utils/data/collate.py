"""From samples to a batch: `default_collate`, and `default_convert` for single samples.

What is done with an element depends on its type and stands in `default_collate_fn_map`, to which users may add.
Containers are taken apart: `collate` calls itself on what is in the same place of each sample. Start reading there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from regrad.dtypes import float64
from regrad.errors import ShapeError
from regrad.graph.modes import RECORD, SILENT, mode
from regrad.graph.value import wrap
from regrad.ops.creation import as_tensor, tensor
from regrad.ops.joining import stack
from regrad.tensor import Tensor

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

_WORDS = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}; return one of these"
    " from the dataset, or pass a collate_fn, which makes a batch of a list of samples"
)


def _refusal(kind: type[Exception], text: str, entry: int) -> Any:
    """An error about sample ``entry`` of the batch; on its way up it learns where in the sample it arose."""
    error: Any = kind(text)
    error.entry, error.path = entry, ""
    return error


def _inner(step: str, samples: Any, collate_fn_map: Any) -> Any:
    """Collate what stands at ``step`` of each sample."""
    try:
        return collate(samples, collate_fn_map=collate_fn_map)
    except (RuntimeError, TypeError, KeyError) as error:
        if hasattr(error, "path"):
            error.path = step + error.path
        raise


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """A batch from samples, by a table of functions for types; containers of any other type are taken apart.

    >>> rg.utils.data.collate.collate([(1, "a"), (2, "b")], collate_fn_map={
    ...     int: lambda batch, *, collate_fn_map: sum(batch), str: lambda batch, *, collate_fn_map: "".join(batch)})
    [3, 'ab']
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for known, function in collate_fn_map.items():
            if isinstance(first, known):
                return function(batch, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return _like_mapping(first, {key: _values(batch, key, collate_fn_map) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):  # a namedtuple
        columns = zip(*_of_one_length(batch))
        return kind(*(_inner(f".{name}", c, collate_fn_map) for name, c in zip(first._fields, columns)))
    if isinstance(first, Sequence):
        columns = zip(*_of_one_length(batch))
        parts = [_inner(f"[{i}]", column, collate_fn_map) for i, column in enumerate(columns)]
        return parts if isinstance(first, tuple) else _like_sequence(first, parts)
    raise _refusal(TypeError, _WORDS.format(kind), 0)


def _values(batch: Any, key: Any, collate_fn_map: Any) -> Any:
    for entry, sample in enumerate(batch):
        if key not in sample:
            raise _refusal(KeyError, f"default_collate: sample 0 has the key {key!r}, sample {entry} has not; give all"
                           " samples the same keys, or pass a collate_fn", entry)  # fmt: skip
    return _inner(f"[{key!r}]", [sample[key] for sample in batch], collate_fn_map)


def _of_one_length(batch: Any) -> Any:
    kind, length = type(batch[0]), len(batch[0])
    for entry, sample in enumerate(batch):
        if type(sample) is not kind and not isinstance(sample, Sequence):
            raise _refusal(
                TypeError,
                f"default_collate: sample 0 is a {type(batch[0]).__name__}, sample {entry} a {type(sample).__name__}",
                entry,
            )
        if len(sample) != length:
            raise _refusal(
                RuntimeError,
                "each element in list of batch should be of equal size, but sample 0 has"
                f" {length} parts and sample {entry} has {len(sample)}; make them equal, or pass a collate_fn",
                entry,
            )
    return batch


def _like_mapping(one: Any, parts: dict[Any, Any]) -> Any:
    """``parts`` in a container like ``one``, as far as its type allows."""
    try:
        if isinstance(one, MutableMapping):  # a copy keeps what else the object carries
            twin: Any = copy.copy(one)
            twin.update(parts)
            return twin
        return type(one)(parts)
    except TypeError:
        return parts


def _like_sequence(one: Any, parts: list[Any]) -> Any:
    try:
        if isinstance(one, MutableSequence):
            twin = copy.copy(one)
            for i, part in enumerate(parts):
                twin[i] = part
            return twin
        return type(one)(parts)
    except TypeError:
        return parts


# -- elements


def collate_tensors(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Tensors of one shape, stacked."""
    first = batch[0].array
    arrays = [x.array for x in batch if isinstance(x, Tensor)]
    if len(arrays) < len(batch):
        entry, x = next((k, x) for k, x in enumerate(batch) if not isinstance(x, Tensor))
        raise _refusal(
            TypeError, f"default_collate: sample 0 is a tensor, sample {entry} is {type(x).__name__}", entry
        )
    for entry, array in enumerate(arrays):
        if array.shape != first.shape:
            raise _refusal(
                ShapeError,
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and"
                f" {list(array.shape)} at entry {entry}; make the samples equal (crop, pad), or pass a collate_fn,"
                " with rg.nn.utils.rnn.pad_sequence for sequences",
                entry,
            )
    m = mode()
    if (
        (m is RECORD or m is SILENT)
        and first.ndim
        and all(array.dtype is first.dtype for array in arrays)
        and not any(x.requires_grad for x in batch)
    ):  # nothing to record, nothing to promote
        return wrap(np.concatenate(arrays).reshape(len(arrays), *first.shape))
    return stack(list(batch))


def collate_arrays(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """NumPy arrays as tensors, stacked."""
    if batch[0].dtype.kind in "SUO":
        raise _refusal(TypeError, _WORDS.format(batch[0].dtype), 0)
    return collate([as_tensor(x) for x in batch], collate_fn_map=collate_fn_map)


def collate_scalars(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """NumPy's scalars as one tensor of their dtype."""
    return _numbers(batch)


def collate_floats(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Python's floats as one tensor of float64."""
    return _numbers(batch, float64)


def collate_ints(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Python's ints, or bools, as one tensor."""
    return _numbers(batch)


def _numbers(batch: Any, dtype: Any = None) -> Any:
    for kind in dict.fromkeys(map(type, batch)):  # of many samples, few types
        if issubclass(kind, (type(None), str, bytes, Mapping, Sequence)):
            entry = next(entry for entry, x in enumerate(batch) if type(x) is kind)
            raise _refusal(
                RuntimeError if kind is type(None) else TypeError,
                f"default_collate: sample 0 is a number, sample {entry} is {kind}",
                entry,
            )
    return tensor(list(batch), dtype=dtype)


def collate_texts(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Strings and bytes as they are."""
    return batch


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: collate_tensors,
    np.ndarray: collate_arrays,
    (np.bool_, np.number, np.object_): collate_scalars,
    float: collate_floats,
    int: collate_ints,
    str: collate_texts,
    bytes: collate_texts,
}


def default_collate(batch: Any) -> Any:
    """A batch from a list of samples: tensors, arrays and numbers are stacked along a new first dimension.

    Texts stay lists; dicts, namedtuples, tuples (as lists) and lists are collated part by part. Samples that do not fit
    together, or of another type, raise an error that names the sample. PyTorch: torch.utils.data.default_collate.

    >>> rg.utils.data.default_collate([{"x": 1.0, "name": "a"}, {"x": 2.0, "name": "b"}])
    {'x': tensor([1., 2.], dtype=regrad.float64), 'name': ['a', 'b']}
    """
    if not len(batch):
        raise IndexError("default_collate: the batch is empty; give at least one sample")
    try:
        return collate(batch, collate_fn_map=default_collate_fn_map)
    except (RuntimeError, TypeError, KeyError) as error:
        if path := getattr(error, "path", ""):
            _say(error, f" (at {path} of the samples)")
        if any(sample is None for sample in batch):
            _say(error, "; a sample is None: does every branch of the dataset's __getitem__ return something?")
        raise


def name_sample(error: Any, indices: Sequence[Any]) -> None:
    """Say in an error of `default_collate` which index of the dataset the odd sample has."""
    entry = getattr(error, "entry", None)
    if entry is not None and entry < len(indices):
        others = f", sample 0 is index {indices[0]!r}" if entry else ""
        _say(error, f" [sample {entry} of this batch is index {indices[entry]!r} of the dataset{others}]")


def _say(error: Exception, more: str) -> None:
    error.args = (f"{error.args[0] if error.args else ''}{more}",)


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars as tensors, in containers too; everything else as it is.

    PyTorch: torch.utils.data.default_convert.

    >>> rg.utils.data.default_convert({"x": np.arange(2), "n": 1})
    {'x': tensor([0, 1]), 'n': 1}
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, (str, bytes)):
        return data if isinstance(data, np.ndarray) and data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*_converted(data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        parts = list(_converted(data))
        return parts if isinstance(data, tuple) else _like_sequence(data, parts)
    return data


def _converted(data: Sequence[Any]) -> Iterator[Any]:
    return (default_convert(part) for part in data)
