"""Pruning: some elements of a parameter stay zero.

The parameter goes on as ``weight_orig``, the mask is the buffer ``weight_mask``, and a hook multiplies the two before
every forward. A parameter can be pruned again: what is zero stays zero. Start reading at `BasePruningMethod.apply`.

PyTorch: https://docs.pytorch.org/docs/stable/nn.html#utilities, torch.nn.utils.prune.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from regrad.autograd.grad_mode import no_grad
from regrad.errors import DimError
from regrad.graph.value import wrap
from regrad.ops.creation import ones_like
from regrad.ops.joining import cat
from regrad.ops.random import numpy_generator

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """A way to choose what is pruned: derive from it, set ``PRUNING_TYPE`` and define `compute_mask`.

    ``PRUNING_TYPE`` says what `compute_mask` is given of a tensor that has been pruned before: "unstructured", the
    elements left; "structured", the channels left along ``self.dim``; "global", all.
    """

    PRUNING_TYPE = "unstructured"
    _tensor_name: Any = None

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask for a tensor of scores: ``default_mask``, with zeros where more is to be pruned."""

    def __call__(self, module: Any, inputs: Any) -> None:
        """Compute the pruned tensor anew: the hook before forward."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module: Any) -> Any:
        """The original parameter times the mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(original.dtype) * original

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune the parameter ``name``, by its ``importance_scores`` if given; the other arguments make the method."""
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        tensor = getattr(module, name)
        scores = _scores(importance_scores, tensor, f"parameter {name} of {module}")
        key, before = _hook_on(module, name)
        if before is None:
            mask = method.compute_mask(scores, default_mask=ones_like(tensor))
        else:
            mask = _further(method, scores, getattr(module, name + "_mask").detach().clone())
        # Up to here nothing has changed.
        if before is None:
            del module._parameters[name]
            module.register_parameter(name + "_orig", tensor)
        else:
            del module._forward_pre_hooks[key]
            container = before if isinstance(before, PruningContainer) else PruningContainer(before)
            container.add_pruning_method(method)
            method = container
        module.register_buffer(name + "_mask", mask)
        method(module, ())
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """``t`` with the mask that this method computes for it."""
        scores = _scores(importance_scores, t, "tensor t")
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Any) -> None:
        """Make the pruned tensor an ordinary parameter again: the zeros stay, but may now be trained."""
        name = self._tensor_name
        with no_grad():
            pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        parameter = module._parameters.pop(name + "_orig")
        del module._buffers[name + "_mask"]
        parameter.data = pruned
        setattr(module, name, parameter)


def _scores(given: Any, tensor: Any, of: str) -> Any:
    if given is None:
        return tensor
    if given.shape != tensor.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {of}, got {list(given.shape)} vs {list(tensor.shape)}"
        )
    return given


def _hook_on(module: Any, name: str) -> tuple[Any, Any]:
    """(Key, pruning method) of the hook on this parameter, or two None."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


def _further(method: Any, t: Any, mask: Any) -> Any:
    """``mask``, with more zeros where the method finds some in what is left of ``t``."""
    if method.PRUNING_TYPE == "unstructured":
        left: Any = np.nonzero(mask.array)
    elif method.PRUNING_TYPE == "structured":
        if not hasattr(method, "dim"):
            raise AttributeError(
                f'{type(method).__name__}: a method of PRUNING_TYPE "structured" needs the attribute `dim` defined.'
            )
        dim = _dim(t, method.dim)
        channels = np.nonzero(mask.array.any(axis=tuple(d for d in range(t.ndim) if d != dim)))[0]
        left = (*[slice(None)] * dim, channels)
    elif method.PRUNING_TYPE == "global":
        left = (slice(None),) * t.ndim
    else:
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    out = mask.to(t.dtype, copy=True)
    with no_grad():
        out[left] = method.compute_mask(t[left], default_mask=mask[left]).to(t.dtype)
    return out


class PruningContainer(BasePruningMethod):
    """Several pruning methods, applied to the same parameter one after the other."""

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add a method for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer"
                f" {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask so far, with what the latest method adds."""
        return _further(self._pruning_methods[-1], t, default_mask)


class Identity(BasePruningMethod):
    """Prunes nothing, but sets up the mask."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask as it is."""
        return default_mask


class _ByAmount(BasePruningMethod):
    """A method that prunes a number of elements or channels: an absolute number, or a fraction between 0.0 and 1.0."""

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, (int, float, np.integer, np.floating)):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if not (amount >= 0 if isinstance(amount, (int, np.integer)) else 0 <= amount <= 1):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer:"
                " the share of the elements to prune, or their number"
            )
        self.amount = amount

    def count(self, size: int) -> int:
        """How many of ``size`` are to be pruned."""
        if not isinstance(self.amount, (int, np.integer)):
            return round(float(self.amount) * size)
        if self.amount > size:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of parameters to prune={size}"
            )
        return int(self.amount)


class _Elements(_ByAmount):
    """A method that prunes single elements: those of the lowest rank."""

    def rank(self, t: Any) -> Any:
        """Numbers to sort the elements by."""
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask with zeros at the elements of the lowest rank."""
        pruned = np.argsort(self.rank(t.array).reshape(-1), kind="stable")[: self.count(t.numel())]
        out = default_mask.array.copy(order="C")
        out.reshape(-1)[pruned] = 0
        return wrap(out)


class RandomUnstructured(_Elements):
    """Prunes elements at random."""

    def rank(self, t: Any) -> Any:
        """Random numbers."""
        return numpy_generator().random(t.shape)


class L1Unstructured(_Elements):
    """Prunes the elements that are smallest in absolute value."""

    def rank(self, t: Any) -> Any:
        """Absolute values."""
        return np.abs(t)


class _Channels(_ByAmount):
    """A method that prunes whole slices along a dimension: those of the lowest rank."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def rank(self, t: Any, dim: int) -> Any:
        """Numbers to sort the slices along ``dim`` by."""
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask with zeros at the slices of the lowest rank."""
        if t.ndim < 2:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape"
                f" {list(t.shape)} with {t.ndim} dims"
            )
        dim = _dim(t, self.dim)
        pruned = np.argsort(self.rank(t, dim), kind="stable")[: self.count(t.shape[dim])]
        out = default_mask.array.copy(order="C")
        out[(*[slice(None)] * dim, pruned)] = 0
        return wrap(out)


class RandomStructured(_Channels):
    """Prunes slices at random."""

    def rank(self, t: Any, dim: int) -> Any:
        """Random numbers."""
        return numpy_generator().random(t.shape[dim])


class LnStructured(_Channels):
    """Prunes the slices of the smallest norm ``n``."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def rank(self, t: Any, dim: int) -> Any:
        """Norms."""
        return t.detach().norm(p=self.n, dim=[d for d in range(t.ndim) if d != dim]).array


class CustomFromMask(BasePruningMethod):
    """Prunes what is zero in a mask."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Both masks together."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"the mask has shape {list(self.mask.shape)}, but the parameter {list(default_mask.shape)}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def _dim(t: Any, dim: int) -> int:
    if not -t.ndim <= dim < t.ndim:
        raise DimError(f"Invalid index {dim} for tensor of size {list(t.shape)}")
    return dim % t.ndim  # type: ignore[no-any-return]


def identity(module: Any, name: str) -> Any:
    """Set up pruning of a parameter without pruning anything; returns the module. PyTorch: prune.identity.

    >>> layer = rg.nn.utils.prune.identity(rg.nn.Linear(2, 3), "bias")
    >>> layer.bias_mask
    tensor([1., 1., 1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune elements at random: ``amount`` of them, or that fraction; returns the module.

    PyTorch: prune.random_unstructured.

    >>> layer = rg.nn.utils.prune.random_unstructured(rg.nn.Linear(2, 3), "weight", amount=4)
    >>> int((layer.weight == 0).sum())
    4
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the elements of smallest absolute value (or score); returns the module. PyTorch: prune.l1_unstructured.

    >>> layer = rg.nn.utils.prune.l1_unstructured(rg.nn.Linear(2, 3), "weight", amount=0.5)
    >>> sorted(layer.state_dict())
    ['bias', 'weight_mask', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune whole slices along ``dim`` at random; returns the module. PyTorch: prune.random_structured.

    >>> layer = rg.nn.utils.prune.random_structured(rg.nn.Linear(2, 3), "weight", amount=1, dim=0)
    >>> int((layer.weight == 0).all(1).sum())
    1
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Any:
    """Prune the slices along ``dim`` of the smallest norm ``n``; returns the module. PyTorch: prune.ln_structured.

    >>> layer = rg.nn.utils.prune.ln_structured(rg.nn.Linear(2, 3), "weight", amount=1, n=2, dim=0)
    >>> int((layer.weight == 0).all(1).sum())
    1
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune what is zero in ``mask``; returns the module. PyTorch: prune.custom_from_mask.

    >>> layer = rg.nn.utils.prune.custom_from_mask(rg.nn.Linear(2, 3), "bias", rg.tensor([0., 1., 0.]))
    >>> (layer.bias == 0).tolist()
    [True, False, True]
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any) -> None:
    """Prune elements of several parameters as if they were one tensor.

    ``parameters``         pairs (module, name)
    ``pruning_method``     an unstructured method, made with ``kwargs``
    ``importance_scores``  a dictionary from such pairs to tensors

    PyTorch: prune.global_unstructured.

    >>> net = rg.nn.Sequential(rg.nn.Linear(2, 2), rg.nn.Linear(2, 2))
    >>> prune = rg.nn.utils.prune
    >>> prune.global_unstructured([(m, "weight") for m in net], prune.L1Unstructured, amount=5)
    >>> sum(int((m.weight == 0).sum()) for m in net)
    5
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    given = {} if importance_scores is None else importance_scores
    if not isinstance(given, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method'
            f" {pruning_method} of type {method.PRUNING_TYPE}"
        )
    tensors = [getattr(module, name) for module, name in pairs]
    scores = [_scores(given.get(pair), t, f"parameter {pair[1]}") for pair, t in zip(pairs, tensors, strict=True)]
    masks: list[Any] = [
        ones_like(t) if _hook_on(*pair)[1] is None else getattr(pair[0], pair[1] + "_mask")
        for pair, t in zip(pairs, tensors, strict=True)
    ]
    together = _further(method, *(cat([t.detach().reshape(-1) for t in many]) for many in (scores, masks)))
    parts = together.split([t.numel() for t in tensors])
    for (module, name), t, part in zip(pairs, tensors, parts, strict=True):
        custom_from_mask(module, name, part.reshape(t.shape))


def remove(module: Any, name: str) -> Any:
    """Make a pruned parameter an ordinary one again, with its zeros; returns the module. PyTorch: prune.remove.

    >>> prune = rg.nn.utils.prune
    >>> layer = prune.remove(prune.l1_unstructured(rg.nn.Linear(2, 3), "weight", amount=4), "weight")
    >>> int((layer.weight == 0).sum()), sorted(layer.state_dict())
    (4, ['bias', 'weight'])
    """
    key, method = _hook_on(module, name)
    if method is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Any) -> bool:
    """Is any parameter of the module or its submodules pruned? PyTorch: prune.is_pruned.

    >>> rg.nn.utils.prune.is_pruned(rg.nn.Linear(2, 3))
    False
    """
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in m._forward_pre_hooks.values())
