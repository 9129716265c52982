"""The three candidates side by side, without a viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam.gui.compute.thumbnails import CandidateView
from napari_sam.gui.panels.candidate_picker import HIDDEN, SHOWN, CandidatePicker

pytestmark = pytest.mark.gui


def views(*scores: float) -> list[CandidateView]:
    return [CandidateView(score, np.eye(8, dtype=bool)) for score in scores]


@pytest.fixture
def picker(qtbot: Any) -> CandidatePicker:
    made = CandidatePicker()
    qtbot.addWidget(made.row.native)
    return made


def test_scores_and_the_shown_one_are_said_by_more_than_colour(picker: CandidatePicker):
    picker.show(views(0.5, 0.912, 0.7), 1)
    assert [button.text for button in picker.buttons] == [f"{HIDDEN} 0.50", f"{SHOWN} 0.91", f"{HIDDEN} 0.70"]
    assert [button.native.isChecked() for button in picker.buttons] == [False, True, False]
    assert all(not button.native.icon().isNull() for button in picker.buttons)


def test_a_click_asks_and_marks_nothing_by_itself(picker: CandidatePicker):
    asked: list[int] = []
    picker.picked.connect(asked.append)
    picker.show(views(0.5, 0.9, 0.7), 1)
    for index in (2, 1):
        picker.buttons[index].native.click()
    assert asked == [2, 1]
    assert [button.native.isChecked() for button in picker.buttons] == [False, True, False]


def test_the_row_keeps_its_height_and_what_is_missing_cannot_be_clicked(picker: CandidatePicker, qtbot: Any):
    picker.row.native.show()
    empty = picker.row.native.sizeHint()
    assert not any(button.enabled for button in picker.buttons)
    picker.show(views(0.5, 0.9), 0)
    assert [button.enabled for button in picker.buttons] == [True, True, False]
    assert picker.row.native.sizeHint().height() == empty.height()
    picker.clear()
    assert not any(button.enabled or button.native.isChecked() for button in picker.buttons)


def test_the_pictures_show_the_masks(picker: CandidatePicker):
    picture = np.zeros((16, 16), bool)
    picture[:8] = True
    picker.show([CandidateView(0.5, picture)], 0)
    image = picker.buttons[0].native.icon().pixmap(16, 16).toImage()
    upper, lower = image.pixelColor(8, 3), image.pixelColor(8, 12)
    assert upper.lightness() > lower.lightness() + 50
