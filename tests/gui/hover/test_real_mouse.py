"""The preview in a real window under a real mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam.gui.layers import role_of
from napari_sam.gui.segment_widget import SegmentWidget
from tests.gui.fakes import FakeZoo
from tests.gui.hand import Hand

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    return make_napari_viewer(show=True)


def test_follow_the_mouse_click_and_close_the_window(viewer: Any, zoo: FakeZoo, qtbot: Any):
    viewer.window.resize(1000, 700)
    image = np.random.default_rng(0).integers(0, 255, (64, 80)).astype(np.uint8)
    viewer.add_image(image, contrast_limits=(0, 255))
    widget = SegmentWidget(viewer, zoo)
    viewer.window.add_dock_widget(widget, name="Segment")
    assert widget.wait(20)
    qtbot.wait(100)
    viewer.reset_view()
    qtbot.wait(50)
    widget["hover"].value = True
    hand = Hand(viewer, widget, qtbot)

    def preview() -> Any:
        return next((layer for layer in viewer.layers if role_of(layer) == "preview"), None)

    def drawn() -> bool:
        return preview() is not None and bool(np.any(preview().data))

    for column in range(20, 41, 4):
        hand.move(30, column)
        qtbot.wait(5)
    qtbot.waitUntil(lambda: drawn() and not widget._vision._hover.pending, timeout=5000)
    row, column = (np.asarray(viewer.layers[0].world_to_data(preview().data_to_world((9, 9)))).round()).astype(int)
    assert abs(row - 30) <= 1
    assert abs(column - 40) <= 1
    shot = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    assert ((shot[..., 0] < 90) & (shot[..., 1] > 180) & (shot[..., 2] > 180)).sum() > 50, "a cyan outline is seen"

    hand.click(30, 40)
    assert not drawn()
    points = next(layer for layer in viewer.layers if role_of(layer) == "points")
    assert len(points.data) == 1
    hand.move(20, 20)
    assert not drawn()
    widget.commit()
    hand.move(22, 22)
    qtbot.waitUntil(drawn, timeout=5000)
    # The window goes with the preview in sight: the fixture complains of anything that is left.
