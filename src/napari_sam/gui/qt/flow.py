"""A layout that puts widgets of equal width side by side, in as many lines as the width asks for."""

from __future__ import annotations

from qtpy.QtCore import QRect, QSize
from qtpy.QtWidgets import QLayout, QLayoutItem, QWidget

GAP = 4
FEW = 3


class EvenFlow(QLayout):
    """Columns of equal width that fill the line; never narrower than the widest widget.

    Parameters
    ----------
    parent : QWidget, optional
        Widget to lay out.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem | None) -> None:
        """Take an item; Qt calls this."""
        if item is not None:
            self._items.append(item)

    def count(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item, or None beyond the last."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove and return an item, or None beyond the last."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        """Say that fewer columns need more lines."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of all lines at a width."""
        shown = self._shown()
        columns = self._columns(width, len(shown))
        lines = -(-len(shown) // columns)
        return max(lines * (self._tallest(shown) + GAP) - GAP, 0)

    def sizeHint(self) -> QSize:
        """Return the size with a few columns, which is what a dock has room for."""
        shown = self._shown()
        width = min(len(shown), FEW) * (self._widest(shown) + GAP)
        return QSize(width, self.heightForWidth(width))

    def minimumSize(self) -> QSize:
        """Return the size of one column's widest widget."""
        shown = self._shown()
        return QSize(self._widest(shown), self._tallest(shown))

    def setGeometry(self, rect: QRect) -> None:
        """Place the widgets."""
        super().setGeometry(rect)
        shown = self._shown()
        columns = self._columns(rect.width(), len(shown))
        height = self._tallest(shown)
        width = (rect.width() - (columns - 1) * GAP) // columns
        for index, item in enumerate(shown):
            line, column = divmod(index, columns)
            item.setGeometry(QRect(rect.x() + column * (width + GAP), rect.y() + line * (height + GAP), width, height))

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _columns(self, width: int, count: int) -> int:
        fit = (width + GAP) // (self._widest(self._shown()) + GAP)
        columns = max(1, min(count, fit))
        # As many lines as needed, evenly filled: four buttons stand two by two, not three and one.
        lines = -(-count // columns)
        return max(1, -(-count // max(lines, 1)))

    def _widest(self, items: list[QLayoutItem]) -> int:
        return max((item.minimumSize().expandedTo(item.sizeHint()).width() for item in items), default=0)

    def _tallest(self, items: list[QLayoutItem]) -> int:
        return max((item.sizeHint().height() for item in items), default=0)
