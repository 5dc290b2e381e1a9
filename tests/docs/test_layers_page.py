"""The tables in docs/layers.md say what there is, and why the rest of PyTorch's names are not here."""

import runpy
from pathlib import Path

import pytest

MAKER = Path(__file__).parents[2] / "docs" / "make_layers.py"


@pytest.fixture(name="made", scope="module")
def _made():
    return runpy.run_path(str(MAKER))


def test_the_page_of_layers_is_up_to_date(made):
    assert made["page"]() == made["PAGE"].read_text(encoding="utf-8"), "run `python docs/make_layers.py`"


def test_everything_here_says_what_it_does(made):
    silent = [
        f"{module}.{name}"
        for module in made["MODULES"]
        for name in made["NAMES"][module]
        if (value := made["ours"](f"{module}.{name}")) is not None and not made["sentence"](value)
    ]
    assert [] == silent


def test_a_name_that_is_absent_without_a_reason_is_refused(made, monkeypatch):
    monkeypatch.setitem(made["NAMES"]["torch.nn"], "Telepathy", None)
    with pytest.raises(KeyError, match=r"no reason for .*torch.nn.Telepathy"):
        made["absent"]()


def test_a_reason_for_a_name_that_is_here_is_refused(made, monkeypatch):
    monkeypatch.setitem(made["ABSENT"], "too good", {"torch.nn": "Linear"})
    with pytest.raises(KeyError, match=r"no need of one, for .*torch.nn.Linear"):
        made["absent"]()
