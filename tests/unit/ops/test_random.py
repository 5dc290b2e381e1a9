"""Random numbers: generators and their states, moments of every distribution, gradients of draws, and errors."""

import math

import numpy as np
import pytest

import regrad as rg

N = 20_000


# -- generators


def test_a_seed_makes_draws_repeatable():
    first = rg.manual_seed(7) and rg.rand(5).tolist()
    assert first == (rg.manual_seed(7) and rg.rand(5).tolist())
    assert 7 == rg.initial_seed() == rg.default_generator.initial_seed()
    assert rg.manual_seed(3) is rg.default_generator


def test_a_generator_draws_for_itself():
    g = rg.Generator().manual_seed(1)
    rg.manual_seed(5)
    expected = rg.rand(3).tolist()
    rg.manual_seed(5)
    drawn = rg.rand(3, generator=g).tolist()
    assert expected == rg.rand(3).tolist()
    assert drawn == rg.rand(3, generator=g.manual_seed(1)).tolist()
    assert drawn != expected


def test_a_state_can_be_gone_back_to():
    g = rg.Generator().manual_seed(1)
    rg.randint(0, 9, (3,), generator=g, dtype=rg.int32)
    state = g.get_state()
    after = rg.randn(5, generator=g).tolist()
    twin = rg.Generator()
    twin.set_state(state)
    assert after == rg.randn(5, generator=twin).tolist()
    assert (rg.uint8, 1) == (state.dtype, twin.initial_seed())
    was = rg.get_rng_state()
    first = rg.rand(2).tolist()
    rg.set_rng_state(was)
    assert first == rg.rand(2).tolist()
    assert rg.rand(2, generator=g.clone_state()).tolist() == rg.rand(2, generator=g).tolist()


def test_fork_rng_leaves_the_generator_as_it_was():
    state = rg.get_rng_state().tolist()
    with pytest.raises(ZeroDivisionError), rg.random.fork_rng():
        rg.rand(3)
        raise ZeroDivisionError
    assert state == rg.get_rng_state().tolist()
    with rg.random.fork_rng(enabled=False):
        rg.rand(3)
    assert state != rg.get_rng_state().tolist()


def test_seeds_of_64_bits_are_taken():
    assert 2**64 - 1 == rg.Generator().manual_seed(-1).initial_seed()
    assert 2**63 == rg.Generator().manual_seed(-(2**63)).initial_seed()
    assert 3 == rg.Generator().manual_seed(rg.tensor(3)).initial_seed()
    assert 67280421310721 == rg.Generator().initial_seed()
    g = rg.Generator()
    assert g.seed() == g.initial_seed()
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="does not fit into 64 bits"):
            rg.manual_seed(seed)
    for seed in (1.5, "a"):
        with pytest.raises(RuntimeError, match="manual_seed expected a long"):
            rg.Generator().manual_seed(seed)


def test_states_that_are_none_are_refused():
    g = rg.Generator()
    with pytest.raises(RuntimeError, match="RNG state is wrong size: 3 bytes"):
        g.set_state(rg.zeros(3, dtype=rg.uint8))
    for state in ([1], rg.zeros(45)):
        with pytest.raises(TypeError, match=r"expected a torch\.ByteTensor"):
            g.set_state(state)


# -- moments


def blank(dtype=rg.float64):
    return rg.empty(N, dtype=dtype)


MOMENTS = {  # name: (draw, mean, standard deviation)
    "rand": (lambda: rg.rand(N), 0.5, 12**-0.5),
    "randn": (lambda: rg.randn(N, dtype=rg.float64), 0, 1),
    "rand, half": (lambda: rg.rand(N, dtype=rg.float16), 0.5, 12**-0.5),
    "rand_like": (lambda: rg.rand_like(blank()), 0.5, 12**-0.5),
    "randn_like": (lambda: rg.randn_like(blank()), 0, 1),
    "randint": (lambda: rg.randint(2, 8, (N,)), 4.5, (35 / 12) ** 0.5),
    "randint_like": (lambda: rg.randint_like(blank(), 2, 8), 4.5, (35 / 12) ** 0.5),
    "normal": (lambda: rg.normal(rg.full((N,), 3.0), 2.0), 3, 2),
    "normal of numbers": (lambda: rg.normal(3.0, 2.0, (N,)), 3, 2),
    "normal of a spread": (lambda: rg.normal(1.0, rg.full((N,), 0.5)), 1, 0.5),
    "bernoulli": (lambda: rg.bernoulli(rg.full((N,), 0.3)), 0.3, 0.21**0.5),
    "poisson": (lambda: rg.poisson(rg.full((N,), 4.0)), 4, 2),
    "binomial": (lambda: rg.binomial(rg.full((N,), 10.0), rg.full((N,), 0.3)), 3, 2.1**0.5),
    "multinomial": (lambda: rg.multinomial(rg.tensor([1.0, 0, 3]), N, replacement=True), 1.5, 0.75**0.5),
    "uniform_": (lambda: blank().uniform_(-1, 3), 1, 4 / 12**0.5),
    "normal_": (lambda: blank().normal_(-1, 3), -1, 3),
    "exponential_": (lambda: blank().exponential_(0.5), 2, 2),
    "geometric_": (lambda: blank().geometric_(0.25), 4, 12**0.5),
    "log_normal_": (lambda: blank().log_normal_(0, 0.5), math.exp(0.125), (math.exp(0.5) - math.exp(0.25)) ** 0.5),
    "random_": (lambda: blank(rg.int64).random_(2, 8), 4.5, (35 / 12) ** 0.5),
    "bernoulli_": (lambda: blank().bernoulli_(0.3), 0.3, 0.21**0.5),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_draws_have_the_right_moments(name):
    draw, mean, spread = MOMENTS[name]
    rg.manual_seed(11)
    drawn = draw().double()
    assert mean == pytest.approx(drawn.mean().item(), abs=5 * spread / N**0.5)
    assert spread == pytest.approx(drawn.std().item(), rel=0.05)


def test_cauchy_numbers_have_their_quartiles():
    rg.manual_seed(2)
    quartiles = np.quantile(blank().cauchy_(3, 2).numpy(), [0.25, 0.5, 0.75])
    np.testing.assert_allclose([1, 3, 5], quartiles, atol=0.2)


def test_complex_normal_numbers_have_variance_one():
    z = rg.randn(N, dtype=rg.complex128)
    assert 1 == pytest.approx((z.abs() ** 2).mean().item(), rel=0.05)
    assert z.real.std().item() == pytest.approx(0.5**0.5, rel=0.05)


def test_ranges_are_kept():
    assert {2, 3, 4} == set(rg.randint(2, 5, (500,)).tolist())
    assert {0, 1} == set(rg.randint(2, (50,)).tolist()) == set(rg.empty(50, dtype=rg.bool).random_().int().tolist())
    assert [4] * 5 == rg.empty(5).random_(4, 5).tolist()
    assert list(range(10)) == sorted(rg.randperm(10).tolist())
    assert rg.float32 == rg.randperm(3, dtype=rg.float32).dtype
    assert 0 <= rg.rand(1000).min().item() <= rg.rand(1000).max().item() < 1
    assert [[1, 1, 1], [0, 0, 0]] == rg.multinomial(rg.eye(2).flip(0), 3, replacement=True).tolist()
    assert [0, 1, 2] == sorted(rg.multinomial(rg.tensor([1.0, 5, 2]), 3).tolist())
    assert [1, 0] == rg.bernoulli(rg.tensor([1.0, 0.0])).tolist()
    assert [0, 1] == rg.empty(2).bernoulli_(rg.tensor([0.0, 1.0])).tolist()


# -- gradients


@pytest.mark.parametrize("draw", ["uniform_", "normal_", "exponential_", "bernoulli_", "random_", "cauchy_"])
def test_a_draw_in_place_cuts_the_gradient_to_zero(draw):
    x = rg.ones(3, requires_grad=True)
    y = x * 2
    getattr(y, draw)()
    assert y.requires_grad
    y.sum().backward()
    assert [0, 0, 0] == x.grad.tolist()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        getattr(x, draw)()


def test_parameters_of_a_draw_get_gradients_of_zero():
    a, b = rg.full((3,), 0.5, requires_grad=True), rg.ones(3, requires_grad=True)
    for drawn in (rg.normal(a, b), rg.bernoulli(a) + rg.poisson(b), rg.binomial(b, a)):
        assert drawn.requires_grad
        drawn.sum().backward()
        assert [0, 0, 0] == a.grad.tolist() == b.grad.tolist()


# -- what is refused

REFUSED = {
    "normal_": lambda: rg.ones(2).normal_(0, -1),
    "uniform_": lambda: rg.ones(2).uniform_(2, 1),
    "exponential_": lambda: rg.ones(2).exponential_(0),
    "cauchy_": lambda: rg.ones(2).cauchy_(0, 0),
    "geometric_": lambda: rg.ones(2).geometric_(1),
    "log_normal_": lambda: rg.ones(2).log_normal_(0, 0),
    "random_": lambda: rg.ones(2).random_(5, 5),
    "random_ out of range": lambda: rg.ones(2, dtype=rg.uint8).random_(0, 1000),
    "bernoulli_": lambda: rg.ones(2).bernoulli_(2.0),
    "bernoulli_ of another shape": lambda: rg.ones(2).bernoulli_(rg.ones(3)),
    "bernoulli": lambda: rg.bernoulli(rg.tensor([2.0])),
    "poisson": lambda: rg.poisson(rg.tensor([-1.0])),
    "normal": lambda: rg.normal(rg.zeros(2), rg.tensor([-1.0, 1])),
    "randint": lambda: rg.randint(3, 3, (2,)),
    "randperm": lambda: rg.randperm(-1),
    "multinomial, negative": lambda: rg.multinomial(rg.tensor([-1.0, 1]), 1),
    "multinomial, nan": lambda: rg.multinomial(rg.tensor([float("nan"), 1]), 1),
    "multinomial, nothing": lambda: rg.multinomial(rg.zeros(2), 1),
    "multinomial, too many": lambda: rg.multinomial(rg.ones(2), 3),
    "multinomial, none": lambda: rg.multinomial(rg.ones(2), 0),
    "multinomial, whole": lambda: rg.multinomial(rg.tensor([1, 1]), 1),
    "multinomial, 3-d": lambda: rg.multinomial(rg.ones(2, 2, 2), 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parameters_out_of_range_are_refused(name):
    with pytest.raises(RuntimeError, match=name.split(",")[0].split()[0].rstrip("_").replace("randint", "random_")):
        REFUSED[name]()


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: rg.rand(2, dtype=rg.int64),
        lambda x: rg.randn_like(x),
        lambda x: rg.bernoulli(x),
        lambda x: rg.poisson(x),
        lambda x: x.uniform_(),
        lambda x: x.normal_(),
        lambda x: x.exponential_(),
    ],
)
def test_whole_numbers_have_no_continuous_distribution(draw):
    with pytest.raises(NotImplementedError, match="not implemented for"):
        draw(rg.ones(2, dtype=rg.int64))


def test_calls_that_say_too_little_are_refused():
    with pytest.raises(TypeError, match="give a tensor as mean or std"):
        rg.normal(0.0, 1.0)
    with pytest.raises(TypeError, match="must be tuple of ints, not int"):
        rg.randint(3, 2)
    with pytest.raises(ValueError, match="only supports floating-point dtypes for count"):
        rg.binomial(rg.tensor([5]), rg.tensor([1.0]))
