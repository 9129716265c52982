"""The check box of the preview: follows what the model can do until the user has chosen."""

from __future__ import annotations

from magicgui.widgets import CheckBox
from psygnal import Signal

from napari_sam.gui.hover.pace import AUTO, OFF, ON


class HoverSwitch:
    """Switches the preview under the mouse.

    Attributes
    ----------
    chosen : Signal(str)
        The user wants it "on" or "off".
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        self.box = CheckBox(
            name="hover",
            label="",
            text="Preview under the cursor",
            value=False,
            tooltip="Show the mask a click would give while the mouse moves. It switches itself on where the model "
            "answers within 80 ms; what you choose here stays.",
        )
        self.choice = AUTO
        self.box.changed.connect(self._on_changed)

    def show(self, on: bool) -> None:
        """Show whether there is a preview now; that is nobody's choice."""
        with self.box.changed.blocked():
            self.box.value = on

    def _on_changed(self, on: bool) -> None:
        self.choice = ON if on else OFF
        self.chosen.emit(self.choice)
