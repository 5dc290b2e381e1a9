"""Who holds a tensor: each kind of holder is named, nothing is left behind, and nothing is invented."""

import functools
import gc
import threading
import weakref

import pytest

import regrad as rg

pytestmark = pytest.mark.usefixtures("collector_off")


def made():
    return (rg.ones(3, requires_grad=True) * 2).exp()


class Box:
    pass


class Slotted:
    __slots__ = ("inner",)


class Best:
    score = None


GLOBAL = []


def in_slots():
    box = Slotted()
    box.inner = {"k": [made()]}
    return box, weakref.ref(box.inner["k"][0])


def in_a_default():
    def fn(a, x=made()):  # noqa: B008
        return x

    return fn, weakref.ref(fn.__defaults__[0])


def in_a_partial():
    fn = functools.partial(print, made())
    return fn, weakref.ref(fn.args[0])


def in_a_generator():
    def run():
        x = made()
        yield weakref.ref(x)
        yield x

    generator = run()
    return generator, next(generator)


def in_a_gradient():
    w = rg.ones(2, requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    return w, weakref.ref(w.grad)


def in_a_view():
    u = made()
    return u[:2], weakref.ref(u)


def in_an_attribute_of_a_tensor():
    t = rg.ones(1)
    t.cache = made()
    return t, weakref.ref(t.cache)


def in_a_closure():
    x = made()

    def fn():
        return x

    return fn, weakref.ref(x)


def in_a_set():
    x = made()
    return {x}, weakref.ref(x)


def in_nested_tuples():
    x = made()
    return (1, (2, x)), weakref.ref(x)


HOLDERS = {
    "slots": (in_slots, "list", "held.inner['k'][0]"),
    "default": (in_a_default, "default argument", "x"),
    "partial": (in_a_partial, "tuple", "held.args[0]"),
    "generator": (in_a_generator, "generator", "x"),
    "gradient": (in_a_gradient, "attribute", "held.grad"),
    "view": (in_a_view, "attribute", "held._view.base"),
    "attribute of a tensor": (in_an_attribute_of_a_tensor, "attribute", "held.cache"),
    "closure": (in_a_closure, "closure", "x"),
    "set": (in_a_set, "set", "held"),
    "tuples": (in_nested_tuples, "tuple", "held[1][1]"),
}


@pytest.mark.parametrize("case", HOLDERS)
def test_a_holder_is_named(case):
    plant, kind, name = HOLDERS[case]
    held, ref = plant()
    (chain,) = rg.graph.who_holds(ref)
    assert (kind, name) == chain[:2]
    assert "local variable 'held' of test_a_holder_is_named()" == chain.owner
    assert __file__ == chain.place.file
    del held
    if case != "gradient":  # which has a cycle of the user's making: the leaf holds a graph that reads it
        assert ref() is None


def test_a_global_and_a_class_are_named():
    GLOBAL.append(made())
    Best.score = made()
    try:
        (chain,) = rg.graph.who_holds(weakref.ref(GLOBAL[0]))
        assert ("list", "GLOBAL[0]") == chain[:2]
        assert chain.owner.startswith("global variable 'GLOBAL' of ")
        (chain,) = rg.graph.who_holds(weakref.ref(Best.score))
        assert ("class attribute", "Best.score") == chain[:2]
    finally:
        GLOBAL.clear()
        Best.score = None


def test_every_holder_has_a_chain_the_shortest_first():
    x = made()
    kept = [x]
    box = Box()
    box.history = {"last": x}
    chains = rg.graph.who_holds(x)
    assert ["x", "kept[0]", "box.history['last']"] == [c.name for c in chains]
    assert str(chains[0]) in repr(chains)
    assert ["x"] == [c.name for c in rg.graph.who_holds(x, limit=1)]
    assert kept[0] is x


def test_a_tensor_computed_later_holds_the_graph():
    x = made()
    y = x.sum().sin().cos()
    node = weakref.ref(x.grad_fn)
    del x
    (chain,) = rg.graph.who_holds(node)
    assert ("local variable", "y") == chain[:2]
    assert "result of 'cos'" in str(chain)
    assert "3 nodes down: 'exp'" in str(chain)
    assert y.ndim == 0


def test_one_of_several_outputs_holds_the_node():
    a, _ = made().split(2)
    node = weakref.ref(a.grad_fn)
    del _
    assert ["a"] == [c.name for c in rg.graph.who_holds(node)]


def test_a_variable_of_another_thread_is_found():
    ready, done = threading.Event(), threading.Event()
    found = []

    def work():
        mine = made()
        found.append(weakref.ref(mine))
        ready.set()
        done.wait()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    (chain,) = rg.graph.who_holds(found[0])
    done.set()
    thread.join()
    assert ("local variable", "mine") == chain[:2]
    assert "work()" in chain.owner


def test_a_hook_that_closes_a_cycle_is_told_as_one():
    def plant():
        h = rg.ones(3, requires_grad=True) * 2
        loss = (h * h).sum()
        h.register_hook(lambda g: g * loss.detach())
        return weakref.ref(loss)

    ref = plant()
    (chain,) = rg.graph.who_holds(ref)
    assert chain.cycle
    assert ("hook closure", "loss") == chain[:2]
    assert "a reference cycle" in str(chain)
    assert "'mul' made at" in str(chain)
    gc.collect()
    assert ref() is None


def test_what_nobody_holds_has_no_chain():
    ref = weakref.ref(made())
    assert [] == rg.graph.who_holds(ref)
    assert "nobody with a name holds it" == repr(rg.graph.who_holds(ref))


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="expected a tensor, a node or a weak reference"):
        rg.graph.who_holds("loss")


def test_looking_leaves_nothing_behind():
    x = made()
    ref = weakref.ref(x)
    for _ in range(3):
        rg.graph.who_holds(x)
    before = len(gc.get_objects())
    rg.graph.who_holds(x)
    assert len(gc.get_objects()) < before + 50
    del x
    assert ref() is None


def test_the_callers_own_locals_are_left_alone():
    x = made()
    names = locals()
    rg.graph.who_holds(x)
    assert names["x"] is x
