"""The public faces of `regrad.ops.matmul`; the ops themselves are held to the laws."""

import gc

import numpy as np
import pytest

import regrad as rg


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in shapes]


def tensors(*shapes):
    return [rg.tensor(a).requires_grad_() for a in arrays(*shapes)]


def test_the_operator_and_its_reflection_are_matmul():
    a, b = tensors((2, 3), (3, 4))
    want = a.detach().numpy() @ b.detach().numpy()
    for out in (a @ b, rg.matmul(a, b), a.matmul(b), b.__rmatmul__(a), rg.matmul(input=a, other=b)):
        np.testing.assert_array_equal(out.detach().numpy(), want)


def test_a_product_is_recorded_as_one_node():
    a, b = tensors((2, 3), (3, 4))
    assert "MmBackward0" == (a @ b).grad_fn.name()


def test_the_gradient_of_a_shared_weight_is_one_product_without_a_batch_of_them():
    x, w = (rg.tensor(a.astype("f4")).requires_grad_() for a in arrays((64, 8, 32), (32, 16)))
    out = x @ w
    gc.collect()
    import tracemalloc

    tracemalloc.start()
    (g,) = rg.autograd.grad(out.sum(), w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    want = np.einsum("bti,bto->io", x.detach().numpy(), np.ones((64, 8, 16), "f4"))
    np.testing.assert_allclose(g.numpy(), want, rtol=1e-4, atol=1e-4)
    assert peak < 64 * 32 * 16 * 4, "a product per batch element would take this much"


def test_bfloat16_products_stay_bfloat16():
    pytest.importorskip("ml_dtypes")
    x = rg.ones(2, 3, dtype=rg.bfloat16)
    assert [rg.bfloat16, rg.bfloat16] == [(x @ x.mT).dtype, rg.tensordot(x, x.mT, 1).dtype]


@pytest.mark.parametrize(("name", "shapes"), [("mm", [(2,), (2, 3)]), ("mm", [(2, 2), (2, 3, 4)]),
                                              ("bmm", [(2, 3), (3, 4)]), ("bmm", [(1, 2, 3), (2, 3, 4)]),
                                              ("mv", [(2, 3), (3, 1)]), ("dot", [(2, 2), (2, 2)]),
                                              ("dot", [(2,), (3,)]), ("vdot", [(2,), (3,)]),
                                              ("outer", [(2, 2), (2,)]), ("inner", [(2, 3), (2,)]),
                                              ("trace", [(2, 3, 4)]), ])
def test_products_by_name_refuse_other_ranks_and_sizes(name, shapes):
    operands = tensors(*shapes)
    with pytest.raises(RuntimeError, match=f"^{name}"):
        getattr(rg, name)(*operands)


@pytest.mark.parametrize("name", ["mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "tensordot", "kron"])
def test_an_operand_must_be_a_tensor(name):
    rank = {"bmm": 3, "mm": 2, "mv": 2}.get(name, 1)
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        getattr(rg, name)(rg.ones(*[2] * rank), 3)


def test_an_inner_product_with_a_scalar_scales():
    assert [2.0, 4.0] == rg.inner(rg.tensor(2.0), rg.tensor([1.0, 2.0])).tolist()


def test_tensordot_takes_a_number_or_two_lists():
    a, b = arrays((2, 3, 4), (3, 4, 5))
    x, y = rg.tensor(a), rg.tensor(b)
    want = np.tensordot(a, b, 2)
    for dims in (2, ([1, 2], [0, 1]), ([-1, -2], [1, 0]), rg.tensor([[1, 2], [0, 1]])):
        np.testing.assert_allclose(rg.tensordot(x, y, dims=dims).numpy(), want)
    assert (2, 3, 4, 3, 4, 5) == rg.tensordot(x, y, dims=0).shape


@pytest.mark.parametrize(("dims", "error", "text"), [
    (-1, RuntimeError, "expects dims >= 0"), (4, RuntimeError, "dims=4"), (2, RuntimeError, "need to match"),
    (([0], [0, 1]), RuntimeError, "same length"), (([0], [7]), IndexError, "out of range"),
])
def test_tensordot_refuses_dimensions_that_do_not_pair(dims, error, text):
    with pytest.raises(error, match=text):
        rg.tensordot(*tensors((2, 3, 4), (2, 5, 4)), dims=dims)


@pytest.mark.parametrize("shapes", [[(2,), (3,)], [(2, 2), (3, 2)], [(2, 3), (4,)], [(2, 1, 2), (3, 2)]])
def test_the_kronecker_product_is_numpys(shapes):
    a, b = arrays(*shapes)
    np.testing.assert_allclose(rg.kron(rg.tensor(a), rg.tensor(b)).numpy(), np.kron(a, b))


def test_a_chain_is_multiplied_in_the_cheapest_order():
    tall, row, wide = tensors((50, 1), (1, 50), (50, 1))
    out = rg.chain_matmul(tall, row, wide)
    inner = out.grad_fn.next_functions[1][0]
    assert (50, 1) == out.shape
    assert "MmBackward0" == inner.name(), "row @ wide comes first: it is a single number"


def test_beta_zero_ignores_the_input_nan_included():
    nan = rg.full((2, 4), float("nan"))
    for out in (rg.addmm(nan, rg.ones(2, 3), rg.ones(3, 4), beta=0),
                rg.addr(nan, rg.ones(2), rg.ones(4), beta=0)):
        assert out.isfinite().all()


def test_integer_products_take_integer_factors():
    ones = rg.ones(2, 2, dtype=rg.int64)
    assert [[4, 4], [4, 4]] == rg.addmm(ones, ones, ones, beta=0.9, alpha=2.7).tolist()


def test_addr_of_masks_is_or_and_and():
    x, y = rg.tensor([True, False]), rg.tensor([True, True])
    assert [[True, True], [False, False]] == rg.addr(rg.tensor(False), x, y).tolist()
    assert [[False, False], [False, False]] == rg.addr(rg.tensor(True), x, y, beta=0, alpha=0).tolist()


def test_an_added_tensor_must_broadcast_and_have_the_dtype():
    x = rg.ones(2, 2)
    with pytest.raises(RuntimeError, match="addmm: The expanded size of the tensor"):
        rg.addmm(rg.ones(3), x, x)
    with pytest.raises(RuntimeError, match="greater or equal to the number of dimensions"):
        rg.addmm(rg.ones(1, 2, 2), x, x)
    with pytest.raises(RuntimeError, match="same dtype, but got Double and Float"):
        rg.addmm(rg.ones(2, dtype=rg.float64), x, x)
    with pytest.raises(RuntimeError, match="addmm: mat1 must be a matrix"):
        rg.addmm(x, rg.ones(2), x)
    with pytest.raises(RuntimeError, match="addbmm: batch1 and batch2"):
        rg.addbmm(x, rg.ones(3, 2, 2), rg.ones(2, 2, 2))


def test_an_in_place_product_writes_into_the_tensor():
    out = rg.ones(2, 2)
    assert out is out.addmm_(rg.ones(2, 3), rg.ones(3, 2), alpha=2)
    assert [[7.0, 7.0], [7.0, 7.0]] == out.tolist()


def test_a_linear_layer_takes_any_leading_dimensions_and_no_bias():
    x, w, b = arrays((5, 2, 3), (4, 3), (4,))
    for lead in (x, x[0], x[0, 0]):
        out = rg.nn.functional.linear(rg.tensor(lead), rg.tensor(w), rg.tensor(b))
        np.testing.assert_allclose(out.numpy(), lead @ w.T + b)
        np.testing.assert_allclose(rg.nn.functional.linear(rg.tensor(lead), rg.tensor(w)).numpy(), lead @ w.T)
    assert (5, 2) == rg.nn.functional.linear(rg.tensor(x), rg.tensor(w[0])).shape


def test_a_bilinear_form_is_the_sum_over_both_inputs():
    x, y, w, b = arrays((6, 3), (6, 4), (5, 3, 4), (5,))
    out = rg.nn.functional.bilinear(*[rg.tensor(a) for a in (x, y, w, b)])
    np.testing.assert_allclose(out.numpy(), np.einsum("bi,oij,bj->bo", x, w, y) + b)
    for k, text in ((0, "input1 size"), (1, "input2 size")):
        given = [rg.tensor(x), rg.tensor(y), rg.tensor(w)]
        given[k] = rg.ones(6, 7, dtype=rg.float64)
        with pytest.raises(RuntimeError, match=text):
            rg.nn.functional.bilinear(*given)


def test_a_cross_product_needs_three_elements():
    x = rg.tensor([[1.0, 0.0, 0.0]])
    assert [[0.0, 0.0, 1.0]] == rg.cross(x, rg.tensor([[0.0, 1.0, 0.0]])).tolist()
    with pytest.raises(RuntimeError, match="must have length 3"):
        rg.linalg.cross(rg.ones(2, 2), rg.ones(2, 2))
    with pytest.raises(RuntimeError, match="no dimension of size 3"):
        rg.cross(rg.ones(2, 2), rg.ones(2, 2))
    with pytest.raises(IndexError, match="out of range"):
        rg.linalg.cross(x, x, dim=2)


def test_distances_by_differences_and_by_products_agree():
    x, y = tensors((40, 3), (30, 3))
    modes = ["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist_if_necessary"]
    outs = [rg.cdist(x, y, compute_mode=mode) for mode in modes]
    for out in outs[1:]:
        np.testing.assert_allclose(out.detach().numpy(), outs[0].detach().numpy(), rtol=1e-10)
    with pytest.raises(ValueError, match="is not a valid value for compute_mode"):
        rg.cdist(x, y, compute_mode="fast")


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, float("inf")])
def test_the_gradient_of_a_distance_of_zero_is_zero(p):
    x = rg.tensor([[1.0, 2.0]]).requires_grad_()
    rg.cdist(x, rg.tensor([[1.0, 2.0]]), p).sum().backward()
    assert [[0.0, 0.0]] == x.grad.tolist()


def test_cdist_refuses_what_are_no_rows_of_floats():
    with pytest.raises(RuntimeError, match="at least 2D"):
        rg.cdist(rg.ones(3), rg.ones(2, 3))
    with pytest.raises(RuntimeError, match="same number of columns"):
        rg.cdist(rg.ones(2, 3), rg.ones(2, 4))
    with pytest.raises(RuntimeError, match="floating-point"):
        rg.cdist(rg.ones(2, 3, dtype=rg.int64), rg.ones(2, 3))
    with pytest.raises(RuntimeError, match="non-negative p"):
        rg.cdist(rg.ones(2, 3), rg.ones(2, 3), p=-1)


def test_renorm_touches_only_what_is_too_long():
    out = rg.renorm(rg.tensor([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 1.0)
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)
    for args, text in (((0, 0, 1.0), "non-positive"), ((2, 0, -1.0), "maxnorm"),
                       ((2, 5, 1.0), "out of range")):
        with pytest.raises((RuntimeError, IndexError), match=text):
            rg.renorm(rg.ones(2, 2), *args)
