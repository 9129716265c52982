"""A cluster of dask.distributed, on this machine: the same bytes as one process, whatever happens to its workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster
from typer.testing import CliRunner

from napari_sam.automatic.models import predictor_for
from napari_sam.batch.cluster import Cluster
from napari_sam.batch.tasks import InProcess, PlaneTask
from napari_sam.cli.main import app
from napari_sam.errors import Cancelled, CheckpointError, ParameterError, WorkerError
from tests.batch.executing import JOB, VALUES, content, results, tasks_of, write_stack


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster") / "killed"


@pytest.fixture(scope="module")
def address(marker: Path) -> Iterator[str]:
    with (
        pytest.MonkeyPatch.context() as patch,
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            env={"NAPARI_SAM_TEST_MARKER": str(marker)},
        ) as cluster,
    ):
        patch.setenv("NAPARI_SAM_TEST_MARKER", str(marker))
        yield cluster.scheduler_address


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return write_stack(tmp_path)


def test_same_bytes_as_one_process_although_a_worker_is_killed(
    address: str, marker: Path, stack: Path, tmp_path: Path
) -> None:
    predictor = predictor_for(JOB.model)
    results(InProcess(predictor), stack, tmp_path / "alone")
    told: list[str] = []
    cluster = Cluster(address, told.append)
    facts = cluster.model(JOB.model)
    assert (facts.hash, facts.device, facts.precision) == (predictor.model.hash, "cpu", predictor.model.precision)
    outcomes = results(cluster, stack, tmp_path / "cluster", deadly=2)
    cluster.close()
    assert [outcome.error for outcome in outcomes.values()] == [""] * 5
    assert marker.exists(), "a worker was killed"
    assert content(tmp_path / "cluster") == content(tmp_path / "alone")
    assert told == []


def test_a_damaged_plane_is_told_and_the_others_are_done(address: str, stack: Path, tmp_path: Path) -> None:
    data = stack.read_bytes()
    stack.write_bytes(data[:-10])
    cluster = Cluster(address)
    outcomes = results(cluster, stack, tmp_path / "cluster")
    cluster.close()
    assert "plane (4,)" in outcomes.pop(4).error
    assert [outcome.error for outcome in outcomes.values()] == [""] * 4


def test_cancelling_stops_the_workers_and_the_cluster_goes_on(address: str, stack: Path, tmp_path: Path) -> None:
    cluster = Cluster(address)
    done: list[int] = []
    running = cluster.run(tasks_of(stack, tmp_path / "out"), cancelled=lambda: bool(done))
    with pytest.raises(Cancelled):
        done.extend(outcome.task.plane[0] for outcome in running)
    cluster.close()
    assert len(done) < 5
    assert len(results(Cluster(address), stack, tmp_path / "again")) == 5


def test_the_command_writes_the_same_files(address: str, stack: Path, tmp_path: Path) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in VALUES.items()]
    for folder, more in (("alone", []), ("cluster", ["--scheduler", address])):
        result = CliRunner().invoke(app, ["auto", str(stack), "-o", str(tmp_path / folder), *options, *more])
        assert result.exit_code == 0, result.output
    for name in ("stack_labels.tif", "objects.csv"):
        assert (tmp_path / "cluster" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    reports = [json.loads((tmp_path / folder / "run.json").read_text()) for folder in ("alone", "cluster")]
    assert reports[0]["model"] == reports[1]["model"]


def test_the_command_takes_processes_or_a_cluster(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["auto", str(stack), "-o", "out", "--workers", "2", "--scheduler", "tcp://127.0.0.1:9"]
    result = CliRunner().invoke(app, both)
    assert result.exit_code == 2
    assert "not both" in result.output
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = CliRunner().invoke(app, both[:4] + both[6:])
    assert result.exit_code == 2
    assert "pip install 'napari-sam-studio[distributed]'" in result.output


def test_a_model_that_cannot_be_loaded(address: str, tmp_path: Path) -> None:
    job = JOB.with_values({"checkpoint": str(tmp_path / "missing.safetensors")})
    cluster = Cluster(address)
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        cluster.model(job.model)
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        list(cluster.run([PlaneTask(0, tmp_path, (0,), job, tmp_path / "0.npz")]))
    cluster.close()


def test_workers_that_do_not_see_the_results(
    address: str, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "touch", lambda *_: None)  # as if it appeared here only
    cluster = Cluster(address)
    with pytest.raises(WorkerError, match=r"does not see the folder .*file system that this computer and all workers"):
        list(cluster.run(tasks_of(stack, tmp_path / "out")))
    cluster.close()


def test_a_scheduler_that_is_not_there() -> None:
    with pytest.raises(ParameterError, match=r"tcp://127\.0\.0\.1:9 cannot be reached within 0\.3 s"):
        Cluster("tcp://127.0.0.1:9", timeout_s=0.3)
    with pytest.raises(ParameterError, match="nonsense://x cannot be reached"):
        Cluster("nonsense://x", timeout_s=0.3)


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ParameterError, match=r"pip install 'napari-sam-studio\[distributed\]'"):
        Cluster("tcp://127.0.0.1:9")
