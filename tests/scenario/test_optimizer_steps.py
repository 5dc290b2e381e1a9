"""An optimizer steps between two backward calls: the error names the parameter, the step, and its line."""

from __future__ import annotations

import pytest

import regrad as rg
from tests.scenario.looking import line_of

OPTIMIZERS = {
    "SGD": {},
    "Adam": {},
    "AdamW": {},
    "Adafactor": {},
    "Muon": {},
    "RMSprop": {"momentum": 0.9},
    "SGD in half precision": {},
}


def generator(optimizer, dtype=rg.float64):
    w = rg.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    w.name = "G.fc.weight"
    return w, optimizer([w])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_step_that_changed_a_saved_parameter_is_named(name):
    cls = name.split()[0]
    dtype = rg.float16 if "half" in name else rg.float64
    w, optimizer = generator(lambda params: getattr(rg.optim, cls)(params, lr=0.1, **OPTIMIZERS[name]), dtype)
    first, second = (w @ w).sum(), (w * w).sum()  # the forward
    first.backward()
    optimizer.step()  # the write
    with pytest.raises(rg.SavedModifiedError) as caught:
        second.backward()
    error = caught.value
    assert f"{cls}.step" == error.writer
    assert (__file__, line_of("# the write")) == (error.written_at.file, error.written_at.line)
    assert line_of("# the forward") == error.read_at.line
    assert "G.fc.weight" == error.name
    assert (0, 1) == error.versions
    assert "after both backward calls" in error.advice


def test_a_step_under_a_schedule_with_hooks_and_a_closure_is_named_all_the_same():
    w, optimizer = generator(lambda params: rg.optim.SGD(params, lr=0.1))
    rg.optim.lr_scheduler.StepLR(optimizer, 1)
    optimizer.register_step_pre_hook(lambda *_: None)
    loss = (w * w).sum()

    def train():
        return optimizer.step(lambda: (w @ w).sum().backward())  # the write

    train()
    with pytest.raises(rg.SavedModifiedError) as caught:
        loss.backward()
    assert "SGD.step" == caught.value.writer
    assert line_of("# the write") == caught.value.written_at.line
    assert f"called from {__file__}:{line_of('    train()')}" in str(caught.value)


def test_every_trial_point_of_lbfgs_is_a_write_of_its_step():
    w, optimizer = generator(lambda params: rg.optim.LBFGS(params, line_search_fn="strong_wolfe"))
    loss = (w * w).sum()

    def closure():
        optimizer.zero_grad()
        value = ((w - 1) ** 4).sum()
        value.backward()
        return value

    optimizer.step(closure)
    with pytest.raises(rg.SavedModifiedError) as caught:
        loss.backward()
    assert "LBFGS.step" == caught.value.writer


def test_a_loss_that_reads_the_state_of_an_optimizer_notices_the_step():
    w, optimizer = generator(lambda params: rg.optim.SGD(params, lr=0.1, momentum=0.9))
    (w * w).sum().backward()
    optimizer.step()
    x = rg.ones(2, 2, dtype=rg.float64, requires_grad=True)
    loss = (x * optimizer.state[w]["momentum_buffer"]).sum()
    optimizer.step()
    with pytest.raises(rg.SavedModifiedError, match=r"SGD\.step"):
        loss.backward()


def test_allowing_mutation_keeps_the_weights_from_before_the_step():
    w, optimizer = generator(lambda params: rg.optim.Adam(params, lr=0.1))
    with rg.autograd.graph.allow_mutation_on_saved_tensors():
        first, second = w.sum(), (w * w).sum()
        first.backward()
        optimizer.step()
        (got,) = rg.autograd.grad(second, w)
    assert [[2, 4], [6, 8]] == got.tolist()


def test_a_forward_after_the_step_reads_the_new_weights():
    w, optimizer = generator(lambda params: rg.optim.SGD(params, lr=0.5))
    for _ in range(3):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    assert [[0, 0], [0, 0]] == w.tolist()
