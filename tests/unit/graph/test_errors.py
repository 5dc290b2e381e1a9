"""The stories told when a graph is freed or a saved value changed: each field, and the lines that are printed."""

import inspect

import pytest

import regrad as rg


def here(back=0):
    """The line of the call, less ``back``."""
    return inspect.currentframe().f_back.f_lineno - back


def freed(root):
    with pytest.raises(rg.GraphFreedError) as caught:
        root.backward()
    return caught.value


def modified(root):
    with pytest.raises(rg.SavedModifiedError) as caught:
        root.backward()
    return caught.value


def test_the_same_root_twice():
    x = rg.ones(2, requires_grad=True)
    y = (x * x).sum()
    made = here(1)
    y.backward()
    gone = here(1)
    error = freed(y)
    assert ("SAME_ROOT_TWICE", "mul", "backward()") == (error.cause, error.op, error.freed_by)
    assert ((__file__, made), (__file__, gone)) == (error.made_at[:2], error.freed_at[:2])
    assert (None, ()) == (error.boundary, error.shared)
    assert error.advice.startswith("Build the forward again before each backward")
    first, *story = str(error).split("\n")
    assert first.startswith("Trying to backward through the graph a second time (or directly access saved tensors")
    assert [
        f"  what is gone:  the values saved by 'mul' (made at {__file__}:{made})",
        "                 y = (x * x).sum()",
        f"  freed by:      backward() at {__file__}:{gone}",
        "                 y.backward()",
        "  cause:         SAME_ROOT_TWICE",
        f"  what to do:    {error.advice}",
    ] == story
    assert [2, 2] == x.grad.tolist()


def test_two_losses_that_share_a_trunk():
    x = rg.ones(2, requires_grad=True)
    h = x.exp()
    a, b = (h * 2).sum(), (h * 3).sum()
    a.backward()
    error = freed(b)
    assert ("SHARED_TRUNK", "exp") == (error.cause, error.op)
    assert ["exp"] == [n.op for n in error.shared]
    assert "  shared nodes:  1 (exp)" in str(error).split("\n")
    assert "Sum the losses and run one backward" in error.advice


def test_a_state_from_an_earlier_step():
    w, h = rg.ones(2, requires_grad=True), rg.zeros(2)
    read = here(-2)
    for step in range(2):
        h = (h * w).tanh()
        if not step:
            h.sum().backward()
    error = freed(h.sum())
    assert ("STALE_INPUT", "tanh") == (error.cause, error.op)
    assert (__file__, read) == error.boundary.read_at[:2]
    assert ((2,), "tanh") == (error.boundary.shape, error.boundary.op)
    assert "detach it between steps" in error.advice
    assert any(line.startswith("  came in by:    ") for line in str(error).split("\n"))


def test_a_stale_state_is_named_as_the_user_names_it():
    w, state = rg.ones(2, requires_grad=True), rg.zeros(2)
    state = (state * w).tanh()
    state.sum().backward()
    error = freed((state * w).sum())
    assert "state" == error.boundary.name
    assert error.advice.endswith("such as `state = state.detach()`.")


def test_a_freed_value_is_refused_to_the_eye_too():
    y = rg.ones(2, requires_grad=True).exp()
    y.sum().backward()
    with pytest.raises(rg.GraphFreedError, match="directly access saved tensors"):
        _ = y.grad_fn._saved_result


def test_strict_mode_refuses_nodes_that_saved_nothing():
    y = (rg.ones(2, requires_grad=True) + 1).sum()
    y.backward()
    y.backward()
    with rg.graph.strict():
        assert "SAME_ROOT_TWICE" == freed(y).cause
    y.backward()


def test_an_error_before_the_pass_changes_nothing():
    x, w = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    h = x * x
    h.sum().backward()
    x.grad = None
    calls = []
    x.register_hook(calls.append)
    freed((h + w * w).sum())
    assert (None, None, []) == (x.grad, w.grad, calls)


# -- values that were written to


def test_a_parameter_written_to():
    w = rg.ones(2, requires_grad=True)
    y = (w * w).sum()
    read = here(1)
    with rg.no_grad():
        w.mul_(2)
        wrote = here(1)
    error = modified(y)
    assert ("w", "mul", (0, 1)) == (error.name, error.op, error.versions)
    assert ((__file__, read), (__file__, wrote)) == (error.read_at[:2], error.written_at[:2])
    assert "test_a_parameter_written_to" == error.writer
    first, *story = str(error).split("\n")
    assert first.startswith(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        "[torch.FloatTensor [2]], which is output 0 of AccumulateGrad, is at version 1; expected version 0 instead."
    )
    assert [
        "  what changed:  w, shape (2,)",
        f"  read by:       'mul' at {__file__}:{read}",
        "                 y = (w * w).sum()",
        f"  written by:    test_a_parameter_written_to at {__file__}:{wrote}",
        "                 w.mul_(2)",
    ] == story[:5]
    assert f"  what to do:    {error.advice}" == story[-1]
    assert w.grad is None


def test_a_given_name_goes_before_the_variables():
    w = rg.ones(2, requires_grad=True)
    w.name = "fc.weight"
    y = (w * w).sum()
    w.data.add_(1)
    assert "fc.weight" == modified(y).name


def test_names_are_found_in_containers_and_objects():
    class Net:
        def __init__(self):
            self.weight = rg.ones(2, requires_grad=True)

    net, several, named = Net(), [rg.ones(2, requires_grad=True)], {"b": rg.ones(2, requires_grad=True)}
    found = []
    for take in (lambda: net.weight, lambda: several[0], lambda: named["b"]):
        y = (take() ** 2).sum()
        with rg.no_grad():
            take().zero_()
        found.append(modified(y).name)
    assert ["net.weight", "several[0]", "named['b']"] == found


def test_a_result_written_to():
    y = rg.ones(2, requires_grad=True).exp()
    y += 1
    error = modified(y.sum())
    assert ("y", "exp") == (error.name, error.op)
    assert "Write out of place (such as `y = y * 2` for `y *= 2`)" in error.advice
    assert "output 0 of ExpBackward0" in str(error)


def test_a_value_written_to_through_a_view():
    h = rg.ones(2, 2, requires_grad=True) * 1
    y = (h * h).sum()
    h[0].zero_()
    error = modified(y)
    assert ("h", (0, 1)) == (error.name, error.versions)
    assert "[torch.FloatTensor [2, 2]], which is output 0 of MulBackward0" in str(error)


def test_versions_count_every_write():
    h = rg.ones(2, requires_grad=True) * 1
    h.add_(1)
    y = (h * h).sum()
    for _ in range(3):
        h.detach().add_(1)
    assert (1, 4) == modified(y).versions


def test_errors_are_runtime_errors_with_pytorchs_first_words():
    assert issubclass(rg.GraphFreedError, RuntimeError)
    assert issubclass(rg.SavedModifiedError, RuntimeError)
