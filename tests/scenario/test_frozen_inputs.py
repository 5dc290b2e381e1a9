"""Row C6 of docs/demands.md: what nobody will read is not saved, for every op that takes two tensors or more."""

from __future__ import annotations

import copy
import importlib
import pkgutil

import numpy as np
import pytest

import regrad as rg
from regrad.declare import OPS
from tests.laws import samples as families
from tests.laws.sample import Sample
from tests.scenario.looking import held


def frozen_cases() -> list[object]:
    found = []
    for module in pkgutil.iter_modules(families.__path__):
        table = importlib.import_module(f"{families.__name__}.{module.name}").SAMPLES
        for name, many in sorted(table.items()):
            for sample in many:
                if isinstance(sample, Sample) and name in OPS and OPS[name].rules:
                    floats = [
                        i for i, a in enumerate(sample.args) if isinstance(a, np.ndarray) and a.dtype == np.float64
                    ]
                    if len(floats) > 1 and not OPS[name].many:
                        found.append(pytest.param(OPS[name], sample, floats, id=name))
                        break
    return found


@pytest.mark.parametrize(("op", "sample", "floats"), frozen_cases())
def test_c6_freezing_inputs_saves_what_the_others_read_and_no_more(op, sample, floats) -> None:
    def recorded(live: list[int]) -> object:
        args = [
            rg.tensor(copy.copy(a), requires_grad=i in live) if isinstance(a, np.ndarray) else a
            for i, a in enumerate(sample.args)
        ]
        out = op.caller(*args, **sample.params)
        outs = out if isinstance(out, tuple) else (out,)
        return next((o for o in outs if o.requires_grad), None)

    ruled = [i for i in floats if op.args[i] in op.rules]
    whole = recorded(ruled)
    if whole is None:
        return
    readers = {r.slot: set(r.readers) for r in rg.graph.saved(whole)}
    for i in ruled:
        out = recorded([i])
        if out is None:
            continue
        records = rg.graph.saved(out)
        assert all(r.readers == (op.args[i],) for r in records), (op.name, records)
        assert {r.slot for r in records} <= {s for s, names in readers.items() if op.args[i] in names}
        assert held(out) <= held(whole)
