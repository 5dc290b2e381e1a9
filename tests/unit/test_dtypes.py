"""The dtypes and their promotion; the tables are those of PyTorch 2.13, every pair in them."""

import copy
import pickle
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from regrad import dtypes
from regrad.dtypes import NUMBER, SCALAR, TENSOR, finfo, iinfo

NAMES = {
    "?": "bool", "B": "uint8", "H": "uint16", "I": "uint32", "L": "uint64",
    "b": "int8", "h": "int16", "i": "int32", "l": "int64",
    "e": "float16", "E": "bfloat16", "f": "float32", "d": "float64",
    "C": "complex32", "F": "complex64", "D": "complex128",
}
CODES = {name: code for code, name in NAMES.items()}
DTYPES = {code: getattr(dtypes, name) for code, name in NAMES.items()}
ALIASES = {
    "half": "float16", "float": "float32", "double": "float64",
    "short": "int16", "int": "int32", "long": "int64",
    "chalf": "complex32", "cfloat": "complex64", "cdouble": "complex128",
}


@pytest.fixture(autouse=True)
def float32_by_default():
    yield
    dtypes.set_default_dtype(dtypes.float32)


# What a dtype is


@pytest.mark.parametrize("name", [*NAMES.values(), *ALIASES])
def test_a_dtype_goes_by_the_name_that_pytorch_gives_it(name):
    d = getattr(dtypes, name)
    assert ALIASES.get(name, name) == d.name
    assert f"regrad.{d.name}" == repr(d) == str(d) == f"{d}"
    assert isinstance(d, dtypes.dtype)


@pytest.mark.parametrize("d", DTYPES.values(), ids=str)
def test_a_copy_is_the_dtype_itself(d):
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    pickled = [pickle.loads(pickle.dumps(d, protocol)) for protocol in protocols]
    assert all(each is d for each in [copy.copy(d), copy.deepcopy([d])[0], *pickled])


def test_no_dtype_can_be_made():
    with pytest.raises(TypeError, match=r"^cannot create 'regrad\.dtype' instances; take one that exists"):
        dtypes.dtype("float32")


def test_a_dtype_has_no_other_attributes():
    with pytest.raises(AttributeError, match=r"^'regrad\.dtype' object has no attribute 'size'$"):
        _ = dtypes.float32.size


@pytest.mark.parametrize(("codes", "rank"), [("?", 0), ("BHILbhil", 1), ("eEfd", 2), ("CFD", 3)])
def test_what_a_dtype_says_of_its_kind(codes, rank):
    for code in codes:
        d = DTYPES[code]
        expected = (rank, rank == 2, rank == 3, code not in "?BHIL")
        assert expected == (d.rank, d.is_floating_point, d.is_complex, d.is_signed)


@pytest.mark.parametrize("code", sorted(NAMES.keys() - {"C"}))
def test_a_dtype_knows_its_numpy_counterpart(code):
    d = DTYPES[code]
    assert NAMES[code] == d.np.name
    assert d.itemsize == d.np.itemsize
    assert d is dtypes.of(d.np)


def test_real_and_complex_counterparts():
    complex_of = {"e": "C", "E": "F", "f": "F", "d": "D", "C": "C", "F": "F", "D": "D"}
    real_of = {code: code for code in NAMES} | {"C": "e", "F": "f", "D": "d"}
    assert complex_of == {code: CODES[DTYPES[code].to_complex().name] for code in complex_of}
    assert real_of == {code: CODES[DTYPES[code].to_real().name] for code in NAMES}


@pytest.mark.parametrize("code", "?BHILbhil")
def test_integers_have_no_complex_counterpart(code):
    with pytest.raises(RuntimeError, match=f"regrad.{NAMES[code]} has no complex counterpart"):
        DTYPES[code].to_complex()


def test_complex32_has_a_name_but_no_arrays():
    assert 4 == dtypes.complex32.itemsize
    with pytest.raises(TypeError, match=r"complex32 .* no NumPy counterpart; convert the float16 operand"):
        dtypes.to_numpy(dtypes.complex32)


def test_ml_dtypes_is_imported_on_first_use_and_its_absence_explained():
    program = """
import sys
from regrad import dtypes
assert dtypes.promote_types(dtypes.bfloat16, dtypes.float16) is dtypes.float32
assert "ml_dtypes" not in sys.modules
sys.modules["ml_dtypes"] = None  # from here on, importing it fails
for use in (lambda: dtypes.bfloat16.np, lambda: dtypes.set_default_dtype(dtypes.bfloat16)):
    try:
        use()
    except ImportError as error:
        print(error)
print(dtypes.get_default_dtype())
"""
    explained = (
        "bfloat16 arrays need the package ml_dtypes; "
        "install it with `pip install ml_dtypes`, or use rg.float32"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [explained, explained, "regrad.float32"] == done.stdout.splitlines()


# From and to NumPy


@pytest.mark.parametrize(("given", "advice"), [
    ("longdouble",
        r"no tensor holds NumPy's \w+, the dtypes are bool, .*; convert it with array.astype\(np.float64\)"),
    ("clongdouble", r"no tensor holds NumPy's \w+, .*; convert it with array.astype\(np.complex128\)"),
    ("O", r"NumPy's object, .*; if its elements are numbers, convert it with array.astype\(np.float64\)"),
    ("U3", r"NumPy's str96, .*; if its elements are numbers, convert it"),
    ("S2", r"NumPy's bytes16, .*; if its elements are numbers, convert it"),
    ("M8[s]", r"NumPy's datetime64\[s\], .*; convert it with array.astype\(np.int64\)"),
    ("m8[s]", r"NumPy's timedelta64\[s\], .*; convert it with array.astype\(np.int64\)"),
    ("i4, f4", r"NumPy's void64, .*; take the fields one by one, as in array\['name'\]"),
])
def test_what_no_tensor_holds_is_refused_with_advice(given, advice):
    with pytest.raises(TypeError, match=advice):
        dtypes.of(np.dtype(given))


@pytest.mark.parametrize("given", ["i2", "u8", "f4", "f8", "c16"])
def test_the_other_byte_order_is_said_to_need_conversion(given):
    other = np.dtype(given).newbyteorder()
    with pytest.raises(ValueError, match=r"byte order, got an array of '.*'; convert it with array.astype\("):
        dtypes.of(other)


def test_of_takes_numpy_dtypes_alone():
    with pytest.raises(TypeError, match=r"a NumPy dtype, got regrad.float32; dtypes.as_dtype takes every"):
        dtypes.of(dtypes.float32)


def test_of_knows_the_bfloat16_that_another_module_made():
    assert dtypes.bfloat16 is dtypes.of(np.ones(2, ml_dtypes.bfloat16).dtype)


@pytest.mark.parametrize(("spelling", "expected"), [
    (bool, "bool"), (int, "int64"), (float, "float64"), (complex, "complex128"),
    (np.float32, "float32"), (np.dtype("int8"), "int8"), (np.bool_, "bool"), (dtypes.half, "float16"),
    (ml_dtypes.bfloat16, "bfloat16"),
])
def test_the_spellings_of_a_dtype(spelling, expected):
    assert expected == dtypes.as_dtype(spelling).name
    assert expected == dtypes.to_numpy(spelling).name


@pytest.mark.parametrize(("spelling", "got"), [
    ("float32", r"got 'float32'; write rg\.float32$"), ("f4", "got 'f4'$"), (None, "got None$"),
    (3, "got 3$"), (str, "got <class 'str'>$"), ([1], r"got \[1\]$"), ("dtype", "got 'dtype'$"),
])
def test_what_is_no_dtype_is_refused(spelling, got):
    with pytest.raises(TypeError, match=r"dtype must be a dtype such as rg\.float32, .*, " + got):
        dtypes.to_numpy(spelling)


# The default dtype


@pytest.mark.parametrize("code", "eEfd")
def test_every_floating_point_dtype_can_be_the_default(code):
    dtypes.set_default_dtype(DTYPES[code])
    assert dtypes.get_default_dtype() is DTYPES[code]


@pytest.mark.parametrize(("given", "message"), [
    *((DTYPES[code], "^only floating-point types are supported as the default type, got regrad")
      for code in "?BHILbhilCFD"),
    *((given, "^invalid dtype object: only floating-point types are supported as the default type, got")
      for given in (float, np.float32, np.dtype("f4"), "float32", None)),
])
def test_nothing_else_can(given, message):
    with pytest.raises(TypeError, match=message):
        dtypes.set_default_dtype(given)
    assert dtypes.get_default_dtype() is dtypes.float32


# Limits


@pytest.mark.parametrize(("code", "bits", "eps", "largest", "smallest", "resolution"), [
    ("e", 16, 0.0009765625, 65504.0, 6.103515625e-05, 0.001),
    ("E", 16, 0.0078125, 3.3895313892515355e38, 1.1754943508222875e-38, 0.01),
    ("f", 32, 1.1920928955078125e-07, 3.4028234663852886e38, 1.1754943508222875e-38, 1e-06),
    ("d", 64, 2.220446049250313e-16, 1.7976931348623157e308, 2.2250738585072014e-308, 1e-15),
])
def test_finfo(code, bits, eps, largest, smallest, resolution):
    f = finfo(DTYPES[code])
    assert (bits, NAMES[code]) == (f.bits, f.dtype)
    assert (eps, largest, -largest) == (f.eps, f.max, f.min)
    assert (smallest, smallest, resolution) == (f.smallest_normal, f.tiny, f.resolution)


@pytest.mark.parametrize(("code", "bits", "smallest", "largest"), [
    ("B", 8, 0, 255), ("H", 16, 0, 65535), ("I", 32, 0, 4294967295), ("L", 64, 0, 18446744073709551615),
    ("b", 8, -128, 127), ("h", 16, -32768, 32767), ("i", 32, -2147483648, 2147483647),
    ("l", 64, -9223372036854775808, 9223372036854775807),
])
def test_iinfo(code, bits, smallest, largest):
    i = iinfo(DTYPES[code])
    assert (bits, NAMES[code], smallest, largest) == (i.bits, i.dtype, i.min, i.max)


def test_finfo_of_nothing_is_that_of_the_default_and_of_complex_that_of_the_parts():
    assert "float32" == finfo().dtype
    dtypes.set_default_dtype(dtypes.float64)
    assert "float64" == finfo().dtype == finfo(dtypes.complex128).dtype == finfo(float).dtype
    assert finfo(dtypes.complex64) == finfo(dtypes.float32) != finfo(dtypes.float64)
    assert 1 == len({finfo(dtypes.complex64), finfo(dtypes.float32)})
    assert iinfo(int) == iinfo(dtypes.long) != iinfo(dtypes.int32)


def test_the_text_of_the_limits():
    expected = (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, "
        "smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)"
    )
    assert expected == repr(finfo(dtypes.float32))
    assert "iinfo(min=-32768, max=32767, dtype=int16)" == repr(iinfo(dtypes.short))


@pytest.mark.parametrize(("info", "given", "message"), [
    (finfo, dtypes.int32, "a floating-point or complex dtype, got regrad.int32; iinfo takes the integers"),
    (finfo, dtypes.bool, "takes a floating-point or complex dtype, got regrad.bool"),
    (finfo, "float32", "dtype must be a dtype such as rg.float32"),
    (iinfo, dtypes.float32, "takes an integer dtype, got regrad.float32; use finfo for it"),
    (iinfo, dtypes.complex64, "takes an integer dtype, got regrad.complex64; use finfo for it"),
    (iinfo, dtypes.bool, "takes an integer dtype, got regrad.bool; its values are False and True"),
])
def test_limits_are_refused_for_the_other_kinds(info, given, message):
    with pytest.raises(TypeError, match=message):
        info(given)


# Promotion: a line for each left operand and in it a code for each right one, in the order of the lines;
# a dot where PyTorch raises.

PROMOTED = """
    ? ?B...bhileEfdCFD
    B BB...hhileEfdCFD
    H ..H......eEfd...
    I ...I.....eEfd...
    L ....L....eEfd...
    b bh...bhileEfdCFD
    h hh...hhileEfdCFD
    i ii...iiileEfdCFD
    l ll...lllleEfdCFD
    e eeeeeeeeeeffdCFD
    E EEEEEEEEEfEfdFFD
    f ffffffffffffdFFD
    d dddddddddddddDDD
    C CC...CCCCCFFDCFD
    F FF...FFFFFFFDFFD
    D DD...DDDDDDDDDDD
"""

# t tensor, s 0-d tensor, n Python number
RESULTS = """
    t? ?B...bhileEfdFD ?B...bhileEfdFD ?lfF
    tB BB...hhileEfdFD BBBBBBBBBeEfdFD BBfF
    tH ..H......eEfd.. HHHHHHHHHeEfdFD HHfF
    tI ...I.....eEfd.. IIIIIIIIIeEfdFD IIfF
    tL ....L....eEfd.. LLLLLLLLLeEfdFD LLfF
    tb bh...bhileEfdFD bbbbbbbbbeEfdFD bbfF
    th hh...hhileEfdFD hhhhhhhhheEfdFD hhfF
    ti ii...iiileEfdFD iiiiiiiiieEfdFD iifF
    tl ll...lllleEfdFD llllllllleEfdFD llfF
    te eeeeeeeeeeffdFD eeeeeeeeeeeeeCC eeeC
    tE EEEEEEEEEfEfdFD EEEEEEEEEEEEEFF EEEF
    tf ffffffffffffdFD fffffffffffffFF fffF
    td dddddddddddddDD dddddddddddddDD dddD
    tF FF...FFFFFFFDFD FFFFFFFFFFFFFFF FFFF
    tD DD...DDDDDDDDDD DDDDDDDDDDDDDDD DDDD
    s? ?BHILbhileEfdFD ?B...bhileEfdFD ?lfF
    sB BBHILbhileEfdFD BB...hhileEfdFD BBfF
    sH .BHILbhileEfdFD ..H......eEfd.. HHfF
    sI .BHILbhileEfdFD ...I.....eEfd.. IIfF
    sL .BHILbhileEfdFD ....L....eEfd.. LLfF
    sb bBHILbhileEfdFD bh...bhileEfdFD bbfF
    sh hBHILbhileEfdFD hh...hhileEfdFD hhfF
    si iBHILbhileEfdFD ii...iiileEfdFD iifF
    sl lBHILbhileEfdFD ll...lllleEfdFD llfF
    se eeeeeeeeeeEfdFD eeeeeeeeeeffdFD eeeC
    sE EEEEEEEEEeEfdFD EEEEEEEEEfEfdFD EEEF
    sf fffffffffeEfdFD ffffffffffffdFD fffF
    sd dddddddddeEfdFD dddddddddddddDD dddD
    sF FFFFFFFFFCFFDFD FF...FFFFFFFDFD FFFF
    sD DDDDDDDDDCFFDFD DD...DDDDDDDDDD DDDD
    n? ?BHILbhileEfdFD ?BHILbhileEfdFD ?lfF
    nl lBHILbhileEfdFD lBHILbhileEfdFD llfF
    nd fffffffffeEfdFD fffffffffeEfdFD fffF
    nD FFFFFFFFFCFFDFD FFFFFFFFFCFFDFD FFFF
"""

# The lines that the default dtype changes.
RESULTS_BY_DEFAULT = {
    "float64": """
    n? ?BHILbhileEfdFD ?BHILbhileEfdFD ?ldD
    nl lBHILbhileEfdFD lBHILbhileEfdFD lldD
    nd dddddddddeEfdFD dddddddddeEfdFD dddD
    nD DDDDDDDDDCFFDFD DDDDDDDDDCFFDFD DDDD
    """,
    "float16": """
    n? ?BHILbhileEfdFD ?BHILbhileEfdFD ?leC
    nl lBHILbhileEfdFD lBHILbhileEfdFD lleC
    nd eeeeeeeeeeEfdFD eeeeeeeeeeEfdFD eeeC
    nD CCCCCCCCCCFFDFD CCCCCCCCCCFFDFD CCCC
    """,
    "bfloat16": """
    n? ?BHILbhileEfdFD ?BHILbhileEfdFD ?lEF
    nl lBHILbhileEfdFD lBHILbhileEfdFD llEF
    nd EEEEEEEEEeEfdFD EEEEEEEEEeEfdFD EEEF
    nD FFFFFFFFFCFFDFD FFFFFFFFFCFFDFD FFFF
    """,
}


def table(text):
    lines = [line.split() for line in text.strip().splitlines()]
    return {left: "".join(codes) for left, *codes in lines}


def operand(label):
    category = {"t": TENSOR, "s": SCALAR, "n": NUMBER}[label[0]]
    python = {"?": bool, "l": int, "d": float, "D": complex}
    return (python[label[1]] if category == NUMBER else DTYPES[label[1]].np), category


def outcome(function, *args):
    """The code of the dtype that comes out; for complex32 result_dtype raises TypeError."""
    try:
        return CODES[function(*args).name]
    except TypeError:
        return "C"
    except RuntimeError:
        return "."


@pytest.mark.parametrize(("left", "expected"), table(PROMOTED).items())
def test_promote_types_follows_the_table(left, expected):
    found = "".join(outcome(dtypes.promote_types, DTYPES[left], right) for right in DTYPES.values())
    assert expected == found


@pytest.mark.parametrize(("left", "expected"), table(RESULTS).items())
def test_result_dtype_follows_the_table(left, expected):
    pairs = [(operand(left), operand(right)) for right in table(RESULTS)]
    assert expected == "".join(outcome(dtypes.result_dtype, pair) for pair in pairs)
    again = "".join(outcome(dtypes.result_dtype, pair) for pair in pairs)  # from the cache
    assert expected == again


@pytest.mark.parametrize(("default", "text"), RESULTS_BY_DEFAULT.items())
def test_python_numbers_follow_the_default_dtype(default, text):
    dtypes.set_default_dtype(getattr(dtypes, default))
    for left, expected in table(text).items():
        pairs = [(operand(left), operand(right)) for right in table(RESULTS)]
        assert expected == "".join(outcome(dtypes.result_dtype, pair) for pair in pairs)


def test_of_a_python_number_the_kind_alone_counts():
    tensor = (np.dtype("int8"), TENSOR)
    for kind, expected in [("float64", "float32"), ("float16", "float32"), ("complex128", "complex64"),
                           ("int64", "int8"), ("uint64", "int8"), ("bool", "int8")]:
        assert expected == dtypes.result_dtype((tensor, (np.dtype(kind), NUMBER))).name


def test_operands_of_one_category_are_joined_before_the_next_is_asked():
    i8, f16, f64 = (np.dtype(name) for name in ("int8", "float16", "float64"))
    scalars_and_number = ((f16, SCALAR), (f64, SCALAR), (float, NUMBER))
    assert "float64" == dtypes.result_dtype(((i8, TENSOR), *scalars_and_number)).name
    assert "float16" == dtypes.result_dtype(((i8, TENSOR), (f16, TENSOR), *scalars_and_number)).name
    assert "int8" == dtypes.result_dtype(((i8, TENSOR),)).name


def test_a_list_of_any_length_has_a_result_and_leaves_nothing_behind():
    i8, f32 = np.dtype("int8"), np.dtype("float32")
    before = len(dtypes._results)
    assert "float32" == dtypes.result_dtype(((i8, TENSOR),) * 1000 + ((f32, TENSOR),)).name
    assert before == len(dtypes._results)


def test_result_dtype_refuses_what_no_tensor_holds_and_no_operand_at_all():
    with pytest.raises(TypeError, match=r"no tensor holds NumPy's object"):
        dtypes.result_dtype(((np.dtype("O"), TENSOR), (np.dtype("f4"), TENSOR)))
    with pytest.raises(ValueError, match=r"takes the .* of at least one operand, got none"):
        dtypes.result_dtype(())


def test_promotion_is_refused_with_a_way_out():
    expected = (
        "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote uint16 and int32; "
        r"convert one of them first, as in x.to\(regrad.int32\)"
    )
    with pytest.raises(RuntimeError, match=expected):
        dtypes.promote_types(dtypes.uint16, dtypes.int32)


def test_promote_types_takes_python_types():
    assert dtypes.promote_types(float, dtypes.int32) is dtypes.float64
    with pytest.raises(TypeError, match="dtype must be"):
        dtypes.promote_types("float32", dtypes.int32)


def test_can_cast_unless_the_kind_gets_lower():
    kinds = ["?", "BHILbhil", "eEfd", "CFD"]
    for i, lower in enumerate(kinds):
        for j, higher in enumerate(kinds):
            castable = {dtypes.can_cast(DTYPES[a], DTYPES[b]) for a in lower for b in higher}
            assert {i <= j} == castable
