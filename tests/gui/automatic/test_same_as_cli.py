"""The exported job gives the same labels, bit by bit, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_sam.cli.main import app
from napari_sam.gui.automatic.automatic_widget import AutomaticWidget

pytestmark = pytest.mark.gui


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small stack on disk: bright spots on noise."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices((90, 110))
    planes = []
    for z in range(3):
        plane = rng.normal(300, 40, (90, 110))
        for y, x in ((20, 25 + z), (55, 60), (70 - z, 90), (30, 85)):
            plane += 1800 * (((rows - y) / 9) ** 2 + ((columns - x) / 12) ** 2 < 1)
        planes.append(plane)
    path = tmp_path / "spots.tif"
    tifffile.imwrite(
        path, np.stack(planes).clip(0, 65535).astype(np.uint16), photometric="minisblack", metadata={"axes": "ZYX"}
    )
    return path


def command_line(file: Path, job: Path, out: Path, *more: str) -> np.ndarray[Any, Any]:
    done = CliRunner().invoke(app, ["auto", str(file), "-o", str(out), "--job", str(job), "--progress", "none", *more])
    assert done.exit_code == 0, done.output
    return np.asarray(tifffile.imread(out))


def test_widget_and_command_line_agree(make_napari_viewer: Any, file: Path, checkpoint: Path, tmp_path: Path):
    viewer = make_napari_viewer()
    (image,) = viewer.open(str(file), plugin="napari")
    image.contrast_limits = (120.5, 2400)
    widget = AutomaticWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Automatic")
    # Weights that never learned anything: no mask is good, and the logits are shallow.
    values = {
        "pred_iou_thresh": 0.0,
        "stability_score_thresh": 0.5,
        "stability_score_offset": 0.002,
        "min_visible": 0.0,
    }
    widget.use_job(widget.job.with_values({**values, "box_nms_thresh": 1.0, "background_fraction": 1.0}))
    for name, value in {"checkpoint": checkpoint, "points_per_side": 6, "scope": "this stack", "link": "z"}.items():
        widget[name].value = value
    assert str(file) in widget["job_hint"].value
    widget.run()
    assert widget.wait(120), widget["status"].value
    job = widget.export_job(tmp_path / "stack.toml")
    mine = np.asarray(widget.result_layer.data)
    assert len(widget.features) > 2
    theirs = command_line(file, job, tmp_path / "stack.tif")
    assert theirs.dtype == mine.dtype
    np.testing.assert_array_equal(mine, theirs)

    viewer.layers.remove(widget.result_layer)
    viewer.dims.set_current_step(0, 1)
    widget["scope"].value = "this plane"
    widget["link"].value = "none"
    widget.run()
    assert widget.wait(120), widget["status"].value
    before = np.asarray(widget.result_layer.data).copy()
    widget["stability_score_thresh"].value = 0.97
    widget["min_area"].value = 30
    assert widget.wait(20)
    assert "--planes 1:2" in widget["job_hint"].value
    job = widget.export_job(tmp_path / "plane.toml")
    mine = np.asarray(widget.result_layer.data)[1]
    assert mine.any()
    assert (mine != before[1]).any(), "the thresholds that were moved afterwards count"
    theirs = command_line(file, job, tmp_path / "plane.tif", "--planes", "1:2")
    np.testing.assert_array_equal(mine, theirs.reshape(-1, *mine.shape)[theirs.reshape(-1, *mine.shape).any((1, 2))][0])
