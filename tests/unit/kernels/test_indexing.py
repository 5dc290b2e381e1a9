"""The ways of adding at positions agree with each other, and layouts do not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from regrad.kernels.reference import indexing as kernels


def _loop(shape: Any, k: Any, g: Any, dim: int) -> Any:
    out = np.zeros(shape, g.dtype)
    for j, position in enumerate(k):
        out[(*(slice(None),) * dim, position)] += g.take(j, dim)
    return out


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize(("n", "count", "width"),
 [(50, 40, 16), (4, 400, 16), (7, 0, 16), (5, 20, 1), (3, 5, 0), (1000, 600, 64)])
@pytest.mark.parametrize("each", [1, 10**9])
def test_rounds_of_distinct_positions_add_what_a_loop_adds(
    monkeypatch: pytest.MonkeyPatch, dim: int, n: int, count: int, width: int, each: int
) -> None:
    monkeypatch.setattr(kernels, "_ROUND", each)  # 1: always in rounds; many: never
    rng = np.random.default_rng(n + count)
    k = rng.integers(-n, n, count)
    g = rng.integers(-9, 9,
     (*(3,) * dim, count, width)).astype(float)  # sums of integers are exact in any order
    shape = (*(3,) * dim, n, width)
    np.testing.assert_array_equal(kernels.add_at(g, k, shape, dim, 1), _loop(shape, k, g, dim))


def test_distinct_positions_need_one_round() -> None:
    k, g = np.array([3, 0, 2]), np.ones((3, 16))
    assert kernels.add_at(g, k, (4, 16), 0, 1).sum(1).tolist() == [16, 0, 16, 16]


@pytest.mark.parametrize("adding", [False, True])
def test_writing_goes_into_memory_of_any_layout(adding: bool) -> None:
    base = np.zeros((3, 4, 2))
    view = base.transpose(2, 1, 0)
    k = np.array([0, 7, 3])
    kernels.put_into(view, k, 1.0, 0, 2, adding)
    assert view.reshape(8, 3).sum(1).tolist() == [3, 0, 0, 3, 0, 0, 0, 3]
    assert base.sum() == 9


@pytest.mark.parametrize("size", [5, kernels._BRANCHING])
def test_filling_does_not_depend_on_the_size(size: int) -> None:
    rng = np.random.default_rng(size)
    x, mask = rng.normal(size=size).astype("f4"), rng.random(size) < 0.3
    out = kernels.fill_where(x, mask, -np.inf)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, np.where(mask, np.float32(-np.inf), x))


def test_a_position_out_of_bounds_is_named() -> None:
    for act in (kernels.take, lambda *a: kernels.put(*a[:2], 0.0, *a[2:], False),
     lambda *a: kernels.put(*a[:2], 0.0, *a[2:], True)):
        with pytest.raises(IndexError, match="index -9 is out of bounds for dimension 0 with size 8"):
            act(np.zeros((4, 2)), np.array([0, -9]), 0, 2)
