"""Tensors print as in PyTorch: every expected text was printed by PyTorch 2.13."""

import ml_dtypes
import numpy as np
import pytest

from regrad import printing
from regrad.printing import format_array, get_printoptions, printoptions, set_printoptions, tensor_text

nan, inf = np.nan, np.inf


@pytest.fixture(autouse=True)
def default_options():
    yield
    set_printoptions(profile="default")


def text(array, **more):
    array = np.asarray(array)
    return tensor_text(array, dtype_name=f"torch.{array.dtype.name}", **more)


CASES = [
    # floats
    (np.float32([1.0, 2.5, -3.25]), "tensor([ 1.0000,  2.5000, -3.2500])"),
    (np.float32([1, 2, -3]), "tensor([ 1.,  2., -3.])"),
    (np.float32([0.0, -0.0]), "tensor([0., -0.])"),
    (np.float32([-0.0, 0.5]), "tensor([-0.0000, 0.5000])"),
    (np.float32([0.1, 0.01, 0.001]), "tensor([0.1000, 0.0100, 0.0010])"),
    (np.float32([0.1, 0.0001]), "tensor([1.0000e-01, 1.0000e-04])"),
    (np.float32([0.5, 5e-5]), "tensor([5.0000e-01, 5.0000e-05])"),
    (np.float32([1e8, 2.0]), "tensor([1.0000e+08, 2.0000e+00])"),
    (np.float32([100000, 99.5]), "tensor([1.0000e+05, 9.9500e+01])"),
    (np.float32([1e8]), "tensor([100000000.])"),
    (np.float32([1.5e9]), "tensor([1.5000e+09])"),
    (np.float32([1.5, 1000, 12.25]), "tensor([   1.5000, 1000.0000,   12.2500])"),
    (np.float32([1.5, 1501.5]), "tensor([1.5000e+00, 1.5015e+03])"),
    (np.float32([-1e-20, 1e20]), "tensor([-1.0000e-20,  1.0000e+20])"),
    (np.float32([1e-45, 3.4e38]), "tensor([1.4013e-45, 3.4000e+38])"),
    (np.float64([5e-324, 1.7e308]), "tensor([4.9407e-324, 1.7000e+308], dtype=torch.float64)"),
    (np.float64([1 / 3, 2 / 3]), "tensor([0.3333, 0.6667], dtype=torch.float64)"),
    (np.float16([1 / 3, 65504]), "tensor([3.3325e-01, 6.5504e+04], dtype=torch.float16)"),
    (np.float32([1 / 3]) * 3e5, "tensor([100000.])"),
    # nan and infinity
    (np.float32([nan, 1, inf, -inf]), "tensor([nan, 1., inf, -inf])"),
    (np.float32([nan, 1.5, inf, -inf]), "tensor([   nan, 1.5000,    inf,   -inf])"),
    (np.float32([nan, inf]), "tensor([nan, inf])"),
    (np.float32([0, nan]), "tensor([0., nan])"),
    (np.float32([1e-7, nan, -inf, 0]), "tensor([1.0000e-07,        nan,       -inf, 0.0000e+00])"),
    # integers and bools
    (np.array([1, -20, 300]), "tensor([  1, -20, 300])"),
    (np.array([[1, -20], [300, 4]]),
        "tensor([[  1, -20],\n"
        "        [300,   4]])"),
    (np.uint8([255, 0, 7]), "tensor([255,   0,   7], dtype=torch.uint8)"),
    (np.int8([-128, 127]), "tensor([-128,  127], dtype=torch.int8)"),
    (np.uint64([18446744073709551615, 1]),
        "tensor([18446744073709551615,                    1], dtype=torch.uint64)"),
    (np.array([True, False]), "tensor([ True, False])"),
    (np.array([True]), "tensor([True])"),
    (np.array([[False], [False]]),
        "tensor([[False],\n"
        "        [False]])"),
    # complex numbers
    (np.complex64([1 + 2j, -0.5 - 3.25j]), "tensor([ 1.0000+2.0000j, -0.5000-3.2500j])"),
    (np.complex64([1 + 2j, 3 - 4j]), "tensor([1.+2.j, 3.-4.j])"),
    (np.complex128([1e-6 + 1j, 100j]), "tensor([1.0000e-06+1.j, 0.0000e+00+100.j], dtype=torch.complex128)"),
    (np.complex64([complex(nan, 1), complex(0, nan), complex(inf, -inf), -0.0]),
        "tensor([nan+1.j, 0.+nanj, inf-infj, -0.+0.j])"),
    (np.array(1.5 - 2j), "tensor(1.5000-2.j, dtype=torch.complex128)"),
    (np.complex64([[1j, 2], [3.5, 4 - 1j]]),
        "tensor([[0.0000+1.j, 2.0000+0.j],\n"
        "        [3.5000+0.j, 4.0000-1.j]])"),
    # 0-d tensors
    (np.array(3), "tensor(3)"),
    (np.array(True), "tensor(True)"),
    (np.array(2.0), "tensor(2., dtype=torch.float64)"),
    (np.float32(1 / 3), "tensor(0.3333)"),
    (np.float32(123456792.0), "tensor(1.2346e+08)"),
    (np.float32(1e-5), "tensor(1.0000e-05)"),
    (np.float32(-inf), "tensor(-inf)"),
    (np.float64(nan), "tensor(nan, dtype=torch.float64)"),
    # empty tensors
    (np.float32([]), "tensor([])"),
    (np.array([]), "tensor([], dtype=torch.float64)"),
    (np.int64([]), "tensor([], dtype=torch.int64)"),
    (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
    (np.zeros((2, 0, 5), np.int32), "tensor([], size=(2, 0, 5), dtype=torch.int32)"),
    (np.zeros((0, 0), np.complex64), "tensor([], size=(0, 0), dtype=torch.complex64)"),
    # layout
    (np.float32([[1.5]]), "tensor([[1.5000]])"),
    (np.float32([[1, -2], [0.5, 30]]),
        "tensor([[ 1.0000, -2.0000],\n"
        "        [ 0.5000, 30.0000]])"),
    (np.arange(8).reshape(2, 2, 2),
        "tensor([[[0, 1],\n"
        "         [2, 3]],\n"
        "\n"
        "        [[4, 5],\n"
        "         [6, 7]]])"),
    (np.float32(np.arange(8)).reshape(2, 1, 2, 2),
        "tensor([[[[0., 1.],\n"
        "          [2., 3.]]],\n"
        "\n"
        "\n"
        "        [[[4., 5.],\n"
        "          [6., 7.]]]])"),
    (np.arange(30),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])"),
    (np.float32(np.arange(13)) / 7,
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000, 1.1429,\n"
        "        1.2857, 1.4286, 1.5714, 1.7143])"),
    (np.float32(np.arange(28)).reshape(2, 14) * 1.001,
        "tensor([[ 0.0000,  1.0010,  2.0020,  3.0030,  4.0040,  5.0050,  6.0060,  7.0070,\n"
        "          8.0080,  9.0090, 10.0100, 11.0110, 12.0120, 13.0130],\n"
        "        [14.0140, 15.0150, 16.0160, 17.0170, 18.0180, 19.0190, 20.0200, 21.0210,\n"
        "         22.0220, 23.0230, 24.0240, 25.0250, 26.0260, 27.0270]])"),
    (np.arange(6).reshape(2, 3).T,
        "tensor([[0, 3],\n"
        "        [1, 4],\n"
        "        [2, 5]])"),
    (np.arange(1000).reshape(2, 500)[:, :24],
        "tensor([[  0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,\n"
        "          14,  15,  16,  17,  18,  19,  20,  21,  22,  23],\n"
        "        [500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511, 512, 513,\n"
        "         514, 515, 516, 517, 518, 519, 520, 521, 522, 523]])"),
    (np.float32(np.arange(6)).reshape(2, 3)[:, ::-2],
        "tensor([[2., 0.],\n"
        "        [5., 3.]])"),
    # abbreviated
    (np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (np.float32(np.arange(1200)).reshape(3, 400) + 0.5,
        "tensor([[5.0000e-01, 1.5000e+00, 2.5000e+00,  ..., 3.9750e+02, 3.9850e+02,\n"
        "         3.9950e+02],\n"
        "        [4.0050e+02, 4.0150e+02, 4.0250e+02,  ..., 7.9750e+02, 7.9850e+02,\n"
        "         7.9950e+02],\n"
        "        [8.0050e+02, 8.0150e+02, 8.0250e+02,  ..., 1.1975e+03, 1.1985e+03,\n"
        "         1.1995e+03]])"),
    (np.float32(np.arange(1200)).reshape(400, 3),
        "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00],\n"
        "        [3.0000e+00, 4.0000e+00, 5.0000e+00],\n"
        "        [6.0000e+00, 7.0000e+00, 8.0000e+00],\n"
        "        ...,\n"
        "        [1.1910e+03, 1.1920e+03, 1.1930e+03],\n"
        "        [1.1940e+03, 1.1950e+03, 1.1960e+03],\n"
        "        [1.1970e+03, 1.1980e+03, 1.1990e+03]])"),
    (np.arange(1050).reshape(7, 1, 150),
        "tensor([[[   0,    1,    2,  ...,  147,  148,  149]],\n"
        "\n"
        "        [[ 150,  151,  152,  ...,  297,  298,  299]],\n"
        "\n"
        "        [[ 300,  301,  302,  ...,  447,  448,  449]],\n"
        "\n"
        "        ...,\n"
        "\n"
        "        [[ 600,  601,  602,  ...,  747,  748,  749]],\n"
        "\n"
        "        [[ 750,  751,  752,  ...,  897,  898,  899]],\n"
        "\n"
        "        [[ 900,  901,  902,  ..., 1047, 1048, 1049]]])"),
    (np.complex64(np.arange(1001)) * (1 + 0.5j),
        "tensor([   0.+0.0000j,    1.+0.5000j,    2.+1.0000j,  ...,\n"
        "         998.+499.0000j,  999.+499.5000j, 1000.+500.0000j])"),
    (np.where(np.arange(1001) == 500, 1e10, 1.0),
        "tensor([1., 1., 1.,  ..., 1., 1., 1.], dtype=torch.float64)"),
    (np.arange(1002).reshape(1, 1002), "tensor([[   0,    1,    2,  ...,  999, 1000, 1001]])"),
]


@pytest.mark.parametrize(("array", "expected"), CASES)
def test_a_tensor_prints_as_in_pytorch(array, expected):
    assert expected == text(array)


def test_bfloat16_prints_as_floats():
    array = np.array([1.5, 0.1, -3.0], ml_dtypes.bfloat16)
    assert "tensor([ 1.5000,  0.1001, -3.0000], dtype=torch.bfloat16)" == text(array)


SEVENTHS = np.float32(np.arange(20)) / np.float32(7)
TABLE = np.float32([[1.23456789, 2], [3, 1e-3]])
LONG = np.arange(1, 2001).reshape(4, 500)


@pytest.mark.parametrize(("options", "array", "expected"), [
    (dict(precision=2), SEVENTHS,
        "tensor([0.00, 0.14, 0.29, 0.43, 0.57, 0.71, 0.86, 1.00, 1.14, 1.29, 1.43, 1.57,\n"
        "        1.71, 1.86, 2.00, 2.14, 2.29, 2.43, 2.57, 2.71])"),
    (dict(precision=2), TABLE,
        "tensor([[1.23e+00, 2.00e+00],\n"
        "        [3.00e+00, 1.00e-03]])"),
    (dict(precision=0), SEVENTHS, "tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3])"),
    (dict(precision=8), TABLE,
        "tensor([[1.23456788e+00, 2.00000000e+00],\n"
        "        [3.00000000e+00, 1.00000005e-03]])"),
    (dict(threshold=5), SEVENTHS, "tensor([0.0000, 0.1429, 0.2857,  ..., 2.4286, 2.5714, 2.7143])"),
    (dict(threshold=5, edgeitems=1), SEVENTHS, "tensor([0.0000,  ..., 2.7143])"),
    (dict(edgeitems=1), LONG,
        "tensor([[   1,  ...,  500],\n"
        "        ...,\n"
        "        [1501,  ..., 2000]])"),
    (dict(edgeitems=0), LONG, "tensor([...], size=(4, 500))"),
    (dict(edgeitems=0), TABLE,
        "tensor([[1.2346e+00, 2.0000e+00],\n"
        "        [3.0000e+00, 1.0000e-03]], size=(2, 2))"),
    (dict(edgeitems=0, threshold=5), SEVENTHS, "tensor([...], size=(20,))"),
    (dict(linewidth=40), SEVENTHS,
        "tensor([0.0000, 0.1429, 0.2857, 0.4286,\n"
        "        0.5714, 0.7143, 0.8571, 1.0000,\n"
        "        1.1429, 1.2857, 1.4286, 1.5714,\n"
        "        1.7143, 1.8571, 2.0000, 2.1429,\n"
        "        2.2857, 2.4286, 2.5714, 2.7143])"),
    (dict(linewidth=40, threshold=999), LONG[:2],
        "tensor([[   1,    2,    3,  ...,  498,\n"
        "          499,  500],\n"
        "        [ 501,  502,  503,  ...,  998,\n"
        "          999, 1000]])"),
    (dict(linewidth=10), TABLE,
        "tensor([[1.2346e+00,\n"
        "         2.0000e+00],\n"
        "        [3.0000e+00,\n"
        "         1.0000e-03]])"),
    (dict(sci_mode=True), SEVENTHS[:3], "tensor([0.0000e+00, 1.4286e-01, 2.8571e-01])"),
    (dict(sci_mode=False), TABLE,
        "tensor([[1.2346, 2.0000],\n"
        "        [3.0000, 0.0010]])"),
    (dict(profile="short"), LONG,
        "tensor([[   1,    2,  ...,  499,  500],\n"
        "        [ 501,  502,  ...,  999, 1000],\n"
        "        [1001, 1002,  ..., 1499, 1500],\n"
        "        [1501, 1502,  ..., 1999, 2000]])"),
    (dict(profile="short", precision=3), SEVENTHS[:3], "tensor([0.000, 0.143, 0.286])"),
])
def test_set_printoptions_works_as_in_pytorch(options, array, expected):
    set_printoptions(**options)
    assert expected == text(array)


def test_the_full_profile_abbreviates_nothing():
    set_printoptions(profile="full")
    printed = text(np.arange(1001))
    first = "tensor([   0,    1,    2,    3,    4,    5,    6,    7,    8,    9,   10,   11,"
    assert first == printed.splitlines()[0]
    assert "..." not in printed
    assert 1001 == printed.count(",") + 1


def test_options_left_out_stay_but_sci_mode_becomes_automatic():
    set_printoptions(precision=2, edgeitems=5, sci_mode=True)
    set_printoptions(linewidth=100)
    expected = {"precision": 2, "threshold": 1000, "edgeitems": 5, "linewidth": 100, "sci_mode": None}
    assert expected == get_printoptions()


def test_an_unknown_profile_is_refused_and_changes_nothing():
    with pytest.raises(ValueError, match="unknown profile 'long'; pass 'default', 'short' or 'full'"):
        set_printoptions(precision=2, profile="long")
    assert 4 == get_printoptions()["precision"]


def test_printoptions_are_restored_when_the_body_raises():
    set_printoptions(precision=6, sci_mode=False)
    before = get_printoptions()

    def fail_inside():
        with printoptions(precision=2):
            assert "tensor([0.33])" == text(np.float32([1 / 3]))
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert before == get_printoptions()


def test_options_can_be_given_for_one_text():
    assert "[0.33]" == format_array(np.array([1 / 3]), options=printing.PrintOptions(precision=2))
    assert "[0.3333]" == format_array(np.array([1 / 3]))


ONES = np.full(8, 1.5, np.float32)


@pytest.mark.parametrize(("array", "more", "expected"), [
    (ONES[:2], dict(requires_grad=True), "tensor([1.5000, 1.5000], requires_grad=True)"),
    (ONES[:2], dict(requires_grad=True, grad_fn_name="MulBackward0"),
        "tensor([1.5000, 1.5000], grad_fn=<MulBackward0>)"),
    (ONES[:6], dict(requires_grad=True),
        "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000], requires_grad=True)"),
    (ONES[:7], dict(requires_grad=True),
        "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
        "       requires_grad=True)"),
    (np.float64(ONES[:3]), dict(grad_fn_name="MulBackward0"),
        "tensor([1.5000, 1.5000, 1.5000], dtype=torch.float64, grad_fn=<MulBackward0>)"),
    (np.float64(ONES[:4]), dict(grad_fn_name="MulBackward0"),
        "tensor([1.5000, 1.5000, 1.5000, 1.5000], dtype=torch.float64,\n"
        "       grad_fn=<MulBackward0>)"),
    (np.float64(ONES[:7]), dict(grad_fn_name="MulBackward0"),
        "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
        "       dtype=torch.float64, grad_fn=<MulBackward0>)"),
    (np.full((2, 2), 2.0), dict(grad_fn_name="MulBackward0"),
        "tensor([[2., 2.],\n"
        "        [2., 2.]], dtype=torch.float64, grad_fn=<MulBackward0>)"),
    (np.zeros((0, 3)), dict(requires_grad=True),
        "tensor([], size=(0, 3), dtype=torch.float64, requires_grad=True)"),
    (np.ones(3, np.float32), dict(tangent_text="tensor([0., 1., 2.])"),
        "tensor([1., 1., 1.], tangent=tensor([0., 1., 2.]))"),
    (np.ones(2, np.float32), dict(size_note=True), "tensor([1., 1.], size=(2,))"),
])
def test_what_follows_the_numbers(array, more, expected):
    assert expected == text(array, **more)


@pytest.mark.parametrize(("array", "default", "expected"), [
    (np.float32([1.5]), "float64", "tensor([1.5000], dtype=torch.float32)"),
    (np.float64([1.5]), "torch.float64", "tensor([1.5000])"),
    (np.complex128([1j]), "float64", "tensor([0.+1.j])"),
    (np.complex64([1j]), "float64", "tensor([0.+1.j], dtype=torch.complex64)"),
    (np.complex64([1j]), "float16", "tensor([0.+1.j])"),
    (np.float64([]), "float64", "tensor([])"),
    (np.complex128([]), "float64", "tensor([], dtype=torch.complex128)"),
])
def test_the_dtype_is_shown_unless_it_is_the_default(array, default, expected):
    assert expected == text(array, default_dtype_name=default)


def test_a_bare_dtype_name_is_shown_with_the_package():
    assert "tensor([1], dtype=regrad.int8)" == tensor_text(np.int8([1]), dtype_name="int8")
