"""Recurrent layers: plain, LSTM and GRU, as whole networks over a sequence and as single cells.

A network hands its parameters to `regrad.ops.recurrent.layers`, where a layer is one op. Start reading at `RNNBase`,
then `LSTM.forward`.
"""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

import math
import warnings
from typing import Any

from regrad.errors import ShapeError
from regrad.graph.value import Value
from regrad.nn import init
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter
from regrad.nn.utils.rnn import PackedSequence
from regrad.ops import recurrent as ops
from regrad.ops.creation import empty

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_sizes(dropout: Any, num_layers: Any, proj_size: int, **typed: Any) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed,"
            f" not {dropout!r}"
        )
    for name, value in typed.items():
        kind = bool if name in ("bias", "batch_first") else int
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
    for name, value in (*typed.items(), ("num_layers", num_layers)):
        if name not in ("bias", "batch_first") and value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value}")
    if proj_size < 0:
        raise ValueError(f"proj_size should be a positive integer or zero to disable projections, got {proj_size}")
    if proj_size >= typed["hidden_size"]:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size, got {proj_size} and {typed['hidden_size']}"
        )


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Value)


def _said(hx: Any) -> str:
    """What was given as states."""
    return "a tensor" if _is_tensor(hx) else f"a {type(hx).__name__}"


class RNNBase(Module):
    """What the recurrent networks have in common: parameters by layer and direction, and how states are checked.

    ``mode`` is "LSTM", "GRU", "RNN_TANH" or "RNN_RELU". Parameters start uniform in ±1/√hidden_size. PyTorch:
    torch.nn.RNNBase.

    >>> sorted(rg.nn.RNNBase("GRU", 2, 3, bias=False).state_dict())
    ['weight_hh_l0', 'weight_ih_l0']
    """

    __constants__ = [
        "mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional",
        "proj_size",
    ]  # fmt: skip

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_sizes(dropout, num_layers, proj_size, bias=bias, batch_first=batch_first, input_size=input_size,
                     hidden_size=hidden_size)  # fmt: skip
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}; it takes {', '.join(_GATES)}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers"
                f" greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=2 if type(self) is RNNBase else 3,
            )
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        ways, wide = 2 if bidirectional else 1, _GATES[mode] * hidden_size
        self._all_weights = []
        for layer in range(num_layers):
            for way in range(ways):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (wide, input_size if layer == 0 else ways * (proj_size or hidden_size)),
                    "weight_hh": (wide, proj_size or hidden_size),
                }
                if bias:
                    shapes |= {"bias_ih": (wide,), "bias_hh": (wide,)}
                if proj_size:
                    shapes |= {"weight_hr": (proj_size, hidden_size)}
                names = {f"{name}_l{layer}{'_reverse' * way}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(list(names))
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew from their starting distribution."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: on a CPU, parameters need not lie next to each other."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters, one list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for name in self._flat_weights_names]

    # -- checks

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Refuse an input of another dtype, rank or width."""
        weight = getattr(self, self._flat_weights_names[0])
        if input.array.dtype != weight.array.dtype:
            raise ValueError(
                f"{self._get_name()}: RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype})."
                f" Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.ndim != expected:
            raise ShapeError(f"{self._get_name()}: input must have {expected} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{self._get_name()}: input.size(-1) must be equal to input_size. Expected {self.input_size}, got"
                f" {input.shape[-1]}, in an input {list(input.shape)}: its last dimension holds the features of one"
                f" time; make the layer with input_size={input.shape[-1]}, or move the features there"
            )

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape that a hidden state has to have for this input."""
        batch = int(batch_sizes[0]) if batch_sizes is not None else input.shape[0 if self.batch_first else 1]
        return self.num_layers * (1 + bool(self.bidirectional)), batch, self.proj_size or self.hidden_size

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape that a cell state has to have for this input."""
        return (*self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size)

    def check_hidden_size(
        self, hx: Any, expected_hidden_size: Any, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Refuse a state of another shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise ShapeError(f"{self._get_name()}: {msg.format(tuple(expected_hidden_size), list(hx.shape))}")

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Refuse an input, or states, that do not fit."""
        self.check_input(input, batch_sizes)
        if hidden is None:
            return
        if self.mode != "LSTM":
            self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))
            return
        shapes = self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes)
        for k, (state, shape) in enumerate(zip(hidden, shapes)):
            self.check_hidden_size(
                state, shape,
                f"Expected hidden[{k}] size {{}}, got {{}}: (layers, batch, features), whatever batch_first; leave the"
                " state out to start from zeros",
            )  # fmt: skip

    # -- running

    def _run(self, input: Any, hx: Any) -> tuple[Any, Any]:
        """The output, and the last states; ``hx`` holds the first ones, or is None."""
        kind = self.mode.lower()
        count = 2 if kind == "lstm" else 1
        if isinstance(input, PackedSequence):
            data, sizes, order, back = input
            if hx is not None and order is not None:
                hx = tuple(state.index_select(1, order) for state in hx)
            self._check(data, hx, sizes)
            out, *lasts = ops.packed_layers(kind, data, sizes, hx or (None,) * count, *self._settings())
            if back is not None:
                lasts = [state.index_select(1, back) for state in lasts]
            return PackedSequence(out, sizes, order, back), tuple(lasts)
        if not _is_tensor(input):
            raise TypeError(f"{self._get_name()}: expected a tensor or a PackedSequence, got {type(input).__name__}")
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead: features, perhaps with"
                " a batch, at each time"
            )
        batched = input.ndim == 3
        self._check_ranks(hx, batched)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            hx = None if hx is None else tuple(state.unsqueeze(1) for state in hx)
        self._check(input, hx, None)
        x = input.transpose(0, 1) if self.batch_first else input
        out, *lasts = ops.layers(kind, x, hx or (None,) * count, *self._settings())
        out = out.transpose(0, 1) if self.batch_first else out
        if batched:
            return out, tuple(lasts)
        return out.squeeze(0 if self.batch_first else 1), tuple(state.squeeze(1) for state in lasts)

    def _settings(self) -> tuple[Any, ...]:
        return self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional

    def _check(self, input: Any, hx: Any, batch_sizes: Any) -> None:
        self.check_forward_args(input, hx if hx is None or self.mode == "LSTM" else hx[0], batch_sizes)

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        ndim = 3 if batched else 2
        if hx is None or all(state.ndim == ndim for state in hx):
            return
        which = "hx" if len(hx) == 1 else "hx and cx"
        ranks = ", ".join(f"{state.ndim}-D" for state in hx)
        got = f"{ranks} tensor" if len(hx) == 1 else f"({ranks}) tensors"
        raise ShapeError(
            f"{self._get_name()}: For {'batched 3-D' if batched else 'unbatched 2-D'} input, {which} should also be"
            f" {ndim}-D but got {got}"
        )

    def extra_repr(self) -> str:
        parts = [str(self.input_size), str(self.hidden_size)]
        usual = dict(proj_size=0, num_layers=1, bias=True, batch_first=False, dropout=0, bidirectional=False)
        parts += [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join(parts)


class LSTM(RNNBase):
    """Long short-term memory: a sequence through ``num_layers`` layers of gated cells.

    ``i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh)`` and ``g = tanh(...)`` alike; ``c' = f c + i g``; ``h' = o tanh(c')``,
    then times ``W_hr`` with ``proj_size``. The input is (L, N, H_in), (N, L, H_in) with ``batch_first``, (L, H_in), or
    a `PackedSequence`; the states ``(h_0, c_0)`` are (layers · directions, N, size), zeros if not given. Returns the
    last layer's output at all times and the last states of all layers. ``dropout`` is between layers, in training.
    Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735. PyTorch: torch.nn.LSTM.

    >>> net = rg.nn.LSTM(10, 20, num_layers=2)
    >>> out, (h, c) = net(rg.ones(5, 3, 10))
    >>> out.shape, h.shape
    (regrad.Size([5, 3, 20]), regrad.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
                         proj_size, device, dtype)  # fmt: skip

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Any, Any]]:
        if hx is not None and (_is_tensor(hx) or len(hx) != 2):
            raise TypeError(
                f"LSTM: hx should be a tuple (h_0, c_0) of two tensors, got {_said(hx)}; give back what the layer gave"
            )
        return self._run(input, hx)


class _OneState(RNNBase):
    """A network whose only state is its output."""

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        if hx is not None and not _is_tensor(hx):
            raise TypeError(f"{self._get_name()}: hx should be a tensor, got {_said(hx)}; only an LSTM takes two")
        out, (last,) = self._run(input, None if hx is None else (hx,))
        return out, last


def _refuse(module: Module, unknown: dict[str, Any]) -> None:
    """Refuse keywords that the class does not take, one of them for a reason of its own."""
    if "proj_size" in unknown:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    for name in unknown:
        raise TypeError(f"{module._get_name()}.__init__() got an unexpected keyword argument {name!r}")


class GRU(_OneState):
    """Gated recurrent units: a sequence through ``num_layers`` layers.

    ``r, z = σ(W_ih x + b_ih + W_hh h + b_hh)``; ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``;
    ``h' = (1 - z) n + z h``. Shapes, ``dropout`` and results are as for `LSTM`, with one state ``h_0``. Cho et al.
    (2014), https://arxiv.org/abs/1406.1078. PyTorch: torch.nn.GRU.

    >>> net = rg.nn.GRU(10, 20, bidirectional=True, batch_first=True)
    >>> out, h = net(rg.ones(3, 5, 10))
    >>> out.shape, h.shape
    (regrad.Size([3, 5, 40]), regrad.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **unknown: Any,
    ) -> None:
        _refuse(self, unknown)
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
                         device, dtype)  # fmt: skip


class RNN(_OneState):
    """A plain recurrent network: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu, in ``num_layers`` layers.

    Shapes, ``dropout`` and results are as for `LSTM`, with one state ``h_0``. Raises ValueError for a ``nonlinearity``
    that is not "tanh" or "relu". Elman (1990), https://doi.org/10.1207/s15516709cog1402_1. PyTorch: torch.nn.RNN.

    >>> net = rg.nn.RNN(10, 20, nonlinearity="relu")
    >>> out, h = net(rg.ones(5, 10))
    >>> out.shape, h.shape
    (regrad.Size([5, 20]), regrad.Size([1, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **unknown: Any,
    ) -> None:
        _refuse(self, unknown)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, device, dtype)  # fmt: skip
        self.nonlinearity = nonlinearity


# -- cells


class RNNCellBase(Module):
    """What the cells have in common. PyTorch: torch.nn.RNNCellBase."""

    __constants__ = ["input_size", "hidden_size", "bias"]
    bias_ih: Any
    bias_hh: Any

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        wide = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((wide, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((wide, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(wide, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew from their starting distribution, uniform in ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, kind: str, input: Any, states: Any) -> list[Any]:
        """One step from ``states``, None where there are none; input and states may lack the dimension of the batch."""
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for k, state in enumerate(states):
            if state is not None and state.ndim not in (1, 2):
                which = f"hx[{k}]" if len(states) > 1 else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state.ndim}D instead")
        if input.array.dtype != self.weight_ih.array.dtype:
            raise RuntimeError(
                f"{name}: input and weights must have the same dtype, but got {input.dtype} and {self.weight_ih.dtype}."
                f" Convert input: input.to({self.weight_ih.dtype}), or convert model: model.to({input.dtype})"
            )
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
            states = [None if state is None else state.unsqueeze(0) for state in states]
        found = ops.cell(kind, input, states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return found if batched else [state.squeeze(0) for state in found]

    def extra_repr(self) -> str:
        parts = [str(self.input_size), str(self.hidden_size)]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`: (N, H_in) or (H_in) and the states ``(h, c)``, zeros if not given, to the new ``(h, c)``.

    PyTorch: torch.nn.LSTMCell.

    >>> cell = rg.nn.LSTMCell(10, 20)
    >>> h, c = cell(rg.ones(3, 10))
    >>> h, c = cell(rg.ones(3, 10), (h, c))
    >>> h.shape
    regrad.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        if hx is not None and (_is_tensor(hx) or len(hx) != 2):
            raise TypeError(f"LSTMCell: hx should be a tuple (h, c) of two tensors, got {_said(hx)}")
        h, c = self._step("lstm", input, (None, None) if hx is None else tuple(hx))
        return h, c


class GRUCell(RNNCellBase):
    """One step of a `GRU`: (N, H_in) or (H_in) and the state ``h``, zeros if not given, to the new ``h``.

    PyTorch: torch.nn.GRUCell.

    >>> rg.nn.GRUCell(10, 20)(rg.ones(3, 10)).shape
    regrad.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return _only(self, "gru", input, hx)


class RNNCell(RNNCellBase):
    """One step of an `RNN`: (N, H_in) or (H_in) and the state ``h``, zeros if not given, to the new ``h``.

    PyTorch: torch.nn.RNNCell.

    >>> rg.nn.RNNCell(10, 20, nonlinearity="relu")(rg.ones(10)).shape
    regrad.Size([20])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity}; it takes 'tanh' and 'relu'")
        return _only(self, f"rnn_{self.nonlinearity}", input, hx)


def _only(cell: RNNCellBase, kind: str, input: Any, hx: Any) -> Any:
    """The step of a cell with one state."""
    if hx is not None and not _is_tensor(hx):
        raise TypeError(f"{cell._get_name()}: hx should be a tensor, got {_said(hx)}")
    return cell._step(kind, input, (hx,))[0]
