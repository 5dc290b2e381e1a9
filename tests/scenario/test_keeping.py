"""Rows A4, A6, C1, C2, C3, C4 and C5 of docs/demands.md: what a pass keeps, what it frees, and who decides."""

from __future__ import annotations

import numpy as np
import pytest

import regrad as rg
from regrad.autograd import Function
from tests.scenario.looking import held, line_of

grad = rg.autograd.grad
MB = 1 << 20

pytestmark = pytest.mark.usefixtures("collector_off")


def leaf(*shape: int) -> rg.Tensor:
    return rg.rand(*shape, dtype=rg.float64).requires_grad_()


# -- A4: retain_graph names what is to come


def two_losses() -> tuple[rg.Tensor, rg.Tensor, rg.Tensor]:
    x = leaf(1000)
    trunk = x.exp().tanh()
    return x, (trunk.sin() * 2).exp().sum(), (trunk.tanh().tanh()).sum()


def test_a4_what_the_named_root_will_read_is_kept_and_nothing_else() -> None:
    x, l1, l2 = two_losses()
    of_l2 = held(l2)
    assert of_l2 == 4 * 8000 < held(l1, l2)
    l1.backward(retain_graph=[l2])
    assert of_l2 == held(l1, l2) == rg.graph.memory_stats()["saved_bytes"]
    first = x.grad.clone()
    l2.backward()
    assert rg.graph.memory_stats()["saved_bytes"] == 0
    trunk = x.exp().tanh()
    (want,) = grad((trunk.sin() * 2).exp().sum(), x)
    assert want.tolist() == first.tolist()
    (more,) = grad(x.exp().tanh().tanh().tanh().sum(), x)
    np.testing.assert_allclose(x.grad.numpy(), (want + more).numpy(), rtol=1e-14)


def test_a4_a_single_tensor_may_be_named_and_the_word_auto_finds_it() -> None:
    for retain in ("l2", "auto"):
        _, l1, l2 = two_losses()
        of_l2 = held(l2)
        l1.backward(retain_graph=l2 if retain == "l2" else "auto")
        assert of_l2 == held(l1, l2)
        l2.backward(retain_graph="auto")
        assert held(l1, l2) == 0


def test_a4_auto_keeps_nothing_for_roots_that_are_gone() -> None:
    _, l1, l2 = two_losses()
    del l2
    l1.backward(retain_graph="auto")
    assert rg.graph.memory_stats()["saved_bytes"] == 0


# -- A6: a custom op that does not clean up by hand

released: list[str] = []


class Caching(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save({"cache": bytearray(MB), "factor": 3.0}, nbytes=MB)
        ctx.on_release(lambda: released.append("now"))
        return x * 3

    @staticmethod
    def backward(ctx, g):
        (cache,) = ctx.saved_objects
        Caching.reused = ctx.will_be_reused
        return g * cache["factor"]


@pytest.fixture
def nothing_released():
    released.clear()


@pytest.mark.usefixtures("nothing_released")
def test_a6_one_pass_frees_the_object_and_says_so_once() -> None:
    x = leaf(2)
    y = Caching.apply(x).sum()
    assert rg.graph.memory_stats()["saved_bytes"] == MB
    y.backward()
    assert released == ["now"]
    assert Caching.reused is False
    assert rg.graph.memory_stats()["saved_bytes"] == 0
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.usefixtures("nothing_released")
def test_a6_three_passes_read_it_and_the_last_frees_it() -> None:
    x = leaf(2)
    y = Caching.apply(x).sum()
    for k in range(3):
        assert rg.graph.memory_stats()["saved_bytes"] == MB
        assert released == []
        y.backward(retain_graph=k < 2)
        assert Caching.reused is (k < 2)
        assert x.grad.tolist() == [3.0 * (k + 1)] * 2
    assert released == ["now"]
    assert rg.graph.memory_stats()["saved_bytes"] == 0


@pytest.mark.usefixtures("nothing_released")
@pytest.mark.parametrize("how", ["plan", "named", "release", "death", "batch"])
def test_a6_however_the_graph_ends_the_object_goes_once(how: str) -> None:
    x = leaf(2)
    y = Caching.apply(x)
    l1, l2 = y.sum(), (y * 2).sum()
    if how == "plan":
        with rg.graph.plan(l1, l2):
            l1.backward()
            assert (Caching.reused, released) == (True, [])
            l2.backward()
            assert Caching.reused is False
    elif how == "named":
        l1.backward(retain_graph=l2)
        assert (Caching.reused, released) == (True, [])
        l2.backward()
    elif how == "release":
        assert rg.graph.release(l1) == MB
        rg.graph.release(l2)
    elif how == "batch":
        rg.graph.backward({l1: None, l2: None})
    del y, l1, l2
    assert released == ["now"]
    assert rg.graph.memory_stats()["saved_bytes"] == 0


# -- C1: free only what was used

PAIRS = {
    "mul": (lambda a, b: a * b, 8, 8, 0),
    "matmul": (lambda a, b: a @ b, 8, 8, 0),
    "div": (lambda a, b: a / b, 0, 16, 16),  # both rules read b, and the second the quotient too
}


@pytest.mark.parametrize("name", PAIRS)
def test_c1_a_slot_dies_when_its_last_possible_reader_has_run(name: str) -> None:
    op, after_x, _, _ = PAIRS[name]
    n = 128
    x, y = leaf(n, n), leaf(n, n)
    g = rg.ones(n, n, dtype=rg.float64)
    o = op(x, y)
    want = grad(o, (x, y), g, retain_graph=True)
    before = held(o)
    assert before == 2 * 8 * n * n
    (dx,) = grad(o, x, g, release="used")
    left = held(o)
    if name == "div":
        assert left == before  # the divisor and the quotient are still to be read
    else:
        assert left == after_x * n * n
        assert [r.slot for r in rg.graph.saved(o)] == [o.grad_fn.plan.op.args[0]]
        assert o.grad_fn.saved[o.grad_fn.plan.slots.index(o.grad_fn.plan.op.args[0])] is x.array
        with pytest.raises(rg.GraphFreedError):
            grad(o, x, g)
    (dy,) = grad(o, y, g, release="used")
    assert held(o) == 0
    assert (dx.tolist(), dy.tolist()) == (want[0].tolist(), want[1].tolist())


def test_c1_the_scenario_in_megabytes() -> None:
    x, y = (rg.rand(MB // 4).requires_grad_() for _ in range(2))
    o = x * y
    g = rg.ones(MB // 4)
    (dx,) = grad(o, x, g, release="used")
    assert held(o) == rg.graph.memory_stats()["saved_bytes"] == MB
    (dy,) = grad(o, y, g, release="used")
    assert held(o) == rg.graph.memory_stats()["saved_bytes"] == 0
    assert bool((dx == y).all())
    assert bool((dy == x).all())


def test_c1_through_layers_what_a_later_gradient_comes_through_is_kept() -> None:
    x, w1, w2 = leaf(8, 16), leaf(16, 16), leaf(16, 4)

    def loss() -> rg.Tensor:
        return ((x @ w1).tanh() @ w2).square().sum()

    right = grad(loss(), [x, w1, w2])
    of = loss()
    before = held(of)
    (dx,) = grad(of, x, release="used")
    assert before - w1.nbytes == held(of)  # only dx read it
    dw1, dw2 = grad(of, [w1, w2], release="used")
    assert 0 == held(of)
    assert all(bool((a == b).all()) for a, b in zip((dx, dw1, dw2), right, strict=True))
    of = loss()
    (dw2,) = grad(of, w2, release="used")
    dx, dw1 = grad(of, [x, w1], release="used")
    assert 0 == held(of)
    assert all(bool((a == b).all()) for a, b in zip((dx, dw1, dw2), right, strict=True))


def test_c1_linear_with_bias_keeps_what_the_other_half_reads() -> None:
    x, w, b = leaf(64, 32), leaf(16, 32), leaf(16)
    o = rg.nn.functional.linear(x, w, b)
    g = rg.rand(64, 16, dtype=rg.float64)
    want = grad(o, (x, w, b), g, retain_graph=True)
    (dx,) = grad(o, x, g, release="used")
    assert held(o) == x.nbytes
    dw, db = grad(o, (w, b), g, release="used")
    assert held(o) == 0
    assert [t.tolist() for t in want] == [t.tolist() for t in (dx, dw, db)]


# -- C2: what is off the executed path


def toy() -> tuple[rg.Tensor, list[rg.Tensor], list[rg.Tensor]]:
    """Two inputs, two layers, a branch that only leads to an input."""
    x, side = leaf(20, 10), leaf(20, 10)
    w1, w2 = leaf(10, 10), leaf(10, 10)
    h = (x.tanh() @ w1).tanh() * side.exp()
    return ((h @ w2).tanh() ** 2).sum(), [x, side], [w1, w2]


def test_c2_a_final_pass_frees_all_that_its_roots_reach() -> None:
    loss, inputs, weights = toy()
    value = loss.item()
    grad(loss, inputs, retain_graph=True)
    grad(loss, weights, retain_graph=True)
    kept = held(loss)
    grad(loss, weights, retain_graph=True)
    assert held(loss) == kept
    grad(loss, weights, release="graph")  # the last
    assert held(loss) == rg.graph.memory_stats()["saved_bytes"] == 0
    assert loss.item() == value
    with pytest.raises(rg.GraphFreedError) as caught:
        loss.backward()
    assert caught.value.freed_at.line == line_of("# the last")


def test_c2_a_pass_frees_by_default_only_what_it_ran() -> None:
    loss, _inputs, weights = toy()
    grad(loss, weights)
    assert held(loss) == 20 * 10 * 8 * 2  # tanh(x) and exp(side) are off the path to the weights


# -- C3: a chosen part is kept or dropped


def test_c3_releasing_the_trunk_keeps_the_head() -> None:
    x, w, head = leaf(500, 50), leaf(50, 50), leaf(50, 2)
    h = (x.exp() @ w).tanh().tanh()
    loss = ((h @ head) ** 2).sum()
    trunk = held(h)
    freed = rg.graph.release(loss, below=h)  # on purpose
    assert freed == trunk - h.nbytes  # the head reads h itself
    wants = [grad(loss, head, retain_graph=True)[0].tolist() for _ in range(5)]
    assert all(w == wants[0] for w in wants)
    np.testing.assert_allclose(wants[0], (h.T @ (2 * (h @ head))).detach().numpy(), rtol=1e-12)
    with pytest.raises(rg.GraphFreedError) as caught:
        grad(loss, w)
    assert caught.value.cause == "RELEASED"
    assert caught.value.freed_at.line == line_of("# on purpose")
    assert held(loss) == held(loss) > 0
    rg.graph.release(loss)
    assert held(loss) == 0
    assert rg.graph.graph_state(loss) == "released"


def test_c3_what_is_to_be_kept_is_kept() -> None:
    x, head = leaf(1000), leaf(1000)
    h = x.exp().tanh()
    loss = (h.sin() * head).tanh().sum()
    of_h, all_of_it = held(h), held(loss)
    assert rg.graph.release(loss, keep=[h]) == all_of_it - of_h
    assert held(loss) == of_h
    h.sum().backward()
    assert x.grad is not None


def test_c3_a_release_frees_memory_that_nothing_else_holds() -> None:
    from tests.scenario.looking import NumPyBytes

    x = leaf(10_000)
    with NumPyBytes() as memory:
        loss = x.exp().tanh().sin().sum()
        before = memory.alive()
        freed = rg.graph.release(loss)
        assert freed == 2 * 80_000
        assert before - memory.alive() == freed


# -- C4: a window that moves

T, WINDOW = 200, 10


def cell(x: rg.Tensor, h: rg.Tensor, w: rg.Tensor) -> rg.Tensor:
    cell.calls += 1
    return (h @ w + x).tanh()


def test_c4_a_window_of_truncated_backpropagation_stays_flat() -> None:
    w = (rg.rand(4, 4, dtype=rg.float64) - 0.5).requires_grad_()
    xs = rg.rand(T, 3, 4, dtype=rg.float64)
    cell.calls = 0
    hs = [rg.zeros(3, 4, dtype=rg.float64)]
    sizes, found = [], []
    for t in range(T):
        hs.append(cell(xs[t], hs[-1], w))
        if t >= WINDOW:
            rg.graph.cut_behind(hs[t + 1 - WINDOW])
        (g,) = grad((hs[-1] ** 2).sum(), w, retain_graph=True)
        found.append(g)
        sizes.append(held(hs[-1]))
    assert cell.calls == T
    step = 2 * 3 * 4 * 8
    assert max(sizes[WINDOW:]) - min(sizes[WINDOW:]) <= step
    for t in range(WINDOW, T, 7):
        h = hs[t + 1 - WINDOW].detach()
        for k in range(t + 1 - WINDOW, t + 1):
            h = cell(xs[k], h, w)
        (want,) = grad((h**2).sum(), w)
        np.testing.assert_allclose(found[t].numpy(), want.numpy(), rtol=0, atol=1e-12)


def test_c4_the_bytes_behind_the_cut_are_set_free_and_told() -> None:
    w = leaf(1000)
    h = w
    for _ in range(5):
        h = h.tanh()
    middle = h
    for _ in range(5):
        h = h.tanh()
    before = held(h)
    freed = rg.graph.cut_behind(middle)
    assert freed == before - held(h) == 5 * 8000  # each op has saved its own result
    assert rg.graph.memory_stats()["saved_bytes"] == held(h)
    (h.sum() + middle.sum()).backward()
    assert w.grad is None


def test_c4_one_of_several_outputs_is_cut_and_the_others_go_on() -> None:
    x = leaf(4)
    a, b = (x * x).split(2)
    total = (a * 2).sum() + (b * 3).sum()
    rg.graph.cut_behind(a)
    (total + a.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, *(6 * x.detach().numpy()[2:])])
    with pytest.raises(RuntimeError, match="is a leaf"):
        rg.graph.cut_behind(x)


# -- C5: a custom op is told what this pass asks for


class Product(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        Product.seen.append((ctx.wanted, ctx.needs_input_grad))
        da = db = None
        if ctx.wanted[0]:
            Product.ran.append("da")
            da = g * b
        if ctx.wanted[1]:
            Product.ran.append("db")
            db = g * a
        return da, db


def test_c5_wanted_is_what_this_pass_asks_for() -> None:
    Product.seen, Product.ran = [], []
    a, b = leaf(3), leaf(3)
    o = Product.apply(a, b).sum()
    (da,) = grad(o, a, retain_graph=True)
    assert Product.seen == [((True, False), (True, True))]
    assert Product.ran == ["da"]
    (db,) = grad(o, b, retain_graph=True)
    assert Product.seen[1:] == [((False, True), (True, True))]
    assert Product.ran == ["da", "db"]
    o.backward()
    assert Product.seen[2][0] == (True, True)
    assert (da.tolist(), db.tolist()) == (b.tolist(), a.tolist())
    assert (a.grad.tolist(), b.grad.tolist()) == (b.tolist(), a.tolist())


def test_c5_the_other_half_works_from_what_was_kept() -> None:
    Product.seen, Product.ran = [], []
    a, b = leaf(3), leaf(3)
    o = Product.apply(a, b)
    g = rg.ones(3, dtype=rg.float64)
    (da,) = grad(o, a, g, release="used")
    (db,) = grad(o, b, g, release="used")
    assert [wanted for wanted, _ in Product.seen] == [(True, False), (False, True)]
    assert (da.tolist(), db.tolist()) == (b.tolist(), a.tolist())
    assert held(o) == 0
