"""The public faces of `regrad.ops.fourier` and `regrad.fft`."""

import numpy as np
import pytest

import regrad as rg

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(3, 4, 6))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"]


def suited(name):
    """An input that the transform takes."""
    return REAL if name.startswith(("rfft", "ihfft")) else COMPLEX


def same(actual, expected):
    assert actual.numpy().dtype == expected.dtype
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ONE)
def test_a_transform_along_one_dimension_is_numpys(name, norm):
    x = suited(name)
    for n, dim in ((None, -1), (3, 0), (8, 1), (1, -1), (5, -1)):
        same(getattr(rg.fft, name)(rg.tensor(x), n, dim, norm), getattr(np.fft, name)(x, n, dim, norm))


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", MANY)
def test_a_transform_along_several_dimensions_is_numpys(name, norm):
    x = suited(name)
    for s, dim in ((None, (0, 2)), ((3, 5), (1, 2)), ((8, 2), (2, 0)), ((4,), (-1,))):
        same(getattr(rg.fft, name)(rg.tensor(x), s, dim, norm), getattr(np.fft, name)(x, s, dim, norm))


@pytest.mark.parametrize("name", ["fftn", "rfftn", "irfftn"])
def test_without_dimensions_the_last_ones_are_transformed(name):
    x = suited(name)
    f, reference = getattr(rg.fft, name), getattr(np.fft, name)
    same(f(rg.tensor(x)), reference(x))
    same(f(rg.tensor(x), s=(4, 4)), reference(x, (4, 4), (1, 2)))
    same(f(rg.tensor(x), s=(-1, 4)), reference(x, (4, 4), (1, 2)))


@pytest.mark.parametrize("back", [("hfftn", "ihfftn"), ("hfft2", "ihfft2")])
def test_the_transform_of_a_mirrored_signal_is_the_forward_one_of_its_conjugate(back):
    forward, inverse = (getattr(rg.fft, name) for name in back)
    expected = np.fft.irfftn(COMPLEX.conj(), (4, 10), (1, 2), "forward")
    same(forward(rg.tensor(COMPLEX), (4, 10), (1, 2)), expected)
    same(forward(inverse(rg.tensor(REAL), (4, 6), (1, 2)), (4, 6), (1, 2)), REAL)


@pytest.mark.parametrize("name", [*ONE, "fftn", "rfftn", "irfftn", "hfftn", "ihfftn"])
def test_single_precision_stays_single(name):
    x = suited(name)
    small = rg.tensor(x.astype("c8" if x.dtype.kind == "c" else "f4"), requires_grad=True)
    out = getattr(rg.fft, name)(small)
    assert out.numpy(force=True).dtype.itemsize == (8 if out.is_complex() else 4)
    (g,) = rg.autograd.grad(out.abs().sum(), small)
    assert g.dtype is small.dtype


def test_whole_numbers_are_transformed_in_the_default_dtype():
    assert rg.fft.fft(rg.tensor([1, 2])).dtype is rg.complex64
    assert rg.fft.irfft(rg.tensor([True, False])).dtype is rg.float32


def test_the_gradient_of_a_real_input_is_real():
    for name in (*ONE, "fftn"):
        x = rg.tensor(REAL, requires_grad=True)
        (g,) = rg.autograd.grad(getattr(rg.fft, name)(x).abs().sum(), x)
        assert g.dtype is rg.float64


def test_parseval_gives_the_gradient_twice_the_input():
    for transform in (rg.fft.fft, rg.fft.ifft, rg.fft.fftn):
        x = rg.tensor(COMPLEX, requires_grad=True)
        y = transform(x, norm="ortho").abs()
        (g,) = rg.autograd.grad((y * y).sum(), x)
        np.testing.assert_allclose(g.numpy(), 2 * COMPLEX, rtol=1e-10)


def test_no_dimensions_give_a_copy():
    z = rg.tensor([1j])
    out = rg.fft.fftn(z, dim=())
    assert out.tolist() == [1j]
    assert out.data_ptr() != z.data_ptr()


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda x: rg.fft.fft(x, norm="sideways"), RuntimeError, 'Invalid normalization mode: "sideways"'),
    (lambda x: rg.fft.fft(x, n=0), RuntimeError, r"Invalid number of data points \(0\) specified"),
    (lambda x: rg.fft.irfft(x[..., :1]), RuntimeError, r"Invalid number of data points \(0\) specified"),
    (lambda x: rg.fft.fft(x, n=2.5), TypeError, "fft_fft.*argument 'n' must be int"),
    (lambda x: rg.fft.fft(x, dim=(0, 1)), TypeError, "argument 'dim' must be int"),
    (lambda x: rg.fft.fft(x, dim=3), IndexError, "Dimension out of range"),
    (lambda x: rg.fft.fft(x[0, 0, 0]), IndexError, "Dimension specified as -1 but tensor has no dimensions"),
    (lambda x: rg.fft.fft([1.0]), TypeError, "fft_fft.*must be Tensor"),
    (lambda x: rg.fft.fft(x.half()), RuntimeError, "Unsupported dtype Half"),
    (lambda x: rg.fft.rfft(x + 0j), RuntimeError, "rfft expects a real input tensor, but got ComplexDouble"),
    (lambda x: rg.fft.fftn(x, dim=(0, -3)), RuntimeError, "FFT dims must be unique"),
    (lambda x: rg.fft.fftn(x, s=(2,), dim=(0, 1)), RuntimeError, "must have the same length"),
    (lambda x: rg.fft.fftn(x, s=(2, 2, 2, 2)), RuntimeError, "Got shape with 4 values"),
    (lambda x: rg.fft.rfftn(x, dim=()), RuntimeError, "rfftn must transform at least one axis"),
    (lambda x: rg.fft.hfftn(x, dim=()), RuntimeError, "hfftn must transform at least one axis"),
    (lambda x: rg.fft.fftfreq(2.5), TypeError, "argument 'n' .* must be int"),
    (lambda x: rg.fft.rfftfreq(3, dtype=rg.int64), RuntimeError, "requires a floating point"),
])  # fmt: skip
def test_arguments_that_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(rg.tensor(REAL))


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_frequencies_are_numpys(n):
    same(rg.fft.fftfreq(n, 0.5, dtype=rg.float64), np.fft.fftfreq(n, 0.5))
    same(rg.fft.rfftfreq(n, 0.5, dtype=rg.float64), np.fft.rfftfreq(n, 0.5))
    assert rg.fft.fftfreq(n).dtype is rg.float32
    assert rg.fft.fftfreq(n, requires_grad=True).is_leaf


def test_frequencies_of_no_points_or_no_distance():
    assert rg.fft.fftfreq(0).tolist() == []
    assert rg.fft.fftfreq(3, 0).isfinite().any().item() is False


def test_a_shift_and_back():
    for dim in (None, 1, (0, -1)):
        x = rg.tensor(REAL)
        moved = rg.fft.fftshift(x, dim)
        same(moved, np.fft.fftshift(REAL, dim))
        assert rg.fft.ifftshift(moved, dim).equal(x)
