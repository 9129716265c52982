"""Whether the next click is positive or negative: a sticky choice, turned round by a modifier for one click."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Points, Shapes

from napari_sam.gui.layers import set_next_label, set_next_scribble
from napari_sam.gui.prompting.prompts import FEATURE, NEGATIVE, POSITIVE

MODIFIERS = ("Control", "Alt")
# napari takes a press and release further apart than this for a pan, and adds no point.
DRAG_PIXELS = 5


class Polarity:
    """The positive/negative switch of one points layer. The layer's own feature default is the state.

    Parameters
    ----------
    layer : Points
        Points layer whose next point is meant.
    boxes : Shapes
        Shapes layer whose next scribble is meant.
    """

    def __init__(self, layer: Points, boxes: Shapes) -> None:
        self._layer = layer
        self._boxes = boxes
        self._after_click: str | None = None
        layer.mouse_drag_callbacks.append(self._on_press)

    @property
    def label(self) -> str:
        """Category of the next plain click: "positive" or "negative"."""
        if self._after_click is not None:
            return self._after_click
        return NEGATIVE if str(self._layer.feature_defaults[FEATURE].iloc[0]) == NEGATIVE else POSITIVE

    @label.setter
    def label(self, label: str) -> None:
        self._after_click = None
        set_next_label(self._layer, label)
        set_next_scribble(self._boxes, label)

    def restore(self) -> None:
        """Forget a modifier: called once the point it was meant for is there."""
        if self._after_click is not None:
            self.label = self._after_click

    def detach(self) -> None:
        """Take the mouse callback off the layer."""
        if self._on_press in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, layer: Points, event: Any) -> Iterator[None]:
        self.restore()
        # vispy's keys are equal to their names, but print and hash otherwise.
        if str(layer.mode) != "add" or not any(name in event.modifiers for name in MODIFIERS):
            return
        sticky = self.label
        set_next_label(layer, NEGATIVE if sticky == POSITIVE else POSITIVE)
        self._after_click = sticky
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            yield
        # A drag pans and adds no point; a click is added after this callback or before it, and restores then.
        if np.linalg.norm(np.asarray(event.pos, float) - start) >= DRAG_PIXELS:
            self.restore()
