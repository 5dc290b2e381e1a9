"""What happens when an op runs: recording, inference, saved-value policies, anomaly checks, forward levels.

One immutable `Mode` per combination, held in a context variable: a thread starts with recording on, a task or
`contextvars.copy_context()` carries its maker's mode along. The per-op path compares the mode with the two common
ones (`RECORD`, `SILENT`) and takes the general path for every other. Start reading at `Mode`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

__all__ = ["MODE", "RECORD", "SILENT", "Mode", "Switch", "mode"]


class Mode:
    """One combination of switches.

    ``record``: grow the graph; ``inference``: results are barred from graphs; ``policy``: the stack of saved-value
    policies; ``anomaly``: None, or whether nan is checked; ``dual``: numbers of the forward-mode levels entered;
    ``batch``: the innermost vmap level; ``watch``: observers of the nodes (`allow_mutation_on_saved_tensors`).
    """

    __slots__ = ("anomaly", "batch", "dual", "inference", "policy", "record", "watch")

    def __init__(
        self,
        record: bool = True,
        inference: bool = False,
        policy: tuple[Any, ...] = (),
        anomaly: bool | None = None,
        dual: tuple[int, ...] = (),
        batch: Any = None,
        watch: tuple[Any, ...] = (),
    ) -> None:
        self.record, self.inference, self.policy = record, inference, policy
        self.anomaly, self.dual, self.batch, self.watch = anomaly, dual, batch, watch

    def but(self, **changes: Any) -> Mode:
        """This mode with some fields changed; the two common modes are always the same objects."""
        fields = {
            "record": self.record,
            "inference": self.inference,
            "policy": self.policy,
            "anomaly": self.anomaly,
            "dual": self.dual,
            "batch": self.batch,
            "watch": self.watch,
        }
        fields.update(changes)
        if not (fields["inference"] or fields["policy"] or fields["dual"] or fields["watch"]) and (
            fields["anomaly"] is None and fields["batch"] is None
        ):
            return RECORD if fields["record"] else SILENT
        return Mode(**fields)


RECORD = Mode()
SILENT = Mode(record=False)
MODE: ContextVar[Mode] = ContextVar("regrad_mode", default=RECORD)
mode = MODE.get


class Switch:
    """A context that changes some fields of the mode and restores the mode that was, whatever happens."""

    __slots__ = ("_was", "changes")

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self._was: list[Mode] = []  # a list: the same object may be entered again inside itself

    def __enter__(self) -> Any:
        was = mode()
        self._was.append(was)
        MODE.set(was.but(**self.changes))
        return self

    def __exit__(self, *exc: object) -> None:
        MODE.set(self._was.pop())
