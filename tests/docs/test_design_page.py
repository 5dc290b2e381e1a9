"""The rooms that docs/design.md draws are the rooms that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_drawing_names_every_room():
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    drawing = re.search(r"^src/regrad/\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    drawn = {line.split()[0].rstrip("/") for line in drawing[1].splitlines()}
    there = {path.name for path in (ROOT / "src/regrad").iterdir()} - {"__pycache__", "py.typed"}
    assert there == drawn
