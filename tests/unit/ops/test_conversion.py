"""Conversions, Python numbers, sizes and strides, as PyTorch gives them."""

import pytest

import regrad as rg

F8, I8 = rg.float64, rg.int64


@pytest.mark.parametrize(
    ("given", "named", "dtype"),
    [
        ((F8,), {}, F8),
        (("cpu",), {}, rg.float32),
        (("cpu", I8), {}, I8),
        ((rg.device("cpu"), F8), {}, F8),
        ((rg.ones(1, dtype=F8),), {}, F8),
        ((), {"device": "cpu", "dtype": rg.float16}, rg.float16),
        ((int,), {}, I8),
        ((), {}, rg.float32),
        ((F8, False, True), {}, F8),
    ],
)
def test_to_takes_pytorchs_forms(given, named, dtype):
    assert dtype == rg.ones(2).to(*given, **named).dtype


def test_to_copies_only_where_something_changes():
    x = rg.ones(2)
    assert x.to(rg.float32) is x.to("cpu") is x.to(x) is x.to() is x
    assert x.to(rg.float32, copy=True) is not x
    assert x.to(rg.float32, False, True) is not x
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        x.to(5)
    with pytest.raises(RuntimeError, match="device"):
        x.to("cuda")


def test_a_conversion_is_differentiable_between_fractions():
    x = rg.ones(2, requires_grad=True)
    x.to(F8).mul(2).sum().backward()
    assert (rg.float32, [2, 2]) == (x.grad.dtype, x.grad.tolist())
    assert not x.long().requires_grad


def test_short_forms():
    x = rg.tensor([1.7, -1.7, 0.0])
    assert [1, -1, 0] == x.long().tolist() == x.int().tolist() == x.char().tolist() == x.short().tolist()
    assert [True, True, False] == x.bool().tolist()
    made = (x.half(), x.bfloat16(), x.double(), x.float(), x.cfloat(), x.cdouble())
    names = ("float16", "bfloat16", "float64", "float32", "complex64", "complex128")
    assert names == tuple(m.dtype.name for m in made)
    assert [1.0] == rg.tensor([1 + 2j]).float().tolist()
    assert rg.int8 == x.type_as(rg.ones(1, dtype=rg.int8)).dtype
    assert ("torch.FloatTensor", I8) == (x.type(), x.type("torch.LongTensor").dtype)
    with pytest.raises(ValueError, match="invalid type: 'foo'"):
        x.type("foo")


def test_python_numbers():
    assert (3, 2.5, True, 1j) == tuple(rg.tensor([[v]]).item() for v in (3, 2.5, True, 1j))
    assert (2, 2.5, 1 + 0j) == (int(rg.tensor([2.7])), float(rg.tensor(2.5)), complex(rg.tensor(1.0)))
    assert "b" == "abc"[rg.tensor(1)]
    assert [1, [2, 3], []] == [rg.tensor(1).tolist(), rg.tensor([2, 3]).tolist(), rg.zeros(0).tolist()]
    for make in (int, float, complex):
        with pytest.raises(ValueError, match="cannot be converted to Scalar"):
            make(rg.ones(2))
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        rg.ones(2).item()
    with pytest.raises(RuntimeError, match="a complex number cannot be converted"):
        float(rg.tensor(1j))
    for wrong in (rg.tensor(1.0), rg.tensor([1, 2])):
        with pytest.raises(TypeError, match="only integer tensors of a single element"):
            "abc"[wrong]


def test_truth():
    assert not rg.tensor([[0]])
    assert rg.tensor(float("nan"))
    with pytest.raises(RuntimeError, match="more than one value is ambiguous"):
        bool(rg.ones(2))
    with pytest.raises(RuntimeError, match="no values is ambiguous"):
        bool(rg.ones(0))
    with pytest.raises(RuntimeError):
        rg.is_nonzero(rg.ones(2))


@pytest.mark.parametrize(
    ("make", "stride", "offset"),
    [
        (lambda: rg.ones(2, 3), (3, 1), 0),
        (lambda: rg.ones(2, 3).t(), (1, 3), 0),
        (lambda: rg.ones(1, 3), (3, 1), 0),
        (lambda: rg.ones(3, 1), (1, 1), 0),
        (lambda: rg.ones(0, 3), (3, 1), 0),
        (lambda: rg.ones(3, 0), (1, 1), 0),
        (lambda: rg.ones(()), (), 0),
        (lambda: rg.ones(4, 6)[1:, ::2], (6, 2), 6),
        (lambda: rg.ones(4, 6)[2:3, 1:2], (6, 1), 13),
        (lambda: rg.ones(4, 6)[2], (1,), 12),
        (lambda: rg.ones(6)[3:][1:], (1,), 4),
        (lambda: rg.ones(2).unsqueeze(0), (2, 1), 0),
        (lambda: rg.ones(2, 3).unsqueeze(1), (3, 3, 1), 0),
        (lambda: rg.ones(1, 3).expand(2, 3), (0, 1), 0),
    ],
)
def test_strides_and_offsets_count_elements(make, stride, offset):
    x = make()
    assert (stride, offset) == (x.stride(), x.storage_offset())


def test_sizes():
    x = rg.ones(2, 3)
    assert (rg.Size([2, 3]), 3, 2, 6, 2) == (x.size(), x.size(1), x.size(-2), x.numel(), x.dim())
    assert (3, 1, 4, 24, 4) == (x.stride(0), x.stride(-1), x.itemsize, x.nbytes, x.element_size())
    assert x.is_contiguous()
    assert not x.t().is_contiguous()
    for wrong in (lambda: x.size(5), lambda: rg.tensor(1.0).size(0), lambda: x.stride(2)):
        with pytest.raises(IndexError):
            wrong()


def test_kinds():
    assert (True, False) == (rg.is_floating_point(rg.ones(1)), rg.is_complex(rg.ones(1)))
    assert (True, False) == (rg.is_tensor(rg.ones(1)), rg.is_tensor([1]))
    assert (True, False) == (rg.ones(1).is_signed(), rg.ones(1, dtype=rg.uint8).is_signed())
    assert (rg.float32, rg.uint8) == (
        rg.result_type(rg.tensor([1]), 1.0), rg.result_type(rg.tensor([1], dtype=rg.uint8), rg.tensor(1000)),
    )  # fmt: skip
    with pytest.raises(TypeError, match=r"is_floating_point\(\): argument 'input' must be Tensor"):
        rg.is_floating_point([1])


def test_a_conversion_out_of_range_is_silent():
    assert float("inf") == rg.tensor(1e30).half().item()
    assert isinstance(rg.tensor(float("nan")).long().item(), int)
