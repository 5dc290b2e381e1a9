"""From losses to ``.grad``: what is accumulated where, what is freed, what is refused before anything has changed."""

import numpy as np
import pytest

import regrad as rg
from regrad.multitask import DWA, IMTLG, MGDA, RLW, CAGrad, GradNorm, Mean, NashMTL, PCGrad, Sum, UPGrad

nn, F = rg.nn, rg.nn.functional

SURGERY = [PCGrad, MGDA, CAGrad, UPGrad, IMTLG, NashMTL]
WEIGHING = [Sum, Mean, RLW, DWA, GradNorm]


class Network(nn.Module):
    def __init__(self, tasks=3):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh())
        self.heads = nn.ModuleList(nn.Linear(5, 1) for _ in range(tasks))

    def losses(self, features=None):
        x = rg.linspace(-1, 1, 32).reshape(8, 4)
        self.features = self.trunk(x)
        targets = [x.sum(1), -x.sum(1) + 1, x.square().sum(1) * 3, x[:, 0]]
        return [F.mse_loss(head(self.features)[:, 0], y) for head, y in zip(self.heads, targets)]


@pytest.fixture
def net():
    rg.manual_seed(1)
    return Network().double()


@pytest.fixture(autouse=True)
def doubles():
    was = rg.get_default_dtype()
    rg.set_default_dtype(rg.float64)
    yield
    rg.set_default_dtype(was)


def flat(gradients):
    return np.concatenate([g.numpy().ravel() for g in gradients])


def rows_of(net, inputs=None):
    """The gradient of each loss, by a pass of its own."""
    inputs = list(net.trunk.parameters()) if inputs is None else inputs
    return np.array([flat(rg.autograd.grad(loss, inputs, retain_graph=True)) for loss in net.losses()])


def grads(module):
    return flat(p.grad for p in module.parameters())


def make(kind):
    if kind in (PCGrad, RLW):
        return kind(generator=rg.Generator().manual_seed(7))
    method = kind()
    if kind is GradNorm:  # its first weights are all the same
        method.load_state_dict({"initial_losses": None, "weights": rg.tensor([0.5, 1.0, 1.5])})
    return method


@pytest.mark.parametrize("kind", SURGERY + WEIGHING)
def test_shared_parameters_get_the_combination_of_the_rows(kind, net):
    losses = net.losses()
    values = [loss.item() for loss in losses]
    expected = make(kind)(rg.tensor(rows_of(net)), values)
    weights = make(kind).backward(losses, net.trunk.parameters(), net.heads.parameters())
    assert np.allclose(expected, grads(net.trunk), atol=1e-12)
    assert (3,) == weights.shape
    assert np.allclose(weights.numpy() @ rows_of(net), grads(net.trunk), atol=1e-12)


@pytest.mark.parametrize("kind", SURGERY + WEIGHING)
@pytest.mark.parametrize("over", [False, True])
def test_heads_get_their_own_gradients_times_the_weight_if_the_losses_are_weighed(kind, over, net):
    expected = [rg.autograd.grad(loss, head.weight)[0] for loss, head in zip(net.losses(), net.heads)]
    weights = make(kind).backward(
        net.losses(), net.trunk.parameters(), net.heads.parameters(), over=net.trunk[2].weight if over else None
    )
    for head, g, w in zip(net.heads, expected, weights):
        assert rg.allclose(head.weight.grad, g * w if kind in WEIGHING else g)


@pytest.mark.parametrize("kind", [*SURGERY, GradNorm])
def test_gradients_may_be_compared_at_the_features_or_the_last_shared_layer(kind, net):
    for at in (lambda: net.features, lambda: net.trunk[2].weight):
        net.zero_grad()
        losses = net.losses()
        rows = [flat(rg.autograd.grad(loss, at(), retain_graph=True)) for loss in losses]
        expected = make(kind).weights(np.array(rows) @ np.array(rows).T, [loss.item() for loss in losses])
        weights = make(kind).backward(losses, net.trunk.parameters(), net.heads.parameters(), over=at())
        assert rg.allclose(expected, weights)
        assert np.allclose(weights.numpy() @ rows_of(net), grads(net.trunk), atol=1e-12)


def test_sum_is_backward_of_the_sum(net):
    sum(net.losses()).backward()
    expected = grads(net)
    net.zero_grad()
    Sum().backward(net.losses(), net.trunk.parameters(), net.heads.parameters())
    assert np.allclose(expected, grads(net), rtol=1e-13)


@pytest.mark.parametrize("kind", [MGDA, Sum])
def test_gradients_accumulate_as_in_every_backward(kind, net):
    make(kind).backward(net.losses(), net.trunk.parameters(), net.heads.parameters())
    once, kept = grads(net), net.trunk[0].weight.grad
    make(kind).backward(net.losses(), net.trunk.parameters(), net.heads.parameters())
    assert np.allclose(2 * once, grads(net))
    assert kept is net.trunk[0].weight.grad


@pytest.mark.parametrize("kind", [MGDA, NashMTL, GradNorm, Sum])
@pytest.mark.parametrize("over", [False, True])
def test_the_graph_is_gone_afterwards(kind, over, net):
    losses = net.losses()
    make(kind).backward(losses, net.trunk.parameters(), over=net.features if over else None)
    del net.features
    assert 0 == rg.graph.saved(*losses).nbytes


@pytest.mark.parametrize("kind", [MGDA, NashMTL, Sum])
def test_so_is_what_led_to_parameters_that_were_not_asked_for(kind):
    w, v = (rg.ones(3, requires_grad=True) for _ in range(2))
    losses = [(w * v.exp()).sum(), (w.exp() * v).sum()]
    make(kind).backward(losses, [w])
    assert 0 == rg.graph.saved(*losses).nbytes


def test_the_steps_of_nash_between_those_that_find_weights_are_single_passes(net):
    method = NashMTL(every=2)
    first = method.backward(net.losses(), net.trunk.parameters(), net.heads.parameters())
    net.zero_grad()
    runs = []
    net.trunk[0].weight.register_hook(lambda g: runs.append(g))
    second = method.backward(net.losses(), net.trunk.parameters(), net.heads.parameters())
    assert first.tolist() == second.tolist()
    assert 1 == len(runs)
    assert np.allclose(first.numpy() @ rows_of(net), grads(net.trunk))
    heads = [rg.autograd.grad(loss, head.weight)[0] for loss, head in zip(net.losses(), net.heads)]
    assert all(rg.allclose(g, head.weight.grad) for g, head in zip(heads, net.heads))


@pytest.mark.parametrize("kind", [MGDA, Sum])
def test_hooks_for_accumulated_gradients_are_called(kind, net):
    seen = []
    for p in net.parameters():
        p.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad is not None))
    make(kind).backward(net.losses(), net.trunk.parameters(), net.heads.parameters())
    assert [True] * len(list(net.parameters())) == seen


def test_losses_may_be_one_tensor(net):
    expected = MGDA().backward(net.losses(), net.trunk.parameters())
    together = grads(net.trunk)
    net.zero_grad()
    assert rg.allclose(expected, MGDA().backward(rg.stack(net.losses()), net.trunk.parameters()))
    assert np.allclose(together, grads(net.trunk))


def test_a_loss_that_reaches_some_of_the_parameters_has_gradient_zero_at_the_others():
    a, b, c = (rg.tensor([1.0, 2.0], requires_grad=True) for _ in range(3))
    weights = MGDA().backward([(a * a).sum() / 2, (a * b).sum()], [a, b, c])
    gramian = np.array([[5.0, 5.0], [5.0, 10.0]])  # (1 2 0 0) and (1 2 1 2)
    assert rg.allclose(MGDA().weights(gramian), weights)
    assert [weights[1].item() * 1, weights[1].item() * 2] == b.grad.tolist()
    assert c.grad is None


def test_complex_gradients_count_as_pairs_of_numbers():
    w = rg.tensor([1 + 2j, 3j, 1j], requires_grad=True)
    MGDA().backward([(w * w.conj()).real.sum(), (w * (1 - 2j)).real.sum()], [w])
    g, h = (rows.view(float) for rows in (2 * w.detach().numpy(), np.full(3, 1 + 2j)))
    part = np.clip((h - g) @ h / ((g - h) @ (g - h)), 0, 1)
    assert np.allclose((part * g + (1 - part) * h).view(complex), w.grad)


def test_long_parameters_are_combined_block_by_block(rng):
    rows = rng.standard_normal((3, 100_000)) + np.array([[0], [1], [-0.2]])
    w = rg.zeros(100_000, requires_grad=True)
    weights = UPGrad().backward([(w * rg.tensor(row)).sum() for row in rows], [w])
    expected = UPGrad().weights(rows @ rows.T)
    assert rg.allclose(expected, weights)
    assert np.allclose(expected.numpy() @ rows, w.grad)


def test_a_method_of_ones_own():
    class Loudest(rg.multitask.Method):
        reads_gradients = reads_losses = True

        def _weigh(self, count, gramian, losses):
            return np.eye(count)[(gramian.diagonal() * losses).argmax()]

    w = rg.tensor([1.0, 2.0], requires_grad=True)
    assert [0, 1] == Loudest().backward([w.sum(), (w * w).sum()], [w]).tolist()
    assert [2, 4] == w.grad.tolist()


# -- what is refused


def refusals():
    w = nn.Parameter(rg.ones(2))
    w.name = "trunk.weight"
    v = nn.Parameter(rg.ones(2))
    loss, other = w.sum(), (w * w).sum()
    with np.errstate(all="ignore"):
        bad = (w * float("inf")).sum()
    yield [], [w], {}, ValueError, "MGDA.backward: there are no losses"
    yield loss, [w], {}, TypeError, "MGDA.backward: expected several losses, got one tensor without dimensions"
    yield [loss, 3.0], [w], {}, TypeError, "MGDA.backward: loss 1 is no tensor but a float"
    yield [loss, w * 2], [w], {}, RuntimeError, r"MGDA.backward: loss 1 has shape \[2\]"
    yield [loss, rg.ones(())], [w], {}, RuntimeError, "MGDA.backward: loss 1 has no graph"
    yield [loss], [], {}, ValueError, "MGDA.backward: shared is empty"
    yield [loss], [rg.ones(2)], {}, TypeError, "shared must be tensors that require grad; number 0 does not"
    yield [loss], ["w"], {}, TypeError, "shared must be tensors that require grad; number 0 is a str"
    yield [loss], [w * 2], {}, ValueError, "shared must be parameters, and number 0 was computed; .* give it as over="
    yield [loss], nn.Linear(2, 2), {}, TypeError, r"shared is a module; give its .parameters\(\)"
    yield [loss], [w, w], {}, ValueError, "a parameter is given twice"
    yield [loss], [w], {"private": [w]}, ValueError, "a parameter is given twice"
    yield [loss, v.sum()], [w], {}, RuntimeError, "MGDA: loss 1 reaches none of the tensors whose gradients are"
    yield [other, loss, bad], [v, w], {}, RuntimeError, "the gradient of loss 2 for 'trunk.weight' holds nan or inf"


@pytest.mark.parametrize("k", range(14))
def test_a_mistake_is_named_before_anything_has_changed(k):
    losses, shared, others, error, words = list(refusals())[k]
    with pytest.raises(error, match=words):
        MGDA().backward(losses, shared, **others)
    tensors = [p for p in shared if isinstance(p, nn.Parameter)] if isinstance(shared, list) else []
    assert all(p.grad is None for p in tensors)


def test_there_are_no_more_mistakes_than_are_tried():
    assert 14 == len(list(refusals()))


# -- what it is good for


def valley(x):
    """Two losses with a narrow curved valley each, from the paper of CAGrad (https://arxiv.org/abs/2110.14048)."""
    a, b = x
    t = (-b).tanh()
    upper, lower = (b * 0.5).tanh().clamp(min=0), (-b * 0.5).tanh().clamp(min=0)
    far = 0.1 * (-b - 8) ** 2
    one = (0.5 * (-a - 7) - t).abs().clamp(min=5e-6).log() + 6
    two = (0.5 * (-a + 3) + t + 2).abs().clamp(min=5e-6).log() + 6
    below = [((-a + 7) ** 2 + far) / 10 - 20, ((-a - 7) ** 2 + far) / 10 - 20]
    return [one * upper + below[0] * lower, two * upper + below[1] * lower]


def walk(method, steps):
    x = rg.tensor([-8.5, 7.5], requires_grad=True)
    optimizer = rg.optim.Adam([x], lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        method.backward(valley(x), [x])
        optimizer.step()
    return x.tolist()


def test_where_the_sum_is_caught_between_two_tasks_others_are_long_through():
    assert walk(Sum(), 400)[1] > 0.5
    for method in (PCGrad(), MGDA(), IMTLG()):
        assert walk(method, 400)[1] < 0


@pytest.mark.parametrize("kind", [*SURGERY, Sum, Mean])
def test_the_end_is_a_point_where_no_direction_improves_all(kind):
    targets, shapes = rg.tensor([[0.0, 1.0, 0.5], [2.0, -1.0, 0.0]]), rg.tensor([[1.0, 5.0, 2.0], [1.0, 0.5, 0.3]])
    x = rg.tensor([3.0, 4.0, 5.0], requires_grad=True)

    def losses():
        return (shapes * (x - targets) ** 2).sum(1)

    method, before = make(kind), losses().tolist()
    lr, gamma = (0.5, 0.98) if kind is NashMTL else (0.05, 1.0)  # all steps of Nash are of one length
    optimizer = rg.optim.SGD([x], lr=lr)
    slower = rg.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    for _ in range(400):
        optimizer.zero_grad()
        method.backward(losses(), [x])
        optimizer.step()
        slower.step()
    slopes = [rg.autograd.grad(loss, x, retain_graph=True)[0].numpy() for loss in losses()]
    lengths = np.linalg.norm(slopes, axis=1)
    opposed = np.linalg.norm(slopes[0] / lengths[0] + slopes[1] / lengths[1]) < 0.01
    assert opposed or lengths.min() < 1e-3
    assert all(now < was for now, was in zip(losses().tolist(), before))
