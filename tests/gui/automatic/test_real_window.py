"""A real window, a real mouse, the real model: coins found, thresholds dragged, an object picked and deleted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_sam.gui.automatic.automatic_widget import AutomaticWidget
from napari_sam.gui.panels.section import Section
from napari_sam.gui.panels.tree import walk
from napari_sam.gui.qt.access import focus_chain
from tests.gui.automatic.conftest import Bench
from tests.gui.hand import LEFT, coin_at, iou, trained_weights

pytestmark = pytest.mark.gui
COIN = (125, 206)


def press(widget: Any, name: str) -> None:
    """Click a button with the mouse, after scrolling to it."""
    native = widget[name].native
    (scroll,) = [one for one in widget.native.findChildren(QScrollArea) if one.widget() is widget["body"].native]
    scroll.ensureWidgetVisible(native)
    QTest.mouseClick(native, LEFT)


def test_coins(make_napari_viewer: Any, qtbot: Any):
    from skimage import data

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.add_image(data.coins(), name="coins")
    widget = AutomaticWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Automatic")
    assert widget.wait(10)
    widget["points_per_side"].value = 16
    press(widget, "run")
    assert not widget["run"].enabled
    assert widget.wait(300), widget["status"].value
    labels = np.asarray(widget.result_layer.data)
    found = int(labels[COIN])
    if trained_weights():
        assert found > 0
        assert iou(labels == found, coin_at(data.coins(), COIN)) > 0.7
    count = len(widget.features)
    slider = widget["pred_iou_thresh"].native
    slider.setFocus()
    for _ in range(4):
        qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert widget.wait(30)
    assert len(widget.features) <= count

    viewer.reset_view()
    table = widget._controls.results.table
    row = table.model().index(1, 0)
    QTest.mouseClick(table.viewport(), LEFT, pos=table.visualRect(row).center())
    chosen = int(widget.features["index"].iloc[1])
    assert viewer.layers.selection.active is not None
    assert widget.result_layer.selected_label == chosen
    piece = np.argwhere(np.asarray(widget.result_layer.data) == chosen)
    middle = (piece.min(axis=0) + piece.max(axis=0)) / 2
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], middle, atol=1)

    canvas = viewer.window._qt_viewer.canvas
    widget.result_layer.mode = "pick"
    other = int(widget.features["index"].iloc[0])
    at = np.argwhere(np.asarray(widget.result_layer.data) == other).mean(axis=0)
    inside = min(np.argwhere(np.asarray(widget.result_layer.data) == other), key=lambda one: ((one - at) ** 2).sum())
    viewer.reset_view()
    qtbot.wait(50)
    x, y = canvas.view.scene.transform.map([float(inside[1]), float(inside[0])])[:2]
    qtbot.mouseMove(canvas.native, QPoint(round(float(x)), round(float(y))))
    qtbot.mouseClick(canvas.native, LEFT, pos=QPoint(round(float(x)), round(float(y))))
    qtbot.wait(50)
    assert table.ids == (other,)
    press(widget, "delete_selected")
    assert not (np.asarray(widget.result_layer.data) == other).any()
    press(widget, "undo")
    assert (np.asarray(widget.result_layer.data) == other).any()


def test_nothing_is_cut_off_and_everything_has_a_name(
    make_napari_viewer: Any, open_bench: Callable[..., Bench], stack: Any
):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    bench = open_bench(stack, viewer, name="a long name " * 8)
    bench.run(pred_iou_thresh=0.8)
    widget = bench.widget
    for section in (one for one in walk(widget) if isinstance(one, Section)):
        section.heading.value = True
    for _ in range(5):
        QApplication.processEvents()
    native, content = widget.native, widget["body"].native
    for one in walk([widget["body"]]):
        shown = one.native
        if isinstance(shown, QWidget) and shown.isVisibleTo(content):
            right = shown.mapTo(content, QPoint(shown.width(), 0)).x()
            assert right <= content.width() + 1, one.name
            assert shown.width() >= shown.minimumSizeHint().width() - 1, one.name
    for name in ("status", "cancel"):
        shown = widget[name].native
        assert native.rect().contains(shown.mapTo(native, shown.rect().center())), name
    heights = [
        one.mapTo(native, QPoint(0, 0)).y()
        for one in focus_chain(native)
        if one.isVisibleTo(native) and one.isEnabled()
    ]
    assert len(heights) > 40
    assert all(after > before - 12 for before, after in pairwise(heights))
