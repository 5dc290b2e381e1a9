"""What each method makes of a matrix of gradients: the papers' formulas written again, and what the papers claim."""

import itertools

import numpy as np
import pytest

import regrad as rg
from regrad.multitask import DWA, IMTLG, MGDA, RLW, CAGrad, GradNorm, Mean, NashMTL, PCGrad, Sum, UPGrad

METHODS = [
    Sum(), Mean(), PCGrad(), PCGrad("mean"), MGDA(), MGDA("l2"), CAGrad(), CAGrad(c=1.5), UPGrad(), IMTLG(), NashMTL(),
]  # fmt: skip
SURGERY = METHODS[2:]
by_name = {"ids": repr}


def combined(method, rows, losses=None):
    return method(rg.tensor(np.asarray(rows, np.float64)), losses).numpy()


def cases(rng, number=30, count=3, size=5):
    return [rng.standard_normal((count, size)) for _ in range(number)]


def agreeing(rng, count=3, size=4):
    return np.abs(rng.standard_normal((count, size)))


# -- numbers one can check by hand: gradients (1, 0) and (-1, 1), then (4, 0) and (0, 1)

WORKED = [
    (Sum(), [0, 1], [4, 1]),
    (Mean(), [0, 0.5], [2, 0.5]),
    (PCGrad(), [0.5, 1.5], [4, 1]),  # (1/2, 1/2) + (0, 1)
    (PCGrad("mean"), [0.25, 0.75], [2, 0.5]),
    (MGDA(), [0.2, 0.4], [4 / 17, 16 / 17]),
    (MGDA("l2"), [0, 0.5], [2, 0.5]),  # equal lengths, equal weights
    (CAGrad(c=0), [0, 0.5], [2, 0.5]),
    (UPGrad(), [0.25, 0.75], [2, 0.5]),
    (IMTLG(), [3 - 8**0.5, 2**0.5 - 1], [0.8, 0.8]),
    (NashMTL(), None, [1, 1]),
]


@pytest.mark.parametrize(("method", "conflict", "right_angle"), WORKED, ids=[repr(m) for m, *_ in WORKED])
def test_worked_numbers(method, conflict, right_angle):
    assert np.allclose(right_angle, combined(method, [[4, 0], [0, 1]]), atol=1e-12)
    if conflict is not None:
        assert np.allclose(conflict, combined(method, [[1, 0], [-1, 1]]), atol=1e-12)


# -- formulas


def test_pcgrad_is_the_papers_loop_in_the_order_that_the_generator_draws(rng):
    for rows in cases(rng, count=4):
        seed = int(rng.integers(1000))
        draw = rg.Generator().manual_seed(seed).numpy
        total = np.zeros(5)
        for i, g in enumerate(rows.copy()):
            for j in draw.permutation(4):
                if j != i and g @ rows[j] < 0:
                    g = g - (g @ rows[j]) / (rows[j] @ rows[j]) * rows[j]
            total += g
        assert np.allclose(total, combined(PCGrad(generator=rg.Generator().manual_seed(seed)), rows), atol=1e-12)


def test_mgda_with_two_tasks_is_the_papers_closed_form(rng):
    for g, h in cases(rng, count=2, size=2):
        w = np.clip((h - g) @ h / ((g - h) @ (g - h)), 0, 1)
        assert np.allclose(w * g + (1 - w) * h, combined(MGDA(), [g, h]), atol=1e-12)


def test_mgda_finds_the_shortest_vector_of_the_hull(rng):
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
    for rows in cases(rng, number=10):
        shortest = np.linalg.norm(grid @ rows, axis=1).min()
        length = np.linalg.norm(combined(MGDA(), rows))
        assert length <= shortest + 1e-12
        assert length == pytest.approx(shortest, rel=0.05)


@pytest.mark.parametrize("normalize", ["l2", "loss", "loss+"])
def test_mgda_finds_its_weights_for_normalised_gradients(normalize, rng):
    losses = np.array([0.1, 2.0, 30.0])
    for rows in cases(rng):
        by = np.ones(3)
        by = by * np.linalg.norm(rows, axis=1) if normalize in ("l2", "loss+") else by
        by = by * losses if normalize in ("loss", "loss+") else by
        scaled = rows / by[:, None]
        expected = MGDA().weights(scaled @ scaled.T)
        assert np.allclose(expected, MGDA(normalize).weights(rows @ rows.T, losses), atol=1e-9)


@pytest.mark.parametrize("c", [0.1, 0.5, 0.9])
def test_cagrad_with_two_tasks_is_the_papers_formula_minimised_on_a_grid(c, rng):
    w = np.linspace(0, 1, 20_001)[:, None]
    for rows in cases(rng, number=20, count=2, size=3):
        mean = rows.mean(0)
        g = w * rows[0] + (1 - w) * rows[1]
        length = np.linalg.norm(g, axis=1)
        best = (g @ mean + c * np.linalg.norm(mean) * length).argmin()
        expected = mean + c * np.linalg.norm(mean) * g[best] / length[best]
        assert np.allclose(expected, combined(CAGrad(c), rows), atol=2e-3)


@pytest.mark.parametrize("c", [0.2, 0.8, 1.0, 3.0])
def test_cagrad_stays_near_the_mean_and_its_worst_case_is_better(c, rng):
    for rows in cases(rng, count=4, size=6):
        mean, d = rows.mean(0), combined(CAGrad(c), rows)
        assert np.linalg.norm(d - mean) <= c * np.linalg.norm(mean) * (1 + 1e-9)
        assert (rows @ d).min() >= (rows @ mean).min() - 1e-12
        others = rng.standard_normal((500, 6))
        others *= c * np.linalg.norm(mean) / np.linalg.norm(others, axis=1)[:, None]
        assert (rows @ d).min() >= (rows @ (mean + others).T).min(axis=0).max()


def test_upgrad_with_two_tasks_is_the_mean_of_what_stands_upright(rng):
    for g, h in cases(rng, count=2):
        along = min(g @ h, 0)
        expected = (g - along / (h @ h) * h + h - along / (g @ g) * g) / 2
        assert np.allclose(expected, combined(UPGrad(), [g, h]), atol=1e-12)


def projected(g, rows):
    """The vector closest to ``g`` that has no negative product with a row, by trying which products are 0."""
    found = []
    for size in range(len(rows) + 1):
        for chosen in itertools.combinations(range(len(rows)), size):
            a = rows[list(chosen)]
            x = g - np.linalg.pinv(a) @ (a @ g) if size else g
            if (rows @ x >= -1e-9).all():
                found.append(x)
    return min(found, key=lambda x: np.linalg.norm(x - g))


def test_upgrad_is_the_mean_of_the_projections(rng):
    for rows in cases(rng, count=4, size=6):
        expected = np.mean([projected(g, rows) for g in rows], axis=0)
        assert np.allclose(expected, combined(UPGrad(), rows), atol=1e-9)


def test_imtl_goes_equally_far_along_every_gradient_by_the_papers_formula(rng):
    for rows in cases(rng):
        lengths = np.linalg.norm(rows, axis=1)
        units = rows / lengths[:, None]
        d = rows[0] - rows[1:]
        u = units[0] - units[1:]
        rest = rows[0] @ u.T @ np.linalg.inv(d @ u.T)
        expected = np.array([1 - rest.sum(), *rest])
        weights = IMTLG().weights(rows @ rows.T).numpy()
        assert np.allclose(expected, weights, rtol=1e-7)
        along = units @ (weights @ rows)
        assert np.ptp(along) <= 1e-9 * np.abs(along).max()


def test_nash_weights_meet_their_equation(rng):
    for rows in cases(rng, size=7):
        gramian = rows @ rows.T
        w = NashMTL().weights(gramian).numpy()
        assert (w > 0).all()
        assert np.allclose(1 / w, gramian @ w, rtol=1e-8)
        assert np.linalg.norm(w @ rows) == pytest.approx(3**0.5)


# -- claims


@pytest.mark.parametrize("method", [UPGrad(), MGDA(), NashMTL(), CAGrad(c=1.0)], **by_name)
def test_no_task_gets_worse(method, rng):
    for rows in cases(rng, size=6):
        assert (rows @ combined(method, rows)).min() >= -1e-9


def test_with_two_tasks_pcgrad_leaves_no_conflict(rng):
    for rows in cases(rng, count=2):
        assert (rows @ combined(PCGrad(), rows)).min() >= -1e-12


def test_with_three_tasks_pcgrad_may_leave_some():
    rows = np.array([[1.0, 0.0, 0.0], [-0.9, 0.2, 0.0], [-0.9, -0.2, 0.1]])
    left = [(rows @ combined(PCGrad(generator=rg.Generator().manual_seed(s)), rows)).min() for s in range(6)]
    assert min(left) < 0
    assert (rows @ combined(UPGrad(), rows)).min() >= -1e-12


def test_without_conflict_pcgrad_is_the_sum_and_upgrad_the_mean(rng):
    rows = agreeing(rng)
    assert np.allclose(rows.sum(0), combined(PCGrad(), rows), rtol=1e-14)
    assert np.allclose(rows.mean(0), combined(PCGrad("mean"), rows), rtol=1e-14)
    assert np.allclose(rows.mean(0), combined(UPGrad(), rows), rtol=1e-14)
    assert np.allclose(rows.mean(0), combined(CAGrad(c=0), rows), rtol=1e-14)


def test_mgda_descends_for_each_task_at_least_as_its_own_length_says(rng):
    for rows in cases(rng, count=5, size=6):
        d = combined(MGDA(), rows)
        assert (rows @ d).min() >= d @ d - 1e-12


STATIONARY = [[[1, 2], [-2, -4]], [[1, 0], [-1, 1], [-1, -1]]]


@pytest.mark.parametrize("rows", STATIONARY, ids=["opposite", "a triangle around 0"])
@pytest.mark.parametrize("method", [MGDA(), NashMTL(), UPGrad(), CAGrad(c=1.0), CAGrad(c=1.5)], **by_name)
def test_where_no_direction_improves_all_it_is_zero(method, rows):
    assert np.allclose(0, combined(method, rows), atol=1e-5)


def test_cagrad_below_one_goes_on_where_the_mean_does():
    rows = np.array(STATIONARY[0], float)
    d = combined(CAGrad(c=0.5), rows)
    assert np.linalg.norm(d) >= 0.5 * np.linalg.norm(rows.mean(0)) * (1 - 1e-9)


in_any_order = [m for m in METHODS if not isinstance(m, PCGrad)]


@pytest.mark.parametrize("method", in_any_order, **by_name)
def test_the_order_of_the_tasks_does_not_matter(method, rng):
    for rows in cases(rng, number=10, count=4, size=6):
        assert np.allclose(combined(method, rows), combined(method, rows[[2, 0, 3, 1]]), atol=1e-8)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e20])
@pytest.mark.parametrize("method", METHODS, **by_name)
def test_all_gradients_scaled_alike_scale_the_result_or_leave_it_to_nash(method, scale, rng):
    rows = rng.standard_normal((2, 5))
    expected = combined(method, rows) * (1 if isinstance(method, NashMTL) else scale)
    assert np.allclose(expected, combined(method, rows * scale), rtol=1e-7, atol=0)


SCALES = np.array([[1e-6], [1.0], [1e6]])


def direction(method, rows):
    d = combined(method, rows)
    return d / np.linalg.norm(d)


@pytest.mark.parametrize("method", [IMTLG(), NashMTL()], **by_name)
def test_scaling_single_tasks_does_not_turn_the_direction(method, rng):
    for rows in cases(rng, number=10):
        turned = direction(method, rows * SCALES)
        assert 1 == pytest.approx(abs(direction(method, rows) @ turned), abs=1e-9)


@pytest.mark.parametrize("method", [Sum(), PCGrad(), MGDA(), CAGrad(), UPGrad()], **by_name)
def test_with_the_others_it_does(method, rng):
    rows = agreeing(rng, count=3) * [[1, 1, 0.1, 0.1], [0.1, 1, 1, 0.1], [0.1, 0.1, 1, 1]]
    assert direction(method, rows) @ direction(method, rows * SCALES) < 0.999


def test_what_a_task_gives_to_upgrad_grows_in_proportion(rng):
    for rows in cases(rng, number=10):
        one, two = rng.uniform(0.1, 10, (2, 3, 1))
        both = combined(UPGrad(), rows * one) + combined(UPGrad(), rows * two)
        assert np.allclose(both, combined(UPGrad(), rows * (one + two)), atol=1e-9)


# -- extremes


@pytest.mark.parametrize("method", METHODS, **by_name)
@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_one_task_keeps_its_direction(method, dtype):
    d = method(rg.tensor([[3.0, 4.0]], dtype=dtype))
    assert dtype == d.dtype
    assert rg.allclose(d / d.norm(), rg.tensor([0.6, 0.8], dtype=dtype))
    if not isinstance(method, (CAGrad, NashMTL)):  # (1 + c) times the gradient, and length 1
        assert rg.allclose(d, rg.tensor([3.0, 4.0], dtype=dtype))


@pytest.mark.parametrize("method", METHODS, **by_name)
def test_tasks_that_are_the_same_keep_their_direction(method):
    d = combined(method, [[1, 2]] * 5)
    assert np.allclose(np.array([1, 2]) / 5**0.5, d / np.linalg.norm(d))


@pytest.mark.parametrize("method", METHODS, **by_name)
def test_gradients_that_are_zero_do_no_harm(method):
    assert [0, 0] == combined(method, [[0, 0], [0, 0]]).tolist()
    d = combined(method, [[0, 0], [1, 2], [0, 0]])
    if isinstance(method, MGDA):  # the shortest is 0
        assert [0, 0] == d.tolist()
    else:
        assert np.allclose(np.array([1, 2]) / 5**0.5, d / np.linalg.norm(d))


@pytest.mark.parametrize("method", METHODS, **by_name)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gradients_of_forty_orders_of_magnitude_give_finite_results(method, dtype):
    rows = np.array([[1e20, 0, 1], [-1e-20, 1e-20, 0], [0, -1, 1]], dtype)
    assert np.isfinite(method(rg.tensor(rows)).numpy()).all()


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-7, 1e-8, 1e-12])
def test_gradients_that_are_opposite_but_for_a_little_noise_do_no_harm(noise, rng):
    for _ in range(100):
        rows = rng.standard_normal((4, 10))
        rows[1] = noise * rows[1] - rows[0]
        rows[2] = noise * rows[2] + rows[3]
        lengths = np.linalg.norm(rows, axis=1)
        for method in (UPGrad(), MGDA(), CAGrad(c=1.0)):
            d = combined(method, rows)
            assert np.linalg.norm(d) <= 2 * lengths.max()
            assert (rows @ d / lengths).min() >= -1e-6 * lengths.max()


def test_a_gradient_that_is_zero_takes_no_part():
    assert np.allclose([0, 0.2, 0.8], IMTLG().weights(np.diag([0, 16.0, 1])))
    assert np.allclose([0, 0.25, 1], NashMTL().weights(np.diag([0, 16.0, 1])))


def test_a_tiny_task_is_not_lost_beside_a_huge_one():
    rows = np.array([[1e20, 0], [-1e-20, 1e-20]])
    assert np.allclose([0, 1e-20], combined(MGDA(), rows), atol=1e-34)
    assert np.allclose([2**0.5 - 1, 1], combined(IMTLG(), rows) / 1e-20)
    assert np.allclose([2.5e19, 2.5e19], combined(UPGrad(), rows))
    ball = 5e19 * (1 - 0.5 / 2**0.5), 5e19 * 0.5 / 2**0.5
    assert np.allclose(ball, combined(CAGrad(0.5), rows))


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16])
def test_short_numbers_are_combined_in_long_ones(dtype):
    d = PCGrad()(rg.tensor([[1.0, 0.0], [-1.0, 1.0]], dtype=dtype))
    assert (dtype, [0.5, 1.5]) == (d.dtype, d.tolist())


# -- methods that weigh losses


def test_random_weights_are_a_softmax_of_normal_numbers_and_alike_on_average():
    draw = rg.Generator().manual_seed(5).numpy.standard_normal(3)
    method = RLW(rg.Generator().manual_seed(5))
    assert np.allclose(np.exp(draw) / np.exp(draw).sum(), method.weights(losses=[1, 2, 3]))
    many = np.array([method.weights(losses=[1, 2, 3]).tolist() for _ in range(3000)])
    assert np.allclose(1 / 3, many.mean(0), atol=0.02)


@pytest.mark.parametrize("kind", [RLW, PCGrad])
def test_a_generator_repeats_what_it_drew(kind, rng):
    rows = rng.standard_normal((4, 3))
    one, two = (kind(generator=rg.Generator().manual_seed(1)) for _ in range(2))
    first = [combined(one, rows).tolist() for _ in range(4)]
    assert first == [combined(two, rows).tolist() for _ in range(4)]
    assert first[0] != first[1] or first[0] != first[2]
    rg.manual_seed(3)
    usual = combined(kind(), rows).tolist()
    rg.manual_seed(3)
    assert usual == combined(kind(), rows).tolist()


def test_dwa_weighs_by_the_rates_of_the_last_two_epochs():
    dwa = DWA(temperature=0.5)
    epochs = [[[1.0, 4.0], [3.0, 4.0]], [[1.0, 3.0]], [[0.5, 0.0], [0.5, 0.0]], [[1.0, 1.0]]]
    seen = []
    for losses in epochs:
        seen += [dwa.weights(losses=step).tolist() for step in losses]
        dwa.step()
    third = np.exp(2 * np.array([1 / 2, 3 / 4]))
    fourth = np.exp(2 * np.array([0.5 / 1, 0 / 3]))
    expected = [[1, 1]] * 3 + [2 * third / third.sum()] * 2 + [2 * fourth / fourth.sum()]
    assert np.allclose(expected, seen, rtol=1e-12)
    fifth = np.exp(2 * np.array([1 / 0.5, 1]))  # 1 stands for 1/0
    assert np.allclose(2 * fifth / fifth.sum(), dwa.weights(losses=[1, 1]))


def test_gradnorm_takes_the_papers_step(rng):
    alpha, lr, initial = 1.5, 0.01, np.array([1.0, 2.0, 3.0])
    method = GradNorm(alpha=alpha, lr=lr)
    w = np.ones(3)
    for step in range(5):
        rows = rng.standard_normal((3, 4))
        losses = initial * rng.uniform(0.2, 1, 3) if step else initial
        assert np.allclose(w, method.weights(rows @ rows.T, losses), rtol=1e-12)
        now = losses / initial
        target = np.mean([w[i] * np.linalg.norm(rows[i]) for i in range(3)]) * (now / now.mean()) ** alpha

        def distance(w, rows=rows, target=target):
            return sum(abs(np.linalg.norm(w[i] * rows[i]) - target[i]) for i in range(3))

        slope = np.array([(distance(w + e) - distance(w - e)) / 2e-6 for e in 1e-6 * np.eye(3)])
        w = w - lr * slope
        w = 3 * w / w.sum()


def test_gradnorm_brings_lengths_together_and_favours_the_slow():
    rows = np.diag([10.0, 0.1])
    method = GradNorm(alpha=0, lr=0.001)
    for _ in range(500):
        w = method.weights(rows @ rows.T, [1, 1])
    assert 1 == pytest.approx(w[0].item() * 10 / (w[1].item() * 0.1), rel=0.15)
    method = GradNorm(alpha=1, lr=0.001, initial_losses=[1, 1])
    for _ in range(1000):
        w = method.weights(np.eye(2), [0.5, 1.0])
    assert 2 == pytest.approx((w[1] / w[0]).item(), rel=0.02)


def test_weights_of_gradnorm_stay_positive_whatever_the_lengths():
    method = GradNorm(lr=1.0)
    for size in (1e9, 1.0, 1e12):
        w = method.weights(np.diag([size, 1.0]), [1, 1])
        assert (w > 0).all()
        assert 2 == pytest.approx(w.sum().item())


def test_nash_keeps_its_weights_between_the_steps_that_find_them(rng):
    method = NashMTL(every=3)
    grams = [g @ g.T for g in cases(rng, number=4)]
    seen = [method.weights(g).tolist() for g in grams]
    assert seen[0] == seen[1] == seen[2] != seen[3]
    assert np.allclose(NashMTL().weights(grams[3]), seen[3])


def test_a_state_goes_on_where_it_was(rng, tmp_path):
    grams = [g @ g.T for g in cases(rng, number=6)]
    losses = rng.uniform(0.5, 1, (6, 3))

    def run(method, k):
        if isinstance(method, DWA) and k:
            method.step()
        return method.weights(grams[k], losses[k]).tolist()

    for make in (GradNorm, DWA, lambda: NashMTL(every=4), MGDA):
        whole, first, second = make(), make(), make()
        expected = [run(whole, k) for k in range(6)]
        seen = [run(first, k) for k in range(3)]
        rg.save(first.state_dict(), tmp_path / "state")
        run(first, 3)  # the saved state is a copy
        second.load_state_dict(rg.load(tmp_path / "state"))
        assert expected == seen + [run(second, k) for k in range(3, 6)]


# -- what is refused

REFUSED = [
    (lambda: PCGrad("max"), ValueError, "PCGrad: reduction must be one of 'sum', 'mean'; got 'max'"),
    (lambda: MGDA("l1"), ValueError, "MGDA: normalize must be one of"),
    (lambda: CAGrad(c=-1), ValueError, "CAGrad: c must be 0 or a positive number, got -1"),
    (lambda: CAGrad(c=float("nan")), ValueError, "CAGrad: c must"),
    (lambda: NashMTL(every=0), ValueError, "NashMTL: every must be 1"),
    (lambda: DWA(temperature=0), ValueError, "DWA: temperature must be positive"),
    (lambda: GradNorm(lr=0), ValueError, "GradNorm: alpha must not be negative and lr be positive"),
    (lambda: DWA().step(), RuntimeError, "DWA.step: it ends an epoch, but there was no backward"),
    (lambda: DWA().weights(), ValueError, "DWA reads the losses: give their values"),
    (lambda: MGDA().weights(), ValueError, "MGDA reads the gradients: give their Gramian"),
    (lambda: Sum().weights(), ValueError, "Sum: there are no losses"),
    (lambda: GradNorm().weights(np.eye(2), [1, 2, 3]), ValueError, "GradNorm: 2 gradients, but 3 losses"),
    (lambda: GradNorm().weights(np.eye(2), [1, float("nan")]), RuntimeError, "GradNorm: loss 1 is nan"),
    (lambda: GradNorm().weights(np.eye(2), [0, 1]), ValueError, "GradNorm compares losses with their first values"),
    (lambda: MGDA("loss").weights(np.eye(2), [0, 1]), ValueError, "MGDA: normalize='loss' takes positive losses"),
    (lambda: MGDA().weights([[1, 2], [3, 4]]), ValueError, "MGDA.weights: a Gramian is a symmetric matrix"),
    (lambda: MGDA().weights(np.ones((2, 3))), ValueError, r"a Gramian is a symmetric matrix; got shape \(2, 3\)"),
    (lambda: MGDA().weights(np.ones(3)), ValueError, "MGDA.weights: a Gramian is a symmetric matrix"),
    (lambda: MGDA().weights(np.full((2, 2), np.nan)), ValueError, "MGDA.weights: a Gramian is"),
    (lambda: MGDA()(rg.ones(3)), ValueError, "MGDA: expected a matrix of floating-point numbers with a row for each"),
    (lambda: MGDA()(rg.ones(3, 2, dtype=rg.int64)), ValueError, "MGDA: expected a matrix of floating-point numbers"),
    (lambda: MGDA()(rg.ones(0, 2)), ValueError, "MGDA: expected a matrix"),
    (lambda: MGDA()(rg.tensor([[1.0], [float("inf")]])), RuntimeError, "MGDA: the gradient of loss 1 holds nan or inf"),
    (
        lambda: MGDA()(rg.tensor([[1e200], [1.0]], dtype=rg.float64)), RuntimeError,
        "MGDA: the gradient of loss 0 is too large: its square overflows float64",
    ),
    (lambda: MGDA().load_state_dict({"weights": 1}), ValueError, r"MGDA.load_state_dict: expected \[\], got"),
    (lambda: rg.multitask.Method().weights(np.eye(2)), NotImplementedError, "Method: a method defines _weigh"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), REFUSED)
def test_a_mistake_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("method", [GradNorm(), DWA(), NashMTL(every=2)], **by_name)
def test_a_state_is_not_for_another_number_of_losses(method):
    method.weights(np.eye(2), [1, 1])
    before = method.state_dict()
    with pytest.raises(ValueError, match="its state is that of 2 losses, and now there are 3"):
        method.weights(np.eye(3), [1, 1, 1])
    assert {k: repr(v) for k, v in before.items()} == {k: repr(v) for k, v in method.state_dict().items()}


def test_a_method_shows_its_options():
    shown = [repr(m) for m in (Sum(), PCGrad(), MGDA("l2"), CAGrad(0.3), GradNorm(), DWA(), NashMTL(5))]
    expected = [
        "Sum()", "PCGrad(reduction='sum')", "MGDA(normalize='l2')", "CAGrad(c=0.3)", "GradNorm(alpha=1.5, lr=0.025)",
        "DWA(temperature=2.0)", "NashMTL(every=5)",
    ]  # fmt: skip
    assert expected == shown
