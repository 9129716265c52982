"""Cancelled, failed, deleted, closed in the middle: nothing is lost, nothing is left behind, and the user is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_sam.errors import CheckpointError, ImageError, OutOfMemoryError
from napari_sam.gui.layers import role_of
from tests.gui.automatic.conftest import Bench
from tests.gui.automatic.fakes import FakeFactory, FakeSegmenter
from tests.gui.test_segment_lifecycle import callbacks, wait_for_end_of_threads, worker_threads

pytestmark = pytest.mark.gui
Open = Callable[..., Bench]


def start(bench: Bench, fake: FakeSegmenter, until: int = 2, scope: str = "this plane") -> None:
    """Begin a run that stops after some batches."""
    fake.stop_after = until
    fake.gate.clear()
    bench.widget["scope"].value = scope
    bench.widget["pred_iou_thresh"].value = 0.7
    bench.widget.run()
    deadline = time.monotonic() + 10
    while not fake.seen and time.monotonic() < deadline:
        bench.widget.wait(0.02)


def test_cancel_keeps_what_was_found(bench: Bench, fake: FakeSegmenter):
    start(bench, fake)
    assert not bench.widget["run"].enabled
    assert bench.widget["cancel"].enabled
    for command in ("undo", "redo", "keep_selected", "delete_selected"):
        getattr(bench.widget, command)()
        assert "Cancel the run first" in bench.status
    bench.widget.cancel()
    assert bench.widget.wait(20)
    assert fake.cancellations == 1
    assert len(bench.ids) == 8, "two of four rows"
    assert "Cancelled" in bench.status
    assert "8 objects" in bench.status
    assert bench.widget["run"].enabled
    fake.gate.set()
    bench.run()
    assert len(bench.ids) == 16


def test_a_cancelled_stack_keeps_its_planes(open_bench: Open, stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    fake.broken = {(3,)}
    fake.fail = OutOfMemoryError("Neither the GPU nor the CPU has enough memory: use a smaller model.")
    bench.run("this stack", pred_iou_thresh=0.7, link="z")
    assert [bool(bench.labels[z].any()) for z in range(5)] == [True, True, True, False, False]
    assert "smaller model" in bench.status
    assert "16 objects" in bench.status


def test_errors_are_told_and_the_widget_goes_on(
    bench: Bench, fake: FakeSegmenter, factory: FakeFactory, told: list[str]
):
    for error in (ImageError("The image is all NaN."), ZeroDivisionError("division by zero")):
        fake.fail = error
        bench.run()
        assert any(str(error) in text for text in told)
        assert bench.layer is None
    fake.fail, factory.fail = None, CheckpointError("weights.pth is truncated: download it again.")
    bench.set(device="cpu")
    bench.run()
    assert "truncated" in bench.status
    factory.fail = None
    bench.run(pred_iou_thresh=0.7)
    assert len(bench.ids) == 16


def test_the_result_removed_in_the_middle(open_bench: Open, stack: Any, fake: FakeSegmenter, told: list[str]):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    bench.run(pred_iou_thresh=0.7)
    start(bench, fake)
    bench.viewer.layers.remove(bench.layer)
    fake.gate.set()
    assert bench.widget.wait(20)
    assert any("removed" in text for text in told)
    assert bench.widget["run"].enabled
    bench.run()
    assert bench.labels.any()


def test_the_image_removed_or_replaced_in_the_middle(bench: Bench, fake: FakeSegmenter, told: list[str], image: Any):
    bench.run(pred_iou_thresh=0.7)
    start(bench, fake)
    bench.viewer.layers[0].data = image[::-1].copy()
    assert bench.widget.wait(20)
    assert fake.cancellations == 1
    assert any("replaced" in text for text in told)
    start(bench, fake)
    layer, before = bench.layer, bench.labels.copy()
    bench.viewer.layers.remove(bench.viewer.layers[0])
    assert bench.widget.wait(20)
    assert layer in bench.viewer.layers
    np.testing.assert_array_equal(layer.data, before)
    assert "Open an image" in bench.status
    for command in ("run", "cancel", "undo", "redo", "apply", "keep_selected", "delete_selected", "send_to_segment"):
        getattr(bench.widget, command)()
    assert bench.widget.wait(5)


def test_other_values_in_the_image_outdate_the_result(bench: Bench, image: Any):
    bench.run(pred_iou_thresh=0.7)
    bench.viewer.layers[0].data = image[::-1].copy()
    assert bench.widget.wait(10)
    assert "changed" in bench.widget["note"].value
    bench.viewer.layers[0].data = np.zeros((30, 36), np.uint8)
    assert bench.widget.wait(10)
    bench.run()
    assert bench.labels.shape == (30, 36)


def test_closing_leaves_nothing_and_opening_adopts(bench: Bench, open_bench: Open):
    bench.run(pred_iou_thresh=0.8)
    layer, image, viewer = bench.layer, bench.viewer.layers[0], bench.viewer
    owners = (image, layer, viewer.dims, viewer.layers, viewer.scene.camera)
    assert sum(callbacks(one) for one in owners[:-1]) > 0
    viewer.window.remove_dock_widget(bench.widget.native)
    wait_for_end_of_threads()
    assert [callbacks(one) for one in owners[:-1]] == [0, 0, 0, 0]
    again = open_bench(viewer=viewer)
    assert again.layer is layer
    assert again.ids == list(range(1, 14))
    again.widget.delete_objects([5])
    assert not (layer.data == 5).any()
    assert (layer.data == 6).any()
    again.widget.undo()
    assert (layer.data == 5).any()
    again.run()
    assert [role_of(one) for one in viewer.layers].count("automatic") == 1


def test_closing_the_viewer_in_the_middle_ends_the_thread(
    make_napari_viewer: Any, open_bench: Open, image: Any, fake: FakeSegmenter
):
    from qtpy.QtWidgets import QApplication

    bench = open_bench(image, viewer=make_napari_viewer())
    start(bench, fake)
    bench.viewer.close()
    deadline = time.monotonic() + 10
    while worker_threads() and time.monotonic() < deadline:
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, 52)  # QEvent.DeferredDelete: the event loop of a test never returns
        time.sleep(0.01)
    assert worker_threads() == []
    assert len(bench.viewer.layers) == 0


def test_the_same_widget_can_be_docked_again(bench: Bench):
    bench.viewer.window.remove_dock_widget(bench.widget.native)
    bench.viewer.window.add_dock_widget(bench.widget, name="Automatic")
    assert bench.widget.wait(20)
    bench.run(pred_iou_thresh=0.7)
    assert len(bench.ids) == 16
