"""`assert_close` accepts and refuses what PyTorch's does; and `rg.cuda` says that there is no GPU."""

import numpy as np
import pytest

import regrad as rg
from regrad.testing import assert_close

T = rg.tensor


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (T([1.0, 2.0]), T([1.0, 2.000001])),
        (T([1.0], dtype=rg.float16), T([1.0009765625], dtype=rg.float16)),
        (T([1.0], dtype=rg.bfloat16), T([1.0078125], dtype=rg.bfloat16)),
        (T([1 + 1j]), T([1 + 1.000001j])),
        (T([1, 2]), T([1, 2])),
        (T([True]), T([True])),
        (T([float("inf")]), T([float("inf")])),
        (1.0, 1.0 + 1e-9),
        ([T(1.0), {"a": T(2.0)}], [T(1.0), {"a": T(2.0)}]),
        (np.ones(2), np.ones(2)),
        (T([]), T([])),
    ],
)
def test_what_is_close_passes(actual, expected):
    assert_close(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (T([1.0, 2.0]), T([1.0, 2.1]), "Mismatched elements: 1 / 2 (50.0%)"),
        (T([1, 2]), T([1, 3]), "at index (1,)"),
        (T([1.0]), T([1.0, 2.0]), "'shape' do not match: [1] != [2]"),
        (T([1.0]), T([1.0], dtype=rg.float64), "'dtype' do not match: float32 != float64"),
        (T([float("nan")]), T([float("nan")]), "not close"),
        ([T(1.0)], [T(1.0), T(2.0)], "length of the sequences mismatch: 1 != 2"),
        ({"a": T(1.0)}, {"b": T(1.0)}, "keys of the mappings do not match: ['a', 'b']"),
        ({"a": T(1.0)}, {"a": T(2.0)}, "Greatest absolute difference: 1.0"),
    ],
)
def test_what_is_not_close_is_described(actual, expected, words):
    with pytest.raises(AssertionError) as caught:
        assert_close(actual, expected)
    assert words in str(caught.value)


def test_the_tolerances_and_checks_are_the_callers():
    assert_close(T([1.0]), T([1.05]), rtol=0.1, atol=0)
    assert_close(T([float("nan")]), T([float("nan")]), equal_nan=True)
    assert_close(T([1.0]), T([1.0], dtype=rg.float64), check_dtype=False)
    with pytest.raises(AssertionError, match=r"^mine$"):
        assert_close(T(1.0), T(2.0), msg="mine")
    with pytest.raises(AssertionError, match=r"stride\(\)"):
        assert_close(rg.ones(2, 3), rg.ones(3, 2).t(), check_stride=True)
    with pytest.raises(ValueError, match="both rtol and atol"):
        assert_close(T(1.0), T(1.0), rtol=0.1)


def test_there_is_no_gpu():
    assert (False, 0) == (rg.cuda.is_available(), rg.cuda.device_count())
    for nothing in (rg.cuda.synchronize, rg.cuda.empty_cache):
        assert nothing() is None
    for seeding in (rg.cuda.manual_seed, rg.cuda.manual_seed_all):
        assert seeding(1) is None
