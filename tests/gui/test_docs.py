from __future__ import annotations

import re
import subprocess
import sys
import subprocess
import sys
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


def test_the_keys_table_is_the_table_in_the_code(page: str, repository: Path):
    script = repository / "scripts" / "write_keys_table.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert all(f"`{action.key}`" in page for action in KEYMAP if action.key)


def test_every_picture_exists(page: str, repository: Path):
    pictures = re.findall(r"\]\((images/[^)]+)\)", page)
    assert pictures
    assert [name for name in pictures if not (repository / "docs" / name).is_file()] == []


@pytest.mark.gui
def test_the_controls_table_names_every_control(page: str, qtbot: object):
    controls = Controls(lambda widget: [])
    names = {name for name, value in vars(controls).items() if hasattr(value, "native")} - {"progress", "keys"}
    assert {name for name in names if f"`{name}`" not in page} == set()
