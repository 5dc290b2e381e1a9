"""Parameters as one vector and back."""

import pytest

import regrad as rg
from regrad.nn.utils import parameters_to_vector, vector_to_parameters


def test_parameters_go_into_a_vector_and_back():
    a, b = rg.tensor([[1.0, 2.0]], requires_grad=True), rg.tensor(3.0, requires_grad=True)
    vector = parameters_to_vector([a, b])
    assert vector.tolist() == [1.0, 2.0, 3.0]
    (vector * rg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert (a.grad.tolist(), b.grad.item()) == ([[1.0, 10.0]], 100.0)
    vector_to_parameters(rg.tensor([4.0, 5.0, 6.0]), [a, b])
    assert (a.tolist(), b.item(), a.requires_grad) == ([[4.0, 5.0]], 6.0, True)


@pytest.mark.parametrize("elements", [2, 4])
def test_a_vector_of_another_length_is_refused_before_anything_is_written(elements):
    a, b = rg.ones(1, 2), rg.ones(1)
    with pytest.raises(RuntimeError, match=rf"\[{elements}\] for parameters with 3 elements"):
        vector_to_parameters(rg.zeros(elements), iter([a, b]))
    assert (a.tolist(), b.tolist()) == ([[1.0, 1.0]], [1.0])


def test_what_is_no_tensor_or_nothing_is_refused():
    with pytest.raises(TypeError, match=r"expected torch.Tensor, but got: list"):
        vector_to_parameters([1.0], [rg.ones(1)])
    with pytest.raises(ValueError, match="non-empty"):
        parameters_to_vector([])
