"""The background thread with everything that belongs to it, and its reports in the Qt thread."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

from psygnal import Signal

from napari_sam.errors import Cancelled
from napari_sam.gui.compute.engine import AnyAnswer, AnyJob, Engine, Factory
from napari_sam.gui.compute.hover import HoverJob
from napari_sam.gui.compute.jobs import Answer, PrefetchJob, SegmentJob, WalkJob
from napari_sam.gui.compute.pictures import Pictures
from napari_sam.gui.qt.mainthread import MainThread
from napari_sam.gui.qt.worker import Lane, LatestWins


class Background:
    """Answers jobs, the newest first; every signal is emitted in the Qt thread.

    Parameters
    ----------
    factory : callable
        Loads the predictor, in the background thread.

    Attributes
    ----------
    pictures : Pictures
        What the model was shown of the planes seen last.
    answered : Signal(SegmentJob, Answer)
    found : Signal(SegmentJob, Answer)
        What was found so far; the answer follows.
    failed : Signal(SegmentJob, BaseException)
    cancelled : Signal(SegmentJob)
    hovered : Signal(HoverJob, HoverAnswer)
    prefetched : Signal(PrefetchJob)
        A neighbour is encoded.
    walked : Signal(WalkJob, Step)
        What was found on the next plane of a walk.
    given_up : Signal(WalkJob, HoverJob or PrefetchJob, BaseException)
        A step of a walk, or work nobody waits for, failed, or was cancelled in favour of something else.
    progressed : Signal(str)
        What is being done now.
    advanced : Signal(int, int)
        How much of the encoding is done, and of how much.
    warned : Signal(str)
        What went other than asked for.
    """

    answered = Signal(object, object)
    found = Signal(object, object)
    failed = Signal(object, object)
    cancelled = Signal(object)
    hovered = Signal(object, object)
    prefetched = Signal(object)
    walked = Signal(object, object)
    given_up = Signal(object, object)
    progressed = Signal(str)
    advanced = Signal(int, int)
    warned = Signal(str)

    def __init__(self, factory: Factory) -> None:
        self._mainthread = MainThread()
        self.pictures = Pictures()
        engine = Engine(
            factory, self._progress, self._warn, None, self._advance, pictures=self.pictures, early=self._find
        )
        self._worker: LatestWins[AnyJob, AnyAnswer] = LatestWins(engine.run, self._deliver)

    @property
    def busy(self) -> bool:
        """Whether a job that was asked for runs or waits."""
        return self._worker.busy

    @property
    def idle(self) -> bool:
        """Whether nothing at all runs or waits, the preview and work in advance included."""
        return self._worker.idle

    @property
    def pending(self) -> bool:
        """Whether a job that was asked for runs or waits, or a report is on its way."""
        return self._worker.busy or self._mainthread.pending

    def submit(self, job: SegmentJob) -> None:
        """Work on this job as soon as possible, and on no older one."""
        self._worker.submit(job)

    def walk(self, job: WalkJob) -> None:
        """Take a step of a walk, once nothing is left that the user waits for."""
        self._worker.submit(job, Lane.RUN)

    def hover(self, job: HoverJob) -> None:
        """Preview the mask under the mouse, once nothing is left that was asked for."""
        self._worker.submit(job, Lane.HOVER)

    def prefetch(self, job: PrefetchJob) -> None:
        """Encode a plane in advance, as long as there is nothing else to do."""
        self._worker.submit(job, Lane.AHEAD)

    def cancel(self) -> None:
        """Drop all work."""
        self._worker.cancel()

    def close(self) -> None:
        """Drop all work, report nothing more and let the thread end."""
        self._mainthread.close()
        self._worker.close()

    def _progress(self, text: str) -> None:
        self._mainthread.call(partial(self.progressed.emit, text))

    def _advance(self, done: int, total: int) -> None:
        self._mainthread.call(partial(self.advanced.emit, done, total))

    def _find(self, job: SegmentJob, found: Answer) -> None:
        self._mainthread.call(partial(self.found.emit, job, found))

    def _warn(self, text: str) -> None:
        self._mainthread.call(partial(self.warned.emit, text))

    def _deliver(self, job: AnyJob, future: Future[AnyAnswer]) -> None:
        self._mainthread.call(partial(self._report, job, future))

    def _report(self, job: AnyJob, future: Future[AnyAnswer]) -> None:
        error = future.exception()
        if error is not None and not isinstance(job, SegmentJob):
            self.given_up.emit(job, error)
        elif isinstance(error, Cancelled):
            self.cancelled.emit(job)
        elif error is not None:
            self.failed.emit(job, error)
        elif isinstance(job, HoverJob):
            self.hovered.emit(job, future.result())
        elif isinstance(job, PrefetchJob):
            self.prefetched.emit(job)
        elif isinstance(job, WalkJob):
            self.walked.emit(job, future.result())
        else:
            self.answered.emit(job, future.result())
