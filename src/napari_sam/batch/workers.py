"""Several processes on this machine, each with its own model; one that dies is replaced, and its task done again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess

import torch

from napari_sam.batch.tasks import PlaneProgress, PlaneTask, TaskOutcome
from napari_sam.batch.worker_process import Broken, Ready, Said, Settings, Told, serve
from napari_sam.errors import Cancelled, WorkerError
from napari_sam.predict.device import MessageCallback, log_message
from napari_sam.predict.predictor import CancelCheck

_ATTEMPTS = 3  # a task that ended so many workers is given up; so are workers that end while they load the model
_POLL_S = 0.1
_STOP_S = 5.0


class Workers:
    """Does tasks in several processes on this machine; see :class:`napari_sam.batch.tasks.Executor`.

    Every worker has a model of its own and as many torch threads as this process, so that results are the same bytes
    as without workers. Where there are several GPUs, each worker sees one of them.

    Parameters
    ----------
    count : int
        Most workers; no more are started than there are tasks.
    on_message : callable
        Told what the user should know: a worker that was lost.
    """

    def __init__(self, count: int, on_message: MessageCallback = log_message) -> None:
        self._count = count
        self._on_message = on_message

    def run(
        self, tasks: Iterable[PlaneTask], *, progress: PlaneProgress | None = None, cancelled: CancelCheck | None = None
    ) -> Generator[TaskOutcome, None, None]:
        """Do tasks; see :meth:`napari_sam.batch.tasks.Executor.run`.

        Raises
        ------
        WorkerError
            If no worker can be kept alive for as long as it takes to load the model.
        NapariSamError
            If the model cannot be loaded.
        Cancelled
            If ``cancelled`` returned True.
        """
        pool = _Pool(self._count, iter(tasks), progress, self._on_message)
        try:
            while pool.assign():
                if cancelled is not None and cancelled():
                    raise Cancelled("Cancelled.")
                yield from pool.collect()
        finally:
            pool.stop()


@dataclass
class _Worker:
    """A process, and what it is at."""

    slot: int
    process: SpawnProcess
    connection: Connection[PlaneTask, Told]
    task: PlaneTask | None = None
    ready: bool = False

    @property
    def handles(self) -> tuple[Connection[PlaneTask, Told], int]:
        """What there is to wait for."""
        return self.connection, self.process.sentinel


class _Pool:
    """The workers of one run and the tasks that are left."""

    def __init__(
        self, count: int, tasks: Iterator[PlaneTask], progress: PlaneProgress | None, on_message: MessageCallback
    ) -> None:
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._threads = torch.get_num_threads()
        self._tasks = tasks
        self._again: deque[PlaneTask] = deque()
        self._lost: dict[PlaneTask, int] = {}  # how many workers ended at a task
        self._lost_at_start = 0
        self._progress = progress
        self._tell = on_message
        self._free_slots = list(range(count))
        self._workers: list[_Worker] = []

    def assign(self) -> bool:
        """Give every free worker a task, starting workers as long as there are tasks; False when nothing is left."""
        for worker in self._workers:
            if worker.task is None and (task := self._next()) is not None:
                self._send(worker, task)
        while self._free_slots and (task := self._next()) is not None:
            self._send(self._start(task), task)
        return any(worker.task is not None for worker in self._workers)

    def collect(self) -> Iterator[TaskOutcome]:
        """Wait a moment and yield what has ended meanwhile."""
        changed = wait([handle for one in self._workers for handle in one.handles], _POLL_S)
        for worker in list(self._workers):
            if any(handle in changed for handle in worker.handles):
                yield from self._listen(worker)

    def stop(self) -> None:
        """End all workers: idle ones at once, busy ones at the end of their batch, stubborn ones by force."""
        for worker in self._workers:
            worker.connection.close()
        deadline = time.monotonic() + _STOP_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()
        self._workers.clear()

    def _next(self) -> PlaneTask | None:
        return self._again.popleft() if self._again else next(self._tasks, None)

    def _start(self, task: PlaneTask) -> _Worker:
        slot = self._free_slots.pop(0)
        settings = Settings(self._threads, gpu_of(slot, task.job.model.device))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, settings), daemon=True)
        try:
            with _deaf_to_interrupts():
                process.start()
        except OSError as error:
            raise WorkerError(f"A worker process cannot be started: {error.strerror or error}.") from error
        theirs.close()  # else nobody notices when the other end goes
        worker = _Worker(slot, process, ours)
        self._workers.append(worker)
        return worker

    def _send(self, worker: _Worker, task: PlaneTask) -> None:
        worker.task = task
        try:
            worker.connection.send(task)
        except OSError:
            return  # it has ended, which is noticed in a moment

    def _listen(self, worker: _Worker) -> Iterator[TaskOutcome]:
        try:
            while worker.connection.poll():
                yield from self._hear(worker, worker.connection.recv())
        except (EOFError, OSError):
            yield from self._replace(worker)

    def _hear(self, worker: _Worker, told: Told) -> Iterator[TaskOutcome]:
        if isinstance(told, TaskOutcome):
            worker.task = None
            yield told
        elif isinstance(told, Broken):
            raise told.error
        elif isinstance(told, Said):
            self._tell(told.text)
        elif isinstance(told, Ready):
            worker.ready = True
            self._lost_at_start = 0
        elif self._progress is not None and worker.task is not None:
            self._progress(worker.task, told.done, told.total)

    def _replace(self, worker: _Worker) -> Iterator[TaskOutcome]:
        """Bury a worker that has ended: its task goes to another one, or is given up."""
        worker.process.join()
        reason = _ending(worker.process.exitcode)
        worker.connection.close()
        worker.process.close()
        self._workers.remove(worker)
        self._free_slots.insert(0, worker.slot)
        task = worker.task
        if task is None:
            return
        if not worker.ready:
            self._again.appendleft(task)
            self._give_slot_up(reason)
            return
        self._lost[task] = self._lost.get(task, 0) + 1
        if self._lost[task] < _ATTEMPTS:
            self._tell(f"A worker ended ({reason}); another one does its plane again.")
            self._again.appendleft(task)
        else:
            yield TaskOutcome(task, 0.0, f"{_ATTEMPTS} workers ended at this plane ({reason}).")

    def _give_slot_up(self, reason: str) -> None:
        """Do with fewer workers, if several ended while they loaded the model; at least one is needed."""
        self._lost_at_start += 1
        if self._lost_at_start < _ATTEMPTS:
            return
        if not self._workers:
            raise WorkerError(
                f"{_ATTEMPTS} workers ended while they started ({reason}). Fewer --workers need less memory; a script "
                'that starts workers does so below `if __name__ == "__main__":`.'
            )
        self._lost_at_start = 0
        self._free_slots.pop(0)
        self._tell(f"Going on with {len(self._workers) + len(self._free_slots)} workers: others ended ({reason}).")


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Have processes that begin here ignore Ctrl-C, which goes to the whole group: the parent decides what it means."""
    if threading.current_thread() is not threading.main_thread():  # others may not set signals
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def gpu_of(slot: int, device: str) -> str | None:
    """Return which GPU the worker of a slot sees, as ``CUDA_VISIBLE_DEVICES`` names it; they take turns.

    Parameters
    ----------
    slot : int
        Number of the worker, from 0.
    device : str
        Of the job. Only "auto" and "cuda" leave a choice.

    Returns
    -------
    str or None
        None where there is nothing to choose.
    """
    count = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    if count < 2:
        return None
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    visible = [one.strip() for one in named.split(",") if one.strip()] or [str(i) for i in range(count)]
    return visible[slot % len(visible)]


def _ending(exit_code: int | None) -> str:
    """Tell how a process ended."""
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        hint = ": perhaps memory ran out" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"
    return f"exit status {exit_code}"
