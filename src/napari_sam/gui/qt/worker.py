"""One background thread that always works on the newest request, the most urgent first.

A new job replaces the one of the same lane that waits. A running one goes on where both need the same long
computation (the same ``key``), and is cancelled where they do not. Lanes are served in order: what the user waits for,
then a long run that was started, then the preview under the mouse, then work in advance; a job of a lower lane never
delays one of a higher.
Every result goes through ``deliver``, which is called in the background thread and has to pass it on to the Qt thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from typing import Generic, Protocol, TypeVar


class Lane(IntEnum):
    """How urgent a job is; lower numbers are served first."""

    ASKED = 0
    RUN = 1
    HOVER = 2
    AHEAD = 3


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
        self._successor: object = None

    @property
    def successor(self) -> object:
        """The newer job that waits, or None."""
        return self._successor

    def cancelled(self) -> bool:
        """Whether the result is not wanted any more."""
        return self._cancelled.is_set()

    def superseded(self) -> bool:
        """Whether a newer job waits, or the result is not wanted any more."""
        return self._successor is not None or self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._cancelled.set()

    def supersede(self, successor: object = True) -> None:
        """Say that a newer job waits."""
        self._successor = successor


class LatestWins(Generic[J, R]):
    """A queue of length one per lane in front of one thread.

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
        self._running: tuple[Lane, J, Token] | None = None
        self._waiting: dict[Lane, J] = {}
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job that was asked for runs or waits; the preview and work in advance do not count."""
        with self._lock:
            runs = self._running is not None and self._running[0] <= Lane.RUN
            return runs or min(self._waiting, default=Lane.AHEAD) <= Lane.RUN

    @property
    def idle(self) -> bool:
        """Whether nothing at all runs or waits."""
        with self._lock:
            return self._running is None and not self._waiting

    def submit(self, job: J, lane: Lane = Lane.ASKED) -> None:
        """Run ``job`` as soon as possible, instead of the one of its lane that waits."""
        with self._lock:
            if self._closed:
                return
            if self._running is None:
                self._start(lane, job)
                return
            running_lane, running, token = self._running
            self._waiting[lane] = job
            if lane <= running_lane:
                token.supersede(self._waiting[min(self._waiting)])
                if running.key != job.key:
                    token.cancel()

    def cancel(self) -> None:
        """Drop the jobs that wait and ask the running one to stop."""
        with self._lock:
            self._waiting.clear()
            if self._running is not None:
                self._running[2].cancel()

    def close(self) -> None:
        """Cancel everything, deliver nothing more and let the thread end; does not block."""
        with self._lock:
            self._closed = True
            self.cancel()
        self._executor.shutdown(wait=False)

    def _start(self, lane: Lane, job: J) -> None:
        token = Token()
        self._running = (lane, job, token)
        future = self._executor.submit(self._run, job, token)
        future.add_done_callback(lambda done: self._finished(job, done))

    def _finished(self, job: J, future: Future[R]) -> None:
        with self._lock:
            self._running = None
            if self._closed:
                return
            if self._waiting:
                lane = min(self._waiting)
                self._start(lane, self._waiting.pop(lane))
            self._deliver(job, future)
