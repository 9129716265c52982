from __future__ import annotations

from pathlib import Path

import pytest
from magicgui.widgets import Container

from napari_sam.gui.automatic.controls import Controls
from napari_sam.gui.automatic.parameters import job_parameters
from napari_sam.gui.panels.tree import walk

pytestmark = pytest.mark.gui


def test_the_page_names_every_control(repository: Path, qtbot: object):
    path = repository / "docs" / "automatic.md"
    if not path.is_file():
        pytest.skip("the documentation is not part of this tree")
    page = path.read_text(encoding="utf-8")
    controls = Controls(lambda widget: [], lambda widget: [("point grid", "point grid")])
    parameters = {one.name for _, one in job_parameters()} - {"model"}
    told = {"status", "progress", "note", "summary", "filter_message", "job_hint", "objects", "advanced", "job"}
    shown = {one.name for one in walk(controls.layout()) if not isinstance(one, Container)}
    assert parameters <= shown
    named = {name for name in shown - parameters - told if not name.endswith("_heading")}
    assert len(named) > 14
    assert {name for name in named if f"`{name}`" not in page and f"`{name}(" not in page} == set()
