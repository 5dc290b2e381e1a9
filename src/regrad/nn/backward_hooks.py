"""Hooks on the backward pass through a module.

The tensors that go into a hooked module pass through one node, and those that come out through another. The node behind
the outputs sees ``grad_output`` first; the node before the inputs sees ``grad_input`` last, and calls the hooks. Start
reading at `around`.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

from regrad.autograd.function import Function
from regrad.autograd.grad_mode import is_grad_enabled
from regrad.graph.value import Value

__all__ = ["Hooked", "around", "on_last_node"]


class Passing(Function):
    """Tensors as they are: a node to hang hooks on."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tensors

    @staticmethod
    def backward(_: Any, *grads: Any) -> Any:
        return grads


def around(module: Any, pre_hooks: list[Any], hooks: list[Any]) -> Hooked | None:
    """What stands around one call of ``module``, or None when there is no hook."""
    return Hooked(module, pre_hooks, hooks) if pre_hooks or hooks else None


class Hooked:
    """One call of a module, between a node that its inputs pass and one that its outputs pass."""

    def __init__(self, module: Any, pre_hooks: list[Any], hooks: list[Any]) -> None:
        self.module, self.pre_hooks, self.hooks = module, pre_hooks, hooks
        self.grad_outputs: list[Any] = []  # of the backward passes that are under way, the newest last
        self.entered = False
        self.n_inputs = self.n_outputs = 0
        self.input_places: list[int] = []
        self.output_places: list[int] = []

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those that need a gradient behind a node that calls the hooks."""
        self.n_inputs = len(args)
        if not self.hooks:
            return args
        passed, node, self.input_places = _pass(args)
        if node is not None:
            self.entered = True
            node.register_hook(self._left)
        return passed

    def outputs(self, result: Any) -> Any:
        """The result, its tensors behind a node that sees their gradients first."""
        several = isinstance(result, tuple)
        results = result if several else (result,)
        if not all(isinstance(r, Value) or r is None for r in results) and not several:
            return result
        self.n_outputs = len(results)
        passed, node, self.output_places = _pass(results)
        if node is None:
            return result
        node.register_prehook(self._entering)
        if not several:
            return passed[0]
        return type(result)(*passed) if hasattr(result, "_fields") else type(result)(passed)

    def _entering(self, grads: tuple[Any, ...]) -> Any:
        grad_output = self._spread(grads, self.output_places, self.n_outputs)
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_output)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                if len(changed) != self.n_outputs:
                    raise RuntimeError(
                        f"Backward pre hook returned an invalid number of grad_output, got {len(changed)}, but expected"
                        f" {self.n_outputs}"
                    )
                grad_output = changed
        self.grad_outputs[:] = [grad_output]
        if not self.entered and self.hooks:  # no input needs a gradient: this is all there will be
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no"
                f" inputs require gradients ({type(self.module).__name__}): grad_input is None.",
                stacklevel=2,
            )
            self._call((None,) * self.n_inputs, grad_output)
            self.grad_outputs.clear()
        return tuple(grad_output[i] for i in self.output_places)

    def _left(self, grads: tuple[Any, ...], _: Any) -> Any:
        grad_output = self.grad_outputs.pop() if self.grad_outputs else (None,) * self.n_outputs
        grad_input = self._spread(grads, self.input_places, self.n_inputs)
        changed = self._call(grad_input, grad_output)
        return tuple(changed[i] for i in self.input_places)

    def _call(self, grad_input: tuple[Any, ...], grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            changed = hook(self.module, grad_input, grad_output)
            if changed is None:
                continue
            if not self.entered:
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for"
                    " all gradients."
                )
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != self.n_inputs:
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected"
                    f" {self.n_inputs}"
                )
            grad_input = changed
        return grad_input

    @staticmethod
    def _spread(grads: tuple[Any, ...], places: list[int], count: int) -> tuple[Any, ...]:
        """Gradients of the tensors at their places among all arguments, None elsewhere."""
        spread = [None] * count
        for i, g in zip(places, grads):
            spread[i] = g
        return tuple(spread)


def _pass(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any, list[int]]:
    """The values with their tensors passed through one node, that node, and where the tensors stand."""
    places = [i for i, v in enumerate(values) if isinstance(v, Value)]
    if not is_grad_enabled() or not any(values[i].requires_grad for i in places):
        return values, None, places
    passed = Passing.apply(*[values[i] for i in places])
    node = next(t.grad_fn for t in passed if t.requires_grad)
    mixed = list(values)
    for i, t in zip(places, passed):
        mixed[i] = t
    return tuple(mixed), node, places


def on_last_node(module: Any, hooks: list[Any], result: Any) -> None:
    """The older kind of hook: it sees the gradients around the node that made the (first) output."""
    while not isinstance(result, Value):
        if not result:
            return
        result = next(v for v in result.values() if isinstance(v, Value)) if isinstance(result, dict) else result[0]
    node = result.grad_fn  # type: ignore[attr-defined]
    if node is not None:
        warnings.warn(
            "Using a non-full backward hook: it sees the gradients around the last operation of the forward only. Use"
            " register_full_backward_hook to get those of the module's inputs and outputs.",
            FutureWarning,
            stacklevel=4,
        )
        for hook in hooks:
            node.register_hook(functools.partial(hook, module))
