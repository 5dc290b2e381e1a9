"""Distances as modules, against their formulas."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn

A, B = np.random.default_rng(0).standard_normal((2, 5, 4))


@pytest.mark.parametrize("dim", [0, 1])
def test_cosine_similarity_is_the_cosine_of_the_angle(dim):
    wanted = (A * B).sum(dim) / np.linalg.norm(A, axis=dim) / np.linalg.norm(B, axis=dim)
    np.testing.assert_allclose(nn.CosineSimilarity(dim)(rg.tensor(A), rg.tensor(B)).numpy(), wanted)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("p", [1, 2.0, float("inf")])
def test_pairwise_distance_is_a_norm(p, keepdim):
    wanted = np.linalg.norm(A - B + 1e-3, p, axis=1, keepdims=keepdim)
    np.testing.assert_allclose(nn.PairwiseDistance(p, 1e-3, keepdim)(rg.tensor(A), rg.tensor(B)).numpy(), wanted)


def test_they_print_without_settings():
    assert ("CosineSimilarity()", "PairwiseDistance()") == (repr(nn.CosineSimilarity(0)), repr(nn.PairwiseDistance(1)))
    assert 1 == nn.PairwiseDistance(1).norm
