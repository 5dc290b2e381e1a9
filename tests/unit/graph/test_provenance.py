"""Every node knows the user's line: through composite ops, methods and functions that rules call."""

import inspect

import pytest

import regrad as rg
from regrad.graph import provenance


def line():
    return inspect.currentframe().f_back.f_lineno


@pytest.mark.parametrize(
    "op",
    [
        lambda x: x * x,
        lambda x: rg.exp(x),
        lambda x: x.var(),
        lambda x: rg.nn.functional.gelu(x),
        lambda x: x[0],
        lambda x: rg.cat([x, x]),
        lambda x: x.clone().mul_(2),
    ],
)
def test_a_node_is_made_at_the_users_line(op):
    made = op(rg.ones(3, requires_grad=True)).grad_fn.made_at
    assert (__file__, op.__code__.co_firstlineno) == made[:2]
    assert f"{made.file}:{made.line}" == str(made)


def test_the_line_of_a_statement_over_several_is_its_operations():
    x = rg.ones(2, requires_grad=True)
    first = line() + 2
    y = (
        x.exp()
        .sin()
    )  # fmt: skip
    assert first <= y.grad_fn.made_at.line <= first + 3


def test_regrads_own_files_are_passed_over():
    assert provenance.inside[rg.__file__]
    assert not provenance.inside[__file__]
    assert not provenance.inside["<stdin>"]


def test_code_without_a_file_has_a_place():
    space = {"x": rg.ones(2, requires_grad=True)}
    exec(compile("\n\ny = x * 2", "<made up>", "exec"), space)
    assert ("<made up>", 3) == space["y"].grad_fn.made_at[:2]
    assert "" == provenance.source_line(space["y"].grad_fn.made_at)
    assert provenance.place(None, 0) is None


def test_no_frame_is_kept():
    class Big:
        gone = False

        def __del__(self):
            Big.gone = True

    def inner():
        big = Big()
        out = rg.ones(2, requires_grad=True) * 2
        assert big is not None
        return out

    kept = inner()
    assert Big.gone
    assert "inner" in kept.grad_fn.made_at.function
