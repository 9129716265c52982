"""A cluster of dask.distributed: its workers do the planes, and write the results into the folder of the run.

Inputs and results must lie on a file system that this computer and all workers see under the same names, as on every
cluster with a queue. Only descriptions of tasks go through the scheduler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import torch

from napari_sam import __version__
from napari_sam.automatic.job import ModelConfig
from napari_sam.batch.failures import explain, writing
from napari_sam.batch.tasks import PlaneProgress, PlaneTask, TaskOutcome
from napari_sam.errors import Cancelled, ParameterError, WorkerError
from napari_sam.predict.device import MessageCallback, log_message
from napari_sam.predict.predictor import CancelCheck

if TYPE_CHECKING:
    from distributed import Client, Future

    from napari_sam.batch.cluster_worker import ModelFacts, WorkerFacts

_POLL_S = 0.1
_COUNT_S = 2.0  # so often the workers are counted
_PER_WORKER = 2  # one task under way, one waiting
_INSTALL = "pip install 'napari-sam-studio[distributed]'"


class Cluster:
    """Does tasks on a cluster; see :class:`napari_sam.batch.tasks.Executor`.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://host:8786``; or the file that ``dask scheduler --scheduler-file`` wrote.
    on_message : callable
        Told what the user should know.
    timeout_s : float
        How long to try to reach the scheduler.

    Raises
    ------
    ParameterError
        If dask.distributed is not installed, or the scheduler cannot be reached.
    """

    def __init__(self, address: str, on_message: MessageCallback = log_message, timeout_s: float = 10.0) -> None:
        self._client = _connect(address, timeout_s)
        from napari_sam.batch.cluster_worker import ModelHolder

        self._tell = on_message
        self._holder = f"napari-sam-{uuid4().hex}"
        self._workers = _Count(self._client, on_message)
        self._client.register_plugin(ModelHolder(torch.get_num_threads()), name=self._holder)

    def model(self, config: ModelConfig) -> ModelFacts:
        """Have one worker load the model, which this computer may be unable to; waits for a worker if there is none.

        Raises
        ------
        NapariSamError
            If the model cannot be loaded.
        WorkerError
            If the worker cannot do anything of the kind.
        """
        from napari_sam.batch.cluster_worker import load_model

        future = self._submit(load_model, config)
        while future.status not in _ENDED:
            self._workers.get()
            time.sleep(_POLL_S)
        facts: ModelFacts = _result(future)
        return facts

    def run(
        self, tasks: Iterable[PlaneTask], *, progress: PlaneProgress | None = None, cancelled: CancelCheck | None = None
    ) -> Generator[TaskOutcome, None, None]:
        """Do tasks; see :meth:`napari_sam.batch.tasks.Executor.run`. How far a task is, is not told.

        Raises
        ------
        WorkerError
            If the workers do not see the results, or the scheduler is gone.
        NapariSamError
            If the model cannot be loaded.
        Cancelled
            If ``cancelled`` returned True.
        """
        from napari_sam.batch.cluster_worker import do_task

        under_way: dict[Future[Any], PlaneTask] = {}
        checked = False
        try:
            for task in _with_pauses(tasks, lambda: len(under_way) < _PER_WORKER * self._workers.get()):
                if cancelled is not None and cancelled():
                    raise Cancelled("Cancelled.")
                if task is not None:
                    checked = checked or self._check(task.result.parent)
                    under_way[self._submit(do_task, task)] = task
                elif not under_way:
                    return
                else:
                    ended = [future for future in under_way if future.status in _ENDED]
                    for future in ended:
                        yield _outcome(future, under_way.pop(future))
                    if not ended:
                        time.sleep(_POLL_S)
        finally:
            if under_way:
                self._client.cancel(list(under_way), force=True)

    def close(self) -> None:
        """Stop what is under way, have the workers forget the model, and leave the cluster."""
        try:
            self._client.unregister_worker_plugin(self._holder)
        except (OSError, TimeoutError, ValueError) as error:  # it is gone, and everything with it
            self._tell(f"The cluster was left without a farewell: {explain(error)}")
        self._client.close()

    def _submit(self, function: Callable[..., Any], argument: Any) -> Future[Any]:
        key = f"{self._holder}-{uuid4().hex}"
        return self._client.submit(function, self._holder, argument, key=key, pure=False)

    def _check(self, folder: Path) -> bool:
        """Make sure that the workers that are there see the results, and are of the same versions."""
        from napari_sam.batch.cluster_worker import look

        probe = folder / f".{uuid4().hex}.probe"
        with writing(probe):
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
        try:
            found = self._client.run(look, probe, on_error="return")
        finally:
            probe.unlink(missing_ok=True)
        for address, facts in found.items():
            if not isinstance(facts, Exception):
                self._check_worker(address, facts, folder)
        return True

    def _check_worker(self, address: str, facts: WorkerFacts, folder: Path) -> None:
        if not facts.sees_results:
            raise WorkerError(
                f"The worker {address} does not see the folder {folder}: inputs and results must lie on a file system "
                "that this computer and all workers share, under the same names."
            )
        ours = (__version__, torch.__version__)
        if (facts.version, facts.torch) != ours:
            self._tell(
                f"The worker {address} has napari-sam {facts.version} with torch {facts.torch}, this computer "
                f"{ours[0]} with torch {ours[1]}: labels may differ a little from those of other computers."
            )


_ENDED = ("finished", "error", "cancelled")


class _Count:
    """Counts the workers, but not too often, and tells when there is none."""

    def __init__(self, client: Client, on_message: MessageCallback) -> None:
        self._client = client
        self._tell = on_message
        self._counted_s = float("-inf")
        self._count = 0

    def get(self) -> int:
        """Return the number of workers; at least 1, as there may be one in a moment."""
        if time.monotonic() - self._counted_s > _COUNT_S:
            before = self._count if self._counted_s > 0 else 1
            try:
                self._count = len(self._client.scheduler_info()["workers"])
            except (OSError, TimeoutError) as error:
                raise WorkerError(f"The scheduler of the cluster is gone: {explain(error)}") from error
            self._counted_s = time.monotonic()
            if before and not self._count:
                self._tell("The cluster has no worker; waiting for one.")
        return max(1, self._count)


def _connect(address: str, timeout_s: float) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise ParameterError(f"A cluster needs dask.distributed: {_INSTALL}") from error
    try:
        if Path(address).is_file():
            return Client(scheduler_file=address, timeout=timeout_s, set_as_default=False)
        return Client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ParameterError(
            f"The scheduler {address} cannot be reached within {timeout_s:g} s ({explain(error)}). Is it running "
            "(`dask scheduler` prints its address), and does a firewall let this computer through?"
        ) from error


def _with_pauses(tasks: Iterable[PlaneTask], wanted: Callable[[], bool]) -> Iterator[PlaneTask | None]:
    """Yield tasks while they are wanted, else, and when there are no more, None without end."""
    remaining = iter(tasks)
    while True:
        yield next(remaining, None) if wanted() else None


def _outcome(future: Future[Any], task: PlaneTask) -> TaskOutcome:
    """Return how a task ended; what would end all others alike is raised."""
    from distributed.scheduler import KilledWorker

    try:
        outcome: TaskOutcome = _result(future)
    except KilledWorker:
        return TaskOutcome(task, 0.0, "Several workers of the cluster ended at this plane: perhaps memory ran out.")
    return outcome


def _result(future: Future[Any]) -> Any:
    """Return the result of a future that has ended.

    Raises
    ------
    WorkerError
        If the scheduler is gone, or the worker lacks this package.
    """
    if future.status == "cancelled":
        raise WorkerError("The connection to the scheduler of the cluster was lost.")
    try:
        return future.result()
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"A worker of the cluster cannot import what it needs ({error}). Workers and this computer need the same "
            f"environment: {_INSTALL}"
        ) from error
