"""One plane of one file: what is written, and how a failure is told."""

from __future__ import annotations

import errno
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.plane import PlaneResult
from napari_sam.batch import tasks
from napari_sam.batch.results import is_result, read_labels, read_records, read_rows, read_seconds
from napari_sam.batch.tasks import InProcess, PlaneTask, TaskOutcome, attempt, run_task, with_absolute_paths
from napari_sam.errors import Cancelled
from tests.batch.bright import regions
from tests.batch.conftest import squares

ANY_PREDICTOR: Any = None


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlaneTask:
    """A task whose plane is segmented without a model."""
    tifffile.imwrite(tmp_path / "a.tif", squares((1, 2), (10, 12)))

    def segment(predictor: Any, source: Any, plane: tuple[int, ...], job: AutomaticJob, **_: Any) -> PlaneResult:
        return regions(source.read(plane))

    monkeypatch.setattr(tasks, "segment_plane", segment)
    return PlaneTask(0, tmp_path / "a.tif", (), AutomaticJob(), tmp_path / "new" / "result.npz", with_records=True)


def fails_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def segment(*_: Any, **__: Any) -> PlaneResult:
        raise error

    monkeypatch.setattr(tasks, "segment_plane", segment)


def test_a_result_is_read_as_it_was_written(task: PlaneTask) -> None:
    run_task(pickle.loads(pickle.dumps(task)), ANY_PREDICTOR)  # tasks go to other processes
    expected = regions(tifffile.imread(task.source))
    assert np.array_equal(read_labels(task.result), expected.labels)
    assert tuple(read_rows(task.result)) == expected.rows
    assert [vars(one) for one in read_records(task.result)] == [vars(one) for one in expected.records]
    assert 0 < read_seconds(task.result) < 60
    run_task(replace(task, with_records=False), ANY_PREDICTOR)
    assert read_records(task.result) == []


def test_a_damaged_result_is_none(task: PlaneTask) -> None:
    assert not is_result(task.result)
    run_task(task, ANY_PREDICTOR)
    assert is_result(task.result)
    content = bytearray(task.result.read_bytes())
    for damaged in (b"", bytes(content[: len(content) // 2]), bytes(content[:60]) + b"\xff\xfe" + bytes(content[62:])):
        task.result.write_bytes(damaged)
        assert not is_result(task.result)


def test_failures_are_told(task: PlaneTask, monkeypatch: pytest.MonkeyPatch) -> None:
    task.source.write_bytes(b"II*\0 and nothing more")
    outcome = attempt(task, ANY_PREDICTOR)
    assert "a.tif" in outcome.error
    assert not outcome.stops_the_run
    tifffile.imwrite(task.source, squares((1, 2)))
    fails_with(ZeroDivisionError("division by zero"), monkeypatch)
    assert attempt(task, ANY_PREDICTOR).error == "ZeroDivisionError: division by zero"
    assert not task.result.exists()
    fails_with(Cancelled("Cancelled."), monkeypatch)
    with pytest.raises(Cancelled):
        attempt(task, ANY_PREDICTOR)


def test_results_that_cannot_be_written_stop_the_run(task: PlaneTask, monkeypatch: pytest.MonkeyPatch) -> None:
    def savez(file: Any, **_: Any) -> None:
        file.write(b"PK half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez_compressed", savez)
    outcome = attempt(task, ANY_PREDICTOR)
    assert outcome.stops_the_run
    assert "the disk is full" in outcome.error
    assert not list(task.result.parent.iterdir())


def test_tasks_are_pulled_one_at_a_time(task: PlaneTask) -> None:
    pulled = []

    def tasks_to_do() -> Any:
        for number in range(3):
            pulled.append(number)
            yield replace(task, item=number)

    outcomes = InProcess(ANY_PREDICTOR).run(tasks_to_do())
    first = next(outcomes)
    assert isinstance(first, TaskOutcome)
    assert (first.task.item, first.error, pulled) == (0, "", [0])
    assert [one.task.item for one in outcomes] == [1, 2]


def test_weights_are_found_from_any_folder() -> None:
    assert with_absolute_paths(AutomaticJob()) == AutomaticJob()
    job = AutomaticJob().with_values({"checkpoint": "weights.pt"})
    assert with_absolute_paths(job).model.checkpoint == os.path.abspath("weights.pt")
