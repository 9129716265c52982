from __future__ import annotations

from typing import Any

from magicgui.widgets import LineEdit
from qtpy.QtWidgets import QLabel

from napari_sam.gui.panels.section import group


def test_labels_of_a_group_are_equally_wide_whatever_the_font(qtbot: Any):
    box = group("box", "tip", LineEdit(name="a", label="short"), LineEdit(name="b", label="a much longer label"))
    qtbot.addWidget(box.native)
    box.native.show()
    labels = [label for label in box.native.findChildren(QLabel) if label.text()]
    narrow = {label.minimumWidth() for label in labels}
    assert len(narrow) == 1
    font = box.native.font()
    font.setPointSize(3 * max(font.pointSize(), 8))
    for label in labels:
        label.setFont(font)
    wide = {label.minimumWidth() for label in labels}
    assert len(wide) == 1
    assert wide.pop() > narrow.pop()
