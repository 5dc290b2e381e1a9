"""Files: any tree comes back as it was, and a damaged file is refused or says the same.

Start reading at ``trees``.
"""

import contextlib
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import regrad as rg
from regrad.errors import FileFormatError
from regrad.files import load, save

DTYPES = ["bool", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64", "complex64", "complex128"]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary())
keys = st.one_of(st.integers(), st.text(), st.tuples(st.integers(), st.text()), st.none())
leaves = st.one_of(plain, arrays, arrays.map(rg.from_numpy), arrays.map(lambda a: rg.from_numpy(a.T)))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner), st.tuples(inner, inner)),
    max_leaves=10,
)


def written(thing):
    file = io.BytesIO()
    save(thing, file)
    return file.getvalue()


def exact(x):
    """``x`` as something that is equal only to what is equal in every bit."""
    if isinstance(x, rg.Tensor):
        steps = [step for n, step in zip(x.shape, x.stride()) if n > 1 and x.numel()]  # the others lead nowhere
        return "tensor", exact(x.numpy()), steps
    if isinstance(x, np.ndarray):
        return x.dtype.str, x.shape, x.tobytes()
    if isinstance(x, dict):
        return [(exact(k), exact(v)) for k, v in x.items()]
    if isinstance(x, (list, tuple)):
        return type(x), [exact(v) for v in x]
    if isinstance(x, float):
        return struct.pack(">d", x)
    if isinstance(x, complex):
        return struct.pack(">dd", x.real, x.imag)
    return type(x), x


@given(trees)
def test_any_tree_comes_back_as_it_was(tree):
    assert exact(tree) == exact(load(io.BytesIO(written(tree))))


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), arrays.filter(lambda a: a.dtype != "complex128")))
def test_a_dictionary_of_arrays_goes_both_ways_between_the_libraries(state):
    here = {name: rg.from_numpy(array) for name, array in state.items()}
    there = safetensors.numpy.load(written(here))
    assert {name: exact(array) for name, array in state.items() if name != "__metadata__"} == {
        name: exact(array) for name, array in there.items() if not name.startswith("__metadata__")
    }
    back = load(io.BytesIO(safetensors.numpy.save(there)))
    assert {k: exact(v) for k, v in there.items()} == {k: exact(v.numpy()) for k, v in back.items()}


@st.composite
def views(draw):
    """Several views of one memory, in any order and with any steps."""
    base = rg.arange(24.0)
    out = []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(hnp.array_shapes(max_dims=3, max_side=4))
        steps = draw(st.tuples(*[st.integers(0, 3)] * len(shape)))
        last = sum((n - 1) * s for n, s in zip(shape, steps))
        offset = draw(st.integers(0, max(23 - last, 0)))
        if last <= 23:
            out.append(base.as_strided(shape, steps, offset))
    return out


@given(views(), st.data())
def test_what_shares_memory_shares_it_again(tensors, data):
    after = load(io.BytesIO(written(tensors)))
    assert [x.tolist() for x in tensors] == [x.tolist() for x in after]
    if tensors:
        i = data.draw(st.integers(0, len(tensors) - 1))
        for group in (tensors, after):
            group[i].array.flat[0] = -1  # as_strided views with shared elements refuse operations in place
        assert [x.tolist() for x in tensors] == [x.tolist() for x in after]


TREE = {"w": rg.arange(6.0).reshape(2, 3).t(), "m": rg.tensor([True, False]), "list": [1, float("nan"), (None, "text")],
        "z": rg.ones(2, dtype=rg.complex128), "tied": [rg.ones(3)] * 2, "bytes": b"abc"}  # fmt: skip
RAW = written(TREE)
FOREIGN = safetensors.numpy.save({"a": np.arange(6.0).reshape(2, 3), "b": np.ones(3, bool), "c": np.zeros((0, 2))})
changes = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 10_000), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 10_000), st.integers(1, 50)),
        st.tuples(st.just("put"), st.integers(0, 10_000), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("end"), st.integers(0, 10_000), st.none()),
        st.tuples(st.just("lead"), st.integers(0, 2**64 - 1), st.none()),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def changed(raw, what):
    out = bytearray(raw)
    for kind, at, how in what:
        i = at % (len(out) + 1)
        if kind == "flip" and i < len(out):
            out[i] ^= how
        elif kind == "cut":
            del out[i : i + how]
        elif kind == "put":
            out[i:i] = how
        elif kind == "end":
            del out[i:]
        elif kind == "lead":
            out[:8] = at.to_bytes(8, "little")
    return bytes(out)


@given(changes)
def test_a_damaged_file_is_refused_or_says_the_same(what):
    try:
        after = load(io.BytesIO(changed(RAW, what)))
    except FileFormatError:
        return
    assert exact(TREE) == exact(after)


@given(changes)
def test_a_damaged_file_from_elsewhere_never_does_worse_than_be_refused(what):
    """It has no check sums: what is in it may be wrong, but is tensors by name."""
    raw = changed(FOREIGN, what)
    try:
        after = load(io.BytesIO(raw))
    except FileFormatError:
        return
    assert sum(x.nbytes for x in after.values()) < len(raw)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_be_refused(data):
    for raw in (data, len(data).to_bytes(8, "little") + data):
        try:
            load(io.BytesIO(raw))
        except FileFormatError:
            continue
        assert raw[8:].strip() == b"{}"


sizes = st.one_of(st.integers(-1, 4), st.integers(0, 2**70), st.none(), st.floats(), st.text(max_size=2))
several = st.one_of(sizes, st.lists(sizes, max_size=3))
entries = st.dictionaries(
    st.text(max_size=3),
    st.fixed_dictionaries({
        "dtype": st.sampled_from(["F32", "BOOL", "C64", "F4", 3, None]), "shape": several, "data_offsets": several,
    }),
)  # fmt: skip


@pytest.mark.parametrize("room", [0, 4, 100])
@given(entries)
def test_a_header_of_nonsense_costs_no_memory(room, header):
    text = json.dumps(header).encode()
    raw = len(text).to_bytes(8, "little") + text + bytes(room)
    tracemalloc.start()
    try:
        with contextlib.suppress(FileFormatError):
            load(io.BytesIO(raw))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
