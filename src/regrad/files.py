"""Files: `save` and `load`, for weights and whole checkpoints. Loading runs no code.

A file is a safetensors file, so that other programs see the tensors by name: 8 bytes that give the length of a JSON
header, the header, the bytes of the arrays. Its ``__metadata__`` holds two texts of ours. ``regrad`` is JSON: the
``tree`` that was saved, in which each tensor stands as the name of its record, and for each record its CRC-32 and what
safetensors cannot say of it. ``regrad.crc32`` is the CRC-32 of the header itself, taken with zeros in its own place.
A file without them, from another library, is a dictionary of tensors.

Graphs are not for such files: `regrad.saving` has `dumps` and `loads`, which turn tensors with all that they were
computed from into bytes. Start reading at `save`; then `_Writer.put`, and `_Reader.take`, which undoes it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import json
import math
import mmap as memory_map
import os
import re
import stat
import struct
import sys
import zlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from regrad import dtypes
from regrad.errors import FileFormatError, PickleAttachedError, SaveError
from regrad.graph.lifetime import pickling_values
from regrad.graph.node import Leaf
from regrad.graph.value import Value, wrap
from regrad.ops.core import memory_order
from regrad.ops.creation import check_device
from regrad.shapes import Size
from regrad.tensor import Tensor, device

if sys.platform != "win32":
    import fcntl

__all__ = ["load", "save"]

_VERSION = 1
_BLOCK = 1 << 20  # bytes that are written, read and checked at a time
_LONGEST_HEADER = 100_000_000  # readers of safetensors take no more
_DEEPEST = 100  # containers within containers
_CHECK = b'{"__metadata__":{"regrad.crc32":"'  # a header of ours begins so; eight hexadecimal digits follow

_CODES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I8": "int8", "I16": "int16",
    "I32": "int32", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64",
}  # fmt: skip
_CODE_OF = {name: code for code, name in _CODES.items()}


# -- a tree as JSON


def _int(x: int) -> Any:
    return x if -(1 << 63) <= x < 1 << 63 else {"int": hex(x)}  # decimal digits beyond 4300 are refused by Python


def _float(x: float) -> Any:
    return x if math.isfinite(x) else {"float": struct.pack(">d", x).hex()}  # there are many nans


_PLAIN: dict[type, Callable[[Any], Any]] = {
    type(None): lambda x: x,
    bool: lambda x: x,
    str: lambda x: x,
    int: _int,
    float: _float,
    complex: lambda x: {"complex": [_float(x.real), _float(x.imag)]},
    type(Ellipsis): lambda x: {"ellipsis": None},
    dtypes.dtype: lambda x: {"dtype": x.name},
    device: lambda x: {"device": str(x)},
}
_MAPPINGS: dict[type, str] = {dict: "dict", defaultdict: "dict", OrderedDict: "OrderedDict", Counter: "Counter"}
_ITEMS: dict[type, tuple[str, Callable[[Any], Iterable[Any]]]] = {
    list: ("list", list),
    tuple: ("tuple", list),
    Size: ("Size", list),
    set: ("set", lambda x: sorted(x, key=repr)),  # the same set gives the same file
    frozenset: ("frozenset", lambda x: sorted(x, key=repr)),
    slice: ("slice", lambda x: (x.start, x.stop, x.step)),
    range: ("range", lambda x: (x.start, x.stop, x.step)),
}


def _where(path: tuple[Any, ...]) -> str:
    """The place in the tree as one would write it: ``obj["model"][0]``."""
    return "obj" + "".join(f"[{json.dumps(key) if isinstance(key, str) else repr(key)}]" for key in path)


def _advice(x: Any, where: str) -> str:
    """What to store instead of ``x``."""
    if isinstance(x, Value):
        if type(x).__name__.startswith("Uninitialized"):
            return "it has no elements yet: call its module once, and its parameters take shape"
        return f"store {where}.detach(), a plain tensor"
    if not isinstance(x, type):
        if hasattr(x, "detach") and hasattr(x, "numpy"):  # a tensor of another library
            return f"store rg.from_numpy({where}.detach().numpy())"
        for method in ("state_dict", "get_state", "tolist"):
            if callable(getattr(x, method, None)):
                return f"store {where}.{method}()"
        if hasattr(x, "bit_generator"):
            return f"store {where}.bit_generator.state"
        for builtin in (bool, int, float, str, bytes, tuple, list, dict, set):
            if isinstance(x, builtin):
                return f"store {builtin.__name__}({where}), without the class"
        if isinstance(x, os.PathLike):
            return f"store str({where})"
    if callable(x):
        return "code is not data: store a name or the settings from which the program makes it again"
    if hasattr(x, "__dict__"):
        return f"store what it consists of, such as vars({where})"
    return "store what it consists of, in lists and dictionaries"


def _refused(x: Any, path: tuple[Any, ...]) -> TypeError:
    kind, where = type(x), _where(path)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return TypeError(f"rg.save: {where} is of type {name}, and a file holds tensors, arrays, numbers, strings and "
                     f"Python's containers of these; {_advice(x, where)}")


class _Kept(NamedTuple):
    """An array of the tree. ``entry`` is the JSON that stands for it and will be told where it lies."""

    name: str
    array: Any
    entry: dict[str, Any]


class _Record(NamedTuple):
    """An array as the file holds it: once, its elements in the order of its dimensions."""

    name: str
    array: Any
    crc: int


class _Writer:
    """Everything that `save` does before it touches a file."""

    def __init__(self) -> None:
        self.kept: list[_Kept] = []
        self.names = {"__metadata__"}
        self.numbers: dict[int, int] = {}  # by id: a container or tensor that stands twice stays one
        self.open: set[int] = set()

    def put(self, x: Any, path: tuple[Any, ...]) -> Any:
        """``x`` as JSON; its arrays are kept for `records`."""
        kind = type(x)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return plain(x)
        if kind in (bytes, bytearray):
            return self.keep(np.frombuffer(x, np.uint8), {kind.__name__: ""}, path)
        if isinstance(x, np.generic):
            return self.keep(np.asarray(x), {"scalar": ""}, path)
        if isinstance(x, np.dtype):
            return {"numpy.dtype": self.dtype(x, path)}
        number = self.numbers.get(id(x))
        if number is not None:
            if id(x) in self.open:
                raise ValueError(f"rg.save: {_where(path)} is a container that holds itself; a file holds trees, so "
                                 "leave it out")
            return {"same": number}
        self.numbers[id(x)] = len(self.numbers)
        if isinstance(x, Value):
            return self.tensor(x, path)
        if kind in (np.ndarray, np.memmap):
            return self.keep(x, {"array": ""}, path)
        if kind not in _MAPPINGS and kind not in _ITEMS:
            raise _refused(x, path)
        if len(path) >= _DEEPEST:
            raise ValueError(f"rg.save: {_where(path[:3])}... is nested more than {_DEEPEST} levels deep; "
                             "store a flatter tree")
        self.open.add(id(x))
        out = self.mapping(x, path) if kind in _MAPPINGS else self.items(x, path)
        self.open.remove(id(x))
        return out

    def items(self, x: Any, path: tuple[Any, ...]) -> Any:
        tag, items = _ITEMS[type(x)]
        out = [self.put(item, (*path, i)) for i, item in enumerate(items(x))]
        return out if tag == "list" else {tag: out}

    def mapping(self, x: Any, path: tuple[Any, ...]) -> dict[str, Any]:
        for key in x:
            if isinstance(key, Value):
                raise TypeError(f"rg.save: {_where(path)} has a tensor as a key, which no file can find again; use its "
                                "name or its number (an optimizer's state_dict() does)")
        out = {_MAPPINGS[type(x)]: [[self.put(k, (*path, k)), self.put(v, (*path, k))] for k, v in x.items()]}
        if hasattr(x, "_metadata"):  # versions, which a state_dict carries for load_state_dict
            out["metadata"] = self.put(x._metadata, (*path, "_metadata"))
        return out

    def tensor(self, x: Any, path: tuple[Any, ...]) -> dict[str, Any]:
        entry: dict[str, Any] = {"tensor": ""}
        if type(x) is not Tensor:
            from regrad.nn import parameter  # only now: `import regrad` does not load nn

            if type(x) is parameter.Parameter:
                entry["parameter"] = True
            elif type(x) is not parameter.Buffer:
                raise _refused(x, path)
        edge = x._edge()
        if type(edge) is Leaf:
            entry["requires_grad"] = True
        elif edge is not None and not pickling_values():
            where, fn = _where(path), x.grad_fn
            raise PickleAttachedError(
                f"rg.save: {where} is attached to its graph (grad_fn={fn.name()}, made at {fn.made_at}), which the file"
                f" would lose in silence. Choose: {where}.detach() for the value alone; `rg.dumps(t, graph=True)` for"
                " the value with its graph; or `with rg.graph.values_only():` around the saving to store the values"
                " of all attached tensors."
            )
        return self.keep(x.array, entry, path)

    def keep(self, array: Any, entry: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
        self.dtype(array.dtype, path)
        name = ".".join(key if isinstance(key, str) else repr(key) for key in path) if path else "tensor"
        self.kept.append(_Kept(self.unique(name), array, entry))
        return entry

    def unique(self, name: str) -> str:
        name = stem = name.encode(errors="backslashreplace").decode()
        for n in itertools.count(2):
            if name not in self.names:
                break
            name = f"{stem}~{n}"
        self.names.add(name)
        return name

    @staticmethod
    def dtype(given: Any, path: tuple[Any, ...]) -> str:
        try:
            return dtypes.of(given).name
        except (TypeError, ValueError) as error:
            raise TypeError(f"rg.save: {_where(path)}: {error}") from None

    def records(self) -> list[_Record]:
        """What the file is to hold: arrays whose memory overlaps make one record, whose name each is told."""
        spans = sorted((*np.lib.array_utils.byte_bounds(k.array), i) for i, k in enumerate(self.kept) if k.array.size)
        groups: list[tuple[int, int, list[int]]] = [(0, 0, [i]) for i, k in enumerate(self.kept) if not k.array.size]
        for low, high, i in spans:
            if groups and low < groups[-1][1]:
                first, last, members = groups.pop()
                groups.append((first, max(last, high), [*members, i]))
            else:
                groups.append((low, high, [i]))
        groups.sort(key=lambda group: min(group[2]))
        return [self.record(low, high, [self.kept[i] for i in sorted(members)]) for low, high, members in groups]

    def record(self, low: int, high: int, members: list[_Kept]) -> _Record:
        name, array, _ = owner = members[0]
        if len({_layout(k.array) for k in members}) > 1 or _overlaps(array):
            whole = [k for k in members if k.array.flags.c_contiguous and k.array.nbytes == high - low]
            if whole:
                name, array, _ = owner = whole[0]
            else:  # nobody has all of it: the memory as it is, under a name of its own
                name, array = self.unique(f"{owner.name}.memory"), _memory(low, high, members)
        for _, seen, entry in members:
            entry[next(iter(entry))] = name
            if _layout(seen) != _layout(array):
                offset = seen.__array_interface__["data"][0] - low
                entry["view"] = [dtypes.of(seen.dtype).name, list(seen.shape), list(seen.strides), offset]
        crc = 0
        for block in _blocks(array):
            crc = zlib.crc32(block, crc)
        return _Record(name, array, crc)


def _layout(array: Any) -> tuple[Any, ...]:
    return array.__array_interface__["data"][0], array.dtype, array.shape, array.strides


def _overlaps(array: Any) -> bool:
    """May two elements of one array lie in one place, as after ``expand``?"""
    reach = array.itemsize
    for step, n in sorted((abs(step), n) for step, n in zip(array.strides, array.shape) if n > 1):
        if step < reach:
            return bool(array.size)
        reach += step * (n - 1)
    return False


class _Memory:
    """A stretch of memory, as NumPy's protocol for arrays describes it."""

    def __init__(self, low: int, size: int) -> None:
        self.__array_interface__ = {"version": 3, "data": (low, True), "shape": (size,), "typestr": "|u1"}


def _memory(low: int, high: int, members: list[_Kept]) -> Any:
    """The bytes that overlapping arrays have between them; as elements where all agree on these."""
    array = np.asarray(_Memory(low, high - low))
    dtype = members[0].array.dtype
    starts = [k.array.__array_interface__["data"][0] - low for k in members]
    alike = all(k.array.dtype == dtype for k in members)
    return array.view(dtype) if alike and not any(n % dtype.itemsize for n in (high - low, *starts)) else array


def _header(tree: Any, records: list[_Record], in_file: list[_Record]) -> bytes:
    """The first bytes of the file, up to those of the arrays."""
    facts: dict[str, dict[str, Any]] = {}
    entries: dict[str, Any] = {"__metadata__": None}
    ends = list(itertools.accumulate((r.array.nbytes for r in in_file), initial=0))
    offsets = {r.name: list(pair) for r, pair in zip(in_file, itertools.pairwise(ends))}
    for name, array, crc in records:
        facts[name] = {"crc32": f"{crc:08x}"}
        dtype, shape = dtypes.of(array.dtype), list(array.shape)
        if dtype is dtypes.complex128:  # safetensors has none
            facts[name]["dtype"], dtype, shape = dtype.name, dtypes.float64, [*shape, 2]
        if not array.flags.c_contiguous and list(order := memory_order(array)) != sorted(order):
            facts[name]["order"] = order
        entries[name] = {"dtype": _CODE_OF[dtype.name], "shape": shape, "data_offsets": offsets[name]}
    text = json.dumps({"version": _VERSION, "tree": tree, "records": facts}, separators=(",", ":"))
    entries["__metadata__"] = {"regrad.crc32": "0" * 8, "regrad": text}
    raw = json.dumps(entries, separators=(",", ":")).encode()
    if len(raw) > _LONGEST_HEADER - 64:
        raise ValueError(f"rg.save: the names, numbers and strings fill {len(raw):,} bytes, and readers of safetensors "
                         f"take {_LONGEST_HEADER:,}; put long lists of numbers into tensors or arrays")
    raw += b" " * (-(8 + len(raw)) % 64)  # the arrays begin where any of them is aligned
    raw = len(raw).to_bytes(8, "little") + raw
    at = 8 + len(_CHECK)
    return raw[:at] + f"{zlib.crc32(raw):08x}".encode() + raw[at + 8 :]


# -- saving


def save(
    obj: Any, f: Any, pickle_module: Any = None, pickle_protocol: Any = None,
    _use_new_zipfile_serialization: bool = True, _disable_byteorder_record: bool = False,
) -> None:  # fmt: skip
    """Write a state_dict or a checkpoint to a file, from which `rg.load` makes an equal one.

    ``obj`` is a tensor, or dictionaries, lists and tuples of tensors, NumPy arrays, numbers, strings, bytes, None and
    dtypes. A tensor that stands in several places, or shares memory with another, is stored once and is shared again
    after loading. ``f`` is a path or a binary file; by convention the name ends in ``.safetensors``.

    A path is written atomically: whatever happens, a crash included, it leads to the old file or to the new one,
    whole. The tensors are written straight from their memory; what `save` needs besides is the header and 1 MiB.

    Nothing is pickled, so that ``pickle_module`` and what follows it have no effect. Raises TypeError for what is not
    data, such as a module, and names its place; `PickleAttachedError` for a tensor that hangs on a graph; SaveError,
    an OSError, where the file cannot be written. PyTorch: torch.save.

    >>> import io
    >>> file = io.BytesIO()
    >>> rg.save({"weight": rg.ones(2), "epoch": 3}, file)
    >>> rg.load(io.BytesIO(file.getvalue()))
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    _check_machine("rg.save", pickle_module)
    to_path = isinstance(f, (str, bytes, os.PathLike))
    if not to_path and not hasattr(f, "write"):
        raise AttributeError(
            "rg.save: expected 'f' to be string, path, or a file-like object with a 'write' attribute, "
            f"got {f!r}"
        )
    if isinstance(f, io.TextIOBase):
        raise TypeError('rg.save: the file takes text, and tensors are bytes; open it with mode "wb"')
    writer = _Writer()
    tree = writer.put(obj, ())
    records = writer.records()
    in_file = sorted(records, key=lambda r: -r.array.itemsize)  # so that each is aligned without gaps
    header = _header(tree, records, in_file)
    pieces = itertools.chain([memoryview(header)], *map(_unchanged, in_file))
    if to_path:
        _replace(os.fsdecode(f), pieces, len(header) + sum(r.array.nbytes for r in records))
    else:
        _pour(pieces, f.write)


def _check_machine(name: str, pickle_module: Any) -> None:
    if pickle_module is not None and getattr(pickle_module, "__name__", "") != "pickle":
        raise ValueError(f"{name}: the files hold data and no pickles, so pickle_module={pickle_module!r} would not be "
                         "used; leave it out")
    if sys.byteorder != "little":
        raise RuntimeError(f"{name}: safetensors files are little-endian, and this machine is not")


def _blocks(array: Any) -> Iterator[memoryview]:
    """The bytes of the elements, in the order of the dimensions; of a contiguous array without copying."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1).view(np.uint8)
        for i in range(0, flat.size, _BLOCK):
            yield memoryview(flat[i : i + _BLOCK])
    else:
        some = _BLOCK // array.itemsize
        for i in range(0, array.size, some):
            yield memoryview(array.flat[i : i + some].view(np.uint8))


def _unchanged(record: _Record) -> Iterator[memoryview]:
    """The bytes of a record; afterwards they must have been those that the header tells of."""
    crc = 0
    for block in _blocks(record.array):
        yield block
        crc = zlib.crc32(block, crc)
    if crc != record.crc:
        raise RuntimeError(f"rg.save: {record.name!r} was written to while it was being saved; stop the thread that "
                           "writes, or save a copy made by .clone()")


def _pour(pieces: Iterable[memoryview], write: Callable[[memoryview], int | None]) -> None:
    for piece in pieces:
        while piece:
            written = write(piece)
            piece = piece[len(piece) if written is None else written :]


_WHY = {
    errno.ENOENT: "the parent directory {folder} does not exist; make it first, as with os.makedirs",
    errno.ENOTDIR: "{folder} is not a directory",
    errno.EACCES: "permission denied for the file or its directory {folder}; save elsewhere",
    errno.EPERM: "permission denied for the file or its directory {folder}; save elsewhere",
    errno.EROFS: "{folder} is on a file system that cannot be written to; save elsewhere",
    errno.ENOSPC: "no room for {size:,} bytes in {folder}; free some, or save elsewhere",
    errno.EDQUOT: "no room for {size:,} bytes in {folder}; free some, or save elsewhere",
    errno.EISDIR: "this is a directory; name a file in it",
    errno.EEXIST: "this is no ordinary file, and would be replaced by one; open it and pass the file object",
}


def _replace(given: str, pieces: Iterable[memoryview], size: int) -> None:
    """Put a new file where ``given`` leads, in one step: it is written beside it under another name first."""
    target = Path(os.path.realpath(given))  # a link stays a link
    folder = target.parent
    try:
        mode = _mode(target)
        _sweep(target)
        with _claim(target) as file:
            temporary = Path(file.name)
            try:
                if mode is not None:
                    temporary.chmod(mode)
                _pour(pieces, file.write)
                os.fsync(file.fileno())
                if sys.platform == "win32":
                    file.close()  # an open file cannot be moved there
                temporary.replace(target)
            except BaseException:
                file.close()
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as error:
        why = _WHY.get(error.errno or 0, error.strerror or str(error)).format(folder=folder, size=size)
        raise SaveError(error.errno, f"rg.save: {why}. Nothing was changed", given) from error
    if os.name == "posix":
        with contextlib.suppress(OSError):  # the file is in place; some file systems promise no more
            fd = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _mode(target: Path) -> int | None:
    """The permissions of the file that is to be replaced; None where there is none."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EEXIST, "")
    if not os.access(target, os.W_OK):  # a move would not ask
        raise OSError(errno.EACCES, "")
    return stat.S_IMODE(mode)


def _stem(target: Path) -> str:
    """How the names of the files begin that are written for ``target``."""
    name = os.fsencode(target.name)[:200].decode(errors="ignore")  # a name has 255 bytes at most
    return f".{name}."


def _claim(target: Path) -> io.FileIO:
    """A new file beside ``target``, locked: the lock says that whoever writes it is alive."""
    while True:
        file = io.FileIO(target.with_name(f"{_stem(target)}{os.urandom(8).hex()}.saving"), "xb")
        with contextlib.suppress(OSError):  # a file system without locks: nobody sweeps there either
            _lock(file, wait=True)
        if Path(file.name).exists():  # else it was swept before it was locked
            return file
        file.close()


def _sweep(target: Path) -> None:
    """Remove what processes that were killed while they wrote for ``target`` have left."""
    left = re.compile(re.escape(_stem(target)) + r"[0-9a-f]{16}\.saving")
    with contextlib.suppress(OSError):  # a courtesy, for which no saving fails
        for path in target.parent.iterdir():
            if left.fullmatch(path.name):
                with contextlib.suppress(OSError), io.FileIO(path, "r+b") as file:
                    _lock(file, wait=False)
                    if sys.platform == "win32":
                        file.close()
                    path.unlink()


def _lock(file: io.FileIO, *, wait: bool) -> None:
    """Hold a lock while the file is open; raises OSError if another has it and we do not wait.

    Windows needs none: what another has open cannot be removed there.
    """
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


# -- loading


def load(
    f: Any, map_location: Any = None, pickle_module: Any = None, *, weights_only: bool | None = True,
    mmap: bool | None = None,
) -> Any:  # fmt: skip
    """What `rg.save` wrote to a file; of a safetensors file from elsewhere, the dictionary of its tensors.

    ``f`` is a path or a binary file that can seek. With ``mmap=True`` (a path only) the arrays stay in the file until
    they are looked at, and writing to them changes memory, never the file; their check sums are then not compared.
    Otherwise `load` needs the memory of the tensors and 1 MiB besides. ``map_location`` may name the CPU or be a
    function, which has nothing to do. Nothing is executed, so that ``weights_only`` has no effect.

    Raises FileFormatError, a ValueError and a RuntimeError, for a file that is damaged or of another format.
    PyTorch: torch.load.

    >>> import io
    >>> file = io.BytesIO()
    >>> rg.save([rg.arange(3), "three"], file)
    >>> _ = file.seek(0)
    >>> rg.load(file)
    [tensor([0, 1, 2]), 'three']
    """
    _check_machine("rg.load", pickle_module)
    _check_place(map_location)
    if isinstance(f, (str, bytes, os.PathLike)):
        path = Path(os.fsdecode(f))
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "rg.load: this is a directory; name a file in it", str(path))
        if not stat.S_ISREG(mode):
            raise FileFormatError(f"rg.load: {path} is no ordinary file; read it into an io.BytesIO and load that")
        with io.FileIO(path) as file:
            return _Source(file, str(path)).load(bool(mmap))
    for method in ("read", "seek"):
        if not hasattr(f, method):
            raise AttributeError(f"rg.load: {type(f).__name__!r} object has no attribute {method!r}; pass a path, or a "
                                 "file that can seek, such as io.BytesIO(data)")
    if isinstance(f, io.TextIOBase):
        raise TypeError('rg.load: the file gives text, and tensors are bytes; open it with mode "rb"')
    if mmap:
        raise ValueError("rg.load: f must be a file path in order to use the mmap argument")
    start = f.tell()
    try:
        return _Source(f, getattr(f, "name", None) or f"the {type(f).__name__}").load(False)
    except BaseException:
        f.seek(start)
        raise


def _check_place(map_location: Any) -> None:
    if isinstance(map_location, dict):
        map_location = map_location.get("cpu")
    if isinstance(map_location, (str, device, type(None))):
        check_device(map_location)
    elif not callable(map_location):
        raise TypeError("rg.load: map_location is None, 'cpu', a device, a dictionary or a function, got "
                        f"{map_location!r}")


_CONVERT = ("Where PyTorch is installed, convert the weights in it: "
            "`safetensors.torch.save_file(torch.load(...), 'x.safetensors')`")  # fmt: skip
_FOREIGN = (
    (b"PK", f"a zip archive, probably a PyTorch file. {_CONVERT}"),
    (b"\x80", f"a pickle, probably an old PyTorch file. {_CONVERT}"),
    (b"\x93NUMPY", "a NumPy file: read it with np.load"),
    (b"REGRAD1\n", "what rg.dumps gave: read it with `rg.loads(path.read_bytes())`"),
    (b"\x89HDF", "an HDF5 file, probably of Keras; read it with h5py"),
    (b"\x1f\x8b", "compressed with gzip: pass `gzip.open(path)` instead"),
    (b"version https://git-lfs", "what Git LFS puts in the place of a large file: fetch that with `git lfs pull`"),
)  # fmt: skip


class _Source:
    """An open file: its name for messages, how many bytes it has from here, and how to get them."""

    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name
        start = file.tell()
        file.seek(0, os.SEEK_END)
        self.size = file.tell() - start
        file.seek(start)

    def error(self, what: str) -> FileFormatError:
        return FileFormatError(f"rg.load: {self.name}: {what}")

    def damaged(self, what: str) -> FileFormatError:
        return self.error(f"{what}. The file is damaged or was cut short: fetch it again, or load an earlier one")

    def fill(self, space: memoryview) -> None:
        while space:
            if hasattr(self.file, "readinto"):
                n = self.file.readinto(space)
            else:
                data = self.file.read(len(space))
                n = len(data)
                space[:n] = data
            if not n:
                raise self.damaged(f"it ended {len(space):,} bytes early")
            space = space[n:]

    def take(self, n: int) -> bytes:
        out = bytearray(n)
        self.fill(memoryview(out))
        return bytes(out)

    def load(self, mmap: bool) -> Any:
        entries, metadata, begin = self.header()
        try:
            described = json.loads(metadata["regrad"]) if metadata else None
            if described is not None and described["version"] > _VERSION:
                raise self.error(f"a later Regrad wrote it, in version {described['version']} of the format; "
                                 f"this Regrad reads version {_VERSION}: update it")
            places = self.places(entries, described["records"] if described is not None else {}, self.size - begin)
            mapped = memory_map.mmap(self.file.fileno(), 0, access=memory_map.ACCESS_COPY) if mmap else None
            arrays = {name: self.array(name, place, begin, mapped) for name, place in places}
            if described is None:
                return {name: wrap(arrays[name]) for name in entries}
            return _Reader(arrays).take(described["tree"])
        except FileFormatError:
            raise
        except _UNREADABLE as error:
            raise self.damaged(f"its description is wrong ({type(error).__name__}: {error})") from error

    def header(self) -> tuple[dict[str, Any], dict[str, str], int]:
        """The entries of the tensors, our texts if there are any, and where the bytes of the arrays begin."""
        if self.size < 8:
            raise self.damaged(f"it has {self.size} bytes, and a safetensors file has 8 at least")
        lead = self.take(8)
        length = int.from_bytes(lead, "little")
        if length > min(self.size - 8, _LONGEST_HEADER):
            head = lead + self.take(min(self.size - 8, 64))
            if head[:2] == b"PK" and b".npy" in head:
                raise self.error("this is a NumPy archive (.npz): read it with np.load")
            for magic, what in _FOREIGN:
                if head.startswith(magic):
                    raise self.error(f"this is {what}")
            raise self.damaged(f"this is no safetensors file: its header would have {length:,} bytes")
        raw = self.take(length)
        try:
            entries = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_refuse)
            if not isinstance(entries, dict):
                raise ValueError("it is no dictionary")
            metadata = entries.pop("__metadata__", {})
            if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
                raise ValueError("its __metadata__ is no dictionary of texts")
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"its header cannot be read ({error})") from None
        if raw.startswith(_CHECK) or "regrad" in metadata or "regrad.crc32" in metadata:
            at = len(_CHECK)
            found = zlib.crc32(lead + raw[:at] + b"0" * 8 + raw[at + 8 :])
            if not raw.startswith(_CHECK) or raw[at : at + 8] != b"%08x" % found or "regrad" not in metadata:
                raise self.damaged("its header is not as rg.save wrote it (if another program has rewritten the file, "
                                   "safetensors.numpy.load_file reads its tensors)")
            return entries, metadata, 8 + length
        return entries, {}, 8 + length

    def places(self, entries: dict[str, Any], facts: dict[str, Any], room: int) -> list[tuple[str, _Place]]:
        """Where each array lies and what it is, in the order of the file, which they must fill without gaps."""
        found = []
        for name, entry in entries.items():
            try:
                code, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
                if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
                    raise ValueError("a size that is no natural number")
            except (KeyError, TypeError, ValueError) as error:
                raise self.damaged(f"the entry of {_short(name)} is wrong ({type(error).__name__}: {error})") from None
            if code not in _CODES:
                raise self.error(f"{_short(name)} is of dtype {_short(code)}, and Regrad reads {', '.join(_CODES)}; "
                                 "convert it with the program that wrote the file")
            dtype, fact = _numpy_dtype(_CODES[code]), facts.get(name, {})
            if "dtype" in fact and shape[-1:] == (2,):
                dtype, shape = _numpy_dtype(fact["dtype"]), shape[:-1]
            if math.prod(shape) * dtype.itemsize != end - begin:
                raise self.damaged(f"{_short(name)} has shape {_short(list(shape))} and dtype {dtype}, but "
                                   f"{end - begin:,} bytes")
            found.append((end, name, _Place(dtype, shape, begin, fact.get("order"), fact.get("crc32"))))
        found.sort(key=lambda each: (each[2].begin, each[0]))
        at = 0
        for end, name, place in found:
            if place.begin != at:
                raise self.damaged(f"{_short(name)} begins at byte {place.begin:,} of the arrays, and should at {at:,}")
            at = end
        if at != room:
            raise self.damaged(f"its arrays have {at:,} bytes, and it holds {room:,} for them")
        return [(name, place) for _, name, place in found]

    def array(self, name: str, place: _Place, begin: int, mapped: Any) -> Any:
        dtype, shape, at, order, crc = place
        if mapped is None:
            array, found = _empty(shape, dtype, order), 0
            for block in _blanks(array):
                self.fill(block)
                found = zlib.crc32(block, found)
            if crc is not None and crc != f"{found:08x}":
                raise self.damaged(f"the elements of {_short(name)} are not those that were saved")
        else:
            array = np.ndarray(shape, dtype, mapped, begin + at)
            if order is not None or not array.flags.aligned:
                there, array = array, _empty(shape, dtype, order)
                array[...] = there
        if dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
            raise self.damaged(f"{_short(name)} is of dtype BOOL and holds bytes other than 0 and 1")
        return array


class _Place(NamedTuple):
    """Where the bytes of an array begin, what its elements are, and how they lie in memory."""

    dtype: Any
    shape: tuple[int, ...]
    begin: int
    order: list[int] | None
    crc: str | None


_UNREADABLE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError, RuntimeError,
               struct.error)  # fmt: skip


def _short(name: Any) -> str:
    text = repr(name)
    return text if len(text) <= 100 else text[:100] + "..."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("a name stands in it twice")
    return out


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _numpy_dtype(name: str) -> Any:
    return dtypes.to_numpy(_dtype(name))


def _dtype(name: str) -> Any:
    found = vars(dtypes).get(name)
    if not isinstance(found, dtypes.dtype):
        raise ValueError(f"there is no dtype {_short(name)}")
    return found


def _empty(shape: tuple[int, ...], dtype: Any, order: Any) -> Any:
    """Memory for an array whose dimensions lie in it in ``order``, the slowest first."""
    if order is None:
        return np.empty(shape, dtype)
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"{_short(order)} is no order of {len(shape)} dimensions")
    return np.empty([shape[d] for d in order], dtype).transpose(np.argsort(order))


def _blanks(array: Any) -> Iterator[memoryview]:
    """Space for the bytes that `_blocks` gives, one after the other, to be filled."""
    if array.flags.c_contiguous:
        yield from _blocks(array)
    else:
        some = _BLOCK // array.itemsize
        for i in range(0, array.size, some):
            block = np.empty(min(some, array.size - i), array.dtype)
            yield memoryview(block.view(np.uint8))  # type: ignore[arg-type]
            array.flat[i : i + some] = block


# -- JSON as a tree

_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "float": lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    "complex": lambda parts: complex(*(x if type(x) is float else _SCALARS["float"](x["float"]) for x in parts)),
    "ellipsis": lambda _: Ellipsis,
    "dtype": _dtype,
    "numpy.dtype": _numpy_dtype,
    "device": device,
}
_MADE_OF_ITEMS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "Size": Size,
    "set": set,
    "frozenset": frozenset,
    "slice": lambda items: slice(*items),
    "range": lambda items: range(*items),
}
_MADE_OF_PAIRS: dict[str, Callable[[Any], Any]] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}
_UNFINISHED = object()


class _Reader:
    """Makes the tree again, from arrays by name and the JSON that `_Writer.put` gave."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self.arrays = arrays
        self.made: list[Any] = []  # containers and tensors, in the order in which the writer met them

    def take(self, x: Any, depth: int = 0) -> Any:
        if not isinstance(x, (dict, list)):
            return x
        rest: dict[str, Any] = dict(x) if isinstance(x, dict) else {"list": x}
        [tag, *_] = rest
        value: Any = rest.pop(tag)
        if tag in _SCALARS:
            return _SCALARS[tag](value)
        if tag in ("bytes", "bytearray"):
            return {"bytes": bytes, "bytearray": bytearray}[tag](self.arrays[value].tobytes())
        if tag == "scalar":
            return self.arrays[value][()]
        if tag == "same":
            if self.made[value] is _UNFINISHED:
                raise ValueError("a container that holds itself")
            return self.made[value]
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels")
        number = len(self.made)
        self.made.append(_UNFINISHED)
        self.made[number] = out = self.thing(tag, value, depth + 1, **rest)
        return out

    def thing(self, tag: str, value: Any, depth: int, *, metadata: Any = None, view: Any = None,
              requires_grad: bool = False, parameter: bool = False) -> Any:  # fmt: skip
        """A container or a tensor."""
        if tag in _MADE_OF_ITEMS:
            return _MADE_OF_ITEMS[tag]([self.take(item, depth) for item in value])
        if tag in _MADE_OF_PAIRS:
            pairs = {self.take(k, depth): self.take(v, depth) for k, v in value}
            if len(pairs) < len(value):
                raise ValueError("a key stands in a dictionary twice")
            out = _MADE_OF_PAIRS[tag](pairs)
            if metadata is not None:
                out._metadata = self.take(metadata, depth)
            return out
        if tag not in ("array", "tensor"):
            raise ValueError(f"there is no kind {_short(tag)}")
        array = self.arrays[value]
        if view is not None:
            dtype, shape, strides, offset = view
            memory = array.reshape(-1).view(np.uint8)
            array = np.ndarray(tuple(shape), _numpy_dtype(dtype), memory, offset, tuple(strides))
        if tag == "array":
            return array
        if parameter:
            from regrad.nn.parameter import Parameter

            return Parameter(wrap(array), requires_grad)
        return wrap(array).requires_grad_(requires_grad)
