"""For those who use no mouse, or cannot see the controls: an order, a visible focus, names and descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from magicgui.widgets import Widget
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractButton, QLabel, QLayout, QLineEdit, QScrollArea, QWidget

# At least 3 : 1 against the backgrounds of napari's dark and light theme.
FOCUS_COLOR = "#1e87d4"
FOCUSED = (
    "QPushButton QToolButton QComboBox QCheckBox QRadioButton QLineEdit QAbstractSpinBox QLabel QTableView QListView"
)
FOCUS_STYLE = (
    ", ".join(f"{kind}:focus" for kind in FOCUSED.split())
    + f" {{ border: 2px solid {FOCUS_COLOR}; border-radius: 2px; }}"
)


def make_accessible(native: QWidget, widgets: Iterable[Widget]) -> None:
    """Give the controls inside ``native`` a frame when they have the focus, names, and the order they are shown in.

    Parameters
    ----------
    native : QWidget
        What holds the controls.
    widgets : iterable of Widget
        The controls, whose labels and tooltips are their names and descriptions.
    """
    native.setStyleSheet(native.styleSheet() + FOCUS_STYLE)
    descriptions = TooltipsAsDescriptions(native)
    for widget in widgets:
        _name(widget)
        descriptions.follow(widget.native)
        if widget.tooltip and not widget.native.accessibleDescription():  # sliders hand their tooltip on to a part
            widget.native.setAccessibleDescription(widget.tooltip)
    # Qt takes TabFocus from radio buttons that are not checked, and gives it back.
    focusable = [widget for widget in _as_shown(native) if widget.focusPolicy() != Qt.FocusPolicy.NoFocus]
    for first, second in pairwise(focusable):
        QWidget.setTabOrder(first, second)


class TooltipsAsDescriptions(QObject):
    """Gives widgets their tooltip as description for screen readers, also after it has changed.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    def follow(self, native: QWidget) -> None:
        """Start with one widget."""
        native.setAccessibleDescription(native.toolTip())
        native.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Copy the tooltip; never keeps an event from its receiver."""
        if event is not None and event.type() == QEvent.Type.ToolTipChange and isinstance(watched, QWidget):
            watched.setAccessibleDescription(watched.toolTip())
        return False


def focus_chain(native: QWidget) -> list[QWidget]:
    """Return what can be reached with Tab, in the order it is shown: from top to bottom, left to right."""
    return [widget for widget in _as_shown(native) if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]


def _as_shown(native: QWidget) -> Iterator[QWidget]:
    inner = native.widget() if isinstance(native, QScrollArea) else None
    if inner is not None:
        yield from _as_shown(inner)
        return
    yield native
    layout = native.layout()
    if layout is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        widget, inner = (None, None) if item is None else (item.widget(), item.layout())
        if widget is not None:
            yield from _as_shown(widget)
        elif inner is not None:
            yield from _in_layout(inner)


def _name(widget: Widget) -> None:
    # A button's name is its text.
    native: QWidget = widget.native
    name = widget.label or widget.name
    if not native.accessibleName() and not isinstance(native, (QAbstractButton, QLabel)):
        native.setAccessibleName(name)
    # Compound controls, such as a file name with its button.
    for part in native.findChildren(QLineEdit, options=Qt.FindChildOption.FindDirectChildrenOnly):
        if not part.accessibleName():
            part.setAccessibleName(name)
            part.setToolTip(part.toolTip() or widget.tooltip or "")
