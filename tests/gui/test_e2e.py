"""The first journey as a user makes it: a real window, real mouse clicks and keys, the model that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.gui.hand import CONTROL, Hand, coin_at, iou, trained_weights

pytestmark = pytest.mark.gui
COIN = (125, 206)


@pytest.fixture
def coins(make_napari_viewer: Any, qtbot: Any) -> Hand:
    """A window with the coins, opened as a user opens them."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    viewer.open_sample("napari-sam-studio", "coins")
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam-studio", "Segment")
    assert widget.wait(120)
    return Hand(viewer, widget, qtbot)


def test_click_a_coin_get_its_mask_commit_and_undo(coins: Hand):
    truth = coin_at(np.asarray(coins.viewer.layers[0].data), COIN)
    coins.click(*COIN)
    np.testing.assert_allclose(coins.layer("points").data, [COIN], atol=1)
    assert "IoU" in coins.status
    if trained_weights():
        assert iou(coins.labels("proposal") > 0, truth) >= 0.5

    coins.click(COIN[0], COIN[1] + 45, modifier=CONTROL)
    assert list(coins.layer("points").features["prompt"]) == ["positive", "negative"]
    coins.press(Qt.Key.Key_U)
    assert len(coins.layer("points").data) == 1

    before = coins.labels("proposal").copy()
    coins.press(Qt.Key.Key_N)
    if trained_weights():
        assert before.any()
        assert (before != coins.labels("proposal")).any()
    coins.press(Qt.Key.Key_U)
    np.testing.assert_array_equal(coins.labels("proposal"), before)

    if before.any():
        coins.press(Qt.Key.Key_G)
        np.testing.assert_array_equal(coins.labels("objects"), before)
        assert coins.labels("objects")[COIN] == 1 or not trained_weights()
        assert len(coins.layer("points").data) == 0
        assert not coins.labels("proposal").any()

    coins.press(Qt.Key.Key_9)
    coins.drag((94, 244), (145, 297))
    boxes = coins.layer("boxes")
    assert len(boxes.data) == 1
    np.testing.assert_allclose(np.ptp(boxes.data[0], axis=0), (51, 53), atol=2)
    coins.press(Qt.Key.Key_U)
    assert len(boxes.data) == 0, "one drag is one step"
    coins.press(Qt.Key.Key_J)
    assert len(boxes.data) == 1
    canvas = coins.viewer.screenshot(canvas_only=True, flash=False)
    assert canvas[..., :3].std() > 20, "the window shows a picture"


@pytest.mark.skipif(not trained_weights(), reason="only the trained weights give good masks")
def test_boxes_and_outlines_give_the_coins_they_are_drawn_around(coins: Hand):
    image = np.asarray(coins.viewer.layers[0].data)
    one, other = coin_at(image, (120, 270)), coin_at(image, (262, 172))
    coins.press(Qt.Key.Key_9)
    coins.drag((94, 244), (145, 297))
    coins.drag((235, 142), (289, 203))
    proposal = coins.labels("proposal")
    assert "2 objects" in coins.status
    assert iou(proposal == proposal[120, 270], one) >= 0.75
    assert iou(proposal == proposal[262, 172], other) >= 0.75
    coins.press(Qt.Key.Key_K)
    assert not coins.labels("proposal").any()

    coins.press(Qt.Key.Key_0)
    round_it = np.linspace(0, 2 * np.pi, 25)
    coins.drag(*np.stack([120 + 26 * np.sin(round_it), 270 + 27 * np.cos(round_it)], axis=1), steps=3)
    assert iou(coins.labels("proposal") > 0, one) >= 0.75


def test_the_demo_opens_with_coins_and_the_widget(make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch):
    import napari

    from napari_sam.gui.demo import show_demo
    from napari_sam.gui.segment_widget import SegmentWidget

    monkeypatch.setattr(napari, "Viewer", lambda **kwargs: make_napari_viewer())
    viewer = show_demo()
    (widget,) = viewer.window.dock_widgets.values()
    assert isinstance(getattr(widget, "__wrapped__", widget), SegmentWidget)
    assert widget.wait(120)
    assert viewer.layers[0].name == "coins"


def test_finding_the_plugin_imports_no_torch(repository: Path):
    import subprocess
    import sys

    code = (
        "import sys; from npe2 import PluginManager; manager = PluginManager.instance(); manager.discover();"
        "manifest = manager.get_manifest('napari-sam-studio'); assert manifest.contributions.widgets;"
        "import napari_sam.gui.segment_widget, napari_sam.gui.samples, napari_sam.gui.demo;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=repository)
    assert done.stdout.strip() == "False", done.stdout + done.stderr
