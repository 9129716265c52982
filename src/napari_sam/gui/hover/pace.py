"""Whether the model answers quickly enough for a preview that follows the mouse; measured, not guessed."""

from __future__ import annotations

from collections import deque
from statistics import median

AUTO, ON, OFF = "auto", "on", "off"
FAST_S = 0.08
_PATIENCE = 1.5  # once on, a somewhat slower answer does not switch it off: no flicker at the limit
_ENOUGH = 2
_KNOWN_S = 0.0005
_RECENT = 5


class Pace:
    """The times of the last answers of one model.

    The first one after loading is left out: it pays for what is set up on the way.
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_RECENT)
        self._is_cold = True
        self._was_fast = False

    def add(self, seconds: float) -> None:
        """Note how long the decoder took for one click; what took no time was known already."""
        if seconds < _KNOWN_S:
            return
        if self._is_cold:
            self._is_cold = False
            return
        self._seconds.append(seconds)
        if len(self._seconds) >= _ENOUGH:
            self._was_fast = median(self._seconds) <= FAST_S * (_PATIENCE if self._was_fast else 1.0)

    @property
    def is_fast(self) -> bool:
        """Whether the median of the last answers is short enough; False as long as there are too few."""
        return self._was_fast
