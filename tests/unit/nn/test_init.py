"""Starting values of parameters: what is written, how it is spread, and what is refused."""

import math

import numpy as np
import pytest

import regrad as rg
from regrad.nn import init

FUNCTIONS = {
    "uniform_": (),
    "normal_": (),
    "trunc_normal_": (),
    "constant_": (0.5,),
    "ones_": (),
    "zeros_": (),
    "eye_": (),
    "xavier_uniform_": (),
    "xavier_normal_": (),
    "kaiming_uniform_": (),
    "kaiming_normal_": (),
    "orthogonal_": (),
    "sparse_": (0.5,),
}
DRAWING = [name for name in FUNCTIONS if name not in ("constant_", "ones_", "zeros_", "eye_")]


def blank(*shape, dtype=rg.float64):
    return rg.full(shape, 7.0, dtype=dtype)


@pytest.mark.parametrize(("name", "args"), FUNCTIONS.items())
def test_a_parameter_is_filled_in_place_and_nothing_is_recorded(name, args):
    w = blank(4, 3).requires_grad_()
    assert w is getattr(init, name)(w, *args)
    assert w.is_leaf
    assert w.requires_grad
    assert not (w == 7).any()


@pytest.mark.parametrize(("name", "args"), FUNCTIONS.items())
def test_a_computed_value_that_was_saved_and_is_filled_makes_backward_raise(name, args):
    w = rg.ones(4, 3, requires_grad=True)
    y = w * 1
    loss = (y * y).sum()
    getattr(init, name)(y.detach(), *args)
    with pytest.raises(rg.SavedModifiedError):
        loss.backward()


@pytest.mark.parametrize("name", DRAWING)
def test_the_same_seed_gives_the_same_numbers(name):
    fill = getattr(init, name)
    first, second, other = (
        fill(blank(4, 3), *FUNCTIONS[name], generator=rg.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


@pytest.mark.parametrize("name", DRAWING)
def test_a_generator_of_ones_own_leaves_the_default_one_alone(name):
    before = rg.get_rng_state().tolist()
    getattr(init, name)(blank(4, 3), *FUNCTIONS[name], generator=rg.Generator())
    assert before == rg.get_rng_state().tolist()


SPREADS = {  # (fill, shape) -> (low, high) of a uniform distribution, or (mean, std) of a normal one
    "uniform": (lambda w: init.uniform_(w, -1, 3), (40, 50), (-1, 3), None),
    "normal": (lambda w: init.normal_(w, 2, 0.5), (40, 50), None, (2, 0.5)),
    "xavier_uniform": (lambda w: init.xavier_uniform_(w, gain=2), (30, 20, 3), (-0.4, 0.4), None),
    "xavier_normal": (init.xavier_normal_, (20, 10, 8), None, (0, math.sqrt(2 / 240))),
    "kaiming_uniform": (init.kaiming_uniform_, (40, 50), (-math.sqrt(6 / 50), math.sqrt(6 / 50)), None),
    "kaiming_normal": (
        lambda w: init.kaiming_normal_(w, mode="FAN_OUT", nonlinearity="tanh"),
        (20, 10, 8),
        None,
        (0, 5 / 3 / math.sqrt(160)),
    ),
    "kaiming_normal with a slope": (lambda w: init.kaiming_normal_(w, a=2), (40, 50), None, (0, math.sqrt(0.4 / 50))),
}


@pytest.mark.parametrize(("fill", "shape", "range_", "moments"), SPREADS.values(), ids=SPREADS)
def test_random_numbers_are_spread_as_their_formula_says(fill, shape, range_, moments):
    rg.manual_seed(0)
    x = fill(blank(*shape)).numpy()
    if range_:
        low, high = range_
        assert low <= x.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < x.max() <= high
        moments = (low + high) / 2, (high - low) / math.sqrt(12)
    mean, std = moments
    assert abs(x.mean() - mean) < 4 * std / math.sqrt(x.size)
    assert abs(x.std() / std - 1) < 4 / math.sqrt(2 * x.size)


INTERVALS = [
    (0, 1, -2, 2),
    (0, 0.02, -2, 2),
    (1, 2, 2, 3),
    (0, 1, 1.5, math.inf),
    (0, 1e-3, -math.inf, math.inf),
    (0, 1, 0.25, 0.25),
]
FAR = [(0, 1, 5, 6), (0, 1, 30, math.inf), (3, 0.5, -1, 0)]  # more than two std away


def truncated_moments(mean, std, a, b):
    peak = min(max(mean, a), b)
    low, high = max(a, peak - 10 * std), min(b, peak + 10 * std)
    x = np.linspace(low, high, 400_001)
    log = -((x - mean) ** 2) / 2 / std**2
    weight = np.exp(log - log.max())
    centre = np.average(x, weights=weight)
    return centre, math.sqrt(np.average((x - centre) ** 2, weights=weight))


@pytest.mark.parametrize(("mean", "std", "a", "b"), INTERVALS)
def test_truncated_normal_numbers_have_the_moments_of_their_interval(mean, std, a, b):
    rg.manual_seed(0)
    check_truncated(mean, std, a, b)


@pytest.mark.parametrize(("mean", "std", "a", "b"), FAR)
def test_an_interval_in_the_tail_is_warned_of_and_right_nevertheless(mean, std, a, b):
    rg.manual_seed(0)
    with pytest.warns(UserWarning, match="more than 2 std from"):
        check_truncated(mean, std, a, b)


def check_truncated(mean, std, a, b):
    x = init.trunc_normal_(blank(4000), mean, std, a, b).numpy()
    assert a <= x.min()
    assert x.max() <= b
    if a < b:
        centre, spread = truncated_moments(mean, std, a, b)
        assert abs(x.mean() - centre) < 4 * spread / math.sqrt(x.size)
        assert abs(x.std() / spread - 1) < 0.1


def test_an_interval_far_beyond_all_reach_gives_its_nearer_end():
    with pytest.warns(UserWarning, match="more than 2 std from"):
        x = init.trunc_normal_(blank(3), 0, 1e-200, 1, 2)
    assert x.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16, rg.float32])
def test_truncation_holds_in_narrow_types_up_to_their_rounding_of_the_bounds(dtype):
    bound = rg.tensor(0.1, dtype=dtype).float()
    w = init.trunc_normal_(rg.empty(2000, dtype=dtype), 0, 1, -0.1, 0.1)
    assert (w.float().abs() <= bound).all()


@pytest.mark.parametrize("dtype", [rg.float16, rg.float32, rg.float64, rg.complex128])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (6, 2, 3), (2, 3, 2)])
def test_orthogonal_rows_or_columns(shape, dtype):
    q = init.orthogonal_(rg.empty(*shape, dtype=dtype), gain=2.0).numpy().reshape(shape[0], -1).astype("c16")
    q = q if q.shape[0] <= q.shape[1] else q.T
    np.testing.assert_allclose(4 * np.eye(len(q)), q @ q.conj().T, atol=2e-2 if dtype is rg.float16 else 1e-5)


def test_orthogonal_matrices_turn_either_way():
    rg.manual_seed(0)
    signs = {float(np.sign(np.linalg.det(init.orthogonal_(blank(3, 3)).numpy()))) for _ in range(20)}
    assert signs == {-1.0, 1.0}
    assert {True, False} == {bool(init.orthogonal_(blank(2, 2))[0, 0] > 0) for _ in range(20)}


@pytest.mark.parametrize(("sparsity", "zeros"), [(0, 0), (0.1, 1), (0.5, 4), (0.55, 5), (1, 8)])
def test_each_column_of_a_sparse_matrix_has_its_zeros_in_places_of_its_own(sparsity, zeros):
    w = init.sparse_(blank(8, 20), sparsity, std=0.5)
    assert [zeros] * 20 == (w == 0).sum(0).tolist()
    if 0 < zeros < 8:
        assert len({tuple(column) for column in (w == 0).T.tolist()}) > 1


def test_the_identity_matrix_in_any_shape():
    for shape in [(2, 3), (3, 2), (0, 3)]:
        assert np.eye(*shape).tolist() == init.eye_(blank(*shape)).tolist()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("out", "into", "groups"), [(3, 3, 1), (2, 4, 1), (4, 2, 1), (6, 2, 3), (6, 1, 2)])
def test_a_dirac_convolution_passes_on_the_channels_that_fit(dims, out, into, groups):
    w = init.dirac_(blank(out, into, *[3] * dims), groups)
    x = rg.randn(1, into * groups, *[4] * dims, dtype=rg.float64)
    convolve = [rg.nn.functional.conv1d, rg.nn.functional.conv2d, rg.nn.functional.conv3d][dims - 1]
    y = convolve(x, w, padding=1, groups=groups)
    each = out // groups
    for channel in range(out):
        group, index = divmod(channel, each)
        expected = x[:, group * into + index] if index < into else rg.zeros_like(y[:, channel])
        assert expected.tolist() == y[:, channel].tolist()


def test_fans_count_inputs_and_outputs_with_the_kernel():
    assert (60, 40) == init._calculate_fan_in_and_fan_out(blank(2, 3, 4, 5))
    assert (3, 2) == init._calculate_fan_in_and_fan_out(blank(2, 3))
    assert 40 == init._calculate_correct_fan(blank(2, 3, 4, 5), "fan_out")


def test_gains():
    ones = ("linear", "sigmoid", *(f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)))
    assert [1] * len(ones) == [init.calculate_gain(name) for name in ones]
    assert 0.75 == init.calculate_gain("selu")
    assert math.isclose(2, init.calculate_gain("relu") ** 2)
    assert math.isclose(2 / 1.0001, init.calculate_gain("leaky_relu") ** 2)
    assert math.isclose(0.4, init.calculate_gain("leaky_relu", 2) ** 2)


@pytest.mark.parametrize("fill", [init.kaiming_uniform_, init.kaiming_normal_])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_a_tensor_without_elements_is_left_with_a_warning(fill, shape):
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op") as caught:
        fill(blank(*shape))
    assert __file__ == caught[0].filename


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "orthogonal_", "eye_", "trunc_normal_"])
def test_other_functions_leave_a_tensor_without_elements_in_silence(name):
    assert (0, 0) == getattr(init, name)(blank(0, 0)).shape


REFUSED = {
    "eye_ of three dimensions": (lambda: init.eye_(blank(2, 2, 2)), ValueError, "Only tensors with 2 dim"),
    "sparse_ of one": (lambda: init.sparse_(blank(2), 0.1), ValueError, "Only tensors with 2 dim"),
    "dirac_ of two": (lambda: init.dirac_(blank(2, 2)), ValueError, "Only tensors with 3, 4, or 5 dim"),
    "orthogonal_ of one": (lambda: init.orthogonal_(blank(2)), ValueError, "Only tensors with 2 or more dim"),
    "xavier_ of one": (lambda: init.xavier_normal_(blank(2)), ValueError, "fewer than 2 dim"),
    "kaiming_ of one": (lambda: init.kaiming_normal_(blank(2)), ValueError, "fewer than 2 dim"),
    "groups that do not divide": (lambda: init.dirac_(blank(3, 1, 1), 2), ValueError, "divisible by groups"),
    "no groups": (lambda: init.dirac_(blank(3, 1, 1), 0), ValueError, "divisible by groups"),
    "a mode unknown": (lambda: init.kaiming_uniform_(blank(2, 2), mode="fan"), ValueError, "Mode fan not supported"),
    "a nonlinearity unknown": (lambda: init.calculate_gain("gelu"), ValueError, "Unsupported nonlinearity gelu"),
    "a slope that is no number": (lambda: init.calculate_gain("leaky_relu", "a"), ValueError, "not a valid number"),
    "a slope that is a bool": (lambda: init.calculate_gain("leaky_relu", True), ValueError, "not a valid number"),
    "bounds exchanged": (lambda: init.trunc_normal_(blank(2), 0, 1, 2, 1), RuntimeError, "a <= b"),
    "no spread": (lambda: init.trunc_normal_(blank(2), 0, 0), RuntimeError, "std > 0"),
    "a mean that is nan": (lambda: init.trunc_normal_(blank(2), math.nan), RuntimeError, "finite mean"),
    "a sparsity above one": (lambda: init.sparse_(blank(2, 2), 1.5), ValueError, "between 0 and 1"),
    "negative std": (lambda: init.normal_(blank(2), 0, -1), RuntimeError, "std >= 0.0"),
    "whole numbers": (lambda: init.trunc_normal_(blank(2).long()), NotImplementedError, "int64"),
    "a list": (lambda: init.xavier_uniform_([1.0]), AttributeError, "list"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


OLD = [name for name in init.__all__ if not name.endswith("_") and name != "calculate_gain"]


@pytest.mark.parametrize("name", OLD)
def test_old_names_warn_and_work(name):
    shape = (3, 2, 1) if name == "dirac" else (3, 2)
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"):
        w = getattr(init, name)(blank(*shape), *FUNCTIONS.get(name + "_", ()))
    assert not (w == 7).any()
    assert 11 == len(OLD)
