"""``napari-sam auto``, as a script would call it, on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from typer.testing import CliRunner, Result

from napari_sam.automatic.job import AutomaticJob, ModelConfig
from napari_sam.automatic.models import predictor_for
from napari_sam.automatic.refine import refine_labels
from napari_sam.automatic.stack import segment_stack
from napari_sam.batch.jobfile import read_job
from napari_sam.cli.main import app

# Of a model with random weights every mask is kept: many overlapping objects, and quickly.
VALUES: dict[str, Any] = {
    "points_per_side": 4,
    "pred_iou_thresh": -100.0,
    "stability_score_thresh": 0.0,
    "box_nms_thresh": 1.0,
    "min_visible": 0.0,
    "background_fraction": 1.0,
    "link": "z",
}
OPTIONS = [text for name, value in VALUES.items() for text in ("--" + name.replace("_", "-"), str(value))]


def picture(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.asarray(ndimage.gaussian_filter(rng.random((40, 48)), 3) * 2500 % 256, np.uint8)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    planes = np.stack([picture(i) for i in range(6)])
    tifffile.imwrite(path, planes, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "spacing": 3, "unit": "um"})
    return path


@pytest.fixture
def auto(checkpoint: Path) -> Callable[..., Result]:
    """Run the command with the tiny checkpoint."""

    def run(*arguments: str | Path) -> Result:
        texts = [os.fspath(one) for one in arguments]
        return CliRunner().invoke(app, ["auto", *texts, "--checkpoint", str(checkpoint)])

    return run


def start(checkpoint: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    texts = [os.fspath(one) for one in arguments]
    command = [sys.executable, "-m", "napari_sam", "auto", *texts, "--checkpoint", str(checkpoint), *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_planes(process: subprocess.Popen[str], output: Path, count: int) -> None:
    """Wait until a run has finished some planes."""
    deadline = time.monotonic() + 120
    while len(list(output.glob(".napari-sam-auto/inputs/*/planes/*.npz"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "run.json"}


def test_command_job_file_and_script_give_the_same_labels(
    auto: Callable[..., Result], stack: Path, checkpoint: Path, tmp_path: Path
) -> None:
    job_file = tmp_path / "job.toml"
    assert auto(stack, "-o", tmp_path / "one.tif", *OPTIONS, "--write-job", job_file).exit_code == 0
    result = auto(stack, "-o", tmp_path / "two.tif", "--job", job_file)
    assert result.exit_code == 0, result.output
    job = AutomaticJob().with_values({**VALUES, "checkpoint": str(checkpoint)})
    assert read_job(job_file) == job
    expected = segment_stack(tifffile.imread(stack), job)
    assert len(np.unique(expected)) > 10
    for name in ("one.tif", "two.tif"):
        labels = tifffile.imread(tmp_path / name)
        assert labels.dtype == expected.dtype
        assert np.array_equal(labels, expected)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()


def test_options_go_over_presets_over_the_job_file(auto: Callable[..., Result], tmp_path: Path) -> None:
    from napari_sam.automatic.presets import apply_preset

    job_file, written = tmp_path / "job.toml", tmp_path / "written.toml"
    job_file.write_text("[automatic]\npoints_per_side = 5\ncrop_nms_thresh = 0.31\n[labels]\nmax_area = 77\n")
    result = auto("--job", job_file, "--preset", "many-small", "--max-area", "78", "--write-job", written)
    assert result.exit_code == 0, result.output
    from_file = read_job(job_file)
    expected = apply_preset(from_file, "many-small")
    assert expected != from_file
    checkpoint = read_job(written).model.checkpoint
    assert read_job(written) == expected.with_values({"max_area": 78, "checkpoint": checkpoint})


def test_a_folder_with_a_damaged_file(auto: Callable[..., Result], stack: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", picture(1))
    (folder / "b.tif").write_bytes(stack.read_bytes()[:3000])
    tifffile.imwrite(folder / "c.tif", picture(2))
    result = auto(folder, "-o", out, *OPTIONS)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "b.tif" in result.stderr
    assert "Traceback" not in result.output
    assert [line.split(":")[0].rpartition("/")[2] for line in result.stdout.splitlines()[:2]] == ["a.tif", "c.tif"]
    assert "2 of 3 inputs done" in result.stdout
    assert sorted(contents(out)) == ["a_labels.tif", "c_labels.tif", "objects.csv"]
    report = json.loads((out / "run.json").read_text())
    assert [item["status"] for item in report["items"]] == ["done", "failed", "done"]
    assert report["model"].keys() == {"name", "hash", "device", "precision"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least one image"),
        (["IMAGE"], "say where the results go"),
        (["missing.tif", "-o", "OUT"], "missing.tif does not exist"),
        (["EMPTY", "-o", "OUT"], "holds no image"),
        (["EMPTY/*.tif", "-o", "OUT"], "matches nothing"),
        (["IMAGE", "-o", "OUT", "--points-per-side", "0"], "points_per_side is 0, but must be at least 1"),
        (["IMAGE", "-o", "OUT", "--mode", "slow"], "mode is 'slow', but must be one of"),
        (["IMAGE", "-o", "OUT", "--planes", "x"], "planes is 'x'"),
        (["IMAGE", "-o", "OUT", "--format", "gif"], "format is 'gif'"),
        (["IMAGE", "-o", "OUT", "--job", "missing.toml"], "missing.toml does not exist"),
        (["IMAGE", "-o", "OUT", "--preset", "nonsense"], "nonsense"),
        (["IMAGE", "-o", "OUT", "--resume", "--overwrite"], "resume or overwrite"),
        (["IMAGE", "-o", "OUT", "--device", "abacus"], "abacus"),
        (["IMAGE", "-o", "OUT", "--workers", "0"], "--workers"),
        (["IMAGE", "-o", "IMAGE", "--overwrite"], "is an input"),
    ],
)
def test_unusable_arguments(
    auto: Callable[..., Result], stack: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    before = stack.read_bytes()
    places = {"IMAGE": stack, "OUT": tmp_path / "out", "EMPTY": tmp_path / "empty"}
    texts = [text.replace(text.split("/")[0], str(places.get(text.split("/")[0], text))) for text in arguments]
    result = auto(*texts)
    assert result.exit_code == 2, result.output
    assert message in result.stderr.replace("\n", " ").replace("\u2502", " ")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists() or not contents(tmp_path / "out")
    assert stack.read_bytes() == before


def test_progress_as_lines_of_json(auto: Callable[..., Result], stack: Path, tmp_path: Path) -> None:
    arguments = [stack, "-o", tmp_path / "out", *OPTIONS, "--planes", "1:3", "--progress", "json"]
    result = auto(*arguments, stack)  # named twice: done once
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        "start",
        "plane",
        "plane",
        "input",
        "end",
    ]
    planes = [event for event in events if event["event"] == "plane"]
    assert [(one["plane"], one["done"], one["total"], one["error"]) for one in planes] == [
        ([1], 1, 2, None),
        ([2], 2, 2, None),
    ]
    assert planes[-1]["seconds_left"] == 0
    assert events[-1]["status"] == "done"
    assert Path(events[-1]["report"]).exists()
    again = auto(*arguments)
    assert again.exit_code == 0
    assert json.loads(again.stdout)["status"] == "unchanged"


def test_killed_and_resumed_it_writes_the_same_bytes(
    auto: Callable[..., Result], stack: Path, checkpoint: Path, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "flat.tif", picture(9))
    inputs = [tmp_path / "flat.tif", stack]
    assert auto(*inputs, "-o", tmp_path / "expected", *OPTIONS, "--json-masks").exit_code == 0
    out = tmp_path / "out"
    for planes in (1, 4):
        process = start(checkpoint, *inputs, "-o", out, "--json-masks", "--resume")
        wait_for_planes(process, out, planes)
        process.kill()
        process.communicate()
        assert not (out / "run.json").exists()
    result = auto(*inputs, "-o", out, *OPTIONS, "--json-masks", "--resume")
    assert result.exit_code == 0, result.output
    assert "going on" in result.stdout
    assert contents(out) == contents(tmp_path / "expected")
    assert not list(out.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_two_runs_and_an_interrupt(auto: Callable[..., Result], stack: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(checkpoint, stack, "-o", out)
    wait_for_planes(process, out, 1)
    process.send_signal(signal.SIGSTOP)  # so that it is at work for as long as this takes
    second = auto(stack, "-o", out, *OPTIONS, "--overwrite")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=120)
    assert second.exit_code == 1
    assert f"is in use by another run (process {process.pid}" in second.stderr
    assert process.returncode == 130
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert contents(out) == {}
    assert auto(stack, "-o", out, *OPTIONS, "--resume").exit_code == 0


def test_workers_give_the_same_bytes(auto: Callable[..., Result], stack: Path, tmp_path: Path) -> None:
    for name, options in (("one", []), ("two", ["--workers", "2"])):
        result = auto(stack, "-o", tmp_path / name, *OPTIONS, *options)
        assert result.exit_code == 0, result.output
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_labels_of_another_tool_are_refined(
    auto: Callable[..., Result], stack: Path, checkpoint: Path, tmp_path: Path
) -> None:
    rough = np.zeros((6, 40, 48), np.uint16)
    rough[1:4, 5:20, 5:22] = 7
    rough[2:, 25:36, 28:44] = 300
    (tmp_path / "rough").mkdir()
    tifffile.imwrite(tmp_path / "rough" / "stack_labels.tif", rough, metadata={"axes": "ZYX"})
    result = auto(stack, "-o", tmp_path / "out", "--prompts", tmp_path / "rough", "--runaway", "keep")
    assert result.exit_code == 0, result.output
    labels = tifffile.imread(tmp_path / "out" / "stack_labels.tif")
    predictor = predictor_for(ModelConfig(checkpoint=str(checkpoint)))
    image = tifffile.imread(stack)
    expected = [refine_labels(predictor, plane, given) for plane, given in zip(image, rough, strict=True)]
    assert np.array_equal(labels, np.stack(expected))
    assert set(np.unique(labels)) <= {0, 7, 300}
    report = json.loads((tmp_path / "out" / "run.json").read_text())
    assert report["items"][0]["objects"] == 2
    tifffile.imwrite(tmp_path / "small.tif", rough[:, :20])
    failed = auto(stack, "-o", tmp_path / "other", "--prompts", tmp_path / "small.tif")
    assert failed.exit_code == 1
    assert "have the shape (6, 20, 48)" in failed.stderr
