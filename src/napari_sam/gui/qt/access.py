"""For those who use no mouse, or cannot see the controls: an order, a visible focus, names and descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from magicgui.widgets import Widget
from qtpy.QtCore import Qt
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
    for widget in widgets:
        _describe(widget)
    for first, second in pairwise(focus_chain(native)):
        QWidget.setTabOrder(first, second)


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


def _describe(widget: Widget) -> None:
    # Qt hands a widget's tooltip to screen readers as its description, and a button's text as its name.
    native: QWidget = widget.native
    name = widget.label or widget.name
    if not native.accessibleName() and not isinstance(native, (QAbstractButton, QLabel)):
        native.setAccessibleName(name)
    # Compound controls, such as a file name with its button.
    for part in native.findChildren(QLineEdit, options=Qt.FindChildOption.FindDirectChildrenOnly):
        if not part.accessibleName():
            part.setAccessibleName(name)
            part.setToolTip(part.toolTip() or widget.tooltip or "")
