"""Parametrizations: a parameter that is computed from others whenever it is read, such as one that stays orthogonal.

``register_parametrization(module, "weight", p)`` makes ``module.weight`` the result of ``p(original)``; the module
trains ``original``, which lives in ``module.parametrizations.weight``. The module becomes an instance of a class of its
own, derived from its class, in which the name is a property. Start reading at `register_parametrization`.

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.register_parametrization.html
"""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any

from regrad.autograd.grad_mode import no_grad
from regrad.graph.modes import mode
from regrad.graph.value import Value
from regrad.nn.containers import ModuleDict, ModuleList
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache: ContextVar[dict[Any, Any] | None] = ContextVar("regrad_parametrizations", default=None)


class cached(ContextDecorator):
    """Inside this context a parametrized tensor is computed once, when it is first read, and then remembered.

    Worth it where a forward pass reads it often, as in a loop over time steps. PyTorch: parametrize.cached.

    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(2, 2))
    >>> with rg.nn.utils.parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        now = _cache.get()
        self._tokens.append(_cache.set({} if now is None else now))

    def __exit__(self, *exc: object) -> None:
        _cache.reset(self._tokens.pop())


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in order, and what it is computed from: `register_parametrization` makes it.

    What it is computed from is ``original``; or ``original0``, ``original1``, ... if the ``right_inverse`` of the first
    parametrization gives several. PyTorch: parametrize.ParametrizationList.

    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(3, 2))
    >>> [name for name, _ in layer.parametrizations.weight.named_parameters()]
    ['original0', 'original1']
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not len(modules):
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        with no_grad():
            found = original
            for module in reversed(list(self)):
                found = _inverted(module, found)
        self.is_tensor = isinstance(found, Value)
        originals = [found] if self.is_tensor else found
        if not isinstance(originals, Sequence) or not all(isinstance(t, Value) for t in originals):
            what = [type(t).__name__ for t in originals] if isinstance(originals, Sequence) else type(found).__name__
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {what}"
            )
        self.ntensors = len(originals)
        if self.is_tensor:
            if found.dtype != dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {found.dtype}"
                )
            before = original.array
            _replace(original, found)  # the same parameter, which optimizers know
            _register(self, "original", original)
        else:
            for i, t in enumerate(originals):
                if isinstance(original, Parameter):
                    t = Parameter(t, original.requires_grad)
                _register(self, f"original{i}", t.requires_grad_(original.requires_grad))
        if not unsafe:
            try:
                _check_same("Registering a parametrization", "unparametrized", shape, dtype, self())
            except Exception:
                if self.is_tensor:
                    original.array = before
                raise

    def forward(self) -> Any:
        """The tensor, computed anew."""
        first, *rest = self
        x = first(*[getattr(self, name) for name in self._names()])
        for module in rest:
            x = module(x)
        return x

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set what the tensor is computed from so that it becomes ``value``, as far as the parametrizations allow."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse, so the tensor"
                        " cannot be assigned to; define it, or remove the parametrization first"
                    )
                value = module.right_inverse(value)
        values = [value] if self.is_tensor else value
        if self.is_tensor and not isinstance(value, Value):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
        if not isinstance(values, Sequence) or len(values) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got"
                f" {f'a sequence of length {len(values)}' if isinstance(values, Sequence) else type(value).__name__}."
            )
        pairs = [(name, getattr(self, name), t) for name, t in zip(self._names(), values, strict=True)]
        for name, original, t in pairs:
            if not isinstance(t, Value):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got {type(t).__name__} for {name}"
                )
            if t.dtype != original.dtype:  # type: ignore[attr-defined]
                raise ValueError(
                    f"The tensor returned by `right_inverse` has dtype {t.dtype} while `{name}` has dtype"  # type: ignore[attr-defined]
                    f" {original.dtype}"
                )
        for _, original, t in pairs:
            _replace(original, t)


def _inverted(module: Any, x: Any) -> Any:
    """``x`` through the ``right_inverse`` of a parametrization; ``x`` itself where there is none."""
    if hasattr(module, "right_inverse"):
        try:
            return module.right_inverse(x)
        except NotImplementedError:
            pass
    return x


def _replace(original: Any, found: Any) -> None:
    """Give the original, which stays the same object, new elements in memory of its own."""
    if found is not original:
        original.data = found.detach().clone()


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(doing: str, before: str, shape: Any, dtype: Any, found: Any) -> None:
    """Refuse a parametrized tensor that is not like the one it stands for."""
    if not isinstance(found, Value):
        raise ValueError(f"A parametrization must return a tensor. Got {type(found).__name__}.")
    for what, was, now in (("dtype", dtype, found.dtype), ("shape", shape, tuple(found.shape))):  # type: ignore[attr-defined]
        if was != now:
            raise ValueError(
                f"{doing} may not change the {what} of the tensor, unless the `unsafe` flag is enabled.\n"
                f"{before} {what}: {was}\nparametrized {what}: {now}"
            )


# -- a class of its own for the module


def _class_for(cls: type[Any], names: Sequence[str]) -> type[Any]:
    """A class derived from ``cls`` in which each name is a property that asks the parametrizations."""
    made = type(f"Parametrized{cls.__name__}", (cls,), {"__reduce_ex__": _reduce, "__module__": cls.__module__})
    for name in names:
        setattr(made, name, _property(name))
    return made


def _property(name: str) -> property:
    def read(self: Any) -> Any:
        computed, cache = self.parametrizations[name], _cache.get()
        if cache is None:
            return computed()
        key = computed, mode()  # what was computed without recording would be no use to backward
        if key not in cache:
            cache[key] = computed()
        return cache[key]

    def write(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _reduce(self: Any, protocol: Any) -> Any:
    """Copies and pickles are made from the class before parametrizations, and get a class of their own in turn."""
    cls: Any = type(self).__bases__[0]
    make, args, *state = cls.__reduce_ex__(self, 2)
    if make is not copyreg.__newobj__:  # type: ignore[attr-defined]
        return (make, args, *state)
    return (_rebuild, (cls, list(self.parametrizations), *args[1:]), *state)


def _rebuild(cls: type[Any], names: Sequence[str], *args: Any) -> Any:
    made = cls.__new__(cls, *args)
    made.__class__ = _class_for(cls, names)
    return made


# -- registering and removing


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Any:
    """Make a parameter or buffer of the module the result of a parametrization of what it was; returns the module.

    ``parametrization`` is a module whose ``forward`` takes the original tensor and gives one of the same shape and
    dtype (``unsafe=True`` allows another). With a method ``right_inverse``, the tensor can be assigned to; if that
    gives several tensors, ``forward`` takes as many. Further parametrizations apply to the result of those before.
    PyTorch: torch.nn.utils.parametrize.register_parametrization.

    >>> class Symmetric(rg.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    ...     def right_inverse(self, a):
    ...         return a.triu()
    >>> layer = rg.nn.utils.parametrize.register_parametrization(rg.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> layer.weight = rg.eye(3)
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    if not isinstance(parametrization, Module):
        raise TypeError(
            f"register_parametrization: the parametrization must be a Module, got {type(parametrization).__name__}:"
            " define a class with forward(self, x)"
        )
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_next(module, tensor_name, parametrization)
        chain = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        _attach(module, tensor_name, ParametrizationList([parametrization], getattr(module, tensor_name), unsafe))
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name"
            f" '{tensor_name}': give one of {[*module._parameters, *module._buffers]}"
        )
    return module


def _attach(module: Any, name: str, chain: ParametrizationList) -> None:
    """Put a list of parametrizations in the place of a tensor, or of the list that is there."""
    if not is_parametrized(module, name):
        if hasattr(module, name):
            delattr(module, name)
        if is_parametrized(module):
            setattr(type(module), name, _property(name))
        else:
            module.__class__ = _class_for(type(module), [name])
    chains = getattr(module, "parametrizations", None) or ModuleDict()
    chains[name] = chain
    module.parametrizations = chains  # assigned last, so that the originals learn their whole path


def _check_next(module: Any, name: str, parametrization: Any) -> None:
    """Refuse a further parametrization that, forth or back, does not give what it takes."""
    now = getattr(module, name)
    shape, dtype = tuple(now.shape), now.dtype
    found = parametrization(now)
    _check_same("Registering a parametrization", f"module.{name}", shape, dtype, found)
    back = _inverted(parametrization, found)
    if not isinstance(back, Value):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}")
    _check_same("parametrization.right_inverse", f"module.{name}", shape, dtype, back)


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Has the module a parametrization, of this tensor if one is named? PyTorch: parametrize.is_parametrized.

    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(2, 2))
    >>> [rg.nn.utils.parametrize.is_parametrized(layer, name) for name in ("weight", "bias")]
    [True, False]
    """
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a parametrized tensor an ordinary one again; returns the module.

    It keeps the value that the parametrizations gave it, or gets the original's with ``leave_parametrized=False``.
    PyTorch: torch.nn.utils.parametrize.remove_parametrizations.

    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(2, 2))
    >>> rg.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if chain.is_tensor:
        original = chain.original
        if leave_parametrized:
            with no_grad():
                _replace(original, getattr(module, tensor_name))
    elif leave_parametrized:
        found = getattr(module, tensor_name)
        original = found.detach()
        if isinstance(chain.original0, Parameter):
            original = Parameter(original, found.requires_grad)
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a"
            " sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Any) -> type[Any]:
    """The class that the module had before it was parametrized. PyTorch: parametrize.type_before_parametrizations.

    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(2, 2))
    >>> rg.nn.utils.parametrize.type_before_parametrizations(layer) is rg.nn.Linear
    True
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Any, to_module: Any, tensor_name: str | None = None) -> Any:
    """Give a module the parametrizations of another, and what they are computed from; both then share them.

    PyTorch: torch.nn.utils.parametrize.transfer_parametrizations_and_params.

    >>> one = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(2, 2))
    >>> two = rg.nn.utils.parametrize.transfer_parametrizations_and_params(one, rg.nn.Linear(2, 2))
    >>> bool((one.weight == two.weight).all())
    True
    """
    if is_parametrized(from_module):
        for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
            chain = from_module.parametrizations[name]
            twin = copy.copy(chain)  # of the lists alone: what is in them is shared
            for table in ("_modules", "_parameters", "_buffers"):
                setattr(twin, table, dict(getattr(chain, table)))
            _attach(to_module, name, twin)
    return to_module
