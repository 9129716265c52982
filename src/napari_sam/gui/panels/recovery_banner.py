"""The banner that offers work of a session that is gone: recover, save to a file, discard, or later."""

from __future__ import annotations

from functools import partial

from magicgui.widgets import Container, Label, PushButton, Widget
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy

from napari_sam.gui.panels.section import button_row

_STYLE = "QWidget#recovery_banner { border: 1px solid #E69F00; border-radius: 4px; }"


class RecoveryBanner(Container[Widget]):
    """A question and its buttons; hidden until there is something to ask.

    Attributes
    ----------
    requested : Signal(str)
        What the user wants: ``recover``, ``save``, ``discard`` or ``later``.
    """

    requested = Signal(str)

    def __init__(self) -> None:
        self.text = Label(name="recovery_text", value="", tooltip="Work of a session that does not run any more.")
        self.recover = PushButton(
            name="recover",
            text="Recover",
            tooltip="Put them into this image's layers; undo takes it back.",
        )
        self.save = PushButton(
            name="save_recovered", text="Save objects...", tooltip="Write the objects to a labels TIFF of your choice."
        )
        self.discard = PushButton(
            name="discard_recovered", text="Discard", tooltip="Delete this autosave: it cannot be recovered afterwards."
        )
        self.later = PushButton(name="recover_later", text="Later", tooltip="Ask again at the next start.")
        buttons = button_row("recovery", "What to do with it.", self.recover, self.save, self.discard, self.later)
        super().__init__(name="recovery_banner", label="", widgets=[self.text, buttons], labels=False, visible=False)
        self.margins = (6, 6, 6, 6)
        self.tooltip = "Work of a session that does not run any more can be recovered."
        self.native.setObjectName("recovery_banner")
        self.native.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.native.setStyleSheet(_STYLE)
        self.text.native.setWordWrap(True)
        self.text.native.setTextFormat(Qt.TextFormat.PlainText)
        self.text.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        for button, wish in self._wishes():
            button.changed.connect(partial(self._on_pressed, wish))

    def ask(self, text: str, can_recover: bool, can_save: bool) -> None:
        """Show a question; buttons that make no sense are hidden."""
        self.text.value = text
        self.visible = True
        self.recover.visible = can_recover
        self.save.visible = can_save
        self.set_enabled(True)

    def hide_question(self) -> None:
        """Ask nothing."""
        self.visible = False

    def set_enabled(self, enabled: bool) -> None:
        """Take no orders while one is carried out."""
        for button, _ in self._wishes():
            button.enabled = enabled

    def _wishes(self) -> list[tuple[PushButton, str]]:
        return [(self.recover, "recover"), (self.save, "save"), (self.discard, "discard"), (self.later, "later")]

    def _on_pressed(self, wish: str, value: object = None) -> None:
        self.requested.emit(wish)
