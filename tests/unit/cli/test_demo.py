"""The demonstration and the tour, run small."""

import numpy as np
import pytest

from regrad.cli import demo, tour

# What Matplotlib's own dependencies deprecate is not this package's concern.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib", "ignore::DeprecationWarning:pyparsing")


@pytest.fixture(scope="module")
def digits():
    return demo.Digits.load()


def test_the_three_ways_give_the_same_gradient(digits):
    summed, retained, named = (demo.gradients(way, digits[0]) for way in demo.WAYS.values())
    np.testing.assert_allclose(retained, summed, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(named, summed, rtol=1e-4, atol=1e-7)
    assert np.abs(summed).max() > 0.01


def test_the_named_way_holds_less_between_its_calls_and_nothing_afterwards(digits):
    retained, named = (demo.held(demo.WAYS[name], digits[0]) for name in ("retained", "named"))
    assert retained.forward == named.forward == retained.between > named.between > 0
    assert 0 == named.after < retained.after
    assert max(named.over_step) == named.forward


def test_the_demonstration_trains_and_draws(tmp_path, capsys):
    picture = tmp_path / "picture.png"
    runs = demo.main(["--epochs", "2", "--picture", str(picture)])
    assert b"\x89PNG" == picture.read_bytes()[:4]
    shown = capsys.readouterr().out
    assert "held-out digits told right" in shown
    assert picture.name in shown
    for run in runs.values():
        assert run.losses[1][0] < run.losses[0][0]
        assert run.accuracy[-1] > 0.3


def test_the_tour_tells_of_every_situation(capsys):
    tour.main()
    shown = capsys.readouterr().out
    assert "GraphFreedError" in shown
    assert all(situation.__doc__.split()[0] in shown for situation in tour.SITUATIONS)
