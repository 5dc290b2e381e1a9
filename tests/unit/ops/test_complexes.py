"""Complex numbers by their public names: views of the parts, PyTorch's gradient convention, refusals."""

import numpy as np
import pytest

import regrad as rg


def test_the_parts_of_a_complex_tensor_are_views_that_can_be_written_to():
    z = rg.tensor([1 + 2j, 3 - 4j])
    z.real.mul_(10)
    z.imag = rg.tensor([0.0, 1.0])
    assert [10 + 0j, 30 + 1j] == z.tolist()
    assert z is z.real._base


def test_a_write_to_a_part_is_recorded():
    x = rg.tensor([1 + 2j, 3 - 4j]).requires_grad_()
    z = x * 1
    z.imag.mul_(5)
    rg.view_as_real(z).sum().backward()
    assert [1 + 5j, 1 + 5j] == x.grad.tolist()


def test_a_real_tensor_is_its_own_real_part_and_conjugate_and_has_no_imaginary_one():
    x = rg.ones(2)
    assert x is rg.real(x) is rg.conj(x) is rg.conj_physical(x) is x.resolve_conj() is x.resolve_neg()
    with pytest.raises(RuntimeError, match="imag is not implemented for tensors with non-complex dtypes"):
        rg.imag(x)


def test_nothing_is_ever_pending():
    z = rg.tensor([1j]).conj()
    assert (False, False) == (z.is_conj(), z.is_neg())
    assert [-1j] == z.tolist()


def test_pairs_and_complex_numbers_share_memory():
    pairs = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    z = rg.view_as_complex(pairs)
    assert [1 + 2j, 3 + 4j] == z.tolist()
    assert np.shares_memory(z.numpy(), pairs.numpy())
    assert pairs.tolist() == rg.view_as_real(z).tolist()


@pytest.mark.parametrize(("x", "said"), [
    (rg.ones(3), "last dimension of size 2"),
    (rg.ones(2, 2).t(), "last dimension with stride 1"),
    (rg.ones(2, 3).narrow(1, 0, 2), "stride divisible by 2"),
    (rg.ones(2, dtype=rg.int64), "only supported for"),
])  # fmt: skip
def test_view_as_complex_says_what_it_takes(x, said):
    with pytest.raises(RuntimeError, match=said):
        rg.view_as_complex(x)


def test_complex_and_polar_take_two_tensors_of_one_floating_dtype():
    assert rg.complex64 is rg.complex(rg.ones(1), rg.ones(1)).dtype
    assert rg.complex128 is rg.polar(rg.ones(1, dtype=rg.float64), rg.ones(1, dtype=rg.float64)).dtype
    with pytest.raises(RuntimeError, match="Expected object of scalar type"):
        rg.complex(rg.ones(1), rg.ones(1, dtype=rg.float64))
    with pytest.raises(RuntimeError, match="Expected both inputs to be"):
        rg.polar(rg.ones(1, dtype=rg.int64), rg.ones(1))


def test_the_gradient_of_a_real_loss_is_its_slope_along_both_axes():
    z = rg.tensor([3 + 4j], dtype=rg.complex128).requires_grad_()
    (z.real * 2 + z.imag * 7).sum().backward()
    assert [2 + 7j] == z.grad.tolist()


def test_directions_and_angles_have_no_slope_at_zero():
    z = rg.tensor([0j, 1 + 0j], dtype=rg.complex128).requires_grad_()
    (rg.view_as_real(rg.sgn(z)).sum() + rg.angle(z).sum()).backward()
    assert [0j, 2j] == z.grad.tolist()


def test_isreal_looks_at_the_imaginary_part():
    assert [True, False] == rg.isreal(rg.tensor([1 + 0j, 1j])).tolist()
    assert [True] == rg.isreal(rg.tensor([float("nan")])).tolist()
