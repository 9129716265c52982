from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_sam.gui.controls import Controls
from napari_sam.gui.keymap import KEYMAP


@pytest.fixture
def page(repository: Path) -> str:
    path = repository / "docs" / "segment.md"
    if not path.is_file():
        pytest.skip("the documentation is not part of this tree")
    return path.read_text(encoding="utf-8")


def test_the_keys_table_is_the_table_in_the_code(page: str):
    rows = re.findall(r"^\| `(.)` \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(action.key, action.text) for action in KEYMAP]


def test_every_picture_exists(page: str, repository: Path):
    pictures = re.findall(r"\]\((images/[^)]+)\)", page)
    assert pictures
    assert [name for name in pictures if not (repository / "docs" / name).is_file()] == []


@pytest.mark.gui
def test_the_controls_table_names_every_control(page: str, qtbot: object):
    controls = Controls(lambda widget: [])
    names = {name for name, value in vars(controls).items() if hasattr(value, "native")} - {"progress", "keys"}
    assert {name for name in names if f"`{name}`" not in page} == set()
