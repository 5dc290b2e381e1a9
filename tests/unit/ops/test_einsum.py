"""`regrad.ops.einsum` beside NumPy's, and what it refuses."""

import numpy as np
import pytest

import regrad as rg

EQUATIONS = [
    ("ij,jk", [(2, 3), (3, 4)]), ("ij,jk->ki", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("i,j,k->kji", [(2,), (3,), (4,)]), ("ii", [(3, 3)]), ("ii->i", [(3, 3)]), ("iji->j", [(3, 2, 3)]),
    ("ij->", [(2, 3)]), ("ij->ji", [(2, 3)]), ("...ij,...jk->...ik", [(2, 1, 2, 3), (5, 3, 4)]),
    ("...i->...", [(2, 3, 4)]), ("i...j,j...->i...", [(2, 3, 4), (4, 3)]), ("ij,ij->", [(2, 3), (2, 3)]),
    ("ij,kl->jl", [(2, 3), (4, 5)]), ("iij,jkk->ik", [(3, 3, 2), (2, 4, 4)]), (",ij->ij", [(), (2, 3)]),
    ("bn,anm,bm->ba", [(2, 5), (3, 5, 4), (2, 4)]), ("Ab,bA", [(2, 3), (3, 2)]), ("ba", [(2, 3)]),
    ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 5), (5, 2)]), ("ij,jk->ik", [(2, 0), (0, 4)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_an_einsum_is_numpys_and_so_are_its_gradients(equation, shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in shapes]
    leaves = [rg.tensor(a).requires_grad_() for a in arrays]
    out = rg.einsum(equation, *leaves)
    np.testing.assert_allclose(out.detach().numpy(), np.einsum(equation, *arrays), atol=1e-12)
    assert rg.autograd.gradcheck(lambda *xs: rg.einsum(equation, *xs).contiguous(), leaves)


def test_sizes_of_one_broadcast():
    a, b = rg.ones(2, 1), rg.ones(3, 4)
    assert [[3.0] * 4] * 2 == rg.einsum("ij,jk->ik", a, b).tolist()
    assert (2, 3) == rg.einsum("ij,ij->ij", rg.ones(1, 3), rg.ones(2, 1)).shape


def test_subscripts_may_be_numbers_and_operands_a_list():
    a, b = rg.ones(2, 3), rg.ones(3, 4)
    want = rg.einsum("ij,jk->ki", a, b)
    for out in (rg.einsum(a, [0, 1], b, [1, 2], [2, 0]), rg.einsum("ij,jk->ki", [a, b])):
        assert want.tolist() == out.tolist()
    assert (2, 4) == rg.einsum(a, [0, 1], b, [1, 2]).shape
    assert (4, 2) == rg.einsum(a, [..., 7], b, [7, 30], [30, ...]).shape
    assert (3, 2) == rg.einsum(a, [30, 2]).shape, "without a result the names are in order"


def test_spaces_do_not_count():
    assert (3, 2) == rg.einsum(" i j -> j i ", rg.ones(2, 3)).shape


@pytest.mark.parametrize(("equation", "shapes", "text"), [
    ("ij", [(2, 3), (2, 3)], "more operands"), ("ij,jk", [(2, 3)], "fewer operands"),
    ("ijk", [(2, 3)], "number of subscripts"), ("...ijk", [(2, 3)], "number of subscripts"),
    ("i1", [(2, 3)], "invalid subscript given at index 1"), ("ij->i->j", [(2, 3)], "invalid subscript"),
    ("i.j", [(2, 3)], "not part of any ellipsis"), ("...i...", [(2, 3)], "already found"),
    ("ij->ii", [(2, 3)], "appears more than once"), ("ij->iz", [(2, 3)], "z does not appear"),
    ("ii", [(2, 3)], "repeated for operand 0"), ("ij,jk", [(2, 3), (2, 3)], "j has size 2 for operand 1"),
    ("i...,j...", [(2, 3), (2, 4)], "covered by ellipsis has size 4"),
])
def test_an_equation_must_fit_its_operands(equation, shapes, text):
    with pytest.raises(RuntimeError, match=text):
        rg.einsum(equation, *[rg.ones(*s) for s in shapes])


def test_operands_have_one_dtype_and_are_not_masks():
    with pytest.raises(RuntimeError, match="expected scalar type float32 but found float64"):
        rg.einsum("i,i", rg.ones(2), rg.ones(2, dtype=rg.float64))
    with pytest.raises(NotImplementedError, match="Bool"):
        rg.einsum("i,i", rg.tensor([True]), rg.tensor([True]))
    with pytest.raises(ValueError, match="at least one operand"):
        rg.einsum("ij")
    with pytest.raises(ValueError, match="not within the valid range"):
        rg.einsum(rg.ones(2), [52])


def test_a_chain_is_contracted_cheapest_pair_first():
    column = rg.ones(64, 1).requires_grad_()
    out = rg.einsum("ij,kj,ka->ia", column, column, column)
    widest = max(x.size for node in nodes(out.grad_fn) for x in node.saved if isinstance(x, np.ndarray))
    assert 64 == widest, "the 64 x 64 matrix of the first pair is never made"


def nodes(node):
    found = [node]
    for n in found:
        found += [e for e, _ in n.next_functions if e is not None and hasattr(e, "saved")]
    return found
