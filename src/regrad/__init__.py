"""Regrad: automatic differentiation whose graphs live as long as you say.

Names, defaults and semantics are PyTorch's, arrays are NumPy's, and the lifetime of the computation graph is the
user's to see and control (``rg.graph``). Here are the public names; nothing is computed in this module.

>>> import regrad as rg
>>> x = rg.tensor([1., 2.], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

import importlib
import math
import typing

from regrad import autograd as autograd
from regrad import cuda as cuda
from regrad import fft as fft
from regrad import func as func
from regrad import graph as graph
from regrad import linalg as linalg
from regrad import masked as masked
from regrad import signal as signal
from regrad import special as special
from regrad import testing as testing
from regrad.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from regrad.autograd.grad_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled, is_inference_mode_enabled
from regrad.dtypes import (
    bfloat16, bool, bool_, can_cast, cdouble, cfloat, chalf, complex128, complex32, complex64, double, dtype,
    finfo, float, float16, float32, float64, get_default_dtype, half, iinfo, int, int16, int32, int64, int8, long,
    promote_types, set_default_dtype, short, uint16, uint32, uint64, uint8,
)  # fmt: skip
from regrad.errors import (
    DimError, DtypeError, FileFormatError, GraphEscapedError, GraphFreedError, GraphGrowthWarning, LoopWarning,
    NonDifferentiableSaved, PickleAttachedError, SaveError, SavedModifiedError, ShapeError, UnusedCreateGraphWarning,
    UnusedRetainWarning,
)  # fmt: skip
from regrad.files import load, save
from regrad.func import vmap
from regrad.ops import random as random
from regrad.ops import return_types as return_types
from regrad.ops.activation import (
    celu, celu_, hardshrink, log_softmax, prelu, relu, relu_, rrelu, rrelu_, selu, selu_, softmax, threshold,
    threshold_,
)  # fmt: skip
from regrad.ops.arithmetic import (
    abs, absolute, add, div, divide, floor_divide, fmod, gcd, lcm, mul, multiply, neg, negative, positive,
    reciprocal, remainder, rsub, sign, sub, subtract, true_divide,
)  # fmt: skip
from regrad.ops.attention import (
    alpha_dropout, alpha_dropout_, cosine_similarity, dropout, dropout_, feature_alpha_dropout,
    feature_alpha_dropout_, feature_dropout, feature_dropout_, native_dropout, pairwise_distance, pdist,
)  # fmt: skip
from regrad.ops.choosing import (
    addcdiv, addcmul, clamp, clamp_max, clamp_min, clip, copysign, fmax, fmin, heaviside, lerp, maximum, minimum,
    nan_to_num, nextafter, where,
)  # fmt: skip
from regrad.ops.comparison import (
    allclose, bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, eq,
    equal, ge, greater, greater_equal, gt, isclose, isfinite, isin, isinf, isnan, isneginf, isposinf, le, less,
    less_equal, logical_and, logical_not, logical_or, logical_xor, lt, ne, not_equal, signbit,
)  # fmt: skip
from regrad.ops.complexes import (
    angle, complex, conj, conj_physical, imag, is_conj, is_neg, isreal, polar, real, resolve_conj, resolve_neg,
    sgn, view_as_complex, view_as_real,
)  # fmt: skip
from regrad.ops.conversion import (
    channels_last, channels_last_3d, contiguous_format, is_complex, is_floating_point, is_nonzero, is_signed,
    is_tensor, memory_format, numel, preserve_format, result_type, sparse_coo, strided,
)  # fmt: skip
from regrad.ops.convolution import (
    conv1d, conv2d, conv3d, conv_tbc, conv_transpose1d, conv_transpose2d, conv_transpose3d, convolution,
)  # fmt: skip
from regrad.ops.creation import (
    arange, as_tensor, asarray, empty, empty_like, empty_permuted, empty_strided, eye, from_dlpack, from_numpy,
    frombuffer, full, full_like, linspace, logspace, ones, ones_like, range, scalar_tensor, tensor, zeros,
    zeros_like,
)  # fmt: skip
from regrad.ops.einsum import einsum
from regrad.ops.exponential import (
    exp, exp2, expm1, float_power, frexp, ldexp, log, log10, log1p, log2, logaddexp, logaddexp2, logit, pow,
    rsqrt, sigmoid, sqrt, square, xlogy,
)  # fmt: skip
from regrad.ops.indexing import (
    argwhere, fill, index_add, index_copy, index_fill, index_select, masked_fill, masked_scatter, masked_select,
    nonzero, nonzero_static, put, take, tril_indices, triu_indices, unravel_index,
)  # fmt: skip
from regrad.ops.joining import (
    block_diag, cartesian_prod, cat, chunk, column_stack, combinations, concat, concatenate, dsplit, dstack,
    hsplit, hstack, meshgrid, row_stack, split, split_copy, split_with_sizes, split_with_sizes_copy, stack,
    tensor_split, unbind, unbind_copy, unsafe_chunk, unsafe_split, unsafe_split_with_sizes, vsplit, vstack,
)  # fmt: skip
from regrad.ops.layout import (
    alias_copy, as_strided, as_strided_copy, as_strided_scatter, diagonal_copy, diagonal_scatter, expand_copy,
    narrow_copy, permute_copy, select_copy, select_scatter, slice_copy, slice_scatter, squeeze_copy, t_copy,
    transpose_copy, unfold_copy, unsqueeze_copy, view_copy,
)  # fmt: skip
from regrad.ops.linalg import (
    cholesky, cholesky_inverse, cholesky_solve, det, geqrf, inverse, logdet, lu, lu_solve, lu_unpack, matrix_exp,
    matrix_power, orgqr, ormqr, pinverse, qr, slogdet, svd, triangular_solve, vander,
)  # fmt: skip
from regrad.ops.loss import (
    binary_cross_entropy_with_logits, cosine_embedding_loss, ctc_loss, hinge_embedding_loss, kl_div,
    margin_ranking_loss, poisson_nll_loss, triplet_margin_loss,
)  # fmt: skip
from regrad.ops.matmul import (
    addbmm, addmm, addmv, addr, baddbmm, bmm, cdist, chain_matmul, cross, dot, ger, inner, kron, matmul, mm, mv,
    outer, renorm, tensordot, trace, vdot,
)  # fmt: skip
from regrad.ops.normalization import (
    group_norm, layer_norm, native_batch_norm, native_group_norm, native_layer_norm, rms_norm,
)  # fmt: skip
from regrad.ops.padding import (
    channel_shuffle, constant_pad_nd, native_channel_shuffle, pixel_shuffle, pixel_unshuffle,
)  # fmt: skip
from regrad.ops.pooling import (
    adaptive_avg_pool1d, avg_pool1d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool3d,
)  # fmt: skip
from regrad.ops.random import (
    Generator, bernoulli, binomial, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed,
    multinomial, normal, poisson, rand, rand_like, randint, randint_like, randn, randn_like, randperm, seed,
    set_rng_state,
)  # fmt: skip
from regrad.ops.recurrent import (
    gru, gru_cell, lstm, lstm_cell, rnn_relu, rnn_relu_cell, rnn_tanh, rnn_tanh_cell,
)  # fmt: skip
from regrad.ops.reduction import (
    all, amax, amin, aminmax, any, argmax, argmin, count_nonzero, dist, logsumexp, max, mean, min, nanmean,
    nansum, norm, prod, std, std_mean, sum, var, var_mean,
)  # fmt: skip
from regrad.ops.resampling import affine_grid_generator, grid_sampler, grid_sampler_2d, grid_sampler_3d
from regrad.ops.rounding import ceil, fix, floor, frac, round, trunc
from regrad.ops.scan import (
    cummax, cummin, cumprod, cumsum, cumulative_trapezoid, diff, gradient, logcumsumexp, trapezoid, trapz,
)  # fmt: skip
from regrad.ops.scattering import (
    gather, index_reduce, scatter, scatter_add, scatter_reduce, segment_reduce, take_along_dim,
)  # fmt: skip
from regrad.ops.shaping import (
    adjoint, atleast_1d, atleast_2d, atleast_3d, broadcast_shapes, broadcast_tensors, broadcast_to, clone, diag,
    diag_embed, diagflat, diagonal, flatten, flip, fliplr, flipud, moveaxis, movedim, narrow, permute, ravel,
    repeat_interleave, reshape, roll, rot90, select, squeeze, swapaxes, swapdims, t, tile, transpose, tril, triu,
    unflatten, unsqueeze,
)  # fmt: skip
from regrad.ops.sorting import (
    argsort, bucketize, kthvalue, median, mode, msort, nanmedian, searchsorted, sort, topk, unique,
    unique_consecutive,
)  # fmt: skip
from regrad.ops.special import digamma, erf, erfc, erfinv, i0, igamma, igammac, lgamma, mvlgamma, polygamma, sinc
from regrad.ops.spectrogram import istft, stft
from regrad.ops.statistics import bincount, corrcoef, cov, histc, histogram, histogramdd, nanquantile, quantile
from regrad.ops.subscripts import index_put
from regrad.ops.trigonometric import (
    acos, acosh, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan, atan2, atanh, cos,
    cosh, deg2rad, hypot, rad2deg, sin, sinh, tan, tanh,
)  # fmt: skip
from regrad.ops.windows import bartlett_window, blackman_window, hamming_window, hann_window, kaiser_window
from regrad.printing import set_printoptions
from regrad.saving import dumps, loads
from regrad.shapes import Size
from regrad.tensor import Tensor, device

if typing.TYPE_CHECKING:
    from regrad import multitask as multitask
    from regrad import nn as nn
    from regrad import optim as optim
    from regrad import utils as utils

inf = math.inf
nan = math.nan
pi = math.pi
e = math.e
newaxis = None

__version__ = "0.1.0"

__all__ = [
    "DimError", "DtypeError", "FileFormatError", "Generator", "GraphEscapedError", "GraphFreedError",
    "GraphGrowthWarning", "LoopWarning", "NonDifferentiableSaved", "PickleAttachedError", "SaveError",
    "SavedModifiedError", "ShapeError", "Size", "Tensor", "UnusedCreateGraphWarning", "UnusedRetainWarning", "abs",
    "absolute", "acos", "acosh", "adaptive_avg_pool1d", "add", "addbmm", "addcdiv", "addcmul",
    "addmm", "addmv", "addr", "adjoint", "affine_grid_generator", "alias_copy", "all", "allclose", "alpha_dropout",
    "alpha_dropout_", "amax", "amin", "aminmax", "angle", "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort", "argwhere", "as_strided", "as_strided_copy",
    "as_strided_scatter", "as_tensor", "asarray", "asin", "asinh", "atan", "atan2", "atanh", "atleast_1d",
    "atleast_2d", "atleast_3d", "avg_pool1d", "baddbmm", "bartlett_window", "bernoulli", "bfloat16",
    "binary_cross_entropy_with_logits", "bincount", "binomial", "bitwise_and", "bitwise_left_shift", "bitwise_not",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman_window", "block_diag", "bmm", "bool", "bool_",
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "bucketize", "can_cast", "cartesian_prod", "cat",
    "cdist", "cdouble", "ceil", "celu", "celu_", "cfloat", "chain_matmul", "chalf", "channel_shuffle",
    "channels_last", "channels_last_3d", "cholesky", "cholesky_inverse", "cholesky_solve", "chunk", "clamp",
    "clamp_max", "clamp_min", "clip", "clone", "column_stack", "combinations", "complex", "complex128", "complex32",
    "complex64", "concat", "concatenate", "conj", "conj_physical", "constant_pad_nd", "contiguous_format", "conv1d",
    "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution",
    "copysign", "corrcoef", "cos", "cosh", "cosine_embedding_loss", "cosine_similarity", "count_nonzero", "cov",
    "cross", "ctc_loss", "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "default_generator",
    "deg2rad", "det", "device", "diag", "diag_embed", "diagflat", "diagonal", "diagonal_copy", "diagonal_scatter",
    "diff", "digamma", "dist", "div", "divide", "dot", "double", "dropout", "dropout_", "dsplit", "dstack", "dtype",
    "dumps", "e", "einsum", "empty", "empty_like", "empty_permuted", "empty_strided", "enable_grad", "eq", "equal",
    "erf", "erfc", "erfinv", "exp", "exp2", "expand_copy", "expm1", "eye", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "fill", "finfo", "fix", "flatten", "flip",
    "fliplr", "flipud", "float", "float16", "float32", "float64", "float_power", "floor", "floor_divide", "fmax",
    "fmin", "fmod", "fork_rng", "frac", "frexp", "from_dlpack", "from_numpy", "frombuffer", "full", "full_like",
    "gather", "gcd", "ge", "geqrf", "ger", "get_default_dtype", "get_rng_state", "gradient", "greater",
    "greater_equal", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "group_norm", "gru", "gru_cell", "gt",
    "half", "hamming_window", "hann_window", "hardshrink", "heaviside", "hinge_embedding_loss", "histc",
    "histogram", "histogramdd", "hsplit", "hstack", "hypot", "i0", "igamma", "igammac", "iinfo", "imag",
    "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "index_select", "inf", "inference_mode",
    "initial_seed", "inner", "int", "int16", "int32", "int64", "int8", "inverse", "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled", "is_complex", "is_conj", "is_floating_point", "is_grad_enabled",
    "is_inference_mode_enabled", "is_neg", "is_nonzero", "is_signed", "is_tensor", "isclose", "isfinite", "isin",
    "isinf", "isnan", "isneginf", "isposinf", "isreal", "istft", "kaiser_window", "kl_div", "kron", "kthvalue",
    "layer_norm", "lcm", "ldexp", "le", "lerp", "less", "less_equal", "lgamma", "linspace", "load", "loads", "log",
    "log10", "log1p", "log2", "log_softmax", "logaddexp", "logaddexp2", "logcumsumexp", "logdet", "logical_and",
    "logical_not", "logical_or", "logical_xor", "logit", "logspace", "logsumexp", "long", "lstm", "lstm_cell", "lt",
    "lu", "lu_solve", "lu_unpack", "manual_seed", "margin_ranking_loss", "masked_fill", "masked_scatter",
    "masked_select", "matmul", "matrix_exp", "matrix_power", "max", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool3d", "maximum", "mean", "median", "memory_format", "meshgrid", "min", "minimum", "mm",
    "mode", "moveaxis", "movedim", "msort", "mul", "multinomial", "multiply", "mv", "mvlgamma", "nan", "nan_to_num",
    "nanmean", "nanmedian", "nanquantile", "nansum", "narrow", "narrow_copy", "native_batch_norm",
    "native_channel_shuffle", "native_dropout", "native_group_norm", "native_layer_norm", "ne", "neg", "negative",
    "newaxis", "nextafter", "no_grad", "nonzero", "nonzero_static", "norm", "normal", "not_equal", "numel", "ones",
    "ones_like", "orgqr", "ormqr", "outer", "pairwise_distance", "pdist", "permute", "permute_copy", "pi",
    "pinverse", "pixel_shuffle", "pixel_unshuffle", "poisson", "poisson_nll_loss", "polar", "polygamma", "positive",
    "pow", "prelu", "preserve_format", "prod", "promote_types", "put", "qr", "quantile", "rad2deg", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "range", "ravel", "real",
    "reciprocal", "relu", "relu_", "remainder", "renorm", "repeat_interleave", "reshape", "resolve_conj",
    "resolve_neg", "result_type", "rms_norm", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "roll",
    "rot90", "round", "row_stack", "rrelu", "rrelu_", "rsqrt", "rsub", "save", "scalar_tensor", "scatter",
    "scatter_add", "scatter_reduce", "searchsorted", "seed", "segment_reduce", "select", "select_copy",
    "select_scatter", "selu", "selu_", "set_default_dtype", "set_grad_enabled", "set_printoptions", "set_rng_state",
    "sgn", "short", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "slice_copy", "slice_scatter", "slogdet",
    "softmax", "sort", "sparse_coo", "split", "split_copy", "split_with_sizes", "split_with_sizes_copy", "sqrt",
    "square", "squeeze", "squeeze_copy", "stack", "std", "std_mean", "stft", "strided", "sub", "subtract", "sum",
    "svd", "swapaxes", "swapdims", "t", "t_copy", "take", "take_along_dim", "tan", "tanh", "tensor", "tensor_split",
    "tensordot", "threshold", "threshold_", "tile", "topk", "trace", "transpose", "transpose_copy", "trapezoid",
    "trapz", "triangular_solve", "tril", "tril_indices", "triplet_margin_loss", "triu", "triu_indices",
    "true_divide", "trunc", "uint16", "uint32", "uint64", "uint8", "unbind", "unbind_copy", "unflatten",
    "unfold_copy", "unique", "unique_consecutive", "unravel_index", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "unsqueeze", "unsqueeze_copy", "vander", "var", "var_mean", "vdot",
    "view_as_complex", "view_as_real", "view_copy", "vmap", "vsplit", "vstack", "where", "xlogy", "zeros",
    "zeros_like",
]  # fmt: skip

# Imported when first asked for: together they take as long as all the rest.
_LATER = ("multitask", "nn", "optim", "utils")


def __getattr__(name: str) -> typing.Any:
    if name in _LATER:
        return importlib.import_module(f"regrad.{name}")
    raise AttributeError(f"module 'regrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
