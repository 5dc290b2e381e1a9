"""Indexing inside vmap: one sample at a time gives the same, without a loop, for values and gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad.autograd import batch_indexing as batch_indexing  # fills the table of rules
from regrad.errors import LoopWarning

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3))
I = rg.tensor([0, 2, 4, 1])  # noqa: E741 - an index for each sample
K = rg.tensor([[0, 1], [2, -1], [4, 0], [1, 1]])
G = rg.tensor(RNG.integers(0, 3, (4, 2, 3)))
S = RNG.normal(size=(4, 2, 3))
M = rg.tensor(RNG.random((5, 3)) < 0.5)


def written(key: Any, value: Any) -> Any:
    """A function that writes into a copy of its sample."""

    def f(x: Any, i: Any, k: Any, g: Any, s: Any) -> Any:
        y = x.clone()
        y[key(i, k)] = value(x)
        return y

    return f


CASES = {
    "integers": lambda x, i, k, g, s: x[1:, 0], "one position": lambda x, i, k, g, s: x[i],
    "positions": lambda x, i, k, g, s: x[k], "inner positions": lambda x, i, k, g, s: x[:, k % 3],
    "pairs": lambda x, i, k, g, s: x[k, k % 3], "mask": lambda x, i, k, g, s: x[M],
    "shared": lambda x, i, k, g, s: rg.tensor(X[0])[:, k % 3] * s[0, 0],
    "take": lambda x, i, k, g, s: x.take(k),
    "index_add": lambda x, i, k, g, s: x.index_add(0, k % 5, s),
    "index_copy": lambda x, i, k, g, s: x.index_copy(0, rg.tensor([3, 1]), s),
    "index_fill": lambda x, i, k, g, s: x.index_fill(1, k % 3, 2.0),
    "index_put": lambda x, i, k, g, s: x.index_put((k, k % 3), s[0, :2], accumulate=True),
    "masked_fill": lambda x, i, k, g, s: x.masked_fill(M, 1.5),
    "masked_scatter": lambda x, i, k, g, s: x.masked_scatter(M, x * 2),
    "gather": lambda x, i, k, g, s: x.gather(0, g),
    "take_along_dim": lambda x, i, k, g, s: rg.take_along_dim(x, k[:, None], 0),
    "scatter": lambda x, i, k, g, s: x.scatter(0, g, s), "number": lambda x, i, k, g, s: x.scatter(0, g, 2.0),
    "scatter_add": lambda x, i, k, g, s: x.scatter_add(0, g, s),
    "prod": lambda x, i, k, g, s: x.scatter_reduce(0, g, s, "prod"),
    "mean": lambda x, i, k, g, s: x.scatter_reduce(0, g, s, "mean"),
    "amax": lambda x, i, k, g, s: x.scatter_reduce(0, g, s, "amax"),
    "write a row": written(lambda i, k: 0, lambda x: x[1]),
    "write a number": written(lambda i, k: (slice(1, None), 2), lambda x: 7.0),
    "write at one": written(lambda i, k: i, lambda x: x[0]),
    "write at several": written(lambda i, k: k, lambda x: 1.0),
    "write inside": written(lambda i, k: (slice(None), k % 3), lambda x: x[:, :1]),
    "write under a mask": written(lambda i, k: M, lambda x: 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_batch_gives_what_its_samples_give(name: str) -> None:
    f = CASES[name]
    x, s = (rg.tensor(a, requires_grad=True) for a in (X, S))
    want = rg.stack([f(x[n], I[n], K[n], G[n], s[n]) for n in range(4)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopWarning)
        got = rg.func.vmap(f)(x, I, K, G, s)
    np.testing.assert_array_equal(got.detach().numpy(), want.detach().numpy())
    c = rg.tensor(RNG.normal(size=want.shape))
    ours, theirs = (rg.autograd.grad(out, [x, s], c, allow_unused=True) for out in (got, want))
    for a, b in zip(ours, theirs, strict=True):
        a, b = (np.zeros(1) if g is None else g.numpy() for g in (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_size_that_depends_on_the_sample_is_refused() -> None:
    for f in (lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: rg.masked_select(x, x > 0)):
        with pytest.raises(RuntimeError, match="vmap: how much a batched mask selects"):
            rg.func.vmap(f)(rg.tensor(X))


def test_a_sample_cannot_be_written_into_what_all_samples_share() -> None:
    def f(x: Any) -> Any:
        shared = rg.zeros(5)
        shared[0] = x
        return shared

    with pytest.raises(RuntimeError, match="vmap: inplace arithmetic is not possible"):
        rg.func.vmap(f)(rg.zeros(4))
