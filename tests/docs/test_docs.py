"""Every example a reader can see is run: in docstrings, in the README and in docs/.

Start reading at the tests, at the end. An example that no test reaches, or that asks to be skipped, fails.
"""

import ast
import doctest
import importlib
import io
import pkgutil
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import regrad

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```python\b[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
PARSER = doctest.DocTestParser()


def refuse(name):
    """Called by ``walk_packages`` while it handles an import error, which it would otherwise swallow."""
    raise


MODULES = ["regrad", *(
    module.name
    for module in pkgutil.walk_packages(regrad.__path__, "regrad.", onerror=refuse)
    if not module.name.endswith(".__main__")  # a program, not a page
)]


class Finder(doctest.DocTestFinder):
    def _from_module(self, module, object):
        # An op's caller is built in declare.py; only __module__ says in which file its docstring stands.
        return getattr(object, "__module__", None) == module.__name__ or super()._from_module(module, object)


def found(module):
    """The examples of a module as tests, one a docstring."""
    names = {"regrad": regrad, "rg": regrad, "np": np}
    return [test for test in Finder().find(module, globs=names) if test.examples]


def written(path):
    """How many examples stand in the docstrings of a file."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    docstrings = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, documented)]
    return sum(len(PARSER.get_examples(text)) for text in docstrings)


def blocks(page):
    """The fenced Python of a page: the line before each block, and its text."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start(2)), textwrap.dedent(m[2])) for m in FENCE.finditer(text)]


def run(test):
    skipped = [example.lineno for example in test.examples if example.options.get(doctest.SKIP)]
    assert not skipped, f"{test.name} asks to skip an example"
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(test, out=report.write, clear_globs=False).failed == 0, report.getvalue()


@pytest.mark.parametrize("name", MODULES)
def test_every_docstring_example_prints_what_it_says(name):
    module = importlib.import_module(name)
    tests = found(module)
    reached = sum(len(test.examples) for test in tests)
    assert reached >= written(Path(module.__file__)), f"{name}: only {reached} of its examples can be reached"
    for test in tests:
        run(test)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a block may write a file
    names = {"__name__": "__main__"}  # shared by the blocks of a page, as by a reader who types along
    for line, text in blocks(page):
        if ">>>" in text:
            test = PARSER.get_doctest(text, {}, page.name, str(page), line)
            test.globs = names
            run(test)
        else:
            # The empty lines give each statement the number it has on the page.
            exec(compile("\n" * line + text, page, "exec"), names)


def test_there_are_examples_to_run():
    assert sum(len(test.examples) for name in MODULES for test in found(importlib.import_module(name))) > 0
    assert sum(len(blocks(page)) for page in PAGES) > 0
