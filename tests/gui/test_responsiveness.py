"""The benchmark of the window: it runs as a user would run it, and its arithmetic is right."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.responsiveness.main import _amounts, _parser
from benchmarks.responsiveness.options import TINY, Options
from benchmarks.responsiveness.pictures import dask_stack, large_objects, plane, small_objects, zarr_stack
from benchmarks.responsiveness.probe import Beats, Collections
from benchmarks.responsiveness.tables import markdown

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.gui
def test_it_runs_and_reports_every_phase(tmp_path: Path, qapp: Any) -> None:
    report, table = tmp_path / "report.json", tmp_path / "report.md"
    command = [sys.executable, "-m", "benchmarks.responsiveness", "--tiny", "--scenes", "loop", "stack"]
    done = subprocess.run(
        [*command, "--json", str(report), "--markdown", str(table)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    phases = found["loop"]["phases"]
    for phase in ("napari idle", "open the widget", "encode", "predict", "cycle candidates", "commit", "undo", "redo"):
        assert phases[phase]["beats"] > 0, phase
        assert 0 <= phases[phase]["max_ms"] <= phases[phase]["max_with_drawing_ms"] + 1, phase
    assert found["loop"]["clicks"]["small"]["clicks"] == TINY.clicks
    assert found["loop"]["clicks"]["small"]["to_layer_ms"]["p50"] > 0
    assert not found["stack"]["torch_was_imported"]
    assert found["stack"]["cold_dask_s"]["mask_on_screen"] > found["stack"]["cold_dask_s"]["image"] > 0
    assert table.read_text(encoding="utf-8") in done.stdout + "\n"


def test_options_on_the_command_line_win() -> None:
    assert _amounts(_parser().parse_args([])) == Options()
    assert _amounts(_parser().parse_args(["--tiny", "--clicks", "7"])).clicks == 7
    assert _amounts(_parser().parse_args(["--tiny"])) == TINY


def test_drawing_is_taken_off_the_pauses() -> None:
    beats = Beats()
    beats.add(0.100, 0.090, 0.05, "drawn")
    beats.add(0.070, 0.000, 0.07, "computed")
    beats.add(0.002, 0.000, 0.00, "nothing")
    summary = beats.summary()
    assert summary["max_ms"] == pytest.approx(70)
    assert summary["culprit"] == "computed"
    assert summary["cpu_in_max_ms"] == pytest.approx(70)
    assert summary["max_with_drawing_ms"] == pytest.approx(100)
    assert summary["over_50_ms"] == 1


def test_time_for_garbage_is_told_once() -> None:
    collections = Collections()
    try:
        gc.collect()
        assert collections.take() > 0
        assert collections.take() == 0
    finally:
        collections.close()
    assert collections._on_collection not in gc.callbacks


def test_lazy_stacks_hold_the_same_planes(tmp_path: Path) -> None:
    lazy, on_disk = dask_stack(9, 256), zarr_stack(tmp_path, 9, 256, around=4)
    assert lazy.shape == on_disk.shape == (9, 256, 256)
    assert np.array_equal(np.asarray(lazy[4]), plane(4, 256))
    assert np.array_equal(np.asarray(on_disk[4]), plane(4, 256))
    assert not np.asarray(on_disk[8]).any()


def test_objects_are_where_they_are_said_to_be() -> None:
    picture = plane(3, 512)
    positions = [*small_objects(3, 512), *large_objects(512)]
    assert len(positions) > 5
    assert all(picture[position] > 1500 for position in positions)
    assert picture.min() >= 300


def test_tables_need_only_the_scenes_that_ran() -> None:
    visits = [{"visited": z, "resident_mb": 100.0 + z, "embeddings_mb": 4.0} for z in (0, 10, 20)]
    text = markdown({"memory": {"side": 64, "budget_mb": 4, "visits": visits}}, TINY)
    assert "Growth per slice in the second half: 1024 KiB." in text
