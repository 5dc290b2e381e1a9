"""Pruning: what becomes zero, what stays so, and how it ends."""

import numpy as np
import pytest

import regrad as rg
from regrad import nn
from regrad.nn.utils import prune

WEIGHT = [[1.0, -6.0, 2.0], [5.0, -3.0, 4.0]]


def layer():
    made = nn.Linear(3, 2)
    with rg.no_grad():
        made.weight.copy_(rg.tensor(WEIGHT))
    return made


MASKS = {
    "by size": (lambda m: prune.l1_unstructured(m, "weight", 2), [[0, 1, 0], [1, 1, 1]]),
    "a fraction": (lambda m: prune.l1_unstructured(m, "weight", 0.5), [[0, 1, 0], [1, 0, 1]]),
    "nothing": (lambda m: prune.l1_unstructured(m, "weight", 0), [[1, 1, 1], [1, 1, 1]]),
    "all": (lambda m: prune.l1_unstructured(m, "weight", 1.0), [[0, 0, 0], [0, 0, 0]]),
    "by scores": (
        lambda m: prune.l1_unstructured(m, "weight", 2, importance_scores=rg.arange(6.0).reshape(2, 3)),
        [[0, 0, 1], [1, 1, 1]],
    ),
    "rows": (lambda m: prune.ln_structured(m, "weight", 1, n=2, dim=0), [[0, 0, 0], [1, 1, 1]]),
    "columns": (lambda m: prune.ln_structured(m, "weight", 0.4, n=1, dim=-1), [[0, 1, 1], [0, 1, 1]]),
    "columns by their largest": (
        lambda m: prune.ln_structured(m, "weight", 1, n=float("inf"), dim=1),
        [[1, 1, 0], [1, 1, 0]],
    ),
    "a mask": (
        lambda m: prune.custom_from_mask(m, "weight", rg.tensor([[1, 0, 1], [0, 1, 0]])),
        [[1, 0, 1], [0, 1, 0]],
    ),
    "not at all": (lambda m: prune.identity(m, "weight"), [[1, 1, 1], [1, 1, 1]]),
}


@pytest.mark.parametrize(("do", "mask"), MASKS.values(), ids=MASKS)
def test_what_is_pruned_is_zero_and_gets_no_gradient(do, mask):
    module = layer()
    weight = module.weight
    assert module is do(module)
    assert prune.is_pruned(nn.Sequential(module))
    assert (mask, WEIGHT) == (module.weight_mask.tolist(), module.weight_orig.tolist())
    assert (np.array(mask) * WEIGHT).tolist() == module.weight.tolist()
    assert ["bias", "weight_orig", "weight_mask"] == list(module.state_dict())
    module(rg.ones(3)).sum().backward()
    assert mask == weight.grad.tolist()
    assert module is prune.remove(module, "weight")
    assert weight is module.weight
    assert (np.array(mask) * WEIGHT).tolist() == weight.tolist()
    assert (["bias", "weight"], False) == (sorted(module.state_dict()), prune.is_pruned(module))


AGAIN = {
    "elements of what is left": (lambda m: prune.l1_unstructured(m, "weight", 0.5), [[0, 1, 0], [1, 0, 0]]),
    "channels of what is left": (lambda m: prune.ln_structured(m, "weight", 1, 2, dim=1), [[0, 1, 0], [1, 1, 0]]),
    "a mask besides": (
        lambda m: prune.custom_from_mask(m, "weight", rg.tensor([[1, 0, 1], [0, 1, 1]])),
        [[0, 0, 0], [0, 1, 1]],
    ),
}


@pytest.mark.parametrize(("do", "mask"), AGAIN.values(), ids=AGAIN)
def test_pruning_again_goes_on_where_the_first_ended(do, mask):
    module = do(prune.l1_unstructured(layer(), "weight", 2))
    assert mask == module.weight_mask.tolist()
    (hook,) = module._forward_pre_hooks.values()
    assert (prune.PruningContainer, 2, prune.L1Unstructured) == (type(hook), len(hook), type(hook[0]))
    prune.identity(module, "weight")
    assert ([hook], 3) == (list(module._forward_pre_hooks.values()), len(list(hook)))


def test_channels_that_are_gone_do_not_count_again():
    module = prune.ln_structured(layer(), "weight", 1, n=2, dim=1)
    assert [[0, 1, 0], [0, 1, 0]] == prune.ln_structured(module, "weight", 1, n=2, dim=1).weight_mask.tolist()


@pytest.mark.parametrize("amount", [1, 0.5])
def test_random_pruning_takes_as_many_as_asked_for(amount):
    elements = prune.random_unstructured(layer(), "weight", amount).weight_mask
    assert (1 if amount == 1 else 3) == (elements == 0).sum().item()
    rows = prune.random_structured(layer(), "weight", amount, dim=0).weight_mask
    assert [[0, 0, 0], [1, 1, 1]] == sorted(rows.tolist())
    assert len({str(prune.random_unstructured(layer(), "weight", 1).weight_mask.tolist()) for _ in range(40)}) > 1


def test_several_parameters_are_pruned_as_one():
    net = nn.Sequential(layer(), layer())
    with rg.no_grad():
        net[1].weight.mul_(10)
    pairs = [(m, "weight") for m in net]
    prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=5)
    assert [1, 6] == [int(m.weight_mask.sum()) for m in net]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=2)
    assert [0, 5] == [int(m.weight_mask.sum()) for m in net]
    scores = {pairs[1]: -rg.arange(6.0).reshape(2, 3)}
    net = nn.Sequential(layer(), layer())
    pairs = [(m, "weight") for m in net]
    prune.global_unstructured(pairs, prune.L1Unstructured, {pairs[1]: rg.arange(6.0).reshape(2, 3)}, amount=1)
    assert ([[0, 1, 1], [1, 1, 1]], 1) == (net[1].weight_mask.tolist(), len(scores))


class EveryOther(prune.BasePruningMethod):
    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_a_method_of_ones_own():
    module = layer()
    assert "bias" == EveryOther.apply(module, "bias")._tensor_name
    assert [0.0, 1.0] == module.bias_mask.tolist()
    assert [0.0, -3.0, 0.0] == EveryOther().prune(rg.tensor([1.0, -3.0, 2.0])).tolist()


def test_state_dicts_bring_the_mask_along():
    one, two = prune.l1_unstructured(layer(), "weight", 2), prune.identity(layer(), "weight")
    two.load_state_dict(one.state_dict())
    assert one(rg.ones(3)).tolist() == two(rg.ones(3)).tolist()


class Odd(prune.Identity):
    PRUNING_TYPE = "odd"


class Structured(prune.Identity):
    PRUNING_TYPE = "structured"


REFUSED = {
    "too many": (lambda m: prune.l1_unstructured(m, "weight", 7), ValueError, "amount=7 should be smaller"),
    "more than all": (lambda m: prune.l1_unstructured(m, "weight", 1.5), ValueError, "amount=1.5 should either"),
    "a negative number": (lambda m: prune.l1_unstructured(m, "weight", -1), ValueError, "non-negative integer"),
    "nan": (lambda m: prune.l1_unstructured(m, "weight", float("nan")), ValueError, "amount=nan"),
    "a word": (lambda m: prune.l1_unstructured(m, "weight", "a"), TypeError, "Must be int or float"),
    "a dim too far": (lambda m: prune.ln_structured(m, "weight", 1, 2, 2), IndexError, "Invalid index 2"),
    "channels of a vector": (lambda m: prune.random_structured(m, "bias", 1, 0), ValueError, "multidimensional"),
    "scores of another shape": (
        lambda m: prune.l1_unstructured(m, "weight", 1, importance_scores=rg.ones(3)), AssertionError, "same shape"
    ),
    "a mask of another shape": (lambda m: prune.custom_from_mask(m, "weight", rg.ones(2)), AssertionError, "shape"),
    "no such parameter": (lambda m: prune.identity(m, "foo"), AttributeError, "foo"),
    "what is not pruned": (lambda m: prune.remove(m, "bias"), ValueError, "has to be pruned before"),
    "channels together": (
        lambda m: prune.global_unstructured([(m, "weight")], Structured), TypeError, 'Only "unstructured"'
    ),
    "no pairs": (lambda m: prune.global_unstructured(3, prune.L1Unstructured, amount=1), TypeError, "not an Iterable"),
    "scores in a list": (
        lambda m: prune.global_unstructured([(m, "weight")], prune.Identity, [1]), TypeError, "type dict"
    ),
    "an unknown type, again": (lambda m: Odd.apply(m, "weight"), ValueError, "Unrecognized PRUNING_TYPE odd"),
    "no dim, again": (lambda m: Structured.apply(m, "weight"), AttributeError, "needs the attribute `dim`"),
    "a container of numbers": (lambda m: prune.PruningContainer().add_pruning_method(3), TypeError, "not a Base"),
    "a container for another": (
        lambda m: next(iter(m._forward_pre_hooks.values())).add_pruning_method(EveryOther()), ValueError, "acting on"
    ),
    "a method without a tensor": (lambda m: EveryOther().apply_mask(m), AssertionError, "has to be pruned"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_has_changed_nothing(call, error, words):
    module = prune.identity(prune.identity(layer(), "weight"), "weight")
    before = {name: t.tolist() for name, t in module.state_dict().items()}
    with pytest.raises(error, match=words):
        call(module)
    assert before == {name: t.tolist() for name, t in module.state_dict().items()}
    assert [2] == [len(hook) for hook in module._forward_pre_hooks.values()]
