"""Thresholds tried out on candidates that are there: in a thread of its own, the newest question first."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_sam.gui.automatic.origin import Mark, Origin, mark_of
from napari_sam.gui.qt.mainthread import MainThread
from napari_sam.gui.qt.worker import LatestWins, Token

if TYPE_CHECKING:
    from napari_sam.automatic.plane import PlaneResult


@dataclass(frozen=True, eq=False)
class FilterJob:
    """Which of the masks of a plane to keep.

    Attributes
    ----------
    origin : Origin
        The masks, and the parameters to try.
    removed : frozenset
        Marks of the masks that the user has deleted.
    label : str
        What the user calls this step.
    gesture : hashable
        What belongs together when it is taken back.
    last : bool
        Whether no more masks will come.
    """

    origin: Origin
    removed: frozenset[Mark] = frozenset()
    label: str = ""
    gesture: Hashable = None
    last: bool = True

    @property
    def key(self) -> Hashable:
        """Every question has its own answer."""
        return id(self)


class Live:
    """Answers in the Qt thread.

    Attributes
    ----------
    answered : Signal(FilterJob, PlaneResult)
    failed : Signal(FilterJob, BaseException)
    """

    answered = Signal(object, object)
    failed = Signal(object, object)

    def __init__(self) -> None:
        self._mainthread = MainThread()
        self._worker: LatestWins[FilterJob, PlaneResult] = LatestWins(filtered, self._deliver, "napari-sam-live")

    @property
    def pending(self) -> bool:
        """Whether an answer is still to come."""
        return self._worker.busy or self._mainthread.pending

    def ask(self, job: FilterJob) -> None:
        """Answer this as soon as possible, and nothing older."""
        self._worker.submit(job)

    def cancel(self) -> None:
        """Answer nothing that has been asked."""
        self._worker.cancel()

    def close(self) -> None:
        """Answer nothing more and let the thread end."""
        self._mainthread.close()
        self._worker.close()

    def _deliver(self, job: FilterJob, future: Future[PlaneResult]) -> None:
        self._mainthread.call(partial(self._report, job, future))

    def _report(self, job: FilterJob, future: Future[PlaneResult]) -> None:
        error = future.exception()
        if error is None:
            self.answered.emit(job, future.result())
        else:
            self.failed.emit(job, error)


def filtered(job: FilterJob, token: Token | None = None) -> PlaneResult:
    """Return the objects of a plane as :func:`napari_sam.automatic.plane.segment_plane` makes them of its masks."""
    from napari_sam.automatic.plane import PlaneResult, plane_result
    from napari_sam.automatic.select import select

    candidates = job.origin.candidates
    if candidates is None:
        return PlaneResult(np.zeros((0, 0), np.uint32), (), ())
    records = select(candidates, job.origin.job.automatic)
    if job.removed:
        records = [record for record in records if mark_of(record) not in job.removed]
    return plane_result(records, candidates.image_hw, job.origin.job)
