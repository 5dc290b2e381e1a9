"""Rows F1, H2, C6 and J1 of docs/demands.md: what PyTorch passes over in silence, or refuses without saying why."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import regrad as rg
from regrad.autograd import Function
from tests.scenario.looking import line_of


class SGD:
    """A small optimizer, for its name in the error."""

    def __init__(self, params):
        self.params = params

    def step(self):
        with rg.no_grad():
            for p in self.params:
                p -= 0.1 * p.grad


def gan():
    w = rg.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=rg.float64, requires_grad=True)
    w.name = "D.fc1.weight"
    return w, SGD([w])


def test_f1_an_optimizer_step_between_two_backwards_is_named() -> None:
    w, optimizer = gan()
    h = rg.ones(2, 2, dtype=rg.float64) @ w
    first, second = (h @ w).sum(), (h @ w).exp().sum()  # the forward
    first.backward(retain_graph=True)
    optimizer.step()  # the write
    before = w.grad.clone()
    with pytest.raises(rg.SavedModifiedError) as caught:
        second.backward()
    error = caught.value
    assert error.name == "D.fc1.weight"
    assert error.read_at.line == line_of("# the forward")
    assert error.writer == "SGD.step"
    assert error.written_at.file == __file__
    assert f":{line_of('# the write')}" in str(error)
    assert "D.fc1.weight" in str(error)
    assert "after both backward calls" in error.advice
    assert error.versions == (0, 1)
    assert bool((w.grad == before).all())


def test_f1_allowing_mutation_keeps_the_old_weights() -> None:
    w, optimizer = gan()
    old = w.detach().clone().requires_grad_()

    def losses(w):
        h = rg.ones(2, 2, dtype=rg.float64) @ w
        return (h @ w).sum(), ((h @ w) * 0.1).exp().sum()

    with rg.autograd.graph.allow_mutation_on_saved_tensors() as kept:
        first, second = losses(w)
        first.backward(retain_graph=True)
        optimizer.step()
        (got,) = rg.autograd.grad(second, w)
    (want,) = rg.autograd.grad(losses(old)[1], old)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)
    assert kept.copies == 1


class Bad(Function):
    @staticmethod
    def forward(ctx, i):
        ctx.t = i * 2
        return i**4

    @staticmethod
    def backward(ctx, g):
        return 0.5 * ctx.t * ctx.t * ctx.t * g


def test_h2_a_second_derivative_through_a_value_without_history_raises() -> None:
    i = rg.tensor(3.0, requires_grad=True)
    (g,) = rg.autograd.grad(Bad.apply(i), i, create_graph=True)
    assert g.item() == 4 * 27
    with pytest.raises(rg.NonDifferentiableSaved, match=r"ctx\.t") as caught:
        rg.autograd.grad(g, i)
    assert (caught.value.name, caught.value.op) == ("t", "Bad")


def test_h2_a_first_derivative_costs_no_error() -> None:
    i = rg.tensor(3.0, requires_grad=True)
    Bad.apply(i).backward()
    assert i.grad.item() == 4 * 27


AFFINE = {
    "mul": (lambda a, b: a * b, ["other"], ["input"]),
    "div": (lambda a, b: a / b, ["b"], ["b", "out"]),
    "matmul": (lambda a, b: a @ b, None, None),
}


@pytest.mark.parametrize(
    "op", [lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a @ b, lambda a, b: a - b, rg.atan2, rg.hypot]
)
def test_c6_a_frozen_input_keeps_nothing_alive_for_itself(op) -> None:
    a, b = rg.rand(3, 3), rg.rand(3, 3)
    both = op(a.clone().requires_grad_(), b.clone().requires_grad_())
    whole = {r.slot: set(r.readers) for r in rg.graph.saved(both)}
    args = both.grad_fn.plan.op.args
    for live, out in (
        (args[0], op(a.clone().requires_grad_(), b)),
        (args[1], op(a, b.clone().requires_grad_())),
    ):
        found = rg.graph.saved(out)
        assert {r.slot for r in found} == {slot for slot, readers in whole.items() if live in readers}
        assert all(r.readers == (live,) for r in found)


def test_c6_a_convolution_with_a_frozen_kernel_does_not_keep_its_input() -> None:
    x, w = rg.rand(1, 2, 8, 8, requires_grad=True), rg.rand(3, 2, 3, 3)
    out = rg.nn.functional.conv2d(x * 1, w)
    slots = {r.slot: r for r in rg.graph.saved(out) if r.op.startswith("conv")}
    assert all(r.shape == (3, 2, 3, 3) for r in slots.values())
    assert slots


def test_j1_pickling_an_attached_tensor_names_the_choices() -> None:
    loss = (rg.ones(3, requires_grad=True) * 2).sum()
    with pytest.raises(rg.PickleAttachedError) as caught:
        pickle.dumps(loss)
    for choice in ("t.detach()", "rg.dumps(t, graph=True)", "rg.graph.values_only()"):
        assert choice in str(caught.value)
    with rg.graph.values_only():
        assert pickle.loads(pickle.dumps(loss)).item() == 6.0
    assert pickle.loads(pickle.dumps(loss.detach())).item() == 6.0


def test_j1_a_leaf_keeps_that_it_requires_grad() -> None:
    leaf = rg.tensor([1.0, 2.0], requires_grad=True)
    back = pickle.loads(pickle.dumps(leaf))
    assert back.requires_grad
    assert back.tolist() == [1.0, 2.0]
    assert copy.deepcopy(leaf).requires_grad
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(leaf * 2)


def test_j1_a_graph_goes_to_a_fresh_process_and_back(tmp_path) -> None:
    w = rg.tensor(np.linspace(0.1, 1.2, 12).reshape(3, 4), requires_grad=True)
    x = rg.tensor(np.linspace(-1, 1, 6).reshape(2, 3))
    loss = ((x @ w).tanh()[:, 1:].exp() * 2 + rg.cat([w, w])[:2, :3]).sum()
    (tmp_path / "graph").write_bytes(rg.dumps(loss, graph=True))
    script = f"""
        import regrad as rg, numpy as np
        loss = rg.loads(open({str(tmp_path / "graph")!r}, "rb").read())
        leaves = rg.graph.leaves(loss)
        loss.backward()
        np.save({str(tmp_path / "grad.npy")!r}, leaves[0].grad.numpy())
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
    loss.backward()
    assert np.array_equal(np.load(tmp_path / "grad.npy"), w.grad.numpy())


def test_j1_a_custom_function_in_a_stored_graph_names_the_import_needed() -> None:
    y = Bad.apply(rg.tensor(3.0, requires_grad=True))
    with pytest.raises(rg.PickleAttachedError, match="Bad"):
        rg.dumps(y, graph=True)
