"""The background thread with everything that belongs to it, and its reports in the Qt thread."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

from psygnal import Signal

from napari_sam.errors import Cancelled
from napari_sam.gui.compute.engine import Answer, Engine, Factory, SegmentJob
from napari_sam.gui.qt.mainthread import MainThread
from napari_sam.gui.qt.worker import LatestWins


class Background:
    """Answers jobs, the newest first; every signal is emitted in the Qt thread.

    Parameters
    ----------
    factory : callable
        Loads the predictor, in the background thread.

    Attributes
    ----------
    answered : Signal(SegmentJob, Answer)
    failed : Signal(SegmentJob, BaseException)
    cancelled : Signal(SegmentJob)
    progressed : Signal(str)
        What is being done now.
    warned : Signal(str)
        What went other than asked for.
    """

    answered = Signal(object, object)
    failed = Signal(object, object)
    cancelled = Signal(object)
    progressed = Signal(str)
    warned = Signal(str)

    def __init__(self, factory: Factory) -> None:
        self._mainthread = MainThread()
        engine = Engine(factory, self._progress, self._warn)
        self._worker: LatestWins[SegmentJob, Answer] = LatestWins(engine.run, self._deliver)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._worker.busy

    @property
    def pending(self) -> bool:
        """Whether a job runs or waits, or a report is on its way."""
        return self._worker.busy or self._mainthread.pending

    def submit(self, job: SegmentJob) -> None:
        """Work on this job as soon as possible, and on no older one."""
        self._worker.submit(job)

    def cancel(self) -> None:
        """Drop all work."""
        self._worker.cancel()

    def close(self) -> None:
        """Drop all work, report nothing more and let the thread end."""
        self._mainthread.close()
        self._worker.close()

    def _progress(self, text: str) -> None:
        self._mainthread.call(partial(self.progressed.emit, text))

    def _warn(self, text: str) -> None:
        self._mainthread.call(partial(self.warned.emit, text))

    def _deliver(self, job: SegmentJob, future: Future[Answer]) -> None:
        self._mainthread.call(partial(self._report, job, future))

    def _report(self, job: SegmentJob, future: Future[Answer]) -> None:
        error = future.exception()
        if error is None:
            self.answered.emit(job, future.result())
        elif isinstance(error, Cancelled):
            self.cancelled.emit(job)
        else:
            self.failed.emit(job, error)
