"""Plans of losses to come: what is kept is what the pending ones reach, whichever outputs of a node they are."""

import pytest

import regrad as rg


@pytest.mark.parametrize("batched", [False, True, "auto"])
def test_rows_of_one_tensor_are_roots_of_their_own(batched):
    """They are outputs of one node. The rows of a Hessian: f = (x³ summed) * (x summed)."""
    x = rg.tensor([1.0, 2.0], dtype=rg.float64, requires_grad=True)
    (g,) = rg.autograd.grad((x**3).sum() * x.sum(), x, create_graph=True)
    rows = rg.graph.grad_each(list(g), x, batched=batched)
    a, b = x.tolist()
    mixed = 3 * a**2 + 3 * b**2
    hessian = [[6 * a * (a + b) + 6 * a**2, mixed], [mixed, 6 * b * (a + b) + 6 * b**2]]
    assert [row.tolist() for (row,) in rows] == hessian


def test_outputs_of_one_node_are_pending_one_by_one():
    x = rg.ones(3, requires_grad=True)
    roots = list(x.exp().sin())
    with rg.graph.plan(roots) as plan:
        left = []
        for root in roots:
            left.append((plan.pending, rg.graph.saved(*roots).nbytes))
            root.backward()
    assert left == [(3, 12), (2, 12), (1, 12)]
    assert rg.graph.saved(*roots).nbytes == 0
    assert rg.allclose(x.grad, x.exp() * x.exp().cos())
