"""A translated page says what the page says: its programs are the same but for comments, its headings as many.

That the blocks of both run is tested with all others; only what could drift apart is compared here.
"""

import ast
import re
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TRANSLATED = sorted(DOCS.glob("*.??.md"))
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(page):
    """The fenced blocks of a page: programs as trees, so that comments and spaces do not count, others as words."""
    found = [(kind, textwrap.dedent(body)) for _, kind, body in FENCE.findall(page)]
    return [(kind, ast.dump(ast.parse(body)) if kind == "python" else body.split()) for kind, body in found]


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.name)
def test_a_translation_has_the_programs_and_the_headings_of_its_page(path):
    page = (DOCS / f"{path.name.split('.')[0]}.md").read_text(encoding="utf-8")
    translated = path.read_text(encoding="utf-8")
    assert blocks(page) == blocks(translated)
    outlines = [[len(line.split()[0]) for line in re.findall(r"^#+ .*|^\| ", FENCE.sub("", text), re.MULTILINE)]
                for text in (page, translated)]  # fmt: skip
    assert outlines[0] == outlines[1]


def test_there_are_translations():
    assert TRANSLATED
