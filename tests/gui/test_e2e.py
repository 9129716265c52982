"""The first journey as a user makes it: a real window, real mouse clicks and keys, the model that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_sam.gui.layers import role_of

pytestmark = pytest.mark.gui
COIN = (125, 206)


def trained_weights() -> bool:
    """Whether the bundled weights are the trained ones: only then is the quality of a mask asserted."""
    from safetensors import safe_open

    from napari_sam.zoo.store import require_model

    with safe_open(require_model("sam_lite"), "np") as file:
        return (file.metadata() or {}).get("trained") == "true"


def coin_region(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the coin under the click, by threshold and fill: nothing our code computes."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    window = np.s_[COIN[0] - 32 : COIN[0] + 33, COIN[1] - 32 : COIN[1] + 33]
    bright = ndimage.binary_opening(image[window] > threshold_otsu(image[window]), iterations=2)
    labels, _ = ndimage.label(ndimage.binary_fill_holes(bright))
    region = np.zeros(image.shape, bool)
    region[window] = labels == labels[32, 32]
    return region


def iou(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


class Hand:
    """A hand on the mouse and the keyboard over the canvas."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self._canvas = viewer.window._qt_viewer.canvas
        self._qtbot = qtbot

    def _at(self, row: float, column: float) -> QPoint:
        x, y = self._canvas.view.scene.transform.map([column, row])[:2]
        return QPoint(round(float(x)), round(float(y)))

    def click(self, row: float, column: float, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self._qtbot.mouseMove(self._canvas.native, self._at(row, column))
        self._qtbot.mouseClick(self._canvas.native, Qt.MouseButton.LeftButton, modifier, self._at(row, column))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        native = self._canvas.native
        self._qtbot.mouseMove(native, self._at(*start))
        self._qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=self._at(*start))
        for step in np.linspace(0, 1, 5):
            self._qtbot.mouseMove(native, self._at(*(np.array(start) * (1 - step) + np.array(end) * step)))
            self._qtbot.wait(10)
        self._qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=self._at(*end))

    def press(self, key: Any) -> None:
        self._qtbot.keyClick(self._canvas.native, key)


def test_click_a_coin_get_its_mask_commit_and_undo(make_napari_viewer: Any, qtbot: Any):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    (coins,) = viewer.open_sample("napari-sam-studio", "coins")
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam-studio", "Segment")
    assert widget.wait(120)
    qtbot.wait(100)
    viewer.reset_view()
    qtbot.wait(50)
    layers = {role_of(layer): layer for layer in viewer.layers}
    hand = Hand(viewer, qtbot)

    hand.click(*COIN)
    assert widget.wait(60)
    np.testing.assert_allclose(layers["points"].data, [COIN], atol=1)
    assert "IoU" in widget["status"].value
    if trained_weights():
        assert iou(layers["proposal"].data > 0, coin_region(np.asarray(coins.data))) >= 0.5

    hand.click(COIN[0], COIN[1] + 45, Qt.KeyboardModifier.ControlModifier)
    assert widget.wait(60)
    assert list(layers["points"].features["prompt"]) == ["positive", "negative"]
    hand.press(Qt.Key.Key_U)
    assert widget.wait(60)
    assert len(layers["points"].data) == 1

    before = layers["proposal"].data.copy()
    hand.press(Qt.Key.Key_N)
    shown = layers["proposal"].data.copy()
    if trained_weights():
        assert before.any()
        assert (before != shown).any()
    hand.press(Qt.Key.Key_U)
    np.testing.assert_array_equal(layers["proposal"].data, before)

    if before.any():
        hand.press(Qt.Key.Key_G)
        assert widget.wait(60)
        np.testing.assert_array_equal(layers["objects"].data, before)
        assert layers["objects"].data[COIN] == 1 or not trained_weights()
        assert len(layers["points"].data) == 0
        assert not layers["proposal"].data.any()

    hand.press(Qt.Key.Key_9)
    hand.drag((94, 244), (145, 297))
    assert widget.wait(60)
    assert len(layers["boxes"].data) == 1
    np.testing.assert_allclose(np.ptp(layers["boxes"].data[0], axis=0), (51, 53), atol=2)
    hand.press(Qt.Key.Key_U)
    assert len(layers["boxes"].data) == 0, "one drag is one step"
    hand.press(Qt.Key.Key_J)
    assert len(layers["boxes"].data) == 1
    canvas = viewer.screenshot(canvas_only=True, flash=False)
    assert canvas[..., :3].std() > 20, "the window shows a picture"


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
