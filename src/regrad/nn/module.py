"""Module: parameters, buffers and submodules under one name, and what happens when it is called.

A module is a dictionary of parameters, one of buffers and one of submodules, which attribute access looks into. Its
`state_dict` names what they hold by dotted paths; `Module.load_state_dict` checks everything before it writes anything.
Start reading at `Module.__call__`; hooks on backward passes are in `regrad.nn.backward_hooks`.

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from regrad import dtypes
from regrad.autograd.grad_mode import no_grad
from regrad.graph.node import Handle
from regrad.graph.value import Value
from regrad.nn import backward_hooks
from regrad.nn.parameter import Buffer, Parameter, is_lazy
from regrad.ops import creation
from regrad.ops.conversion import MemoryFormat
from regrad.tensor import Tensor

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

T = TypeVar("T", bound="Module")
_Hooks = OrderedDict[int, Any]

# Hooks on every module.
_forward_pre: _Hooks = OrderedDict()
_forward: _Hooks = OrderedDict()
_forward_always: _Hooks = OrderedDict()
_forward_with_kwargs: _Hooks = OrderedDict()
_backward_pre: _Hooks = OrderedDict()
_backward: _Hooks = OrderedDict()
_backward_is_full: list[bool] = []  # which of the two kinds is registered now; they do not mix
_registration: dict[str, _Hooks] = {"parameter": OrderedDict(), "buffer": OrderedDict(), "module": OrderedDict()}


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `Module.load_state_dict` did not find, and what it had no use for."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


class Module:
    """A part of a network: parameters, buffers and submodules, and a ``forward`` that uses them.

    Derive from it, call ``super().__init__()`` first, assign parameters (`regrad.nn.Parameter`) and submodules to
    attributes, and define ``forward``. Calling the module runs ``forward`` and the hooks. PyTorch: torch.nn.Module.

    >>> class Scale(rg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = rg.nn.Parameter(rg.tensor(2.))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(rg.ones(2))
    tensor([2., 2.], grad_fn=<MulBackward0>)
    >>> dict(scale.state_dict())
    {'factor': tensor(2.)}
    """

    dump_patches = False
    _version = 1
    call_super_init = False
    training: bool
    _is_full_backward_hook: bool | None
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Any]
    _modules: dict[str, Module | None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            given = f"an unexpected keyword argument {next(iter(kwargs))!r}" if kwargs else f"{len(args) + 1} arguments"
            raise TypeError(f"{type(self).__name__}.__init__() takes no arguments of its own, but got {given}")
        # Straight into __dict__: __setattr__ would look for parameters in each.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input: Any) -> Any:
        """What the module computes: every subclass defines it."""
        ours = type(self).__module__.startswith("regrad.")
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function: '
            + ("it only holds modules, so call them one by one, or let an nn.Sequential do it" if ours
               else "define forward(self, ...) in the class, under this very name")
        )

    # -- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, and around it the hooks, if there are any."""
        if (
            self._forward_pre_hooks
            or self._forward_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _forward_pre
            or _forward
            or _backward
            or _backward_pre
        ):
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        result: Any = None
        try:
            for key, hook in [*_forward_pre.items(), *self._forward_pre_hooks.items()]:
                if key in self._forward_pre_hooks_with_kwargs:
                    changed = hook(self, args, kwargs)
                    if changed is not None:
                        if not (isinstance(changed, tuple) and len(changed) == 2):
                            raise RuntimeError(
                                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got"
                                f" {changed}."
                            )
                        args, kwargs = changed
                else:
                    changed = hook(self, args)
                    if changed is not None:
                        args = changed if isinstance(changed, tuple) else (changed,)
            hooked = backward_hooks.around(
                self,
                [*_backward_pre.values(), *self._backward_pre_hooks.values()],
                [*(_backward.values() if _backward_is_full != [False] else ()),
                 *(self._backward_hooks.values() if self._is_full_backward_hook is not False else ())],
            )
            if hooked is not None:
                args = hooked.inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook in [*_forward.items(), *self._forward_hooks.items()]:
                called.add(key)
                result = self._after_forward(key, hook, args, kwargs, result)
            if hooked is not None:
                result = hooked.outputs(result)
            loose = [*(_backward.values() if _backward_is_full == [False] else ()),
                     *(self._backward_hooks.values() if self._is_full_backward_hook is False else ())]
            if loose:
                backward_hooks.on_last_node(self, loose, result)
        except Exception:
            # Hooks that asked to be called always are called once, with what there is; their own failure is a warning.
            for key, hook in [*_forward.items(), *self._forward_hooks.items()]:
                always = key in self._forward_hooks_always_called or key in _forward_always
                if always and key not in called:
                    try:
                        result = self._after_forward(key, hook, args, kwargs, result)
                    except Exception as error:
                        warnings.warn(
                            f"module forward hook with ``always_call=True`` raised an exception that was silenced as"
                            f" another error was raised in forward: {error}",
                            stacklevel=3,
                        )
            raise
        return result

    def _after_forward(self, key: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
        if key in self._forward_hooks_with_kwargs or key in _forward_with_kwargs:
            changed = hook(self, args, kwargs, result)
        else:
            changed = hook(self, args, result)
        return result if changed is None else changed

    # -- attributes

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__
        if "_parameters" in known:  # spelled out, because every use of a parameter comes by here
            table: Any = known["_parameters"]
            if name in table:
                return table[name]
            table = known["_modules"]
            if name in table:
                return table[name]
            table = known["_buffers"]
            if name in table:
                return table[name]
        hint = (
            f"; {type(self).__name__}.__init__ must call super().__init__() first" if "_parameters" not in known
            else f", but a tensor has: call the module on one, as in {type(self).__name__}(...)(x), or take a parameter"
            if hasattr(Tensor, name) and not name.startswith("_")
            else ""
        )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        known = self.__dict__
        if isinstance(value, Parameter):
            self._ready(name, "parameters")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif name in known.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_kind(value)}' as parameter '{name}' (torch.nn.Parameter or None expected):"
                    f" wrap it as nn.Parameter(value), or write into the parameter with"
                    f" `with rg.no_grad(): module.{name}.copy_(value)`"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._ready(name, "module")
            self._forget(name, "_modules")
            self._add(name, value)
        elif isinstance(value, Buffer):
            self._ready(name, "buffers")
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in known.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_kind(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            for hook in _registration["module"].values():
                hook(self, name, None)
            known["_modules"][name] = None
        elif name in known.get("_buffers", ()):
            if value is not None and not isinstance(value, Value):
                raise TypeError(
                    f"cannot assign '{_kind(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None"
                    " expected)"
                )
            known["_buffers"][name] = self._announced("buffer", name, value)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(name for name in names if not name[0].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _ready(self, name: str, kind: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"cannot assign {kind} before Module.__init__() call: {type(self).__name__}.__init__ must call"
                f" super().__init__() before it sets self.{name}"
            )

    def _forget(self, name: str, keep: str) -> None:
        """Take ``name`` out of wherever it is registered, except from the table that will hold it."""
        known = self.__dict__
        known.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            if table != keep:
                known[table].pop(name, None)
        known["_non_persistent_buffers_set"].discard(name)

    # -- registering

    def _check_name(self, name: Any, table: str, kind: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(
                f"cannot assign {kind} before Module.__init__() call: {type(self).__name__}.__init__ must call"
                f" super().__init__() before it registers {name!r}"
            )
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_kind(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."; got {name!r}: dots separate the modules of a path')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def _announced(self, kind: str, name: str, value: Any) -> Any:
        """What is to be registered, after the hooks on every registration of its kind have had their say."""
        for hook in _registration[kind].values():
            changed = hook(self, name, value)
            value = value if changed is None else changed
        return value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None reserves the name."""
        self._check_name(name, "_parameters", "parameter")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_kind(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
                    ": wrap it as nn.Parameter(value)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly."
                    " To express a value as a function of another parameter, compute it in forward()."
                )
            param = self._announced("parameter", name, param)
            param.name = name  # errors call it by this; a parent prefixes its own name
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained.

        ``persistent=False`` leaves it out of the `state_dict`.
        """
        self._check_name(name, "_buffers", "buffer")
        if tensor is not None and not isinstance(tensor, Value):
            raise TypeError(
                f"cannot assign '{_kind(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = self._announced("buffer", name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name."""
        if module is not None and not isinstance(module, Module):
            raise _no_module(module)
        self._check_name(name, "_modules", "module")
        self._add(name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _add(self, name: str, module: Module | None) -> None:
        module = self._modules[name] = self._announced("module", name, module)
        if module is not None:
            for path, param in module.named_parameters():
                param.name = f"{name}.{path}"

    # -- finding

    def get_submodule(self, target: str) -> Module:
        """The submodule at a dotted path; the module itself for ``""``."""
        module: Any = self
        for name in target.split(".") if target else []:
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path, in place of the one there; ``strict`` demands that there is one."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        param = getattr(module, name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> Any:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return module._buffers[name]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Every module of the network with its dotted path, this one first; each once unless told otherwise."""
        memo = set() if memo is None else memo
        if self not in memo:
            if remove_duplicate:
                memo.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    path = f"{prefix}.{name}" if prefix else name
                    yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Every module of the network, this one first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names, each once."""
        memo = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, members: Callable[[Module], Any], prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        memo = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in members(module):
                if member is None or member in memo:
                    continue
                if remove_duplicate:
                    memo.add(member)
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its dotted path; a shared one once, under its first path."""
        yield from self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter, each once: what an optimizer takes.

        >>> [tuple(p.shape) for p in rg.nn.Linear(3, 2).parameters()]
        [(2, 3), (2,)]
        """
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Every buffer with its dotted path."""
        yield from self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """Every buffer, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # -- changing all of it

    def apply(self: T, fn: Callable[[Module], None]) -> T:
        """Call ``fn`` on every submodule, children first, and on this one: for initialisation, say."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: T, mode: bool = True) -> T:
        """Put the network into training mode: dropout drops, batch norm uses the batch's own statistics."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, not {_kind(mode)}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: T) -> T:
        """Put the network into evaluation mode: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: T, requires_grad: bool = True) -> T:
        """Ask, or no longer ask, for gradients of all parameters: False freezes the network."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for p in self.parameters():
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad = p.grad.detach() if p.grad.grad_fn is not None else p.grad.requires_grad_(False)
                    p.grad.zero_()

    def _apply(self: T, fn: Callable[[Any], Any], recurse: bool = True) -> T:
        """Replace the data of every parameter, gradient and buffer by what ``fn`` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            if is_lazy(param):
                param._dtype = fn(creation.empty(0, dtype=param.dtype)).dtype  # type: ignore[attr-defined]
                continue
            with no_grad():
                param.data = fn(param.detach())
                if param.grad is not None:
                    param.grad.data = fn(param.grad.detach())
        for name, buffer in self._buffers.items():
            if buffer is None:
                continue
            if is_lazy(buffer):
                buffer._dtype = fn(creation.empty(0, dtype=buffer.dtype)).dtype
            elif isinstance(buffer, Buffer):
                buffer.data = fn(buffer.detach())
            else:
                self._buffers[name] = fn(buffer)
        return self

    def to(self: T, *args: Any, **kwargs: Any) -> T:
        """Convert floating-point parameters and buffers: ``to(dtype)``, ``to(device, dtype)`` or ``to(tensor)``.

        The module itself is changed and returned. The device can only be the CPU.

        >>> rg.nn.Linear(2, 1).to(rg.float64).weight.dtype
        regrad.float64
        """
        device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
        kwargs.pop("non_blocking", None), kwargs.pop("memory_format", None)
        if kwargs:
            raise TypeError(f"Module.to() got an unexpected keyword argument {next(iter(kwargs))!r}")
        for a in args:
            if isinstance(a, Value):
                dtype = dtypes.of(a.array.dtype)
            elif isinstance(a, dtypes.dtype):
                dtype = a
            elif a is not None and not isinstance(a, (bool, MemoryFormat)):
                device = a
        creation.check_device(device)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}:"
                    " parameters need gradients; convert the data instead"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature: some modules might not work as expected when using complex"
                    " tensors as parameters or buffers.",
                    stacklevel=2,
                )
        return self._apply(
            lambda t: t.to(dtype) if dtype is not None and (t.is_floating_point() or t.is_complex()) else t
        )

    def float(self: T) -> T:
        """Convert floating-point parameters and buffers to float32."""
        return self._cast(dtypes.float32)

    def double(self: T) -> T:
        """Convert floating-point parameters and buffers to float64."""
        return self._cast(dtypes.float64)

    def half(self: T) -> T:
        """Convert floating-point parameters and buffers to float16."""
        return self._cast(dtypes.float16)

    def bfloat16(self: T) -> T:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._cast(dtypes.bfloat16)

    def _cast(self: T, dtype: Any) -> T:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def type(self: T, dst_type: Any) -> T:
        """Convert all parameters and buffers, whatever their dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self: T) -> T:
        """The module itself: it is on the CPU."""
        return self

    def cuda(self: T, device: Any = None) -> T:
        """Refused: Regrad computes on the CPU."""
        creation.check_device("cuda")
        return self

    def to_empty(self: T, *, device: Any, recurse: bool = True) -> T:
        """Give parameters and buffers fresh memory with undefined elements."""
        creation.check_device(device)
        return self._apply(creation.empty_like, recurse=recurse)

    def share_memory(self: T) -> T:
        """The module itself: worker threads share it anyway, and forked workers see a copy."""
        return self

    # -- state

    def get_extra_state(self) -> Any:
        """State besides parameters and buffers, for `state_dict`; to be defined together with `set_extra_state`."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called: define it in the subclass."
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called: define it in the subclass."
        )

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Put this module's own state, without its children's, into ``destination``."""
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + "_extra_state"] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted path; the tensors share the module's memory.

        `rg.save` writes it to a file; a copy of today's values is ``copy.deepcopy(module.state_dict())``.

        >>> list(rg.nn.Sequential(rg.nn.Linear(2, 1)).state_dict())
        ['0.weight', '0.bias']
        """
        if args:
            rest: tuple[Any, ...] = (destination, prefix, keep_vars)[len(args) :]
            destination, prefix, keep_vars = (*args, *rest)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, local)
            if getattr(hook, "_from_public_api", False):
                if changed is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif changed is not None:
                destination = changed
        return destination  # type: ignore[no-any-return]

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own state, without its children's, from ``state_dict``.

        Called by `load_state_dict`, it leaves the writing to that: into ``local_metadata["writes"]`` go functions to be
        called once all modules have agreed.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        writes: list[Callable[[], Any]] = []
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = {name: p for name, p in self._parameters.items() if p is not None}
        own.update(
            (name, b)
            for name, b in self._buffers.items()
            if b is not None and name not in self._non_persistent_buffers_set
        )
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            given: Any = state_dict[key]
            if not isinstance(given, Tensor):
                error_msgs.append(
                    f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from'
                    f" checkpoint but received {type(given)}"
                )
            elif is_lazy(tensor) or is_lazy(given):
                if is_lazy(tensor) and not is_lazy(given):
                    error_msgs.append(f'the parameter "{key}" has no shape yet and cannot take one from a state dict')
                elif not is_lazy(tensor):
                    error_msgs.append(
                        f'the checkpoint holds no values for "{key}": it was saved before its lazy module was called'
                    )
            elif tuple(given.shape) != tuple(tensor.shape) and not (
                tensor.ndim == 0 and tuple(given.shape) == (1,)  # as files from before 0-d tensors have it
            ):
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in"
                    f" current model is {tensor.shape}."
                )
            elif given.is_complex() and not tensor.is_complex():
                error_msgs.append(f'the checkpoint holds complex numbers for "{key}", which is real in the model')
            elif assign:
                writes.append(functools.partial(self._assign, name, given))
            else:
                writes.append(functools.partial(_copy, tensor, given))
        key = prefix + "_extra_state"
        if type(self).set_extra_state is not Module.set_extra_state:
            if key in state_dict:
                writes.append(functools.partial(self.set_extra_state, state_dict[key]))
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != prefix + "_extra_state":
                    name = key[len(prefix) :].split(".", 1)
                    if name[0] not in self._modules if len(name) > 1 else name[0] not in own:
                        unexpected_keys.append(key)
        if "writes" in local_metadata:
            local_metadata["writes"].extend(writes)
        else:
            for write in writes:
                write()

    def _assign(self, name: str, given: Any) -> None:
        """Take the tensor itself instead of its values."""
        table: Any = self._parameters if name in self._parameters else self._buffers
        now = table[name]
        if isinstance(now, Parameter):
            given = given if isinstance(given, Parameter) else Parameter(given, requires_grad=now.requires_grad)
            given.requires_grad_(now.requires_grad)
            given.name = now.name
        table[name] = given

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Copy parameters and buffers from a `state_dict`; with ``assign``, take its tensors themselves.

        Everything is checked first: when keys are missing or too many (``strict``) or a shape differs, a RuntimeError
        lists all of it and says what may be done, and nothing has been written. Returns the missing and the unexpected
        keys. PyTorch: torch.nn.Module.load_state_dict.

        >>> one, two = rg.nn.Linear(2, 1), rg.nn.Linear(2, 1)
        >>> one.load_state_dict(two.state_dict())
        <All keys matched successfully>
        >>> bool((one.weight == two.weight).all())
        True
        """
        if not isinstance(state_dict, Mapping):
            hint = (
                ": give its state_dict()" if hasattr(state_dict, "state_dict")
                else ": call it, state_dict()" if callable(state_dict)
                else ": a path is loaded first, rg.load(path)" if isinstance(state_dict, (str, PurePath))
                else ""
            )
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}{hint}.")
        metadata = getattr(state_dict, "_metadata", None)
        state = OrderedDict(state_dict)
        if metadata is not None:
            state._metadata = metadata  # type: ignore[attr-defined]
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        writes: list[Callable[[], Any]] = []
        afters: list[Module] = []

        def load(module: Module, local_state: Any, prefix: str) -> None:
            local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = True
            local["writes"] = writes
            module._load_from_state_dict(local_state, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    path = f"{prefix}{name}."
                    load(child, {k: v for k, v in local_state.items() if k.startswith(path)}, path)
            if module._load_state_dict_post_hooks:
                afters.append(module)

        load(self, state, "")
        result = _IncompatibleKeys(missing, unexpected)
        forgiving = strict and not errors and (missing or unexpected)
        if forgiving:  # hooks after loading may excuse keys, so they have their say before the verdict
            _run_load_hooks(afters, result)
        if strict:
            if unexpected:
                errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if errors:
            strange = any(hasattr(v, "__array__") and not isinstance(v, Value) for v in state.values())
            advice = _advice(set(missing), set(unexpected), set(state), set(self.state_dict()), strange)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors)
                + "\n  nothing has been changed."
                + (f"\n  what to do:    {advice}" if advice else "")
            )
        with no_grad():
            for write in writes:
                write()
        if not forgiving:
            _run_load_hooks(afters, result)
        return result

    # -- hooks

    def register_forward_pre_hook(self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call ``hook(module, args)`` before every forward; what it returns replaces the arguments."""
        marks = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return _hook(self._forward_pre_hooks, hook, prepend, *marks)

    def register_forward_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> Handle:
        """Call ``hook(module, args, output)`` after every forward; what it returns replaces the output.

        >>> layer = rg.nn.ReLU()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
        >>> layer(rg.tensor([-1., 1.]))
        tensor([1., 2.])
        >>> handle.remove()
        """
        marks = [self._forward_hooks_with_kwargs] * with_kwargs + [self._forward_hooks_always_called] * always_call
        return _hook(self._forward_hooks, hook, prepend, *marks)

    def register_full_backward_pre_hook(self, hook: Any, prepend: bool = False) -> Handle:
        """Call ``hook(module, grad_output)`` before the backward through this module; what it returns replaces them."""
        return _hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Any, prepend: bool = False) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` after the backward through this module."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED.format("a single Module"))
        self._is_full_backward_hook = True
        return _hook(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Any) -> Handle:
        """Call ``hook`` with the gradients around the last node of the output alone; prefer the full one."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED.format("a single Module"))
        self._is_full_backward_hook = False
        return _hook(self._backward_hooks, hook, False)

    def register_state_dict_pre_hook(self, hook: Any) -> Handle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict` reads the module."""
        return _hook(self._state_dict_pre_hooks, hook, False)

    def register_state_dict_post_hook(self, hook: Any) -> Handle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after the module has been read."""
        hook._from_public_api = True
        return _hook(self._state_dict_hooks, hook, False)

    def _register_state_dict_hook(self, hook: Any) -> Handle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError("Cannot register the same function as the state dict post hook twice")
        return _hook(self._state_dict_hooks, hook, False)

    def register_load_state_dict_pre_hook(self, hook: Any) -> Handle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)`` first."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Any, with_module: bool = False) -> Handle:
        return _hook(self._load_state_dict_pre_hooks, _WithModule(hook, self) if with_module else hook, False)

    def register_load_state_dict_post_hook(self, hook: Any) -> Handle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the lists of keys."""
        return _hook(self._load_state_dict_post_hooks, hook, False)

    # -- printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the brackets when the module prints."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


class _WithModule:
    """A loading hook that wants its module; weakly, since the module holds the hook."""

    def __init__(self, hook: Any, module: Any) -> None:
        self.hook, self.module = hook, weakref.ref(module)

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module(), *args)

    def __deepcopy__(self, memo: dict[int, Any]) -> _WithModule:
        module = self.module()
        return _WithModule(self.hook, memo.get(id(module), module))

    def __reduce__(self) -> Any:
        return _WithModule, (self.hook, self.module())


_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on {}. Please use only one of them: the full one."
)


def _kind(value: Any) -> str:
    """The type of a value, as PyTorch's messages name it."""
    if isinstance(value, Tensor):
        return "torch.FloatTensor" if value.dtype == dtypes.float32 else "torch.Tensor"
    return type(value).__name__


def _no_module(given: Any) -> TypeError:
    if isinstance(given, type):
        return TypeError(f"{given.__name__} is not a Module subclass: give an instance, {given.__name__}(...)")
    star = ": give the modules one by one, with a star, as in Sequential(*modules)"
    return TypeError(f"{_kind(given)} is not a Module subclass{star if isinstance(given, (list, tuple)) else ''}")


def _hook(hooks: _Hooks, hook: Any, prepend: bool, *marks: Any) -> Handle:
    """Register a hook among its kind, first if asked to, and in the tables that mark it."""
    handle = Handle(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    for mark in marks:
        mark[handle.id] = True
    return handle


def _run_load_hooks(modules: list[Module], result: _IncompatibleKeys) -> None:
    for module in modules:
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, result) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new"
                    " values; change the keys in place."
                )


def _copy(tensor: Any, given: Any) -> None:
    tensor.copy_(given.reshape(tensor.shape))


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _advice(missing: set[str], unexpected: set[str], given: set[str], own: set[str], strange: bool) -> str:
    """One sentence for the commonest reasons why names do not match."""
    if missing and unexpected:
        for key in sorted(unexpected):
            for end in sorted(missing):
                for long, short, say in ((key, end, "remove"), (end, key, "add")):
                    if not long.endswith("." + short):
                        continue
                    front = long[: len(long) - len(short)]
                    renamed = (
                        {k.removeprefix(front) for k in given} if say == "remove" else {front + k for k in given}
                    )
                    if renamed == own:
                        text = "k.removeprefix({0!r})" if say == "remove" else "{0!r} + k"
                        return (
                            f"every key has {'the prefix' if say == 'remove' else 'lost the prefix'} {front!r}: load"
                            f" {{{text.format(front)}: v for k, v in state.items()}}."
                        )
        if unexpected == {"state", "param_groups"}:
            return "this is the state of an optimizer: give it to optimizer.load_state_dict."
        values = [k for k in ("state_dict", "model", "model_state_dict", "state") if k in unexpected]
        if values:
            return f"this looks like a whole checkpoint: load its entry, checkpoint[{values[0]!r}]."
    if missing or unexpected:
        return "strict=False loads what matches and returns the rest; else build the model as it was when saved."
    if strange:
        return "convert arrays with rg.as_tensor: {k: rg.as_tensor(v) for k, v in state.items()}."
    return "build the model with the sizes that it had when the state was saved."


# -- hooks on every module


def register_module_forward_pre_hook(hook: Any) -> Handle:
    """Call ``hook(module, args)`` before every forward of every module."""
    return _hook(_forward_pre, hook, False)


def register_module_forward_hook(hook: Any, *, with_kwargs: bool = False, always_call: bool = False) -> Handle:
    """Call ``hook(module, args, output)`` after every forward of every module."""
    marks = [_forward_with_kwargs] * bool(with_kwargs) + [_forward_always] * bool(always_call)
    return _hook(_forward, hook, False, *marks)


def register_module_full_backward_pre_hook(hook: Any) -> Handle:
    """Call ``hook(module, grad_output)`` before the backward through every module."""
    return _hook(_backward_pre, hook, False)


def register_module_full_backward_hook(hook: Any) -> Handle:
    """Call ``hook(module, grad_input, grad_output)`` after the backward through every module."""
    return _everywhere_backward(hook, full=True)


def register_module_backward_hook(hook: Any) -> Handle:
    """Call ``hook`` with the gradients around the last node of every module's output; prefer the full one."""
    return _everywhere_backward(hook, full=False)


def _everywhere_backward(hook: Any, full: bool) -> Handle:
    if _backward and _backward_is_full != [full]:
        raise RuntimeError(_MIXED.format("all Modules at once"))
    _backward_is_full[:] = [full]
    return _hook(_backward, hook, False)


def register_module_parameter_registration_hook(hook: Any) -> Handle:
    """Call ``hook(module, name, parameter)`` whenever a parameter is registered; it may return another."""
    return _hook(_registration["parameter"], hook, False)


def register_module_buffer_registration_hook(hook: Any) -> Handle:
    """Call ``hook(module, name, buffer)`` whenever a buffer is registered; it may return another."""
    return _hook(_registration["buffer"], hook, False)


def register_module_module_registration_hook(hook: Any) -> Handle:
    """Call ``hook(module, name, submodule)`` whenever a submodule is registered; it may return another."""
    return _hook(_registration["module"], hook, False)
