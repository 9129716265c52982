"""One background thread that always works on the newest request.

A new job replaces the one that waits. The one that runs goes on where both need the same long computation (the same
``key``), and is cancelled where they do not. Every result goes through ``deliver``, which is called in the background
thread and has to pass it on to the Qt thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar


class Job(Protocol):
    """What the worker must know about a job."""

    @property
    def key(self) -> Hashable:
        """Two jobs with equal keys share their long computation."""


J = TypeVar("J", bound=Job)
R = TypeVar("R")


class Token:
    """Tells a running job to stop.

    ``cancelled`` is polled during the long computation; ``superseded`` also becomes true when a newer job waits that
    needs the same long computation, after which this job need not go on.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._superseded = threading.Event()

    def cancelled(self) -> bool:
        """Whether the result is not wanted any more."""
        return self._cancelled.is_set()

    def superseded(self) -> bool:
        """Whether a newer job waits, or the result is not wanted any more."""
        return self._superseded.is_set() or self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._cancelled.set()

    def supersede(self) -> None:
        """Say that a newer job waits."""
        self._superseded.set()


class LatestWins(Generic[J, R]):
    """A queue of length one in front of one thread.

    Parameters
    ----------
    run : callable
        ``run(job, token)``, called in the background thread; raises ``Cancelled`` when the token says so.
    deliver : callable
        ``deliver(job, future)`` for every job that ran, called in the background thread, never after ``close``.
    name : str
        Name of the thread.
    """

    def __init__(
        self, run: Callable[[J, Token], R], deliver: Callable[[J, Future[R]], None], name: str = "napari-sam"
    ) -> None:
        self._run = run
        self._deliver = deliver
        self._lock = threading.RLock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: tuple[J, Token] | None = None
        self._waiting: J | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._lock:
            return self._running is not None or self._waiting is not None

    def submit(self, job: J) -> None:
        """Run ``job`` as soon as possible, instead of the one that waits."""
        with self._lock:
            if self._closed:
                return
            if self._running is None:
                self._start(job)
                return
            running, token = self._running
            token.supersede()
            if running.key != job.key:
                token.cancel()
            self._waiting = job

    def cancel(self) -> None:
        """Drop the job that waits and ask the running one to stop."""
        with self._lock:
            self._waiting = None
            if self._running is not None:
                self._running[1].cancel()

    def close(self) -> None:
        """Cancel everything, deliver nothing more and let the thread end; does not block."""
        with self._lock:
            self._closed = True
            self.cancel()
        self._executor.shutdown(wait=False)

    def _start(self, job: J) -> None:
        token = Token()
        self._running = (job, token)
        future = self._executor.submit(self._run, job, token)
        future.add_done_callback(lambda done: self._finished(job, done))

    def _finished(self, job: J, future: Future[R]) -> None:
        with self._lock:
            self._running = None
            if self._closed:
                return
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._start(waiting)
            self._deliver(job, future)
