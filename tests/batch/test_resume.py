"""Going on after a stop, results of earlier runs, and who may write where."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam.batch.events import InputEnded, PlaneEnded, RunEnded, RunStarted
from napari_sam.batch.lock import held
from napari_sam.batch.tasks import PlaneTask
from napari_sam.errors import Cancelled, OutputError, ParameterError
from tests.batch.bright import MODEL, Bright, contents
from tests.batch.conftest import Batch, squares

LINKED = {"link": "z", "json_masks": True}


@pytest.fixture
def expected(batch: Batch) -> dict[str, bytes]:
    """What a run gives that is left alone."""
    batch(output=batch.request.output.with_name("expected"), **LINKED)
    return contents(batch.request.output.with_name("expected"))


def test_a_stopped_run_goes_on(batch: Batch, expected: dict[str, bytes]) -> None:
    with pytest.raises(Cancelled, match=r"kept \(2 of 4 planes\): the same command with --resume"):
        batch(Bright(stop_after=2), **LINKED)
    assert batch.events[-1] == RunEnded("interrupted", 1, 0, 2, 4, batch.events[-1].seconds, None)
    out = batch.request.output
    assert sorted(contents(out)) == ["flat.json", "flat_labels.tif"]  # what is done, and nothing else
    with pytest.raises(ParameterError, match="holds a run that is not complete.*--resume goes on.*--overwrite"):
        batch(**LINKED)
    batch(**LINKED, resume=True)
    assert batch.executor.done == [("stack.tif", (1,)), ("stack.tif", (2,))]
    assert contents(out) == expected
    assert not list(out.glob(".*"))


def test_order_does_not_matter(batch: Batch, expected: dict[str, bytes]) -> None:
    batch(Bright(backwards=True), **LINKED)
    assert contents(batch.request.output) == expected


def test_only_the_same_run_goes_on(batch: Batch) -> None:
    with pytest.raises(Cancelled):
        batch(Bright(stop_after=2), **LINKED)
    for changes, problem in (
        ({"link": "none"}, "link is 'none', was 'z'"),
        ({"points_per_side": 5}, "points_per_side is 5, was 32"),
        ({"json_masks": False}, "json_masks is False, was True"),
        ({"planes": "0:2"}, "planes is '0:2', was None"),
        ({"inputs": batch.request.inputs[:1]}, r"stack.tif is no longer among the inputs"),
    ):
        with pytest.raises(ParameterError, match=problem):
            batch(**{**LINKED, **changes}, resume=True)
    batch(**LINKED, resume=True)


def test_another_model_does_not_go_on(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Cancelled):
        batch(Bright(stop_after=2))
    monkeypatch.setitem(MODEL, "hash", "4567")
    with pytest.raises(ParameterError, match="the weights of the model are others"):
        batch(resume=True)


def test_inputs_that_change(batch: Batch, folder: Path) -> None:
    with pytest.raises(Cancelled):
        batch(Bright(stop_after=2))  # flat is done, one plane of stack is
    stack = np.stack([squares((5, 5))] * 3)
    tifffile.imwrite(folder / "stack.tif", stack, photometric="minisblack")
    batch(resume=True)  # nothing of the old one is used
    assert np.array_equal(tifffile.imread(batch.request.output / "stack_labels.tif") > 0, stack > 0)
    tifffile.imwrite(folder / "flat.tif", squares((5, 5), (10, 10)))
    with pytest.raises(ParameterError, match="flat.tif has changed"):
        batch(resume=True)


def test_a_complete_run_is_not_done_twice(batch: Batch) -> None:
    first = batch()
    for resume in (False, True):
        assert batch(resume=resume) == first
        assert batch.executor.done == []
        assert [type(event) for event in batch.events] == [RunEnded]
    batch(overwrite=True)
    assert len(batch.executor.done) == 4


def test_other_results_are_not_lost(batch: Batch, folder: Path) -> None:
    batch(min_area=3)
    out = batch.request.output
    before = contents(out)
    with pytest.raises(ParameterError, match="holds another run: min_area is 0, was 3.*--overwrite"):
        batch()
    (out / "flat_labels.tif").unlink()
    with pytest.raises(ParameterError, match="Some results.*are gone"):
        batch(min_area=3)
    batch(min_area=3, overwrite=True)
    assert contents(out) == before
    (out / "run.json").unlink()
    with pytest.raises(ParameterError, match="exists already"):
        batch()
    with pytest.raises(ParameterError, match="is an input"):
        batch(inputs=(out / "flat_labels.tif",), output=out / "flat_labels.tif", overwrite=True)


def test_a_failure_is_named_and_the_rest_is_done(batch: Batch, folder: Path, expected: dict[str, bytes]) -> None:
    good = (folder / "stack.tif").read_bytes()
    (folder / "stack.tif").write_bytes(good[:300])
    report = batch(**LINKED)
    assert report["status"] == "failed"
    assert [(item["status"], item["objects"]) for item in report["items"]] == [("done", 3), ("failed", 0)]
    assert "stack.tif" in report["items"][1]["error"]
    assert report["summary"]["failed"] == 1
    assert "stack_labels.tif" not in contents(batch.request.output)
    assert [event.status for event in batch.events if isinstance(event, InputEnded)] == ["failed", "done"]
    (folder / "stack.tif").write_bytes(good)  # repaired
    assert batch(**LINKED, resume=True)["status"] == "done"
    assert len(batch.executor.done) == 3
    assert contents(batch.request.output) == expected


def test_a_plane_that_fails_ends_its_input_only(batch: Batch, expected: dict[str, bytes]) -> None:
    batch.request = type(batch.request)(batch.request.inputs[::-1], batch.request.output, batch.request.job)
    report = batch(Bright(failing=[("stack.tif", (1,))]), **LINKED)
    assert batch.executor.done == [("stack.tif", (0,)), ("stack.tif", (1,)), ("flat.tif", ())]  # not the third plane
    assert [item["status"] for item in report["items"]] == ["failed", "done"]
    assert "plane (1,) is damaged" in report["items"][0]["error"]
    ended = [event for event in batch.events if isinstance(event, PlaneEnded)]
    assert (ended[-1].done, ended[-1].total) == (4, 4)
    batch(**LINKED, resume=True)
    assert batch.executor.done == [("stack.tif", (1,)), ("stack.tif", (2,))]
    assert batch.events[0] == RunStarted(str(batch.request.output), 2, 4, 1, 2)


@pytest.mark.parametrize("number", range(12))
def test_a_full_disk_leaves_nothing_half_written(
    batch: Batch, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever file is the one that does not fit."""
    count = 0
    original = Path.replace

    def replace(path: Path, target: Any) -> Path:
        nonlocal count
        count += 1
        if count > number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError, match="the disk is full"):
        batch(**LINKED)
    monkeypatch.undo()
    out = batch.request.output
    assert all(content == expected[name] for name, content in contents(out).items())
    assert not list(out.rglob("*.tmp"))
    batch(**LINKED, resume=True)
    assert contents(out) == expected


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_folder_that_may_not_be_written(batch: Batch) -> None:
    batch.request.output.mkdir()
    batch.request.output.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        batch()


def test_an_output_that_cannot_be(batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="its folder is a file"):
        batch(output=tmp_path / "file" / "out")


def test_one_run_at_a_time(batch: Batch) -> None:
    other = Batch(list(batch.request.inputs), batch.request.output)

    def intrude(task: PlaneTask) -> None:
        with pytest.raises(OutputError, match=rf"in use by another run \(process {os.getpid()} on .*, since"):
            other(overwrite=True)

    report = batch(Bright(before_each=intrude))
    assert report["status"] == "done"
    assert other.executor.done == []
    assert not list(batch.request.output.glob(".*"))


def test_a_lock_of_a_killed_process_does_not_block(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from napari_sam.batch.lock import held\n"
        f"with held(Path({str(tmp_path / '.lock')!r}), Path('x')): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (tmp_path / ".lock").exists()
    with held(tmp_path / ".lock", tmp_path):
        assert json.loads((tmp_path / ".lock.holder").read_text())["process"] == os.getpid()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_anywhere_it_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path, repository: Path) -> None:
    (tmp_path / "results").mkdir()
    arguments = [sys.executable, "-m", "tests.batch.kill_everywhere", str(folder), str(tmp_path / "results"), "4"]
    done = subprocess.run(arguments, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
