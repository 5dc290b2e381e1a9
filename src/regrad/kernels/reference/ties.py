"""Which of equal elements `topk` and `kthvalue` name: the ones that PyTorch's selection happens to name.

Where elements tie, PyTorch's answer is that of C++'s ``nth_element`` followed by ``sort`` (or, for few of many, of
``partial_sort``) as the GNU library writes them. The functions here go through the same steps on one row of indices;
they run only for rows in which the order of equals shows. Start reading at `first_of_row`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["first_of_row", "kth_of_row", "settle", "settle_kth"]

Row = list[int]
Before = Callable[[int, int], bool]
SHORT = 16  # below this many elements the library's sort only inserts


MOST = 200_000  # elements of tied rows gone through; beyond, equals stay in the order in which they come


def settle(x: Any, indices: Any, dim: int, largest: bool) -> Any:
    """``indices`` of the first elements of ``x`` along ``dim``, with equal elements as PyTorch has them."""
    rows = np.moveaxis(x, dim, -1)
    chosen = np.moveaxis(indices, dim, -1)
    k = chosen.shape[-1]
    if not k or not chosen.size:
        return indices
    values = np.take_along_axis(rows, chosen, -1)
    last = values[..., -1:]
    tied = (_equal(values[..., 1:], values[..., :-1])).any(-1)
    tied |= np.count_nonzero(_equal(rows, last), -1) > np.count_nonzero(_equal(values, last), -1)
    if tied.any() and np.count_nonzero(tied) * rows.shape[-1] <= MOST:
        for place in np.argwhere(tied):
            chosen[tuple(place)] = first_of_row(rows[tuple(place)], k, largest)
    return indices


def _equal(a: Any, b: Any) -> Any:
    """Elementwise equality in which nan equals nan."""
    return (a == b) | ((a != a) & (b != b))


def first_of_row(row: Any, k: int, largest: bool) -> Row:
    """The indices of the ``k`` first elements of a row."""
    values = row.tolist()
    if largest:

        def before(a: int, b: int) -> bool:
            x, y = values[a], values[b]
            return bool((x != x and y == y) or x > y)
    else:

        def before(a: int, b: int) -> bool:
            x, y = values[a], values[b]
            return bool((x == x and y != y) or x < y)

    order = list(range(len(values)))
    if k * 64 <= len(values):
        _partial_sort(order, k, before)
    else:
        _nth_element(order, k - 1, before)
        _sort(order, k - 1, before)
    return order[:k]


def settle_kth(x: Any, indices: Any, k: int, dim: int) -> Any:
    """``indices`` (size 1 along ``dim``) of the ``k``-th smallest elements, of equal ones that which PyTorch names."""
    rows, chosen = np.moveaxis(x, dim, -1), np.moveaxis(indices, dim, -1)
    if not chosen.size:
        return indices
    tied = np.count_nonzero(_equal(rows, np.take_along_axis(rows, chosen, -1)), -1) > 1
    if tied.any() and np.count_nonzero(tied) * rows.shape[-1] <= MOST:
        for place in np.argwhere(tied):
            chosen[tuple(place)] = kth_of_row(rows[tuple(place)], k)
    return indices


def kth_of_row(row: Any, k: int) -> int:
    """The index of the ``k``-th smallest element of a row, by PyTorch's quick select."""
    v = row.tolist()
    o = list(range(len(v)))
    low, high, k = 0, len(v) - 1, k - 1

    def swap(i: int, j: int) -> None:
        v[i], v[j], o[i], o[j] = v[j], v[i], o[j], o[i]

    def above(a: Any, b: Any) -> bool:
        return bool((a != a and b == b) or a > b)

    while high > low + 1:
        swap(low + (high - low) // 2, low + 1)
        for i, j in ((low + 1, high), (low, high), (low + 1, low)):
            if above(v[i], v[j]):
                swap(i, j)
        i, j, pivot = low + 1, high, v[low]
        while True:
            i += 1
            while above(pivot, v[i]):
                i += 1
            j -= 1
            while above(v[j], pivot):
                j -= 1
            if j < i:
                break
            swap(i, j)
        swap(low, j)
        low, high = i if j <= k else low, j - 1 if j >= k else high
    if high == low + 1 and above(v[low], v[high]):
        swap(low, high)
    return o[k]


def _median_to_first(o: Row, first: int, a: int, b: int, c: int, before: Before) -> None:
    if before(o[a], o[b]):
        middle = b if before(o[b], o[c]) else c if before(o[a], o[c]) else a
    else:
        middle = a if before(o[a], o[c]) else c if before(o[b], o[c]) else b
    o[first], o[middle] = o[middle], o[first]


def _part(o: Row, first: int, last: int, before: Before) -> int:
    """Part ``o[first:last]`` by the median of three, which goes to the front; returns where the second part starts."""
    _median_to_first(o, first, first + 1, first + (last - first) // 2, last - 1, before)
    pivot, low, high = o[first], first + 1, last
    while True:
        while before(o[low], pivot):
            low += 1
        high -= 1
        while before(pivot, o[high]):
            high -= 1
        if low >= high:
            return low
        o[low], o[high] = o[high], o[low]
        low += 1


def _nth_element(o: Row, nth: int, before: Before) -> None:
    first, last = 0, len(o)
    depth = 2 * max(last.bit_length() - 1, 0)
    while last - first > 3:
        if depth == 0:
            _heap_select(o, first, nth + 1, last, before)
            o[first], o[nth] = o[nth], o[first]
            return
        depth -= 1
        cut = _part(o, first, last, before)
        if cut <= nth:
            first = cut
        else:
            last = cut
    _insertion_sort(o, first, last, before)


def _insertion_sort(o: Row, first: int, last: int, before: Before) -> None:
    for i in range(first + 1, last):
        item = o[i]
        if before(item, o[first]):
            o[first + 1 : i + 1] = o[first:i]
            o[first] = item
        else:
            _insert(o, i, before)


def _insert(o: Row, i: int, before: Before) -> None:
    item = o[i]
    while before(item, o[i - 1]):
        o[i] = o[i - 1]
        i -= 1
    o[i] = item


def _sort(o: Row, last: int, before: Before) -> None:
    todo = [(0, last, 2 * max(last.bit_length() - 1, 0))]
    while todo:
        first, end, depth = todo.pop()
        while end - first > SHORT:
            if depth == 0:
                _heap_select(o, first, end, end, before)
                _sort_heap(o, first, end, before)
                break
            depth -= 1
            cut = _part(o, first, end, before)
            todo.append((cut, end, depth))
            end = cut
    _insertion_sort(o, 0, min(last, SHORT), before)
    for i in range(SHORT, last):
        _insert(o, i, before)


def _partial_sort(o: Row, k: int, before: Before) -> None:
    _heap_select(o, 0, k, len(o), before)
    _sort_heap(o, 0, k, before)


def _heap_select(o: Row, first: int, middle: int, last: int, before: Before) -> None:
    size = middle - first
    for parent in range((size - 2) // 2, -1, -1):
        _adjust(o, first, parent, size, o[first + parent], before)
    for i in range(middle, last):
        if before(o[i], o[first]):
            item = o[i]
            o[i] = o[first]
            _adjust(o, first, 0, size, item, before)


def _sort_heap(o: Row, first: int, last: int, before: Before) -> None:
    while last - first > 1:
        last -= 1
        item = o[last]
        o[last] = o[first]
        _adjust(o, first, 0, last - first, item, before)


def _adjust(o: Row, first: int, hole: int, size: int, item: int, before: Before) -> None:
    top, child = hole, hole
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if before(o[first + child], o[first + child - 1]):
            child -= 1
        o[first + hole] = o[first + child]
        hole = child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * (child + 1)
        o[first + hole] = o[first + child - 1]
        hole = child - 1
    parent = (hole - 1) // 2
    while hole > top and before(o[first + parent], item):
        o[first + hole] = o[first + parent]
        hole, parent = parent, (parent - 1) // 2
    o[first + hole] = item
