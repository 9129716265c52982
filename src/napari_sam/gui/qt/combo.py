"""Combo boxes that say with an ellipsis that there is more to the name."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

# Characters a combo box has room for at least.
SHORT_TEXT = 12


class ElideCurrent(QObject):
    """Paints a combo box with its current text shortened in the middle, and tells the whole of it on hovering.

    Qt cuts the text off at the side, where file names differ from each other.

    Parameters
    ----------
    combo : QComboBox
        The combo box, which may be narrower than its texts from now on.
    """

    def __init__(self, combo: QComboBox) -> None:
        super().__init__(combo)
        self._combo = combo
        self._tooltip = combo.toolTip()
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(SHORT_TEXT)
        combo.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Paint in place of the combo box."""
        kind = None if event is None else event.type()
        if kind == QEvent.Type.ToolTip:
            self._combo.setToolTip("\n".join(filter(None, [self._combo.currentText(), self._tooltip])))
        if kind != QEvent.Type.Paint or self.shown_text() == self._combo.currentText():
            return False
        self._paint()
        return True

    def shown_text(self) -> str:
        """Return the text as it fits."""
        option = self._option()
        style = self._combo.style()
        if style is None:
            return str(self._combo.currentText())
        room = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self._combo
        )
        metrics = self._combo.fontMetrics()
        return str(metrics.elidedText(self._combo.currentText(), Qt.TextElideMode.ElideMiddle, room.width() - 4))

    def _option(self) -> QStyleOptionComboBox:
        option = QStyleOptionComboBox()
        option.initFrom(self._combo)
        option.frame = self._combo.hasFrame()
        option.subControls = QStyle.SubControl.SC_All
        return option

    def _paint(self) -> None:
        option = self._option()
        option.currentText = self.shown_text()
        painter = QStylePainter(self._combo)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
