"""NumPy's functions on tensors record like the ops that they stand for, or say that they cannot."""

import numpy as np
import pytest

import regrad as rg

RNG = np.random.default_rng(5)
DATA = RNG.uniform(0.5, 2.0, (3, 3))


def slope(fn, data, eps=1e-6):
    """The gradient of ``fn(array).sum()`` by central differences."""
    out = np.empty_like(data)
    for at in np.ndindex(data.shape):
        step = np.zeros_like(data)
        step[at] = eps
        out[at] = (np.sum(fn(data + step)) - np.sum(fn(data - step))) / (2 * eps)
    return out


CALLS = {
    "sin": np.sin,
    "square": np.square,
    "power": lambda x: np.power(x, 3),
    "add": lambda x: np.add(x, np.ones(3)) * x,
    "divide": lambda x: np.divide(1.0, x),
    "array * tensor": lambda x: np.arange(3.0) * x,
    "array - tensor": lambda x: np.arange(3.0) - x,
    "array / tensor": lambda x: np.arange(3.0) / x,
    "array ** tensor": lambda x: np.full(3, 2.0) ** x,
    "array @ tensor": lambda x: np.arange(9.0).reshape(3, 3) @ x,
    "NumPy scalar * tensor": lambda x: np.float64(3) * x,
    "maximum of a number": lambda x: np.maximum(x, 1.0),
    "hypot of a number": lambda x: np.hypot(x, 2),
    "arctan2": lambda x: np.arctan2(x, 2.0),
    "sum": np.sum,
    "sum along": lambda x: np.sum(x, axis=0) ** 2,
    "mean": lambda x: np.mean(x, axis=1, keepdims=True) * x,
    "prod": lambda x: np.prod(x, axis=0),
    "max": lambda x: np.max(x, axis=0),
    "min": lambda x: np.min(x),
    "var": lambda x: np.var(x, axis=0),
    "var of a sample": lambda x: np.var(x, axis=0, ddof=1),
    "std": lambda x: np.std(x, ddof=1),
    "maximum.reduce": np.maximum.reduce,
    "maximum.reduce of all": lambda x: np.maximum.reduce(x, axis=None),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=1, keepdims=True),
    "concatenate": lambda x: np.concatenate([x, np.ones((1, 3))], axis=0) ** 2,
    "concatenate flat": lambda x: np.concatenate([x, x[0]], axis=None) * np.arange(12.0),
    "stack": lambda x: np.stack([x, x * x], axis=1),
    "hstack": lambda x: np.hstack([x, x * x]),
    "where": lambda x: np.where(x > 1, x * x, 0.0),
    "matmul": lambda x: np.matmul(x, x),
    "dot": lambda x: np.dot(x, x),
    "dot of more dimensions": lambda x: np.dot(x[None], x[None] * np.ones((2, 1, 1)))[0, 1, 1],
    "inner": lambda x: np.inner(x, x),
    "outer": lambda x: np.outer(x[0], x[1]),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "tensordot": lambda x: np.tensordot(x, x, axes=([0], [0])),
    "transpose": lambda x: np.transpose(x) * np.arange(3.0),
    "transpose by axes": lambda x: np.transpose(x[None], (2, 0, 1)) * np.arange(3.0),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1) * np.arange(3.0),
    "reshape": lambda x: np.reshape(x, -1) * np.arange(9.0),
    "expand_dims": lambda x: np.expand_dims(x, 0) ** 2,
    "flip": lambda x: np.flip(x, axis=1) * np.arange(3.0),
    "roll": lambda x: np.roll(x, 1, axis=1) * np.arange(3.0),
    "clip": lambda x: np.clip(x, 0.7, 1.5) ** 2,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 3)),
    "tril": lambda x: np.tril(x) ** 2,
    "trace": lambda x: np.trace(x) ** 2,
    "sort": lambda x: np.sort(x, axis=0) * np.arange(3.0)[:, None],
    "sort flat": lambda x: np.sort(x, axis=None) * np.arange(9.0),
    "cumsum": lambda x: np.cumsum(x, axis=0) ** 2,
    "cumsum flat": lambda x: np.cumsum(x) * np.arange(9.0),
    "tile": lambda x: np.tile(x, (2, 1)) ** 2,
    "diff": lambda x: np.diff(x, axis=0) ** 2,
    "repeat": lambda x: np.repeat(x, 2, axis=0) ** 2,
    "cross": lambda x: np.cross(x, np.arange(9.0).reshape(3, 3)),
    "norm": np.linalg.norm,
    "norm along": lambda x: np.linalg.norm(x, axis=1),
    "inv": lambda x: np.linalg.inv(x + 3 * np.eye(3)),
    "det": np.linalg.det,
    "solve": lambda x: np.linalg.solve(x + 3 * np.eye(3), np.arange(3.0)),
    "cholesky": lambda x: np.linalg.cholesky(np.matmul(x, np.swapaxes(x, 0, 1)) + np.eye(3)),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_functions_record(name):
    fn = CALLS[name]
    x = rg.tensor(DATA, requires_grad=True)
    y = fn(x)
    assert isinstance(y, rg.Tensor)
    np.testing.assert_allclose(y.detach().numpy(), fn(DATA), rtol=1e-12)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slope(fn, DATA), rtol=1e-6, atol=1e-7)


def test_numpy_scalars_count_as_python_numbers():
    x = rg.ones(2)
    for y in (np.float64(2) * x, x * np.float64(2), x + np.int64(2), x[0] * np.float64(2), np.float64(2) / x):
        assert rg.float32 == y.dtype
    assert rg.float32 == (rg.ones(2, dtype=rg.int64) * np.float64(2)).dtype


def test_arrays_promote_like_tensors():
    assert rg.float64 == (np.ones(2) * rg.ones(2)).dtype
    assert rg.float32 == (np.ones(2, np.float32) * rg.ones(2)).dtype


@pytest.mark.parametrize(
    "call",
    [
        np.median,
        np.cbrt,
        np.linalg.svd,
        np.add.accumulate,
        lambda x: np.add(x, x, out=np.zeros((3, 3))),
        lambda x: np.sum(x, initial=3.0),
        lambda x: np.max(x, initial=0),
        lambda x: np.sum(x, where=np.ones(3, bool)),
    ],
)
def test_what_would_lose_the_gradient_is_refused(call):
    with pytest.raises(TypeError, match=r"has no counterpart that records, .* t\.detach\(\)"):
        call(rg.tensor(DATA, requires_grad=True))
    call(rg.tensor(DATA))


def test_what_needs_no_gradient_is_answered():
    x = rg.tensor(DATA, requires_grad=True)
    assert (3, 3) == np.shape(x)
    assert (2, 9) == (np.ndim(x), np.size(x))
    assert np.allclose(x, DATA)
    assert np.array_equal(x, x)
    assert [True, True, True] == np.isnan(x).logical_not().all(0).tolist()


def test_functions_without_a_counterpart_run_on_arrays():
    x = rg.tensor(DATA)
    assert np.median(DATA) == np.median(x).item()
    whole, rest = np.divmod(x, 2)
    assert np.allclose(whole * 2 + rest, DATA)
    assert DATA.sum() + 3 == pytest.approx(np.sum(x, initial=3.0).item())
    assert rg.float32 == np.sum(x, dtype=np.float32).dtype


def test_out_is_an_array_or_nothing():
    room = np.zeros(2)
    assert np.add(rg.ones(2), 1, out=room) is room
    assert [2, 2] == room.tolist()
    with pytest.raises(TypeError, match="`out=` cannot be a tensor"):
        np.add(rg.ones(2), 1, out=rg.zeros(2))


def test_array_shares_memory_unless_told_to_copy():
    x = rg.ones(2)
    np.asarray(x)[0] = 5
    np.array(x)[1] = 7
    assert [5, 1] == x.tolist()
    assert np.shares_memory(np.array(x, copy=False), x.numpy())
    assert np.float64 == np.asarray(x, dtype="f8").dtype
    with pytest.raises(ValueError, match="needs a copy"):
        np.array(x, dtype="f8", copy=False)
    with pytest.raises(RuntimeError, match=r"Use tensor\.detach\(\)\.numpy\(\)"):
        np.asarray(rg.ones(2, requires_grad=True))
    assert [1, 1] == rg.ones(2, requires_grad=True).numpy(force=True).tolist()
