"""Work in the Qt thread that is cut into pieces, so that the window never waits for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from napari_sam.gui.qt.timers import Debounce

BUDGET_S = 0.01


class Gradually:
    """Runs iterators one after the other, for a hundredth of a second at a time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Iterator[object], Callable[[], object]]] = deque()
        self._go_on = Debounce(self._work, 0)

    @property
    def pending(self) -> bool:
        """Whether there is work left."""
        return bool(self._waiting)

    def run(self, work: Iterator[object], then: Callable[[], object]) -> None:
        """Do some work, and call ``then`` when it is done."""
        self._waiting.append((work, then))
        self._go_on.request()

    def stop(self) -> None:
        """Leave the rest undone."""
        self._go_on.stop()
        self._waiting.clear()

    def _work(self) -> None:
        end = time.monotonic() + BUDGET_S
        while self._waiting and time.monotonic() < end:
            work, then = self._waiting[0]
            try:
                next(work)
            except StopIteration:
                self._waiting.popleft()
                then()
        if self._waiting:
            self._go_on.request()
