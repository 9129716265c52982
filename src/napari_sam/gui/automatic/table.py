"""The objects of a result as a table: sorted by a click on a heading, filtered by conditions, selected like files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psygnal import Signal as PsygnalSignal
from qtpy.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QTableView, QWidget

from napari_sam.gui.panels.table_look import prepare_table

HEADINGS = {
    "index": "id",
    "area": "area",
    "predicted_iou": "IoU",
    "stability_score": "stab.",
    "row": "row",
    "column": "col.",
    "plane": "plane",
    "planes": "span",
}
TOOLTIPS = {
    "index": "Number of the object: its label.",
    "area": "Pixels, on all its planes.",
    "predicted_iou": "How good the model thinks the mask is.",
    "stability_score": "How little the mask changes when the cut-off moves.",
    "row": "Row of the point that made it.",
    "column": "Column of the point that made it.",
    "plane": "The plane it is largest on.",
    "planes": "On how many planes it lies.",
}
ONLY_IN_STACKS = ("plane", "planes")
LINES = 6
Color = Callable[[int], Sequence[float] | None]


class FeatureModel(QAbstractTableModel):
    """The lines in the order of a column, without those the filter leaves out; only what is in sight is ever drawn.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._frame = pd.DataFrame({"index": np.zeros(0, np.int64)})
        self._keep: NDArray[np.bool_] = np.zeros(0, bool)
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted_by: tuple[str, bool] = ("index", False)
        self.columns: tuple[str, ...] = ("index",)
        self.color: Color = _no_color

    def show(self, frame: pd.DataFrame, keep: NDArray[np.bool_], columns: Sequence[str]) -> None:
        """Replace the lines."""
        self.beginResetModel()
        self._frame, self._keep, self.columns = frame, keep, tuple(columns)
        self._arrange()
        self.endResetModel()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The objects in the order they are shown."""
        return self._frame["index"].to_numpy(np.int64)[self._order]

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; Qt calls this when a heading is clicked."""
        if not 0 <= column < len(self.columns):
            return
        self.beginResetModel()
        self._sorted_by = (self.columns[column], order == Qt.SortOrder.DescendingOrder)
        self._arrange()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of lines."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the heading of a column."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        words = {Qt.ItemDataRole.DisplayRole: HEADINGS, Qt.ItemDataRole.ToolTipRole: TOOLTIPS}.get(
            Qt.ItemDataRole(role)
        )
        return None if words is None else words.get(self.columns[section], self.columns[section])

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        line, name = self._order[index.row()], self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(name, self._frame[name].iat[line])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DecorationRole and name == "index":
            color = self.color(int(self._frame["index"].iat[line]))
            return None if color is None else QColor.fromRgbF(*(float(part) for part in color[:3]))
        return None

    def _arrange(self) -> None:
        name, descending = self._sorted_by
        lines = np.flatnonzero(self._keep)
        if name in self._frame:
            values = self._frame[name].to_numpy()[lines]
            order = np.argsort(values, kind="stable")
            lines = lines[order[::-1] if descending else order]
        self._order = lines


class FeatureTable(QTableView):
    """Shows the lines; the user picks some.

    Attributes
    ----------
    chosen : Signal(int)
        The user has picked this object.
    """

    chosen = PsygnalSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = FeatureModel(self)
        self.setModel(self._model)
        prepare_table(
            self,
            "Objects found",
            "The objects found. A click selects one and goes there, a click on a heading sorts; "
            "Shift and Control select several, Control+A all that are shown.",
            LINES,
        )
        self.setSortingEnabled(True)
        across = self.horizontalHeader()
        if across is not None:
            across.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self._showing = False
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._on_current)

    @property
    def ids(self) -> tuple[int, ...]:
        """The selected objects, from top to bottom."""
        selection = self.selectionModel()
        lines = [] if selection is None else sorted(index.row() for index in selection.selectedRows())
        shown = self._model.ids
        return tuple(int(shown[line]) for line in lines if line < len(shown))

    @property
    def shown_ids(self) -> tuple[int, ...]:
        """The objects in the table, from top to bottom."""
        return tuple(self._model.ids.tolist())

    def show_features(self, frame: pd.DataFrame, keep: NDArray[np.bool_], stacked: bool, color: Color) -> None:
        """Show the objects of a result; what was selected stays selected.

        Parameters
        ----------
        frame : DataFrame
            One line per object.
        keep : ndarray of bool
            Which lines to show.
        stacked : bool
            Whether there is more than one plane.
        color : callable
            Returns the colour of an object.
        """
        selected = self.ids
        columns = [name for name in HEADINGS if name in frame and (stacked or name not in ONLY_IN_STACKS)]
        self._model.color = color
        self._quietly(lambda: self._model.show(frame, keep, columns))
        self.select(selected, go_there=False)

    def select(self, ids: Iterable[int], go_there: bool = True) -> None:
        """Mark these objects and no others, as far as they are shown."""
        wanted = np.flatnonzero(np.isin(self._model.ids, np.fromiter(ids, np.int64)))
        if go_there and {int(one) for one in self._model.ids[wanted]} == set(self.ids):
            return
        self._quietly(lambda: self._mark(wanted, go_there))

    def _mark(self, lines: NDArray[np.int64], go_there: bool) -> None:
        selection = self.selectionModel()
        if selection is None:
            return
        marked = QItemSelection()
        # Neighbouring lines as one range: thousands of single ones would take seconds.
        for part in np.split(lines, np.flatnonzero(np.diff(lines) > 1) + 1) if len(lines) else []:
            marked.select(self._model.index(int(part[0]), 0), self._model.index(int(part[-1]), 0))
        flags = QItemSelectionModel.SelectionFlag
        selection.select(marked, flags.ClearAndSelect | flags.Rows)
        if len(lines) and go_there:
            selection.setCurrentIndex(self._model.index(int(lines[0]), 0), flags.NoUpdate)
            self.scrollTo(self._model.index(int(lines[0]), 0))

    def _quietly(self, act: Callable[[], object]) -> None:
        self._showing = True
        act()
        self._showing = False

    def _on_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        if not self._showing and current.isValid():
            self.chosen.emit(int(self._model.ids[current.row()]))


def _text(name: str, value: Any) -> str:
    if name in ("predicted_iou", "stability_score"):
        return "" if np.isnan(value) else f"{value:.2f}"
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.0f}"
    return str(value)


def _no_color(object_id: int) -> None:
    return None
