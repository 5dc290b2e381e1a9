"""Checkpointing: save nothing inside a region, and run its forward again when backward needs what it would have saved.

`checkpoint` packs every value that the region saves into an empty `_Holder`. The first holder that a pass unpacks makes
the `_Region` run again (random state restored, no history needed) and collect the same values in the same order. The
other variant, ``use_reentrant=True``, is one custom function around the region. Start reading at `_Region`.

PyTorch: https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from regrad.autograd import Function, backward
from regrad.graph import engine, versions
from regrad.graph.modes import MODE, Switch, mode
from regrad.graph.node import leaf_for, tick
from regrad.graph.slots import Packed
from regrad.graph.value import Value, wrap
from regrad.ops import random
from regrad.tensor import Tensor

__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]


class CheckpointError(RuntimeError):
    """The recomputed forward differs from the original one."""


class _Holder:
    """Stands for one value that was not saved."""

    __slots__ = ("__weakref__", "index", "region", "spec")

    def __init__(self, region: _Region, index: int, spec: tuple[Any, ...]) -> None:
        self.region, self.index, self.spec = region, index, spec


class _Enough(Exception):  # noqa: N818 - no error: it ends a recomputation early
    """Everything that is still needed has been recomputed."""


_early_stop = True
_debug: bool | None = None


class set_checkpoint_early_stop:
    """Should a recomputation stop as soon as it has all values (the default)? Holds inside the context."""

    def __init__(self, enable: bool) -> None:
        self.enable = enable

    def __enter__(self) -> None:
        global _early_stop
        self._was, _early_stop = _early_stop, self.enable

    def __exit__(self, *exc: object) -> None:
        global _early_stop
        _early_stop = self._was


class set_checkpoint_debug_enabled:
    """Should errors list both forwards' saved values? Holds inside the context; None leaves it to each call."""

    def __init__(self, enabled: bool | None) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        global _debug
        self._was, _debug = _debug, self.enabled

    def __exit__(self, *exc: object) -> None:
        global _debug
        _debug = self._was


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


class _Region:
    """A checkpointed call: what is needed to run it again."""

    def __init__(
        self,
        fn: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        keep_rng: bool,
        context: Any,
        check: bool,
        early: bool,
        debug: bool,
    ) -> None:
        self.fn, self.context, self.check, self.early, self.debug = fn, context, check, early, debug
        self.rng = random.get_rng_state() if keep_rng else None
        self.seq = tick()
        policy = mode().policy[-1] if mode().policy else None
        self.args = [self._kept(a, policy) for a in args]
        self.kwargs = {k: self._kept(v, policy) for k, v in kwargs.items()}
        self.holders: list[Any] = []  # weak references, in the order of saving
        self.found: dict[int, dict[int, Any]] = {}  # pass -> index -> value
        self.lock = threading.RLock()

    @staticmethod
    def _kept(a: Any, policy: Any) -> Any:
        """An argument, kept without its history; in an outer checkpoint, kept as that one keeps values."""
        if not isinstance(a, Value):
            return a
        needs = bool(a.requires_grad)  # type: ignore[attr-defined]
        if policy is not None:
            return _Argument(Packed(policy[0](wrap(a.array)), policy[1]), needs)
        return _Argument(a.array, needs)

    def pack(self, value: Any) -> _Holder:
        """Keep nothing of a saved value but its place and form."""
        holder = _Holder(self, len(self.holders), (value.array.shape, value.array.dtype))
        self.holders.append(weakref.ref(holder))
        return holder

    def unpack(self, holder: _Holder) -> Any:
        """The value for which the holder stands, recomputed with all others if this pass has not done so yet."""
        with self.lock:
            key = engine.current_pass()
            values = self.found.get(key)
            if values is None or holder.index not in values:
                self.found = {key: self._recompute()}
                values = self.found[key]
            if holder.index not in values:
                raise self._differs(
                    f"the recomputed forward saved {len(values)} values where the original saved"
                    f" {len(self.holders)}"
                )
            value = values[holder.index] if key == 0 else values.pop(holder.index)
            if not values:
                self.found.pop(key, None)
            return value

    def _recompute(self) -> dict[int, Any]:
        wanted = max((k for k, ref in enumerate(self.holders) if ref() is not None), default=-1)
        values: dict[int, Any] = {}
        count = 0

        def collect(value: Any) -> Any:
            nonlocal count
            index, count = count, count + 1
            if index < len(self.holders):
                holder = self.holders[index]()
                if holder is not None:
                    if self.check and holder.spec != (value.array.shape, value.array.dtype):
                        raise self._differs(
                            f"saved value {index} had shape {holder.spec[0]} and dtype {holder.spec[1]}, and"
                            f" now has {value.array.shape} and {value.array.dtype}"
                        )
                    values[index] = wrap(value.array)
            if self.early and _early_stop and index == wanted:
                raise _Enough
            return value.array

        args = [a.value(self.seq) if isinstance(a, _Argument) else a for a in self.args]
        kwargs = {k: a.value(self.seq) if isinstance(a, _Argument) else a for k, a in self.kwargs.items()}
        state = random.get_rng_state() if self.rng is not None else None
        token = MODE.set(mode().but(record=True, policy=((collect, wrap),), dual=()))
        try:
            if self.rng is not None:
                random.set_rng_state(self.rng)
            with contextlib.suppress(_Enough), self.context:
                self.fn(*args, **kwargs)
        finally:
            MODE.reset(token)
            if state is not None:
                random.set_rng_state(state)
        if self.check and not (self.early and _early_stop) and count != len(self.holders):
            raise self._differs(
                f"the recomputed forward saved {count} values where the original saved {len(self.holders)}"
            )
        return values

    def _differs(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"torch.utils.checkpoint: the recomputation of {getattr(self.fn, '__qualname__', self.fn)!r}"
            " differs from its forward (A different number of tensors was saved during the original forward"
            f" and recomputation, or they have different metadata): {what}. It must compute the same thing"
            " twice: let it read no global that changes, and keep random draws inside with"
            " preserve_rng_state=True."
        )


class _Argument:
    """A tensor argument: its array (or what an outer policy made of it) and whether it needs a gradient."""

    __slots__ = ("entry", "needs")

    def __init__(self, entry: Any, needs: bool) -> None:
        self.entry, self.needs = entry, needs

    def value(self, since: int) -> Any:
        """The argument as a fresh tensor; raises if it was written to since the forward."""
        array = self.entry.unpack().array if isinstance(self.entry, Packed) else self.entry
        past = None if isinstance(self.entry, Packed) else versions.history(array)
        if past is not None and past.last[-1].seq > since:
            raise CheckpointError(
                "torch.utils.checkpoint: an argument of the checkpointed function has been modified by an"
                " inplace operation after the forward, so that it cannot be recomputed; clone it before the"
                " call."
            )
        out = wrap(array)
        if self.needs:
            leaf_for(out)
        return out


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Run ``function(*args, **kwargs)`` saving only its arguments; backward runs it again for the rest.

    Trades time (one more forward of the region for each pass) for memory. ``use_reentrant=True`` takes PyTorch's older
    variant, which works only with ``backward()`` and needs a tensor argument that requires grad. PyTorch:
    torch.utils.checkpoint.checkpoint.

    >>> from regrad.utils.checkpoint import checkpoint
    >>> x = rg.tensor([1., 2.], requires_grad=True)
    >>> checkpoint(lambda t: (t * t).exp().sum(), x).backward()
    >>> x.grad
    tensor([  5.4366, 218.3926])
    """
    if use_reentrant:
        if kwargs:
            raise ValueError(
                "Unexpected keyword arguments: "
                + ", ".join(kwargs)
                + "; checkpoint(use_reentrant=True) takes none"
            )
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return _Reentrant.apply(function, preserve_rng_state, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be 'default' or 'none' but got {determinism_check!r}")
    if not mode().record:
        return function(*args, **kwargs)
    forward_context, recompute_context = context_fn()
    region = _Region(
        function,
        args,
        kwargs,
        preserve_rng_state,
        recompute_context,
        determinism_check == "default",
        early_stop,
        debug,
    )
    state = mode()
    token = MODE.set(state.but(policy=(*state.policy, (region.pack, region.unpack))))
    try:
        with forward_context:
            return function(*args, **kwargs)
    finally:
        MODE.reset(token)


class _Reentrant(Function):
    """The older variant: the region's forward without recording, its backward by a pass of its own."""

    @staticmethod
    def forward(ctx: Any, run: Any, keep_rng: bool, *args: Any) -> Any:
        ctx.run, ctx.keep_rng = run, keep_rng
        ctx.state = random.get_rng_state().array if keep_rng else None
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Value)]
        ctx.rest = [None if isinstance(a, Value) else a for a in args]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        return run(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if engine.pass_is_partial():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an"
                " `inputs` parameter to .backward(). To resolve this error, you can either set"
                " use_reentrant=False, or call .backward() without passing the `inputs` argument."
            )
        args = list(ctx.rest)
        for i, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = wrap(t.array)
            if ctx.needs_input_grad[i + 2]:
                leaf_for(args[i])
        now = random.get_rng_state() if ctx.keep_rng else None
        try:
            if ctx.keep_rng:
                random.set_rng_state(wrap(ctx.state))
            with Switch(record=True):
                out = ctx.run(*args)
        finally:
            if now is not None:
                random.set_rng_state(now)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        pairs = [(o, g) for o, g in zip(outs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        with Switch(record=True):
            backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[a._grad if isinstance(a, Value) else None for a in args])


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run a chain of functions in ``segments`` parts, each but the last one checkpointed.

    PyTorch: torch.utils.checkpoint.checkpoint_sequential.
    """
    keep = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ", ".join(kwargs))
    chain = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if segments < 1:
        raise ValueError(f"checkpoint_sequential: segments must be at least 1, got {segments}")

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for f in chain[start:end]:
                x = f(x)
            return x

        return run

    size = len(chain) // segments
    end = 0
    for start in _starts(size, segments):
        end = start + size
        input = checkpoint(part(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=keep)
    return part(end, len(chain))(input)


def _starts(size: int, segments: int) -> Iterator[int]:
    return iter(range(0, size * (segments - 1), size)) if size else iter(())
