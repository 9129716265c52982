"""The candidate masks side by side, with their scores: one click shows another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from magicgui.widgets import PushButton
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap

from napari_sam.gui.compute.thumbnails import CandidateView
from napari_sam.gui.panels.section import button_row

COUNT = 3
SHOWN, HIDDEN = "\N{BLACK CIRCLE}", "\N{WHITE CIRCLE}"
# The first colour of the proposal layer, on a ground that is darker than napari's and lighter than black.
INK, GROUND = (240, 228, 66, 255), (30, 30, 30, 255)


class CandidatePicker:
    """A row of three buttons, each with the outline and the score of one candidate; the shown one is marked.

    Attributes
    ----------
    picked : Signal(int)
        The user wants this candidate.
    """

    picked = Signal(int)

    def __init__(self) -> None:
        self.buttons = [
            PushButton(
                name=f"candidate_{number}",
                text=HIDDEN,
                tooltip=f"Show candidate {number} of {COUNT}: its outline, and the overlap with the true object (IoU) "
                "that the model expects.",
            )
            for number in range(1, COUNT + 1)
        ]
        self.row = button_row(
            "candidates", "The masks that the prompts may mean; the marked one is shown.", *self.buttons
        )
        for index, button in enumerate(self.buttons):
            button.native.setCheckable(True)
            button.native.clicked.connect(partial(self._on_clicked, index))
        self._shown: int | None = None
        self.clear()

    def show(self, candidates: Sequence[CandidateView], shown: int) -> None:
        """Picture up to three candidates and mark the one that is shown."""
        self._shown = shown
        for index, button in enumerate(self.buttons):
            view = candidates[index] if index < len(candidates) else None
            button.enabled = view is not None
            button.text = f"{SHOWN if index == shown else HIDDEN} " + ("" if view is None else f"{view.score:.2f}")
            button.native.setIcon(_nothing() if view is None else _icon(view.picture))
            button.native.setIconSize(self._icon_size())
            button.native.setChecked(index == shown)

    def clear(self) -> None:
        """Say that there is nothing to choose from; the room stays, so that nothing below jumps."""
        self._shown = None
        for button in self.buttons:
            button.enabled = False
            button.text = f"{HIDDEN} \N{EN DASH}"
            button.native.setIcon(_nothing())
            button.native.setIconSize(self._icon_size())
            button.native.setChecked(False)

    def _icon_size(self) -> QSize:
        side = 2 * int(self.buttons[0].native.fontMetrics().height())
        return QSize(side, side)

    def _on_clicked(self, index: int, checked: bool = False) -> None:
        # Qt has toggled the button already: only what is shown decides which one is marked.
        self.buttons[index].native.setChecked(index == self._shown)
        self.picked.emit(index)


def _nothing() -> QIcon:
    clear = QPixmap(1, 1)
    clear.fill(QColor(0, 0, 0, 0))
    return QIcon(clear)


def _icon(picture: NDArray[np.bool_]) -> QIcon:
    rgba = np.where(picture[..., None], np.array(INK, np.uint8), np.array(GROUND, np.uint8))
    height, width = picture.shape
    image = QImage(rgba.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    # The copy owns its pixels; the bytes above are gone after this line.
    return QIcon(QPixmap.fromImage(image.copy()))
