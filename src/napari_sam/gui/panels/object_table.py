"""The objects on the shown slice as a table: number with colour, class or score, size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QTableView, QWidget

from napari_sam.gui.panels.table_look import prepare_table

HEADINGS = ("object", "made with", "pixels")


@dataclass(frozen=True)
class ObjectRow:
    """One object on the shown slice.

    Attributes
    ----------
    id : int
        Its label.
    note : str
        Class, or the score of its mask.
    area : int
        Its pixels on the slice.
    """

    id: int
    note: str
    area: int


class ObjectModel(QAbstractTableModel):
    """The rows, and the colour of each; only what is in sight is ever drawn.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: tuple[ObjectRow, ...] = ()
        self.color: Callable[[int], Sequence[float] | None] = _no_color

    def show(self, rows: Sequence[ObjectRow]) -> None:
        """Replace the rows."""
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of objects."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the heading of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return HEADINGS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (str(row.id), row.note, str(row.area))[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() != 1:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            color = self.color(row.id)
            return None if color is None else QColor.fromRgbF(*(float(part) for part in color[:3]))
        return None


class ObjectTable(QTableView):
    """Shows the rows; the user picks one, or with Control or Shift several.

    Attributes
    ----------
    chosen : Signal(int)
        The user has picked an object.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ObjectModel(self)
        self.setModel(self._model)
        tooltip = "The objects on this slice. A click selects one and brings it to the middle."
        prepare_table(self, "Objects on this slice", tooltip)
        self._wanted: int | None = None
        self._showing = False
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._on_current)

    @property
    def ids(self) -> tuple[int, ...]:
        """The selected objects, the one picked first in front."""
        selection = self.selectionModel()
        rows = [] if selection is None else [index.row() for index in selection.selectedRows()]
        return tuple(self._model.rows[row].id for row in rows if row < len(self._model.rows))

    def show_rows(self, rows: Sequence[ObjectRow], color: Callable[[int], Sequence[float] | None]) -> None:
        """Show these objects; what was selected stays selected."""
        selected = set(self.ids)
        self._showing = True
        self._model.color = color
        self._model.show(rows)
        for number, row in enumerate(rows):
            if row.id in selected or row.id == self._wanted:
                self._select(number)
        self._showing = False

    def select(self, object_id: int) -> None:
        """Mark an object, if it is there."""
        self._wanted = object_id
        if object_id in self.ids:
            return
        self._showing = True
        self.clearSelection()
        for number, row in enumerate(self._model.rows):
            if row.id == object_id:
                self._select(number)
                self.scrollTo(self._model.index(number, 0))
        self._showing = False

    def _select(self, number: int) -> None:
        selection = self.selectionModel()
        if selection is not None:
            flags = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(self._model.index(number, 0), flags.Select | flags.Rows)

    def _on_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        if not self._showing and current.isValid():
            self.chosen.emit(self._model.rows[current.row()].id)


def _no_color(object_id: int) -> None:
    return None
