"""Losses as modules, against their formulas; what they keep, how they print, what they refuse."""

import math

import numpy as np
import pytest

import regrad as rg

nn = rg.nn

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 5, 4))
P, Q = RNG.uniform(0.05, 0.95, (2, 5, 4))
SIGNS = np.where(RNG.random((5, 4)) < 0.5, 1.0, -1.0)
LABELS = RNG.integers(0, 4, 5)
ROWS = np.arange(5)
LOGP = X - np.log(np.exp(X).sum(1, keepdims=True))
SIGN = SIGNS[:, 0]
COS = (X * Y).sum(1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1)
MANY = np.array([[3, 0, -1, 1], [1, 2, 3, 0], [-1, 0, 1, 2], [2, -1, -1, -1], [0, 1, -1, 2]])


def hinge(x):
    return np.maximum(x, 0)


def huber(d, delta):
    return np.where(abs(d) <= delta, d * d / 2, delta * (abs(d) - delta / 2))


def two_classes(p, y):
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def margins(x, labels, margin=1.0, p=1):
    short = hinge(margin - x[ROWS, labels][:, None] + x) ** p
    short[ROWS, labels] = 0
    return short.sum(1) / 4


def many_margins(x, labels):
    out = []
    for row, listed in zip(x, labels, strict=True):
        own = listed[: list(listed).index(-1)] if -1 in listed else listed
        others = [i for i in range(4) if i not in own]
        out.append(sum(hinge(1 - row[j] + row[i]) for j in own for i in others) / 4)
    return np.array(out)


def apart(a, b):
    return np.linalg.norm(a - b + 1e-6, axis=-1)


# The loss, its inputs, and the loss of each element (or row), by its formula.
CASES = {
    "L1Loss": ({}, (X, Y), abs(X - Y)),
    "MSELoss": ({}, (X, Y), (X - Y) ** 2),
    "HuberLoss": ({"delta": 0.5}, (X, Y), huber(X - Y, 0.5)),
    "SmoothL1Loss": ({"beta": 0.5}, (X, Y), huber(X - Y, 0.5) / 0.5),
    "NLLLoss": ({}, (LOGP, LABELS), -LOGP[ROWS, LABELS]),
    "CrossEntropyLoss": ({}, (X, LABELS), -LOGP[ROWS, LABELS]),
    "CrossEntropyLoss of probabilities": ({}, (X, P), -(LOGP * P).sum(1)),
    "CrossEntropyLoss, smoothed": (
        {"label_smoothing": 0.2}, (X, LABELS), -0.8 * LOGP[ROWS, LABELS] - 0.2 * LOGP.mean(1)),
    "BCELoss": ({}, (P, Q), two_classes(P, Q)),
    "BCEWithLogitsLoss": ({}, (X, Q), two_classes(sigmoid(X), Q)),
    "KLDivLoss": ({}, (LOGP, Q), Q * (np.log(Q) - LOGP)),
    "KLDivLoss of logarithms": ({"log_target": True}, (LOGP, np.log(Q)), Q * (np.log(Q) - LOGP)),
    "PoissonNLLLoss": ({}, (X, P), np.exp(X) - P * X),
    "PoissonNLLLoss of rates": ({"log_input": False, "eps": 0.1}, (Q, P), Q - P * np.log(Q + 0.1)),
    "GaussianNLLLoss": (
        {"full": True}, (X, Y, P), (np.log(P) + (X - Y) ** 2 / P + math.log(2 * math.pi)) / 2),
    "HingeEmbeddingLoss": ({"margin": 0.5}, (X, SIGNS), np.where(SIGNS == 1, X, hinge(0.5 - X))),
    "SoftMarginLoss": ({}, (X, SIGNS), np.log1p(np.exp(-SIGNS * X))),
    "MultiLabelMarginLoss": ({}, (X, MANY), many_margins(X, MANY)),
    "MultiLabelSoftMarginLoss": ({}, (X, Q), two_classes(sigmoid(X), Q).mean(1)),
    "MultiMarginLoss": ({"p": 2, "margin": 0.5}, (X, LABELS), margins(X, LABELS, 0.5, 2)),
    "MarginRankingLoss": ({"margin": 0.1}, (X[:, 0], Y[:, 0], SIGN), hinge(0.1 - SIGN * (X - Y)[:, 0])),
    "CosineEmbeddingLoss": ({"margin": 0.1}, (X, Y, SIGN), np.where(SIGN == 1, 1 - COS, hinge(COS - 0.1))),
    "TripletMarginLoss": ({"margin": 2.0}, (X, Y, P), hinge(2 + apart(X, Y) - apart(X, P))),
    "TripletMarginLoss, swapped": (
        {"swap": True}, (X, Y, P), hinge(1 + apart(X, Y) - np.minimum(apart(X, P), apart(Y, P)))),
    "TripletMarginWithDistanceLoss": ({}, (X, Y, P), hinge(1 + apart(X, Y) - apart(X, P))),
    "TripletMarginWithDistanceLoss by your own": (
        {"distance_function": lambda a, b: abs(a - b).max(-1).values, "swap": True}, (X, Y, P),
        hinge(1 + abs(X - Y).max(1) - np.minimum(abs(X - P).max(1), abs(Y - P).max(1)))),
}  # fmt: skip


def made(name, **settings):
    return getattr(nn, name.replace(",", " ").split()[0])(**settings)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_what_its_formula_says(name, reduction):
    settings, inputs, wanted = CASES[name]
    loss = made(name, **settings, reduction=reduction)
    out = loss(*map(rg.tensor, inputs)).numpy()
    np.testing.assert_allclose(out, wanted if reduction == "none" else getattr(np, reduction)(wanted), rtol=1e-9)
    assert reduction == loss.reduction


def test_all_losses_are_tried():
    tried = {name.replace(",", " ").split()[0] for name in CASES}
    others = {"AdaptiveLogSoftmaxWithLoss", "CTCLoss", "LinearCrossEntropyLoss", "NLLLoss2d"}
    assert set(nn.loss.__all__) == tried | others


def test_the_divergence_itself_is_divided_by_the_batch():
    out = nn.KLDivLoss(reduction="batchmean")(rg.tensor(LOGP), rg.tensor(Q))
    assert (Q * (np.log(Q) - LOGP)).sum() / 5 == pytest.approx(out.item())


# -- weights


WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])


@pytest.mark.parametrize(("loss", "inputs", "wanted"), [
    (nn.NLLLoss, (LOGP, LABELS), np.average(-LOGP[ROWS, LABELS], weights=WEIGHT[LABELS])),
    (nn.CrossEntropyLoss, (X, LABELS), np.average(-LOGP[ROWS, LABELS], weights=WEIGHT[LABELS])),
    (nn.BCELoss, (P, Q), (two_classes(P, Q) * WEIGHT).mean()),
    (nn.BCEWithLogitsLoss, (X, Q), (two_classes(sigmoid(X), Q) * WEIGHT).mean()),
    (nn.MultiLabelSoftMarginLoss, (X, Q), (two_classes(sigmoid(X), Q) * WEIGHT).mean()),
    (nn.MultiMarginLoss, (X, LABELS), (margins(X, LABELS) * WEIGHT[LABELS]).mean()),
])  # fmt: skip
def test_a_weight_counts_and_belongs_to_the_state(loss, inputs, wanted):
    loss = loss(weight=rg.tensor(WEIGHT))
    assert wanted == pytest.approx(loss(*map(rg.tensor, inputs)).item())
    assert ["weight"] == list(loss.state_dict())
    assert rg.float32 == loss.float().weight.dtype
    assert [] == list(loss.parameters())


def test_positive_targets_may_count_more():
    loss = nn.BCEWithLogitsLoss(pos_weight=rg.tensor(WEIGHT))
    wanted = -WEIGHT * Q * np.log(sigmoid(X)) - (1 - Q) * np.log(1 - sigmoid(X))
    assert wanted.mean() == pytest.approx(loss(rg.tensor(X), rg.tensor(Q)).item())
    assert ["pos_weight"] == list(loss.state_dict())
    assert (None, None) == (nn.BCEWithLogitsLoss().weight, nn.BCEWithLogitsLoss().pos_weight)


@pytest.mark.parametrize("loss", [nn.NLLLoss, nn.CrossEntropyLoss])
def test_targets_that_are_ignored_count_nothing(loss):
    kept = LABELS != 2
    out = loss(ignore_index=2)(rg.tensor(LOGP), rg.tensor(LABELS))
    assert -LOGP[ROWS, LABELS][kept].mean() == pytest.approx(out.item())


# -- words


@pytest.mark.parametrize("name", ["MSELoss", "CrossEntropyLoss", "CTCLoss", "TripletMarginLoss", "GaussianNLLLoss"])
def test_a_loss_prints_its_name_alone(name):
    assert f"{name}()" == repr(made(name))


@pytest.mark.parametrize(("old", "reduction"), [
    ({"size_average": False}, "sum"), ({"size_average": True}, "mean"), ({"reduce": False}, "none"),
])  # fmt: skip
@pytest.mark.parametrize("cls", [nn.MSELoss, nn.CrossEntropyLoss, nn.TripletMarginLoss])
def test_the_old_arguments_say_the_reduction_with_a_warning_at_the_users_line(cls, old, reduction):
    with pytest.warns(UserWarning, match=f"please use reduction='{reduction}'") as caught:
        assert reduction == cls(**old).reduction
    assert __file__ == caught[0].filename


@pytest.mark.parametrize("cls", [nn.L1Loss, nn.MSELoss, nn.SmoothL1Loss, nn.HuberLoss])
def test_operands_of_two_shapes_are_warned_about_at_the_users_line(cls):
    with pytest.warns(UserWarning, match="different to the input size.*target.view_as") as caught:
        cls()(rg.ones(3, 1), rg.ones(3))
    assert __file__ == caught[0].filename


def test_the_old_name_of_nllloss_warns():
    with pytest.warns(FutureWarning, match="use `NLLLoss`"):
        assert isinstance(nn.NLLLoss2d(), nn.NLLLoss)


LONG = rg.tensor([0, 1, 2])


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: nn.CrossEntropyLoss()(rg.ones(3, 4), rg.ones(3)), RuntimeError,
     "expected target dtype to be Long or Byte, but got Float; classes are whole numbers: convert them with .long(),"
     " or give probabilities in the shape of the input, [3, 4]"),
    (lambda: nn.NLLLoss()(rg.ones(3, 4), rg.ones(3)), RuntimeError, "but got Float; classes are whole numbers"),
    (lambda: nn.CrossEntropyLoss()(rg.ones(3, 4), LONG + 2), IndexError, "Target 4 is out of bounds"),
    (lambda: nn.CrossEntropyLoss()(rg.ones(3, 4), LONG - 1), IndexError, "there are 4 classes, numbered from 0"),
    (lambda: nn.CrossEntropyLoss()(rg.ones(3, 4), LONG.unsqueeze(1)), RuntimeError,
     "the target is [3, 1]; drop its last dimension with .squeeze(1)"),
    (lambda: nn.CrossEntropyLoss()(rg.ones(3, 4), rg.ones(3, 4).long()), RuntimeError,
     "Expected floating point type for target with class probabilities"),
    (lambda: nn.CrossEntropyLoss(rg.ones(3))(rg.ones(3, 4), LONG), RuntimeError, "for all 4 classes or no classes"),
    (lambda: nn.CrossEntropyLoss([1.0, 2.0]), TypeError, "cannot assign 'list' object to buffer 'weight'"),
    (lambda: nn.BCELoss()(rg.ones(3) * 2, rg.ones(3)), RuntimeError, "use binary_cross_entropy_with_logits"),
    (lambda: nn.BCEWithLogitsLoss()(rg.ones(3, 1), rg.ones(3)), ValueError, "must be the same as input size"),
    (lambda: nn.MSELoss(reduction="avg")(rg.ones(3), rg.ones(3)), ValueError, "it is 'none', 'mean' or 'sum'"),
    (lambda: nn.HuberLoss(delta=1j), TypeError, "delta must be a float or int, got: <class 'complex'>"),
    (lambda: nn.MultiMarginLoss(p=3), ValueError, "only p == 1 and p == 2 supported, got 3"),
    (lambda: nn.MultiMarginLoss(weight=rg.ones(2, 2)), ValueError, "expected weight to be None or 1D tensor, got 2D"),
    (lambda: nn.MultiMarginLoss()(rg.ones(3, 4), rg.ones(3)), RuntimeError, "scalar type Long but found Float"),
    (lambda: nn.MultiMarginLoss()(rg.ones(3, 4), LONG[:2]), RuntimeError, "Expected target size [3], but got [2]"),
    (lambda: nn.MultiLabelMarginLoss()(rg.ones(3, 4), rg.ones(3, 4)), RuntimeError, "convert it with .long()"),
    (lambda: nn.TripletMarginLoss(margin=0), ValueError, "TripletMarginLoss: expected margin to be greater than 0"),
    (lambda: nn.TripletMarginWithDistanceLoss(margin=-1), ValueError, "got -1 instead"),
    (lambda: nn.GaussianNLLLoss()(rg.ones(3), rg.ones(3), -rg.ones(3)), ValueError, "var has negative entry"),
    (lambda: nn.LinearCrossEntropyLoss(3, 4, weight=rg.ones(3)), RuntimeError, "weight shape to be (4,), got (3,)"),
    (lambda: nn.LinearCrossEntropyLoss(3, 4, label_smoothing=2), RuntimeError, "in range [0, 1], got 2"),
    (lambda: nn.LinearCrossEntropyLoss(3, 4)(rg.ones(2, 5), LONG[:2]), RuntimeError, "got 5 and 3, respectively"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)


# -- losses with parts


def test_the_distance_of_a_triplet_may_be_a_module_with_parameters():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.by = nn.Parameter(rg.tensor(2.0))

        def forward(self, a, b):
            return self.by * (a - b).abs().sum(-1)

    loss = nn.TripletMarginWithDistanceLoss(distance_function=Scaled())
    assert ["distance_function.by"] == list(loss.state_dict())
    assert "(distance_function): PairwiseDistance()" in repr(nn.TripletMarginWithDistanceLoss())


def test_a_linear_cross_entropy_is_a_layer_and_a_cross_entropy():
    loss = nn.LinearCrossEntropyLoss(4, 6, bias=True, weight=rg.tensor(RNG.random(6)), dtype=rg.float64)
    assert ["weight", "linear.weight", "linear.bias"] == list(loss.state_dict())
    x, target = rg.tensor(X), rg.tensor(RNG.integers(0, 6, 5))
    wanted = nn.CrossEntropyLoss(loss.weight)(loss.linear(x), target)
    assert wanted.item() == pytest.approx(loss(x, target).item())
    assert repr(loss) == (
        "LinearCrossEntropyLoss(\n"
        "  in_features=4, num_classes=6, out_features=(), bias=True, reduction=mean, ignore_index=None,"
        " label_smoothing=0.0, options=None\n"
        "  (linear): Linear(in_features=4, out_features=6, bias=True)\n)"
    )


def test_a_linear_cross_entropy_may_be_at_several_places():
    loss = nn.LinearCrossEntropyLoss(4, 6, out_features=(2, 3), dtype=rg.float64, reduction="none")
    x, target = rg.tensor(X), rg.tensor(RNG.integers(0, 6, (5, 2, 3)))
    wanted = nn.CrossEntropyLoss(reduction="none")(loss.linear(x).reshape(5, 6, 2, 3), target)
    np.testing.assert_allclose(loss(x, target).detach().numpy(), wanted.detach().numpy())


def test_ctc_hands_its_settings_on():
    logp = rg.log_softmax(rg.tensor(RNG.standard_normal((6, 2, 4))), 2)
    args = logp, rg.tensor([[0, 2], [1, 1]]), [6, 2], [2, 2]
    wanted = rg.nn.functional.ctc_loss(*args, blank=3, reduction="sum", zero_infinity=True)
    assert wanted.item() == nn.CTCLoss(3, "sum", True)(*args).item() > 0
    assert math.inf == nn.CTCLoss(3, "sum")(*args).item()


# -- adaptive softmax


def adaptive(**settings):
    return nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0, dtype=rg.float64, **settings)


def test_the_parts_of_an_adaptive_softmax_grow_narrower():
    loss = adaptive(head_bias=True)
    shapes = {name: tuple(value.shape) for name, value in loss.state_dict().items()}
    assert shapes == {
        "head.weight": (7, 8), "head.bias": (7,), "tail.0.0.weight": (4, 8), "tail.0.1.weight": (5, 4),
        "tail.1.0.weight": (2, 8), "tail.1.1.weight": (10, 2),
    }  # fmt: skip
    assert ([5, 10, 20], 5, 2, 7) == (loss.cutoffs, loss.shortlist_size, loss.n_clusters, loss.head_size)


def test_the_probabilities_of_an_adaptive_softmax_are_those_of_the_head_times_those_within_a_cluster():
    loss, x = adaptive(), rg.tensor(RNG.standard_normal((30, 8)))
    head = rg.softmax(loss.head(x), 1)
    parts = [head[:, i, None] * rg.softmax(part(x), 1) for i, part in zip((5, 6), loss.tail, strict=True)]
    wanted = rg.cat([head[:, :5], *parts], 1).detach().numpy()
    np.testing.assert_allclose(loss.log_prob(x).exp().detach().numpy(), wanted)
    np.testing.assert_allclose(wanted.sum(1), 1)
    assert wanted.argmax(1).tolist() == loss.predict(x).tolist()
    target = RNG.integers(0, 20, 30)
    output, mean = loss(x, rg.tensor(target))
    np.testing.assert_allclose(output.detach().numpy(), np.log(wanted[np.arange(30), target]))
    assert -output.mean().item() == pytest.approx(mean.item())
    single = loss(x[3], rg.tensor(int(target[3])))
    assert () == single.output.shape
    assert output[3].item() == pytest.approx(-single.loss.item())


def test_clusters_that_no_target_is_in_get_no_gradient():
    loss = adaptive()
    loss(rg.tensor(RNG.standard_normal((2, 8))), rg.tensor([1, 7])).loss.backward()
    assert (False, False, True) == tuple(part.weight.grad is None for part in (loss.head, loss.tail[0][1],
                                                                              loss.tail[1][1]))  # fmt: skip


def test_the_gradient_of_an_adaptive_softmax_is_that_of_differences():
    loss, x = adaptive(), rg.tensor(RNG.standard_normal((4, 8)), requires_grad=True)
    target = rg.tensor([0, 19, 6, 12])
    assert rg.autograd.gradcheck(lambda x, *_: loss(x, target).loss, (x, *loss.parameters()))


def test_the_parts_of_an_adaptive_softmax_are_drawn_anew():
    loss = adaptive()
    before = [param.clone() for param in loss.parameters()]
    loss.reset_parameters()
    assert not any(rg.equal(old, new) for old, new in zip(before, loss.parameters(), strict=True))


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, []), ValueError, "length larger than 0"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5]), ValueError, "between 1 and n_classes-1, 19; got [10, 5]"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [20]), ValueError, "unique, positive integers sorted"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [2.5]), ValueError, "unique, positive integers sorted"),
    (lambda: adaptive()(rg.ones(2, 8), rg.tensor([1, 20])), RuntimeError,
     "should be in [0, 19], but values in range [1, 20] were found"),
    (lambda: adaptive()(rg.ones(2, 8), rg.tensor([1.0, 2.0])), RuntimeError, "convert with .long()"),
    (lambda: adaptive()(rg.ones(2, 8), rg.tensor([1])), RuntimeError, "same size in the batch dimension"),
    (lambda: adaptive()(rg.ones(2, 8), rg.tensor(1)), RuntimeError, "0D target tensor expects 1D input tensors"),
    (lambda: adaptive()(rg.ones(2, 8), rg.tensor([[1], [2]])), RuntimeError, "multi-target not supported"),
    (lambda: adaptive()(rg.ones(2, 8), rg.tensor([1, 2])), RuntimeError, "head = Linear(in_features=8"),
])  # fmt: skip
def test_what_an_adaptive_softmax_does_not_take_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)
