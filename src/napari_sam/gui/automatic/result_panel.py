"""The objects found: their table, how they are coloured, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from magicgui.widgets import ComboBox, Label, LineEdit, PushButton
from psygnal import Signal
from qtpy.QtWidgets import QSizePolicy

from napari_sam.errors import ParameterError
from napari_sam.gui.automatic.row_filter import matching
from napari_sam.gui.automatic.score_colors import COLOR_BY
from napari_sam.gui.automatic.table import FeatureTable
from napari_sam.gui.panels.section import Section, button_row, group


class ResultPanel:
    """The section "Objects found".

    Attributes
    ----------
    chosen : Signal(int)
        The user has picked an object in the table.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        self.summary = Label(name="summary", value="", tooltip="How many objects there are, and of how many masks.")
        self.color_by = ComboBox(
            name="color_by",
            label="colour by",
            choices=list(COLOR_BY),
            tooltip="One colour per object; or dark blue for the lowest and yellow for the highest score or area.",
        )
        self.table_filter = LineEdit(
            name="table_filter",
            label="show only",
            tooltip="Conditions for the table, such as: iou < 0.9, area > 100. Empty shows all.",
        )
        self.filter_message = Label(name="filter_message", value="", tooltip="What is wrong with the conditions.")
        self.filter_message.visible = False
        self.table = FeatureTable()
        self.keep_selected = _button("keep_selected", "Keep", "Delete all objects but those selected in the table.")
        self.delete_selected = _button("delete_selected", "Delete", "Delete the objects selected in the table.")
        self.undo = _button("undo", "Undo", "Take back the last run, change of a threshold, or deletion.")
        self.redo = _button("redo", "Redo", "Do again what was undone last.")
        self.send_to_segment = _button(
            "send_to_segment",
            "Edit in Segment",
            "Hand the labels over to the Segment widget, to correct objects with clicks and boxes.",
        )
        self.section = self._layout()
        self.nothing = pd.DataFrame({"index": np.zeros(0, np.int64)})
        self._frame = self.nothing
        self._stacked = False
        self._color: Callable[[int], Sequence[float] | None] = lambda object_id: None
        self.table.chosen.connect(self.chosen)
        self.table_filter.changed.connect(self._show)

    def buttons(self) -> tuple[PushButton, ...]:
        """Return the buttons; each is named like the command it gives."""
        return self.keep_selected, self.delete_selected, self.undo, self.redo, self.send_to_segment

    def show(self, frame: pd.DataFrame, stacked: bool, color: Callable[[int], Sequence[float] | None]) -> None:
        """Show the objects of a result, one per line."""
        self._frame, self._stacked, self._color = frame, stacked, color
        self._show()

    def show_summary(self, objects: int, masks: int | None) -> None:
        """Say how many objects there are, and of how many masks; None where that is not known."""
        told = f"{objects} object{'' if objects == 1 else 's'}"
        self.summary.value = told if masks is None else f"Kept {objects} of {masks} masks"

    def show_steps(self, undo: str, redo: str) -> None:
        """Say what can be taken back, and done again."""
        self.undo.enabled, self.redo.enabled = bool(undo), bool(redo)
        self.undo.tooltip = f"Undo: {undo}." if undo else "Nothing to undo."
        self.redo.tooltip = f"Redo: {redo}." if redo else "Nothing to redo."

    def _show(self, text: str = "") -> None:
        try:
            keep, problem = matching(self._frame, self.table_filter.value), ""
        except ParameterError as error:
            keep, problem = np.ones(len(self._frame), bool), str(error)
        self.filter_message.value = problem
        self.filter_message.visible = bool(problem)
        self.table.show_features(self._frame, keep, self._stacked, self._color)

    def _layout(self) -> Section:
        section = Section(
            "objects",
            "Objects found",
            "The objects of the result, with their scores.",
            self.summary,
            button_row("object_tools", "What to do with the selected objects.", *self.buttons()[:4]),
            group("table_settings", "What the table and the labels show.", self.color_by, self.table_filter),
            self.filter_message,
            button_row("send", "Where to go on.", self.send_to_segment),
            unfolded=True,
            labels=False,
        )
        body = section.body.native.layout()
        body.insertWidget(4, self.table)
        for label in (self.summary, self.filter_message):
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        return section


def _button(name: str, text: str, tooltip: str) -> PushButton:
    return PushButton(name=name, text=text, tooltip=tooltip)
