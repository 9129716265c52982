"""Looking for the highest id in an array: at once in a small one, in a thread of its own in a large one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np

# Looking through more pixels than this takes longer than a user should wait for.
LAZY_AT_ONCE, IN_MEMORY_AT_ONCE = 2**22, 2**26


def highest_value(data: Any, stopped: Callable[[], bool] = lambda: False) -> int:
    """Return the largest value of an array, plane by plane, so that a lazy one is never in memory as a whole."""
    if data_is_empty(data):
        return 0
    if isinstance(data, np.ndarray):
        return int(data.max(initial=0))
    highest = 0
    for position in np.ndindex(*data.shape[:-2]):
        if stopped():
            break
        highest = max(highest, int(np.asarray(data[position]).max(initial=0)))
    return highest


class Scan:
    """The search for the highest id of one array.

    Parameters
    ----------
    data : array
        Array to look through.
    """

    def __init__(self, data: Any) -> None:
        self._stop = Event()
        self._future: Future[int] = Future()
        limit = IN_MEMORY_AT_ONCE if isinstance(data, np.ndarray) else LAZY_AT_ONCE
        if data.size <= limit or data_is_empty(data):
            self._future.set_result(highest_value(data))
            return
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="napari-sam-ids")
        self._future = executor.submit(highest_value, data, self._stop.is_set)
        executor.shutdown(wait=False)

    @property
    def pending(self) -> bool:
        """Whether the search goes on."""
        return not self._future.done()

    def result(self) -> int:
        """Return the highest id, waiting for it; raises what reading the array raised."""
        return self._future.result()

    def stop(self) -> None:
        """End the search soon; its result counts no longer."""
        self._stop.set()


def data_is_empty(data: Any) -> bool:
    """Return whether an array is known, without reading it, to hold nothing but 0."""
    return getattr(data, "nchunks_initialized", None) == 0
