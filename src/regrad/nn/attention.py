"""Multi-head attention as a module; what it computes is `regrad.nn.functional.multi_head_attention_forward`."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

from typing import Any

from regrad.errors import DtypeError
from regrad.nn import functional as F
from regrad.nn import init
from regrad.nn.linear import Linear
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter
from regrad.ops.creation import empty

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` that prints as PyTorch's output projection does."""


class MultiheadAttention(Module):
    """``concat(head_1, ..., head_h) W_O`` with ``head_i = attention(Q W_i^Q, K W_i^K, V W_i^V)``.

    ``query`` is (L, N, E), ``key`` and ``value`` are (S, N, kdim) and (S, N, vdim), batch first with ``batch_first``,
    or all without N. ``key_padding_mask`` (N, S) and ``attn_mask`` (L, S) or (N · heads, L, S) are boolean, where True
    is left out, or numbers to be added. Returns (L, N, E) and the weights (N, L, S), averaged over the heads unless
    ``average_attn_weights=False``, or None with ``need_weights=False``, which is faster. ``is_causal`` says that
    ``attn_mask`` is the causal one. ``add_bias_kv`` and ``add_zero_attn`` append a learned key and one of zeros.
    Raises AssertionError for shapes that do not fit. Vaswani et al. (2017), https://arxiv.org/abs/1706.03762. PyTorch:
    torch.nn.MultiheadAttention.

    >>> attention = rg.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = rg.ones(3, 5, 8)
    >>> out, weights = attention(x, x, x)
    >>> out.shape, weights.shape
    (regrad.Size([3, 5, 8]), regrad.Size([3, 5, 5]))
    """

    __constants__ = ["batch_first"]
    in_proj_weight: Any
    q_proj_weight: Any
    k_proj_weight: Any
    v_proj_weight: Any
    in_proj_bias: Any
    bias_k: Any
    bias_v: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads}"
                " instead"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"embed_dim must be divisible by num_heads, got embed_dim={embed_dim} and num_heads={num_heads}"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        packed, apart = {"in_proj": 3 * embed_dim}, {"q_proj": embed_dim, "k_proj": embed_dim, "v_proj": embed_dim}
        widths = {"k_proj": self.kdim, "v_proj": self.vdim}
        made = packed if self._qkv_same_embed_dim else apart
        for name in (*apart, *packed):
            shape = (made[name], widths.get(name, embed_dim)) if name in made else None
            self.register_parameter(f"{name}_weight", _parameter(shape, device, dtype))
        self.register_parameter("in_proj_bias", _parameter((3 * embed_dim,) if bias else None, device, dtype))
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            setattr(self, name, _parameter((1, 1, embed_dim) if add_bias_kv else None, device, dtype))
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the projections anew from their starting distributions; the biases start at zero."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.xavier_normal_(row)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        dtype = self.out_proj.weight.dtype
        for name, x in (("query", query), ("key", key), ("value", value)):
            if x.dtype != dtype:
                raise DtypeError(
                    f"MultiheadAttention: {name} and weights must have the same dtype, but got {x.dtype} and {dtype}."
                    f" Convert it: {name}.to({dtype}), or convert the model: model.to({x.dtype})"
                )
        for name, mask in (("key_padding_mask", key_padding_mask), ("attn_mask", attn_mask)):
            if mask is not None and mask.array.dtype.kind in "fV" and mask.dtype != dtype:
                raise DtypeError(
                    f"MultiheadAttention: {name} should be boolean or have the dtype of query, {dtype}, but got"
                    f" {mask.dtype}; convert it: {name}.to({dtype})"
                )
        turned = self.batch_first and query.ndim == 3
        if turned:
            query, key, value = _time_first(query, key, value)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return out.transpose(0, 1) if turned else out, weights


def _parameter(shape: tuple[int, ...] | None, device: Any, dtype: Any) -> Any:
    return None if shape is None else Parameter(empty(shape, device=device, dtype=dtype))


def _time_first(query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
    """The three with time as the first dimension; what was one tensor stays one, for then one product projects it."""
    q = query.transpose(0, 1)
    k = q if key is query else key.transpose(0, 1)
    return q, k, q if value is query else k if value is key else value.transpose(0, 1)
