"""bfloat16: computed in float32 and rounded once, by every elementwise op, with numbers as with tensors."""

import numpy as np
import pytest

import regrad as rg

X = [[0.5, 1.25, -2.0], [1.0, 3.0, 0.25]]

CALLS = {
    "times a number": lambda x: x * 0.577,
    "a number minus": lambda x: 1.1 - x,
    "abs": lambda x: x.abs(),
    "floor": lambda x: (x * 1.3).floor(),
    "minimum": lambda x: x.minimum(x * 0.7),
    "erf": lambda x: x.erf(),
    "hypot": lambda x: x.hypot(x),
    "lerp": lambda x: x.lerp(x * 2, 0.3),
    "addcmul": lambda x: x.addcmul(x, x, value=0.3),
    "a power": lambda x: x.abs() ** 0.5,
    "masked fill": lambda x: x.masked_fill(x > 0, 0.3),
    "where": lambda x: x.where(x > 0.6, 0.1),
    "in place": lambda x: x.clone().mul_(0.577).add_(1.1),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_op_rounds_the_float32_result(name):
    call = CALLS[name]
    found = call(rg.tensor(X, dtype=rg.bfloat16))
    assert rg.bfloat16 == found.dtype
    exact = call(rg.tensor(X, dtype=rg.float64)).numpy()
    # Each step of a call rounds to 8 bits.
    np.testing.assert_allclose(found.double().numpy(), exact, rtol=2**-6, atol=2**-8)


@pytest.mark.parametrize("name", CALLS)
def test_a_gradient_is_bfloat16_too(name):
    x = rg.tensor(X, dtype=rg.bfloat16, requires_grad=True)
    wide = rg.tensor(X, dtype=rg.float64, requires_grad=True)
    CALLS[name](x).sum().backward()
    CALLS[name](wide).sum().backward()
    assert rg.bfloat16 == x.grad.dtype
    np.testing.assert_allclose(x.grad.double().numpy(), wide.grad.numpy(), rtol=2**-5, atol=2**-6)


def test_comparisons_give_bools():
    x = rg.tensor(X, dtype=rg.bfloat16)
    assert [[False, True, False], [True, True, False]] == (x > 0.5).tolist()
    assert rg.bool == x.isfinite().dtype


def test_attention_that_returns_its_weights_runs_in_bfloat16():
    rg.manual_seed(0)
    attention = rg.nn.MultiheadAttention(4, 2).bfloat16()
    x = rg.randn(3, 1, 4).bfloat16()
    out, weights = attention(x, x, x)
    assert rg.bfloat16 == out.dtype == weights.dtype
