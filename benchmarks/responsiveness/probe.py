"""Measuring Qt's event loop: a heartbeat, and how much of each pause between two beats was drawing."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication

BEAT_MS = 2
POLL_MS = 5
# Qt repaints a window in one go when it is asked to update, or comes into view; all painting happens in there.
DRAWING = {QEvent.Type.UpdateRequest, QEvent.Type.Paint, QEvent.Type.Expose}


class TimedApplication(QApplication):
    """A Qt application that knows how long it has been drawing, and which event took longest otherwise.

    Every event of Qt's main thread passes through ``notify``. Time inside the events of ``DRAWING`` counts as drawing:
    vispy's draw handlers, the upload of textures, OpenGL itself and putting the window together. The rest does not.
    """

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self.drawing_s = 0.0
        self.on_drawn: Callable[[float], object] = lambda at: None
        self.longest: tuple[float, str] = (0.0, "")
        self._drawing = False

    def notify(self, receiver: Any, event: Any) -> bool:
        """Deliver an event, and take the time."""
        kind = event.type()
        is_drawing = kind in DRAWING and not self._drawing
        drawn_before, began = self.drawing_s, time.perf_counter()
        self._drawing |= is_drawing
        try:
            return super().notify(receiver, event)
        finally:
            ended = time.perf_counter()
            if is_drawing:
                self._drawing = False
                self.drawing_s += ended - began
                self.on_drawn(ended)
            elif not self._drawing:
                took = ended - began - (self.drawing_s - drawn_before)
                if took > self.longest[0]:
                    self.longest = (took, f"{kind.name} of {type(receiver).__name__}")


@dataclass
class Beats:
    """Pauses between heartbeats in one phase, in seconds.

    Attributes
    ----------
    pauses : list of float
        Time from one beat to the next.
    drawing : list of float
        How much of each was drawing.
    cpu : list of float
        CPU time of the Qt thread in each: far less than the pause where the thread waited for a core or for the GIL.
    worst : float
        The longest pause without the drawing in it.
    culprit : str
        The event that took longest in that pause.
    """

    pauses: list[float] = field(default_factory=list)
    drawing: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    worst: float = 0.0
    culprit: str = ""

    def add(self, pause: float, drawing: float, cpu: float, culprit: str) -> None:
        """Note one pause."""
        if pause - drawing > self.worst:
            self.worst, self.culprit = pause - drawing, culprit
        self.pauses.append(pause)
        self.drawing.append(drawing)
        self.cpu.append(cpu)

    def outside(self) -> np.ndarray[Any, Any]:
        """Pauses without the drawing in them."""
        return np.array(self.pauses) - np.array(self.drawing)

    def summary(self) -> dict[str, Any]:
        """Return the figures of this phase in milliseconds."""
        if not self.pauses:
            return {}
        outside = self.outside() * 1000
        worst = int(outside.argmax())
        return {
            "max_ms": float(outside[worst]),
            "p99_ms": float(np.percentile(outside, 99)),
            "p50_ms": float(np.percentile(outside, 50)),
            "over_50_ms": int((outside > 50).sum()),
            "cpu_in_max_ms": self.cpu[worst] * 1000,
            "max_with_drawing_ms": max(self.pauses) * 1000,
            "beats": len(outside),
            "culprit": self.culprit,
        }


class Heart:
    """Beats every two milliseconds as long as the event loop comes round.

    Parameters
    ----------
    app : TimedApplication
    """

    def __init__(self, app: TimedApplication) -> None:
        self._app = app
        self.phases: dict[str, Beats] = {}
        self._phase: str | None = None
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._last = (0.0, 0.0, 0.0)
        self.collections = Collections()

    def enter(self, phase: str | None) -> None:
        """Count what follows as part of ``phase``; None stops counting."""
        if self._phase is not None:
            self._beat()
        self._phase = phase
        self._last = self._now()
        self._app.longest = (0.0, "")
        if phase is None:
            self._timer.stop()
        else:
            self._timer.start(BEAT_MS)

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), self._app.drawing_s, time.thread_time()

    def _beat(self) -> None:
        now = self._now()
        took, drawing, cpu = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        if self._phase is not None:
            longest, name = self._app.longest
            paused = self.collections.take()
            culprit = f"{name}, {longest * 1000:.0f} ms" + (f"; garbage {paused * 1000:.0f} ms" if paused else "")
            self.phases.setdefault(self._phase, Beats()).add(took, drawing, cpu, culprit)
        self._app.longest = (0.0, "")


class Collections:
    """Time that Python's garbage collector has stopped every thread."""

    def __init__(self) -> None:
        self._began = 0.0
        self._since_taken = 0.0
        self.pauses: list[float] = []
        gc.callbacks.append(self._on_collection)

    def take(self) -> float:
        """Return the time since the last call of this method."""
        taken, self._since_taken = self._since_taken, 0.0
        return taken

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:
            took = time.perf_counter() - self._began
            self._since_taken += took
            self.pauses.append(took)

    def close(self) -> None:
        """Stop watching."""
        gc.callbacks.remove(self._on_collection)


def run_until(done: Callable[[], bool], timeout_s: float, first: Callable[[], object] | None = None) -> bool:
    """Run Qt's event loop, as napari does, until ``done()``; call ``first`` from within it.

    Returns
    -------
    bool
        Whether ``done`` became true in time.
    """
    loop = QEventLoop()
    deadline = time.perf_counter() + timeout_s
    started = first is None

    def look() -> None:
        if started and (done() or time.perf_counter() > deadline):
            loop.quit()

    def start() -> None:
        nonlocal started
        if first is not None:
            first()
        started = True

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(POLL_MS)
    if not started:
        QTimer.singleShot(0, start)
    loop.exec()
    timer.stop()
    return done()
