"""When a docked widget is taken out, put back, hidden, or its window closes."""

from __future__ import annotations

import weakref
from contextlib import suppress

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_sam.gui.qt.timers import Debounce


class Lifecycle(QObject):
    """Watches a native widget and says what becomes of it.

    Parameters
    ----------
    native : QWidget
        The widget as napari docks it.
    """

    docked = Signal()
    undocked = Signal()
    switched = Signal(bool)
    window_closing = Signal()
    window_closed = Signal()

    def __init__(self, native: QWidget) -> None:
        super().__init__()
        self._native = native
        # Weakly: whoever keeps this widget must not keep a closed window alive.
        self._window_ref: weakref.ref[QMainWindow] | None = None
        self._dock_ref: weakref.ref[QDockWidget] | None = None
        self._after_close = Debounce(self._on_after_close, 0)
        # Put off: while the event is on its way, the dock does not say yet what it will be.
        self._after_switch = Debounce(self._on_after_switch, 0)
        native.installEventFilter(self)
        native.destroyed.connect(self._on_destroyed)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Turn Qt's events into signals; never keeps an event from its receiver."""
        kind = None if event is None else event.type()
        if watched is not None and watched is self._window and kind == QEvent.Type.Close:
            # The user may still refuse; whether the window is gone shows when the event is through.
            self.window_closing.emit()
            self._after_close.request()
        elif watched is self._native:
            if kind == QEvent.Type.ParentChange:
                self._on_parent_change()
            elif kind in (QEvent.Type.Show, QEvent.Type.Hide):
                self._after_switch.request()
        return False

    @property
    def _window(self) -> QMainWindow | None:
        return None if self._window_ref is None else self._window_ref()

    def stop(self) -> None:
        """Watch the window no longer."""
        self._after_close.stop()
        self._after_switch.stop()
        self._forget_window()

    def _forget_window(self) -> None:
        window = self._window
        if window is not None:
            window.removeEventFilter(self)
        self._window_ref = None
        dock = None if self._dock_ref is None else self._dock_ref()
        if dock is not None:
            with suppress(RuntimeError, TypeError):  # Qt has deleted it, and its connections
                dock.visibilityChanged.disconnect(self._after_switch.request)
        self._dock_ref = None

    def _on_parent_change(self) -> None:
        if self._native.parent() is None:
            self.undocked.emit()
        else:
            self.docked.emit()

    def _watch_window(self) -> None:
        window = self._native.window()
        if window is not self._window and isinstance(window, QMainWindow):
            self._forget_window()
            self._window_ref = weakref.ref(window)
            window.installEventFilter(self)

    def _watch_dock(self) -> None:
        dock = self._find_dock()
        if dock is not None and self._dock_ref is None:
            self._dock_ref = weakref.ref(dock)
            dock.visibilityChanged.connect(self._after_switch.request)

    def _on_after_switch(self) -> None:
        self._watch_window()
        self._watch_dock()
        self.switched.emit(self._is_switched_on())

    def _is_switched_on(self) -> bool:
        # Behind another tab it is out of sight, and the keys belong to the tool in front. Qt does not hide what is
        # there: it lays it out beside the window.
        window, dock = self._native.window(), self._find_dock()
        if window is not None and window.isVisible():
            return bool(self._native.isVisible()) and (dock is None or not dock.visibleRegion().isEmpty())
        # A window that has not been shown yet shows nothing; what it will show is asked of the dock.
        action = None if dock is None else dock.toggleViewAction()
        return action is None or bool(action.isChecked())

    def _find_dock(self) -> QDockWidget | None:
        parent = self._native.parent()
        while parent is not None and not isinstance(parent, QDockWidget):
            parent = parent.parent()
        return parent

    def _on_destroyed(self) -> None:
        # The window went first and took the event filter with it.
        self._window_ref = self._dock_ref = None
        self.window_closed.emit()

    def _on_after_close(self) -> None:
        window = self._window
        if window is not None and not window.isVisible():
            self.window_closed.emit()
