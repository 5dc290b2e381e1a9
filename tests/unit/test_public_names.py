"""``regrad.__all__`` is the list of what users may rely on."""

import inspect

import pytest

import regrad


def test_all_is_sorted_and_names_nothing_twice():
    assert sorted(set(regrad.__all__)) == list(regrad.__all__)


def test_all_names_everything_public():
    names = {name for name, value in vars(regrad).items() if not inspect.ismodule(value)}
    assert set() == {name for name in names if not name.startswith("_")} - set(regrad.__all__)


@pytest.mark.parametrize("name", regrad.__all__)
def test_a_public_name_exists_and_says_what_it_does(name):
    value = getattr(regrad, name)
    assert not callable(value) or (value.__doc__ or "").strip(), f"regrad.{name} has no docstring"


def test_the_switches_that_every_test_must_put_back_exist():
    for name in ("is_grad_enabled", "set_grad_enabled", "get_default_dtype", "set_default_dtype"):
        assert callable(getattr(regrad, name))
