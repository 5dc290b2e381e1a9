"""Batches from samples of every kind, and what is said when samples do not fit together."""

import collections

import numpy as np
import pytest

import regrad as rg
import regrad.utils.data as D
from regrad.utils.data.collate import collate, default_collate_fn_map

Point = collections.namedtuple("Point", ["x", "y"])


def shown(batch):
    """What a batch consists of: types, dtypes, numbers."""
    if isinstance(batch, rg.Tensor):
        return f"{batch.dtype.name}{batch.tolist()}"
    if isinstance(batch, dict):
        return {key: shown(part) for key, part in batch.items()}
    if isinstance(batch, Point):
        return Point(*map(shown, batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map(shown, batch))
    return batch


COLLATED = [  # (samples, batch)
    ([1, 2], "int64[1, 2]"),
    ([1.0, 2.0], "float64[1.0, 2.0]"),
    ([1, 2.5], "float32[1.0, 2.5]"),
    ([True, False], "bool[True, False]"),
    (["a", "b"], ["a", "b"]),
    ([b"a", b"b"], [b"a", b"b"]),
    ([np.float32(1), np.float32(2)], "float32[1.0, 2.0]"),
    ([np.uint8(1), np.uint8(2)], "uint8[1, 2]"),
    ([np.bool_(True)], "bool[True]"),
    ([np.arange(2), np.arange(2)], "int64[[0, 1], [0, 1]]"),
    ([np.array(1.5), np.array(2.5)], "float64[1.5, 2.5]"),
    ([rg.tensor([1.0]), rg.tensor([2.0])], "float32[[1.0], [2.0]]"),
    ([rg.tensor(1), rg.tensor(2)], "int64[1, 2]"),
    ([rg.tensor([1]), rg.tensor([2.0])], "float32[[1.0], [2.0]]"),
    ([rg.ones(0, 2)], "float32[[]]"),
    ([(1, "a"), (2, "b")], ["int64[1, 2]", ("a", "b")]),
    ([[1, 2.0], [3, 4.0]], ["int64[1, 3]", "float64[2.0, 4.0]"]),
    ([{"x": 1, "y": [2]}, {"x": 3, "y": [4]}], {"x": "int64[1, 3]", "y": ["int64[2, 4]"]}),
    ([Point(1, 2.0), Point(3, 4.0)], Point("int64[1, 3]", "float64[2.0, 4.0]")),
    ([(), ()], []),
    ([range(2), range(2)], ["int64[0, 0]", "int64[1, 1]"]),
]


@pytest.mark.parametrize(("samples", "batch"), COLLATED)
def test_samples_become_a_batch(samples, batch):
    assert batch == shown(D.default_collate(samples))


def test_containers_keep_their_type():
    class Bag(dict):
        owner = "me"

    bag = Bag(a=1)
    bag.owner = "you"
    out = D.default_collate([bag, Bag(a=2)])
    assert (Bag, "you", "int64[1, 2]") == (type(out), out.owner, shown(out["a"]))
    assert ({"a": 1}, collections.UserList) == (bag, type(D.default_collate([collections.UserList([1])])))


def test_a_batch_is_part_of_the_graph_of_its_samples():
    w = rg.ones(2, requires_grad=True)
    D.default_collate([w * 2, w]).sum().backward()
    assert [3.0, 3.0] == w.grad.tolist()


def test_the_table_may_be_extended():
    class Thing:
        pass

    with pytest.raises(TypeError, match="found <class"):
        D.default_collate([Thing()])
    default_collate_fn_map[Thing] = lambda batch, *, collate_fn_map: len(batch)
    try:
        assert [2, "int64[1, 2]"] == shown(D.default_collate([(Thing(), 1), (Thing(), 2)]))
    finally:
        del default_collate_fn_map[Thing]


def test_a_table_of_ones_own_replaces_the_default():
    total = {int: lambda batch, *, collate_fn_map: sum(batch)}
    assert {"a": [3]} == collate([{"a": [1]}, {"a": [2]}], collate_fn_map=total)


REFUSED = [  # (samples, the error, its words)
    ([rg.ones(2), rg.ones(3)], RuntimeError, r"stack expects each .* got \[2\] at entry 0 and \[3\] at entry 1; make"),
    ([(0, {"a": rg.ones(2)}), (0, {"a": rg.ones(3)})], RuntimeError, r"\(at \[1\]\['a'\] of the samples\)"),
    ([Point(0, np.ones(2)), Point(0, np.ones(3))], RuntimeError, r"\(at \.y of the samples\)"),
    ([(1, 2), (1,)], RuntimeError, "equal size, but sample 0 has 2 parts and sample 1 has 1"),
    ([[1], 2], TypeError, "sample 0 is a list, sample 1 a int"),
    ([{"a": 1}, {"b": 1}], KeyError, "sample 0 has the key 'a', sample 1 has not"),
    ([None, None], TypeError, "found <class 'NoneType'>; .* a sample is None: does every"),
    ([1, None], RuntimeError, "sample 1 is <class 'NoneType'>; a sample is None"),
    ([1, "a"], TypeError, "sample 1 is <class 'str'>"),
    ([rg.ones(1), 2], TypeError, "sample 0 is a tensor, sample 1 is int"),
    ([np.array(["a"])], TypeError, "must contain tensors.*found <U1"),
    ([1j, 2j], TypeError, "found <class 'complex'>"),
    ([{1}], TypeError, "found <class 'set'>"),
    ([], IndexError, "the batch is empty"),
]


@pytest.mark.parametrize(("samples", "error", "words"), REFUSED)
def test_samples_that_do_not_fit_are_named(samples, error, words):
    with pytest.raises(error, match=words):
        D.default_collate(samples)


def test_the_loader_adds_the_index_in_the_dataset():
    data = [rg.ones(2), rg.ones(2), rg.ones(4), rg.ones(2)]
    words = r"\[2\] at entry 0 and \[4\] at entry 1.*\[sample 1 of this batch is index 2 of the dataset, sample 0 is"
    with pytest.raises(RuntimeError, match=words + " index 3"):
        list(D.DataLoader(data, batch_size=2, sampler=[3, 2]))


CONVERTED = [  # (sample, converted)
    (1, 1),
    (None, None),
    ("a", "a"),
    (b"a", b"a"),
    (np.arange(2), "int64[0, 1]"),
    (np.float32(2), "float322.0"),
    (np.str_("a"), "a"),
    ([np.arange(1), 1], ["int64[0]", 1]),
    ((np.arange(1), 1), ["int64[0]", 1]),
    ({"a": np.arange(1)}, {"a": "int64[0]"}),
    (Point(np.arange(1), 2), Point("int64[0]", 2)),
    (range(2), [0, 1]),
]


@pytest.mark.parametrize(("sample", "converted"), CONVERTED)
def test_a_single_sample_is_converted(sample, converted):
    assert converted == shown(D.default_convert(sample))


def test_converting_leaves_texts_and_tensors_alone():
    for sample in (rg.ones(1), np.array(["a"]), np.array([None])):
        assert D.default_convert(sample) is sample
