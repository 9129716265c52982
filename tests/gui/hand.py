"""A hand on the mouse and the keyboard, in a real window; and what its work is measured with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_sam.gui.layers import role_of

LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
Mask = np.ndarray[Any, Any]


def trained_weights() -> bool:
    """Whether the bundled weights are the trained ones: only then is the quality of a mask asserted."""
    from safetensors import safe_open

    from napari_sam.zoo.store import require_model

    with safe_open(require_model("sam_lite"), "np") as file:
        return (file.metadata() or {}).get("trained") == "true"


def coin_at(image: Mask, centre: tuple[int, int], half: int = 32) -> Mask:
    """Return the coin around a pixel, by threshold and fill: nothing our code computes."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    window = np.s_[centre[0] - half : centre[0] + half + 1, centre[1] - half : centre[1] + half + 1]
    bright = ndimage.binary_opening(image[window] > threshold_otsu(image[window]), iterations=2)
    labels, _ = ndimage.label(ndimage.binary_fill_holes(bright))
    region = np.zeros(image.shape, bool)
    region[window] = labels == labels[half, half]
    return region


def iou(one: Mask, other: Mask) -> float:
    """Return intersection over union of two masks."""
    return float((one & other).sum() / max((one | other).sum(), 1))


class Hand:
    """Clicks, drags and types over the canvas, at positions in the pixels of a layer.

    Parameters
    ----------
    viewer : Viewer
        Viewer in a real window.
    widget : SegmentWidget
        Waited for after every act.
    qtbot : QtBot
    """

    def __init__(self, viewer: Any, widget: Any, qtbot: Any) -> None:
        self.viewer = viewer
        self.widget = widget
        self._canvas = viewer.window._qt_viewer.canvas
        self._qtbot = qtbot
        self.settle()

    def layer(self, role: str) -> Any:
        """Return the layer with a role that belongs to the image of the widget."""
        return next(layer for layer in reversed(self.viewer.layers) if role_of(layer) == role)

    def labels(self, role: str) -> Mask:
        """Return the pixels of a labels layer."""
        return np.asarray(self.layer(role).data)

    @property
    def status(self) -> str:
        """The status line of the widget."""
        return str(self.widget["status"].value)

    def settle(self) -> None:
        """Let the window take its final size, and show all of the image."""
        self._qtbot.wait(100)
        self.viewer.reset_view()
        self._qtbot.wait(50)

    def at(self, position: Sequence[float]) -> QPoint:
        """Return where a data position of the image is on the canvas."""
        image = self.widget.session.image
        world = np.asarray(image.data_to_world(np.asarray(position, float)))
        shown = [axis - self.viewer.dims.ndim for axis in self.viewer.dims.displayed]
        row, column = world[shown]
        x, y = self._canvas.view.scene.transform.map([column, row])[:2]
        return QPoint(round(float(x)), round(float(y)))

    def move(self, *position: float) -> None:
        """Move the mouse there, slowly enough to be noticed."""
        QTest.mouseMove(self._canvas.native, self.at(position))
        self._qtbot.wait(30)

    def click(self, *position: float, modifier: Any = PLAIN, wait: bool = True) -> None:
        """Click, and wait for the mask."""
        native, at = self._canvas.native, self.at(position)
        self._qtbot.mouseMove(native, at)
        self._qtbot.mouseClick(native, LEFT, modifier, at)
        if wait:
            assert self.widget.wait(60), self.status

    def double_click(self, *position: float) -> None:
        """Double-click, as ends a polygon."""
        self._qtbot.mouseDClick(self._canvas.native, LEFT, PLAIN, self.at(position))
        assert self.widget.wait(60), self.status

    def drag(self, *positions: Sequence[float], steps: int = 5) -> None:
        """Press at the first position, move along the others, let go at the last."""
        native = self._canvas.native
        self._qtbot.mouseMove(native, self.at(positions[0]))
        self._qtbot.mousePress(native, LEFT, pos=self.at(positions[0]))
        for start, end in pairwise(positions):
            for part in np.linspace(0, 1, steps):
                between = np.array(start) * (1 - part) + np.array(end) * part
                self._qtbot.mouseMove(native, self.at(between))
                self._qtbot.wait(5)
        self._qtbot.mouseRelease(native, LEFT, pos=self.at(positions[-1]))
        assert self.widget.wait(60), self.status

    def press(self, key: Any, modifier: Any = PLAIN) -> None:
        """Press a key over the canvas, and wait for what comes of it."""
        self._qtbot.keyClick(self._canvas.native, key, modifier)
        assert self.widget.wait(60), self.status

    def push(self, name: str) -> None:
        """Click a button of the widget with the mouse."""
        native = self.widget[name].native
        assert native.isVisible(), f"{name} is not in sight"
        assert native.isEnabled(), f"{name} is disabled"
        self._qtbot.mouseClick(native, LEFT)
        assert self.widget.wait(60), self.status

    def slide(self, axis: int, step: int) -> None:
        """Move napari's slider, and wait for what the slice shows."""
        self.viewer.dims.set_current_step(axis, step)
        assert self.widget.wait(60), self.status
