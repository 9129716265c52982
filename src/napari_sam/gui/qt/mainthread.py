"""The way from a background thread into the Qt thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal


class MainThread(QObject):
    """Calls functions in the thread it was made in, in the order they were handed over."""

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._underway = 0
        self._closed = False
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)

    @property
    def pending(self) -> bool:
        """Whether a call is still on its way."""
        with self._lock:
            return self._underway > 0

    def call(self, function: Callable[[], object]) -> None:
        """Call ``function`` in the Qt thread soon; from any thread."""
        with self._lock:
            if self._closed:
                return
            self._underway += 1
            self._posted.emit(function)

    def close(self) -> None:
        """Forget the calls on their way and take no new ones."""
        with self._lock:
            self._closed = True
            self._underway = 0

    def _on_posted(self, function: Callable[[], object]) -> None:
        with self._lock:
            if self._closed:
                return
            self._underway -= 1
        function()
