"""Processes that do planes: the same bytes as one process, whatever happens to them."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from napari_sam.automatic.models import predictor_for
from napari_sam.batch import workers
from napari_sam.batch.tasks import InProcess, PlaneTask
from napari_sam.batch.workers import Workers, gpu_of
from napari_sam.errors import Cancelled, CheckpointError, WorkerError
from tests.batch.executing import JOB, content, end_process, results, tasks_of, write_stack


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return write_stack(tmp_path)


@pytest.fixture
def alone(stack: Path, tmp_path: Path) -> dict[str, list[bytes]]:
    outcomes = results(InProcess(predictor_for(JOB.model)), stack, tmp_path / "alone")
    assert [outcome.error for outcome in outcomes.values()] == [""] * 5
    return content(tmp_path / "alone")


def test_same_bytes_as_one_process_although_a_worker_is_killed(
    stack: Path, alone: dict[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM_TEST_MARKER", str(tmp_path / "killed"))
    told: list[str] = []
    outcomes = results(Workers(2, told.append), stack, tmp_path / "workers", deadly=2)
    assert [outcome.error for outcome in outcomes.values()] == [""] * 5
    assert all(outcome.seconds > 0 for outcome in outcomes.values())
    assert content(tmp_path / "workers") == alone
    assert (tmp_path / "killed").exists()
    assert told == ["A worker ended (killed by SIGKILL: perhaps memory ran out); another one does its plane again."]
    assert multiprocessing.active_children() == []


def test_a_plane_that_ends_every_worker_is_given_up_and_the_others_are_done(
    stack: Path, alone: dict[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_ATTEMPTS", 2)
    outcomes = results(Workers(1, lambda text: None), stack, tmp_path / "workers", deadly=1)
    assert "2 workers ended at this plane (killed by SIGKILL" in outcomes.pop(1).error
    assert [outcome.error for outcome in outcomes.values()] == [""] * 4
    del alone["1.npz"]
    assert content(tmp_path / "workers") == alone


def test_cancelling_ends_the_workers(stack: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def progress(task: PlaneTask, done: int, total: int) -> None:
        seen.append((done, total))

    running = Workers(2).run(tasks_of(stack, tmp_path / "out", 5), progress=progress, cancelled=lambda: bool(seen))
    with pytest.raises(Cancelled):
        list(running)
    assert multiprocessing.active_children() == []
    assert not list((tmp_path / "out").glob(".*")), "nothing half-written"


def test_without_tasks_no_worker_is_started() -> None:
    assert list(Workers(2).run(iter(()))) == []


def test_a_model_that_cannot_be_loaded_is_told_once(stack: Path, tmp_path: Path) -> None:
    job = JOB.with_values({"checkpoint": str(tmp_path / "missing.safetensors")})
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        list(Workers(2).run([PlaneTask(0, stack, (0,), job, tmp_path / "0.npz")]))
    assert multiprocessing.active_children() == []


class DeadlyJob:
    """A job that ends the process that loads its model."""

    @property
    def model(self) -> object:
        end_process()
        return JOB.model


def test_workers_that_cannot_start_end_the_run(stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_ATTEMPTS", 1)
    task = PlaneTask(0, stack, (0,), DeadlyJob(), tmp_path / "0.npz")  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match=r"1 workers ended while they started \(killed by SIGKILL.*Fewer --workers"):
        list(Workers(1, lambda text: None).run([task]))


@pytest.mark.parametrize(
    ("count", "visible", "device", "seen"),
    [
        (3, None, "auto", ["0", "1", "2", "0"]),
        (2, "5,7", "cuda", ["5", "7", "5", "7"]),
        (1, None, "auto", [None] * 4),
        (3, None, "cuda:1", [None] * 4),
        (3, None, "cpu", [None] * 4),
    ],
)
def test_workers_take_turns_with_gpus(
    monkeypatch: pytest.MonkeyPatch, count: int, visible: str | None, device: str, seen: list[str | None]
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu_of(slot, device) for slot in range(4)] == seen
