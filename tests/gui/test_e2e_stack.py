"""An object is taken through a stack as a user does it: a real window, real clicks and keys, the model that ships."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.automatic.bright import cone
from tests.gui.hand import SHIFT, Hand, iou, trained_weights

pytestmark = pytest.mark.gui


@pytest.mark.skipif(not trained_weights(), reason="only the trained weights give good masks")
def test_a_click_and_a_key_give_a_whole_cell(make_napari_viewer: Any, qtbot: Any):
    truth = np.zeros((5, 96, 128), bool)
    truth[1:4, 20:68, 30:78] = cone([16, 18, 16], drift=1.0)
    rng = np.random.default_rng(0)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 800)
    viewer.add_image(np.clip(np.where(truth, 170, 60) + rng.normal(0, 10, truth.shape), 0, 255).astype(np.uint8))
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam-studio", "Segment")
    widget["prefetch"].value = False
    viewer.dims.set_current_step(0, 2)
    assert widget.wait(120)
    hand = Hand(viewer, widget, qtbot)
    hand.click(2, 45, 54)
    hand.press(Qt.Key.Key_G)
    given = hand.labels("objects")[2].copy()
    assert iou(given == 1, truth[2]) > 0.7
    hand.move(2, 45, 54)
    qtbot.keyClick(hand._canvas.native, Qt.Key.Key_T, SHIFT)
    assert widget.wait(300), hand.status
    found = hand.labels("objects") == 1
    assert "Object 1 went on to" in hand.status
    assert all(iou(found[z], truth[z]) > 0.6 for z in range(1, 4)), hand.status
    assert not found[[0, 4]].any(), hand.status
    hand.press(Qt.Key.Key_U)
    assert np.array_equal(np.flatnonzero(hand.labels("objects").any(axis=(1, 2))), [2])
    assert np.array_equal(hand.labels("objects")[2], given)
