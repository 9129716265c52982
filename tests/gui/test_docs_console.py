"""The page "From the console" is run from top to bottom, in a real viewer, with the model that ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam.gui.commands import SegmentCommands

pytestmark = pytest.mark.gui
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(repository: Path) -> str:
    path = repository / "docs" / "console.md"
    if not path.is_file():
        pytest.skip("the documentation is not part of this tree")
    return path.read_text(encoding="utf-8")


def test_every_example_runs(
    page: str,
    make_napari_viewer: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    import napari
    from skimage.io import imread

    monkeypatch.setattr(napari, "Viewer", lambda: make_napari_viewer())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    printed = []
    for number, code in enumerate(FENCE.findall(page)):
        exec(compile(code, f"console.md, block {number}", "exec"), names)
        printed += [line for line in capsys.readouterr().out.splitlines() if not line.startswith("INFO")]
        if "for z in (8, 9, 10)" in code:
            objects = np.asarray(names["layers"]["objects"].data)
            assert [int(objects[z, 157, 148]) for z in (8, 9, 10)] == [1, 1, 1]
        if "widget.redo()" in code:
            assert set(np.unique(names["objects"].data)) == {0, 1}
            assert names["objects"].data[120, 270] == 1
    assert re.fullmatch(r"IoU 0\.\d+, candidate \d of 3", printed[0])
    assert printed[1:3] == ["2", "1"], "as the comments in the page say"
    for name in ("coins", "gravel"):
        assert np.any(imread(tmp_path / "results" / f"{name}_objects.tif") == 1)
    names["viewer"].layers.clear()


def test_the_page_names_every_command(page: str):
    commands = {name for name in vars(SegmentCommands) if not name.startswith("_")} - {"session"}
    assert {name for name in commands if f"`{name}(" not in page and f"`{name}`" not in page} == set()
