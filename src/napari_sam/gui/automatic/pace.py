"""How long a run will still take."""

from __future__ import annotations

import time
from collections.abc import Callable

# Before that nobody can tell.
FIRST_S = 1.0
FIRST_PART = 0.004
SMOOTH = 0.2


class Pace:
    """Estimates the time left from how fast the run has been lately.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._last = clock()
        self._part = 0.0
        self._rate = 0.0

    def advance(self, part: float) -> None:
        """Note that ``part`` of the run, 0 to 1, is done."""
        now = self._clock()
        if part <= self._part or now <= self._last:
            return
        rate = (part - self._part) / (now - self._last)
        self._rate = rate if self._rate == 0 else (1 - SMOOTH) * self._rate + SMOOTH * rate
        self._part, self._last = part, now

    @property
    def left(self) -> str:
        """Time left in words, such as "about 2 min left"; empty as long as nobody can tell."""
        took = self._clock() - self._began
        if took < FIRST_S or self._part < FIRST_PART:
            return ""
        # The mean of the whole run, which is steady, and of late, which follows what changes.
        overall = self._part / took
        seconds = (1 - self._part) / max((overall + self._rate) / 2, 1e-9)
        return f"{in_words(seconds)} left"


def in_words(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 1:
        return "a moment"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min"
