"""Transformers: encoder and decoder layers, stacks of them, and the whole. Start reading at `TransformerEncoderLayer`.

Masks are boolean, where True is left out, or numbers to be added to the scores.
"""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.errors import ShapeError
from regrad.graph.modes import mode
from regrad.graph.value import wrap
from regrad.nn import functional as F
from regrad.nn import init
from regrad.nn.activation import GELU, ReLU
from regrad.nn.attention import MultiheadAttention
from regrad.nn.containers import ModuleList
from regrad.nn.dropout import Dropout
from regrad.nn.linear import Linear
from regrad.nn.module import Module
from regrad.nn.normalization import LayerNorm
from regrad.ops.creation import full

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": F.relu, "gelu": F.gelu}


def _activation(name: Any) -> Any:
    if not isinstance(name, str):
        return name
    if name not in _ACTIVATIONS:
        raise RuntimeError(f"activation should be relu/gelu, not {name}; a function can be given as well")
    return _ACTIVATIONS[name]


def _added(mask: Any, name: str, dtype: Any) -> Any:
    """A mask as numbers to add."""
    if mask is None or mask.array.dtype.kind in "fV":
        return mask
    if mask.array.dtype.kind != "b":
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    numbers = np.where(mask.array, -math.inf, 0.0)
    return wrap(numbers.astype(dtypes.to_numpy(dtype)))


def _added_both(padding: Any, padding_name: str, mask: Any, name: str, dtype: Any) -> tuple[Any, Any]:
    """The mask of the keys and that of the scores, as numbers to add."""
    if padding is not None and mask is not None and padding.dtype != mask.dtype:
        warnings.warn(
            f"Support for mismatched {padding_name} and {name} is deprecated. Use same type for both instead.",
            stacklevel=4,
        )
    return _added(padding, padding_name, dtype), _added(mask, name, dtype)


def _causal_mask(size: int, dtype: Any) -> Any:
    return np.triu(np.full((size, size), -math.inf), 1).astype(dtypes.to_numpy(dtype))


def _is_causal(mask: Any, told: bool | None, x: Any, batch_first: bool) -> bool:
    """Is the mask the causal one? That is looked up unless the caller has said so."""
    if told is not None or mask is None:
        return bool(told)
    size = x.shape[1 if x.ndim == 3 and batch_first else 0]
    return tuple(mask.shape) == (size, size) and np.array_equal(mask.array, _causal_mask(size, mask.dtype))


def _repeated(module: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


class _Layer(Module):
    """What encoder and decoder layers have in common: attention to oneself, then two affine maps at each place."""

    def __init__(
        self,
        attentions: tuple[str, ...],
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Any,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = dict(device=device, dtype=dtype)
        for name in attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where))
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where)
        self.norm_first = norm_first
        steps = range(1, len(attentions) + 2)
        for k in steps:
            setattr(self, f"norm{k}", LayerNorm(d_model, layer_norm_eps, bias=bias, **where))
        for k in steps:
            setattr(self, f"dropout{k}", Dropout(dropout))
        self.activation = _activation(activation)

    def _residual(self, x: Any, steps: list[Callable[[Any], Any]]) -> Any:
        """``x`` plus each step of it, with a norm before the step or after the sum, and dropout."""
        for k, step in enumerate(steps, 1):
            norm, drop = getattr(self, f"norm{k}"), getattr(self, f"dropout{k}")
            x = x + drop(step(norm(x))) if self.norm_first else norm(x + drop(step(x)))
        return x

    def _feed(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then two affine maps at each place, each beside a residual sum and a norm.

    (S, N, E), (N, S, E) with ``batch_first``, or (S, E) → the same. ``activation`` is "relu", "gelu" or a function;
    ``norm_first`` puts the norms before the steps. ``src_key_padding_mask`` is (N, S), ``src_mask`` (S, S), of which
    ``is_causal`` says that it is the causal one. Vaswani et al. (2017), https://arxiv.org/abs/1706.03762. PyTorch:
    torch.nn.TransformerEncoderLayer.

    >>> layer = rg.nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(rg.ones(3, 5, 8)).shape
    regrad.Size([3, 5, 8])
    """

    __constants__ = ["norm_first"]
    self_attn: MultiheadAttention

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(("self_attn",), d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
                         batch_first, norm_first, bias, device, dtype)  # fmt: skip

    @property
    def activation_relu_or_gelu(self) -> int:
        """1 if the activation is relu, 2 if it is gelu, else 0."""
        for k, (function, cls) in enumerate(((F.relu, ReLU), (F.gelu, GELU)), 1):
            if self.activation is function or isinstance(self.activation, cls):
                return k
        return 0

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Any:
        padding, mask = _added_both(src_key_padding_mask, "src_key_padding_mask", src_mask, "src_mask", src.dtype)

        def attend(x: Any) -> Any:
            return self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)[0]

        return self._residual(src, [attend, self._feed])


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, then to the ``memory`` of an encoder, then two affine maps at each place.

    ``tgt`` is (T, N, E), ``memory`` (S, N, E), batch first with ``batch_first``, or both without N; the result is like
    ``tgt``. ``tgt_mask`` is (T, T), ``memory_mask`` (T, S), the padding masks are (N, T) and (N, S). The other settings
    are those of `TransformerEncoderLayer`. PyTorch: torch.nn.TransformerDecoderLayer.

    >>> layer = rg.nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> layer(rg.ones(4, 3, 8), rg.ones(5, 3, 8)).shape
    regrad.Size([4, 3, 8])
    """

    __constants__ = ["norm_first"]
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(("self_attn", "multihead_attn"), d_model, nhead, dim_feedforward, dropout, activation,
                         layer_norm_eps, batch_first, norm_first, bias, device, dtype)  # fmt: skip

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        def attend(x: Any) -> Any:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look_back(x: Any) -> Any:
            given = x, memory, memory, memory_key_padding_mask, False, memory_mask
            return self.multihead_attn(*given, is_causal=memory_is_causal)[0]

        return self._residual(tgt, [attend, look_back, self._feed])


class TransformerEncoder(Module):
    """``num_layers`` copies of an encoder layer one after another, and a last ``norm`` if given.

    Every copy starts with the same parameters. Like PyTorch with nested tensors, an encoder that has them (boolean
    padding at the ends, ``batch_first``, evaluation without gradients) gives zeros where the padding is;
    ``enable_nested_tensor=False`` gives what the layers compute there. PyTorch: torch.nn.TransformerEncoder.

    >>> layer = rg.nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> rg.nn.TransformerEncoder(layer, num_layers=2)(rg.ones(5, 3, 8)).shape
    regrad.Size([5, 3, 8])
    """

    __constants__ = ["norm"]

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Any = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _repeated(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        self.use_nested_tensor = enable_nested_tensor and _nestable(encoder_layer)

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        padding, mask = _added_both(src_key_padding_mask, "src_key_padding_mask", mask, "mask", src.dtype)
        first = self.layers[0].self_attn if len(self.layers) else None
        causal = _is_causal(mask, is_causal, src, getattr(first, "batch_first", False))
        out = src
        for layer in self.layers:
            out = layer(out, src_mask=mask, src_key_padding_mask=padding, is_causal=causal)
        if padding is not None and mask is None and self._nests(src, padding.array):
            out = out.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return out if self.norm is None else self.norm(out)

    def _nests(self, src: Any, padding: Any) -> bool:
        """Would PyTorch compute with nested tensors here?"""
        return (
            self.use_nested_tensor
            and not self.training
            and src.ndim == 3
            and not (mode().record and any(x.requires_grad for x in (src, *self.parameters())))
            and bool(((padding == 0) | (padding == -math.inf)).all() and (padding[:, 1:] <= padding[:, :-1]).all())
        )


def _nestable(layer: Any) -> bool:
    """May a stack of this layer compute with nested tensors in PyTorch?"""
    if not isinstance(layer, TransformerEncoderLayer):
        return False
    attention = layer.self_attn
    return bool(
        not layer.norm_first
        and attention.batch_first
        and attention.in_proj_bias is not None
        and attention._qkv_same_embed_dim
        and layer.activation_relu_or_gelu
        and layer.norm1.eps == layer.norm2.eps
        and attention.num_heads % 2 == 0
    )


class TransformerDecoder(Module):
    """``num_layers`` copies of a decoder layer one after another, and a last ``norm`` if given.

    PyTorch: torch.nn.TransformerDecoder.

    >>> layer = rg.nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> rg.nn.TransformerDecoder(layer, num_layers=2)(rg.ones(4, 3, 8), rg.ones(5, 3, 8)).shape
    regrad.Size([4, 3, 8])
    """

    __constants__ = ["norm"]

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Any = None) -> None:
        super().__init__()
        self.layers = _repeated(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        first = self.layers[0].self_attn if len(self.layers) else None
        causal = _is_causal(tgt_mask, tgt_is_causal, tgt, getattr(first, "batch_first", False))
        out = tgt
        for layer in self.layers:
            out = layer(
                out, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """An encoder and a decoder: ``src`` (S, N, E) and ``tgt`` (T, N, E) to (T, N, E).

    Batch first with ``batch_first``, or without N. The masks are those of `TransformerEncoder` and
    `TransformerDecoder`; `generate_square_subsequent_mask` makes the causal one. ``custom_encoder`` and
    ``custom_decoder`` stand in for these. Weights start as Glorot's uniform. Vaswani et al. (2017),
    https://arxiv.org/abs/1706.03762. PyTorch: torch.nn.Transformer.

    >>> model = rg.nn.Transformer(8, 2, 1, 1, 16)
    >>> mask = model.generate_square_subsequent_mask(4)
    >>> model(rg.ones(5, 3, 8), rg.ones(4, 3, 8), tgt_mask=mask).shape
    regrad.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings: tuple[Any, ...] = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
                                     norm_first, bias, device, dtype)  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        self.encoder = custom_encoder
        if custom_encoder is None:
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*settings), num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*settings), num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        got = f"got {list(src.shape)} and {list(tgt.shape)}"
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and (tgt.ndim != 3 or src.shape[batch] != tgt.shape[batch]):
            raise ShapeError(f"Transformer: the batch number of src and tgt must be equal, {got}")
        if {src.shape[-1], tgt.shape[-1]} != {self.d_model}:
            raise ShapeError(
                f"Transformer: the feature number of src and tgt must be equal to d_model, {self.d_model}, {got}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask: -inf above the diagonal, 0 elsewhere.

        >>> rg.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return full((sz, sz), -math.inf, device=device, dtype=dtype).triu(diagonal=1)
