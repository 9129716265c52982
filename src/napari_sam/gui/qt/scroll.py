"""A scroll area that never cuts its content at the side, and text that keeps room for its lines."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QWidget


class SideFit(QScrollArea):
    """Scrolls up and down only; as wide as what is inside needs, whatever the font.

    Parameters
    ----------
    content : QWidget
        What is inside.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The controls inside take the focus, and are scrolled to when they do.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(content)
        content.installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow what the content needs; never keeps an event from its receiver."""
        if event is not None and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize, QEvent.Type.Show):
            self._fit()
        return bool(super().eventFilter(watched, event))

    def sizeHint(self) -> QSize:
        """Return what the content would like, and room for the scroll bar."""
        return QSize(self._content.sizeHint().width() + self._beside(), super().sizeHint().height())

    def _beside(self) -> int:
        bar = self.verticalScrollBar()
        return 2 * max(self.frameWidth(), 1) + (0 if bar is None else bar.sizeHint().width())

    def _fit(self) -> None:
        needed = self._content.minimumSizeHint().width() + self._beside()
        if needed != self.minimumWidth():
            self.setMinimumWidth(needed)


class RoomForLines(QObject):
    """Gives a label room for some lines of its font, so that nothing below it jumps; follows the font.

    Parameters
    ----------
    label : QLabel
        The label, which wraps from now on.
    lines : int
        Lines there is always room for.
    """

    def __init__(self, label: QLabel, lines: int) -> None:
        super().__init__(label)
        self._label = label
        self._lines = lines
        label.setWordWrap(True)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        label.installEventFilter(self)
        self._make_room()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the font; never keeps an event from its receiver."""
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange, QEvent.Type.Show):
            self._make_room()
        return False

    def _make_room(self) -> None:
        height = self._lines * self._label.fontMetrics().lineSpacing() + 4
        if height != self._label.minimumHeight():
            self._label.setMinimumHeight(height)
