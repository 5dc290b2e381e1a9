"""The loader without workers: batches, options, seeds, and the words of its errors."""

import os
import pickle
import warnings

import numpy as np
import pytest

import regrad as rg
import regrad.utils.data as D


class Count(D.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def lists(loader):
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in loader]


CUT = [  # (dataset, options, batches)
    (range(5), {"batch_size": 2}, [[0, 1], [2, 3], [4]]),
    (range(5), {"batch_size": 2, "drop_last": True}, [[0, 1], [2, 3]]),
    (range(3), {}, [[0], [1], [2]]),
    (range(3), {"batch_size": None}, [0, 1, 2]),
    ([np.arange(2)], {"batch_size": None}, [[0, 1]]),
    (range(9), {"batch_size": 2, "sampler": [8, 0, 4]}, [[8, 0], [4]]),
    (range(9), {"batch_sampler": [[8], [0, 4]]}, [[8], [0, 4]]),
    (range(4), {"batch_size": 2, "collate_fn": sum}, [1, 5]),
    (range(0), {"batch_size": 2}, []),
    ({0: 5, 1: 6}, {}, [[5], [6]]),
    (Count(5), {"batch_size": 2}, [[0, 1], [2, 3], [4]]),
    (Count(5), {"batch_size": 2, "drop_last": True}, [[0, 1], [2, 3]]),
    (Count(3), {"batch_size": None}, [0, 1, 2]),
    (Count(0), {}, []),
]


@pytest.mark.parametrize(("dataset", "options", "batches"), CUT)
def test_batches_are_cut(dataset, options, batches):
    loader = D.DataLoader(dataset, **options)
    assert batches == lists(loader)
    assert batches == lists(loader)  # as often as one likes
    assert len(batches) == len(loader)


def test_shuffling_gives_every_sample_once_in_an_order_that_the_seed_repeats():
    loader = D.DataLoader(range(50), batch_size=8, shuffle=True)
    rg.manual_seed(5)
    first, second = lists(loader), lists(loader)
    rg.manual_seed(5)
    assert first == lists(loader)
    assert first != second
    assert list(range(50)) == sorted(i for batch in first for i in batch)


def test_an_epoch_takes_two_numbers_from_the_generator_shuffled_and_one_in_order():
    for shuffle, drawn in ((True, 2), (False, 1)):
        rg.manual_seed(1)
        list(D.DataLoader(range(99), shuffle=shuffle))
        after = rg.rand(1)
        generator = rg.manual_seed(1)
        for _ in range(drawn):
            generator.numpy.integers(2**63 - 1)
        assert after.item() == rg.rand(1).item()


def test_a_generator_of_its_own_is_the_only_source():
    before = rg.get_rng_state().tolist()
    orders = [
        lists(D.DataLoader(range(30), shuffle=True, generator=rg.Generator().manual_seed(2))) for _ in range(2)
    ]
    assert orders[0] == orders[1]
    assert before == rg.get_rng_state().tolist()


def test_an_error_of_one_batch_leaves_the_next():
    batches = iter(D.DataLoader([1, None, 3]))
    assert 1 == next(batches).item()
    with pytest.raises(TypeError, match="index 1 of the dataset"):
        next(batches)
    assert 3 == next(batches).item()


def test_a_batch_is_fetched_only_when_it_is_asked_for():
    asked = []

    class Watched(D.Dataset):
        def __getitem__(self, i):
            asked.append(i)
            return i

        def __len__(self):
            return 9

    batches = iter(D.DataLoader(Watched(), batch_size=2))
    next(batches)
    assert [0, 1] == asked
    assert 5 == len(batches)


def test_attributes_are_there_to_read():
    loader = D.DataLoader(range(4), 2, True, pin_memory=True, drop_last=True, pin_memory_device="cuda")
    read = (loader.batch_size, loader.num_workers, loader.drop_last, loader.pin_memory, loader.prefetch_factor)
    assert (2, 0, True, True, None) == read
    assert (D.RandomSampler, D.BatchSampler) == (type(loader.sampler), type(loader.batch_sampler))
    assert D.default_collate is loader.collate_fn
    assert (D.default_convert, None) == (D.DataLoader("a", batch_size=None).collate_fn, loader.multiprocessing_context)
    assert (2, None, False) == (
        D.DataLoader("a", num_workers=1).prefetch_factor,
        D.DataLoader("a", batch_sampler=[[0]]).batch_size,
        D.DataLoader("a", batch_sampler=[[0]]).drop_last,
    )


def test_attributes_that_the_samplers_were_made_from_are_fixed():
    loader = D.DataLoader(range(4))
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoader is initialized"):
            setattr(loader, name, None)
    loader.collate_fn = len
    assert [1, 1, 1, 1] == list(loader)


def test_a_loader_can_be_pickled_and_its_iterator_cannot():
    loader = pickle.loads(pickle.dumps(D.DataLoader(range(3), batch_size=2)))
    assert [[0, 1], [2]] == lists(loader)
    with pytest.raises(NotImplementedError, match="pickle the DataLoader"):
        pickle.dumps(iter(loader))


def test_a_stream_that_is_longer_than_it_said_is_warned_of():
    class Liar(Count):
        def __len__(self):
            return 1

    loader = D.DataLoader(Liar(2))
    assert [[0], [1]] == lists(loader)  # nobody asked for the length
    assert 1 == len(loader)
    with pytest.warns(UserWarning, match=r"reported to be 1 .*, but 2 samples have been fetched"):
        list(loader)


def test_more_processes_than_processors_are_warned_of():
    many = (os.cpu_count() or 1) + 1
    with pytest.warns(UserWarning, match=f"will create {many} worker processes"):
        D.DataLoader("a", num_workers=many)
    with warnings.catch_warnings():
        D.DataLoader("a", num_workers=many, multiprocessing_context="thread")


def test_an_end_of_iteration_inside_a_dataset_does_not_end_the_loop_in_silence():
    class Dry(D.Dataset):
        def __getitem__(self, i):
            return next(iter(()))

        def __len__(self):
            return 1

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(D.DataLoader(Dry()))


def make(**options):
    return D.DataLoader(options.pop("dataset", [1]), **options)


REFUSED = [  # (options, the error, its words)
    ({"num_workers": -1}, ValueError, "num_workers option should be non-negative.*Got -1"),
    ({"num_workers": 1.0}, TypeError, "should be an integer, but got num_workers=1.0"),
    ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, ValueError, "let num_workers > 0"),
    ({"num_workers": 1, "prefetch_factor": 0}, ValueError, "got prefetch_factor=0"),
    ({"persistent_workers": True}, ValueError, "needs num_workers > 0"),
    ({"shuffle": True, "sampler": [0]}, ValueError, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "batch_size": 2}, ValueError, "batch_sampler option is mutually exclusive"),
    ({"batch_sampler": [[0]], "shuffle": True}, ValueError, "batch_sampler option is mutually exclusive"),
    ({"batch_size": None, "drop_last": True}, ValueError, "disables auto-batching"),
    ({"batch_size": 0}, ValueError, "batch_size=0"),
    ({"dataset": Count(1), "shuffle": True}, ValueError, "expected unspecified shuffle option, but got shuffle=True"),
    ({"dataset": Count(1), "sampler": [0]}, ValueError, "expected unspecified sampler option"),
    ({"dataset": Count(1), "batch_sampler": [0]}, ValueError, "expected unspecified batch_sampler option"),
    ({"multiprocessing_context": "spawn"}, ValueError, r"multi-process loading \(num_workers > 0\)"),
    ({"num_workers": 1, "multiprocessing_context": "x"}, ValueError, "valid start method in.*'thread', but got .*'x'"),
    ({"num_workers": 1, "multiprocessing_context": 3}, TypeError, "valid context object.*=3"),
    ({"dataset": [], "shuffle": True}, ValueError, "the dataset is empty"),
    ({"dataset": iter([1])}, TypeError, r"an iterator \(list_iterator\).*IterableDataset"),
    ({"dataset": (i for i in "ab")}, TypeError, r"an iterator \(generator\)"),
    ({"dataset": Count}, TypeError, "got the class Count: make one"),
    ({"dataset": object(), "shuffle": True}, TypeError, "no len.*derive the dataset from IterableDataset"),
]


@pytest.mark.parametrize(("options", "error", "words"), REFUSED)
def test_options_that_contradict_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        make(**options)


FAILING = [  # (options, the error while iterating, its words)
    ({"dataset": object()}, TypeError, "no len.*define __len__"),
    ({"sampler": [7]}, IndexError, r"list index out of range \[the sampler asked for index 7, but .* has 1 samples\]"),
    ({"timeout": 1}, AssertionError, "needs num_workers > 0"),
    ({"dataset": [None]}, TypeError, "a sample is None.*index 0 of the dataset"),
]


@pytest.mark.parametrize(("options", "error", "words"), FAILING)
def test_what_fails_while_iterating_is_explained(options, error, words):
    loader = make(**options)
    with pytest.raises(error, match=words):
        list(loader)
