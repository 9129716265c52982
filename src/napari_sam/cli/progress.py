"""A progress line on a terminal, and Ctrl-C as a polite request."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

_INTERVAL_S = 0.2


class ProgressLine:
    """Shows "done of total" on one line that rewrites itself; silent where stderr is not a terminal.

    Parameters
    ----------
    label : str
        What is going on.
    scale : float
        Divides both numbers, such as 1e6 for bytes as megabytes.
    unit : str
        Unit after dividing.
    stream : text stream, optional
        stderr by default.
    """

    def __init__(self, label: str, scale: float = 1.0, unit: str = "", stream: TextIO | None = None) -> None:
        self._label = label
        self._scale = scale
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._shown_at = 0.0
        self._length = 0

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done; a `total` of 0 means it is not known."""
        now = time.monotonic()
        finished = 0 < total <= done
        if not self._stream.isatty() or (now - self._shown_at < _INTERVAL_S and not finished):
            return
        self._shown_at = now
        text = f"{self._label}: {done / self._scale:,.0f}"
        if total > 0:
            text += f" of {total / self._scale:,.0f} {self._unit} ({100 * done / total:.0f} %)"
        else:
            text += f" {self._unit}"
        self._stream.write("\r" + text.rstrip().ljust(self._length))
        self._stream.flush()
        self._length = len(text)

    def close(self) -> None:
        """End the line, if one was begun."""
        if self._length:
            self._stream.write("\n")
            self._stream.flush()
            self._length = 0


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question: gives a function that tells whether it was pressed.

    A second Ctrl-C interrupts at once, as always.
    """
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
