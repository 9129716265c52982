"""The keys, one line each: what it does, the key, and a way to press another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from magicgui.widgets import Container, Label, PushButton, Widget
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QGridLayout, QKeySequenceEdit, QLabel, QToolButton, QWidget

from napari_sam.gui.keymap import KEYMAP, KeyAction
from napari_sam.gui.keys.spelling import spelled_by_qt
from napari_sam.gui.qt.scroll import RoomForLines

# napari deletes with these, so they can stand for "no key" here.
NO_KEY = ("Backspace", "Delete")
HINT = "Click a key, or go there with Tab, and press another; Backspace for none."


class KeyEditor(Container[Widget]):
    """Shows the keys and asks for others.

    Attributes
    ----------
    asked : Signal(str, str)
        The user wants this action to have this key, empty for none.
    reset_asked : Signal
        The user wants the defaults.
    """

    asked = Signal(str, str)
    reset_asked = Signal()

    def __init__(self) -> None:
        self._message = Label(name="keys_message", value=HINT, tooltip="How to change a key, and why it could not be.")
        self._reset = PushButton(name="reset_keys", text="Reset keys", tooltip="Give every action its first key again.")
        super().__init__(
            name="keys",
            label="",
            tooltip="What can be done with keys, while this widget is in sight.",
            widgets=[self._message, self._reset],
            labels=False,
        )
        self.margins = (0, 0, 0, 0)
        self._edits: dict[str, QKeySequenceEdit] = {}
        self.native.layout().insertWidget(0, self._make_table())
        RoomForLines(self._message.native, 2)
        self._reset.changed.connect(self._on_reset)

    def show_keys(self, key_of: Callable[[str], str]) -> None:
        """Show which key every action has."""
        for method, edit in self._edits.items():
            blocked = edit.blockSignals(True)
            edit.setKeySequence(QKeySequence(key_of(method)))
            edit.blockSignals(blocked)

    def say(self, text: str = "") -> None:
        """Tell what became of the wish, or how to change a key."""
        self._message.value = text or HINT

    def _make_table(self) -> QWidget:
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(0, 1)
        for row, action in enumerate(KEYMAP):
            for column, widget in enumerate(self._make_row(action)):
                grid.addWidget(widget, row, column)
        return table

    def _make_row(self, action: KeyAction) -> tuple[QWidget, ...]:
        text = QLabel(action.text)
        text.setWordWrap(True)
        edit = QKeySequenceEdit()
        edit.setObjectName(f"key_{action.method}")
        edit.setToolTip(f"Key for: {action.text}. Press another to change it, Backspace for none.")
        edit.setAccessibleName(f"Key for: {action.text}")
        if hasattr(edit, "setMaximumSequenceLength"):  # Qt 6.5
            edit.setMaximumSequenceLength(1)
        edit.editingFinished.connect(partial(self._on_edited, action.method))
        edit.setFixedWidth(edit.fontMetrics().horizontalAdvance("Ctrl+Shift+M") + 2 * edit.fontMetrics().height())
        text.setBuddy(edit)
        clear = QToolButton()
        clear.setText("\N{MULTIPLICATION SIGN}")
        clear.setObjectName(f"no_key_{action.method}")
        clear.setToolTip(f"No key for: {action.text}.")
        clear.setAccessibleName(f"No key for: {action.text}")
        clear.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        clear.clicked.connect(partial(self._on_cleared, action.method))
        self._edits[action.method] = edit
        return text, edit, clear

    def _on_edited(self, method: str) -> None:
        sequence = self._edits[method].keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        key = spelled_by_qt(sequence.partition(", ")[0])
        self.asked.emit(method, "" if key in NO_KEY else key)

    def _on_cleared(self, method: str, checked: bool = False) -> None:
        self.asked.emit(method, "")

    def _on_reset(self, value: object = None) -> None:
        self.reset_asked.emit()
