"""Checkpointing: the same gradients with less kept, in both variants."""

from __future__ import annotations

from typing import Any

import pytest

import regrad as rg
from regrad.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_early_stop,
)


def leaf(*data: float) -> Any:
    return rg.tensor(list(data), dtype=rg.float64, requires_grad=True)


class Counted:
    """A region that counts how often it runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, x: Any, scale: float = 1.0) -> Any:
        self.runs += 1
        return (x * x * scale).exp()


def direct(scale: float = 1.0) -> list[float]:
    x = leaf(1.0, 0.5)
    (x * x * scale).exp().sum().backward()
    return list(x.grad.tolist())


@pytest.mark.parametrize("reentrant", [False, True])
def test_the_region_runs_again_and_gives_the_same_gradient(reentrant: bool) -> None:
    x, region = leaf(1.0, 0.5), Counted()
    checkpoint(region, x, use_reentrant=reentrant).sum().backward()
    assert (x.grad.tolist(), region.runs) == (direct(), 2)


def test_keyword_arguments() -> None:
    x = leaf(1.0, 0.5)
    checkpoint(Counted(), x, use_reentrant=False, scale=0.5).sum().backward()
    assert x.grad.tolist() == direct(0.5)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: scale"):
        checkpoint(Counted(), x, use_reentrant=True, scale=0.5)


def test_higher_order_and_partial_passes() -> None:
    x = leaf(1.0, 0.5)
    y = checkpoint(lambda a: a**3, x, use_reentrant=False)
    (g,) = rg.autograd.grad(y.sum(), x, create_graph=True)
    g.sum().backward()
    assert (g.tolist(), x.grad.tolist()) == ([3.0, 0.75], [6.0, 3.0])
    with pytest.raises(RuntimeError, match="checkpoint is incompatible with"):
        rg.autograd.grad(checkpoint(rg.exp, x, use_reentrant=True).sum(), x)


def test_a_retained_graph_recomputes_for_each_pass() -> None:
    x, region = leaf(1.0, 0.5), Counted()
    y = checkpoint(region, x, use_reentrant=False).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert (x.grad.tolist(), region.runs) == ([2 * g for g in direct()], 3)


def test_regions_nest() -> None:
    def outer(a: Any) -> Any:
        return checkpoint(lambda b: b**3, a * 2, use_reentrant=False) * a

    x = leaf(1.0, 2.0)
    checkpoint(outer, x, use_reentrant=False).sum().backward()  # 8 x^4
    assert x.grad.tolist() == [32.0, 256.0]


@pytest.mark.parametrize("reentrant", [False, True])
def test_random_numbers_are_the_same_when_recomputed(reentrant: bool) -> None:
    masks: list[Any] = []

    def region(a: Any) -> Any:
        masks.append(rg.rand(3, dtype=rg.float64))
        return a * masks[-1]

    x = leaf(1.0, 2.0, 3.0)
    y = checkpoint(region, x, use_reentrant=reentrant)
    after = rg.get_rng_state().tolist()
    y.sum().backward()
    assert masks[0].tolist() == masks[1].tolist() == x.grad.tolist()
    assert rg.get_rng_state().tolist() == after


def test_early_stop_leaves_out_what_nobody_needs() -> None:
    done: list[str] = []

    def region(a: Any) -> Any:
        out = a.exp() + 1
        done.append("end")
        return out

    x = leaf(1.0)
    checkpoint(region, x, use_reentrant=False).backward()
    assert done == ["end"]
    with set_checkpoint_early_stop(False):
        checkpoint(region, x, use_reentrant=False).backward()
    assert len(done) == 3


@pytest.mark.parametrize("second", [lambda a: a[:1].exp(), lambda a: a.exp().exp().exp()])
def test_a_region_that_changes_is_noticed(second: Any) -> None:
    runs: list[int] = []

    def region(a: Any) -> Any:
        runs.append(1)
        return a.exp() if len(runs) == 1 else second(a)

    y = checkpoint(region, leaf(1.0, 2.0), use_reentrant=False, early_stop=False)
    with pytest.raises(CheckpointError, match="differs from its forward"):
        y.sum().backward()


def test_an_argument_written_to_since_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    h = x * 1
    y = checkpoint(rg.exp, h, use_reentrant=False)
    with rg.no_grad():
        h.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


def test_checkpoint_sequential() -> None:
    chain = [lambda a: a * 2, lambda a: a**2, lambda a: a + 1, lambda a: a * 3]
    for segments in (1, 2, 3):
        x = leaf(1.0, 2.0)
        checkpoint_sequential(chain, segments, x, use_reentrant=False).sum().backward()  # 3 (4 x^2 + 1)
        assert x.grad.tolist() == [24.0, 48.0]
    with pytest.raises(ValueError, match="Unexpected keyword arguments: nonsense"):
        checkpoint_sequential(chain, 2, leaf(1.0), nonsense=1)


def test_other_results_pass_through_and_nothing_is_recorded_inside_no_grad() -> None:
    x = leaf(1.0)
    out, note = checkpoint(lambda a: (a.exp(), "note"), x, use_reentrant=False)
    assert (out.requires_grad, note) == (True, "note")
    with rg.no_grad():
        assert not checkpoint(rg.exp, x, use_reentrant=False).requires_grad
