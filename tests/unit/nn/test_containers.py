"""Sequences, lists and dictionaries of modules and parameters."""

import operator
import re
from collections import OrderedDict

import pytest

import regrad as rg
from regrad import nn


class Add(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        return x + self.n

    def extra_repr(self):
        return str(self.n)


def numbers(modules):
    return [m.n for m in modules]


def test_a_sequence_runs_in_order():
    double = nn.Sequential(Add(1), Add(2))
    assert 3 == double(rg.zeros(1)).item()
    named = nn.Sequential(OrderedDict(b=Add(1), a=Add(2)))
    assert ["b", "a"] == [name for name, _ in named.named_children()]
    assert named.a is named[1] is named[-1]


def test_an_empty_sequence_is_the_identity():
    x = rg.ones(1)
    assert nn.Sequential()(x) is x


def listed(*modules):
    return nn.ModuleList(modules)


@pytest.mark.parametrize("kind", [nn.Sequential, listed])
def test_sequences_and_lists_change_like_lists(kind):
    modules = kind(Add(0), Add(1), Add(2))
    assert [0, 1] == numbers(modules[:2])
    modules.append(Add(3))
    modules.insert(1, Add(9))
    assert [0, 9, 1, 2, 3] == numbers(modules)
    assert 9 == modules.pop(1).n
    del modules[-1]
    modules[0] = Add(7)
    modules.extend([Add(8)])
    assert ["0", "1", "2", "3"] == [name for name, _ in modules.named_children()]
    assert [7, 1, 2, 8] == numbers(modules)
    del modules[1:3]
    assert [7, 8] == numbers(modules)
    modules += kind(Add(5))
    assert [7, 8, 5] == numbers(modules)
    assert [7, 8, 5, 6] == numbers(modules + kind(Add(6)))


def test_a_sequence_repeats():
    one = nn.Sequential(Add(1))
    assert 3 == (3 * one)(rg.zeros(1)).item()
    one *= 2
    assert 2 == len(one)


def test_a_list_prints_equal_modules_on_one_line():
    modules = nn.ModuleList([Add(1), Add(1), Add(2)])
    assert "ModuleList(\n  (0-1): 2 x Add(1)\n  (2): Add(2)\n)" == repr(modules)
    assert "ModuleList()" == repr(nn.ModuleList())


def test_a_dictionary_of_modules():
    modules = nn.ModuleDict([("a", Add(1))])
    modules["b"] = Add(2)
    modules.update({"c": Add(3)})
    assert (["a", "b", "c"], 3, True) == (list(modules), len(modules), "b" in modules)
    assert 2 == modules.pop("b").n
    del modules["a"]
    assert [3] == numbers(modules.values())
    modules.clear()
    assert [] == list(modules.items())


def test_a_list_of_parameters_makes_parameters():
    x = rg.ones(2)
    params = nn.ParameterList([x, nn.Parameter(rg.zeros(3))])
    params.append("a note")
    params[0] = rg.zeros(5)
    assert [(5,), (3,)] == [tuple(p.shape) for p in params.parameters()]
    assert all(p.requires_grad for p in params.parameters())
    assert "a note" == params[-1]
    assert ["0", "1"] == list(params.state_dict())
    assert 2 == len(params[1:])
    assert "(1): Parameter containing: [regrad.float32 of size 3]" in repr(params)


def test_a_dictionary_of_parameters_is_a_dictionary():
    named = nn.ParameterDict({"a": rg.ones(1), "b": rg.ones(2)})
    assert ["a", "b"] == list(named.state_dict()) == list(named.keys())
    assert named.get("x") is None
    assert named.setdefault("c", rg.ones(3)) is named["c"]
    assert ["c", "b", "a"] == list(reversed(named))
    assert "c" == named.popitem()[0]
    assert ["a", "b", "d"] == sorted(named | {"d": rg.ones(1)})
    assert ["a", "b", "d"] == sorted({"d": rg.ones(1)} | named)
    named |= {"e": rg.ones(1)}
    del named["a"]
    assert ["b", "e"] == list(named)
    assert ["k"] == list(named.fromkeys(["k"], rg.ones(1)))
    copied = named.copy()
    assert copied["b"] is named["b"]
    named.clear()
    assert 0 == len(named) < len(copied)


REFUSED = {
    "a position beyond the end": (lambda: nn.Sequential(Add(1))[1], IndexError, "1 entries"),
    "a position far beyond the end": (lambda: nn.ModuleList([Add(1)])[-2], IndexError, "1 entries"),
    "a module that is none": (lambda: nn.Sequential(3), TypeError, "int is not a Module"),
    "a function in a list": (lambda: nn.ModuleList([len]), TypeError, "not a Module"),
    "something that is no list": (lambda: nn.ModuleList().extend(3), TypeError, "iterable"),
    "insertion beyond the end": (lambda: nn.Sequential().insert(1, Add(1)), IndexError, "0 modules"),
    "insertion of a number": (lambda: nn.Sequential().insert(0, 1), AssertionError, "module should be"),
    "no repetition": (lambda: nn.Sequential() * 0, ValueError, "Non-positive"),
    "half a repetition": (lambda: nn.Sequential() * 0.5, TypeError, "unsupported"),
    "a sum with a list": (lambda: operator.add(nn.Sequential(), [Add(1)]), ValueError, "Sequential"),
    "no pairs": (lambda: nn.ModuleDict([3]), TypeError, "element #0"),
    "triples": (lambda: nn.ModuleDict([(1, 2, 3)]), ValueError, "length 3"),
    "a name of a method": (lambda: nn.ModuleDict({"forward": Add(1)}), KeyError, "already exists"),
    "a call of a list of parameters": (lambda: nn.ParameterList()(1), RuntimeError, "should not be called"),
    "one tensor as list": (lambda: nn.ParameterList(rg.ones(2)), TypeError, "iterable"),
    "a parameter that is not there": (lambda: nn.ParameterDict()["a"], KeyError, "a"),
    "a key that is a number": (lambda: nn.ParameterDict({1: rg.ones(1)}), TypeError, "must be a string"),
    "a key that is a method": (lambda: nn.ParameterDict({"train": rg.ones(1)}), KeyError, "choose another key"),
    "the last of nothing": (lambda: nn.ParameterDict().popitem(), KeyError, "empty"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_containers_refuse(what):
    act, kind, text = REFUSED[what]
    with pytest.raises(kind, match=re.escape(text)):
        act()
