"""The base of optimizers: groups, mistakes, state dictionaries, hooks, classes of one's own."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import warnings

import numpy as np
import pytest

import regrad as rg
from regrad.optim import optimizer as base

NAMES = ["ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam",
         "RMSprop", "Rprop", "SGD"]


def leaf(*size):
    return rg.ones(*size, requires_grad=True)


def stepped(optimizer, times=1):
    for _ in range(times):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = rg.ones_like(p)
        optimizer.step()
    return optimizer


# -- parameters and groups


def test_a_group_has_the_defaults_but_for_what_it_gives_itself():
    w, b = leaf(2), leaf(3)
    optimizer = rg.optim.SGD([{"params": [w]}, {"params": b, "lr": 0.5}], lr=0.1, momentum=0.9)
    assert [(0.1, 0.9), (0.5, 0.9)] == [(g["lr"], g["momentum"]) for g in optimizer.param_groups]
    stepped(optimizer)
    np.testing.assert_allclose(w.detach().numpy(), 0.9)
    np.testing.assert_allclose(b.detach().numpy(), 0.5)


def test_the_group_that_was_given_is_the_group():
    group = {"params": leaf(1), "lr": 0.5}
    optimizer = rg.optim.SGD([group])
    group["lr"] = 0.25
    assert 0.75 == stepped(optimizer).param_groups[0]["params"][0].item()


def test_pairs_of_name_and_parameter_give_the_group_its_names():
    optimizer = rg.optim.Adam([("w", leaf(2)), ("b", leaf(1))])
    optimizer.add_param_group({"params": [("c", leaf(1))]})
    assert [["w", "b"], ["c"]] == [g["param_names"] for g in optimizer.param_groups]
    assert ["w", "b"] == optimizer.state_dict()["param_groups"][0]["param_names"]


def test_a_parameter_without_a_gradient_stays_as_it_is():
    w, b = leaf(1), leaf(1)
    optimizer = rg.optim.Adam([w, b], lr=0.5)
    w.grad = rg.ones(1)
    optimizer.step()
    assert (0.5, 1.0) == (pytest.approx(w.item()), b.item())
    assert [w] == list(optimizer.state)


def test_the_text_of_an_optimizer_lists_its_groups():
    optimizer = rg.optim.Muon([{"params": leaf(1, 1)}, {"params": leaf(1, 1), "lr": 0.5}])
    text = repr(optimizer).splitlines()
    assert ["Muon (", "Parameter Group 0"] == text[:2]
    assert ["", "Parameter Group 1"] == text[10:12]
    assert ")" == text[-1]
    assert "    lr: 0.001" in text
    assert "    lr: 0.5" in text


w, b = leaf(2), leaf(2)
WRONG = {  # what is given: (error, its words)
    "nothing": (lambda: rg.optim.SGD([]), ValueError, "^optimizer got an empty parameter list: it takes tensors"),
    "a spent generator": (lambda: rg.optim.SGD(p for p in ()), ValueError,
                          "empty parameter list: the iterator had nothing left. Was it read before"),
    "a tensor": (lambda: rg.optim.SGD(w), TypeError, "iterable of Tensors or dicts, but got Tensor: put it in a list"),
    "a module": (lambda: rg.optim.SGD(rg.nn.Linear(1, 1)), TypeError, r"got Linear; give model\.parameters\(\)"),
    "a dict": (lambda: rg.optim.SGD({"params": [w]}), TypeError, "iterable of Tensors or dicts, but got dict"),
    "a set": (lambda: rg.optim.SGD({w, b}), TypeError, "ordered collections"),
    "a set in a group": (lambda: rg.optim.SGD([{"params": {w, b}}]), TypeError, "Please use a list instead"),
    "a method": (lambda: rg.optim.SGD(rg.nn.Linear(1, 1).parameters), TypeError, "got method; call it"),
    "a list of modules": (lambda: rg.optim.SGD([rg.nn.Linear(1, 1)]), TypeError, r"Linear: give its parameters\(\)"),
    "lists in a list": (lambda: rg.optim.SGD([[w], [b]]), TypeError, "is list: join several into one list"),
    "numbers": (lambda: rg.optim.SGD([1.0]), TypeError, "can only optimize Tensors, but one of the params is float"),
    "a computed tensor": (lambda: rg.optim.SGD([w * 2]), ValueError,
                          r"can't optimize a non-leaf Tensor.*detach\(\)\.requires_grad_\(\)"),
    "twice": (lambda: rg.optim.SGD([{"params": w}, {"params": [b, w]}]), ValueError, "more than one parameter group"),
    "half the names": (lambda: rg.optim.SGD([("w", w), b]), ValueError, "Some param names are missing"),
    "a group without names": (lambda: rg.optim.SGD([{"params": [("w", w)]}, {"params": [b]}]), ValueError,
                              "cannot add param group without names"),
    "a list as group": (lambda: rg.optim.SGD([w]).add_param_group([b]), TypeError, "must be a dict"),
    "a group without params": (lambda: rg.optim.SGD([{"lr": 1.0}]), KeyError, "params"),
    "a tensor among groups": (lambda: rg.optim.SGD([{"params": w}, b]), TypeError, "param_group must be a dict"),
    "a vector for Muon": (lambda: rg.optim.Muon([w]), ValueError, r"only supports 2D parameters.*\[2\]"),
    "complex for Adafactor": (lambda: rg.optim.Adafactor([rg.zeros(1, dtype=rg.complex64)]), RuntimeError,
                              "Adafactor does not support complex parameters"),
    "complex for Muon": (lambda: rg.optim.Muon([rg.zeros(1, 1, dtype=rg.complex64)]), RuntimeError, "complex"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_in_the_parameters_is_named(what):
    make, error, words = WRONG[what]
    with pytest.raises(error, match=words):
        make()


OPTIONS = [
    ("SGD", {"lr": -1}, "^Invalid learning rate: -1, it is a number of 0 or more"),
    ("SGD", {"lr": float("nan")}, "Invalid learning rate: nan"),
    ("SGD", {"lr": rg.ones(2)}, "Tensor lr must be 1-element"),
    ("SGD", {"momentum": -0.5}, "Invalid momentum value: -0.5"),
    ("SGD", {"weight_decay": -0.5}, "Invalid weight_decay value: -0.5"),
    ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "Nesterov momentum requires"),
    ("Adam", {"eps": -1.0}, "Invalid epsilon value: -1.0"),
    ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
    ("Adam", {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
    ("Adam", {"betas": (0, 0.9)}, "betas must be either both floats or both Tensors"),
    ("Adam", {"lr": rg.tensor(0.1), "foreach": True}, "lr as a Tensor is not supported for capturable=False"),
    ("AdamW", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ("NAdam", {"momentum_decay": -1}, "Invalid momentum_decay value: -1"),
    ("RAdam", {"lr": -0.5}, "Invalid learning rate: -0.5"),
    ("Adamax", {"betas": (0.0, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
    ("Adagrad", {"lr_decay": -0.5}, "Invalid lr_decay value: -0.5"),
    ("Adagrad", {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value value: -1"),
    ("Adadelta", {"rho": 1.1}, "Invalid rho value: 1.1"),
    ("Adadelta", {"rho": -0.1}, "Invalid rho value: -0.1"),
    ("RMSprop", {"alpha": -1}, "Invalid alpha value: -1"),
    ("Rprop", {"etas": (1.0, 0.5)}, "Invalid eta values: 1.0, 0.5"),
    ("ASGD", {"weight_decay": -0.5}, "Invalid weight_decay value: -0.5"),
    ("LBFGS", {"lr": -1}, "Invalid learning rate: -1"),
    ("Adafactor", {"lr": -1}, "Learning rate should be >= 0 but is: -1"),
    ("Adafactor", {"beta2_decay": 0.8}, "beta2_decay should be <= 0 but is: 0.8"),
    ("Adafactor", {"eps": (-1, 0)}, "epsilon1 should be >= 0 but is: -1"),
    ("Adafactor", {"eps": (None, -1)}, "epsilon2 should be >= 0 but is: -1"),
    ("Adafactor", {"d": 0.5}, "Clipping threshold d should be >= 1 but is: 0.5"),
    ("Adafactor", {"weight_decay": -1}, "weight_decay should be >= 0 but is: -1"),
    ("Muon", {"momentum": -1}, "momentum should be >= 0 but is: -1"),
    ("Muon", {"weight_decay": -1}, "weight decay should be >= 0 but is: -1"),
    ("Muon", {"adjust_lr_fn": "mine"}, "Adjust learning rate function mine is not supported"),
    ("Muon", {"ns_steps": 100}, "Number of steps must be less than 100"),
    ("Muon", {"ns_coefficients": (1, 2)}, "Coefficients must be a tuple of exactly 3 values"),
]


@pytest.mark.parametrize(("name", "options", "words"), OPTIONS)
def test_an_option_that_cannot_be_is_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        getattr(rg.optim, name)([leaf(1, 1)], **options)


def test_a_learning_rate_that_is_no_number_is_refused():
    for lr in ("0.1", None):
        with pytest.raises(TypeError, match="lr should be a number, or a tensor with one element"):
            rg.optim.SGD([w], lr=lr)


def test_betas_are_two_numbers():
    with pytest.raises(TypeError, match=r"betas should be two numbers, such as \(0\.9, 0\.999\), but got 0\.9"):
        rg.optim.NAdam([w], betas=0.9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_fused_goes_with_neither_of_its_alternatives(name):
    make = getattr(rg.optim, name)
    for other, words in (("foreach", "cannot be `True` together"), ("differentiable", "does not support")):
        with pytest.raises(RuntimeError, match=words):
            make([w], fused=True, **{other: True})
    assert make([w], fused=True).defaults["fused"] is True


def test_the_same_parameter_twice_in_a_group_is_warned_of():
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = rg.optim.SGD([w, w])
    assert [0, 0] == optimizer.state_dict()["param_groups"][0]["params"]


def test_a_refused_group_is_left_as_it_was():
    optimizer = rg.optim.SGD([w])
    group = {"params": (p for p in [w])}
    with pytest.raises(ValueError, match="more than one"):
        optimizer.add_param_group(group)
    assert ["params"] == list(group)
    assert 1 == len(optimizer.param_groups)


def test_memory_that_cannot_be_written_to_is_refused_before_any_parameter_has_changed():
    first, second = leaf(2), rg.ones(1).expand(2).requires_grad_()
    optimizer = rg.optim.Adam([first, second])
    with pytest.raises(RuntimeError, match=r"Adam\.step.*more than one element.*clone\(\)"):
        stepped(optimizer)
    assert [1, 1] == first.tolist()
    assert {} == optimizer.state


# -- the step


def test_the_closure_is_evaluated_with_recording_on_and_its_loss_returned():
    w = leaf(2)
    optimizer = rg.optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with rg.no_grad():
        assert 2 == optimizer.step(closure).item()
    assert [0, 0] == w.tolist()
    assert optimizer.step() is None


@pytest.mark.parametrize("name", ["SGD", "LBFGS"])
def test_a_loss_is_no_closure(name):
    optimizer = getattr(rg.optim, name)([leaf(1)])
    with pytest.raises(TypeError, match=r"'Tensor' object is not callable.*loss\.backward\(\) and then step\(\)"):
        optimizer.step(rg.tensor(1.0))


def test_gradients_are_dropped_or_made_zero():
    w, z = leaf(2), leaf(1)
    optimizer = rg.optim.SGD([w, z])
    w.grad = rg.ones(2)
    kept = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert kept is w.grad
    assert [0, 0] == kept.tolist()
    optimizer.zero_grad()
    assert (None, None) == (w.grad, z.grad)


def test_a_gradient_that_has_a_history_loses_it_when_made_zero():
    w = leaf(1)
    (w**2).sum().backward(create_graph=True)
    rg.optim.SGD([w]).zero_grad(set_to_none=False)
    assert not w.grad.requires_grad


def test_options_may_change_between_steps():
    w = leaf(1)
    optimizer = rg.optim.SGD([w], lr=0.5)
    stepped(optimizer)
    optimizer.param_groups[0].update(lr=0.25, momentum=0.5)
    stepped(optimizer, 2)
    assert 1 - 0.5 - 0.25 - 0.25 * 1.5 == w.item()


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_ends_up_in_the_defaults(name):
    cls = getattr(rg.optim, name)
    arguments = [p for p in inspect.signature(cls).parameters if p != "params"]
    defaults = cls([leaf(1, 1)]).defaults
    assert set(arguments) <= set(defaults)


# -- saving and loading


def test_a_state_dict_has_numbers_for_parameters():
    w, b, c = leaf(1), leaf(2), leaf(3)
    optimizer = rg.optim.SGD([{"params": [w, b]}, {"params": [c]}], lr=0.1, momentum=0.9)
    c.grad = rg.ones(3)
    optimizer.step()
    saved = optimizer.state_dict()
    assert ["state", "param_groups"] == list(saved)
    assert [[0, 1], [2]] == [g["params"] for g in saved["param_groups"]]
    assert [2] == list(saved["state"])
    assert saved["state"][2]["momentum_buffer"] is optimizer.state[c]["momentum_buffer"]


def test_loading_copies_and_casts_all_but_the_count():
    optimizer = stepped(rg.optim.Adam([leaf(2)]))
    saved = optimizer.state_dict()
    w = rg.ones(2, dtype=rg.float64, requires_grad=True)
    other = rg.optim.Adam([w])
    other.load_state_dict(saved)
    state = other.state[w]
    assert rg.float64 == state["exp_avg"].dtype
    assert rg.float32 == state["step"].dtype
    stepped(other)
    assert (2, 1) == (state["step"].item(), saved["state"][0]["step"].item())


def test_loading_takes_over_the_options_but_keeps_the_parameters_and_their_names():
    optimizer = rg.optim.Adam([leaf(2)], lr=0.5)
    optimizer.param_groups[0]["initial_lr"] = 0.75
    other = rg.optim.Adam([("w", w)])
    other.load_state_dict(optimizer.state_dict())
    (group,) = other.param_groups
    assert (0.5, 0.75, ["w"], [w]) == (group["lr"], group["initial_lr"], group["param_names"], group["params"])


def test_a_checkpoint_of_old_is_completed():
    saved = stepped(rg.optim.Adam([leaf(2)], amsgrad=False)).state_dict()
    for name in ("maximize", "foreach", "capturable", "differentiable", "fused", "amsgrad", "decoupled_weight_decay"):
        del saved["param_groups"][0][name]
    saved["state"][0]["step"] = 3  # it was a number once
    other = rg.optim.AdamW([leaf(2)])
    other.load_state_dict(saved)
    assert other.param_groups[0]["decoupled_weight_decay"] is True
    assert 4 == next(iter(stepped(other).state.values()))["step"].item()


def test_a_buffer_that_was_not_there_yet_may_be_none():
    w = leaf(1)
    optimizer = rg.optim.SGD([w], lr=0.5, momentum=0.9, dampening=0.5)
    saved = optimizer.state_dict()
    optimizer.load_state_dict({**saved, "state": {0: {"momentum_buffer": None}}})
    assert 0.5 == stepped(optimizer).param_groups[0]["params"][0].item()


def test_what_is_kept_for_no_parameter_is_saved_and_copied():
    optimizer = SignDescent([w], lr=0.5)
    optimizer.state["phase"] = [1, 2]
    saved = optimizer.state_dict()
    other = SignDescent([b], lr=0.5)
    other.load_state_dict(saved)
    assert [1, 2] == other.state["phase"]
    assert other.state["phase"] is not saved["state"]["phase"]


def adam_state(*size):
    return stepped(rg.optim.Adam([leaf(*size)])).state_dict()


BAD_STATES = {
    "no dict": (lambda: 3, TypeError, "expected what state_dict"),
    "empty": (dict, KeyError, "param_groups"),
    "without state": (lambda: {"param_groups": adam_state(2)["param_groups"]}, KeyError, "state"),
    "other groups": (lambda: rg.optim.Adam([{"params": w}, {"params": b}]).state_dict(), ValueError,
                     "different number of parameter groups: it has 2, this optimizer 1"),
    "other parameters": (lambda: rg.optim.Adam([w, b]).state_dict(), ValueError,
                         "that doesn't match the size of optimizer's group: group 0 has 2 parameters"),
    "other sizes": (lambda: adam_state(3), ValueError, r"'exp_avg' of parameter 0 has shape \(3,\).*\(2,\)"),
    "another kind": (lambda: rg.optim.SGD([w]).state_dict(), ValueError, "not one of Adam: its group 0 lacks betas"),
    "another kind's state": (lambda: {**adam_state(2), "state": {0: {"square_avg": rg.ones(2)}}}, ValueError,
                             "Adam, which keeps step, exp_avg, exp_avg_sq: parameter 0 has square_avg"),
}


@pytest.mark.parametrize("what", BAD_STATES)
def test_a_state_dict_that_does_not_fit_changes_nothing(what):
    make, error, words = BAD_STATES[what]
    optimizer = stepped(rg.optim.Adam([leaf(2)], lr=0.5))
    before = repr(optimizer.state_dict())
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(make())
    assert before == repr(optimizer.state_dict())


def test_a_state_dict_is_made_of_plain_data():
    saved = stepped(rg.optim.Adam([("w", leaf(2))])).state_dict()
    plain = json.loads(json.dumps(saved, default=lambda t: t.tolist()))
    assert ["w"] == plain["param_groups"][0]["param_names"]
    assert 1 == plain["state"]["0"]["step"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_an_optimizer_can_be_copied(name, how):
    optimizer = getattr(rg.optim, name)([leaf(2, 2)])
    twin = pickle.loads(pickle.dumps(optimizer)) if how == "pickle" else copy.deepcopy(optimizer)
    assert repr(optimizer) == repr(twin)
    assert twin.param_groups[0]["params"][0] is not optimizer.param_groups[0]["params"][0]
    twin.register_step_post_hook(lambda *_: None)


# -- hooks


def test_hooks_run_around_a_step_in_their_order():
    optimizer = rg.optim.SGD([leaf(1)])
    told = []
    handles = [
        base.register_optimizer_step_pre_hook(lambda o, a, k: told.append("every pre")),
        base.register_optimizer_step_post_hook(lambda o, a, k: told.append("every post")),
        optimizer.register_step_pre_hook(lambda o, a, k: told.append("pre")),
        optimizer.register_step_post_hook(lambda o, a, k: told.append(o is optimizer and a[0] is o)),
    ]
    optimizer.step()
    assert ["every pre", "pre", True, "every post"] == told
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert 4 == len(told)


def test_a_pre_hook_may_change_the_arguments():
    optimizer = rg.optim.SGD([leaf(1)])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o,), {"closure": lambda: 5}))
    assert 5 == optimizer.step()


def test_what_a_pre_hook_returns_must_be_arguments():
    optimizer = rg.optim.SGD([leaf(1)])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 5"):
        optimizer.step()


def test_hooks_on_saving_and_loading():
    optimizer, told = rg.optim.SGD([leaf(1)]), []
    optimizer.register_state_dict_pre_hook(lambda o: told.append("second"))
    optimizer.register_state_dict_pre_hook(lambda o: told.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, saved: {**saved, "epoch": 3})
    optimizer.register_load_state_dict_pre_hook(lambda o, saved: told.append(saved.pop("epoch")))
    optimizer.register_load_state_dict_post_hook(lambda o: told.append("loaded"))
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    assert ["first", "second", 3, "loaded"] == told
    assert 3 == saved["epoch"]  # the hook was given a copy


# -- classes of one's own


class SignDescent(rg.optim.Optimizer):
    """As one would write it for PyTorch."""

    def __init__(self, params, lr=base.required):
        super().__init__(params, {"lr": lr})

    @rg.no_grad()
    def step(self, closure=None):
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["step"] = state.get("step", 0) + 1
                    p.add_(p.grad.sign(), alpha=-group["lr"])
        return loss


class Twice(SignDescent):
    def step(self, closure=None):
        super().step(closure)
        return super().step()


def test_an_optimizer_of_ones_own_needs_a_step_and_nothing_else():
    w = leaf(2)
    optimizer = SignDescent([w], lr=0.5)
    told = []
    optimizer.register_step_post_hook(lambda *_: told.append("stepped"))
    stepped(optimizer)
    assert [0.5, 0.5] == w.tolist()
    assert ["stepped"] == told
    again = SignDescent([leaf(2)], lr=0.5)
    again.load_state_dict(optimizer.state_dict())
    assert {"step": 1} == next(iter(again.state.values()))


def test_a_step_that_calls_its_parents_runs_the_hooks_once():
    w = leaf(1)
    optimizer, told = Twice([w], lr=0.25), []
    optimizer.register_step_pre_hook(lambda *_: told.append("pre"))
    stepped(optimizer, 2)
    assert (0.0, ["pre", "pre"]) == (w.item(), told)


def test_a_required_option_must_be_given():
    assert "<required parameter>" == repr(base.required)
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        SignDescent([{"params": [w], "lr": 0.1}, {"params": [b]}])


def test_the_base_alone_says_what_it_lacks():
    with pytest.raises(NotImplementedError, match="define its step"):
        stepped(rg.optim.Optimizer([leaf(1)], {}))


def test_the_count_is_float64_where_that_is_the_default():
    rg.set_default_dtype(rg.float64)
    try:
        w = leaf(1)
        assert rg.float64 == stepped(rg.optim.Adam([w])).state[w]["step"].dtype
        assert rg.float32 == stepped(rg.optim.Adam([w], fused=True)).state[w]["step"].dtype
    finally:
        rg.set_default_dtype(rg.float32)


def test_no_step_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES:
            optimizer = getattr(rg.optim, name)([leaf(1, 1)])
            optimizer.step(lambda: 0.0) if name == "LBFGS" else stepped(optimizer, 2)
