"""Encodes what is likely to be needed next while the user does nothing, so that the next click answers at once.

That is the visible part of an image too large for the model, after zooming and panning, and the neighbouring slices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable

from napari_sam.errors import Cancelled
from napari_sam.gui.compute.background import Background
from napari_sam.gui.compute.jobs import PrefetchJob, SegmentJob
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.qt.timers import Debounce

IDLE_MS = 500


class Prefetcher:
    """Submits jobs one after the other, some time after the last answer.

    Parameters
    ----------
    background : Background
    neighbours : callable
        Returns jobs without prompts for what to encode, the likeliest first; none where that is not wanted.
    """

    def __init__(self, background: Background, neighbours: Callable[[], list[SegmentJob]]) -> None:
        self._background = background
        self._neighbours = neighbours
        self._tried: set[Hashable] = set()
        self._timer = Debounce(self._submit_next, IDLE_MS)
        self._connections = Connections()
        for signal in (background.answered, background.cancelled, background.hovered, background.prefetched):
            self._connections.add(signal, self._on_quiet)
        self._connections.add(background.given_up, self._on_given_up)

    def close(self) -> None:
        """Submit nothing more."""
        self._connections.clear()
        self._timer.stop()

    def request(self, event: object = None) -> None:
        """Begin some time after now, as if an answer had just come."""
        self._timer.request()

    def _on_quiet(self, job: object, answer: object = None) -> None:
        if isinstance(job, PrefetchJob):
            self._tried.add(_what(job.base))
            self._submit_next()
        else:
            self._timer.request()

    def _on_given_up(self, job: object, error: BaseException) -> None:
        if isinstance(job, PrefetchJob) and not isinstance(error, Cancelled):
            # Should the user go to a plane that cannot be read, it is tried again, and the error shown.
            logging.getLogger("napari_sam").info("Not encoded in advance: %s", error)
            self._tried.add(_what(job.base))
        self._timer.request()

    def _submit_next(self) -> None:
        if not self._background.idle:
            return
        jobs = self._neighbours()
        self._tried &= {_what(job) for job in jobs}
        for job in jobs:
            if _what(job) not in self._tried:
                self._background.prefetch(PrefetchJob(job))
                return


def _what(job: SegmentJob) -> Hashable:
    return job.key, job.view_yx
