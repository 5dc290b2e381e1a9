"""Rows D1, D2, D3 and D4 of docs/demands.md: several losses over one trunk, their gradients apart or together."""

from __future__ import annotations

import numpy as np
import pytest

import regrad as rg
from tests.scenario.looking import NumPyBytes, count_runs, held, nodes_of

grad = rg.autograd.grad
N = 20_000
H = 8 * N  # bytes of one array

pytestmark = pytest.mark.usefixtures("collector_off")


def leaf(*shape: int) -> rg.Tensor:
    return (rg.rand(*shape, dtype=rg.float64) - 0.5).requires_grad_()


def layer(h: rg.Tensor, w: rg.Tensor) -> rg.Tensor:
    return (h @ w).tanh()


# -- D1: one loss stops, the others go on


def test_d1_one_loss_stops_and_the_other_goes_through() -> None:
    x = rg.rand(8, 16, dtype=rg.float64)
    backbone, shared, one, two = ([leaf(16, 16) for _ in range(3)] for _ in range(4))

    def forward(cut: bool = False) -> list[rg.Tensor]:
        s = x
        for w in backbone:
            s = layer(s, w)
        h = s.detach() if cut else s
        for w in shared:
            h = layer(h, w)
        heads = []
        for ws in (one, two):
            y = h
            for w in ws:
                y = layer(y, w)
            heads.append((y**2).sum())
        return [s, h, *heads]

    everything = [*backbone, *shared, *one, *two]
    s, h, l1, l2 = forward()
    of_1 = grad(l1, everything, retain_graph=True, allow_unused=True)
    of_2 = grad(l2, everything, allow_unused=True)
    s, h, l1, l2 = forward()
    whole = held(l1, l2)
    runs = count_runs(l1, l2)
    order = {f"{n.name()} {k}": n.seq for k, n in enumerate(sorted(nodes_of(l1, l2), key=lambda n: n.seq))}
    seq_s, seq_h = s.grad_fn.seq, h.grad_fn.seq
    assert held(l1, l2) == whole
    rg.graph.backward({l1: None, l2: rg.graph.stop_at(s)})
    for k, w in enumerate(everything):
        want = [of_1[k]] if k < 3 else [g for g in (of_1[k], of_2[k]) if g is not None]
        np.testing.assert_allclose(w.grad.numpy(), sum(g.numpy() for g in want), rtol=1e-12, atol=1e-15)
    for key, count in runs.items():
        if order[key] > seq_h:
            assert count == 1, key
        elif order[key] > seq_s:
            assert 1 <= count <= 2, key
        else:
            assert count == 1, key
    assert held(l1, l2) == 0


def test_d1_the_order_of_the_losses_does_not_matter() -> None:
    found = []
    w, v = leaf(5), leaf(5)
    for flip in (False, True):
        w.grad = v.grad = None
        s = w.exp()
        l1, l2 = (s * v).sum(), (s * v).tanh().sum()
        losses = {l2: rg.graph.stop_at(s), l1: None} if flip else {l1: None, l2: rg.graph.stop_at(s)}
        rg.graph.backward(losses)
        found.append((w.grad.tolist(), v.grad.tolist()))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)


def test_d1_gradients_need_little_more_memory_than_those_of_the_sum() -> None:
    def peak(together: bool) -> int:
        import tracemalloc

        w, v = leaf(N), leaf(N)
        with NumPyBytes():
            s = w.exp().tanh()
            h = (s * v).tanh()
            l1, l2 = (h * h).sum(), h.exp().sum()
            tracemalloc.reset_peak()
            if together:
                (l1 + l2).backward()
            else:
                rg.graph.backward({l1: None, l2: rg.graph.stop_at(s)})
            return tracemalloc.get_traced_memory()[1]

    assert peak(False) <= peak(True) + 2 * H + 50_000


# -- D2: K gradients, and the graph only shrinks


def trunk_and_heads(count: int) -> tuple[list[rg.Tensor], list[rg.Tensor], int]:
    """Leaves, losses, bytes of the trunk. Each head saves one array of its own, the trunk three."""
    x, w = leaf(N), leaf(N)
    trunk = (x.tanh() * w).tanh()
    losses = [(trunk.sin() * (k + 1)).tanh().sum() for k in range(count)]
    return [x, w], losses, 3 * H  # tanh(x), w (tanh(x) again is the same memory), tanh


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_d2_after_every_pass_the_trunk_and_the_heads_to_come_are_alive(count: int) -> None:
    leaves, losses, trunk = trunk_and_heads(count)
    want = [grad(loss, leaves, retain_graph=True) for loss in losses]
    got = []
    assert held(*losses) == trunk + count * H
    with rg.graph.plan(*losses):
        for k, loss in enumerate(losses):
            got.append(grad(loss, leaves))
            assert held(*losses) == (trunk + (count - 1 - k) * H if k < count - 1 else 0)
    assert rg.graph.memory_stats()["saved_bytes"] == 0
    assert [[g.tolist() for g in row] for row in want] == [[g.tolist() for g in row] for row in got]


def test_d2_the_allocator_agrees() -> None:
    count = 4
    with NumPyBytes() as memory:
        leaves, losses, trunk = trunk_and_heads(count)
        full = memory.alive()
        with rg.graph.plan(*losses):
            for k, loss in enumerate(losses):
                grad(loss, leaves)
                # w, a leaf's own, lives on; it is part of the trunk's bytes
                gone = (k + 1) * H if k < count - 1 else count * H + trunk - H
                assert full - memory.alive() == gone


@pytest.mark.parametrize("batched", [True, False, "auto"])
@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_d2_grad_each_equals_separate_passes_and_leaves_nothing(count: int, batched: bool | str) -> None:
    leaves, losses, trunk = trunk_and_heads(count)
    want = [grad(loss, leaves, retain_graph=True) for loss in losses]
    assert held(*losses) == trunk + count * H
    got = rg.graph.grad_each(losses, leaves, batched=batched)
    assert held(*losses) == rg.graph.memory_stats()["saved_bytes"] == 0
    for one, two in zip(want, got, strict=True):
        for a, b in zip(one, two, strict=True):
            if batched is False:
                assert a.tolist() == b.tolist()
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("batched", [True, False])
def test_d2_heads_are_freed_as_they_finish(batched: bool) -> None:
    count = 4
    leaves, losses, trunk = trunk_and_heads(count)
    seen = []
    probe = leaves[0]
    heads = [loss.grad_fn.next_functions[0][0] for loss in losses]
    for k in range(1, count):  # when head k starts, the heads before it are gone
        heads[k].register_prehook(lambda g: seen.append(held(*losses)))
    rg.graph.grad_each(losses, leaves, batched=batched)
    assert seen == [trunk + (count - k) * H for k in range(1, count)]
    assert probe.grad is None


def test_d2_the_same_loss_twice_is_served_twice() -> None:
    for batched in (True, False):
        leaves, (l1, l2), _ = trunk_and_heads(2)
        first, second, third = rg.graph.grad_each([l1, l2, l1], leaves, batched=batched)
        assert [g.tolist() for g in first] == [g.tolist() for g in third]
        assert [g.tolist() for g in first] != [g.tolist() for g in second]
        assert held(l1, l2) == 0


def test_d2_gradients_are_apart() -> None:
    leaves, losses, _ = trunk_and_heads(3)
    rows = rg.graph.grad_each(losses, leaves, batched=True)
    flat = [g for row in rows for g in row]
    assert not any(np.shares_memory(a.array, b.array) for k, a in enumerate(flat) for b in flat[:k])
    later = (flat[1].requires_grad_() * flat[0]).sum()
    flat[2].mul_(2)  # a write to one gradient is no write to the others
    later.backward()
    assert [g._version for g in flat[:3]] == [0, 0, 1]


def test_d2_inputs_anywhere_get_what_separate_passes_give() -> None:
    for batched in (True, False):
        x = leaf(6)
        inner = x.exp()
        border = inner * 2
        losses = [(border * border).sum(), (border.sin() + x).sum(), (border.exp() * x).sum()]
        inputs = [border, x, inner]
        want = [grad(loss, inputs, retain_graph=True) for loss in losses]
        got = rg.graph.grad_each(losses, inputs, batched=batched)
        for one, two in zip(want, got, strict=True):
            for a, b in zip(one, two, strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13)


def test_d2_a_gramian_of_gradients() -> None:
    """As methods for conflicting losses compute it: G = J J^T over all parameters, then one weighted pass."""
    w = leaf(10, 4)
    heads = [leaf(4) for _ in range(3)]
    x = rg.rand(32, 10, dtype=rg.float64)
    with_graph = [((layer(x, w) @ v) ** 2).mean() for v in heads]
    h = layer(x, w)
    losses = [((h @ v) ** 2).mean() for v in heads]
    rows = rg.graph.grad_each(losses, w, retain_graph=True)
    jacobian = rg.stack([g.reshape(-1) for (g,) in rows])
    gram = (jacobian @ jacobian.t()).numpy()
    separate = np.stack([grad(loss, w)[0].numpy().reshape(-1) for loss in with_graph])
    np.testing.assert_allclose(gram, separate @ separate.T, rtol=1e-12)
    weights = np.linalg.solve(gram, np.ones(3))
    rg.autograd.backward(losses, [rg.tensor(c) for c in weights])
    np.testing.assert_allclose(w.grad.numpy().reshape(-1), weights @ separate, rtol=1e-10)


# -- D3: all rows at once


def six_ops(x: rg.Tensor, w: rg.Tensor) -> rg.Tensor:
    return ((x @ w).tanh().exp() * 2).sin().t()


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_d3_every_row_equals_the_loop_and_each_node_runs_once(rows: int) -> None:
    x, w = leaf(4, 5), leaf(5, 3)
    out = six_ops(x, w)
    cotangents = rg.rand(rows, 3, 4, dtype=rg.float64)
    loop = [grad(out, (x, w), g, retain_graph=True) for g in cotangents]
    runs = count_runs(out)
    assert len(runs) == 6
    got = grad(out, (x, w), cotangents, is_grads_batched=True)
    assert set(runs.values()) == {1}
    assert held(out) == 0
    for k, row in enumerate(loop):
        for a, b in zip(row, got, strict=True):
            np.testing.assert_allclose(a.numpy(), b[k].numpy(), rtol=1e-12, atol=1e-14)
    with pytest.raises(rg.GraphFreedError):
        grad(out, x, cotangents[0])


def test_d3_a_batched_pass_keeps_what_named_roots_will_read() -> None:
    x, w = leaf(4, 5), leaf(5, 3)
    h = layer(x, w)
    out, later = h.exp(), h.sin().tanh().sum()
    of_later = held(later)
    grad(out, x, rg.rand(7, 4, 3, dtype=rg.float64), is_grads_batched=True, retain_graph=later)
    assert held(out, later) == of_later
    with rg.graph.plan(later):
        later.backward()
    assert held(out, later) == 0


@pytest.mark.parametrize("batched", [True, False])
def test_d3_grad_each_runs_the_trunk_once_for_all_losses(batched: bool) -> None:
    x, w = leaf(4, 5), leaf(5, 3)
    out = six_ops(x, w)
    losses = [(out * rg.rand(3, 4, dtype=rg.float64)).sum() for _ in range(64)]
    want = [grad(loss, (x, w), retain_graph=True) for loss in losses]
    runs = count_runs(out)
    got = rg.graph.grad_each(losses, (x, w), batched=batched)
    assert set(runs.values()) == {1 if batched else 64}
    assert held(*losses) == 0
    for one, two in zip(want, got, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


def test_d3_chunks_bound_the_memory_of_gradients() -> None:
    rows, n = 64, 4_000

    def peak(chunk: int | None) -> tuple[int, list[object]]:
        import tracemalloc

        x = leaf(n)
        h = x
        for _ in range(5):
            h = h.tanh()
        y = (h * h).reshape(40, 100).sum(0)  # small rows of results, wide gradients between
        losses = [(y * rg.rand(100, dtype=rg.float64)).sum() for _ in range(rows)]
        z = leaf(1)
        ends = [loss * z for loss in losses]
        runs = count_runs(h)
        with NumPyBytes() as memory:
            tracemalloc.reset_peak()
            before = memory.alive()
            got = rg.graph.grad_each(ends, [z, x] if chunk == -1 else [x], batched=True, chunk=chunk)
            top = tracemalloc.get_traced_memory()[1] - before - rows * n * 8  # what is handed out
        assert set(runs.values()) == {-(-rows // (chunk or rows))}
        assert held(*ends) == 0
        return top, got

    whole, _ = peak(None)
    some, _ = peak(16)
    assert some <= whole * 16 / 64 * 1.1 + n * 8 * 4
    with pytest.raises(ValueError, match="chunk"):
        rg.graph.grad_each([leaf(1).sum()], [leaf(1)], chunk=0)


# -- D4: which loss did it come from?


def three_heads() -> tuple[rg.Tensor, rg.Tensor, list[rg.Tensor]]:
    x = leaf(7)
    h = x.exp()
    return x, h, [h.sin().sum(), (h * h).sum(), h.tanh().sum()]


@pytest.mark.parametrize("how", ["one sweep", "separate", "plan", "grad_each"])
def test_d4_each_loss_has_its_own_gradient_at_h(how: str) -> None:
    x, h, losses = three_heads()
    want = [grad(loss, h, retain_graph=True)[0] for loss in losses]
    h.retain_grad(per_root=True)
    passes = []
    h.register_hook(lambda g: passes.append(rg.graph.current_pass()))
    keys = [loss.grad_fn.seq for loss in losses]
    if how == "one sweep":
        rg.graph.backward(dict.fromkeys(losses))
    elif how == "separate":
        for k, loss in enumerate(losses):
            loss.backward(retain_graph=k < 2)
    elif how == "plan":
        with rg.graph.plan(*losses):
            for loss in reversed(losses):
                loss.backward()
    else:
        rg.graph.grad_each(losses, x, batched="auto")
    for key, each in zip(keys, want, strict=True):
        np.testing.assert_allclose(h.grads[key].numpy(), each.numpy(), rtol=1e-14)
    np.testing.assert_allclose(h.grad.numpy(), sum(g.numpy() for g in want), rtol=1e-14)
    assert len(passes) == 3  # once for each root
    assert len({p.number for p in passes}) == 3
    assert sorted(p.roots for p in passes) == sorted((key,) for key in keys)
    assert {p.kind for p in passes} == {"grad()" if how == "grad_each" else "backward()"}


def test_d4_hooks_can_ask_which_root_called() -> None:
    _, h, losses = three_heads()
    asked = []
    h.register_hook(lambda g: asked.append([rg.graph.current_pass().started_from(loss) for loss in losses]))
    losses[1].backward(retain_graph=True)
    losses[2].backward()
    assert asked == [[False, True, False], [False, False, True]]
    assert rg.graph.current_pass() is None


def test_d4_a_loss_that_stops_leaves_its_gradient_where_it_stopped() -> None:
    _, h, losses = three_heads()
    (want,) = grad(losses[0], h, retain_graph=True)
    h.retain_grad(per_root=True)
    key = losses[0].grad_fn.seq
    rg.graph.backward({losses[0]: rg.graph.stop_at(h), losses[1]: None})
    assert h.grads[key].tolist() == want.tolist()


def test_d4_under_checkpoint_a_hook_fires_once_for_each_loss() -> None:
    w = leaf(7)
    h = w.exp()
    fired = []
    h.register_hook(lambda g: fired.append(rg.graph.current_pass().roots))
    y = rg.utils.checkpoint.checkpoint(lambda t: t.sin() * t, h, use_reentrant=False)
    l1, l2 = y.sum(), (y * y).sum()
    keys = [(loss.grad_fn.seq,) for loss in (l1, l2)]
    l1.backward(retain_graph=True)
    l2.backward()
    assert fired == keys


def test_d2_a_pass_that_comes_by_planned_losses_leaves_them_what_they_need() -> None:
    w = rg.rand(20, dtype=rg.float64).requires_grad_()

    def losses() -> tuple[rg.Tensor, rg.Tensor]:
        h = w.exp()
        return (h * h).sum(), h.sin().sum()

    one, two = losses()
    right = [rg.autograd.grad(t, w, retain_graph=True)[0] for t in (one, two)]
    one, two = losses()
    with rg.graph.plan(one, two) as plan:
        (one * 2 + two).backward()  # not one of them
        assert 2 == plan.pending
        assert bool((rg.autograd.grad(one, w)[0] == right[0]).all())
        assert bool((rg.autograd.grad(two, w)[0] == right[1]).all())
    assert 0 == rg.graph.saved(one, two).nbytes
