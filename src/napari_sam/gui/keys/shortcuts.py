"""The keys of one widget: which there are, whose they are, on and off, changed and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.settings import get_settings
from psygnal import Signal

from napari_sam.errors import KeyBindingError
from napari_sam.gui.keymap import KeyBinder, KeyTable
from napari_sam.gui.keys.owners import napari_keys, viewer_keys
from napari_sam.gui.keys.store import load_keys, save_keys
from napari_sam.gui.qt.connections import Connections

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget


class Shortcuts:
    """Keeps the keys of a widget bound while it is in use, and follows what the user and napari do to them.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose canvas gets the keys.
    target : object
        Owner of the methods the table names.
    window : callable
        Returns the window the widget is in, whose menus have keys too.

    Attributes
    ----------
    changed : Signal
        Emitted when the keys have changed.
    notice : Signal(str)
        What the user should know about the keys.
    """

    changed = Signal()
    notice = Signal(str)

    def __init__(self, viewer: ViewerModel, target: object, window: Callable[[], QWidget | None]) -> None:
        self._viewer = viewer
        self._window = window
        self._connections = Connections()
        self._told: list[str] = []
        self._problem = ""
        self.table = KeyTable()
        self._binder = KeyBinder(viewer, target, self.table)
        self.table.changed.connect(self._on_changed)

    @property
    def active(self) -> bool:
        """Whether the keys are bound."""
        return self._binder.active

    def switch(self, on: bool) -> None:
        """Bind the keys, or free them."""
        if on == self.active:
            return
        if on:
            self._reload()
            self._connections.add(get_settings().shortcuts.events.shortcuts, self._on_napari_changed)
            self._bind()
        else:
            self._connections.clear()
            self._binder.unbind()

    def taken(self) -> dict[str, str]:
        """Return the keys others have here and now, with who has them."""
        return {**viewer_keys(self._viewer, self._window(), self._binder.bound), **napari_keys()}

    def change(self, method: str, key: str) -> None:
        """Give an action another key, or none, now and from now on; raises KeyBindingError when it is taken."""
        self._reload()
        self.table.change(method, key, self.taken())
        self._save()

    def reset(self) -> None:
        """Go back to the defaults."""
        self.table.replace({})
        self._save()

    def _reload(self) -> None:
        # A widget in another viewer, or another napari, may have changed them since.
        try:
            self.table.replace(load_keys())
        except KeyBindingError as error:
            self._tell(str(error))
        self._tell(" ".join(self.table.problems))

    def _tell(self, problem: str) -> None:
        if problem and problem != self._problem:
            self.notice.emit(problem)
        self._problem = problem

    def _bind(self) -> None:
        refused = self._binder.bind(self.taken())
        if refused and refused != self._told:
            self.notice.emit(
                f"These keys are bound to something else and stay so: {', '.join(refused)}. "
                "Use the buttons, or choose others under Keys."
            )
        self._told = refused

    def _save(self) -> None:
        try:
            save_keys(self.table.changes())
        except KeyBindingError as error:
            self.notice.emit(str(error))

    def _rebind(self) -> None:
        if self.active:
            self._binder.unbind()
            self._bind()

    def _on_napari_changed(self, event: object = None) -> None:
        self._rebind()

    def _on_changed(self) -> None:
        self._rebind()
        self.changed.emit()
