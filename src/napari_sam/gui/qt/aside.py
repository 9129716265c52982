"""Work that is done once in a thread of its own, with its result handed to the Qt thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from napari_sam.gui.qt.mainthread import MainThread

T = TypeVar("T")


class Aside:
    """Runs functions one after the other beside the Qt thread; the thread ends when it has nothing to do."""

    def __init__(self) -> None:
        self._mainthread = MainThread()
        self._executor: ThreadPoolExecutor | None = None
        self._running = 0

    @property
    def pending(self) -> bool:
        """Whether a result is still to come."""
        return self._running > 0

    def run(
        self, function: Callable[[], T], then: Callable[[T], object], failed: Callable[[BaseException], object]
    ) -> None:
        """Call ``function`` in the thread, then ``then`` or ``failed`` with what came of it in the Qt thread."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-sam-aside")
        self._running += 1
        future = self._executor.submit(function)
        future.add_done_callback(lambda done: self._mainthread.call(partial(self._report, done, then, failed)))

    def close(self) -> None:
        """Report nothing more and let the thread end."""
        self._mainthread.close()
        self._running = 0
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def _report(
        self, future: Future[T], then: Callable[[T], object], failed: Callable[[BaseException], object]
    ) -> None:
        self._running -= 1
        if self._running == 0 and self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None
        error = future.exception()
        if error is None:
            then(future.result())
        else:
            failed(error)
