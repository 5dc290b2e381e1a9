"""Dropout: what is dropped together, what stays as it was, and when nothing happens."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn

# The layer, an input, and the dimensions of what is dropped together.
CASES = [
    (nn.Dropout, (40, 50), ()),
    (nn.Dropout1d, (20, 30, 4), (2,)),
    (nn.Dropout1d, (300, 4), (1,)),
    (nn.Dropout2d, (20, 30, 2, 3), (2, 3)),
    (nn.Dropout3d, (20, 30, 2, 1, 3), (2, 3, 4)),
    (nn.Dropout3d, (300, 2, 1, 3), (1, 2, 3)),
]


@pytest.mark.parametrize(("cls", "shape", "together"), CASES)
def test_in_training_parts_are_zeroed_and_the_rest_is_divided_by_what_is_kept(cls, shape, together):
    out = cls(0.25)(rg.ones(shape)).numpy()
    assert {0.0, np.float32(1 / 0.75)} == set(np.unique(out))
    assert (out.min(together) == out.max(together)).all()
    assert 0.75 == pytest.approx((out > 0).mean(), abs=0.1)


@pytest.mark.parametrize(("cls", "together"), [(nn.AlphaDropout, 0.09), (nn.FeatureAlphaDropout, 0.3)])
def test_alpha_dropout_keeps_mean_and_variance(cls, together):
    x = rg.tensor(np.random.default_rng(0).standard_normal((100, 200, 2)))
    out = cls(0.3)(x).numpy()
    assert (0, 1) == (pytest.approx(out.mean(), abs=0.05), pytest.approx(out.std(), abs=0.05))
    values, counts = np.unique(out, return_counts=True)
    dropped = out == values[counts.argmax()]
    assert (0.3, together) == (pytest.approx(dropped.mean(), abs=0.03), pytest.approx(dropped.all(2).mean(), abs=0.03))


@pytest.mark.parametrize("cls", [case[0] for case in CASES] + [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_in_evaluation_nothing_happens(cls):
    x = rg.ones(2, 3, 4, 5)
    if cls is nn.Dropout1d:
        x = x[0]
    assert rg.equal(x, cls(0.9).eval()(x))
    assert f"{cls.__name__}(p=0.3, inplace=True)" == repr(cls(0.3, True))


def test_in_place_the_input_is_written_and_alpha_dropout_never_does():
    x = rg.ones(100)
    assert x is nn.Dropout(0.5, inplace=True)(x)
    assert {0.0, 2.0} == set(x.tolist())
    x = rg.ones(100)
    assert x is not nn.AlphaDropout(0.5, inplace=True)(x)
    assert {1.0} == set(x.tolist())


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match="Dropout2d: dropout probability has to be between 0 and 1, but got"):
        nn.Dropout2d(p)
