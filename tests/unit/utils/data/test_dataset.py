"""Datasets, alone and put together; the short cut for batches of tensors gives what the long way gives."""

import numpy as np
import pytest

import regrad as rg
import regrad.utils.data as D
from regrad.utils.data.dataset import gather


class Squares(D.Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not -self.n <= i < self.n:
            raise IndexError(i)
        return i**2


class Count(D.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def plain(sample):
    """Tensors as lists."""
    if isinstance(sample, (tuple, list)):
        return type(sample)(plain(part) for part in sample)
    return sample.tolist() if hasattr(sample, "tolist") else sample


def test_datasets_are_added_end_to_end():
    both = Squares(3) + Squares(2)
    assert [0, 1, 4, 0, 1] == [both[i] for i in range(5)]
    assert (5, [3, 5], 1) == (len(both), both.cumulative_sizes, both[-1])


def test_streams_are_added_end_to_end():
    both = Count(2) + Count(1)
    assert ([0, 1, 0], 3) == (list(both), len(both))


def test_a_stack_gives_tuples_or_dicts():
    assert (4, "c") == D.StackDataset(Squares(3), "abc")[2]
    named = D.StackDataset(n=D.Subset(Squares(3), [2, 1]), s="ab")
    assert {"n": 4, "s": "a"} == named[0]
    assert [named[1], named[0]] == named.__getitems__([1, 0])
    assert [(1, "b")] == D.StackDataset(Squares(3), "abc").__getitems__([1])


def test_a_subset_fetches_batches_as_its_dataset_does():
    class Several(Squares):
        def __getitems__(self, indices):
            return ["several", *indices]

    assert ["several", 3, 0] == D.Subset(Several(4), [0, 1, 3]).__getitems__([2, 0])
    assert [9, 0] == D.Subset(Squares(4), [0, 1, 3]).__getitems__([2, 0])


def test_a_random_split_shares_out_every_sample_once():
    parts = D.random_split(Squares(10), [0.35, 0.35, 0.3], generator=rg.Generator().manual_seed(1))
    again = D.random_split(Squares(10), [4, 3, 3], generator=rg.Generator().manual_seed(1))
    assert [4, 3, 3] == [len(part) for part in parts]
    assert [part.indices for part in again] == [part.indices for part in parts]
    assert list(range(10)) == sorted(i for part in parts for i in part.indices)


def test_a_split_that_gets_nothing_is_warned_of():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        D.random_split(Squares(2), [0.9, 0.1])


REFUSED = [  # (what, the error, its words)
    (lambda: D.Dataset()[0], NotImplementedError, "should implement __getitem__"),
    (lambda: D.IterableDataset(), TypeError, "abstract"),
    (lambda: D.TensorDataset(rg.ones(2), rg.ones(3)), AssertionError, "Size mismatch between tensors.*2, 3"),
    (lambda: D.TensorDataset(np.ones(2)), TypeError, "argument 0 is ndarray.*as_tensor"),
    (lambda: D.TensorDataset(), IndexError, "at least one tensor"),
    (lambda: D.StackDataset(), ValueError, "At least one dataset"),
    (lambda: D.StackDataset("a", b="b"), ValueError, "both types"),
    (lambda: D.StackDataset("a", "bc"), ValueError, r"Size mismatch between datasets.*\[1, 2\]"),
    (lambda: D.StackDataset(_Short()).__getitems__([0, 1]), ValueError, "Expected 2, got 0"),
    (lambda: D.ConcatDataset([]), AssertionError, "empty"),
    (lambda: D.ConcatDataset([Count(1)]), AssertionError, "ChainDataset does"),
    (lambda: D.ConcatDataset(["ab"])[-3], ValueError, "absolute value of index"),
    (lambda: D.ConcatDataset(["ab"])[2], IndexError, "index 2 is out of range for 2"),
    (lambda: list(D.ChainDataset([[1]])), AssertionError, "only supports IterableDataset, got list"),
    (lambda: D.random_split([1, 2], [1, 2]), ValueError, "add up to 3, the dataset has 2"),
    (lambda: D.random_split([1, 2], [1.5, -0.5]), ValueError, "Fraction at index 0"),
    (lambda: _Half([1], [0]), NotImplementedError, "__getitem__ but not __getitems__"),
]


class _Half(D.Subset):
    def __getitem__(self, i):
        return i


class _Short(D.Dataset):
    def __len__(self):
        return 2

    def __getitems__(self, indices):
        return []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[2])
def test_mistakes_are_named(case):
    what, error, words = case
    with pytest.raises(error, match=words):
        what()


# -- the short cut


class Doubled(D.TensorDataset):
    def __getitem__(self, i):
        return tuple(2 * x for x in super().__getitem__(i))


class Together(D.TensorDataset):
    def __getitems__(self, indices):
        return [("together", i) for i in indices]


ROWS = rg.arange(12.0).reshape(6, 2)
TENSORS = (ROWS, rg.arange(6), rg.arange(6.0).requires_grad_(), ROWS.bool(), ROWS.t().contiguous().t(), rg.ones(6, 0))
ALL = D.TensorDataset(*TENSORS)


@pytest.mark.parametrize("indices", [[0], [5, 0, 0], [-1, 2], (3, 1), np.array([4, 2]), rg.tensor([1, 5]).tolist()])
@pytest.mark.parametrize("dataset", [
    ALL,
    D.Subset(ALL, [5, 4, 3, 2, 1, 0]),
    D.Subset(D.Subset(ALL, range(6)), range(6)),
])
def test_the_short_cut_gives_what_collating_gives(dataset, indices):
    short, long = gather(dataset, indices), D.default_collate([dataset[i] for i in indices])
    assert plain(long) == plain(short)
    for a, b in zip(long, short):
        assert (type(a), a.dtype, a.shape, a.requires_grad) == (type(b), b.dtype, b.shape, b.requires_grad)
        assert not np.shares_memory(b.array, ROWS.array)


def test_the_short_cut_lets_gradients_through():
    (x,) = gather(D.TensorDataset(w := rg.zeros(3, requires_grad=True)), [2, 2, 0])
    x.sum().backward()
    assert [1.0, 0.0, 2.0] == w.grad.tolist()


@pytest.mark.parametrize(("dataset", "indices"), [
    (Doubled(ROWS), [0]),
    (Together(ROWS), [0]),
    (D.Subset(Doubled(ROWS), [0]), [0]),
    (Squares(3), [0]),
    (D.TensorDataset(rg.nn.Parameter(rg.ones(3))), [0]),
    (ALL, [6]),
    (ALL, [0.5]),
    (ALL, [True]),
    (ALL, [[0, 1]]),
    (ALL, [slice(2)]),
    (ALL, []),
    (D.Subset(ALL, [0]), [1]),
])
def test_the_short_cut_leaves_everything_else_to_the_long_way(dataset, indices):
    assert gather(dataset, indices) is None


def test_the_loader_takes_the_overridden_way():
    assert [[[0.0, 2.0], [4.0, 6.0]]] == [x.tolist() for (x,) in D.DataLoader(Doubled(ROWS[:2]), batch_size=2)]
    assert [("together", "together")] == [names for names, _ in D.DataLoader(Together(ROWS[:2]), batch_size=2)]
