"""The laws that every declared op obeys, on every sample of its family (`samples/`).

An op without samples fails `test_every_op_has_samples`. A law is one test function; a failing case names the op and
the number of the sample. Start reading at `CASES`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad.declare import OPS
from regrad.graph.node import Leaf, Output
from regrad.graph.value import Value, wrap
from tests.laws import samples as families
from tests.laws.sample import Refused, Sample

SAMPLES: dict[str, list[Any]] = {}
for _module in pkgutil.iter_modules(families.__path__):
    for _name, _list in importlib.import_module(f"{families.__name__}.{_module.name}").SAMPLES.items():
        SAMPLES.setdefault(_name, []).extend(_list)


def _of_kind(kind: type) -> list[Any]:
    return [
        pytest.param(OPS[name], s, id=f"{name}-{k}")
        for name, many in sorted(SAMPLES.items())
        if name in OPS
        for k, s in enumerate(many)
        if isinstance(s, kind)
    ]


CASES = _of_kind(Sample)
SMOOTH = [c for c in CASES if c.values[1].smooth]
REFUSED = _of_kind(Refused)

STEP = {"f": 1e-6, "c": 1e-6}


def test_every_op_has_samples() -> None:
    missing = sorted(set(OPS) - set(SAMPLES))
    unknown = sorted(set(SAMPLES) - set(OPS))
    assert (missing, unknown) == ([], []), "declared ops without samples, and samples of no op"


# -- helpers: an op as a function of its differentiable arrays


def ruled(op: Any, args: tuple[Any, ...]) -> list[int]:
    """The numbers of the arguments with a rule that are floating arrays."""
    first_many = len(op.args) - 1 if op.many else len(op.args)
    return [
        i
        for i, a in enumerate(args)
        if isinstance(a, np.ndarray) and a.dtype.kind in "fc" and op.args[min(i, first_many)] in op.rules
    ]


def run(op: Any, args: Any, params: dict[str, Any]) -> list[Any]:
    """The op on tensors; all its results as a list."""
    out = op.caller(*[wrap(a) if isinstance(a, np.ndarray) else a for a in args], **params)
    return list(out) if isinstance(out, (tuple, list)) else [out]


def floating(outs: list[Any]) -> list[int]:
    return [k for k, o in enumerate(outs) if o.requires_grad]


def leaves(args: Any, where: list[int]) -> list[Any]:
    """The arguments with those at ``where`` as leaves that require grad."""
    return [
        wrap(a.copy()).requires_grad_() if i in where else wrap(a) if isinstance(a, np.ndarray) else a
        for i, a in enumerate(args)
    ]


def record(op: Any, sample: Sample) -> tuple[list[Any], list[int], list[Any], list[int]]:
    where = ruled(op, sample.args)
    given = leaves(sample.args, where)
    out = op.caller(*given, **sample.params)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    return given, where, outs, floating(outs)


def noise(like: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed + like.size)
    made = np.asarray(rng.standard_normal(like.shape))
    if like.dtype.kind == "c":
        made = made + 1j * np.asarray(rng.standard_normal(like.shape))
    return np.asarray(made.astype(like.dtype))


def inner(a: Any, b: Any) -> float:
    """The real inner product of two arrays."""
    return float(np.sum(np.real(np.conj(a) * b)))


def gradients(op: Any, sample: Sample) -> tuple[list[int], list[np.ndarray], list[np.ndarray], list[int]]:
    """(ruled arguments, cotangents, gradients, results) by one ordinary pass over arrays."""
    given, where, outs, chosen = record(op, sample)
    if not chosen:
        return where, [], [], []
    cots = [noise(outs[k].array, 7 * k) for k in chosen]
    grads = rg.autograd.grad(
        [outs[k] for k in chosen], [given[i] for i in where], [wrap(c) for c in cots], allow_unused=True
    )
    return (
        where,
        cots,
        [np.zeros_like(sample.args[i]) if g is None else g.array for i, g in zip(where, grads, strict=True)],
        chosen,
    )


def slope(f: Any, args: tuple[Any, ...], where: list[int], moves: list[np.ndarray]) -> list[np.ndarray]:
    """Central differences of the list-valued ``f`` along ``moves``."""

    def at(h: float) -> list[np.ndarray]:
        moved = list(args)
        for i, t in zip(where, moves, strict=True):
            moved[i] = np.asarray(args[i] + h * t)
        return f(moved)

    h = STEP["f"]
    return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h), strict=True)]


# -- the laws


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_forward_equals_the_reference_whatever_the_layout(op: Any, sample: Sample) -> None:
    outs = [o.array for o in run(op, sample.args, sample.params)]
    if sample.expect is not None:
        ufunc = isinstance(sample.expect, np.ufunc)  # which has no signature in NumPy 2.0
        names = () if ufunc else inspect.signature(sample.expect).parameters
        extra = {k: v for k, v in sample.params.items() if k in names}
        want = sample.expect(*sample.args, **extra)
        for got, ref in zip(outs, want if isinstance(want, (tuple, list)) else [want], strict=False):
            np.testing.assert_allclose(got, ref, rtol=1e-10, atol=1e-12)
    for layout in (np.asfortranarray, _strided):
        args = [layout(a) if isinstance(a, np.ndarray) and a.ndim else a for a in sample.args]
        before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        again = [o.array for o in run(op, args, sample.params)]
        for got, ref in zip(again, outs, strict=True):
            np.testing.assert_allclose(got, ref, rtol=1e-9, atol=1e-12)
        for a, b in zip(args, before, strict=True):
            assert not isinstance(a, np.ndarray) or np.array_equal(
                a, b, equal_nan=a.dtype.kind in "fc"
            ), "an input was changed"


def _strided(a: np.ndarray) -> np.ndarray:
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_gradient_agrees_with_differences(op: Any, sample: Sample) -> None:
    where, cots, grads, chosen = gradients(op, sample)
    if not chosen:
        return
    moves = [sample.projected(i, noise(sample.args[i], 3 + i)) for i in where]
    moved = slope(
        lambda args: [run(op, args, sample.params)[k].array for k in chosen], sample.args, where, moves
    )
    expected = sum(inner(c, d) for c, d in zip(cots, moved, strict=True))
    actual = sum(inner(g, t) for g, t in zip(grads, moves, strict=True))
    assert actual == pytest.approx(expected, rel=sample.tol, abs=sample.tol)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_tangent_agrees_with_differences_and_with_the_gradient(op: Any, sample: Sample) -> None:
    where, cots, grads, chosen = gradients(op, sample)
    if not chosen:
        return
    moves = [sample.projected(i, noise(sample.args[i], 3 + i)) for i in where]
    pushed = tangents(op, sample, where, moves, chosen)
    moved = slope(
        lambda args: [run(op, args, sample.params)[k].array for k in chosen], sample.args, where, moves
    )
    for t, d in zip(pushed, moved, strict=True):
        np.testing.assert_allclose(t, d, rtol=10 * sample.tol, atol=10 * sample.tol)
    left = sum(inner(c, t) for c, t in zip(cots, pushed, strict=True))
    right = sum(inner(g, t) for g, t in zip(grads, moves, strict=True))
    scale = max([1.0, *(abs(float(np.sum(np.abs(c)))) for c in cots)])
    assert abs(left - right) <= 1e-11 * scale * max(1.0, abs(left))


def tangents(
    op: Any, sample: Sample, where: list[int], moves: list[np.ndarray], chosen: list[int]
) -> list[np.ndarray]:
    with rg.autograd.forward_ad.dual_level():
        given: list[Any] = [wrap(a) if isinstance(a, np.ndarray) else a for a in sample.args]
        for i, t in zip(where, moves, strict=True):
            given[i] = rg.autograd.forward_ad.make_dual(given[i], wrap(t))
        out = op.caller(*given, **sample.params)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        found = [rg.autograd.forward_ad.unpack_dual(outs[k]).tangent for k in chosen]
        return [
            np.zeros_like(outs[k].array) if t is None else t.array for k, t in zip(chosen, found, strict=True)
        ]


@pytest.mark.parametrize(("op", "sample"), [c for c in SMOOTH if c.values[1].second])
def test_second_derivative_agrees_with_differences(op: Any, sample: Sample) -> None:
    given, where, outs, chosen = record(op, sample)
    if not chosen:
        return
    cots = [wrap(noise(outs[k].array, 7 * k)).requires_grad_() for k in chosen]
    wrt = [given[i] for i in where]
    grads = rg.autograd.grad([outs[k] for k in chosen], wrt, cots, create_graph=True, allow_unused=True)
    dirs = [wrap(noise(sample.args[i], 11 + i)) for i in where]
    pairs = [(g, d) for g, d in zip(grads, dirs, strict=True) if g is not None and g.requires_grad]
    if not pairs:
        return
    inputs = [*wrt, *cots]
    second = rg.autograd.grad([g for g, _ in pairs], inputs, [d for _, d in pairs], allow_unused=True)
    moves = [noise(x.array, 17 + i) for i, x in enumerate(inputs)]
    moves[: len(where)] = [sample.projected(i, t) for i, t in zip(where, moves, strict=False)]
    actual = sum(inner(s.array, t) for s, t in zip(second, moves, strict=True) if s is not None)

    def first(h: float) -> float:
        args = list(sample.args)
        for i, t in zip(where, moves[: len(where)], strict=True):
            args[i] = np.asarray(args[i] + h * t)
        _, at, results, some = record(op, Sample(*args, **sample.params))
        moved = [wrap(c.array + h * t) for c, t in zip(cots, moves[len(where) :], strict=True)]
        leaf, _, results, some = record(op, Sample(*args, **sample.params))
        found = rg.autograd.grad([results[k] for k in some], [leaf[i] for i in at], moved, allow_unused=True)
        return sum(inner(d.array, g.array) for d, g in zip(dirs, found, strict=True) if g is not None)

    h = STEP["f"]
    expected = (first(h) - first(-h)) / (2 * h)
    assert actual == pytest.approx(expected, rel=20 * sample.tol, abs=20 * sample.tol)


@pytest.mark.parametrize(("op", "sample"), [c for c in SMOOTH if c.values[1].second])
def test_the_tangent_of_a_gradient_agrees_with_differences(op: Any, sample: Sample) -> None:
    where = ruled(op, sample.args)
    moves = [sample.projected(i, noise(sample.args[i], 3 + i)) for i in where]
    with rg.autograd.forward_ad.dual_level():
        given = leaves(sample.args, where)
        for i, t in zip(where, moves, strict=True):
            given[i] = rg.autograd.forward_ad.make_dual(given[i], wrap(t))
        out = op.caller(*given, **sample.params)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        chosen = [outs[k] for k in floating(outs)]
        if not chosen:
            return
        cots = [wrap(noise(o.array, 7 * k)) for k, o in zip(floating(outs), chosen, strict=True)]
        grads = rg.autograd.grad(chosen, [given[i] for i in where], cots, allow_unused=True)
        pushed = [None if g is None else rg.autograd.forward_ad.unpack_dual(g).tangent for g in grads]

    def first(args: list[Any]) -> list[np.ndarray]:
        return gradients(op, Sample(*args, **sample.params))[2]

    for t, d in zip(pushed, slope(first, sample.args, where, moves), strict=True):
        got = np.zeros_like(d) if t is None else t.array
        np.testing.assert_allclose(got, d, rtol=200 * sample.tol, atol=200 * sample.tol)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_the_rule_on_arrays_equals_the_rule_on_tensors(op: Any, sample: Sample) -> None:
    _, _, grads, chosen = gradients(op, sample)
    if not chosen:
        return
    given, where, outs, chosen = record(op, sample)
    cots = [wrap(noise(outs[k].array, 7 * k)) for k in chosen]
    recorded = rg.autograd.grad(
        [outs[k] for k in chosen], [given[i] for i in where], cots, create_graph=True, allow_unused=True
    )
    for fast, slow in zip(grads, recorded, strict=True):
        want = np.zeros_like(fast) if slow is None else slow.array
        np.testing.assert_array_equal(fast, want)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_the_shape_rule_knows_the_shape(op: Any, sample: Sample) -> None:
    shapes = [
        a.shape if isinstance(a, np.ndarray) else () if isinstance(a, (int, float, complex)) else None
        for a in sample.args
    ]
    found = op.shape(*shapes, **sample.params)
    outs = [o.array.shape for o in run(op, sample.args, sample.params)]
    several = bool(found) and not isinstance(found[0], (int, np.integer))
    assert [tuple(s) for s in (found if several else [found])][: len(outs)] == outs


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_float32_stays_float32(op: Any, sample: Sample) -> None:
    small = [
        a.astype("f4") if isinstance(a, np.ndarray) and a.dtype == np.float64 else a for a in sample.args
    ]
    if any(isinstance(a, np.ndarray) and a.dtype.kind == "c" for a in small) or op.name in (
        "cast",
        "draw",
    ):  # their dtype is a parameter
        return
    _, _, grads, chosen = gradients(op, Sample(*small, **sample.params))
    assert all(g.dtype == np.float32 for g in grads)
    outs = run(op, small, sample.params)
    assert all(outs[k].array.dtype in (np.float32, np.complex64) for k in chosen)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_a_node_holds_exactly_the_named_values(op: Any, sample: Sample) -> None:
    where = ruled(op, sample.args)
    for alone in [where, *([i] for i in where if len(where) > 1)]:
        given = leaves(sample.args, alone)
        out = op.caller(*given, **sample.params)
        for o in out if isinstance(out, (tuple, list)) else [out]:
            node = o.edge.node if type(o.edge) is Output else o.edge
            if node is None or type(node) is Leaf:
                continue
            named = set()
            for i in alone:
                rule = op.rules[op.args[min(i, len(op.args) - 1)]]
                named |= set(inspect.signature(rule).parameters)
            assert set(node.plan.slots) == named - {"g"} - set(op.params)
            held = [e for e in _flat(node.saved) if isinstance(e, np.ndarray)]
            values = [
                *(g.array for g in given if isinstance(g, Value)),
                *(o.array for o in (out if isinstance(out, (tuple, list)) else [out])),
            ]
            for array in held:
                hidden = op.visible < len(op.outs)
                assert hidden or any(
                    array is v or array.base is v for v in values
                ), "a node holds an array that is no value of the op"


def _flat(entry: Any) -> list[Any]:
    return [e for v in entry for e in _flat(v)] if isinstance(entry, tuple) else [entry]


@pytest.mark.parametrize("op", [pytest.param(op, id=name) for name, op in sorted(OPS.items()) if op.rules])
def test_a_rule_speaks_only_in_operators_ops_and_numbers(op: Any) -> None:
    for rule in op.rules.values():
        names = {"np", "numpy"} & set(rule.__code__.co_names)
        assert not names, f"{op.name}: a rule uses {names}"
        try:
            text = textwrap.dedent(inspect.getsource(rule)).strip()
            tree = ast.parse(
                text
                if text.startswith(("def", "@"))
                else "(" + text[text.index("lambda") :].split("\n")[0].rstrip(",) ") + ")"
            )
        except (OSError, SyntaxError, ValueError):
            continue
        rules: list[ast.AST] = [
            n for n in ast.walk(tree) if isinstance(n, ast.Lambda)
        ]  # not the forward below them
        methods = {
            n.func.attr
            for r in rules or [tree]
            for n in ast.walk(r)
            if isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute)
            and isinstance(n.func.value, ast.Name)
            and n.func.value.id in {"g", "out", *op.args}
        }
        assert not methods, f"{op.name}: a rule calls array methods {methods}"


@pytest.mark.parametrize(("op", "sample"), REFUSED)
def test_bad_input_is_refused_in_words(op: Any, sample: Refused) -> None:
    with pytest.raises(sample.raises) as caught:
        run(op, sample.args, sample.params)
    assert sample.error in str(caught.value)
