"""What a page shows as the output of a program is what the program prints.

A program is a Python block whose first line names a file (``# train.py``); its output is the ``text`` block below
it. The two are compared word by word, so that a page may fold long lines.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
STORY = re.compile(r"^```python\n(# (\w+\.py)\n.*?)^```\n+```text\n(.*?)^```", re.DOTALL | re.MULTILINE)
STORIES = [
    pytest.param(*story.groups(), id=f"{page.name}:{story[2]}")
    for page in PAGES
    for story in STORY.finditer(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("program", "name", "output"), STORIES)
def test_a_program_prints_what_the_page_shows(program, name, output, tmp_path):
    (tmp_path / name).write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, name], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert output.split() == done.stdout.replace(f"{tmp_path.resolve()}{os.sep}", "").split()


def test_every_text_block_stands_below_its_program():
    shown = sum(page.read_text(encoding="utf-8").count("\n```text\n") for page in PAGES)
    assert len(STORIES) == shown > 0
