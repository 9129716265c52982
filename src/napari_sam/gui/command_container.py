"""What the widgets of this plugin have in common for scripts: controls by name, and waiting."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any

from magicgui.widgets import Container, Widget
from qtpy.QtWidgets import QApplication

from napari_sam.gui.panels.tree import find


class CommandContainer(Container[Widget]):
    """A container whose controls are found by name, however deep they are, and that knows when it is done."""

    def __getitem__(self, key: Any) -> Any:
        """Return a control by name, those inside sections and rows included, or by position."""
        if isinstance(key, str) and (found := find(self, key)) is not None:
            return found
        return super().__getitem__(key)

    def __getattr__(self, name: str) -> Any:
        """Return a control by name, where no command has that name."""
        if not name.startswith("_") and (found := find(self, name)) is not None:
            return found
        return super().__getattr__(name)

    @property
    @abstractmethod
    def pending(self) -> bool:
        """Whether anything that was begun is still under way."""

    def wait(self, timeout_s: float = 60.0) -> bool:
        """Process events until nothing is pending; return False if that took longer than ``timeout_s`` seconds."""
        deadline = time.monotonic() + timeout_s
        while True:
            QApplication.processEvents()
            if not self.pending:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
