"""What a declaration may not say, and what every op says when it is called wrongly."""

import numpy as np
import pytest

import regrad as rg
from regrad import declare, shapes


def refused(words, kind, forward, **options):
    before = set(declare.OPS)
    with pytest.raises(TypeError, match=words):
        getattr(declare, kind)(**options)(forward)
    assert before == set(declare.OPS)


def sample_forward(x, *, dim):
    return x


def sample_pair(a, b):
    return a + b


def test_a_rule_needs_an_argument():
    refused("a rule for 'y', but the arguments are x", "general", sample_forward, y=lambda g: g, shape=shapes.same)


def test_a_rule_takes_the_cotangent_first():
    refused("must take the cotangent `g` first, not 'x'", "general", sample_forward, x=lambda x: x, shape=shapes.same)


def test_a_rule_asks_only_for_what_there_is():
    refused("a rule asks for 'y', which is no argument", "general", sample_forward, x=lambda g, y: g, shape=shapes.same)
    refused("a rule asks for 'y_shape'", "general", sample_forward, x=lambda g, y_shape: g, shape=shapes.same)
    refused("asks for the parameter 'keep'; the op has dim", "linear", sample_forward, x=lambda g, *, keep: g,
            shape=shapes.same)  # fmt: skip


@pytest.mark.parametrize("kind", ["linear", "general"])
def test_all_but_elementwise_ops_need_a_shape_rule(kind):
    refused(f"a {kind} op needs shape=", kind, sample_forward, x=lambda g: g)


def test_an_op_is_declared_once():
    def mul(a, b):
        return a * b

    refused("an op named 'mul' is declared twice", "elementwise", mul, a=lambda g: g)


@pytest.mark.parametrize("name", ["t", "n", "m", "d", "f", "c", "q", "x0", "e12"])
def test_a_name_of_the_callers_own_is_refused(name):
    space = {}
    exec(f"def sample_clash(a, *, {name}): return a", space)
    refused(f"the name '{name}' is taken", "elementwise", space["sample_clash"], a=lambda g: g)
    exec(f"def sample_clash_view({name}): return {name}", space)
    refused(f"the name '{name}' is taken", "linear", space["sample_clash_view"], view=True, shape=shapes.same)


def test_a_declared_op_is_called_with_its_parameters():
    try:
        op = declare.general(x=lambda g, *, dim: g * dim, shape=shapes.same, name="sample_scaled")(
            lambda x, *, dim: x * dim
        )
        x = rg.ones(2, requires_grad=True)
        op(x, dim=3).sum().backward()
        assert [3, 3] == x.grad.tolist()
        with pytest.raises(TypeError, match="takes the parameters dim; got none"):
            op(x)
        with pytest.raises(TypeError, match="takes the parameters dim; got by, dim"):
            op(x, by=1, dim=2)
    finally:
        declare.OPS.pop("sample_scaled", None)


def test_errors_name_the_op_and_what_it_got():
    with pytest.raises(rg.ShapeError, match=r"^mul: "):
        rg.ones(2) * rg.ones(3)
    with pytest.raises(RuntimeError, match=r"bitwise_and.* not implemented for float32"):
        rg.bitwise_and(rg.ones(2), rg.ones(2))
    with pytest.raises(TypeError, match=r"sin\(\): argument 'x' must be Tensor, not str"):
        rg.sin("a")
    with pytest.raises(TypeError, match=r"must be Tensor"):
        rg.exp(None)


def test_an_op_of_arrays_returns_an_array():
    assert type(declare.OPS["mul"].caller(np.ones(2), np.ones(2))) is np.ndarray


def test_only_the_rules_of_what_needs_a_gradient_save():
    a, b = rg.ones(4, requires_grad=True), rg.ones(4)
    assert ["b"] == [r.slot for r in rg.graph.saved(a * b)]
    assert [] == list(rg.graph.saved(a + b))
    assert "<op mul>" == repr(declare.OPS["mul"])
