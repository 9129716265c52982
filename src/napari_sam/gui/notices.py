"""Messages in napari's notifications, each once: what is said again within a few seconds is in the status line only."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_SECONDS = 5.0


class Notices:
    """Lets a message through unless it was the same a moment ago.

    Parameters
    ----------
    quiet_seconds : float
        How long the same message is not repeated.
    clock : callable
        Returns seconds.
    """

    def __init__(self, quiet_seconds: float = QUIET_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet_seconds = quiet_seconds
        self._clock = clock
        self._told: dict[str, float] = {}

    def tell(self, show: Callable[[str], object], text: str) -> None:
        """Show a message, if it is not empty and has not been shown a moment ago."""
        now = self._clock()
        self._told = {said: at for said, at in self._told.items() if now - at < self._quiet_seconds}
        if text and text not in self._told:
            show(text)
            self._told[text] = now


class NotesOnce:
    """Lets through what is noted on many slices on the first one only; numbers may differ."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, show: Callable[[str], object], note: str) -> None:
        """Show a note, if none of its kind has been shown."""
        kind = "".join(letter for letter in note if not letter.isdigit())
        if kind not in self._told:
            self._told.add(kind)
            show(note)
