"""The small convex problems, held against trying out every set of variables and against their optimality conditions."""

import itertools

import numpy as np
import pytest

from regrad.multitask import quadratic
from regrad.multitask.quadratic import Cosines, balance, minimise, trust_region


def random(rng, count, size):
    return rng.standard_normal((count, size))


def twins(rng, count, size):
    rows = random(rng, count, size)
    rows[-1] = rows[0] * rng.choice([-1, 1, 2])
    return rows


def with_zero(rng, count, size):
    rows = random(rng, count, size)
    rows[rng.integers(count)] = 0
    return rows


def whole_numbers(rng, count, size):  # many ties
    return rng.integers(-2, 3, (count, size)).astype(float)


MAKERS = [random, twins, with_zero, whole_numbers]


def problems(make, seed, number=60):
    rng = np.random.default_rng(seed)
    for _ in range(number):
        rows = make(rng, rng.integers(1, 6), rng.integers(1, 7))
        yield rng, Cosines.of(rows @ rows.T).matrix


def least(a, b, normal=None):
    """The least value over all supports: the minimum must be a stationary point of one of them."""
    best = np.inf if normal is not None else 0.0
    for size in range(1, len(b) + 1):
        for chosen in itertools.combinations(range(len(b)), size):
            s = list(chosen)
            x = np.zeros(len(b))
            if normal is None:
                x[s] = np.linalg.lstsq(a[np.ix_(s, s)], b[s], rcond=1e-10)[0]
            else:
                bordered = np.block([[a[np.ix_(s, s)], normal[s, None]], [normal[None, s], np.zeros((1, 1))]])
                x[s] = np.linalg.lstsq(bordered, np.append(b[s], 1), rcond=1e-12)[0][:-1]
                if abs(normal @ x - 1) > 1e-8:
                    continue
            if (x >= -1e-9).all():
                best = min(best, x @ a @ x / 2 - b @ x)
    return best


@pytest.mark.parametrize("make", MAKERS)
def test_nothing_is_less_than_the_minimum(make):
    for _, a in problems(make, seed=1):
        for row in a:
            x = minimise(a, -row)
            assert (x >= 0).all()
            assert x @ a @ x / 2 + row @ x <= least(a, -row) + 1e-9
            slope = a @ x + row  # the conditions of Karush, Kuhn and Tucker
            assert (slope >= -1e-12 * (1 + x.sum())).all()
            assert np.abs(slope * x).max() <= 1e-12 * (1 + x.max()) ** 2


@pytest.mark.parametrize("make", MAKERS)
def test_nothing_on_the_plane_is_less_than_the_minimum(make):
    for rng, a in problems(make, seed=2):
        normal = np.exp(rng.standard_normal(len(a)))
        for b in (np.zeros(len(a)), a @ rng.standard_normal(len(a))):
            x = minimise(a, b, normal)
            assert (x >= 0).all()
            assert normal @ x == pytest.approx(1)
            value = x @ a @ x / 2 - b @ x
            assert value <= least(a, b, normal) + 1e-9 * (1 + abs(value))


@pytest.mark.parametrize("count", [2, 10, 50])
@pytest.mark.parametrize("size", [3, 50, 200])
def test_many_variables_are_no_trouble(count, size, rng):
    rows = rng.standard_normal((count, size))
    a = Cosines.of(rows @ rows.T).matrix
    x = minimise(a, np.zeros(count), np.ones(count))
    assert (a @ x).min() >= x @ a @ x - 1e-12  # of the hull, the point closest to 0
    for row in a:
        assert (a @ minimise(a, -row) + row).min() >= -1e-11


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99, 1.0, 2.0])
def test_the_best_worst_case_is_the_bound_that_duality_gives(make, part):
    for _, a in problems(make, seed=3, number=30):
        count = len(a)
        centre = np.full(count, 1 / count)
        radius = part * np.sqrt(max(centre @ a @ centre, 0))
        if radius < 1e-7:
            continue
        z = trust_region(a, centre, radius, np.ones(count))
        assert np.sqrt(max(z @ a @ z, 0)) <= radius * (1 + 1e-7)
        worst = (a @ (centre + z)).min()
        # Within the radius no direction's worst case is better than g_w . g_0 + radius |g_w|, for any w of the simplex.
        points = [minimise(a, np.zeros(count), np.ones(count))] + [z / z.sum()] * bool((z >= 0).all() and z.any())
        assert worst >= min(w @ a @ centre + radius * np.sqrt(max(w @ a @ w, 0)) for w in points) - 2e-7


def test_a_few_programs_find_the_radius(rng, monkeypatch):
    programs = []
    monkeypatch.setattr(quadratic, "minimise", lambda *a: programs.append(a) or minimise(*a))
    for count in (2, 5, 20):
        for part in (0.1, 0.5, 1.5):
            a = Cosines.of(np.cov(rng.standard_normal((count, 30)))).matrix
            centre = np.full(count, 1 / count)
            programs.clear()
            trust_region(a, centre, part * np.sqrt(centre @ a @ centre), np.ones(count))
            assert len(programs) <= 10
    programs.clear()
    trust_region(np.array([[1.0, 0.9957], [0.9957, 1.0]]), np.array([1.9, 0.5]), 1.2, np.array([0.26, 1.0]))
    assert len(programs) <= 3


def test_the_agreement_meets_its_equation_and_is_close_to_none_where_there_is_none(rng):
    for count in (1, 2, 5, 50):
        rows = rng.standard_normal((count, 100))
        a = Cosines.of(rows @ rows.T).matrix
        x = balance(a)
        assert (x > 0).all()
        assert np.abs(a @ x - 1 / x).max() < 1e-9
    opposite = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert np.abs(opposite @ balance(opposite)).max() < 1e-6


@pytest.mark.parametrize("scale", [1e-100, 1e-20, 1.0, 1e20, 1e100])
def test_cosines_do_not_depend_on_the_lengths(scale):
    rows = np.array([[3.0, 4.0], [0.0, 0.0], [-4.0, -3.0]]) * [[1.0], [1.0], [scale]]
    cosines = Cosines.of(rows @ rows.T)
    assert np.allclose([[1, 0, -0.96], [0, 0, 0], [-0.96, 0, 1]], cosines.matrix, rtol=1e-14, atol=0)
    assert [True, False, True] == cosines.there.tolist()
    assert np.allclose([5, max(5, 5 * scale), 5 * scale], cosines.lengths)
