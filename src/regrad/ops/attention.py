"""Attention, embeddings, distances between vectors, and dropout.

`attended` saves the queries, keys, values, its result and one number a query; the matrix of weights is made
again when the derivative needs it. Dropout draws its mask first, as a value of its own, and is then linear in
its input.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.graph import versions
from regrad.graph.value import wrap
from regrad.kernels.reference import attention as kernels
from regrad.ops import choosing, joining, shaping
from regrad.ops.activation import softmax
from regrad.ops.core import cast, sum_to
from regrad.ops.loss import raised
from regrad.ops.matmul import linear as affine
from regrad.ops.matmul import matmul
from regrad.ops.random import drawing, numpy_generator
from regrad.ops.reduction import all as every
from regrad.ops.reduction import mean, vector_norm
from regrad.ops.reduction import sum as summed
from regrad.ops.writing import inplace as in_place

__all__ = ["alpha_dropout", "alpha_dropout_", "cosine_similarity", "dropout", "dropout_",
           "feature_alpha_dropout", "feature_alpha_dropout_", "feature_dropout", "feature_dropout_",
           "native_dropout", "pairwise_distance", "pdist"]


# -- attention


def _swap(x: Any) -> Any:
    """The transpose of each matrix."""
    return shaping.transpose(x, -2, -1)


def _weights_shape(q: Any, k: Any, mask: Any, total: Any, **_: Any) -> tuple[int, ...]:
    full = (*shapes.broadcast(q[:-2], k[:-2]), q[-2], k[-2])
    return full if mask is None else shapes.broadcast(full, mask)


@general(q=lambda g, k, out, q_shape, *, scale: sum_to(matmul(g * out, k), shape=q_shape) * scale,
         k=lambda g, q, out, k_shape, *, scale: sum_to(matmul(_swap(g * out), q), shape=k_shape) * scale,
         mask=lambda g, out, mask_shape: sum_to(g * out, shape=mask_shape),
         total=lambda g, out, total_shape: -sum_to(summed(g * out, -1), shape=total_shape),
         kernel=kernels.weights, shape=_weights_shape, name="attention_weights")  # fmt: skip
def weights(q, k, mask, total, *, causal, scale):
    """How much each query attends to each key: ``softmax(q kᵀ scale + mask)``, from the logarithms of its sums."""


def _attention_pull(g: Any, xs: Any, out: Any, total: Any, causal: bool, scale: float) -> Any:
    q, k, v, mask = xs if len(xs) == 4 else (*xs, None)
    of_out, of_total = g
    p = weights(q, k, mask, total, causal=causal, scale=scale)
    if of_out is None:
        change, of_v = p * shaping.unsqueeze(of_total, -1), None
    else:
        of_v = sum_to(matmul(_swap(p), of_out), shape=v.shape)
        level = summed(of_out * out, -1, True)
        level = level if of_total is None else level - shaping.unsqueeze(of_total, -1)
        change = p * (matmul(of_out, _swap(v)) - level)
    pieces = [sum_to(matmul(change, k), shape=q.shape) * scale,
              sum_to(matmul(_swap(change), q), shape=k.shape) * scale, of_v]  # fmt: skip
    if mask is not None:
        pieces.append(None if mask.dtype in (np.bool_, dtypes.bool_) else sum_to(change, shape=mask.shape))
    return pieces


def _attention_push(xs: Any, tangents: Any, causal: bool, scale: float) -> Any:
    q, k, v, mask = xs if len(xs) == 4 else (*xs, None)
    of_q, of_k, of_v, moved = tangents if len(tangents) == 4 else (*tangents, None)  # moved: the scores' tangent
    p = _weights_of(q, k, mask, causal, scale)
    for a, b in ((of_q, k), (q, of_k)):
        if a is not None and b is not None:
            piece = matmul(a, _swap(b)) * scale
            moved = piece if moved is None else moved + piece
    out = None if of_v is None else matmul(p, of_v)
    if moved is None:
        return out, None
    level = summed(p * moved, -1, True)
    piece = matmul(p * (moved - level), v)
    return piece if out is None else out + piece, shaping.squeeze(level, -1)


def _attended_shapes(*xs: Any, causal: bool, scale: float) -> Any:
    full = _weights_shape(xs[0], xs[1], xs[3] if len(xs) == 4 else None, None)
    batch = shapes.broadcast(full[:-2], xs[2][:-2])
    return [(*batch, full[-2], xs[2][-1]), full[:-1]]


@general(xs=lambda g, xs, out, total, *, causal, scale: _attention_pull(g, xs, out, total, causal, scale),
         jvp=lambda args, outs, tangents, params: _attention_push(args, tangents, **params),
         outs=("out", "total"), visible=1, shape=_attended_shapes, name="scaled_dot_product_attention")  # fmt: skip
def attended(*xs, causal, scale):
    """``softmax(q kᵀ scale + mask) v`` of a query, key, value and perhaps a mask."""
    q, k, v, mask = xs if len(xs) == 4 else (*xs, None)
    return kernels.attend(q, k, v, mask, causal=causal, scale=scale)


def _check_attention(query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, name: str) -> None:
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(f"{name}: Expected query, key, and value to have the same dtype, but got "
                           f"query.dtype: {query.dtype} key.dtype: {key.dtype} and value.dtype: "
                           f"{value.dtype} instead.")
    if min(len(query.shape), len(key.shape), len(value.shape)) < 2:
        raise ShapeError(f"{name}: Expected query, key, and value to all be at least 2 dimensional, but got "
                         f"query.dim(): {len(query.shape)}, key.dim(): {len(key.shape)} and value.dim(): "
                         f"{len(value.shape)} instead.")
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"{name}: query and key must have the same last size, got {list(query.shape)} and "
                         f"{list(key.shape)}; project one to the size of the other, as with nn.Linear")
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{name}: there must be a value for each key, got {list(key.shape)} and "
                         f"{list(value.shape)}")
    if attn_mask is not None and is_causal:
        raise RuntimeError(f"{name}: Explicit attn_mask should not be set when is_causal=True; put both into "
                           "the mask")
    if attn_mask is not None and attn_mask.array.dtype.kind != "b" and attn_mask.dtype != query.dtype:
        raise RuntimeError(f"{name}: Expected attn_mask dtype to be bool or float or to match query dtype, "
                           f"but got attn_mask.dtype: {attn_mask.dtype} and query.dtype: {query.dtype} "
                           "instead; of a mask of ones and zeros give mask.bool(), where True takes part")
    if attn_mask is not None:
        scores = (*query.shape[:-1], key.shape[-2])
        trouble = shapes.mismatch([scores, tuple(attn_mask.shape)])
        if trouble:
            raise ShapeError(f"{name}: {trouble}; give a mask for the scores {list(scores)}, a row for each query and "
                             "a column for each key")


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None,
                                 dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
                                 enable_gqa: bool = False) -> Any:
    """``softmax(query keyᵀ scale + attn_mask) value``: an average of the values, by how well their keys fit.

    Shapes (..., L, E), (..., S, E) and (..., S, Ev) give (..., L, Ev). ``attn_mask`` (..., L, S) is added, or
    boolean: True takes part; a query that nothing takes part for gives zeros. ``is_causal`` lets query i see
    keys up to i.
    ``scale`` is 1/√E by default; ``dropout_p`` always drops weights; ``enable_gqa`` shares each head of keys
    among several of queries. Saves no matrix of weights unless it drops. Vaswani et al. (2017),
    https://arxiv.org/abs/1706.03762; Dao et al. (2022), https://arxiv.org/abs/2205.14135. PyTorch:
    torch.nn.functional.scaled_dot_product_attention.

    >>> q = k = rg.tensor([[10., 0.], [0., 10.]])
    >>> rg.nn.functional.scaled_dot_product_attention(q, k, rg.tensor([[1.], [2.]]))
    tensor([[1.],
            [2.]])
    """
    name = "scaled_dot_product_attention"
    _check_attention(query, key, value, attn_mask, is_causal, name)
    scale = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    if enable_gqa and len(query.shape) > 2 and query.shape[-3] != key.shape[-3]:
        return _grouped_attention(query, key, value, attn_mask, dropout_p, is_causal, scale)
    if dropout_p == 0:
        given = (query, key, value) if attn_mask is None else (query, key, value, attn_mask)
        return attended(*given, causal=is_causal, scale=scale)
    return matmul(dropout(_weights_of(query, key, attn_mask, is_causal, scale), dropout_p), value)


def _weights_of(query: Any, key: Any, mask: Any, causal: bool, scale: float) -> Any:
    """How much each query attends to each key, as a matrix; zeros where nothing takes part."""
    scores = matmul(query, _swap(key)) * scale
    if causal:
        mask = wrap(np.tril(np.ones(scores.shape[-2:], bool)))
    if mask is None:
        return softmax(scores, -1)
    scores = choosing.where(mask, scores, -math.inf) if mask.array.dtype.kind == "b" else scores + mask
    return choosing.where(every(scores == -math.inf, -1, True), 0, softmax(scores, -1))


def _grouped_attention(query: Any, key: Any, value: Any, mask: Any, dropout_p: float, is_causal: bool,
                       scale: float) -> Any:
    """Attention in which several heads of queries share a head of keys and values."""
    heads, shared = query.shape[-3], key.shape[-3]
    if shared != value.shape[-3] or heads % shared:
        raise ShapeError("scaled_dot_product_attention: Number of heads in key and value must be equal and "
                         f"divide the number of heads in query, got {shared}, {value.shape[-3]} and {heads}")
    each = heads // shared
    if mask is not None and len(mask.shape) > 2:
        split = (shared, each) if mask.shape[-3] == heads else (mask.shape[-3], 1)
        mask = shaping.reshape(mask, (*mask.shape[:-3], *split, *mask.shape[-2:]))
    query = shaping.reshape(query, (*query.shape[:-3], shared, each, *query.shape[-2:]))
    key, value = shaping.unsqueeze(key, -3), shaping.unsqueeze(value, -3)
    out = scaled_dot_product_attention(query, key, value, mask, dropout_p, is_causal, scale)
    return shaping.reshape(out, (*out.shape[:-4], heads, *out.shape[-2:]))


def _require(holds: bool, text: str) -> None:
    """PyTorch checks the arguments of multi-head attention by assertions."""
    if not holds:
        raise AssertionError(f"multi_head_attention_forward: {text}")


def _added(mask: Any, what: str, dtype: Any) -> Any:
    """A mask as numbers to add: 0, and -inf where a boolean one is True."""
    if mask is None or mask.array.dtype.kind in "fV":
        return mask
    _require(mask.array.dtype.kind == "b", f"only bool and floating types of {what} are supported, got "
                                           f"{mask.dtype}; give mask.bool(), where True takes no part")
    return wrap(np.where(mask.array, dtype.type(-np.inf), dtype.type(0)))


def _check_heads(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any,
                 num_heads: int) -> bool:
    """Is there a batch? Refuses ranks that do not fit."""
    ndim = len(query.shape)
    _require(ndim in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query "
                             "tensor")
    _require(len(key.shape) == len(value.shape) == ndim, "For "
                                                         f"{'batched (3-D)' if ndim == 3 else 'unbatched (2-D)'} "
                                                         "`query`, expected `key` and `value` to be "
                                                         f"{ndim}-D but found {len(key.shape)}-D and "
                                                         f"{len(value.shape)}-D tensors respectively")
    _require(key_padding_mask is None or len(key_padding_mask.shape) == ndim - 1,
             f"expected `key_padding_mask` to be `None` or {ndim - 1}-D for a {ndim}-D `query`")  # fmt: skip
    _require(attn_mask is None or len(attn_mask.shape) in (2, 3), "expected `attn_mask` to be `None`, 2-D or "
                                                                  "3-D")
    if ndim == 2 and attn_mask is not None and len(attn_mask.shape) == 3:
        full = (num_heads, query.shape[0], key.shape[0])
        _require(tuple(attn_mask.shape) == full, f"Expected `attn_mask` shape to be {full} but got "
                                                 f"{tuple(attn_mask.shape)}")
    return ndim == 3


def _projected(query: Any, key: Any, value: Any, packed: Any, bias: Any, separate: Any) -> Any:
    """Queries, keys and values through their weights, which come packed into one matrix or separate."""
    size = query.shape[-1]
    parts = joining.chunk(bias, 3) if bias is not None else (None,) * 3
    if separate is not None:
        for what, x, w in zip(("query", "key", "value"), (query, key, value), separate):
            _require(w is not None, f"use_separate_proj_weight is True but {what[0]}_proj_weight is None")
            _require(tuple(w.shape) == (size, x.shape[-1]),
                     f"expecting {what} weights shape of {(size, x.shape[-1])}, but got {tuple(w.shape)}")
        return [affine(x, w, b) for x, w, b in zip((query, key, value), separate, parts)]
    _require(packed is not None, "use_separate_proj_weight is False but in_proj_weight is None")
    if query is key and key is value:  # one product for all three
        return joining.chunk(affine(query, packed, bias), 3, -1)
    return [affine(x, w, b) for x, w, b in zip((query, key, value), joining.chunk(packed, 3), parts)]


def _grown(mask: Any) -> Any:
    """A mask with one more key, which takes part."""
    if mask is None:
        return None
    return joining.cat((mask, wrap(np.zeros((*mask.shape[:-1], 1), mask.array.dtype))), -1)


def multi_head_attention_forward(query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int,
                                 in_proj_weight: Any, in_proj_bias: Any, bias_k: Any, bias_v: Any,
                                 add_zero_attn: bool, dropout_p: float, out_proj_weight: Any,
                                 out_proj_bias: Any, training: bool = True, key_padding_mask: Any = None,
                                 need_weights: bool = True, attn_mask: Any = None,
                                 use_separate_proj_weight: bool = False, q_proj_weight: Any = None,
                                 k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None,
                                 static_v: Any = None, average_attn_weights: bool = True,
                                 is_causal: bool = False,) -> tuple[Any, Any]:
    """Attention in ``num_heads`` parts of the features, between learned projections.

    ``query`` is (L, N, E) or (L, E), ``key`` and ``value`` (S, N, E) or (S, E). Masks are added, or boolean:
    True is left out. Returns the result and the weights (averaged over the heads unless told otherwise), or
    None for them. Vaswani et al. (2017), https://arxiv.org/abs/1706.03762. PyTorch:
    torch.nn.functional.multi_head_attention_forward.

    >>> x, eye = rg.zeros(1, 2), rg.eye(2)
    >>> three = rg.cat([eye, eye, eye])
    >>> out, weights = rg.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 2, 1, three, None, None, None, False, 0., eye, None)
    >>> out, weights
    (tensor([[0., 0.]]), tensor([[1.]]))
    """
    batched = _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = query is key and key is value
        query = shaping.unsqueeze(query, 1)
        key, value = (query, query) if same else (shaping.unsqueeze(key, 1), shaping.unsqueeze(value, 1))
        key_padding_mask = None if key_padding_mask is None else shaping.unsqueeze(key_padding_mask, 0)
    (length, batch, size), sources = query.shape, key.shape[0]
    each = size // num_heads
    _require(size == embed_dim_to_check, f"was expecting embedding dimension of {embed_dim_to_check}, but "
                                         f"got {size}: the last dimension of the query; project it with nn.Linear")
    _require(each * num_heads == size, f"embed_dim {size} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        _require(key.shape[:2] == value.shape[:2],
                 f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
                 f"{tuple(value.shape[:2])}")
    else:
        _require(key.shape == value.shape, f"key shape {tuple(key.shape)} does not match value shape "
                                           f"{tuple(value.shape)}")
    if key.shape[1] != batch:
        raise ShapeError(f"multi_head_attention_forward: query has a batch of {batch}, key and value of "
                         f"{key.shape[1]}; they must be equal")
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: Need attn_mask if specifying the is_causal hint. "
                           "You may use the Transformer module method `generate_square_subsequent_mask` to "
                           "create this mask.")
    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype != attn_mask.dtype:
        warnings.warn("Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type "
                      "for both instead.", stacklevel=2)
    dtype = query.array.dtype
    key_padding_mask = _added(key_padding_mask, "key_padding_mask", dtype)
    is_causal = is_causal and key_padding_mask is None and not need_weights
    attn_mask = None if is_causal else _added(attn_mask, "attn_mask", dtype)

    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, separate)
    if attn_mask is not None:
        full = (length, sources) if len(attn_mask.shape) == 2 else (batch * num_heads, length, sources)
        if tuple(attn_mask.shape) != full:
            raise RuntimeError(f"multi_head_attention_forward: The shape of the {len(attn_mask.shape)}D "
                               f"attn_mask is {tuple(attn_mask.shape)}, but should be {full}.")
        split = (1, 1) if len(full) == 2 else (batch, num_heads)
        attn_mask = shaping.reshape(attn_mask, (*split, length, sources))
    if key_padding_mask is not None:
        _require(tuple(key_padding_mask.shape) == (batch, sources),
                 f"Expected key_padded_mask.shape to be {(batch, sources)}, but got "
                 f"{tuple(key_padding_mask.shape)}: a row for each sample, a column for each key, True where there is"
                 " padding")
    _require((bias_k is None) == (bias_v is None), "bias_k and bias_v must be set together")
    if bias_k is not None:
        _require(static_k is None and static_v is None, "bias cannot be added to static key or value")
        k = joining.cat((k, shaping.expand(bias_k, (1, batch, size))))
        v = joining.cat((v, shaping.expand(bias_v, (1, batch, size))))
        attn_mask, key_padding_mask = _grown(attn_mask), _grown(key_padding_mask)
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static(static_k, "static_k", batch, num_heads, each)
    v = _heads(v, num_heads) if static_v is None else _static(static_v, "static_v", batch, num_heads, each)
    if add_zero_attn:
        none = wrap(np.zeros((batch, num_heads, 1, each), dtype))
        k, v = joining.cat((k, none), 2), joining.cat((v, none), 2)
        attn_mask, key_padding_mask = _grown(attn_mask), _grown(key_padding_mask)
    if key_padding_mask is not None:
        padding = shaping.reshape(key_padding_mask, (batch, 1, 1, key_padding_mask.shape[1]))
        attn_mask = padding if attn_mask is None else attn_mask + padding
    dropout_p = dropout_p if training else 0.0

    attention = None
    if need_weights:
        scores = matmul(q * math.sqrt(1 / each), _swap(k))
        attention = dropout(softmax(scores if attn_mask is None else scores + attn_mask, -1), dropout_p)
        out = matmul(attention, v)
        attention = mean(attention, 1) if average_attn_weights else attention
    else:
        out = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    out = shaping.reshape(shaping.permute(out, (2, 0, 1, 3)), (length, batch, size))
    out = affine(out, out_proj_weight, out_proj_bias)
    if batched:
        return out, attention
    return shaping.squeeze(out, 1), None if attention is None else shaping.squeeze(attention, 0)


def _heads(x: Any, heads: int) -> Any:
    """(S, N, E) as (N, heads, S, E / heads)."""
    return shaping.permute(shaping.reshape(x, (*x.shape[:2], heads, x.shape[2] // heads)), (1, 2, 0, 3))


def _static(x: Any, what: str, batch: int, heads: int, each: int) -> Any:
    _require(x.shape[0] == batch * heads, f"expecting {what}.size(0) of {batch * heads}, but got "
                                          f"{x.shape[0]}")
    _require(x.shape[2] == each, f"expecting {what}.size(2) of {each}, but got {x.shape[2]}")
    return shaping.reshape(x, (batch, heads, *x.shape[1:]))


# -- embeddings


@linear(kernel=kernels.embed_pull, quiet=False, grad_name="EmbeddingDenseBackwardBackward0",
        g=lambda g, indices, *, padding_idx: embed_push(g, indices, padding_idx=padding_idx),
        shape=lambda g, indices, *, rows, **_: (rows, g[-1]))  # fmt: skip
def embed_pull(g, indices, *, rows, padding_idx, by_frequency):
    """The cotangent of `embedding` pulled back to a table of ``rows``.

    Its own derivative knows nothing of frequencies, as in PyTorch.
    """


def _rows_shape(weight: Any, indices: Any, **_: Any) -> tuple[int, ...]:
    return (*indices, weight[1])


@linear(kernel=kernels.embed_push, quiet=False, shape=_rows_shape,
        t=lambda g, indices, t_shape, *, padding_idx:
            embed_pull(g, indices, rows=t_shape[0], padding_idx=padding_idx, by_frequency=False))  # fmt: skip
def embed_push(t, indices, *, padding_idx):
    """The rows of ``t`` at ``indices``, and zeros for the padding."""


@linear(weight=lambda g, indices, weight_shape, *, padding_idx, by_frequency:
            embed_pull(g, indices, rows=weight_shape[0], padding_idx=padding_idx, by_frequency=by_frequency),
        shape=_rows_shape, quiet=False, name="embedding")  # fmt: skip
def looked_up(weight, indices, *, padding_idx, by_frequency):
    """The rows of ``weight`` at ``indices``."""
    return kernels.embed(weight, indices)


def _check_indices(name: str, indices: Any) -> None:
    if indices.array.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}: Expected tensor for argument #1 'indices' to have one of the following "
                           f"scalar types: Long, Int; but got {indices.dtype} instead; convert it with "
                           ".long()")


def _padding(padding_idx: int | None, rows: int) -> int:
    """The row of the padding, counted from the front; -1: there is none."""
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"Padding_idx must be within num_embeddings, got {padding_idx} for {rows} rows")
    return padding_idx % rows


def _renorm(name: str, weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Shorten, in place, the rows that are looked up and longer than ``max_norm``."""
    table = weight.array
    rows = np.unique(indices.array)
    if rows.size and (rows[0] < 0 or rows[-1] >= len(table)):
        raise IndexError(f"{name}: index out of range in self: {rows[0] if rows[0] < 0 else rows[-1]} in a "
                         f"table of {len(table)} rows, numbered from 0; make it of {rows[-1] + 1} rows, or look at "
                         "where the number comes from")
    length = np.linalg.norm(table[rows], norm_type, axis=1)
    long = length > max_norm
    if long.any():
        table[rows[long]] *= (max_norm / (length[long] + 1e-7))[:, None].astype(table.dtype)
        versions.wrote(table, "embedding_renorm_", 3)


def embedding(input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Any:
    """The rows of the table ``weight`` at the indices ``input``.

    The row ``padding_idx`` gets no gradient. Rows longer than ``max_norm`` are shortened first, in place;
    ``scale_grad_by_freq`` divides gradients by how often an index occurs. Gradients are dense, whatever
    ``sparse`` says. Raises IndexError for an index that is out of range. PyTorch:
    torch.nn.functional.embedding.

    >>> rg.nn.functional.embedding(rg.tensor([2, 0]), rg.tensor([[1., 2.], [3., 4.], [5., 6.]]))
    tensor([[5., 6.],
            [1., 2.]])
    """
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got {len(weight.shape)} dimensions")
    _check_indices("embedding", input)
    padding = _padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        _renorm("embedding", weight, input, max_norm, norm_type)
    return looked_up(weight, input, padding_idx=padding, by_frequency=scale_grad_by_freq)


@linear(kernel=kernels.take_bags, quiet=False, x=lambda g, bags, x_shape: bag_sum(g, bags, count=x_shape[0]),
        shape=lambda x, bags: (*bags, *x[1:]))  # fmt: skip
def take_bags(x, bags):
    """The row of each entry's bag."""


@linear(x=lambda g, bags: take_bags(g, bags),
        shape=lambda x, bags, *, count: (count, *x[1:]),
        kernel=kernels.bag_sum, quiet=False)  # fmt: skip
def bag_sum(x, bags, *, count):
    """The sum of the rows in each bag."""


def _bags(input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, int]:
    """Which bag each index is in, and how many bags there are."""
    if len(input.shape) == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: if input is 2D, then offsets has to be None, as input is "
                             "treated is a mini-batch of fixed length sequences")
        return np.repeat(np.arange(input.shape[0]), input.shape[1]), input.shape[0]
    if len(input.shape) != 1:
        raise ValueError("embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension "
                         f"{len(input.shape)}")
    if offsets is None or len(offsets.shape) != 1:
        raise ValueError("embedding_bag: offsets has to be a 1D "
                         f"Tensor{' but got None' if offsets is None else ''}: where in the row each "
                         "bag begins; or give the bags as the rows of a 2D input")
    starts, total = offsets.array, input.shape[0]
    if include_last_offset and not len(starts):
        raise RuntimeError("embedding_bag: include_last_offset: number of offset should be at least 1")
    if len(starts) and starts[0] != 0:
        raise RuntimeError("embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the "
                           f"mini-batch has to start from position 0. However, got {starts[0]}")
    if len(starts) and starts[-1] > total:
        raise RuntimeError(f"embedding_bag: offsets[-1] can not be greater than input's length {total} but "
                           f"got offsets[-1] of {starts[-1]}")
    count = len(starts) - 1 if include_last_offset else len(starts)
    return kernels.bag_of(starts[:count], int(starts[-1]) if include_last_offset else total), count


def embedding_bag(input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None,
                  norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
                  sparse: bool = False, per_sample_weights: Any = None, include_last_offset: bool = False,
                  padding_idx: int | None = None,) -> Any:
    """The sum, mean or maximum of the rows of ``weight`` in each bag of indices.

    A bag is a row of a 2-D ``input``; of a 1-D one, what lies between two ``offsets``. ``per_sample_weights``
    count the rows of a sum; the row ``padding_idx`` counts nothing. An empty bag gives zeros. PyTorch:
    torch.nn.functional.embedding_bag.

    >>> table = rg.tensor([[1., 2.], [3., 4.], [5., 6.]])
    >>> rg.nn.functional.embedding_bag(rg.tensor([0, 1, 2]), table, rg.tensor([0, 2]))
    tensor([[2., 3.],
            [5., 6.]])
    """
    if weight.array.dtype.kind == "i" and input.array.dtype.kind == "f":
        warnings.warn("Argument order of nn.functional.embedding_bag was changed. Usage "
                      "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
                      "`embedding_bag(input, weight, ...)`.", stacklevel=2)
        input, weight = weight, input
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
                         f"then it must have the same shape as the input ({input.shape})")
    if len(weight.shape) != 2:
        raise ValueError("embedding_bag: weight has to be a 2D Tensor, but got Tensor of dimension "
                         f"{len(weight.shape)}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}")
    bags, count = _bags(input, offsets, include_last_offset)
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("embedding_bag: max mode does not "
                         "support " + ("scaling the gradient by the "
                                                                        "frequency" if scale_grad_by_freq
                                                                         else "sparse weights"))  # fmt: skip
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError("embedding_bag: per_sample_weights was not None. per_sample_weights is "
                                  f"only supported for mode='sum' (got mode='{mode}')")
    _check_indices("embedding_bag", input)
    padding = _padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        _renorm("embedding_bag", weight, input, max_norm, norm_type)
    indices = input.array.reshape(-1)[: len(bags)]
    counted = indices != padding
    if mode == "max":
        return _bag_max(weight, indices[counted], bags[counted], count)
    rows = looked_up(weight, wrap(indices), padding_idx=padding, by_frequency=scale_grad_by_freq)
    share: Any = None if padding < 0 else wrap(counted.astype(weight.array.dtype))
    if per_sample_weights is not None:
        given = shaping.narrow(shaping.reshape(per_sample_weights, (-1,)), 0, 0, len(bags))
        share = given if share is None else given * share
    if share is not None:
        rows = rows * shaping.unsqueeze(share, 1)
    out = bag_sum(rows, wrap(bags), count=count)
    if mode == "mean":
        sizes = np.maximum(np.bincount(bags[counted], minlength=count), 1)
        out = out / wrap(sizes[:, None].astype(weight.array.dtype))
    return out


def _bag_max(weight: Any, indices: Any, bags: Any, count: int) -> Any:
    """The largest element of each column in each bag; the first of equal ones gets the gradient."""
    from regrad.ops.scattering import gather

    best = np.zeros((count, weight.shape[1]), np.int64)
    rows = kernels.embed(weight.array, indices)
    bounds = np.searchsorted(bags, np.arange(count + 1))
    filled = bounds[1:] > bounds[:-1]
    for bag in np.flatnonzero(filled):
        some = slice(bounds[bag], bounds[bag + 1])
        best[bag] = indices[some][rows[some].argmax(axis=0)]
    return choosing.where(wrap(filled[:, None]), gather(weight, 0, wrap(best)), 0)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """A row of zeros with a single 1 for each class.

    There are ``num_classes`` classes, or one more than the largest one. Raises RuntimeError for what is no
    class. PyTorch: torch.nn.functional.one_hot.

    >>> rg.nn.functional.one_hot(rg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    classes = tensor.array
    if classes.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor, got "
                           f"{tensor.dtype}; convert it with .long()")
    if not classes.size:
        if num_classes <= 0:
            raise RuntimeError("one_hot: Can not infer total number of classes from empty tensor; give "
                               "num_classes")
        return wrap(np.zeros((*classes.shape, num_classes), np.int64))
    if classes.min() < 0:
        raise RuntimeError(f"one_hot: Class values must be non-negative, got {classes.min()}")
    if num_classes == -1:
        num_classes = int(classes.max()) + 1
    elif num_classes < 1:
        raise RuntimeError(f"one_hot: num_classes should be positive, got {num_classes}")
    elif classes.max() >= num_classes:
        raise RuntimeError(f"one_hot: Class values must be smaller than num_classes, got {classes.max()} of "
                           f"{num_classes}; give num_classes={classes.max() + 1}, or -1 to have it counted")
    return wrap((classes[..., None] == np.arange(num_classes)).astype(np.int64))


# -- distances between vectors


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along ``dim``; lengths below ``eps`` count as ``eps``.

    Raises RuntimeError for integers. PyTorch: torch.nn.functional.cosine_similarity.

    >>> rg.cosine_similarity(rg.tensor([1., 1.]), rg.tensor([1., 0.]), dim=0)
    tensor(0.7071)
    """
    common = dtypes.result_dtype(tuple((x.array.dtype, 2 if len(x.shape) else 1) for x in (x1, x2)))
    if common.kind not in "fV":
        raise RuntimeError("cosine_similarity: expected common dtype to be floating point, yet common dtype "
                           f"is {dtypes.of(common)}; convert with .float()")
    x1, x2 = shaping.broadcast_tensors(*(x if x.array.dtype == common else cast(x, common) for x in (x1, x2)))
    sizes = [raised(vector_norm(x, 2, dim, True), eps=eps) for x in (x1, x2)]
    return summed((x1 / sizes[0]) * (x2 / sizes[1]), dim)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension.

    PyTorch: torch.nn.functional.pairwise_distance.

    >>> rg.pairwise_distance(rg.tensor([3., 4.]), rg.tensor([0., 0.]), eps=0.)
    tensor(5.)
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norm distance of every pair of rows, in the order (0, 1), (0, 2), ..., (1, 2), ...

    Raises RuntimeError unless ``input`` is a matrix of floats and ``p`` is not negative. PyTorch:
    torch.nn.functional.pdist.

    >>> rg.pdist(rg.tensor([[0.], [1.], [3.]]))
    tensor([1., 3., 2.])
    """
    from regrad.ops.indexing import index_select

    if len(input.shape) != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {len(input.shape)}D")
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}; convert with "
                           ".float()")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    first, second = (wrap(k) for k in np.triu_indices(input.shape[0], 1))
    return vector_norm(index_select(input, 0, first) - index_select(input, 0, second), p, 1)


# -- dropout


@linear(x=lambda g, mask, *, scale: dropped(g, mask, scale=scale),
        shape=shapes.same, name="dropout", grad_name="MulBackward0")  # fmt: skip
def dropped(x, mask, *, scale):
    """The elements that the mask keeps, times ``scale``, and zero in place of the others."""
    out = x * mask
    out *= scale
    return out


def _kept(shape: tuple[int, ...], p: float) -> Any:
    """A mask that keeps each element with probability ``1 - p``."""
    draw = numpy_generator()
    if math.prod(shape) < 4096:
        return draw.random(shape) >= p
    edge, rest = divmod((1 - p) * 65536, 1)  # 16 bits an element, and more only where those do not decide
    bits = draw.integers(0, 65536, shape, np.uint16)
    kept = bits < edge
    if rest:
        open_ = np.nonzero(bits == edge)
        kept[open_] = draw.random(len(open_[0])) < rest
    return kept


@drawing
def _mask(shape: tuple[int, ...], p: float) -> Any:
    """`_kept` as a tensor: one for each sample of a `vmap`, if these are to differ."""
    return wrap(_kept(shape, p))


def _check_dropout(name: str, input: Any, p: float, training: bool) -> bool:
    """Will anything be dropped?"""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")
    if p == 0 or not training or not math.prod(input.shape):
        return False
    if input.array.dtype.kind not in "fcV":
        raise RuntimeError(f"{name}: result type Float can't be cast to the desired output type "
                           f"{input.dtype}; convert with .float()")
    return True


def _channels(name: str, input: Any, p: float) -> tuple[int, ...]:
    """The shape of a mask that treats all places of a channel alike."""
    if p == 1:
        return ()
    if len(input.shape) < 2:
        raise RuntimeError(f"{name}: Feature dropout requires at least 2 dimensions in the input, got "
                           f"{len(input.shape)}")
    return (*input.shape[:2], *(1,) * (len(input.shape) - 2))


def _drop(input: Any, shape: tuple[int, ...], p: float) -> Any:
    return dropped(input, _mask(shape, p), scale=1 / (1 - p) if p < 1 else 0.0)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, each element zero with probability ``p``, and the others divided by ``1 - p``.

    Raises ValueError unless ``p`` is in [0, 1]. Srivastava et al. (2014),
    https://jmlr.org/papers/v15/srivastava14a.html. PyTorch: torch.nn.functional.dropout.

    >>> rg.dropout(rg.ones(3), 0.5, training=False)
    tensor([1., 1., 1.])
    """
    if not _check_dropout("dropout", input, p, training):
        return input
    return dropout_(input, p) if inplace else _drop(input, tuple(input.shape), p)


def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """`dropout`, with the mask of what was kept.

    >>> rg.native_dropout(rg.ones(2), 0.5, False)
    (tensor([1., 1.]), tensor([True, True]))
    """
    if train is False or not _check_dropout("native_dropout", input, p, True):
        return input * 1, wrap(np.ones(input.shape, bool))
    mask = _mask(tuple(input.shape), p)
    return dropped(input, mask, scale=1 / (1 - p) if p < 1 else 0.0), mask


def feature_dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels (dimension 1).

    >>> rg.feature_dropout(rg.ones(1, 2, 3), 0.5, False).sum()
    tensor(6.)
    """
    if not _check_dropout("feature_dropout", input, p, training):
        return input
    return feature_dropout_(input, p) if inplace else _drop(input, _channels("feature_dropout", input, p), p)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of an input (N, C, L) or (C, L).

    Tompson et al. (2014), https://arxiv.org/abs/1411.4280. PyTorch: torch.nn.functional.dropout1d.

    >>> rg.nn.functional.dropout1d(rg.ones(2, 3), 0.5, training=False).sum()
    tensor(6.)
    """
    _check_dropout("dropout1d", input, p, training)
    if len(input.shape) not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {len(input.shape)}D input. "
                           "Note that dropout1d exists to provide channel-wise dropout on inputs with 1 "
                           "spatial dimension, a channel dimension, and an optional batch dimension (i.e. "
                           "2D or 3D inputs).")
    return _of_batch(input, 3, p, training, inplace)


def _of_batch(input: Any, ndim: int, p: float, training: bool, inplace: bool) -> Any:
    """`feature_dropout` of an input that may lack the dimension of the batch."""
    if len(input.shape) == ndim or not training or p == 0:
        return feature_dropout(input, p, training, inplace)
    dropped_ = feature_dropout(shaping.unsqueeze(input, 0), p, training, inplace)
    return input if inplace else shaping.squeeze(dropped_, 0)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of an input (N, C, H, W).

    Three dimensions are taken as (N, C, L), with a warning. PyTorch: torch.nn.functional.dropout2d.

    >>> rg.nn.functional.dropout2d(rg.ones(1, 2, 3, 3), 0.5, training=False).sum()
    tensor(18.)
    """
    ndim = len(input.shape)
    if ndim not in (3, 4):
        warnings.warn(f"dropout2d: Received a {ndim}-D input to dropout2d, which is deprecated and will "
                      "result in an error in a future release. To retain the behavior and silence this "
                      "warning, please use dropout instead.", stacklevel=2)
    if ndim == 3:
        warnings.warn("dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
                      "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
                      "dim. To maintain this, please switch to using dropout1d instead.", stacklevel=2)
    return feature_dropout(input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`dropout` of whole channels of an input (N, C, D, H, W) or (C, D, H, W).

    PyTorch: torch.nn.functional.dropout3d.

    >>> rg.nn.functional.dropout3d(rg.ones(1, 2, 1, 3, 3), 0.5, training=False).sum()
    tensor(18.)
    """
    if len(input.shape) not in (4, 5):
        warnings.warn(f"dropout3d: Received a {len(input.shape)}-D input to dropout3d, which is deprecated "
                      "and will result in an error in a future release. To retain the behavior and silence "
                      "this warning, please use dropout instead.", stacklevel=2)
    return _of_batch(input, 5, p, training, inplace)


_FLOOR = -1.7580993408473766  # what selu approaches far below zero


def _drop_to_floor(input: Any, shape: tuple[int, ...], p: float) -> Any:
    """Dropped elements at the floor of selu, then mean and variance as they were."""
    if p == 1:
        return input * 0
    mask = _kept(shape, p)
    a = 1 / math.sqrt((_FLOOR * _FLOOR * p + 1) * (1 - p))
    shift = np.where(mask, 0.0, a * _FLOOR) - a * _FLOOR * p
    return dropped(input, wrap(mask), scale=a) + wrap(shift.astype(input.array.dtype))


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout for `selu`: dropped elements go to its floor, and mean and variance stay as they were.

    Klambauer et al. (2017), https://arxiv.org/abs/1706.02515. PyTorch: torch.nn.functional.alpha_dropout.

    >>> rg.alpha_dropout(rg.ones(3), 0.5)
    tensor([1., 1., 1.])
    """
    if not _check_dropout("alpha_dropout", input, p, training):
        return input
    return alpha_dropout_(input, p, True) if inplace else _drop_to_floor(input, tuple(input.shape), p)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """`alpha_dropout` of whole channels (dimension 1).

    PyTorch: torch.nn.functional.feature_alpha_dropout.

    >>> rg.feature_alpha_dropout(rg.ones(1, 3), 0.5)
    tensor([[1., 1., 1.]])
    """
    if not _check_dropout("feature_alpha_dropout", input, p, training):
        return input
    if inplace:
        return feature_alpha_dropout_(input, p, True)
    return _drop_to_floor(input, _channels("feature_alpha_dropout", input, p), p)


dropout_ = in_place(dropout, "dropout_")
feature_dropout_ = in_place(feature_dropout, "feature_dropout_")
alpha_dropout_ = in_place(alpha_dropout, "alpha_dropout_")
feature_alpha_dropout_ = in_place(feature_alpha_dropout, "feature_alpha_dropout_")

FUNCTIONAL = ("alpha_dropout", "cosine_similarity", "dropout", "dropout1d", "dropout2d", "dropout3d",
              "embedding", "embedding_bag", "feature_alpha_dropout", "multi_head_attention_forward",
              "one_hot", "pairwise_distance", "pdist", "scaled_dot_product_attention")
