"""A rule runs in place on whatever lies in memory: blocks, views, strides, half precision; and the same on tensors."""

from __future__ import annotations

import numpy as np
import pytest

import regrad as rg
from regrad.optim import rules


def rule(p, g, m):
    m *= 0.5
    m += g
    p -= 0.25 * m * m


def expected(p, g, m):
    m = 0.5 * m + g
    return p - 0.25 * m * m, m


def layouts(rng):
    """(name, a maker of equal arrays of one layout)."""
    def strided():
        return rng.standard_normal((6, 10))[::2, 1::3]

    return {
        "contiguous": lambda: rng.standard_normal((3, 4)),
        "transposed": lambda: rng.standard_normal((4, 3)).T,
        "fortran": lambda: np.asfortranarray(rng.standard_normal((3, 4))),
        "strided": strided,
        "reversed": lambda: rng.standard_normal((3, 4))[::-1, ::-1],
        "permuted": lambda: rng.standard_normal((2, 3, 4)).transpose(2, 0, 1),
        "a column": lambda: rng.standard_normal((5, 3))[:, 1],
        "0-d": lambda: np.array(rng.standard_normal()),
        "empty": lambda: rng.standard_normal((0, 3)),
    }


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("block", [8, 64, 1 << 17])
@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("layout", layouts(None))
def test_a_rule_changes_the_memory_it_is_given(rng, monkeypatch, layout, complex_, block, maximize):
    monkeypatch.setattr(rules, "BLOCK", block)
    make = layouts(rng)[layout]
    p, g, m = [np.asarray(make() + 1j * make() if complex_ else make()) for _ in range(3)]
    if complex_ and layout == "strided":
        p = np.repeat(p, 2, axis=1)[:, ::2]
    g = g.copy(order="C")  # gradients often lie otherwise than their parameter
    slope = -g if maximize else g
    if complex_:
        pairs = [expected(*[part(a) for a in (p, slope, m)]) for part in (np.real, np.imag)]
        want = [x + 1j * y for x, y in zip(*pairs)]
    else:
        want = expected(p, slope, m)
    rules.run(rule, p, g, [m], maximize)
    np.testing.assert_array_equal(p, want[0])
    np.testing.assert_array_equal(m, want[1])


def test_parameters_that_are_views_of_one_memory_are_changed_there():
    memory = rg.arange(6.0)
    first, second = memory[:3].requires_grad_(), memory[3:].requires_grad_()
    optimizer = rg.optim.SGD([first, second], lr=1.0)
    first.grad, second.grad = rg.ones(3), rg.full((3,), 2.0)
    optimizer.step()
    assert [-1, 0, 1, 1, 2, 3] == memory.tolist()


def test_half_precision_is_computed_in_float32_and_rounded_once():
    p, g, m = [np.array([x], np.float16) for x in (1.0, 1e-4, 0.0)]
    seen = []

    def tiny(p, g, m):
        seen.append((p.dtype, g.dtype, m.dtype))
        m += g * g  # underflows in float16
        p -= 0.5 * g / np.sqrt(m)

    rules.run(tiny, p, g, [m], maximize=False)
    assert {(np.dtype(np.float32),) * 3} == set(seen)
    assert np.float16 == p.dtype
    assert 0.5 == p[0]


def test_recorded_tensors_get_the_same_numbers_and_a_history(rng):
    p, g, m = [rg.tensor(rng.standard_normal(3), requires_grad=True) for _ in range(3)]
    changed = p * 1
    want = expected(p.detach().numpy(), -g.detach().numpy(), m.detach().numpy())
    (kept,) = rules.record(rule, changed, g, [m], maximize=True)
    np.testing.assert_array_equal(changed.detach().numpy(), want[0])
    np.testing.assert_array_equal(kept.detach().numpy(), want[1])
    slopes = rg.autograd.grad(changed.sum(), (p, g, m))
    np.testing.assert_allclose(slopes[0].numpy(), np.ones(3))
    np.testing.assert_allclose(slopes[1].numpy(), 0.5 * want[1])
    np.testing.assert_allclose(slopes[2].numpy(), -0.25 * want[1])


def test_recorded_complex_tensors_are_updated_as_pairs():
    z = rg.tensor([1 + 2j]) * 1
    kept = rules.record(rule, z, rg.tensor([2 - 4j]), [rg.tensor([0j])], maximize=False)
    assert [1 - 1 + (2 - 4) * 1j] == z.tolist()
    assert [2 - 4j] == kept[0].tolist()


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_moving_towards_ends_exactly_at_the_ends(weight):
    x, end = np.array([0.1, 1e20]), np.array([0.7, 3.0])
    start = x.copy()
    rules.move_towards(x, end, weight)
    np.testing.assert_allclose(x, (1 - weight) * start + weight * end, rtol=1e-15)
    if weight in (0, 1):
        np.testing.assert_array_equal(x, end if weight else start)
