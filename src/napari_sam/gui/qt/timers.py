"""A single-shot timer that knows whether it still has to fire."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QTimer


class Debounce:
    """Calls a function once, some time after the last request.

    Parameters
    ----------
    function : callable
        Called in the Qt thread.
    milliseconds : int
        Delay after the last ``request``.
    """

    def __init__(self, function: Callable[[], object], milliseconds: int) -> None:
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(function)

    @property
    def pending(self) -> bool:
        """Whether the function will be called."""
        return bool(self._timer.isActive())

    def request(self, event: object = None) -> None:
        """Ask for a call; an earlier request that has not been served is put off. Fits as an event callback."""
        with suppress(RuntimeError):  # as in stop()
            self._timer.start()

    def stop(self) -> None:
        """Forget the request."""
        # A window that goes without being closed may take the timer before its owner is told.
        with suppress(RuntimeError):
            self._timer.stop()
