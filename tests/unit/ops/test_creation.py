"""Making tensors: dtypes inferred as PyTorch infers them, memory that is shared or not, and what is refused."""

import numpy as np
import pytest

import regrad as rg

F4, F8, I8 = rg.float32, rg.float64, rg.int64


def shares(tensor, array):
    return np.shares_memory(tensor.detach().numpy(), array)


# -- rg.tensor


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, I8, ()),
        (1.0, F4, ()),
        (True, rg.bool, ()),
        (1j, rg.complex64, ()),
        ([1, 2.0], F4, (2,)),
        ([True, 2], I8, (2,)),
        ([1, 2j], rg.complex64, (2,)),
        ([[1], [2]], I8, (2, 1)),
        ([], F4, (0,)),
        ([[], []], F4, (2, 0)),
        (range(3), I8, (3,)),
        (bytearray(b"abc"), I8, (3,)),
        (np.float32(1.5), F4, ()),
        (np.float64(1.5), F8, ()),
        (np.int32(3), rg.int32, ()),
        ([np.float64(1.5)], F8, (1,)),
        ([np.int8(3), np.int8(4)], rg.int8, (2,)),
        ([np.float32(1.5), 2], F4, (2,)),
        ([np.int32(1), 2.5], F4, (2,)),
        ([np.array([1, 2]), np.array([3, 4])], I8, (2, 2)),
        (np.zeros((2, 3), np.int16), rg.int16, (2, 3)),
    ],
)
def test_the_dtype_follows_the_data(data, dtype, shape):
    made = rg.tensor(data)
    assert (dtype, shape) == (made.dtype, tuple(made.shape))


def test_tensors_among_the_data_count_as_their_numbers_and_dtypes():
    wide = rg.tensor([rg.tensor(1.0, dtype=F8), 2])
    assert (F8, [1.0, 2.0]) == (wide.dtype, wide.tolist())
    assert [1, 2] == rg.tensor([rg.tensor([1]), 2]).tolist()
    assert [[1.0, 2.0], [3.0, 4.0]] == rg.tensor([[rg.tensor(1.0), 2], [3, 4]]).tolist()
    with pytest.raises(ValueError, match=r"only one element tensors .* rg\.stack"):
        rg.tensor([rg.ones(2), rg.ones(2)])


def test_the_default_dtype_is_what_floats_get():
    rg.set_default_dtype(F8)
    try:
        assert (F8, rg.complex128) == (rg.tensor(1.0).dtype, rg.tensor(1j).dtype)
        assert F8 == rg.tensor([1.0, np.float32(2)]).dtype
    finally:
        rg.set_default_dtype(F4)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ([[1], [2, 3]], ValueError, r"expected sequence of length 1 at dim 1 \(got 2\); pad the rows"),
        ([[[1], [2]], [[3], [4, 5]]], ValueError, r"expected sequence of length 1 at dim 2 \(got 2\)"),
        ([1, [2]], TypeError, "at dim 0 holds numbers beside sequences"),
        (2**63, ValueError, "Overflow when unpacking long"),
        ([2**64], ValueError, "Overflow when unpacking long"),
        ("a", TypeError, "cannot make a tensor of str"),
        (["a"], ValueError, "too many dimensions 'str'"),
        (None, RuntimeError, "Could not infer dtype of NoneType"),
        ([None, 1], RuntimeError, "Could not infer dtype of NoneType"),
        ({1: 2}, RuntimeError, "Could not infer dtype of dict"),
        (np.array(["a"]), TypeError, "no tensor holds NumPy's"),
    ],
)
def test_what_is_no_tensor_is_refused(data, error, words):
    with pytest.raises(error, match=words):
        rg.tensor(data)


@pytest.mark.parametrize("data", [300, [1, 300], -256, float("nan"), float("inf")])
def test_a_number_beyond_its_dtype_is_refused(data):
    with pytest.raises(RuntimeError, match=r"cannot be converted to type regrad\.uint8 without"):
        rg.tensor(data, dtype=rg.uint8)


def test_numbers_are_converted_to_the_dtype_asked_for():
    assert 255 == rg.tensor(-1, dtype=rg.uint8).item()
    assert [1, -1] == rg.tensor([1.7, -1.7], dtype=I8).tolist()
    assert float("inf") == rg.tensor(1e40, dtype=rg.float16).item()
    assert rg.tensor([1.5], dtype=rg.bool).item()
    with pytest.raises(TypeError, match="must be real number, not complex"):
        rg.tensor(1j, dtype=F4)


def test_tensor_copies_and_only_numbers_with_fractions_can_require_grad():
    array = np.zeros(2)
    made = rg.tensor(array, requires_grad=True)
    assert not shares(made, array)
    assert made.requires_grad
    assert made.is_leaf
    assert not rg.tensor(made).requires_grad
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype"):
        rg.tensor([1], requires_grad=True)


def test_the_class_makes_tensors_of_the_default_dtype():
    assert (F4, [1.0, 2.0]) == ((t := rg.Tensor([1, 2])).dtype, t.tolist())
    assert F4 == rg.Tensor(np.zeros(2)).dtype
    assert [(2, 3), (2, 3), (2,), (0,)] == [
        tuple(t.shape) for t in (rg.Tensor(2, 3), rg.Tensor(rg.Size([2, 3])), rg.Tensor(2), rg.Tensor())
    ]
    with pytest.raises(TypeError, match="data must be a sequence"):
        rg.Tensor(1.5)


# -- sharing


def test_from_numpy_shares_memory_whatever_the_strides():
    array = np.arange(6.0).reshape(2, 3).T[::2]
    made = rg.from_numpy(array)
    made[0, 0] = 9
    assert array[0, 0] == 9
    assert (2, 3) == made.stride()
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        rg.from_numpy([1])
    with pytest.raises(TypeError):
        rg.from_numpy(np.array([1], dtype=object))


def test_as_tensor_shares_where_the_dtype_allows():
    array, tensor = np.zeros(2), rg.ones(2)
    assert shares(rg.as_tensor(array), array)
    assert not shares(rg.as_tensor(array, dtype=F4), array)
    assert rg.as_tensor(tensor) is tensor
    assert F8 == rg.as_tensor(tensor, dtype=F8).dtype
    assert rg.as_tensor(rg.ones(2, requires_grad=True), dtype=F8).requires_grad
    assert F4 == rg.as_tensor([1, 2.0]).dtype


def test_asarray_copies_when_told_and_only_then():
    array = np.zeros(2)
    assert shares(rg.asarray(array), array)
    assert shares(rg.asarray(array, copy=False), array)
    assert not shares(rg.asarray(array, copy=True), array)
    for unsharable, dtype in (([1, 2], None), (array, F4)):
        with pytest.raises(ValueError, match="cannot alias"):
            rg.asarray(unsharable, dtype=dtype, copy=False)
    assert rg.asarray([1.0], requires_grad=True).requires_grad


def test_dlpack_goes_both_ways_without_a_copy():
    array = np.arange(3.0)
    made = rg.from_dlpack(array)
    assert shares(made, array)
    back = np.from_dlpack(made)
    assert np.shares_memory(back, array)
    assert 1 == rg.ones(2).__dlpack_device__()[0]
    with pytest.raises(BufferError, match=r"tensor\.detach\(\)"):
        np.from_dlpack(rg.ones(2, requires_grad=True))


def test_frombuffer_sees_the_bytes_it_was_given():
    raw = bytearray(b"\x01\x00\x02\x00")
    made = rg.frombuffer(raw, dtype=rg.int16)
    raw[0] = 7
    assert [7, 2] == made.tolist()
    assert [2] == rg.frombuffer(raw, dtype=rg.int16, offset=2).tolist()
    assert [7, 0] == rg.frombuffer(raw, dtype=rg.uint8, count=2).tolist()
    with pytest.raises(ValueError, match="must be non-negative and less than"):
        rg.frombuffer(raw, dtype=rg.uint8, offset=4)
    with pytest.raises(ValueError, match="buffer"):
        rg.frombuffer(raw, dtype=rg.uint8, count=9)


# -- filled


@pytest.mark.parametrize("make", [rg.zeros, rg.ones, rg.empty, rg.rand, rg.randn])
def test_sizes_are_given_in_any_of_pytorchs_ways(make):
    for given in (make(2, 3), make((2, 3)), make([2, 3]), make(rg.Size([2, 3])), make(size=(2, 3))):
        assert (2, 3) == tuple(given.shape)
    assert () == tuple(make(()).shape)
    assert (0,) == tuple(make(0).shape)
    for wrong in ((2.0,), (True,), ("a",), ((2, 1.5),)):
        with pytest.raises(TypeError, match="argument 'size' must be tuple of ints"):
            make(*wrong)
    with pytest.raises(RuntimeError, match="negative dimension -1"):
        make(2, -1)


def test_a_size_is_needed():
    with pytest.raises(TypeError, match=r"zeros\(\) missing 1 required positional argument: 'size'"):
        rg.zeros()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1, I8), (1.0, F4), (True, rg.bool), (1j, rg.complex64), (rg.tensor(3), I8), (rg.tensor(3.0, dtype=F8), F4)],
)
def test_full_takes_its_dtype_from_the_value(value, dtype):
    assert dtype == rg.full((2,), value).dtype


def test_full_refuses_what_does_not_fit():
    for value, dtype in ((300, rg.uint8), (1e40, F4), (1e39, rg.float16), (float("inf"), rg.int32), (1j, F4)):
        with pytest.raises(RuntimeError, match="without overflow"):
            rg.full((2,), value, dtype=dtype)
    assert [255, 255] == rg.full((2,), -1, dtype=rg.uint8).tolist()
    assert [1, 1] == rg.full((2,), 1.7, dtype=rg.int32).tolist()
    with pytest.raises(TypeError, match="must be tuple of ints, not int"):
        rg.full(2, 3)
    with pytest.raises(TypeError, match="a number is needed"):
        rg.full((2,), rg.ones(2))


def test_likeness_is_of_shape_dtype_and_layout():
    turned = rg.ones(2, 3).t()
    for made in (rg.zeros_like(turned), rg.ones_like(turned), rg.empty_like(turned), rg.full_like(turned, 2)):
        assert ((3, 2), (1, 3), F4) == (tuple(made.shape), made.stride(), made.dtype)
    spread = rg.ones(1, 3).expand(2, 3)
    for made in (rg.zeros_like(spread), rg.full_like(spread, 1)):
        assert (3, 1) == made.stride()
    assert rg.int8 == rg.zeros_like(turned, dtype=rg.int8).dtype
    assert not rg.ones_like(rg.ones(2, requires_grad=True)).requires_grad
    assert rg.ones_like(turned, requires_grad=True).requires_grad
    assert [7, 7] == rg.full_like(rg.ones(2, dtype=I8), 7.5).tolist()
    with pytest.raises(TypeError, match=r"zeros_like\(\): argument 'input' must be Tensor, not list"):
        rg.zeros_like([1, 2])


def test_a_tensor_makes_others_of_its_dtype():
    x = rg.ones(2, dtype=rg.int16)
    made = [x.new_zeros(3), x.new_ones((3,)), x.new_empty(3), x.new_full((3,), 5), x.new_tensor([1, 2, 3])]
    assert [rg.int16] * 5 == [m.dtype for m in made]
    assert [(3,)] * 5 == [tuple(m.shape) for m in made]
    assert F8 == x.new_zeros(1, dtype=F8).dtype
    assert (1, 2) == x.new_empty_strided((2, 3), (1, 2)).stride()


def test_layouts_can_be_asked_for():
    assert (1, 2) == rg.empty_strided((2, 3), (1, 2)).stride()
    assert (12, 1, 3) == rg.empty_permuted((2, 3, 4), (0, 2, 1)).stride()
    with pytest.raises(RuntimeError, match="must match dimensionality of strides"):
        rg.empty_strided((2, 3), (1,))
    with pytest.raises(RuntimeError, match="must not be negative"):
        rg.empty_strided((2,), (-1,))
    for layout, words in (((0, 0), "Duplicate dim"), ((0,), "does not match the length"), ((0, 5), "out of range")):
        with pytest.raises(RuntimeError, match=words):
            rg.empty_permuted((2, 3), layout)


def test_eye_has_ones_on_its_diagonal():
    assert [[1, 0, 0], [0, 1, 0]] == rg.eye(2, 3, dtype=I8).tolist()
    with pytest.raises(RuntimeError, match="m must be greater or equal to 0"):
        rg.eye(2, -1)


def test_only_the_cpu_is_a_device():
    assert "cpu" == rg.zeros(1, device="cpu").device.type
    assert ("cpu:0", 0) == (str(rg.device("cpu:0")), rg.device("cpu:0").index)
    assert "device(type='cpu', index=0)" == repr(rg.device("cpu", 0))
    assert rg.device("cpu") == rg.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(RuntimeError, match="Regrad computes on the CPU only"):
            rg.zeros(1, device=name)


LIKE_THE_TENSOR = {
    "new_zeros": ((1,),),
    "new_ones": ((1,),),
    "new_empty": ((1,),),
    "new_full": ((1,), 2.0),
    "new_tensor": ([1.0],),
    "new_empty_strided": ((1,), (1,)),
}


@pytest.mark.parametrize(("name", "args"), LIKE_THE_TENSOR.items())
def test_what_is_made_like_a_tensor_is_made_on_the_cpu(name, args):
    make = getattr(rg.zeros(1), name)
    assert (1,) == make(*args, device="cpu").shape
    with pytest.raises(RuntimeError, match="Regrad computes on the CPU only"):
        make(*args, device="cuda")


@pytest.mark.parametrize("make", [rg.rand_like, rg.randn_like, lambda x, device: rg.randint_like(x, 3, device=device)])
def test_random_numbers_like_a_tensor_are_drawn_on_the_cpu(make):
    assert (2,) == make(rg.zeros(2), device="cpu").shape
    with pytest.raises(RuntimeError, match="Regrad computes on the CPU only"):
        make(rg.zeros(2), device="cuda")


# -- counted


@pytest.mark.parametrize(
    ("given", "dtype", "values"),
    [
        ((5,), I8, [0, 1, 2, 3, 4]),
        ((3.0,), F4, [0, 1, 2]),
        ((1, 2, 0.25), F4, [1, 1.25, 1.5, 1.75]),
        ((5, 1, -2), I8, [5, 3]),
        ((1, 1), I8, []),
        ((rg.tensor(3),), I8, [0, 1, 2]),
        ((2**53, 2**53 + 2), I8, [2**53, 2**53 + 1]),
    ],
)
def test_arange_counts(given, dtype, values):
    made = rg.arange(*given)
    assert (dtype, values) == (made.dtype, made.tolist())


def test_arange_refuses_what_never_ends():
    for given in ((1, 5, 0), (5, 1), (1, 5, -1), (float("inf"),), (float("nan"),)):
        with pytest.raises(RuntimeError, match="arange: "):
            rg.arange(*given)
    with pytest.raises(NotImplementedError, match=r"not implemented for regrad\.bool"):
        rg.arange(3, dtype=rg.bool)
    assert [0, 1, 2] == rg.arange(0.5, 3.5, dtype=I8).tolist()


def test_range_includes_its_end():
    assert [1, 2, 3, 4] == rg.range(1, 4).tolist()
    assert [0, 0.5, 1] == rg.range(0, 1, 0.5).tolist()
    for given in ((4, 1), (1, 4, 0)):
        with pytest.raises(RuntimeError, match="range: "):
            rg.range(*given)


def test_lines_of_points():
    assert [0, 0.25, 0.5, 0.75, 1] == rg.linspace(0, 1, 5).tolist()
    assert [0, 3, 6, 10] == rg.linspace(0, 10, 4, dtype=I8).tolist()
    assert [0] == rg.linspace(0, 1, 1).tolist()
    assert [] == rg.linspace(0, 1, 0).tolist()
    assert [0, 0.5j, 1j] == rg.linspace(0, 1j, 3).tolist()
    assert [1, 4, 16] == rg.logspace(0, 4, 3, base=2).tolist()
    with pytest.raises(RuntimeError, match="steps must be non-negative"):
        rg.linspace(0, 1, -1)
    with pytest.raises(TypeError, match="'steps' must be int, not float"):
        rg.linspace(0, 1, 2.0)
    with pytest.raises(RuntimeError, match="0-dimensional start"):
        rg.linspace(rg.ones(2), 1.0, 3)
    with pytest.raises(RuntimeError, match="can't be safely cast"):
        rg.linspace(0, 1j, 3, dtype=F4)
