"""How tables of objects look and behave in the narrow panels of this plugin."""

from __future__ import annotations

from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView


def prepare_table(table: QTableView, name: str, tooltip: str, lines: int = 5) -> None:
    """Whole rows are selected, several with Shift and Control; low lines, columns that share the width.

    Parameters
    ----------
    table : QTableView
        With its model set.
    name : str
        For screen readers.
    tooltip : str
        What a click does.
    lines : int
        How many are in sight, beside the heading.
    """
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setAccessibleName(name)
    table.setToolTip(tooltip)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    line = table.fontMetrics().lineSpacing() + 4
    upright, across = table.verticalHeader(), table.horizontalHeader()
    if upright is not None and across is not None:
        upright.hide()
        upright.setDefaultSectionSize(line)
        across.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        across.setHighlightSections(False)
        across.setMinimumSectionSize(20)
    table.setFixedHeight((lines + 2) * line)
