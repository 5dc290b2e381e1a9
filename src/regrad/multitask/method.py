"""What all methods are made of: gradients of several losses in, gradients to step with out.

A method says how much each gradient counts (`Method._weigh`), knowing no more than their inner products and the losses'
values; `Method` does the rest. Start reading at `Method.backward`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from regrad.autograd import passes
from regrad.autograd.grad_mode import no_grad
from regrad.autograd.several import grad_each
from regrad.graph.node import Leaf
from regrad.graph.value import Value, edge_now, wrap
from regrad.multitask.gramian import combination, gramian_of
from regrad.ops.creation import as_tensor

__all__ = ["Method"]


class Method:
    """Combines the gradients of several losses over shared parameters: the base class of all methods.

    A method of your own defines ``_weigh(count, gramian, losses)``, which returns ``count`` numbers, one for each loss.
    ``gramian[i, j]`` is the inner product of the gradients ``i`` and ``j``, ``losses`` the values: float64 arrays, or
    None where they are not known. Three attributes of the class say what it is like:

    ``reads_gradients``  it needs ``gramian``; without, `backward` is a single pass
    ``reads_losses``     it needs ``losses``
    ``weighs_losses``    its numbers are weights of the losses, and count for private parameters too

    >>> class Loudest(rg.multitask.Method):
    ...     reads_gradients = True
    ...     def _weigh(self, count, gramian, losses):
    ...         return np.eye(count)[gramian.diagonal().argmax()]
    >>> Loudest()(rg.tensor([[1., 2.], [0., 3.]]))
    tensor([0., 3.])
    """

    reads_gradients = False
    reads_losses = False
    weighs_losses = False

    _options: tuple[str, ...] = ()  # what repr shows
    _state: tuple[str, ...] = ()  # attributes that go from step to step: None, a number or an array

    def backward(
        self, losses: Sequence[Any], shared: Iterable[Any], private: Iterable[Any] = (), *, over: Any = None
    ) -> Any:
        """Accumulate into ``.grad``, as every backward does: for ``shared`` the combination, for ``private`` their own.

        ``losses``   scalars, or one tensor of them
        ``shared``   the parameters that the losses compete for
        ``private``  parameters of the tasks' own, such as heads: they get the gradient of the sum of the losses, or of
                     their weighted sum where the method weighs losses (see ``weighs_losses``)
        ``over``     compare the gradients with respect to these tensors instead: the last shared layer, or the features
                     that the heads read. Each loss then runs that far alone, and one pass goes all the way for all

        Returns the weights, in float64. The graph is freed. For a parameter that it does not reach a loss has gradient
        zero; if no loss reaches it, its ``.grad`` is left as it is. A loss that has no graph, or that reaches nothing
        of what is compared, or whose gradient there is nan or infinite, is refused before any ``.grad`` has changed.
        """
        losses = self._losses(losses)
        shared, private = self._leaves(shared, "shared"), self._leaves(private, "private")
        if not shared:
            raise ValueError(f"{self._name}.backward: shared is empty; give the parameters that the losses share")
        if len({id(p) for p in (*shared, *private)}) < len(shared) + len(private):
            raise ValueError(f"{self._name}.backward: a parameter is given twice, in shared, in private or in both")
        compared = shared if over is None else self._tensors(over, "over")
        values = np.array([loss.array.item() for loss in losses])
        weighed, unweighed = ([*shared, *private], []) if self.weighs_losses else (shared, private)
        if not self.reads_gradients:
            weights = self._decide(None, values)
            if unweighed:
                passes.backward(losses, inputs=unweighed, retain_graph=True)
            _backward(losses, weights, weighed)
            return wrap(weights)
        along = private if over is None else unweighed  # heads' gradients come along
        rows = grad_each(losses, [*compared, *along], retain_graph=over is not None, allow_unused=True)
        theirs, rest = [row[: len(compared)] for row in rows], [row[len(compared) :] for row in rows]
        weights = self._decide(self._gramian(theirs, compared), values)
        if over is None:
            _accumulate(shared, combination(weights, theirs))
        else:
            _backward(losses, weights, weighed)
        _accumulate(along, combination(weights if self.weighs_losses else np.ones(len(rows)), rest))
        return wrap(weights)

    def weights(self, gramian: Any = None, losses: Any = None) -> Any:
        """How much each gradient counts, in float64, from their inner products and the losses' values.

        What the method does not read may be left out. If it has a state, this is a step.

        >>> rg.multitask.MGDA().weights(rg.tensor([[4., 0.], [0., 1.]]))
        tensor([0.2000, 0.8000], dtype=regrad.float64)
        """
        if gramian is not None:
            gramian = _numbers(gramian)
            square = gramian.ndim == 2 and gramian.shape[0] == gramian.shape[1]
            if not square or not np.allclose(gramian, gramian.T, rtol=1e-4, atol=0):
                raise ValueError(f"{self._name}.weights: a Gramian is a symmetric matrix; got shape {gramian.shape}")
        return wrap(self._decide(gramian, losses))

    def __call__(self, matrix: Any, losses: Any = None) -> Any:
        """The combination of the rows of ``matrix``, which are the gradients of the losses."""
        matrix = as_tensor(matrix)
        if matrix.ndim != 2 or not len(matrix) or not matrix.is_floating_point():
            raise ValueError(
                f"{self._name}: expected a matrix of floating-point numbers with a row for each loss, got shape"
                f" {list(matrix.shape)} of {matrix.dtype}"
            )
        rows = [(wrap(row),) for row in matrix.array]
        gramian = self._gramian(rows, [matrix]) if self.reads_gradients else None
        return combination(self._decide(gramian, losses, rows), rows)[0]

    def state_dict(self) -> dict[str, Any]:
        """What goes from step to step; empty for most methods."""
        state = {name: getattr(self, f"_{name}") for name in self._state}
        return {name: wrap(x.copy()) if isinstance(x, np.ndarray) else x for name, x in state.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where the one was whose `state_dict` this is."""
        if set(state_dict) != set(self._state):
            raise ValueError(
                f"{self._name}.load_state_dict: expected {sorted(self._state)}, got {sorted(state_dict)}; is it the"
                " state of another method?"
            )
        for name, x in state_dict.items():
            setattr(self, f"_{name}", np.array(x.array, np.float64) if isinstance(x, Value) else x)

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._options)})"

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        """A number for each loss."""
        raise NotImplementedError(f"{self._name}: a method defines _weigh(count, gramian, losses)")

    def _check_goes_on(self, count: int) -> None:
        """Refuse another number of losses than the state is of."""
        for was in (getattr(self, f"_{name}") for name in self._state):
            if isinstance(was, np.ndarray) and len(was) != count:
                raise ValueError(f"{self._name}: its state is that of {len(was)} losses, and now there are {count}")

    def _decide(self, gramian: Any, losses: Any, rows: Any = None) -> Any:
        """The weights, after all checks of what they are made from."""
        losses = None if losses is None else _numbers(losses)
        if self.reads_gradients and gramian is None:
            raise ValueError(f"{self._name} reads the gradients: give their Gramian")
        if self.reads_losses:
            if losses is None:
                raise ValueError(f"{self._name} reads the losses: give their values, losses=")
            if not np.isfinite(losses).all():
                bad = int(np.flatnonzero(~np.isfinite(losses))[0])
                raise RuntimeError(f"{self._name}: loss {bad} is {losses[bad]}; nothing has been changed")
        counts = [len(x) for x in (gramian, rows, losses) if x is not None]
        if not counts or not counts[0]:
            raise ValueError(f"{self._name}: there are no losses; give their values, or the Gramian of their gradients")
        if counts[0] != counts[-1]:
            raise ValueError(f"{self._name}: {counts[0]} gradients, but {counts[-1]} losses")
        return np.array(self._weigh(counts[0], gramian, losses), np.float64)

    # -- what backward is given

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _losses(self, losses: Any) -> list[Any]:
        if isinstance(losses, Value) and not losses.array.ndim:
            raise TypeError(f"{self._name}.backward: expected several losses, got one tensor without dimensions")
        listed = list(losses)
        if not listed:
            raise ValueError(f"{self._name}.backward: there are no losses")
        for k, loss in enumerate(listed):
            if not isinstance(loss, Value):
                raise TypeError(f"{self._name}.backward: loss {k} is no tensor but a {type(loss).__name__}")
            if loss.array.size != 1 or not loss.is_floating_point():  # type: ignore[attr-defined]
                raise RuntimeError(
                    f"{self._name}.backward: loss {k} has shape {list(loss.array.shape)} and dtype {loss.array.dtype};"
                    " a loss is one real number: reduce it, such as by .mean()"
                )
            if edge_now(loss) is None:
                raise RuntimeError(
                    f"{self._name}.backward: loss {k} has no graph: nothing it was computed from requires grad, or it"
                    " was computed under no_grad"
                )
        return listed

    def _tensors(self, tensors: Any, what: str) -> list[Any]:
        if hasattr(tensors, "parameters"):
            raise TypeError(f"{self._name}.backward: {what} is a module; give its .parameters()")
        listed = [tensors] if isinstance(tensors, Value) else list(tensors)
        for k, x in enumerate(listed):
            if not isinstance(x, Value) or edge_now(x) is None:
                got = "does not require grad" if isinstance(x, Value) else f"is a {type(x).__name__}"
                raise TypeError(f"{self._name}.backward: {what} must be tensors that require grad; number {k} {got}")
        return listed

    def _leaves(self, tensors: Any, what: str) -> list[Any]:
        listed = self._tensors(tensors, what)
        for k, x in enumerate(listed):
            if type(edge_now(x)) is not Leaf:
                raise ValueError(
                    f"{self._name}.backward: {what} must be parameters, and number {k} was computed; to compare"
                    " gradients there, give it as over="
                )
        return listed

    def _gramian(self, rows: Any, tensors: list[Any]) -> Any:
        """Inner products of the gradients, which must be there and finite."""
        for k, row in enumerate(rows):
            if all(g is None for g in row):
                raise RuntimeError(
                    f"{self._name}: loss {k} reaches none of the tensors whose gradients are compared; leave it out and"
                    " call backward on it by itself. Nothing has been changed"
                )
        gramian = gramian_of(rows)
        squares = gramian.diagonal()
        if not np.isfinite(squares).all():
            k = int(np.flatnonzero(~np.isfinite(squares))[0])
            bad = [t for t, g in zip(tensors, rows[k]) if g is not None and not np.isfinite(g.array).all()]
            named = f" for {bad[0].name!r}" if bad and bad[0].name else ""
            what = "holds nan or inf" if bad else "is too large: its square overflows float64"
            raise RuntimeError(f"{self._name}: the gradient of loss {k}{named} {what}; nothing has been changed")
        return gramian


def _numbers(values: Any) -> Any:
    return np.array(values.array if isinstance(values, Value) else values, np.float64)


def _backward(losses: list[Any], weights: Any, parameters: list[Any]) -> None:
    """One pass from all losses, which frees the graph."""
    cotangents = [wrap(np.full_like(loss.array, w)) for loss, w in zip(losses, weights)]
    passes.backward(losses, cotangents, inputs=parameters, release="graph")


def _accumulate(parameters: list[Any], gradients: list[Any]) -> None:
    with no_grad():
        for p, g in zip(parameters, gradients):
            if g is not None:
                p.grad = g if p.grad is None else p.grad.add_(g)
                for hook in list((p.edge.watch or {}).values()):
                    hook(p)
