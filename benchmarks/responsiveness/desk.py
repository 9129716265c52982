"""A napari window with the Segment widget, and the hand that works in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from benchmarks.responsiveness.probe import Heart, TimedApplication, run_until
from napari_sam.gui.layers import role_of

PATIENCE_S = 120.0


@dataclass
class Times:
    """When the proposal layer was changed, and when the first change had been painted."""

    written: list[float] = field(default_factory=list)
    painted: float = 0.0


@dataclass(frozen=True)
class ClickTimes:
    """Seconds from a mouse click to the first mask in the proposal layer, to that on the screen, and to the last mask.

    The last mask differs from the first where a small object is looked at again, closer.
    """

    to_layer: float
    to_screen: float
    to_final: float


class Desk:
    """One viewer on the screen.

    Parameters
    ----------
    app : TimedApplication
    """

    def __init__(self, app: TimedApplication) -> None:
        import napari

        self.app = app
        self.heart = Heart(app)
        self.viewer = napari.Viewer(title="responsiveness")
        self.viewer.window.resize(1400, 900)
        self.widget: Any = None
        self._times = Times()
        self.idle(0.3)

    def open_widget(self) -> None:
        """Dock the Segment widget."""
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam-studio", "Segment")

    def layer(self, role: str) -> Any:
        """Return the layer of a role, the newest if images have one each."""
        return next(layer for layer in reversed(self.viewer.layers) if role_of(layer) == role)

    def has(self, role: str) -> bool:
        """Whether there is a layer of a role."""
        return any(role_of(layer) == role for layer in self.viewer.layers)

    @property
    def painted_at(self) -> float:
        """When the first mask of the last click was on the screen."""
        return self._times.painted

    def limit_embeddings(self, max_bytes: int) -> Callable[[], int]:
        """Give the engine this much memory for embeddings from now on; return what tells how much it uses."""
        embeddings = self.widget._background._worker._run.__self__._embeddings
        embeddings._max_bytes = max_bytes
        embeddings.clear()
        return lambda: 0 if embeddings._cache is None else embeddings._cache.nbytes

    def watch_proposal(self) -> None:
        """Note when something of the proposal layer is changed, and when that is on the screen."""
        proposal = self.layer("proposal")
        for name in ("labels_update", "set_data"):
            getattr(proposal.events, name).connect(self._on_proposal)
        self.app.on_drawn = self._on_drawn

    def _on_proposal(self, event: Any = None) -> None:
        self._times.written.append(time.perf_counter())

    def _on_drawn(self, at: float) -> None:
        if self._times.written and not self._times.painted:
            self._times.painted = at

    def idle(self, seconds: float) -> None:
        """Let the event loop run."""
        until = time.perf_counter() + seconds
        run_until(lambda: time.perf_counter() > until, seconds + 1)

    def do(self, action: Any, timeout_s: float = PATIENCE_S) -> None:
        """Call ``action`` from the event loop and run that until the widget has nothing left to do."""
        if not run_until(lambda: not self.widget.pending, timeout_s, action):
            raise TimeoutError(f"The widget was still busy after {timeout_s:g} s: {self.widget['status'].value}")

    def press(self, key: Any) -> None:
        """Press a key over the canvas."""
        native = self._canvas.native
        QTest.keyClick(native, key)

    @property
    def _canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas

    def _at(self, row: float, column: float) -> QPoint:
        x, y = self._canvas.view.scene.transform.map([column, row])[:2]
        return QPoint(round(float(x)), round(float(y)))

    def click(self, row: float, column: float) -> None:
        """Click with the mouse where a pixel of the shown plane is."""
        native, at = self._canvas.native, self._at(row, column)
        QTest.mouseMove(native, at)
        QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)

    def timed_click(self, row: float, column: float) -> ClickTimes:
        """Click, and take the time until the mask is there; the clock starts before the mouse event is made."""
        self._times = times = Times()
        began = 0.0

        def act() -> None:
            nonlocal began
            began = time.perf_counter()
            self.click(row, column)

        if not run_until(lambda: times.painted > 0 and not self.widget.pending, PATIENCE_S, act):
            raise TimeoutError(f"No mask for a click at {row:g}, {column:g}: {self.widget['status'].value}")
        return ClickTimes(times.written[0] - began, times.painted - began, times.written[-1] - began)

    def mask_at(self, row: float, column: float) -> bool:
        """Whether the proposal covers a pixel of the shown plane."""
        layer = self.layer("proposal")
        index = (*self.viewer.dims.current_step[:-2], round(row), round(column))
        return bool(np.asarray(layer.data[index]) > 0)

    def close(self) -> None:
        """Measure no more. The window stays: the process ends with it."""
        self.heart.enter(None)
        self.heart.collections.close()
