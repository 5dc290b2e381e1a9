"""Losses that were run hold no graph any more: what is added up of them stays as small as one of them."""

import pytest

import regrad as rg
from regrad.nn import functional as F

LOSSES = {
    "one output": lambda scores: scores.exp().sum(),
    "the first of several outputs": lambda scores: F.cross_entropy(scores, rg.tensor([0, 1])),
}


@pytest.mark.parametrize("loss_of", LOSSES.values(), ids=LOSSES)
def test_a_running_sum_of_losses_drags_no_graphs_along(loss_of):
    w = rg.ones(2, 3, requires_grad=True)
    start = rg.graph.memory_stats()["nodes"]
    total, seen = 0.0, []
    for _ in range(5):
        loss = loss_of(w * 2)
        loss.backward()
        total = total + 0.5 * loss
        seen.append(rg.graph.memory_stats()["nodes"] - start)
    assert seen[1:] == [seen[1]] * 4
    assert rg.allclose(total, 2.5 * loss)
    with pytest.raises(rg.GraphFreedError) as caught:
        total.backward()
    assert caught.value.freed_by == "backward()"
