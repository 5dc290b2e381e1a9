"""Embeddings as modules: tables of vectors that are looked up by number. Start reading at `Embedding`."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

from typing import Any

from regrad.autograd.grad_mode import no_grad
from regrad.nn import functional as F
from regrad.nn import init
from regrad.nn.describe import say_where
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter
from regrad.ops.creation import empty

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """A weight of (num_embeddings, embedding_dim), and how its rows are looked up."""

    weight: Any

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, max_norm: float | None,
        norm_type: float, scale_grad_by_freq: bool, sparse: bool, weight: Any, freeze: bool, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(
                    f"{type(self).__name__}: Padding_idx must be within num_embeddings, {num_embeddings}, but got"
                    f" {padding_idx}; rows are numbered from 0"
                )
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if weight is not None:
            if tuple(weight.shape) != (num_embeddings, embedding_dim):
                raise AssertionError(
                    f"{type(self).__name__}: Shape of weight does not match num_embeddings and embedding_dim:"
                    f" {tuple(weight.shape)}, not {(num_embeddings, embedding_dim)}"
                )
            self.weight = Parameter(weight, requires_grad=not freeze)
        else:
            self.weight = Parameter(empty((num_embeddings, embedding_dim), device=device, dtype=dtype), not freeze)
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table from N(0, 1); the row of the padding is zeros."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def _described(self, *names: str) -> str:
        """The sizes, and those of the settings that are not as they are by default."""
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "sparse": False}
        changed = [f"{n}={getattr(self, n)!r}" for n in names if n not in usual or getattr(self, n) != usual[n]]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *changed])


def _size_of(embeddings: Any) -> tuple[int, int]:
    """The two sizes of a table that is there already."""
    if embeddings.ndim != 2:
        raise AssertionError(f"Embeddings parameter is expected to be 2-dimensional, but it has {embeddings.ndim}")
    return tuple(embeddings.shape)


class Embedding(_Table):
    """The rows of a table at the indices that come in: (*) → (*, embedding_dim).

    ``weight`` (num_embeddings, embedding_dim) starts as N(0, 1). The row ``padding_idx`` starts as zeros and gets no
    gradient. Rows longer than ``max_norm`` (in the norm ``norm_type``) are shortened in place when looked up;
    ``scale_grad_by_freq`` divides gradients by how often an index occurs. Gradients are dense, whatever ``sparse``
    says. Raises IndexError for an index that is no row. PyTorch: torch.nn.Embedding.

    >>> rg.nn.Embedding(10, 3, padding_idx=0)(rg.tensor([[0, 4]])).shape
    regrad.Size([1, 2, 3])
    """

    __constants__ = [
        "num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse",
    ]  # fmt: skip

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, _weight: Any = None,
        _freeze: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight,
            _freeze, device, dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Any:
        try:
            return F.embedding(
                input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq,
                self.sparse,
            )  # fmt: skip
        except (IndexError, RuntimeError) as error:
            say_where(self, error)
            raise

    def extra_repr(self) -> str:
        return self._described("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
    ) -> Any:  # fmt: skip
        """An embedding over the table ``embeddings``, whose memory it shares; not trained unless ``freeze`` is false.

        >>> rg.nn.Embedding.from_pretrained(rg.tensor([[1., 2.], [3., 4.]]))(rg.tensor([1]))
        tensor([[3., 4.]])
        """
        rows, columns = _size_of(embeddings)
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight=embeddings,
            _freeze=freeze,
        )  # fmt: skip


class EmbeddingBag(_Table):
    """The sum, mean or maximum (``mode``) of the rows of a table in each bag of indices.

    A bag is a row of a 2-D input; of a 1-D one, what lies from one of the ``offsets`` to the next
    (``include_last_offset``: the last of them is an end). ``per_sample_weights`` count the rows of a sum, and
    ``padding_idx`` counts nothing. The other arguments are those of `Embedding`. PyTorch: torch.nn.EmbeddingBag.

    >>> bag = rg.nn.EmbeddingBag.from_pretrained(rg.tensor([[1., 2.], [3., 4.], [5., 6.]]), mode="sum")
    >>> bag(rg.tensor([0, 1, 2]), rg.tensor([0, 2]))
    tensor([[4., 6.],
            [5., 6.]])
    """

    __constants__ = [
        "num_embeddings", "embedding_dim", "max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse",
        "include_last_offset", "padding_idx",
    ]  # fmt: skip

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, _weight: Any = None,
        include_last_offset: bool = False, padding_idx: int | None = None, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight,
            False, device, dtype,
        )  # fmt: skip
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        try:
            return F.embedding_bag(
                input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
                self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
            )  # fmt: skip
        except (IndexError, RuntimeError) as error:
            say_where(self, error)
            raise

    def extra_repr(self) -> str:
        return self._described("max_norm", "norm_type", "scale_grad_by_freq", "mode", "padding_idx")

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Any:  # fmt: skip
        """A bag over the table ``embeddings``, whose memory it shares; not trained unless ``freeze`` is false.

        >>> rg.nn.EmbeddingBag.from_pretrained(rg.tensor([[1., 2.], [3., 4.]]))(rg.tensor([[0, 1]]))
        tensor([[2., 3.]])
        """
        rows, columns = _size_of(embeddings)
        made = cls(
            rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,
            padding_idx,
        )  # fmt: skip
        made.weight.requires_grad_(not freeze)
        return made
