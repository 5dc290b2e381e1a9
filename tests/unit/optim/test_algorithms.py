"""Every optimizer against its formula, written down anew in NumPy; resuming; derivatives of steps.

Start reading at ``FORMULAS``, then the tests from the top.
"""

from __future__ import annotations

import copy
import io
import math
import pickle

import numpy as np
import pytest

import regrad as rg
from regrad.graph.lifetime import saved_bytes

STEPS = 6


# -- the formulas. Each is a generator: it is sent a gradient and yields the parameter after the step.


def decayed(g, p, weight_decay):
    return g + weight_decay * p


def moments(g, m, v, betas):
    return betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2


def sgd(p, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    b = None
    while True:
        g = decayed((yield p), p, weight_decay)
        b = g if b is None else momentum * b + (1 - dampening) * g
        p = p - lr * (g + momentum * b if nesterov else b)


def adam(p, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, decoupled_weight_decay=False):
    m = v = largest = np.zeros_like(p)
    t = 0
    while True:
        g, t = (yield p), t + 1
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        else:
            g = decayed(g, p, weight_decay)
        m, v = moments(g, m, v, betas)
        largest = np.maximum(largest, v) if amsgrad else v
        p = p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(largest / (1 - betas[1] ** t)) + eps)


def adamw(p, weight_decay=1e-2, **options):
    return adam(p, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def nadam(p, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3, decoupled_weight_decay=False):
    m = v = np.zeros_like(p)
    t, product = 0, np.float32(1)  # kept in single precision, as the state is
    while True:
        g, t = (yield p), t + 1
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        else:
            g = decayed(g, p, weight_decay)
        m, v = moments(g, m, v, betas)
        now, then = [betas[0] * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1)]
        product = np.float32(product * now)
        ahead = then * m / (1 - float(product) * then) + (1 - now) * g / (1 - float(product))
        p = p - lr * ahead / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def radam(p, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False):
    m = v = np.zeros_like(p)
    t, longest = 0, 2 / (1 - betas[1]) - 1
    while True:
        g, t = (yield p), t + 1
        if decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        else:
            g = decayed(g, p, weight_decay)
        m, v = moments(g, m, v, betas)
        length = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        change = m / (1 - betas[0] ** t)
        if length > 5:
            r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            change = change * math.sqrt(r) * math.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)
        p = p - lr * change


def adamax(p, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
    m = u = np.zeros_like(p)
    t = 0
    while True:
        g, t = decayed((yield p), p, weight_decay), t + 1
        m = betas[0] * m + (1 - betas[0]) * g
        u = np.maximum(betas[1] * u, np.abs(g) + eps)
        p = p - lr / (1 - betas[0] ** t) * m / u


def adagrad(p, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10):
    s, t = np.full_like(p, initial_accumulator_value), 0
    while True:
        g, t = decayed((yield p), p, weight_decay), t + 1
        s = s + g**2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s) + eps)


def adadelta(p, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0):
    v = u = np.zeros_like(p)
    while True:
        g = decayed((yield p), p, weight_decay)
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt((u + eps) / (v + eps)) * g
        u = rho * u + (1 - rho) * d**2
        p = p - lr * d


def rmsprop(p, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False):
    v = m = b = np.zeros_like(p)
    while True:
        g = decayed((yield p), p, weight_decay)
        v, m = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
        b = momentum * b + g / (np.sqrt(v - m**2 if centered else v) + eps)
        p = p - lr * b


def rprop(p, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    before, size = np.zeros_like(p), np.full_like(p, lr)
    while True:
        g = yield p
        turned, same = g * before < 0, g * before > 0
        size = np.clip(size * np.where(turned, etas[0], np.where(same, etas[1], 1.0)), *step_sizes)
        before = np.where(turned, 0, g)
        p = p - np.sign(before) * size


def asgd(p, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0):
    eta, t = float(np.float32(lr)), 0  # kept in single precision, as the state is
    while True:
        g, t = decayed((yield p), p, weight_decay), t + 1
        p = p * (1 - lambd * eta) - eta * g
        eta = float(np.float32(lr / (1 + lambd * lr * t) ** alpha))


def adafactor(p, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0):
    small = np.finfo(p.dtype).eps if eps[0] is None else eps[0]
    rows, columns, every, t = 0, 0, 0, 0

    def rms(x):
        return math.sqrt((x**2).mean())

    while True:
        g, t = (yield p), t + 1
        w = t**beta2_decay
        size = max(eps[1], rms(p)) * min(lr, 1 / math.sqrt(t))
        if p.ndim < 2:
            every = every + w * (g**2 - every)
            v = every
        else:
            rows = rows + w * ((g**2).mean(-1, keepdims=True) - rows)
            columns = columns + w * ((g**2).mean(-2, keepdims=True) - columns)
            v = rows @ columns / np.maximum(rows.mean(-2, keepdims=True), small)
        u = g / np.sqrt(np.maximum(v, small**2))
        p = p * (1 - lr * weight_decay) - size * u / max(1.0, rms(u) / d)


FORMULAS = {
    "SGD": (sgd, [{}, {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}]),
    "Adam": (adam, [{}, {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True}, {"betas": (0.3, 0.5)},
                    {"weight_decay": 0.1, "decoupled_weight_decay": True}]),
    "AdamW": (adamw, [{}, {"lr": 0.1, "weight_decay": 0.3, "eps": 1e-3}]),
    "NAdam": (nadam, [{}, {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1},
                      {"weight_decay": 0.1, "decoupled_weight_decay": True}]),
    "RAdam": (radam, [{}, {"betas": (0.5, 0.6), "lr": 0.1}, {"betas": (0.7, 0.8), "weight_decay": 0.1},
                      {"weight_decay": 0.1, "decoupled_weight_decay": True}]),
    "Adamax": (adamax, [{}, {"lr": 0.1, "betas": (0.4, 0.5), "eps": 0.1, "weight_decay": 0.1}]),
    "Adagrad": (adagrad, [{}, {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.3, "weight_decay": 0.1}]),
    "Adadelta": (adadelta, [{}, {"lr": 0.1, "rho": 0.5, "eps": 1e-2, "weight_decay": 0.1}]),
    "RMSprop": (rmsprop, [{}, {"momentum": 0.9, "weight_decay": 0.1},
                          {"centered": True, "momentum": 0.5, "alpha": 0.3}]),
    "Rprop": (rprop, [{}, {"lr": 0.1, "etas": (0.3, 1.7), "step_sizes": (0.05, 0.2)}]),
    "ASGD": (asgd, [{}, {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "weight_decay": 0.1}]),
    "Adafactor": (adafactor, [{}, {"lr": 0.1, "d": 1.5, "eps": (1e-4, 0.1), "weight_decay": 0.1}]),
}
CASES = [(name, options) for name, (_, cases) in FORMULAS.items() for options in cases]
MAKE = {
    **{f"{name}-{k}": (name, options) for k, (name, options) in enumerate(CASES)},
    "Muon": ("Muon", {"lr": 0.1}),
    "LBFGS": ("LBFGS", {"max_iter": 3, "history_size": 2}),
    "LBFGS-wolfe": ("LBFGS", {"max_iter": 3, "line_search_fn": "strong_wolfe"}),
}
DIFFERENTIABLE = [case for case in CASES if case[0] != "Adafactor"]


def starts(rng, name=""):
    shapes = [(3, 4), (2, 5)] if name == "Muon" else [(3, 4), (5,), (), (2, 1, 3)]
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def leaves(arrays, dtype=rg.float64):
    return [rg.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_step_is_what_the_formula_says(rng, name, options, maximize):
    arrays = starts(rng)
    params = leaves(arrays)
    optimizer = getattr(rg.optim, name)(params, maximize=maximize, **options)
    formulas = [FORMULAS[name][0](a, **options) for a in arrays]
    for formula in formulas:
        next(formula)
    for _ in range(STEPS):
        grads = starts(rng)
        for p, g in zip(params, grads):
            p.grad = rg.tensor(g)
        optimizer.step()
        for p, g, formula in zip(params, grads, formulas):
            want = formula.send(-g if maximize else g)
            np.testing.assert_allclose(p.detach().numpy(), want, rtol=1e-10, atol=1e-13)


def test_averaged_sgd_keeps_the_mean_of_where_it_has_been_since_step_t0(rng):
    w = rg.tensor(rng.standard_normal(3), requires_grad=True)
    optimizer = rg.optim.ASGD([w], lr=0.1, t0=0)
    places = []
    for _ in range(STEPS):
        w.grad = rg.tensor(rng.standard_normal(3))
        optimizer.step()
        places.append(w.detach().clone().numpy())
    np.testing.assert_allclose(optimizer.state[w]["ax"].numpy(), np.mean(places[1:], 0), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_muon_brings_all_singular_values_near_one(rng, shape):
    w = rg.zeros(*shape, dtype=rg.float64, requires_grad=True)
    w.grad = rg.tensor(rng.standard_normal(shape))
    rg.optim.Muon([w], lr=1.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
    u, s, v = np.linalg.svd(w.grad.numpy(), full_matrices=False)
    s /= np.linalg.norm(s)
    for _ in range(5):  # what the iteration does to a singular value
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    assert np.all((s > 0.6) & (s < 1.3))
    want = -0.2 * math.sqrt(max(shape)) * (u * s) @ v
    np.testing.assert_allclose(w.detach().numpy(), want, atol=0.02)  # it rounds to bfloat16


@pytest.mark.parametrize(("adjust", "ratio"), [("original", math.sqrt(2)), ("match_rms_adamw", 0.2 * math.sqrt(4))])
def test_muon_adjusts_its_step_to_the_shape(adjust, ratio):
    w, u = rg.zeros(4, 2, requires_grad=True), rg.zeros(2, 2, requires_grad=True)
    w.grad, u.grad = rg.eye(4)[:, :2].contiguous(), rg.eye(2)
    rg.optim.Muon([w, u], lr=1.0, weight_decay=0.0, adjust_lr_fn=adjust).step()
    plain = u.detach().numpy() / (0.2 * math.sqrt(2) if adjust == "match_rms_adamw" else 1)
    np.testing.assert_allclose(w.detach().numpy()[:2], plain * ratio, rtol=1e-6)


# -- resuming


def loss_of(params):
    return sum(((p - 0.3) ** 2).sum() + p.sin().sum() for p in params)


def closure_for(optimizer, params):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("how", ["state_dict", "pickled", "deepcopy"])
@pytest.mark.parametrize("dtype", [rg.float64, rg.float16], ids=str)
@pytest.mark.parametrize("case", MAKE)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(rng, case, dtype, how):
    name, options = MAKE[case]
    make = getattr(rg.optim, name)
    params = leaves(starts(rng, name), dtype)
    optimizer = make(params, **options)
    for _ in range(3):
        optimizer.step(closure_for(optimizer, params))
    if how == "deepcopy":
        twins, again = copy.deepcopy((params, optimizer))
    else:
        twins = [p.detach().clone().requires_grad_() for p in params]
        again = make(twins, **options)
        saved = optimizer.state_dict()
        again.load_state_dict(pickle.loads(pickle.dumps(saved)) if how == "pickled" else saved)
    for _ in range(3):
        optimizer.step(closure_for(optimizer, params))
        again.step(closure_for(again, twins))
    assert [p.tolist() for p in params] == [t.tolist() for t in twins]
    assert repr(optimizer.state_dict()) == repr(again.state_dict())


def test_an_optimizer_can_be_pickled_with_its_parameters():
    w = rg.ones(2, requires_grad=True)
    optimizer = rg.optim.Adam([w], lr=0.5)
    w.grad = rg.ones(2)
    optimizer.step()
    again = pickle.load(io.BytesIO(pickle.dumps(optimizer)))
    (twin,) = again.param_groups[0]["params"]
    for p, o in ((w, optimizer), (twin, again)):
        p.grad = rg.ones(2)
        o.step()
    assert w.tolist() == twin.tolist()


# -- steps as part of a graph


@pytest.mark.parametrize("case", MAKE)
def test_a_step_records_nothing(rng, case):
    before = saved_bytes()
    name, options = MAKE[case]
    params = leaves(starts(rng, name))
    optimizer = getattr(rg.optim, name)(params, **options)
    optimizer.step(closure_for(optimizer, params))
    optimizer.zero_grad()
    assert all(p.is_leaf and p.requires_grad and p.grad is None for p in params)
    kept = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, rg.Tensor)]
    assert not any(v.requires_grad for v in kept)
    assert before == saved_bytes()


@pytest.mark.parametrize(("name", "options"), DIFFERENTIABLE)
def test_a_recorded_step_does_what_a_plain_one_does(rng, name, options):
    arrays, grads = starts(rng), [starts(rng) for _ in range(STEPS)]
    plain, traced = leaves(arrays), [p.clone() for p in leaves(arrays)]
    optimizers = [
        getattr(rg.optim, name)(params, differentiable=differentiable, **options)
        for params, differentiable in ((plain, False), (traced, True))
    ]
    for row in grads:
        for params, optimizer in zip((plain, traced), optimizers):
            for p, g in zip(params, row):
                p.grad = rg.tensor(g)
            optimizer.step()
    for p, t in zip(plain, traced):
        assert t.grad_fn is not None
        np.testing.assert_allclose(p.detach().numpy(), t.detach().numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "options"), DIFFERENTIABLE)
def test_the_derivative_of_three_steps_is_that_of_finite_differences(rng, name, options):
    make = getattr(rg.optim, name)

    def three_steps(start, *grads, lr=0.1):
        p = start.clone()
        optimizer = make([p], **{**options, "lr": lr}, differentiable=True)
        for g in grads:
            p.grad = g
            optimizer.step()
        return p

    start = rg.tensor(rng.standard_normal(4), requires_grad=True)
    grads = [rg.tensor(rng.uniform(0.5, 1.5, 4), requires_grad=True) for _ in range(3)]
    assert rg.autograd.gradcheck(three_steps, (start, *grads), atol=1e-4, rtol=1e-3)
    if name not in ("Rprop", "ASGD"):  # these keep the learning rate as a number
        lr = rg.tensor(0.1, dtype=rg.float64, requires_grad=True)
        assert rg.autograd.gradcheck(lambda lr: three_steps(start.detach(), *grads, lr=lr), (lr,), atol=1e-4)


def test_a_step_is_differentiated_by_all_of_adams_options():
    options = {k: rg.tensor(v, dtype=rg.float64, requires_grad=True)
               for k, v in {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.2}.items()}

    def two_steps(lr, beta1, beta2, weight_decay):
        p = rg.tensor([1.0, 2.0], dtype=rg.float64)
        optimizer = rg.optim.Adam([p], lr, (beta1, beta2), weight_decay=weight_decay, differentiable=True)
        for k in (1.0, 2.0):
            p.grad = rg.tensor([k, 3.0], dtype=rg.float64)
            optimizer.step()
        return p

    assert rg.autograd.gradcheck(two_steps, tuple(options.values()))


def test_a_network_is_unrolled_through_its_steps_where_mutation_is_allowed():
    lr = rg.tensor(0.1, dtype=rg.float64, requires_grad=True)
    with rg.autograd.graph.allow_mutation_on_saved_tensors():
        p = rg.tensor([1.0, 2.0], dtype=rg.float64, requires_grad=True) * 1
        optimizer = rg.optim.SGD([p], lr=lr, differentiable=True)
        for _ in range(3):  # p <- p - lr * 2 * p
            (p.grad,) = rg.autograd.grad((p**2).sum(), p, create_graph=True)
            optimizer.step()
        (slope,) = rg.autograd.grad(p.sum(), lr)
    np.testing.assert_allclose(p.detach().numpy(), np.array([1.0, 2.0]) * 0.8**3)
    np.testing.assert_allclose(slope.item(), 3 * 3 * 0.8**2 * -2)


def test_a_leaf_cannot_be_changed_by_a_recorded_step():
    w = rg.ones(2, requires_grad=True)
    w.grad = rg.ones(2)
    optimizer = rg.optim.SGD([w], lr=0.1, differentiable=True)
    with pytest.raises(RuntimeError, match=r"a leaf Variable that requires grad .* in-place operation.*p\.clone\(\)"):
        optimizer.step()
    assert [1, 1] == w.tolist()


# -- kinds of parameters and options


@pytest.mark.parametrize(("name", "options"), [c for c in CASES if c[0] != "Adafactor"])
def test_complex_parameters_are_updated_as_pairs(rng, name, options):
    start, grads = rng.standard_normal((4, 2)), rng.standard_normal((STEPS, 4, 2))
    pairs = rg.tensor(start, requires_grad=True)
    z = rg.tensor(start.copy().view(np.complex128)[:, 0], requires_grad=True)
    optimizers = [getattr(rg.optim, name)([p], **options) for p in (pairs, z)]
    for g in grads:
        pairs.grad, z.grad = rg.tensor(g), rg.tensor(g.copy().view(np.complex128)[:, 0])
        for optimizer in optimizers:
            optimizer.step()
    assert rg.view_as_real(z.detach()).tolist() == pairs.tolist()


@pytest.mark.parametrize("case", [case for case in MAKE if not case.startswith("LBFGS")])
def test_the_state_has_the_dtype_of_the_parameter_and_counts_in_float32(rng, case):
    name, options = MAKE[case]
    for dtype in (rg.float16, rg.float32, rg.float64):
        params = leaves(starts(rng, name), dtype)
        optimizer = getattr(rg.optim, name)(params, **options)
        optimizer.step(closure_for(optimizer, params))
        for p, state in optimizer.state.items():
            for key, value in state.items():
                if isinstance(value, rg.Tensor):
                    counts = key in ("step", "mu_product", "eta", "mu")
                    assert (rg.float32 if counts else p.dtype) == value.dtype, key


def test_bfloat16_parameters_are_stepped_in_float32_and_rounded_once():
    pytest.importorskip("ml_dtypes")
    w = rg.tensor([1.0, 2.0], dtype=rg.bfloat16, requires_grad=True)
    w.grad = rg.tensor([1.0, 3.0], dtype=rg.bfloat16)
    optimizer = rg.optim.Adam([w], lr=0.25)
    optimizer.step()
    assert rg.bfloat16 == w.dtype == optimizer.state[w]["exp_avg"].dtype
    assert [0.75, 1.75] == w.tolist()


@pytest.mark.parametrize("lr", [np.float64(0.25), np.float32(0.25), rg.tensor(0.25), rg.tensor([0.25])], ids=repr)
@pytest.mark.parametrize("case", MAKE)
def test_a_learning_rate_may_be_a_tensor_or_a_numpy_number(rng, case, lr):
    name, options = MAKE[case]
    arrays = starts(rng, name)
    ends = []
    for rate in (0.25, lr):
        params = leaves(arrays, rg.float32)
        optimizer = getattr(rg.optim, name)(params, **{**options, "lr": rate})
        for _ in range(2):
            optimizer.step(closure_for(optimizer, params))
        ends.append([p.tolist() for p in params])
    assert ends[0] == ends[1]


def test_gradients_that_are_nan_or_infinite_are_followed_without_a_warning():
    w = rg.ones(3, requires_grad=True)
    w.grad = rg.tensor([math.nan, math.inf, 1.0])
    rg.optim.Adam([w], lr=0.5).step()
    assert [True, True, False] == rg.isnan(w).tolist()
    assert pytest.approx(0.5) == w[2].item()


def test_an_empty_parameter_is_passed_over(rng):
    for name, (_, cases) in FORMULAS.items():
        w = rg.zeros(0, 3, requires_grad=True)
        w.grad = rg.zeros(0, 3)
        getattr(rg.optim, name)([w], **cases[0]).step()
        assert (0, 3) == w.shape
