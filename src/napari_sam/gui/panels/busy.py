"""Whether the model is working, and how far it is: shown late, and without animation."""

from __future__ import annotations

import time

from magicgui.widgets import ProgressBar, PushButton

from napari_sam.gui.qt.timers import Debounce

# Most answers are there sooner: a bar that comes and goes with every click only flickers.
LATE_MS = 250
EVERY_S = 0.1
STEPS = 100


class Busy:
    """The progress bar and the button that cancels.

    An animated bar is repainted thirty times a second, and napari's canvas with it, as both lie in one window. Where
    OpenGL is drawn by the processor (virtual machines, remote desktops) that takes longer than the prediction it
    announces. So the bar stands still but for real progress.

    Parameters
    ----------
    progress : ProgressBar
    cancel : PushButton
    """

    def __init__(self, progress: ProgressBar, cancel: PushButton) -> None:
        self._progress = progress
        self._cancel = cancel
        self._busy = False
        self._advanced_at = 0.0
        self._late = Debounce(self._appear, LATE_MS)
        progress.min, progress.max, progress.value = 0, STEPS, 0
        # What is below it does not jump when it appears.
        policy = progress.native.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        progress.native.setSizePolicy(policy)

    def show(self, busy: bool) -> None:
        """Show whether the model is working, and offer to cancel."""
        if busy == self._busy:
            return
        self._busy = busy
        self._cancel.enabled = busy
        if busy:
            self._progress.value = 0
            self._late.request()
        else:
            self._late.stop()
            self._progress.visible = False

    def advance(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps are behind us; not more often than the eye can follow."""
        now = time.monotonic()
        if not self._busy or (now - self._advanced_at < EVERY_S and done < total):
            return
        self._advanced_at = now
        self._progress.value = STEPS * done // max(total, 1)

    def close(self) -> None:
        """Let nothing appear any more."""
        self._late.stop()
        self._busy = False

    def _appear(self) -> None:
        self._progress.visible = self._busy
