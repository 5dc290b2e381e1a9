"""The base of all optimizers: parameter groups, state, saving and loading, hooks, and the step itself.

An optimizer of this package says what it keeps for a parameter (`Optimizer._fresh`) and by which rule a parameter
changes (`Optimizer._rule`); `Optimizer.step` does the rest. One of your own may do the same, or define `step`, as it
would in PyTorch. Start reading at `Optimizer.step`, then `regrad.optim.rules`.

PyTorch: https://docs.pytorch.org/docs/2.13/optim.html
"""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.autograd.grad_mode import enable_grad
from regrad.graph.modes import Switch
from regrad.graph.node import Handle, Leaf
from regrad.graph.provenance import trail
from regrad.graph.quiet import QUIET, quiet_reset, quiet_set
from regrad.graph.value import Value, wrap
from regrad.graph.versions import wrote
from regrad.ops.writing import check_writable
from regrad.optim.rules import Rule, record, run

__all__ = [
    "Optimizer",
    "Writing",
    "advance",
    "check_closure",
    "check_lr",
    "check_options",
    "counter",
    "full_like",
    "options_of",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
    "zeros_like",
]

Hooks = OrderedDict[int, Any]
_step_pre_hooks: Hooks = OrderedDict()
_step_post_hooks: Hooks = OrderedDict()


class _Required:
    """The default of an option that every parameter group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

# Options that came to PyTorch's optimizers over the years: a checkpoint from before has them not.
_YOUNG = {
    "amsgrad": False,
    "capturable": False,
    "centered": False,
    "decoupled_weight_decay": False,
    "differentiable": False,
    "foreach": None,
    "fused": None,
    "maximize": False,
    "momentum": 0,
    "nesterov": False,
}

# What is kept as one number, in a dtype of its own.
_COUNTERS = ("step", "mu_product", "eta", "mu")

_UNNAMED = "all optimizer param groups should be with/without names. cannot add param group {} names to the optimizer"
_TWICE = (
    "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see"
    " github.com/pytorch/pytorch/issues/40967 for more information. It would be changed twice a step: give each once"
)
_UNORDERED = (
    "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change"
    " between runs. Please use a list instead."
)


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> Handle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer; it may return new arguments."""
    return Handle(_step_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> Handle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return Handle(_step_post_hooks, hook)


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the hooks around it; a step that calls its parent's runs them once."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        if self._stepping or not (before or after or _step_pre_hooks or _step_post_hooks):
            return step(self, *args, **kwargs)
        self._stepping = True
        try:
            args = (self, *args)
            for hook in (*_step_pre_hooks.values(), *before.values()):
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                        )
                    args, kwargs = changed
            loss = step(*args, **kwargs)
            for hook in (*after.values(), *_step_post_hooks.values()):
                hook(self, args, kwargs)
            return loss
        finally:
            self._stepping = False

    return hooked


class Writing(Switch):
    """While parameters are being changed: nothing is recorded, unless it is asked for, and NumPy does not warn."""

    __slots__ = ("_token",)

    def __init__(self, record: bool = False) -> None:
        super().__init__(record=record)

    def __enter__(self) -> Any:
        self._token = quiet_set(QUIET)
        return super().__enter__()

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        quiet_reset(self._token)


class Optimizer:
    """Changes parameters by their gradients: the base class of all optimizers.

    ``params`` is an iterable of tensors, of ``(name, tensor)`` pairs as ``named_parameters()`` gives them, or of
    dictionaries, one a parameter group: ``{"params": [...], "lr": 0.1}``. A group has the options of ``defaults`` but
    for those it gives itself. ``param_groups`` is the list of groups, ``state`` what is kept for each parameter.

    These options most optimizers have. ``lr`` is a number or a tensor with one element; ``maximize`` climbs instead of
    descending; ``differentiable=True`` records the steps, so that one can differentiate through them (by ``lr``, say);
    ``foreach``, ``fused`` and ``capturable`` choose between implementations in PyTorch, of which there is one here.

    Mistakes are refused with PyTorch's errors, before anything has changed. PyTorch: torch.optim.Optimizer.

    >>> w = rg.tensor([1., 2.], requires_grad=True)
    >>> optimizer = rg.optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0., 0.], requires_grad=True)
    """

    _stepping = False  # inside a step whose hooks are running

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if defaults.get("fused"):
            if defaults.get("differentiable"):
                raise RuntimeError("`fused` does not support `differentiable`")
            if defaults.get("foreach"):
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        self.defaults = defaults
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._without_hooks()
        for group in _groups(params):
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.step)  # type: ignore[method-assign]

    def _without_hooks(self) -> None:
        self._optimizer_step_pre_hooks: Hooks = OrderedDict()
        self._optimizer_step_post_hooks: Hooks = OrderedDict()
        self._optimizer_state_dict_pre_hooks: Hooks = OrderedDict()
        self._optimizer_state_dict_post_hooks: Hooks = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: Hooks = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: Hooks = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._without_hooks()
        for group in self.param_groups:
            for name, value in _YOUNG.items():
                if name in self.defaults:
                    group.setdefault(name, value)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            options = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            text += f"\nParameter Group {number}\n{''.join(options)}"
        return f"{text})"

    # -- what an optimizer of this package defines

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        """What is kept for the parameter ``p`` before its first step."""
        return {}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        """This step's rule, and the names of the state it changes; ``first``: this is the parameter's first step.

        The options in ``group`` are Python numbers here, but for tensors that are to be differentiated.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say how a parameter changes: define its step(self, closure=None)"
        )

    def _apply(self, p: Any, state: dict[str, Any], group: dict[str, Any], first: bool) -> None:
        """Change ``p`` and its state in place, on their arrays."""
        rule, kept = self._rule(state, group, first)
        run(rule, p.array, p._grad.array, [state[name].array for name in kept], group.get("maximize", False))

    def _record(self, p: Any, state: dict[str, Any], group: dict[str, Any], first: bool) -> None:
        """Change ``p`` in place, with history, and give the state new tensors."""
        rule, kept = self._rule(state, group, first)
        new = record(rule, p, p._grad, [state[name] for name in kept], group.get("maximize", False))
        state.update(zip(kept, new))

    # -- the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        ``closure``, if given, computes the loss and its gradients anew before that; its result is returned.
        """
        loss = None
        if closure is not None:
            check_closure(closure, type(self).__name__)
            with enable_grad():
                loss = closure()
        differentiable = bool(self.defaults.get("differentiable", False))
        change = self._record if differentiable else self._apply
        with Writing(differentiable):
            todo = []
            for group in self.param_groups:
                options = options_of(group, differentiable)
                todo += [(p, options) for p in group["params"] if p._grad is not None]
            if differentiable and any(type(p._edge()) is Leaf for p, _ in todo):
                raise RuntimeError(
                    "a leaf Variable that requires grad is being used in an in-place operation: with"
                    " differentiable=True a step gives its parameters a history, which a leaf has no place for. Let"
                    f" {type(self).__name__} change copies, such as p.clone(), and set their .grad"
                )
            writer = self._writer([p for p, _ in todo])
            for p, options in todo:
                state = self.state.get(p, {})
                first = not state
                if first and (fresh := self._fresh(p, options)):
                    self.state[p] = state = fresh
                change(p, state, options, first)
                self._mark(p, {} if differentiable else state, writer)
        return loss

    def _writer(self, params: list[Any]) -> tuple[str, str, Any]:
        """Who is about to write to ``params``: this step, called by which function of the user's, from where.

        Parameters that may not be written to are refused here, before any has changed.
        """
        name = f"{type(self).__name__}.step"
        for p in params:
            check_writable(p, name)
        _, user, sites = trail()
        return name, user, sites

    def _mark(self, p: Any, state: dict[str, Any], writer: tuple[str, str, Any]) -> None:
        """Mark ``p`` and the tensors in ``state`` as written to, so that a graph that saved one of them notices."""
        wrote(p.array, writer[0], by=writer)
        for kept in state.values():
            if isinstance(kept, Value):
                wrote(kept.array, writer[0], by=writer)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or with ``set_to_none=False`` make them zero."""
        for group in self.param_groups:
            for p in group["params"]:
                g = p._grad
                if g is None:
                    continue
                if set_to_none:
                    p._grad = None
                    continue
                if g.grad_fn is not None:
                    g.detach_()
                else:
                    g.requires_grad_(False)
                g.zero_()

    # -- parameter groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, such as layers that are trained from now on.

        >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=0.1)
        >>> optimizer.add_param_group({"params": rg.zeros(2, requires_grad=True), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        if "params" not in param_group:
            raise KeyError("params: a parameter group is a dict such as {'params': [w, b], 'lr': 0.1}")
        members = param_group["params"]
        if isinstance(members, (set, frozenset)):
            raise TypeError(_UNORDERED)
        members = [members] if isinstance(members, Value) else list(members)
        names = [m[0] for m in members if isinstance(m, tuple)]
        params = [m[1] if isinstance(m, tuple) else m for m in members]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        named = bool(names) or "param_names" in param_group
        for p in params:
            self._check_param(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        if len(params) != len(set(params)):
            import warnings

            warnings.warn(_TWICE, stacklevel=3)
        known = {p for group in self.param_groups for p in group["params"]}
        if any(("param_names" in group) != named for group in self.param_groups):
            raise ValueError(_UNNAMED.format("with" if named else "without"))
        if not known.isdisjoint(params):
            raise ValueError(
                "some parameters appear in more than one parameter group: each belongs to one; leave those with options"
                " of their own out of the other groups"
            )
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    def _check_param(self, p: Any) -> None:
        if not isinstance(p, Value):
            hint = (
                ": give its parameters()" if hasattr(p, "parameters")
                else ": join several into one list, [*a.parameters(), *b.parameters()]" if isinstance(p, Iterable)
                else ""
            )
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}{hint}")
        if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):  # type: ignore[attr-defined]
            raise ValueError(
                "can't optimize a non-leaf Tensor: it was computed from others, so a step would not last. Optimize"
                " what it was computed from, or make it a leaf with .detach().requires_grad_()"
            )

    # -- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """What it takes to go on later: ``{"state": {number: ...}, "param_groups": [...]}``.

        Parameters appear as numbers, in the order of the groups. The tensors are those of the optimizer, not copies.

        >>> w = rg.ones(2, requires_grad=True)
        >>> rg.optim.SGD([w], lr=0.1, momentum=0.9).state_dict()["param_groups"][0]["params"]
        [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups, start = [], 0
        for group in self.param_groups:
            for number, p in enumerate(group["params"], start):
                numbers.setdefault(id(p), number)
            start += len(group["params"])
            packed = {name: value for name, value in group.items() if name != "params"}
            groups.append({**packed, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers[id(k)] if isinstance(k, Value) else k: kept for k, kept in self.state.items()}
        saved = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, saved)
            saved = saved if changed is None else changed
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, of an optimizer of the same kind over parameters of the same sizes.

        Everything is copied. What is kept for a parameter takes its dtype, but for counts; so a resumed run goes on bit
        for bit as it would have.
        """
        if not isinstance(state_dict, dict):
            raise TypeError(
                f"expected what state_dict() of an optimizer returned, a dict, but got {type(state_dict).__name__}"
            )
        saved = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, saved)
            saved = saved if changed is None else changed
        for key in ("param_groups", "state"):
            if key not in saved:
                raise KeyError(
                    f"{key}: missing from what is loaded, which has {sorted(map(str, saved))}; give what"
                    " optimizer.state_dict() returned"
                )
        groups = deepcopy(saved["param_groups"])
        owners = self._owners(groups)
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, kept in saved["state"].items():
            if key in owners:
                p, group = owners[key]
                state[p] = self._loaded(p, kept, group, key)
            else:
                state[key] = deepcopy(kept)
        for group, mine in zip(groups, self.param_groups):
            group["params"] = mine["params"]
            if "param_names" in mine:
                group.setdefault("param_names", mine["param_names"])
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _owners(self, groups: list[dict[str, Any]]) -> dict[Any, tuple[Any, dict[str, Any]]]:
        """Saved number -> (parameter, saved group); refuses groups that are not like this optimizer's."""
        if len(groups) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: it has"
                f" {len(groups)}, this optimizer {len(self.param_groups)}: make the optimizer as it was when saved"
            )
        owners = {}
        for number, (group, mine) in enumerate(zip(groups, self.param_groups)):
            if len(group["params"]) != len(mine["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group:"
                    f" group {number} has {len(group['params'])} parameters, this optimizer's {len(mine['params'])}; it"
                    " was saved for another model, or parameters were frozen or added since"
                )
            missing = [name for name in self.defaults if name not in group and name not in _YOUNG]
            if missing:
                raise ValueError(
                    f"loaded state dict is not one of {type(self).__name__}: its group {number} lacks"
                    f" {', '.join(missing)}"
                )
            owners.update({k: (p, group) for k, p in zip(group["params"], mine["params"])})
        return owners

    def _loaded(self, p: Any, kept: Any, group: dict[str, Any], number: Any) -> Any:
        """A copy of what was saved for the parameter ``p``; refuses other names and sizes than this optimizer's."""
        options = options_of({**self.defaults, **group}, False)
        expected = self._fresh(p, options)
        if expected:  # a checkpoint of old may have None for what was not there yet
            kept = {name: value for name, value in kept.items() if value is not None}
        if kept and not expected.keys() <= kept.keys():
            raise ValueError(
                f"loaded state dict is not one of {type(self).__name__}, which keeps {', '.join(expected)}: parameter"
                f" {number} has {', '.join(map(str, kept))}"
            )
        copied = _copied(p, kept, "", bool(options.get("capturable") or options.get("fused")))
        for name, want in expected.items() if kept else ():
            if not isinstance(copied[name], Value):  # checkpoints of old have a number
                copied[name] = wrap(np.array(copied[name], want.array.dtype))
            if copied[name].array.shape != want.array.shape:
                raise ValueError(
                    f"loaded state dict doesn't match the sizes of the parameters: {name!r} of parameter {number} has"
                    f" shape {copied[name].array.shape}, for this parameter it is {want.array.shape}"
                )
        return copied

    # -- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(optimizer, args, kwargs)`` before every step; it may return ``(new_args, new_kwargs)``."""
        return Handle(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(optimizer, args, kwargs)`` after every step.

        >>> w = rg.ones(1, requires_grad=True)
        >>> optimizer = rg.optim.SGD([w], lr=0.1)
        >>> handle = optimizer.register_step_post_hook(lambda *_: print("stepped"))
        >>> optimizer.step()
        stepped
        """
        return Handle(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer)`` before `state_dict`."""
        return _placed(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer, state_dict)`` after `state_dict`; what it returns takes the dictionary's place."""
        return _placed(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer, state_dict)`` before loading; what it returns is loaded instead."""
        return _placed(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer)`` after loading."""
        return _placed(self._optimizer_load_state_dict_post_hooks, hook, prepend)


Optimizer.step = _hooked(Optimizer.step)  # type: ignore[method-assign]


def _placed(hooks: Hooks, hook: Callable[..., Any], first: bool) -> Handle:
    handle = Handle(hooks, hook)
    if first:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _groups(params: Any) -> list[dict[str, Any]]:
    """What was given as parameters, as a list of groups."""
    if isinstance(params, Value):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, but got"
            f" {type(params).__name__}: put it in a list"
        )
    if isinstance(params, (set, frozenset)):
        raise TypeError(_UNORDERED)
    is_model = hasattr(params, "parameters")
    if is_model or isinstance(params, dict) or not isinstance(params, Iterable):
        hint = (
            "; give model.parameters()" if is_model or isinstance(params, dict)
            else "; call it, as in model.parameters()" if callable(params)
            else ""
        )
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, but got"
            f" {type(params).__name__}{hint}"
        )
    given = list(params)
    if not given:
        why = "it takes tensors that require grad, such as model.parameters()"
        if isinstance(params, Iterator):
            why = (
                "the iterator had nothing left. Was it read before? Then call model.parameters() anew. Or has the model"
                " no parameters? Modules in a plain list are not found: use nn.ModuleList"
            )
        raise ValueError(f"optimizer got an empty parameter list: {why}")
    return given if isinstance(given[0], dict) else [{"params": given}]


def options_of(group: dict[str, Any], differentiable: bool) -> dict[str, Any]:
    """The group's options: what is a tensor or a NumPy number as a Python number, or as a 0-d tensor."""

    def option(value: Any) -> Any:
        if isinstance(value, Value):
            return value.reshape(()) if differentiable else value.array.item()  # type: ignore[attr-defined]
        if isinstance(value, tuple):
            return tuple([option(v) for v in value])
        return value.item() if isinstance(value, np.generic) else value

    return {name: option(value) for name, value in group.items() if name != "params"}


def _copied(p: Any, kept: Any, name: Any, counts: bool) -> Any:
    """A copy of ``kept``, with tensors cast to the dtype of ``p``; ``counts``: steps are counted in float32."""
    if isinstance(kept, Value):
        array, dtype = kept.array, kept.array.dtype
        if name in _COUNTERS:
            dtype = np.dtype(np.float32) if counts and name == "step" else dtype
        elif p.array.dtype.kind in "fV":
            dtype = p.array.dtype
        return wrap(array.astype(dtype, order="K"))
    if isinstance(kept, dict):
        return {k: _copied(p, v, k, counts) for k, v in kept.items()}
    if isinstance(kept, (list, tuple)):
        return type(kept)([_copied(p, v, None, counts) for v in kept])
    return deepcopy(kept)


# -- for the optimizers of this package


def check_lr(lr: Any, refusal: str = "Invalid learning rate: {}") -> None:
    """Refuse a learning rate that is not a number, or a tensor with one element, of zero or more."""
    if isinstance(lr, Value) and lr.array.size != 1:
        raise ValueError("Tensor lr must be 1-element")
    try:
        fits = bool(lr >= 0)
    except TypeError:
        raise TypeError(f"lr should be a number, or a tensor with one element, but got {lr!r}") from None
    if not fits:
        raise ValueError(refusal.format(lr) + ", it is a number of 0 or more, such as 1e-3")


def check_options(lr: Any, betas: Any = (), **options: Any) -> None:
    """Refuse options below zero, and ``betas`` that are not in [0, 1), with PyTorch's words."""
    check_lr(lr)
    for name, value in options.items():
        if not value >= 0:
            raise ValueError(f"Invalid {'epsilon' if name == 'eps' else name} value: {value}, it is 0 or more")
    if isinstance(betas, (int, float)):
        raise TypeError(f"betas should be two numbers, such as (0.9, 0.999), but got {betas}")
    for index, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}, it is at least 0 and less than 1")


def check_closure(closure: Any, name: str) -> None:
    """Refuse what cannot be called, such as the loss itself."""
    if not callable(closure):
        raise TypeError(
            f"{name}.step(): '{type(closure).__name__}' object is not callable: it takes nothing, or a closure, a"
            " function that computes the loss anew; for a loss at hand call loss.backward() and then step()"
        )


def counter(value: float = 0.0, fused: Any = None) -> Any:
    """A 0-d tensor for a number that an optimizer keeps, float32 unless the default dtype is wider."""
    wide = dtypes.get_default_dtype() is dtypes.float64 and not fused
    return wrap(np.array(value, np.float64 if wide else np.float32))


def advance(state: dict[str, Any]) -> float:
    """Count a step; returns how many there have been."""
    step = state["step"].array
    step += 1
    return float(step)


def zeros_like(p: Any) -> Any:
    """Zeros of the shape, dtype and memory order of ``p``."""
    return wrap(np.zeros_like(p.array))


def full_like(p: Any, number: float) -> Any:
    """``number`` in the shape, dtype and memory order of ``p``; in both parts of complex elements."""
    return wrap(np.full_like(p.array, complex(number, number) if p.array.dtype.kind == "c" else number))
