"""A group of controls under a heading that folds them away; and a row of buttons that wraps."""

from __future__ import annotations

from magicgui.widgets import CheckBox, Container, Widget
from qtpy.QtWidgets import QWidget

from napari_sam.gui.qt.flow import EvenFlow
from napari_sam.gui.qt.labels import EqualWidths

FOLDED, UNFOLDED = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
# The triangle says what the box would; the heading keeps the check box's keyboard and screen-reader behaviour.
HEADING_STYLE = """
QCheckBox { font-weight: bold; spacing: 0px; padding: 2px; }
QCheckBox::indicator { width: 0px; height: 0px; padding: 0px; border: 0px; background: transparent; image: none; }
"""


class Section(Container[Widget]):
    """Controls under a heading; a click on it, or the space bar, folds and unfolds them.

    Parameters
    ----------
    name : str
        Name of the heading: ``widget[name].value = True`` unfolds.
    title : str
        Text of the heading.
    tooltip : str
        What is inside, in words.
    *widgets : Widget
        What is inside.
    unfolded : bool
        Whether the controls are shown at first.
    labels : bool
        Whether each control has its label on the left.
    """

    def __init__(
        self, name: str, title: str, tooltip: str, *widgets: Widget, unfolded: bool = False, labels: bool = True
    ) -> None:
        self.heading = CheckBox(name=name, text="", value=unfolded, tooltip=tooltip)
        self.body = Container[Widget](
            name=f"{name}_body", label="", tooltip=tooltip, widgets=list(widgets), labels=labels
        )
        super().__init__(
            name=f"{name}_section", label="", tooltip=tooltip, widgets=[self.heading, self.body], labels=False
        )
        self._title = title
        self.margins = (0, 0, 0, 0)
        self.body.margins = (8, 0, 0, 4)
        self.heading.native.setStyleSheet(HEADING_STYLE)
        self.heading.native.setAccessibleName(title)
        self.heading.changed.connect(self._fold)
        self._fold(unfolded)

    def _fold(self, unfolded: bool) -> None:
        self.heading.text = f"{UNFOLDED if unfolded else FOLDED} {self._title}"
        self.body.visible = unfolded


def group(name: str, tooltip: str, *widgets: Widget, labels: bool = True) -> Container[Widget]:
    """Return controls one below the other, without a heading or margins."""
    box = Container[Widget](name=name, label="", tooltip=tooltip, widgets=list(widgets), labels=labels)
    box.margins = (0, 0, 0, 0)
    if labels:
        EqualWidths(box.native)
    return box


def button_row(name: str, tooltip: str, *widgets: Widget) -> Container[Widget]:
    """Return controls side by side, equally wide, in as many lines as it takes."""
    row = Container[Widget](
        name=f"{name}_row", label="", tooltip=tooltip, layout="horizontal", widgets=list(widgets), labels=False
    )
    native: QWidget = row.native
    old = native.layout()
    while old is not None and old.count():
        old.takeAt(0)
    # Qt lets go of a layout only when another widget takes it.
    QWidget().setLayout(old)
    flow = EvenFlow(native)
    for widget in widgets:
        flow.addWidget(widget.native)
    return row
