"""The public faces of `regrad.ops.comparison`."""

import operator

import pytest

import regrad as rg


@pytest.mark.parametrize("op", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])
def test_an_operator_gives_booleans_that_need_no_gradient(op):
    x = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for got in (op(x, 2), op(x, rg.tensor([2])), op(x, rg.tensor(2.0, dtype=rg.float64))):
        assert got.dtype is rg.bool
        assert not got.requires_grad
        assert [op(v, 2) for v in (1.0, 2.0, 3.0)] == got.tolist()


def test_what_is_no_number_is_left_to_python():
    x = rg.tensor([1.0])
    assert (False, True) == (operator.eq(x, None), operator.ne(x, "one"))
    with pytest.raises(TypeError, match="not supported between"):
        operator.lt(x, None)


def test_a_number_cannot_come_first_in_a_function():
    with pytest.raises(TypeError, match=r"eq\(\): argument 'input' \(position 1\) must be Tensor, not int"):
        rg.eq(2, rg.tensor([2]))


def test_tensors_remain_hashable_by_identity():
    x, y = rg.tensor([1.0]), rg.tensor([1.0])
    assert {x: 1, y: 2}[x] == 1


def test_close_and_equal_want_one_dtype_or_not():
    a, b = rg.tensor([1.0, 2.0]), rg.tensor([1, 2])
    assert rg.equal(a, b)
    with pytest.raises(RuntimeError, match="did not match"):
        rg.allclose(a, b)
    with pytest.raises(RuntimeError, match="rtol must be greater than or equal to zero"):
        rg.isclose(a, a, rtol=-1)


def test_nan_is_close_to_nothing_unless_asked():
    x = rg.tensor([float("nan")])
    assert [False, True] == [rg.allclose(x, x), rg.allclose(x, x, equal_nan=True)]
    assert not rg.equal(x, x)


def test_isin_takes_a_number_on_one_side():
    x = rg.tensor([1, 2, 3])
    assert [True, False, False] == rg.isin(x, 1).tolist()
    assert [False, True, True] == rg.isin(x, 1, invert=True).tolist()
    assert rg.isin(2, x).item()


def test_only_bits_are_turned_over():
    assert [[-2], [False]] == [(~rg.tensor([1])).tolist(), (~rg.tensor([True])).tolist()]
    with pytest.raises(TypeError, match="only implemented on integer and Boolean-type tensors"):
        ~rg.tensor([1.0])


def test_bits_are_combined_with_numbers_on_either_side():
    x = rg.tensor([6])
    results = [x & 3, x | 1, x ^ 3, x << 1, x >> 1, 3 & x, 1 | x, 3 ^ x, 1 << x, 128 >> x]
    assert [2, 7, 5, 12, 3, 2, 7, 5, 64, 2] == [r.item() for r in results]


@pytest.mark.parametrize(("op", "expected"), [
    (operator.iand, 2), (operator.ior, 7), (operator.ixor, 5), (operator.ilshift, 48), (operator.irshift, 0),
])
def test_bits_are_written_in_place(op, expected):
    x = rg.tensor([6])
    assert op(x, 3) is x
    assert [expected] == x.tolist()


def test_a_comparison_in_place_writes_ones_and_zeros():
    assert [0.0, 1.0] == rg.tensor([1.0, 3.0]).gt_(2).tolist()


def test_complex_numbers_have_no_order():
    with pytest.raises(NotImplementedError, match='"lt" not implemented for complex64'):
        rg.lt(rg.tensor([1j]), 1)
