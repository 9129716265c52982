"""Labels of equal width, so that what stands beside them is aligned; they follow the font."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QLabel, QWidget

WATCHED = (QEvent.Type.Show, QEvent.Type.Polish, QEvent.Type.FontChange, QEvent.Type.StyleChange)


class EqualWidths(QObject):
    """Makes the first label of every line of a vertical layout as wide as the widest one.

    Parameters
    ----------
    box : QWidget
        Widget with the layout.
    """

    def __init__(self, box: QWidget) -> None:
        super().__init__(box)
        layout = box.layout()
        lines = [] if layout is None else [layout.itemAt(number) for number in range(layout.count())]
        widgets = [None if line is None else line.widget() for line in lines]
        self._labels = [label for line in widgets if line is not None and (label := line.findChild(QLabel)) is not None]
        for label in self._labels:
            label.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the font; never keeps an event from its receiver."""
        if event is not None and event.type() in WATCHED:
            self._align()
        return False

    def _align(self) -> None:
        width = max((label.fontMetrics().horizontalAdvance(label.text()) for label in self._labels), default=0) + 4
        for label in self._labels:
            if label.minimumWidth() != width:
                label.setMinimumWidth(width)
