"""Samplers: what they draw, how often, and from which generator."""

import pytest

import regrad as rg
import regrad.utils.data as D


def test_all_orders_have_every_sample():
    assert [0, 1, 2] == list(D.SequentialSampler("abc"))
    assert list(range(40)) == sorted(D.RandomSampler(range(40))) != list(D.RandomSampler(range(40)))
    assert [3, 5, 7] == sorted(D.SubsetRandomSampler([7, 3, 5]))


@pytest.mark.parametrize("count", [1, 5, 7, 20, 70])
def test_a_random_sampler_draws_as_many_as_it_is_told(count):
    rounds = list(D.RandomSampler(range(5), num_samples=count))
    assert count == len(rounds) == len(D.RandomSampler(range(5), num_samples=count))
    assert max(map(rounds.count, range(5))) <= min(map(rounds.count, range(5))) + 1
    drawn = list(D.RandomSampler(range(5), replacement=True, num_samples=count))
    assert count == len(drawn)
    assert set(drawn) <= set(range(5))


def test_weights_are_followed():
    drawn = list(D.WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert 0 == drawn.count(1)
    assert 0.7 < drawn.count(2) / 4000 < 0.8
    assert [0, 2] == sorted(D.WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False))


def test_batches_are_cut_from_any_iterable():
    assert [[0, 1], [2]] == list(D.BatchSampler(range(3), 2, False))
    assert [[0, 1]] == list(D.BatchSampler(iter(range(3)), 2, True))
    lengths = [len(D.BatchSampler(range(n), 2, drop)) for n in (3, 4) for drop in (False, True)]
    assert [2, 1, 2, 2] == lengths


SAMPLERS = [
    lambda g: D.RandomSampler(range(100), generator=g),
    lambda g: D.RandomSampler(range(100), replacement=True, generator=g),
    lambda g: D.SubsetRandomSampler(range(100), generator=g),
    lambda g: D.WeightedRandomSampler([1.0] * 100, 10, generator=g),
]


@pytest.mark.parametrize("make", SAMPLERS)
def test_the_seed_repeats_the_order(make):
    rg.manual_seed(3)
    first, second = list(make(None)), list(make(None))
    rg.manual_seed(3)
    assert (first, second) == (list(make(None)), list(make(None)))
    assert first != second
    before = rg.get_rng_state()
    own = list(make(rg.Generator().manual_seed(3)))
    assert own == list(make(rg.Generator().manual_seed(3)))
    assert before.tolist() == rg.get_rng_state().tolist()  # a generator of its own leaves the default one alone


def test_a_random_sampler_draws_one_number_however_long_it_is():
    rg.manual_seed(0)
    list(D.RandomSampler(range(1000)))
    after_many = rg.rand(1).item()
    rg.manual_seed(0)
    list(D.RandomSampler(range(2)))
    assert after_many == rg.rand(1).item()


def test_the_length_may_change_between_passes():
    samples = [1, 2]
    sampler = D.RandomSampler(samples)
    samples.append(3)
    assert [0, 1, 2] == sorted(sampler)


REFUSED = [  # (what, the error, its words)
    (lambda: iter(D.Sampler()), NotImplementedError, "should implement __iter__"),
    (lambda: len(D.Sampler()), TypeError, "len"),
    (lambda: D.RandomSampler([]), ValueError, "num_samples=0: the dataset is empty"),
    (lambda: D.RandomSampler("ab", 1), TypeError, "replacement=1"),
    (lambda: D.RandomSampler("ab", num_samples=1.5), ValueError, "positive integer value, but got num_samples=1.5"),
    (lambda: list(D.RandomSampler([], num_samples=2)), ValueError, "the dataset is empty"),
    (lambda: D.RandomSampler(object()), TypeError, "'object' has no len.*define __len__"),
    (lambda: iter(D.SequentialSampler(object())), TypeError, "'object' has no len.*define __len__"),
    (lambda: D.WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
    (lambda: D.WeightedRandomSampler([1.0], 1, 1), ValueError, "replacement=1"),
    (lambda: D.WeightedRandomSampler([[1.0]], 1), ValueError, r"1d sequence.*\(1, 1\)"),
    (lambda: D.BatchSampler("ab", 0, False), ValueError, "positive integer value, but got batch_size=0"),
    (lambda: D.BatchSampler("ab", 1.0, False), ValueError, "batch_size=1.0"),
    (lambda: D.BatchSampler("ab", True, False), ValueError, "batch_size=True"),
    (lambda: D.BatchSampler("ab", 1, None), ValueError, "drop_last=None"),
    (lambda: D.DistributedSampler("ab"), ValueError, "num_replicas= and rank="),
    (lambda: D.DistributedSampler("ab", 2, 2), ValueError, r"Invalid rank 2.*\[0, 1\]"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[2])
def test_mistakes_are_named(case):
    what, error, words = case
    with pytest.raises(error, match=words):
        what()


@pytest.mark.parametrize("length", [0, 1, 2, 6, 7])
@pytest.mark.parametrize("drop", [False, True])
def test_replicas_share_an_epoch(length, drop):
    shares = [D.DistributedSampler(range(length), 3, rank, drop_last=drop) for rank in range(3)]
    first = [list(share) for share in shares]
    assert [len(share) for share in shares] == [len(share) for share in first]
    assert 1 == len({len(share) for share in first})
    met = {i for share in first for i in share}
    assert set(range(length)) == met if not drop else length // 3 * 3 == len(met)
    for share in shares:
        share.set_epoch(1)
    if length == 7:
        assert first != [list(share) for share in shares]
