"""Random numbers: the generator, and tensors drawn from it.

All draws come from a NumPy generator inside a `Generator`; ``manual_seed`` makes them repeatable. The numbers are not
PyTorch's. Start reading at `Generator`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general
from regrad.graph.modes import mode
from regrad.graph.value import Value, wrap
from regrad.ops.creation import check_device, finish, sized, sizes_of

__all__ = [
    "Generator",
    "bernoulli",
    "binomial",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]


class Generator:
    """A source of random numbers with a state of its own (NumPy's PCG64).

    PyTorch: torch.Generator.

    >>> g = rg.Generator().manual_seed(0)
    >>> a = rg.rand(2, generator=g)
    >>> bool((a == rg.rand(2, generator=g.manual_seed(0))).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        check_device(device)
        self.device = "cpu"
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: Any) -> Generator:
        """Start again from ``seed``."""
        if isinstance(seed, Value):
            seed = seed.array.item()
        if not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError(f"manual_seed: Overflow when unpacking long: {seed} does not fit into 64 bits")
        self._seed = int(seed) % (1 << 64)
        self._numpy: np.random.Generator | None = None
        return self

    @property
    def numpy(self) -> np.random.Generator:
        """The NumPy generator that draws; made when first needed, because numpy.random takes a while to load."""
        if self._numpy is None:
            self._numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self._numpy

    def initial_seed(self) -> int:
        """The seed it was last started from."""
        return self._seed

    def seed(self) -> int:
        """Start again from a seed that the operating system gives; returns the seed."""
        self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))
        return self._seed

    def get_state(self) -> Any:
        """The state, as a uint8 tensor."""
        state: Any = self.numpy.bit_generator.state
        numbers = state["state"]
        raw = (
            numbers["state"].to_bytes(16, "little")
            + numbers["inc"].to_bytes(16, "little")
            + bytes([state["has_uint32"]])
            + int(state["uinteger"]).to_bytes(4, "little")
            + self._seed.to_bytes(8, "little")
        )
        return wrap(np.frombuffer(raw, "u1").copy())

    def set_state(self, new_state: Any) -> None:
        """Go back to a state that `get_state` gave."""
        if not isinstance(new_state, Value) or new_state.array.dtype != np.uint8:
            raise TypeError("expected a torch.ByteTensor, that is what get_state returns")
        raw = new_state.array.tobytes()
        if len(raw) != 45:
            raise RuntimeError(f"RNG state is wrong size: {len(raw)} bytes, expected 45")
        number = lambda a, b: int.from_bytes(raw[a:b], "little")  # noqa: E731
        self._seed = number(37, 45)
        self.numpy.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": number(0, 16), "inc": number(16, 32)},
            "has_uint32": raw[32],
            "uinteger": number(33, 37),
        }

    def clone_state(self) -> Generator:
        """Another generator in the same state."""
        other = Generator()
        other.set_state(self.get_state())
        return other


default_generator = Generator()


def numpy_generator(generator: Generator | None = None) -> np.random.Generator:
    """The NumPy generator to draw from."""
    batch = mode().batch
    if batch is not None and batch.randomness != "same":
        batch.draw(_refused, (), {})
    return (default_generator if generator is None else generator).numpy


def _refused() -> Any:
    raise RuntimeError(
        'vmap: this random function draws alike for all samples; use randomness="same", or draw outside of vmap'
    )


def drawing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a random function: inside `vmap` it runs once, or for each sample, as the randomness asked for says."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        batch = mode().batch
        return fn(*args, **kwargs) if batch is None else batch.draw(fn, args, kwargs)

    return call


def manual_seed(seed: int) -> Generator:
    """Make all following draws repeatable; returns the default generator."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Go back to a state of the default generator."""
    default_generator.set_state(new_state)


class fork_rng:
    """Whatever is drawn inside this context leaves the default generator as it was.

    >>> with rg.random.fork_rng():
    ...     _ = rg.rand(3)
    """

    def __init__(self, devices: Any = None, enabled: bool = True, device_type: str = "cpu") -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self._state = default_generator.get_state()

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            default_generator.set_state(self._state)


# -- drawing


def _target(dtype: Any) -> Any:
    return dtypes.to_numpy(dtypes.get_default_dtype() if dtype is None else dtype)


def draw_uniform(shape: tuple[int, ...], target: Any, generator: Generator | None = None) -> Any:
    """Numbers in [0, 1) as an array of a floating or complex dtype."""
    rng = numpy_generator(generator)
    if target.kind == "c":
        return (rng.random(shape) + 1j * rng.random(shape)).astype(target)
    if target.kind not in "fV":
        raise NotImplementedError(
            f'"check_uniform_bounds" not implemented for {dtypes.of(target)!r}; draw floats and convert'
        )
    return (
        rng.random(shape, target)
        if target.name in ("float32", "float64")
        else rng.random(shape, np.float32).astype(target)
    )


def draw_normal(shape: tuple[int, ...], target: Any, generator: Generator | None = None) -> Any:
    """Standard normal numbers as an array of a floating or complex dtype."""
    rng = numpy_generator(generator)
    if target.kind == "c":
        return ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * 0.5**0.5).astype(target)
    if target.kind not in "fV":
        raise NotImplementedError(
            f'"normal_kernel_cpu" not implemented for {dtypes.of(target)!r}; draw floats and convert'
        )
    if target.name in ("float32", "float64"):
        return np.asarray(rng.standard_normal(shape, target))
    return np.asarray(rng.standard_normal(shape, np.float32)).astype(target)


@sized
@drawing
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Uniform random numbers in [0, 1).

    >>> rg.rand(2, 3).shape
    regrad.Size([2, 3])
    """
    check_device(device)
    return finish(draw_uniform(sizes_of(size, "rand"), _target(dtype), generator), requires_grad)


@sized
@drawing
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Random numbers from the standard normal distribution.

    >>> rg.randn(2, 3).shape
    regrad.Size([2, 3])
    """
    check_device(device)
    return finish(draw_normal(sizes_of(size, "randn"), _target(dtype), generator), requires_grad)


def _whole(low: Any, high: Any, shape: Any, target: Any, generator: Any) -> Any:
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return numpy_generator(generator).integers(int(low), int(high), shape).astype(target)


@drawing
def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Random whole numbers from ``low`` to below ``high``: ``randint(high, size)`` or ``randint(low, high, size)``.

    >>> rg.randint(0, 10, (3,)).dtype
    regrad.int64
    """
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint(): argument 'size' must be tuple of ints, not {type(size).__name__}")
    target = np.dtype("i8") if dtype is None else dtypes.to_numpy(dtype)
    low, high = (v.array.item() if isinstance(v, Value) else v for v in (low, high))
    return finish(_whole(low, high, sizes_of((size,), "randint"), target, generator), requires_grad)


@drawing
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """The numbers from 0 to ``n - 1`` in random order."""
    check_device(device)
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    target = np.dtype("i8") if dtype is None else dtypes.to_numpy(dtype)
    return finish(numpy_generator(generator).permutation(n).astype(target), requires_grad)


def _like_target(input: Any, dtype: Any) -> Any:
    return input.array.dtype if dtype is None else dtypes.to_numpy(dtype)


@drawing
def rand_like(
    input: Any,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Uniform random numbers in [0, 1), in the shape and dtype of ``input``."""
    check_device(device)
    return finish(draw_uniform(input.array.shape, _like_target(input, dtype), generator), requires_grad)


@drawing
def randn_like(
    input: Any,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Standard normal random numbers, in the shape and dtype of ``input``."""
    check_device(device)
    return finish(draw_normal(input.array.shape, _like_target(input, dtype), generator), requires_grad)


@drawing
def randint_like(
    input: Any,
    low: Any,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Any:
    """Random whole numbers from ``low`` to below ``high``, in the shape and dtype of ``input``."""
    check_device(device)
    low, high = (0, low) if high is None else (low, high)
    low, high = (v.array.item() if isinstance(v, Value) else v for v in (low, high))
    return finish(_whole(low, high, input.array.shape, _like_target(input, dtype), generator), requires_grad)


@general(
    a=lambda g, a_shape: _nothing(g, a_shape),
    b=lambda g, b_shape: _nothing(g, b_shape),
    jvp=lambda args, outs, ts, params: outs[0] * 0,
    shape=lambda a, b, *, drawn: drawn.shape,
    name="draw",
    grad_name="NormalBackward0",
)
def drawn_from(a, b, *, drawn):
    """The array ``drawn`` at random with parameters ``a`` and ``b``: their gradient is zero, as PyTorch has it."""
    return drawn


def _nothing(g: Any, shape: Any) -> Any:
    from regrad.ops.core import sum_to

    return sum_to(g * 0, shape=shape)


def _need_floats(x: Any, name: str) -> None:
    if x.array.dtype.kind not in "fcV":
        raise NotImplementedError(f"{name}: not implemented for {x.dtype}; convert with .float()")


def _array(x: Any) -> Any:
    return x.array if isinstance(x, Value) else x


def _connected(array: Any, a: Any, b: Any = None) -> Any:
    """``array`` as a tensor that hangs on the parameters it was drawn with."""
    if not any(isinstance(p, Value) for p in (a, b)):
        return wrap(array)
    return drawn_from(a if isinstance(a, Value) else b, b if isinstance(a, Value) else a, drawn=array)


@drawing
def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """Random numbers from normal distributions with the given means and standard deviations.

    >>> rg.normal(rg.zeros(3), 2.0).shape
    regrad.Size([3])
    """
    if size is None and not isinstance(mean, Value) and not isinstance(std, Value):
        raise TypeError("normal(): give a tensor as mean or std, or the size= of the result")
    m, s = _array(mean), _array(std)
    if np.any(np.asarray(s) < 0):
        raise RuntimeError(f"normal expects all elements of std >= 0.0, but found {float(np.min(s))}")
    if size is not None:
        return finish(
            (draw_normal(sizes_of((size,), "normal"), _target(dtype), generator) * s + m).astype(
                _target(dtype)
            ),
            requires_grad,
        )
    if isinstance(mean, Value) and isinstance(std, Value) and mean.array.shape != std.array.shape:
        shape = shapes.broadcast(mean.array.shape, std.array.shape)
    else:
        shape = np.shape(m) if isinstance(mean, Value) else np.shape(s)
    target = mean.array.dtype if isinstance(mean, Value) else std.array.dtype
    return _connected((draw_normal(shape, target, generator) * s + m).astype(target), mean, std)


@drawing
def bernoulli(input: Any, p: Any = None, *, generator: Generator | None = None) -> Any:
    """Ones with the probabilities in ``input`` (or ``p``), zeros otherwise.

    >>> rg.bernoulli(rg.ones(2))
    tensor([1., 1.])
    """
    if p is None:
        _need_floats(input, "bernoulli")
    probability = _array(input if p is None else p)
    if (
        np.any(np.asarray(probability) < 0)
        or np.any(np.asarray(probability) > 1)
        or np.any(np.isnan(probability))
    ):
        raise RuntimeError(
            "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but it is not; give probabilities"
        )
    array = (numpy_generator(generator).random(input.array.shape) < probability).astype(input.array.dtype)
    return _connected(array, input)


@drawing
def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Random counts from Poisson distributions with the rates in ``input``."""
    _need_floats(input, "poisson")
    if np.any(input.array < 0):
        raise RuntimeError("poisson: invalid Poisson rate, expected rate to be non-negative")
    return _connected(numpy_generator(generator).poisson(input.array).astype(input.array.dtype), input)


@drawing
def binomial(count: Any, prob: Any, generator: Generator | None = None) -> Any:
    """Random numbers of successes in ``count`` trials of probability ``prob``."""
    for name, given in (("count", count), ("prob", prob)):
        if given.array.dtype.kind not in "fV":
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {given.dtype}")
    trials = np.maximum(count.array, 0).astype("i8")
    return _connected(
        numpy_generator(generator).binomial(trials, prob.array).astype(prob.array.dtype),
        count,
        prob,
    )


@drawing
def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Any:
    """Indices drawn with the weights in each row of ``input``, which need not sum to one.

    >>> rg.multinomial(rg.tensor([0., 1., 0.]), 1)
    tensor([1])
    """
    weights = input.array
    if weights.ndim not in (1, 2):
        raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, got {weights.ndim}")
    if weights.dtype.kind not in "fV":
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {dtypes.of(weights.dtype)}"
        )
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
    rows = np.atleast_2d(weights).astype("f8")
    if not np.all(np.isfinite(rows)) or np.any(rows < 0):
        raise RuntimeError("multinomial: probability tensor contains either `inf`, `nan` or element < 0;"
                           " of logits take softmax first")
    if np.any(rows.sum(1) <= 0):
        raise RuntimeError("multinomial: invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and num_samples > rows.shape[1]:
        raise RuntimeError(
            "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement:"
            f" {num_samples} > {rows.shape[1]}"
        )
    rng = numpy_generator(generator)
    if replacement:
        edges = np.cumsum(rows, 1) / rows.sum(1, keepdims=True)
        points = rng.random((len(rows), num_samples))
        out = np.array(
            [np.searchsorted(e, u, side="right") for e, u in zip(edges, points, strict=True)]
        ).reshape(len(rows), num_samples)
        out = np.minimum(out, rows.shape[1] - 1)
    else:  # the smallest of exponentials with these rates come first with these weights
        with np.errstate(divide="ignore"):
            out = np.argsort(rng.exponential(size=rows.shape) / rows, axis=1, kind="stable")[:, :num_samples]
    return wrap(np.ascontiguousarray(out.reshape(num_samples) if weights.ndim == 1 else out).astype("i8"))


# -- in place

_CONTINUOUS = ("uniform_", "normal_", "exponential_", "cauchy_", "log_normal_")


def _in_place(name: str, draw: Any) -> Any:
    def method(self: Any, *args: Any, generator: Generator | None = None, **kwargs: Any) -> Any:
        from regrad.ops.writing import copy_

        if hasattr(self, "adopt"):  # a batched tensor: what each sample would be filled with is written to its value
            each = drawing(lambda x, *rest, **named: method(x.detach().clone(), *rest, **named))
            return self.adopt(each(self, *args, generator=generator, **kwargs))
        if name in _CONTINUOUS:
            _need_floats(self, name)
        array = draw(self.array, numpy_generator(generator), *args, **kwargs)
        return copy_(self, wrap(np.asarray(array).astype(self.array.dtype, copy=False)))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = draw.__doc__
    return method


def _uniform_(x, rng, from_=0.0, to=1.0, **names):
    """Write uniform random numbers in [from, to)."""
    low = names.get("from", from_)
    if low > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={to}")
    return low + (to - low) * (
        rng.random(x.shape, x.dtype) if x.dtype.name in ("float32", "float64") else rng.random(x.shape)
    )


def _normal_(x, rng, mean=0.0, std=1.0):
    """Write normal random numbers."""
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if x.dtype.kind == "c":
        return mean + std * (rng.standard_normal(x.shape) + 1j * rng.standard_normal(x.shape)) * 0.5**0.5
    if x.dtype.name in ("float32", "float64"):
        return mean + std * rng.standard_normal(x.shape, x.dtype)
    return mean + std * rng.standard_normal(x.shape)


def _exponential_(x, rng, lambd=1.0):
    """Write random numbers from the exponential distribution with rate ``lambd``."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return rng.exponential(1.0 / lambd, x.shape)


def _cauchy_(x, rng, median=0.0, sigma=1.0):
    """Write random numbers from the Cauchy distribution."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return median + sigma * rng.standard_cauchy(x.shape)


def _geometric_(x, rng, p):
    """Write random numbers of trials until the first success of probability ``p``."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return rng.geometric(p, x.shape)


def _log_normal_(x, rng, mean=1.0, std=2.0):
    """Write random numbers whose logarithm is normal."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return rng.lognormal(mean, std, x.shape)


def _random_(x, rng, from_=None, to=None, **names):
    """Write random whole numbers from ``from`` (0) to below ``to`` (all that the dtype can hold)."""
    low = names.get("from", from_)
    if low is not None and to is None:
        low, to = 0, low
    if to is None:
        to = {"f": 2 ** (np.finfo(x.dtype).nmant + 1) + 1 if x.dtype.kind == "f" else 0, "b": 2}.get(
            x.dtype.kind
        ) or np.iinfo(x.dtype).max
    low = 0 if low is None else low
    if low >= to:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={to}")
    if x.dtype.kind in "iu" and not np.iinfo(x.dtype).min <= low < to <= np.iinfo(x.dtype).max + 1:
        raise RuntimeError(f"random_: from={low}, to={to} is out of bounds for {dtypes.of(x.dtype)}")
    return rng.integers(low, to, x.shape)


def _bernoulli_(x, rng, p=0.5):
    """Write ones with probability ``p``, zeros otherwise."""
    p = _array(p)
    if not (np.min(p, initial=0) >= 0 and np.max(p, initial=0) <= 1):
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    if shapes.mismatch([np.shape(p), x.shape]) or shapes.broadcast(np.shape(p), x.shape) != x.shape:
        raise RuntimeError(f"bernoulli_: p of shape {list(np.shape(p))} does not expand to {list(x.shape)}")
    return rng.random(x.shape) < p


METHODS = {
    "bernoulli": bernoulli,
    "multinomial": multinomial,
    **{
        name: _in_place(name, draw)
        for name, draw in {
            "uniform_": _uniform_,
            "normal_": _normal_,
            "exponential_": _exponential_,
            "cauchy_": _cauchy_,
            "geometric_": _geometric_,
            "log_normal_": _log_normal_,
            "random_": _random_,
            "bernoulli_": _bernoulli_,
        }.items()
    },
}
