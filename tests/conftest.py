"""What every test starts from and must leave behind: fixed seeds, hypothesis profiles, sentinels.

Start reading at ``SWITCHES``: the global state that a test may change but has to put back.
"""

import gc
import os
import random

import hypothesis
import numpy as np
import pytest

SEED = 20_260_101

# deadline=None: on a shared machine a slow example says nothing about the code.
hypothesis.settings.register_profile("dev", deadline=None, max_examples=50)
hypothesis.settings.register_profile(
    "ci", deadline=None, max_examples=100, derandomize=True, print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "nightly", deadline=None, max_examples=5_000, print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")

RUN_BY_NAME = {"compare", "speed"}  # one needs torch, the other a machine with nothing else to do


def pytest_ignore_collect(collection_path, config):
    name = collection_path.name
    apart = name in RUN_BY_NAME and not any(name in argument for argument in config.args)
    return apart or None  # None: the other rules decide


def call(name, *args):
    """``regrad.name(*args)``, or None where the package has no such name."""
    import regrad  # here, so that a package that does not import fails its tests, not the whole collection

    function = getattr(regrad, name, None)
    return function and function(*args)


SWITCHES = {  # what: (read it, put it back)
    "the grad mode": (lambda: call("is_grad_enabled"), lambda was: call("set_grad_enabled", was)),
    "the default dtype": (lambda: call("get_default_dtype"), lambda was: call("set_default_dtype", was)),
    "NumPy's error state": (np.geterr, lambda was: np.seterr(**was)),
}


@pytest.fixture(autouse=True)
def seeds():
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - scikit-learn draws from the global generator
    call("manual_seed", SEED)


@pytest.fixture
def rng():
    """A generator of its own for each test."""
    return np.random.default_rng(SEED)


@pytest.fixture
def collector_off():
    """Memory is freed by reference counting alone; cycles that earlier tests left are gone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def switches_are_left_as_they_were_found():
    before = {what: read() for what, (read, _) in SWITCHES.items()}
    yield
    left = []
    for what, (read, put_back) in SWITCHES.items():
        if (now := read()) != before[what]:
            left.append(f"this test found {what} at {before[what]} and left it at {now}")
            put_back(before[what])  # or every later test would fail with this one
    if left:
        pytest.fail("\n".join(left))
