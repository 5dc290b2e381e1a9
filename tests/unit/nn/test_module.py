"""Module: what it holds, what it finds, its state, its hooks."""

import copy
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest

import regrad as rg
from regrad import nn
from regrad.nn import module as hooks_everywhere


class Layer(nn.Module):
    """x W' + b, with a buffer that is saved and one that is not."""

    def __init__(self, n_in=2, n_out=3):
        super().__init__()
        self.weight = nn.Parameter(rg.arange(n_in * n_out, dtype=rg.float32).reshape(n_out, n_in))
        self.bias = nn.Parameter(rg.zeros(n_out))
        self.register_buffer("seen", rg.zeros(1))
        self.register_buffer("cache", rg.zeros(1), persistent=False)

    def forward(self, x):
        return x @ self.weight.t() + self.bias


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Layer()
        self.rest = nn.Sequential(Layer(3, 2), Layer(2, 2))
        self.again = self.first
        self.scale = nn.Parameter(rg.ones(1))

    def forward(self, x):
        return self.rest(self.first(x)) * self.scale


class Times(nn.Module):
    def forward(self, x, *, k=1):
        return x * k


def values(module):
    return {name: tensor.tolist() for name, tensor in module.state_dict().items()}


# -- finding


def test_names_are_dotted_paths_and_a_shared_module_counts_once():
    net = Net()
    assert [
        "scale", "first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "rest.1.weight", "rest.1.bias",
    ] == [name for name, _ in net.named_parameters()]  # fmt: skip
    assert "again.weight" in dict(net.named_parameters(remove_duplicate=False))
    assert ["", "first", "rest", "rest.0", "rest.1"] == [name for name, _ in net.named_modules()]
    assert ["first", "rest"] == [name for name, _ in net.named_children()]
    assert ["x.scale"] == [name for name, _ in net.named_parameters("x", recurse=False)]
    assert 6 == len(list(net.buffers()))


def test_parts_are_found_and_replaced_by_path():
    net = Net()
    assert net.get_submodule("rest.1") is net.rest[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("rest.0.bias") is net.rest[0].bias
    assert net.get_buffer("first.seen") is net.first.seen
    net.set_submodule("rest.0", Times())
    assert isinstance(net.rest[0], Times)


def test_parameters_know_their_path_for_error_messages():
    net = Net()
    assert "rest.1.weight" == net.rest[1].weight.name
    wrapped = nn.ModuleDict({"net": net})
    assert "net.rest.1.weight" == wrapped["net"].rest[1].weight.name


def test_an_error_about_a_changed_parameter_gives_its_path():
    net = Net()
    loss = net(rg.ones(1, 2)).sum()
    with rg.no_grad():
        net.rest[0].weight.mul_(2)
    with pytest.raises(rg.SavedModifiedError) as caught:
        loss.backward()
    assert "rest.0.weight" == caught.value.name


# -- attributes

REFUSED = {
    "a tensor where a parameter is": (lambda m: setattr(m, "weight", rg.ones(1)), TypeError, "wrap it as nn.Parameter"),
    "a number where a buffer is": (lambda m: setattr(m, "seen", 3), TypeError, "buffer 'seen'"),
    "a module where a parameter is": (lambda m: setattr(m, "weight", Times()), TypeError, "parameter 'weight'"),
    "a computed parameter": (
        lambda m: m.register_parameter("x", nn.Parameter(rg.ones(1)) * 2), TypeError, "object to parameter 'x'"),
    "a plain tensor as parameter": (lambda m: m.register_parameter("x", rg.ones(1)), TypeError, "Parameter or None"),
    "a dot in a parameter's name": (lambda m: m.register_parameter("a.b", None), KeyError, "dots separate"),
    "a dot in a module's name": (lambda m: m.add_module("a.b", Times()), KeyError, "dots separate"),
    "an empty name": (lambda m: m.register_buffer("", None), KeyError, "empty string"),
    "a number as name": (lambda m: m.register_parameter(3, None), TypeError, "should be a string"),
    "a name that is taken": (lambda m: m.register_buffer("weight", rg.ones(1)), KeyError, "already exists"),
    "a name of a method": (lambda m: m.register_parameter("forward", None), KeyError, "already exists"),
    "something else as buffer": (lambda m: m.register_buffer("x", 3), TypeError, "buffer 'x'"),
    "something else as module": (lambda m: m.add_module("x", 3), TypeError, "not a Module"),
    "an attribute that is not there": (lambda m: m.weigth, AttributeError, "no attribute 'weigth'"),
    "a submodule that is not there": (lambda m: m.get_submodule("a.b"), AttributeError, "no attribute `a`"),
    "a parameter as submodule": (lambda m: m.get_submodule("weight"), AttributeError, "not an nn.Module"),
    "a buffer as parameter": (lambda m: m.get_parameter("seen"), AttributeError, "not an nn.Parameter"),
    "a parameter as buffer": (lambda m: m.get_buffer("weight"), AttributeError, "not a buffer"),
    "a module put nowhere": (lambda m: m.set_submodule("", Times()), ValueError, "target name"),
    "a mode that is no bool": (lambda m: m.train(1), ValueError, "boolean"),
    "an integer dtype": (lambda m: m.to(rg.int32), TypeError, "floating point"),
    "a GPU": (lambda m: m.to("cuda"), RuntimeError, "CPU only"),
    "a GPU by name": (lambda m: m.cuda(), RuntimeError, "CPU only"),
    "no forward": (lambda m: nn.Module()(1), NotImplementedError, "forward"),
    "arguments for Module itself": (lambda m: nn.Module(3), TypeError, "2 arguments"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_module_refuses_changes_nothing(what):
    act, kind, text = REFUSED[what]
    module = Layer()
    before, names = values(module), set(module.__dict__)
    with pytest.raises(kind, match=re.escape(text)):
        act(module)
    assert (before, names) == (values(module), set(module.__dict__))


def test_forgetting_to_call_init_is_told_as_such():
    class Hasty(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(rg.ones(1))

    with pytest.raises(AttributeError, match=r"Hasty.__init__ must call super\(\).__init__\(\)"):
        Hasty()


def test_an_attribute_moves_between_the_tables():
    module = Layer()
    module.seen = nn.Parameter(rg.ones(1))
    assert "seen" in module._parameters
    assert "seen" not in module._buffers
    module.weight = None
    assert ["bias", "seen"] == list(module.state_dict())
    del module.bias
    assert ["seen"] == list(module.state_dict())


def test_a_buffer_object_registers_itself():
    module = nn.Module()
    module.kept, module.not_kept = nn.Buffer(rg.ones(2)), nn.Buffer(rg.ones(2), persistent=False)
    assert ["kept"] == list(module.state_dict())
    assert ["kept", "not_kept"] == [name for name, _ in module.named_buffers()]
    assert [] == list(module.parameters())


# -- changing all of it


def test_train_and_eval_reach_every_module():
    net = Net()
    net.eval()
    assert not any(m.training for m in net.modules())
    net.rest.train()
    assert [False, False, True, True, True] == [m.training for m in net.modules()]


def test_conversion_keeps_the_parameters_and_their_gradients():
    net = Net()
    net(rg.ones(1, 2)).sum().backward()
    weight = net.first.weight
    assert net.double() is net
    assert net.first.weight is weight
    assert {rg.float64} == {t.dtype for t in [weight, weight.grad, net.first.seen]}
    assert weight.requires_grad
    assert weight.is_leaf
    assert rg.float32 == net.to(rg.ones(1)).first.weight.dtype
    assert rg.float16 == net.half().scale.dtype


def test_integer_buffers_keep_their_dtype():
    module = nn.Module()
    module.register_buffer("count", rg.tensor(3))
    assert rg.int64 == module.double().count.dtype
    assert rg.int64 == module.to(rg.float16).count.dtype


def test_freezing_and_forgetting_gradients():
    net = Net()
    net.requires_grad_(False)
    assert not net(rg.ones(1, 2)).requires_grad
    net.requires_grad_()
    net(rg.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert 0 == net.scale.grad.item()
    net.zero_grad()
    assert net.scale.grad is None


def test_apply_visits_children_first():
    visited = []
    Net().apply(lambda m: visited.append(type(m).__name__))
    assert ["Layer", "Layer", "Layer", "Sequential", "Net"] == visited


def test_a_copy_is_independent_and_keeps_what_is_shared():
    net = Net()
    net(rg.ones(1, 2)).sum().backward()
    twin = copy.deepcopy(net)
    assert twin.again is twin.first
    assert twin.scale is not net.scale
    assert twin.scale.grad is None
    assert values(net) == values(twin)
    again = pickle.loads(pickle.dumps(net))
    assert values(net) == values(again)
    assert isinstance(again.scale, nn.Parameter)
    assert again.scale.requires_grad


@pytest.mark.usefixtures("collector_off")
def test_a_network_dies_with_its_name():
    import weakref

    net = Net()
    net.register_full_backward_hook(lambda *_: None)
    net.register_load_state_dict_pre_hook(lambda *_: None)
    net(rg.ones(1, 2, requires_grad=True)).sum().backward()
    gone = weakref.ref(net)
    del net
    assert gone() is None


# -- state


def test_a_state_dict_shares_memory_and_can_be_loaded():
    one, two = Net(), Net()
    state = one.state_dict()
    assert not any(t.requires_grad for t in state.values())
    with rg.no_grad():
        one.scale.fill_(7)
    assert 7 == state["scale"].item()
    weight = two.first.weight
    assert "<All keys matched successfully>" == repr(two.load_state_dict(state))
    assert two.first.weight is weight
    assert values(one) == values(two)


def test_loading_converts_to_the_dtype_of_the_model_unless_assigned():
    state = {k: v.double() for k, v in Layer().state_dict().items()}
    module = Layer()
    module.load_state_dict(state)
    assert rg.float32 == module.weight.dtype
    module.load_state_dict(state, assign=True)
    assert rg.float64 == module.weight.dtype
    assert isinstance(module.weight, nn.Parameter)
    assert module.weight.requires_grad
    assert np.shares_memory(module.weight.detach().numpy(), state["weight"].numpy())


LOADS = {
    "a key is missing": (lambda s: s.pop("rest.0.bias"), 'Missing key(s) in state_dict: "rest.0.bias"'),
    "a key is unknown": (lambda s: s.update(x=rg.ones(1)), 'Unexpected key(s) in state_dict: "x"'),
    "a shape differs": (lambda s: s.update(scale=rg.ones(2)), "size mismatch for scale"),
    "a value is no tensor": (lambda s: s.update(scale=3), 'the parameter named "scale"'),
    "a prefix is there": (
        lambda s: [s.update({f"module.{k}": s.pop(k)}) for k in list(s)], "every key has the prefix 'module.'"),
    "a prefix is lacking": (
        lambda s: [s.update({k.removeprefix("rest."): s.pop(k)}) for k in list(s) if k.startswith("rest")],
        "strict=False"),
    "it is a checkpoint": (lambda s: [s.update(model=dict(s)), *[s.pop(k) for k in list(s) if k != "model"]],
                           "checkpoint['model']"),
    "numbers are complex": (lambda s: s.update(scale=rg.ones(1) * 1j), "complex"),
}  # fmt: skip


@pytest.mark.parametrize("what", LOADS)
def test_a_state_that_does_not_fit_is_refused_whole(what):
    spoil, text = LOADS[what]
    net = Net()
    before = values(net)
    state = OrderedDict((k, v + 1) for k, v in net.state_dict().items())
    spoil(state)
    with pytest.raises(RuntimeError, match=re.escape(text)):
        net.load_state_dict(state)
    assert before == values(net)


def test_a_lost_prefix_is_noticed():
    inner = Net()
    with pytest.raises(RuntimeError, match=re.escape("'net.' + k")):
        nn.ModuleDict({"net": inner}).load_state_dict(inner.state_dict())


def test_loading_leniently_returns_what_did_not_match():
    result = Layer().load_state_dict({"weight": rg.ones(3, 2), "x": rg.ones(1)}, strict=False)
    assert (["bias", "seen"], ["x"]) == tuple(result)
    with pytest.raises(RuntimeError, match="size mismatch"):  # lenient about names, not about sizes
        Layer().load_state_dict({"weight": rg.ones(1)}, strict=False)


def test_a_module_is_not_a_state_dict():
    with pytest.raises(TypeError, match=r"give its state_dict\(\)"):
        Layer().load_state_dict(Layer())


def test_extra_state_travels():
    class Counting(Layer):
        count = 5

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    one, two = Counting(), Counting()
    one.count = 9
    two.load_state_dict(one.state_dict())
    assert 9 == two.count
    with pytest.raises(RuntimeError, match="_extra_state"):
        Counting().load_state_dict(Layer().state_dict())


def test_hooks_around_saving_and_loading():
    module, seen = Layer(), []
    module.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(prefix))
    module.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=rg.ones(1)))
    state = module.state_dict(prefix="p.")
    assert (["p."], True) == (seen, "more" in state)

    def rename(m, state, prefix, *_):
        state[prefix + "weight"] = state.pop(prefix + "w")

    loaded = Layer()
    loaded.register_load_state_dict_pre_hook(rename)
    given = {("w" if k == "weight" else k): v + 1 for k, v in Layer().state_dict().items()}
    loaded.load_state_dict(given)
    assert 1 == loaded.weight[0, 0].item()
    assert "w" in given  # the caller's dictionary is as it was


def test_a_hook_after_loading_may_excuse_a_key():
    module = Layer()
    module.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    module.load_state_dict({"weight": rg.full((3, 2), 4.0)})
    assert 4 == module.weight[0, 0].item()


# -- hooks


def test_hooks_before_a_forward_change_its_arguments():
    module = Times()
    with module.register_forward_pre_hook(lambda m, args: args[0] + 1):
        assert 2 == module(rg.ones(1)).item()
    with module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"k": 3}), with_kwargs=True):
        assert 3 == module(rg.ones(1)).item()
    assert 1 == module(rg.ones(1)).item()


def test_hooks_after_a_forward_change_its_result_in_order():
    module = Times()
    module.register_forward_hook(lambda m, args, out: out * 10)
    module.register_forward_hook(lambda m, args, out: out + 1, prepend=True)
    assert 20 == module(rg.ones(1)).item()
    module.register_forward_hook(lambda m, args, kwargs, out: out * kwargs["k"], with_kwargs=True)
    assert 60 == module(rg.ones(1), k=2).item()


def test_a_hook_that_is_always_called_sees_the_failure():
    module, seen = nn.Module(), []
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(NotImplementedError):
        module(1)
    assert [None] == seen


def test_full_backward_hooks_see_and_change_gradients():
    module, seen = Layer(), []
    x = rg.ones(1, 2, requires_grad=True)
    module.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 2,))
    handle = module.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    module(x).sum().backward()
    assert [([[12.0, 18.0]], [[2.0, 2.0, 2.0]])] == seen
    handle.remove()
    module.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    x.grad = None
    module(x).sum().backward()
    assert [[120.0, 180.0]] == x.grad.tolist()
    assert [[4.0, 4.0]] * 3 == module.weight.grad.tolist()


def test_a_full_backward_hook_without_input_gradient_gets_none():
    module, seen = Layer(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        module(rg.ones(1, 2)).sum().backward()
    assert [(None,)] == seen


def test_a_full_backward_hook_fires_in_every_retained_pass():
    module, seen = Layer(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].sum().item()))
    loss = module(rg.ones(1, 2, requires_grad=True)).sum()
    loss.backward(retain_graph=True)
    (2 * loss).backward()
    assert [3.0, 6.0] == seen


def test_a_hook_gives_the_right_number_of_gradients():
    module = Layer()
    module.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="got 2, but expected 1"):
        module(rg.ones(1, 2, requires_grad=True)).sum().backward()


def test_the_two_kinds_of_backward_hook_do_not_mix():
    module = Layer()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="Cannot use both"):
        module.register_backward_hook(lambda *_: None)


def test_the_older_backward_hook_sees_the_last_node():
    module, seen = Times(), []
    module.register_backward_hook(lambda m, gi, go: seen.append((gi[0].item(), go[0].item())))
    with pytest.warns(FutureWarning, match="non-full"):
        module(rg.ones(1, requires_grad=True), k=3).sum().backward()
    assert [(3.0, 1.0)] == seen


def test_hooks_on_every_module():
    order = []
    handles = [
        hooks_everywhere.register_module_forward_pre_hook(lambda m, args: order.append(f"> {type(m).__name__}")),
        hooks_everywhere.register_module_forward_hook(lambda m, args, out: order.append(f"< {type(m).__name__}")),
        hooks_everywhere.register_module_full_backward_hook(lambda m, gi, go: order.append(f"~ {type(m).__name__}")),
    ]
    try:
        nn.Sequential(Times())(rg.ones(1, requires_grad=True)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert ["> Sequential", "> Times", "< Times", "< Sequential", "~ Times", "~ Sequential"] == order
    nn.Sequential(Times())(rg.ones(1))
    assert 6 == len(order)


def test_hooks_on_registration():
    names = []
    with hooks_everywhere.register_module_parameter_registration_hook(lambda m, name, p: names.append(name)):
        Layer()
    with hooks_everywhere.register_module_module_registration_hook(lambda m, name, child: names.append(name)):
        nn.Sequential(Times())
    with hooks_everywhere.register_module_buffer_registration_hook(lambda m, name, b: names.append(name)):
        Layer()
    assert ["weight", "bias", "0", "seen", "cache"] == names


# -- printing


def test_a_network_prints_as_a_tree():
    class Named(Layer):
        def extra_repr(self):
            return "2 to 3"

    net = nn.Sequential(OrderedDict(a=Named(), b=nn.Sequential(Times())))
    assert "Sequential(\n  (a): Named(2 to 3)\n  (b): Sequential(\n    (0): Times()\n  )\n)" == repr(net)


def test_a_parameter_prints_its_rows_below_one_another():
    assert (
        "Parameter containing:\ntensor([[1., 1.],\n        [1., 1.]], requires_grad=True)"
        == repr(nn.Parameter(rg.ones(2, 2)))
    )


# -- parameters


def test_a_parameter_shares_memory_and_is_a_leaf():
    x = rg.ones(2)
    p = nn.Parameter(x * rg.ones(2, requires_grad=True))
    assert p.is_leaf
    assert np.shares_memory(nn.Parameter(x).detach().numpy(), x.numpy())
    assert type(p + 1) is rg.Tensor
    assert not nn.Parameter(x, requires_grad=False).requires_grad
    with pytest.raises(TypeError, match=r"rg.tensor\(...\)"):
        nn.Parameter([1.0])
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(rg.ones(1, dtype=rg.int64))


def test_an_uninitialised_parameter_waits_for_its_shape():
    p = nn.UninitializedParameter(dtype=rg.float64)
    for use in (lambda: p + 1, lambda: p.sum(), lambda: p.shape, lambda: p.numpy(force=True)):
        with pytest.raises((ValueError, RuntimeError), match="uninitialized"):
            use()
    twin = copy.deepcopy(p)
    p.materialize((2, 3))
    assert (nn.Parameter, (2, 3), rg.float64, True) == (type(p), tuple(p.shape), p.dtype, p.requires_grad)
    assert nn.parameter.is_lazy(twin)
