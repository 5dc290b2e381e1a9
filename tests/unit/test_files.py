"""Files: what comes back, what other programs see, what is refused, and what a failure leaves behind."""

import contextlib
import errno
import gzip
import io
import json
import os
import stat
import struct
import sys
import threading
import tracemalloc
import zlib
from collections import Counter, OrderedDict, defaultdict, namedtuple
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import regrad as rg
from regrad import dtypes, files
from regrad.errors import FileFormatError, SaveError
from regrad.files import load, save


def written(thing):
    file = io.BytesIO()
    save(thing, file)
    return file.getvalue()


def twin(thing, **options):
    return load(io.BytesIO(written(thing)), **options)


def names(folder):
    return {path.name for path in folder.iterdir()}


def bits(x):
    return struct.pack(">d", x)


def header_of(raw):
    size = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def foreign(entries, data=b""):
    """A safetensors file as another program would write it."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + data


def checkpoint():
    w = rg.arange(6.0).reshape(2, 3)
    return {
        "model": OrderedDict(weight=w, bias=rg.zeros(3, dtype=rg.float64), tied=w),
        "optimizer": {"state": {0: {"step": rg.tensor(3.0), "exp_avg": rg.rand(2, 3)}},
                      "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0, 1]}]},
        "epoch": 3,
        "best": None,
    }  # fmt: skip


def same(a, b):
    """Equal, of one type, bit for bit, in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, rg.Tensor):
        return a.requires_grad == b.requires_grad and same(a.detach().numpy(), b.detach().numpy())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(p, q) for pair in zip(a.items(), b.items()) for p, q in zip(*pair))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return bits(a) == bits(b)
    if isinstance(a, complex):
        return bits(a.real) + bits(a.imag) == bits(b.real) + bits(b.imag)
    return a == b


# -- what comes back

VALUES = [
    None, True, False, 0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 7**9000, 0.1, -0.0, 5e-324, float("inf"),
    float("-inf"), float("nan"), struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0], 1j,
    complex(float("nan"), -0.0), "", "é\n\"", "\ud800", b"", b"\0\xff", bytearray(b"ab"),
    (), (1, (2.0, [])), [], [[1], "a"], {}, {"b": 1, "a": 2},
    {1: "int", "1": "str", (1, "x"): "tuple", None: "none", 2.5: "float", b"k": "bytes"}, OrderedDict(z=1, a=2),
    Counter("aab"), {1, 2, (3, 4)}, frozenset("ab"), set(), slice(1, None, 2), range(3, 9, 2), ..., rg.Size([2, 3]),
    rg.float16, np.dtype("int8"), rg.device("cpu"), np.float32(1.5), np.int8(-3), np.bool_(True), np.complex128(1 - 2j),
    np.float64("nan"), np.arange(6).reshape(2, 3), np.array(1.5), np.zeros((0, 2), np.int16),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=[type(v).__name__ + str(i) for i, v in enumerate(VALUES)])
def test_a_value_comes_back_as_it_was(value):
    assert same(value, twin(value))
    assert same({"a": [value, value]}, twin({"a": [value, value]}))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (0, 2), (1, 2, 1)])
@pytest.mark.parametrize("dtype", [
    rg.bool, rg.uint8, rg.uint16, rg.uint32, rg.uint64, rg.int8, rg.int16, rg.int32, rg.int64, rg.float16, rg.bfloat16,
    rg.float32, rg.float64, rg.complex64, rg.complex128,
], ids=str)  # fmt: skip
def test_a_tensor_of_every_dtype_and_rank_comes_back(dtype, shape, rng):
    size = int(np.prod(shape)) * dtype.itemsize
    raw = rng.integers(0, 2 if dtype is rg.bool else 256, size, dtype=np.uint8)  # any bits, nans among them
    x = rg.from_numpy(raw.view(dtypes.to_numpy(dtype)).reshape(shape))
    assert same(x, twin(x))


def test_a_checkpoint_comes_back_in_order():
    before = checkpoint()
    after = twin(before)
    assert same(before, after)
    assert list(before["model"]) == list(after["model"])


def test_a_defaultdict_comes_back_as_a_dict():
    given = defaultdict(list, a=[1])
    assert same({"a": [1]}, twin(given))


def test_the_versions_in_a_state_dict_come_back():
    state = rg.nn.Linear(2, 2).state_dict() if hasattr(rg.nn, "Linear") else OrderedDict(w=rg.ones(1))
    state._metadata = OrderedDict([("", {"version": 2})])
    after = twin({"model": state})["model"]
    assert state._metadata == after._metadata
    assert same(state, after)


def test_requires_grad_and_the_class_parameter_come_back():
    Parameter = rg.nn.Parameter
    given = [rg.ones(2, requires_grad=True), Parameter(rg.ones(2)), Parameter(rg.ones(2), requires_grad=False)]
    after = twin(given)
    assert same(given, after)
    assert all(x.is_leaf and x.grad is None for x in after)


def test_a_loaded_tensor_is_a_tensor_like_any_other():
    w = twin(rg.tensor([1.0, 2.0], requires_grad=True))
    (w * w).sum().backward()
    assert [2.0, 4.0] == w.grad.tolist()
    with rg.no_grad():
        w.mul_(2)
    assert [2.0, 4.0] == w.tolist()


def test_one_thing_in_two_places_is_one_thing_again():
    p, pair = rg.nn.Parameter(rg.ones(2)), [1]
    after = twin({"p": p, "q": p, "lists": (pair, pair), "a": {"pair": pair}})
    assert after["p"] is after["q"]
    assert after["lists"][0] is after["lists"][1] is after["a"]["pair"]


def test_a_tree_in_which_everything_stands_twice_does_not_grow():
    tree = []
    for _ in range(60):
        tree = [tree, tree]
    assert len(written(tree)) < 5000
    after = twin(tree)
    assert after[0] is after[1]


# -- memory that is shared


def test_tensors_over_one_memory_are_stored_once_and_share_again():
    x = rg.zeros(1000)
    state = {"whole": x, "tied": x.detach(), "part": x[10:20], "square": x.view(10, 100).t(), "bits": x.view(rg.int32)}
    raw = written(state)
    assert 4000 < len(raw) < 6000
    after = load(io.BytesIO(raw))
    after["part"][0] = 1
    assert 1 == after["whole"][10] == after["tied"][10] == after["square"][10, 0]
    assert 0x3F800000 == after["bits"][10]
    assert all(state[name].stride() == after[name].stride() for name in state)


def test_views_that_overlap_share_again_though_none_has_all():
    base = rg.arange(10.0)
    state = {"low": base[:6], "high": base[4:]}
    entries, data = header_of(written(state))
    assert ["low.memory"] == [name for name in entries if name != "__metadata__"]
    assert 40 == len(data)
    after = twin(state)
    assert same(state, after)
    after["low"][5] = -1
    assert -1 == after["high"][1]


def test_views_that_lie_side_by_side_are_stored_apart():
    base = rg.arange(1000.0)
    entries, data = header_of(written({"a": base[:3], "b": base[3:6]}))
    assert {"a", "b"} == set(entries) - {"__metadata__"}
    assert 24 == len(data)


def test_tensors_and_arrays_share_too():
    array = np.zeros(3)
    after = twin([array, rg.from_numpy(array)])
    after[0][1] = 5
    assert [0, 5, 0] == after[1].tolist()


def test_elements_that_share_their_memory_go_on_doing_so():
    after = twin(rg.zeros(1).expand(1000))
    assert (0,) == after.stride()
    for shape, steps in (((3, 3), (1, 1)), ((2, 2), (0, 3)), ((2, 2), (0, 1))):
        given = rg.arange(5.0).as_strided(shape, steps)
        assert same(given, twin(given))
        assert steps == twin(given).stride()


@pytest.mark.parametrize("dtype", [rg.float32, rg.bfloat16, rg.complex128, rg.bool], ids=str)
def test_dimensions_lie_in_memory_in_the_order_they_had(dtype):
    x = (rg.rand(2, 3, 4) * 2).to(dtype)
    for order in ((2, 0, 1), (1, 0, 2), (0, 2, 1)):
        given = x.permute(order).contiguous().permute(tuple(np.argsort(order)))
        after = twin([given, given.detach()])
        assert same(given, after[0])
        assert given.stride() == after[0].stride() == after[1].stride()
        after[1].zero_()
        assert 0 == int((after[0] != 0).sum())


def test_a_view_with_gaps_is_stored_without_them():
    given = rg.arange(100.0).reshape(10, 10)[::2, ::3]
    assert same(given, twin(given))
    assert 80 == len(header_of(written(given))[1])


def test_a_write_to_a_loaded_tensor_is_no_write_to_another(tmp_path):
    save({"w": rg.ones(2), "running": rg.ones(2)}, tmp_path / "f")
    for mmap in (False, True):
        state = load(tmp_path / "f", mmap=mmap)
        w = state["w"].requires_grad_()
        loss = (w * w).sum()
        state["running"].mul_(2)
        loss.backward()
        assert [2, 2] == w.grad.tolist()


# -- other programs


def test_any_reader_of_safetensors_sees_a_state_dict_by_name(tmp_path):
    path = tmp_path / "model.safetensors"
    state = {"fc.weight": rg.rand(3, 2).t(), "fc.bias": rg.zeros(2, dtype=rg.float64), "n": rg.tensor(3),
             "mask": rg.ones(1) > 0, "odd": rg.arange(3, dtype=rg.uint8), "c": rg.ones(2, dtype=rg.complex64),
             "": rg.ones(1)}  # fmt: skip
    save(state, path)
    seen = safetensors.numpy.load_file(path)
    assert set(state) == set(seen)
    assert all(same(state[name].contiguous().numpy(), seen[name]) for name in state)


def test_a_checkpoint_has_dotted_names(tmp_path):
    path = tmp_path / "f"
    save({**checkpoint(), 5: [rg.ones(1)], "a.b": rg.ones(1), "a": {"b": rg.ones(2)}, "\ud800": rg.ones(3)}, path)
    assert {"model.weight", "model.bias", "optimizer.state.0.step", "optimizer.state.0.exp_avg", "5.0", "a.b", "a.b~2",
            "\\ud800"} == set(safetensors.numpy.load_file(path))  # fmt: skip


def test_numbers_that_safetensors_lacks_are_seen_as_pairs(tmp_path):
    save({"z": rg.tensor([1 + 2j], dtype=rg.complex128), "half": rg.tensor([1.5], dtype=rg.bfloat16)}, tmp_path / "f")
    with safetensors.safe_open(tmp_path / "f", "np") as file:
        assert [[1.0, 2.0]] == file.get_tensor("z").tolist()
        assert ("BF16", [1]) == (file.get_slice("half").get_dtype(), file.get_slice("half").get_shape())


def test_a_name_that_the_format_keeps_for_itself_comes_back():
    assert same({"__metadata__": rg.ones(2)}, twin({"__metadata__": rg.ones(2)}))


def test_what_another_library_wrote_is_a_dictionary_of_tensors(tmp_path, rng):
    arrays = {name: rng.integers(0, 2, (2, 3)).astype(name) for name in (
        "float64", "float32", "float16", "int64", "uint64", "int32", "uint32", "int16", "uint16", "int8", "uint8",
        "bool", "complex64")}  # fmt: skip
    arrays |= {"empty": np.zeros((0, 3)), "zero-d": np.array(2.5)}
    safetensors.numpy.save_file(arrays, tmp_path / "f", metadata={"format": "pt"})
    for mmap in (False, True):
        after = load(tmp_path / "f", mmap=mmap)
        assert set(arrays) == set(after)
        assert type(after) is dict
        assert all(same(arrays[name], after[name].numpy()) for name in arrays)


def test_bfloat16_from_another_library_is_read():
    raw = foreign({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, b"\x80\x3f\xc0\x3f")
    assert same(rg.tensor([1.0, 1.5], dtype=rg.bfloat16), load(io.BytesIO(raw))["x"])


def test_a_file_from_elsewhere_keeps_the_order_of_its_header():
    raw = foreign({"b": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]},
                   "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"\1\2")  # fmt: skip
    assert [("b", [2]), ("a", [1])] == [(name, x.tolist()) for name, x in load(io.BytesIO(raw)).items()]


def test_the_same_content_gives_the_same_bytes():
    assert written({"a": {"x", "y", "z"}, "b": rg.ones(3)}) == written({"a": {"z", "y", "x"}, "b": rg.ones(3)})


def test_the_arrays_lie_aligned():
    entries, _ = header_of(raw := written({"a": rg.ones(3, dtype=rg.int8), "b": rg.ones(3, dtype=rg.float64)}))
    assert 0 == (8 + int.from_bytes(raw[:8], "little")) % 64
    assert (0, 24) == (entries["b"]["data_offsets"][0], entries["a"]["data_offsets"][0])


# -- where to


@pytest.mark.parametrize("as_given", [str, os.fsencode, Path], ids=["str", "bytes", "Path"])
def test_a_path_is_given_in_any_way(as_given, tmp_path):
    save({"a": 1}, as_given(tmp_path / "f"))
    assert {"a": 1} == load(as_given(tmp_path / "f"))


class Meagre:
    """A file object that has no more than it must, and gives and takes little at a time."""

    def __init__(self, data=b""):
        self.data, self.at = data, 0

    def write(self, piece):
        self.data += bytes(piece[:100])
        return min(len(piece), 100)

    def read(self, n):
        out = self.data[self.at : self.at + min(n, 100)]
        self.at += len(out)
        return out

    def tell(self):
        return self.at

    def seek(self, to, whence=0):
        self.at = to + (0, self.at, len(self.data))[whence]


def test_a_file_object_may_be_meagre():
    file = Meagre()
    save(checkpoint(), file)
    assert {0: 1.5} == load(Meagre(written({0: 1.5})))
    assert same(load(io.BytesIO(file.data)), load(file))


def test_a_file_object_is_used_from_where_it_stands(tmp_path):
    with (tmp_path / "f").open("w+b") as file:
        file.write(b"before")
        save([1], file)
        file.seek(6)
        assert [1] == load(file)


def test_a_compressed_file_is_read_through_gzip(tmp_path):
    with gzip.open(tmp_path / "f", "wb") as file:
        save([rg.ones(3)], file)
    with gzip.open(tmp_path / "f") as file:
        assert same([rg.ones(3)], load(file))
    with pytest.raises(FileFormatError, match=r"gzip\.open"):
        load(tmp_path / "f")


def test_a_file_object_that_could_not_be_loaded_stands_where_it_stood():
    file = io.BytesIO(b"....." + bytes(100))
    file.seek(5)
    with pytest.raises(FileFormatError):
        load(file)
    assert 5 == file.tell()


@pytest.mark.parametrize("options", [
    {"map_location": "cpu"}, {"map_location": rg.device("cpu")}, {"map_location": {"cuda:0": "cpu"}},
    {"map_location": lambda storage, place: storage}, {"weights_only": False}, {"weights_only": None}, {"mmap": False},
])  # fmt: skip
def test_options_of_pytorch_that_have_nothing_to_do_are_taken(options):
    assert {"a": 1} == twin({"a": 1}, **options)


def test_saving_takes_the_options_of_pytorch():
    import pickle

    file = io.BytesIO()
    save({}, file, pickle_module=pickle, pickle_protocol=5, _use_new_zipfile_serialization=False)
    assert written({}) == file.getvalue()


@pytest.mark.parametrize(("error", "match", "call"), [
    (RuntimeError, "CPU only", lambda: twin([], map_location="cuda")),
    (RuntimeError, "CPU only", lambda: twin([], map_location={"cpu": "cuda:1"})),
    (TypeError, "map_location", lambda: twin([], map_location=3)),
    (ValueError, "pickle_module", lambda: twin([], pickle_module=json)),
    (ValueError, "pickle_module", lambda: save([], io.BytesIO(), pickle_module=json)),
    (ValueError, "path", lambda: twin([], mmap=True)),
    (AttributeError, "'write'", lambda: save([], 3)),
    (AttributeError, "'read'", lambda: load(None)),
    (TypeError, '"wb"', lambda: save([], io.StringIO())),
    (TypeError, '"rb"', lambda: load(io.StringIO())),
    (FileNotFoundError, "nowhere", lambda: load("/nowhere/at/all")),
    (IsADirectoryError, "a directory", lambda: load("/")),
    (FileFormatError, "no ordinary file", lambda: load(os.devnull)),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(error, match, call):
    with pytest.raises(error, match=match):
        call()


def test_a_big_endian_machine_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(RuntimeError, match="little-endian"):
        written([])


# -- what cannot be stored

Point = namedtuple("Point", "x y")


class Settings:
    pass


class Elsewhere:
    """A tensor of another library, as far as one can tell."""

    detach = numpy = tolist = lambda self: self


def loop():
    out = {"a": []}
    out["a"].append(out)
    return out


def deep():
    out = []
    for _ in range(101):
        out = [out]
    return out


class Own(rg.Tensor):
    pass


w = rg.ones(2, requires_grad=True)
REFUSED = {
    "a module": (TypeError, rg.nn.Module(), r'obj\["model"\]\[0\] is of type regrad.*Module.*store .*state_dict\('),
    "a function": (TypeError, lambda: 0, "code is not data"),
    "a class": (TypeError, Settings, "code is not data"),
    "an object": (TypeError, Settings(), r"vars\(obj"),
    "a named tuple": (TypeError, Point(1, 2), r"store tuple\(obj"),
    "a generator": (TypeError, rg.Generator(), r"\.get_state\(\)"),
    "NumPy's generator": (TypeError, np.random.default_rng(), r"\.bit_generator\.state"),
    "a path": (TypeError, Path("x"), r"store str\("),
    "a tensor of one's own": (TypeError, Own([1.0]), r"\.detach\(\), a plain tensor"),
    "a tensor of another library": (TypeError, Elsewhere(), r"store rg\.from_numpy\(obj"),
    "no shape yet": (TypeError, rg.nn.parameter.UninitializedParameter(), "call its module once"),
    "text in an array": (TypeError, np.array(["a"]), r"\[0\]: no tensor holds NumPy's str"),
    "a date": (TypeError, np.datetime64("2026-01-01"), "astype"),
    "objects in an array": (TypeError, np.array([None]), r"\[0\]: no tensor holds"),
    "the other byte order": (TypeError, np.zeros(2, ">f4"), "byte order"),
    "a masked array": (TypeError, np.ma.array([1]), r"tolist\(\)"),
    "a dtype of text": (TypeError, np.dtype("U3"), "no tensor holds"),
    "a tensor as a key": (TypeError, {w: 1}, "as a key"),
    "a loop": (ValueError, loop(), "holds itself"),
    "a deep tree": (ValueError, deep(), "100 levels"),
}  # fmt: skip


@pytest.mark.parametrize(("error", "value", "match"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_data_is_refused_before_a_file_is_touched(error, value, match, tmp_path):
    path = tmp_path / "f"
    save("old", path)
    with pytest.raises(error, match=match):
        save({"epoch": 1, "model": [value]}, path)
    assert "old" == load(path)
    assert {"f"} == names(tmp_path)


def test_an_attached_tensor_is_refused_before_a_file_is_touched(tmp_path):
    with pytest.raises(rg.PickleAttachedError, match=r"MulBackward0.*\.detach\(\).*rg\.dumps.*values_only"):
        save({"epoch": 1, "model": [w * 2]}, tmp_path / "f")
    assert set() == names(tmp_path)


def test_values_of_attached_tensors_are_stored_if_one_says_so():
    with rg.graph.values_only():
        after = twin(w * 2)
    assert same(rg.full((2,), 2.0), after)


def test_a_header_that_no_reader_would_take_is_refused(monkeypatch):
    monkeypatch.setattr(files, "_LONGEST_HEADER", 1000)
    with pytest.raises(ValueError, match="put long lists of numbers into tensors"):
        written(list(range(1000)))


def test_a_tensor_that_changes_meanwhile_is_noticed(tmp_path):
    x, path = rg.zeros(1 << 20), tmp_path / "f"
    save("old", path)

    class Slow(io.BytesIO):
        def write(self, piece):
            x.array[-1] = 1
            return super().write(piece)

    with pytest.raises(RuntimeError, match="'x' was written to while"):
        save({"x": x}, Slow())
    assert "old" == load(path)


# -- the file, and what a failure leaves of it


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@contextlib.contextmanager
def umask(mask):
    was = os.umask(mask)
    try:
        yield
    finally:
        os.umask(was)


posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and locks of POSIX")


@posix
def test_a_new_file_has_the_permissions_that_new_files_have(tmp_path):
    with umask(0o027):
        save([], tmp_path / "f")
    assert 0o640 == mode_of(tmp_path / "f")


@posix
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "f"
    path.touch()
    path.chmod(0o604)
    with umask(0o077):
        save([], path)
    assert 0o604 == mode_of(path)


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "latest", tmp_path / "there" / "f"
    link.symlink_to(target)
    for value in (1, 2):  # the first makes the target
        save(value, link)
        assert (value, True) == (load(target), link.is_symlink())
    assert {"f"} == names(tmp_path / "there")


def test_a_file_that_is_mapped_stays_as_it_was_when_it_is_replaced(tmp_path):
    path = tmp_path / "f"
    save(rg.ones(5000), path)
    mapped = load(path, mmap=True)
    save(rg.zeros(5000), path)
    assert 5000 == mapped.sum()


def test_writing_to_a_mapped_tensor_leaves_the_file_alone(tmp_path):
    given = {"a": rg.ones(3), "b": rg.arange(3, dtype=rg.int8), "c": rg.rand(2, 3).t(), "d": rg.zeros(0),
             "e": rg.zeros(1).expand(3)}  # fmt: skip
    save(given, tmp_path / "f")
    mapped = load(tmp_path / "f", mmap=True)
    assert same(given, mapped)
    assert given["c"].stride() == mapped["c"].stride()
    mapped["a"].mul_(5)
    assert same(given, load(tmp_path / "f", mmap=True))


def test_a_mapped_array_that_is_not_aligned_is_copied(tmp_path):
    raw = foreign(b'{"x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}   ', np.ones(2).tobytes())
    assert 2 == (len(raw) - 16) % 8
    (tmp_path / "f").write_bytes(raw)
    assert [1, 1] == load(tmp_path / "f", mmap=True)["x"].tolist()


@pytest.mark.parametrize(("where", "number", "match"), [
    ("nowhere/f", errno.ENOENT, "parent directory .*nowhere does not exist; make it first"),
    ("f/g", errno.ENOTDIR, "not a directory"),
    (".", errno.EISDIR, "name a file in it"),
])  # fmt: skip
def test_a_place_where_no_file_can_be_is_said(where, number, match, tmp_path):
    save("old", tmp_path / "f")
    with pytest.raises(SaveError, match=match) as caught:
        save([], tmp_path / where)
    assert (number, str(tmp_path / where)) == (caught.value.errno, caught.value.filename)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, RuntimeError)
    assert {"f"} == names(tmp_path)


@posix
def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SaveError, match="no ordinary file"):
        save([], tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    save("old", tmp_path / "f")
    monkeypatch.setattr(os, "access", lambda path, how: False)  # root may write to anything
    with pytest.raises(SaveError, match="permission denied"):
        save("new", tmp_path / "f")
    assert "old" == load(tmp_path / "f")


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "interrupt"])
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(step, tmp_path, monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt if step == "interrupt" else OSError(errno.ENOSPC, "full")

    save("old", tmp_path / "f")
    if step in ("write", "interrupt"):
        monkeypatch.setattr(files, "_pour", fail)
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt if step == "interrupt" else SaveError, match=r"no room for [\d,]+ bytes|^$"):
        save(checkpoint(), tmp_path / "f")
    monkeypatch.undo()
    assert "old" == load(tmp_path / "f")
    assert {"f"} == names(tmp_path)


@posix
def test_a_file_that_cannot_grow_leaves_the_old_one_and_nothing_else(tmp_path):
    import resource

    save("old", tmp_path / "f")
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, was[1]))
    try:
        with pytest.raises(SaveError) as caught:
            save(rg.ones(1 << 20), tmp_path / "f")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
    assert errno.EFBIG == caught.value.errno
    assert "old" == load(tmp_path / "f")
    assert {"f"} == names(tmp_path)


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_an_error_for_file_objects_too():
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        save(rg.ones(10), file)


@posix
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    import fcntl

    dead, living, other, mine = (tmp_path / f".{name}.saving" for name in (
        "f.0123456789abcdef", "f.fedcba9876543210", "g.0123456789abcdef", "f"))  # fmt: skip
    for path in (dead, living, other, mine):
        path.touch()
    with living.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        save([], tmp_path / "f")
    assert {"f", living.name, other.name, mine.name} == names(tmp_path)


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("é" * 127)
    save([], path)
    assert {path.name} == names(tmp_path)


def test_many_threads_may_save_to_one_path(tmp_path):
    failed = []

    def work(i):
        try:
            for _ in range(10):
                save({"i": i, "x": rg.full((1000,), i)}, tmp_path / "f")
                found = load(tmp_path / "f")
                assert found["x"].tolist() == [found["i"]] * 1000
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failed
    assert {"f"} == names(tmp_path)


def test_neither_way_needs_memory_for_a_copy(tmp_path):
    big = {"a": rg.ones(4 << 20), "b": rg.ones(2 << 10, 2 << 10).t()}
    size = 32 << 20

    def peak(work):
        tracemalloc.start()
        try:
            kept = work()
            return tracemalloc.get_traced_memory()[1], kept
        finally:
            tracemalloc.stop()

    assert peak(lambda: save(big, tmp_path / "f"))[0] < 4 << 20
    used, after = peak(lambda: load(tmp_path / "f"))
    assert size < used < size + (4 << 20)
    assert same(big["b"], after["b"])
    assert peak(lambda: load(tmp_path / "f", mmap=True)["a"])[0] < 20 << 20


# -- files that are not as they should be


def damaged(change):
    """A file of ours whose description was changed on purpose, with check sums that fit."""
    raw = written({"a": [rg.ones(2)], "b": 1})
    entries, data = header_of(raw)
    described = json.loads(entries["__metadata__"]["regrad"])
    change(described)
    entries["__metadata__"] = {"regrad.crc32": "0" * 8, "regrad": json.dumps(described)}
    text = json.dumps(entries, separators=(",", ":")).encode()
    lead = len(text).to_bytes(8, "little")
    return lead + text.replace(b"0" * 8, b"%08x" % zlib.crc32(lead + text), 1) + data


def x(dtype="F32", shape=(1,), offsets=(0, 4), name="x"):
    return {name: {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


def tree(value):
    return damaged(lambda described: described.update(tree=value))


FOREIGN = {
    "empty": (b"", "0 bytes"),
    "short": (b"abc", "3 bytes"),
    "text": (b"hello, world, this is text", "no safetensors file"),
    "PyTorch": (b"PK\x03\x04\0\0\x08\x08" + bytes(18) + b"archive/data.pkl" + bytes(100), "PyTorch.*save_file"),
    "old PyTorch": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(100), "PyTorch.*save_file"),
    "rg.dumps": (rg.dumps(rg.ones(1)), r"rg\.loads"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "a header beyond the end": (b"\xff" * 8 + b"{}", "would have 18,446,744,073,709,551,615 bytes"),
    "no JSON": (foreign(b"{]"), "header cannot be read"),
    "no header": (bytes(8), "header cannot be read"),
    "a list": (foreign(b"[]"), "no dictionary"),
    "not UTF-8": (foreign(b'{"\xff":1}'), "header cannot be read"),
    "NaN": (foreign(b'{"a":NaN}'), "no JSON"),
    "deep JSON": (foreign(b"[" * 100_000), "header cannot be read"),
    "a long number": (foreign(b'{"a":' + b"9" * 10_000 + b"}"), "header cannot be read"),
    "a name twice": (foreign(b'{"a":1,"a":1}'), "twice"),
    "metadata that is no text": (foreign({"__metadata__": {"a": 1}}), "__metadata__"),
    "an entry that is none": (foreign({"x": 3}), "entry of 'x' is wrong"),
    "an entry without a shape": (foreign({"x": {"dtype": "F32", "data_offsets": [0, 0]}}), "is wrong.*shape"),
    "a negative size": (foreign(x(shape=[-1], offsets=[4, 0]), b"1234"), "natural number"),
    "a size that is true": (foreign(x(shape=[True]), b"1234"), "natural number"),
    "a dtype of today": (foreign(x("F8_E4M3", (4,)), b"1234"), "'F8_E4M3'.*convert it"),
    "a dtype that is none": (foreign(x([]), b"1234"), "is wrong"),
    "a shape of another size": (foreign(x(shape=[2]), b"1234"), "shape .2. and dtype float32, but 4 bytes"),
    "a size beyond numbers": (foreign(x(shape=[2**62, 2**62], offsets=[0, 2**126]), b"1234"), "and it holds 4 "),
    "an empty array beyond bounds": (foreign(x(shape=[0, 2**70], offsets=[0, 0])), "wrong"),
    "too many dimensions": (foreign(x(shape=[1] * 100), b"1234"), "wrong"),
    "overlap": (foreign({**x(), **x(offsets=[2, 6], name="y")}, b"123456"), "begins at byte 2"),
    "a gap": (foreign(x(offsets=[2, 6]), b"123456"), "begins at byte 2"),
    "cut short": (foreign(x(), b"123"), "have 4 bytes, and it holds 3"),
    "too long": (foreign(x(), b"12345"), "have 4 bytes, and it holds 5"),
    "no bool": (foreign(x("BOOL", (4,)), b"\0\1\2\1"), "other than 0 and 1"),
    "a later version": (damaged(lambda d: d.update(version=99)), "this Regrad reads version 1: update it"),
    "no version": (damaged(lambda d: d.pop("version")), "description is wrong"),
    "no record": (damaged(lambda d: d.pop("records")), "description is wrong"),
    "another check sum": (damaged(lambda d: d["records"]["a.0"].update(crc32="00000000")), "elements of 'a.0' are not"),
    "an order of nothing": (damaged(lambda d: d["records"]["a.0"].update(order=[1])), "no order"),
    "another dtype": (damaged(lambda d: d["records"]["a.0"].update(dtype="os")), "no dtype"),
    "a dtype of another size": (
        damaged(lambda d: d["records"]["a.0"].update(dtype="complex128")), "complex128, but 8 bytes"),
    "an unknown kind": (tree({"eval": "1"}), "no kind"),
    "nothing": (tree({}), "description is wrong"),
    "an unknown tensor": (tree({"tensor": "b"}), "KeyError"),
    "an unknown keyword": (tree({"tensor": "a.0", "self": 1}), "TypeError"),
    "a view beyond the end": (tree({"tensor": "a.0", "view": ["float32", [3], [4], 0]}), "description is wrong"),
    "a view before the beginning": (tree({"tensor": "a.0", "view": ["float32", [2], [4], -4]}), "description is wrong"),
    "a view of objects": (tree({"tensor": "a.0", "view": ["object", [1], [8], 0]}), "no dtype"),
    "a list as a key": (tree({"dict": [[[1], 2]]}), "unhashable"),
    "a key twice": (tree({"dict": [[1, 2], [1, 3]]}), "twice"),
    "what is not there yet": (tree([{"same": 0}]), "holds itself"),
    "what is never there": (tree([{"same": 7}]), "IndexError"),
    "a deep tree": (tree(json.loads("[" * 150 + "]" * 150)), "100 levels"),
    "no float": (tree({"float": "xyz"}), "description is wrong"),
    "a range of nothing": (tree({"range": [1, 2, 0]}), "description is wrong"),
    "an integer that requires grad": (
        tree({"tensor": "a.0", "view": ["int8", [1], [1], 0], "requires_grad": True}), "wrong"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "match"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_file_of_ours_says_what_it_is(raw, match, tmp_path):
    path = tmp_path / "what.bin"
    path.write_bytes(raw)
    for source in (path, io.BytesIO(raw)):
        with pytest.raises(FileFormatError, match=match) as caught:
            load(source)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, RuntimeError)
        assert ("what.bin" in str(caught.value)) == (source is path)
    assert raw == path.read_bytes()


@pytest.mark.parametrize("name", ["f.npz", "f.npy"])
def test_files_of_numpy_say_how_to_read_them(name, tmp_path):
    (np.savez if name == "f.npz" else np.save)(tmp_path / name, np.ones(100))
    with pytest.raises(FileFormatError, match=r"np\.load"):
        load(tmp_path / name)


def test_a_file_that_another_program_has_rewritten_says_so(tmp_path):
    save({"a": rg.ones(2)}, tmp_path / "f")
    with safetensors.safe_open(tmp_path / "f", "np") as file:
        metadata = file.metadata()
    safetensors.numpy.save_file({"a": np.zeros(2)}, tmp_path / "f", metadata)
    with pytest.raises(FileFormatError, match=r"safetensors\.numpy\.load_file"):
        load(tmp_path / "f")


def test_every_bit_of_a_file_counts():
    given = {"a": [rg.ones(2), 1.5], "b": rg.arange(3)}
    raw = written(given)
    for i in range(len(raw)):
        changed = bytearray(raw)
        changed[i] ^= 1 << i % 8
        with pytest.raises(FileFormatError):
            load(io.BytesIO(changed))


def test_a_file_cut_anywhere_is_noticed():
    raw = written({"a": [rg.ones(2), 1.5], "b": rg.arange(3)})
    for i in range(len(raw)):
        with pytest.raises(FileFormatError):
            load(io.BytesIO(raw[:i]))
