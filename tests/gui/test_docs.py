from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from magicgui.widgets import Container

from napari_sam.gui.controls import Controls
from napari_sam.gui.keymap import KEYMAP
from napari_sam.gui.panels.tree import walk


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


def test_every_picture_exists_and_is_shown(page: str, repository: Path):
    pages = [repository / "README.md", *(repository / "docs").rglob("*.md")]
    link = re.compile(r"\]\((?:docs/)?images/([^)]+)\)")
    shown = {name for path in pages for name in link.findall(path.read_text(encoding="utf-8"))}
    pictures = {path.name: path.stat().st_size for path in (repository / "docs" / "images").iterdir()}
    assert shown == set(pictures)
    assert sum(pictures.values()) < 1_500_000


@pytest.mark.gui
def test_the_controls_table_names_every_control(page: str, qtbot: object):
    controls = Controls(lambda widget: [])
    unnamed = {"progress", "recovery_text", "keys_message", "model_picture"}
    shown = (one for one in walk(controls.layout()) if not isinstance(one, Container))
    names = {one.name.removesuffix("_section") for one in shown} - unnamed
    assert len(names) > 30
    assert {name for name in names if f"`{name}`" not in page and f"`{name}(" not in page} == set()
