"""Which of equal elements topk names: rows and answers recorded from PyTorch 2.13."""

import numpy as np
import pytest
import regrad as rg
from regrad.kernels.reference.ties import first_of_row

RECORDED = [  # row, k, largest, indices
    ([0, 0, 1, 1, 0],
     3, True, [2, 3, 4]),
    ([0, 0, 1, 1, 3, 2, 3, 1, 1, 2],
     3, True, [6, 4, 5]),
    ([1, 2, 0, 0, 0, 1, 2, 0, 2, 1],
     4, False, [3, 7, 4, 2]),
    ([2, 2, 2, 2, 3, 0, 1, 3, 2, 1, 0, 2, 1, 1, 2, 0, 3, 2, 3, 0],
     18, True, [16, 4, 18, 7, 8, 17, 14, 11, 0, 3, 2, 1, 9, 6, 12, 13, 19, 15]),
    ([1, 0, 1, 0, 2, 1, 1, 2, 0, 0, 2, 0, 0, 1, 2, 0, 1, 0, 0, 1, 1, 2, 1, 1, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 2, 2, 0, 1, 1, 2],
     30, False, [1, 18, 17, 28, 15, 29, 30, 12, 11, 31, 8, 32, 33, 36, 9, 3, 2, 6, 13, 22, 5, 16, 23, 24, 25, 26, 20, 38, 37, 0]),
    ([0, 1, 4, 1, 4, 2, 2, 4, 4, 2, 0, 4, 0, 3, 2, 0, 4, 3, 1, 1, 0, 0, 0, 0, 1, 1, 4, 0, 3, 4, 2, 0, 0, 4, 4, 4, 4, 3, 3, 0, 0, 2, 2, 1, 3, 2, 4, 1, 2, 2, 3, 4, 1, 4, 3, 1, 1, 3, 0, 4, 4, 4, 0, 3, 3, 0, 4, 0, 0, 4, 3, 4, 1, 2, 2, 4, 4, 1, 2, 1, 1, 0, 4, 4, 4, 2, 0, 4, 2, 0, 4, 4, 1, 4, 0, 4, 0, 0, 1, 4, 3, 2, 4, 3, 1, 4, 1, 3, 4, 1, 0, 0, 4, 4, 2, 0, 4, 4, 4, 2, 3, 3, 4, 1, 0, 1, 2, 3, 1, 0],
     2, True, [4, 2]),
    ([1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1],
     1, True, [0]),
    ([0, 0, 0],
     3, True, [0, 1, 2]),
]


@pytest.mark.parametrize(("row", "k", "largest", "expected"), RECORDED)
def test_equal_elements_are_named_as_in_pytorch(row, k, largest, expected):
    assert first_of_row(np.array(row), k, largest) == expected
    assert rg.topk(rg.tensor(row), k, largest=largest).indices.tolist() == expected


def test_without_ties_the_order_is_that_of_the_values():
    row = np.array([3.0, np.nan, 1.0, 2.0])
    assert first_of_row(row, 4, True) == [1, 0, 3, 2]
    assert first_of_row(row, 4, False) == [2, 3, 0, 1]
