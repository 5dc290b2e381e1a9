"""L-BFGS: minima, the line search, the count of evaluations, complex parameters."""

from __future__ import annotations

import numpy as np
import pytest

import regrad as rg
from regrad.optim import lbfgs


def minimised(params, loss, steps=1, **options):
    """The optimizer after so many steps, and the number of times that the closure ran."""
    optimizer = rg.optim.LBFGS(params, **options)
    calls = []

    def closure():
        optimizer.zero_grad()
        calls.append(1)
        value = loss(*params)
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(closure)
    return optimizer, len(calls)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def test_a_quadratic_is_solved_in_one_step_of_a_few_iterations(rng):
    m = rng.standard_normal((4, 4))
    a, b = m @ m.T + np.eye(4), rng.standard_normal(4)
    x = rg.zeros(4, dtype=rg.float64, requires_grad=True)
    minimised([x], lambda x: 0.5 * (x @ (rg.tensor(a) @ x)) - x @ rg.tensor(b),
              line_search_fn="strong_wolfe", max_iter=20)
    np.testing.assert_allclose(x.detach().numpy(), np.linalg.solve(a, b), rtol=1e-4)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [3.0, -2.0, 0.5, 1.5]])
def test_rosenbrocks_valley_is_followed_to_its_end(start):
    x = rg.tensor(start, dtype=rg.float64, requires_grad=True)
    minimised([x], rosenbrock, steps=10, line_search_fn="strong_wolfe")
    np.testing.assert_allclose(x.detach().numpy(), np.ones(len(start)), rtol=1e-4)


def test_the_line_search_never_goes_uphill():
    x = rg.tensor([2.0, -1.5, 0.7], dtype=rg.float64, requires_grad=True)
    losses = []
    for _ in range(6):
        losses.append(rosenbrock(x).item())
        minimised([x], rosenbrock, line_search_fn="strong_wolfe", max_iter=2)
    assert sorted(losses, reverse=True) == losses


CURVES = {  # value and slope along a line; all fall at 0
    "a parabola": lambda t: ((t - 1) ** 2, 2 * (t - 1)),
    "a narrow valley": lambda t: ((50 * t - 1) ** 2, 100 * (50 * t - 1)),
    "a far valley": lambda t: ((t / 40 - 1) ** 2, (t / 40 - 1) / 20),
    "a quartic": lambda t: ((t - 0.7) ** 4, 4 * (t - 0.7) ** 3),
    "waves": lambda t: (np.cos(5 * t + 0.3) + 0.1 * t**2, -5 * np.sin(5 * t + 0.3) + 0.2 * t),
    "a wall": lambda t: (-t + np.exp(20 * (t - 1)), -1 + 20 * np.exp(20 * (t - 1))),
    "a cusp": lambda t: (np.sqrt(1e-4 + (t - 0.3) ** 2), (t - 0.3) / np.sqrt(1e-4 + (t - 0.3) ** 2)),
}


@pytest.mark.parametrize("first", [0.01, 0.5, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("curve", CURVES)
def test_the_line_search_finds_a_point_of_the_strong_wolfe_conditions(curve, first):
    tried = []

    def along(t):
        value, slope = CURVES[curve](np.float64(t))
        tried.append(t)
        return lbfgs._Point(t, value, None, slope)

    start = lbfgs._Point(0.0, *along(0.0)[1:])
    tried.clear()
    with np.errstate(over="ignore", invalid="ignore"):  # as during a step
        found, count = lbfgs._strong_wolfe(along, start, first, 1.0, 1e-9, 25)
    assert len(tried) == count <= 12
    assert found.loss <= start.loss + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert found == along(found.t)


def test_a_line_search_without_evaluations_left_stays_where_it_is():
    def along(t):
        return lbfgs._Point(t, (1e6 * t - 1) ** 2, None, 2e6 * (1e6 * t - 1))

    found, count = lbfgs._strong_wolfe(along, along(0.0), 1.0, 1.0, 1e-9, 0)
    assert (0.0, 1) == (found.t, count)


def test_a_cubic_is_fitted_to_two_points_and_their_slopes():
    def on(t):  # t^3 - 3 t has its minimum at 1
        return lbfgs._Point(t, t**3 - 3 * t, None, 3 * t**2 - 3)

    assert pytest.approx(1.0) == lbfgs._cubic(on(0.5), on(3.0), 0.0, 5.0)
    assert pytest.approx(1.0) == lbfgs._cubic(on(3.0), on(0.5), 0.0, 5.0)
    assert 2.0 == lbfgs._cubic(on(0.5), on(3.0), 2.0, 5.0)  # outside the bounds
    falling = [lbfgs._Point(t, -t - t**3, None, -1 - 3 * t**2) for t in (0.0, 1.0)]
    with np.errstate(invalid="ignore"):
        assert 3.5 == lbfgs._cubic(*falling, 2.0, 5.0)  # it has none: half way


def test_the_first_iteration_is_a_short_step_down_the_gradient():
    x = rg.tensor([3.0, -4.0], dtype=rg.float64, requires_grad=True)
    minimised([x], lambda x: (x**2).sum() / 2, max_iter=1, lr=0.5)
    np.testing.assert_allclose(x.detach().numpy(), np.array([3.0, -4.0]) * (1 - 0.5 / 7))


def waves(x):
    return ((3 * x).sin() + 0.1 * x**2).sum()


def powers(x):
    return (x**4).sum() + (x**2).sum() * 1e-3


WOLFE = {"line_search_fn": "strong_wolfe"}
RECORDED = [  # what PyTorch 2.13 does in three steps: problem, options, evaluations, iterations, the loss at the end
    (rosenbrock, WOLFE, 54, 44, 6.23828382e-11),
    (rosenbrock, {**WOLFE, "max_iter": 8, "history_size": 2}, 30, 22, 1.81443102),
    (rosenbrock, {"lr": 0.05, "max_iter": 6}, 18, 18, 148.499728),
    (rosenbrock, {**WOLFE, "max_eval": 7}, 21, 14, 3.01693874),
    (rosenbrock, {**WOLFE, "lr": 8.0}, 34, 17, 1.2753548e-10),
    (rosenbrock, {**WOLFE, "tolerance_change": 0.01}, 47, 36, 0.00645010107),
    (waves, {}, 13, 13, -3.46361778),
    (waves, WOLFE, 14, 13, -3.46361778),
    (waves, {**WOLFE, "max_eval": 7}, 14, 12, -3.46361778),
    (waves, {**WOLFE, "lr": 8.0}, 18, 10, -3.46361778),
    (waves, {**WOLFE, "tolerance_change": 0.01}, 10, 9, -3.46328423),
    (powers, {}, 22, 22, 2.53897884e-10),
    (powers, {**WOLFE, "max_iter": 8, "history_size": 2}, 22, 20, 6.18699381e-11),
    (powers, {**WOLFE, "lr": 8.0}, 31, 18, 1.26899536e-10),
]


@pytest.mark.parametrize(("problem", "options", "evaluations", "iterations", "loss"), RECORDED)
def test_it_goes_the_way_that_pytorch_goes(problem, options, evaluations, iterations, loss):
    x = rg.linspace(-1.5, 2, 4, dtype=rg.float64).requires_grad_()
    optimizer, calls = minimised([x], problem, steps=3, **options)
    state = optimizer.state[x]
    assert (evaluations, evaluations, iterations) == (calls, state["func_evals"], state["n_iter"])
    assert pytest.approx(loss, rel=1e-3) == problem(x).item()


def test_evaluations_and_iterations_are_counted_and_bounded():
    x = rg.tensor([-1.2, 1.0], dtype=rg.float64, requires_grad=True)
    optimizer, calls = minimised([x], rosenbrock, steps=3, line_search_fn="strong_wolfe", max_iter=4)
    state = optimizer.state[x]
    assert calls == state["func_evals"]
    assert state["n_iter"] <= 3 * 4
    assert optimizer.defaults["max_eval"] == 5
    assert 1 <= len(state["old_dirs"]) == len(state["old_stps"]) == len(state["ro"])


def test_the_history_is_bounded():
    x = rg.tensor([-1.2, 1.0, 2.0], dtype=rg.float64, requires_grad=True)
    optimizer, _ = minimised([x], rosenbrock, steps=3, line_search_fn="strong_wolfe", history_size=2)
    assert 2 == len(optimizer.state[x]["old_dirs"])


def test_at_the_minimum_nothing_moves_and_the_loss_comes_back():
    x = rg.zeros(2, requires_grad=True)
    optimizer = rg.optim.LBFGS([x])

    def closure():
        optimizer.zero_grad()
        loss = (x**2).sum() + 5
        loss.backward()
        return loss

    assert 5 == optimizer.step(closure).item()
    assert {"func_evals": 1, "n_iter": 0} == optimizer.state[x]


def test_several_parameters_complex_ones_and_views_are_one_vector(rng):
    base = rg.zeros(4, 2, dtype=rg.float64)
    w = base.T[:, 1:3].requires_grad_()
    z = rg.tensor([1 + 1j, -2j], requires_grad=True)
    goal, aim = rg.tensor(rng.standard_normal((2, 2))), rg.tensor([0.5 - 1j, 3 + 2j])
    idle = rg.ones(3, requires_grad=True)
    minimised([w, idle, z], lambda w, _, z: ((w - goal) ** 2).sum() + ((z - aim).abs() ** 2).sum(),
              line_search_fn="strong_wolfe")
    np.testing.assert_allclose(base.numpy()[1:3].T, goal.numpy(), atol=1e-6)
    np.testing.assert_allclose(z.detach().numpy(), aim.numpy(), atol=1e-6)
    assert [1, 1, 1] == idle.tolist()


def test_an_infinite_loss_ahead_is_backed_away_from():
    x = rg.tensor([0.1], dtype=rg.float64, requires_grad=True)
    minimised([x], lambda x: (x - x.log()).sum(), steps=5, line_search_fn="strong_wolfe")
    np.testing.assert_allclose(x.detach().numpy(), [1.0], rtol=1e-5)


def test_the_loss_is_evaluated_with_recording_on_and_nothing_else_is():
    x = rg.ones(2, requires_grad=True)
    seen = []
    with rg.no_grad():
        minimised([x], lambda x: seen.append(rg.is_grad_enabled()) or (x**2).sum())
    assert {True} == set(seen)


def test_a_step_without_a_closure_says_what_a_closure_does():
    optimizer = rg.optim.LBFGS([rg.ones(1, requires_grad=True)])
    with pytest.raises(TypeError, match="clears the gradients, computes the loss, calls backward and returns the loss"):
        optimizer.step()


def test_a_closure_that_returns_nothing_is_told_to_return_the_loss():
    optimizer = rg.optim.LBFGS([rg.ones(1, requires_grad=True)])
    with pytest.raises(TypeError, match="should return the loss, not None"):
        optimizer.step(lambda: None)


def test_another_line_search_is_refused_before_anything_is_evaluated():
    optimizer = rg.optim.LBFGS([rg.ones(1, requires_grad=True)], line_search_fn="armijo")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported, not 'armijo'"):
        optimizer.step(lambda: pytest.fail("evaluated"))


@pytest.mark.parametrize("late", [False, True])
def test_groups_are_refused(late):
    x, y = rg.ones(1, requires_grad=True), rg.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match=r"LBFGS doesn't support per-parameter options \(parameter groups\)"):
        if late:
            rg.optim.LBFGS([x]).add_param_group({"params": [y]})
        else:
            rg.optim.LBFGS([{"params": [x]}, {"params": [y]}])
