"""Layers deleted, renamed, replaced; the widget closed and opened again; two viewers at once; errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam.errors import CheckpointError, OutOfMemoryError
from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor, FakeZoo

pytestmark = pytest.mark.gui


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user was told in napari's notifications."""
    texts: list[str] = []
    for name in ("show_error", "show_info", "show_warning"):
        monkeypatch.setattr(f"napari_sam.gui.segment_widget.{name}", texts.append)
    return texts


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("napari-sam")]


def wait_for_end_of_threads() -> None:
    deadline = time.monotonic() + 10
    while worker_threads():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def callbacks(owner: Any) -> int:
    """Count our callbacks; that napari resets the choices of every widget it ever docked is its own affair."""
    entries = [entry for emitter in owner.events.emitters.values() for entry in emitter.callbacks]
    owners = [(entry[0](), entry[1]) for entry in entries if isinstance(entry, tuple)]
    return sum(type(one).__module__.startswith("napari_sam") and name != "reset_choices" for one, name in owners)


@pytest.mark.parametrize("role", ["points", "boxes", "proposal", "objects"])
def test_a_deleted_layer_is_made_again(told: list[str], bench: Bench, role: str):
    bench.click(30, 40)
    bench.viewer.layers.remove(bench.layer(role))
    assert bench.widget.wait(20)
    assert bench.roles() == ["boxes", "objects", "points", "proposal"]
    assert any(role in text for text in told)
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1
    bench.widget.commit()
    assert bench.objects[30, 40] == 1


def test_prompts_of_a_deleted_layer_come_back_with_undo(told: list[str], bench: Bench):
    bench.click(30, 40)
    bench.viewer.layers.remove(bench.layer("points"))
    assert bench.widget.wait(20)
    assert not bench.proposal.any()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert bench.proposal[30, 40] == 1


def test_renamed_layers_keep_working(bench: Bench):
    for layer in bench.viewer.layers:
        layer.name = f"my {layer.name}"
    bench.click(30, 40)
    bench.widget.commit()
    assert bench.objects[30, 40] == 1
    assert "my" in str(bench.widget["image"].current_choice)


def test_removing_the_image_clears_up_and_keeps_the_objects(bench: Bench):
    bench.click(30, 40)
    bench.widget.commit()
    bench.click(10, 10)
    bench.viewer.layers.remove(bench.viewer.layers[0])
    assert bench.widget.wait(20)
    assert bench.roles() == ["objects"]
    assert "Open an image" in bench.status
    for method in ("commit", "undo", "redo", "clear", "next_candidate", "cancel", "use_points", "toggle_proposal"):
        getattr(bench.widget, method)()
    bench.viewer.add_image(np.zeros((20, 30), np.uint8))
    assert bench.widget.wait(20)
    bench.layer("points").add([5, 5])
    assert bench.widget.wait(20)
    assert bench.proposal[5, 5] == 1


def test_removing_the_image_while_it_is_encoded(bench: Bench, fake: FakePredictor):
    fake.gate.clear()
    bench.viewer.layers[0].contrast_limits = (3, 99)
    bench.widget.wait(0.5)
    bench.viewer.layers.remove(bench.viewer.layers[0])
    assert bench.widget.wait(20)
    assert fake.cancellations == 1


def test_new_data_in_the_image_is_encoded_again(bench: Bench, fake: FakePredictor, image: np.ndarray):
    bench.click(30, 40)
    bench.viewer.layers[0].data = image[::-1].copy()
    assert bench.widget.wait(20)
    np.testing.assert_array_equal(fake.images[-1], image[::-1])
    assert bench.proposal[30, 40] == 1


def test_new_data_of_another_shape_gets_layers_of_its_shape(bench: Bench):
    bench.click(30, 40)
    bench.viewer.layers[0].data = np.zeros((5, 30, 36), np.uint8)
    assert bench.widget.wait(20)
    assert bench.layer("points").ndim == 3
    bench.click(0, 20, 20)
    bench.widget.commit()
    assert [layer.data.shape for layer in bench.viewer.layers if layer.name.startswith("proposal")] == [(5, 30, 36)]
    assert bench.viewer.layers["objects"].data.shape == (64, 80), "committed work is never thrown away"


def test_switching_between_images_and_back(bench: Bench):
    bench.click(30, 40)
    first = bench.viewer.layers[0]
    second = bench.viewer.add_image(np.zeros((20, 30), np.uint8), name="second")
    assert bench.widget.wait(20)
    assert bench.widget["image"].value is first
    bench.widget["image"].value = second
    assert bench.widget.wait(20)
    shapes = {layer.data.shape for layer in bench.viewer.layers if layer.name.startswith("objects")}
    assert shapes == {(64, 80), (20, 30)}
    bench.widget["image"].value = first
    assert bench.widget.wait(20)
    assert bench.roles() == ["boxes", "objects", "objects", "points", "proposal"]
    assert bench.proposal[30, 40] == 1
    assert bench.layer("points").visible


def test_closing_leaves_no_callback_key_or_thread_and_opening_adopts(bench: Bench, open_bench: Callable[..., Bench]):
    bench.click(30, 40)
    bench.widget.commit()
    bench.click(10, 10)
    layer, points, dims = bench.viewer.layers[0], bench.layer("points"), bench.viewer.dims
    open_counts = callbacks(layer), callbacks(points), callbacks(dims), callbacks(bench.viewer.layers)
    bench.viewer.window.remove_dock_widget(bench.widget.native)
    wait_for_end_of_threads()
    assert not bench.viewer.keymap
    assert not points.mouse_drag_callbacks or all("Polarity" not in repr(each) for each in points.mouse_drag_callbacks)
    closed = callbacks(layer), callbacks(points), callbacks(dims), callbacks(bench.viewer.layers)
    assert min(open_counts) > 0
    assert closed == (0, 0, 0, 0)
    points.add([50, 50])
    bench.viewer.layers.remove(bench.layer("boxes"))
    bench.widget.wait(1)
    assert "boxes" not in bench.roles(), "a closed widget makes no layers"
    points.remove([1])

    again = open_bench(viewer=bench.viewer)
    assert again.roles() == ["boxes", "objects", "points", "proposal"]
    assert again.layer("points") is points
    assert again.objects[30, 40] == 1
    assert again.proposal[10, 10] == 1
    assert (callbacks(layer), callbacks(points), callbacks(dims), callbacks(again.viewer.layers)) == open_counts
    again.widget.commit()
    assert again.objects[10, 10] == 2


def test_the_same_widget_can_be_docked_again(bench: Bench):
    bench.viewer.window.remove_dock_widget(bench.widget.native)
    assert not bench.viewer.keymap
    bench.viewer.window.add_dock_widget(bench.widget, name="Segment")
    assert bench.widget.wait(20)
    assert bench.viewer.keymap
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1


def test_hiding_the_dock_frees_the_keys(open_bench: Callable[..., Bench], make_napari_viewer: Any, image: np.ndarray):
    bench = open_bench(image, viewer=make_napari_viewer(show=True))
    dock = bench.widget.native.parent()
    assert bench.viewer.keymap
    dock.setVisible(False)
    bench.widget.wait(5)
    assert not bench.viewer.keymap
    dock.setVisible(True)
    bench.widget.wait(5)
    assert bench.viewer.keymap


def test_closing_the_viewer_ends_the_thread_and_makes_no_layer(
    make_napari_viewer: Any, open_bench: Callable[..., Bench], image: np.ndarray, fake: FakePredictor
):
    from qtpy.QtWidgets import QApplication

    bench = open_bench(image, viewer=make_napari_viewer())
    fake.gate.clear()
    bench.viewer.layers[0].contrast_limits = (3, 99)
    bench.layer("points").add([3, 3])
    viewer = bench.viewer
    viewer.close()
    deadline = time.monotonic() + 10
    while worker_threads() and time.monotonic() < deadline:
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, 52)  # QEvent.DeferredDelete: the event loop of a test never returns
        time.sleep(0.01)
    assert worker_threads() == []
    assert len(viewer.layers) == 0


def test_two_viewers_do_not_know_of_each_other(make_napari_viewer: Any, open_bench: Callable[..., Bench]):
    first = open_bench(np.zeros((40, 50), np.uint8), viewer=make_napari_viewer())
    second = open_bench(np.zeros((40, 50), np.uint8), viewer=make_napari_viewer())
    first.click(10, 10)
    second.click(30, 30)
    first.widget.commit()
    assert first.objects[10, 10] == 1
    assert not second.objects.any()
    assert second.proposal[30, 30] == 1
    second.widget.undo()
    assert second.widget.wait(20)
    assert first.objects[10, 10] == 1
    assert len(second.layer("points").data) == 0


def test_errors_are_shown_and_the_session_goes_on(told: list[str], bench: Bench, fake: FakePredictor):
    fake.fail = OutOfMemoryError("Neither the GPU nor the CPU has enough memory: use a smaller model.")
    bench.viewer.layers[0].contrast_limits = (5, 100)
    assert bench.widget.wait(20)
    assert "smaller model" in bench.status
    assert sum("smaller model" in text for text in told) == 1
    fake.fail = None
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1


def test_a_bug_in_the_worker_is_named_and_survived(told: list[str], bench: Bench, fake: FakePredictor):
    fake.fail = ZeroDivisionError("division by zero")
    bench.viewer.layers[0].contrast_limits = (5, 100)
    assert bench.widget.wait(20)
    assert any("ZeroDivisionError" in text for text in told)
    fake.fail = None
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1


def test_a_bad_checkpoint_is_reported_and_can_be_taken_back(told: list[str], bench: Bench, zoo: FakeZoo):
    zoo.fail = CheckpointError("weights.pth is truncated: download it again.")
    bench.widget["checkpoint"].value = Path("/nowhere/weights.pth")
    assert bench.widget.wait(20)
    assert zoo.choices[-1].checkpoint == Path("/nowhere/weights.pth")
    assert "truncated" in bench.status
    assert any("truncated" in text for text in told)
    zoo.fail = None
    bench.widget["checkpoint"].value = None
    bench.click(30, 40)
    assert zoo.choices[-1].checkpoint is None
    assert bench.proposal[30, 40] == 1


def test_without_an_image_the_widget_waits_for_one(open_bench: Callable[..., Bench]):
    bench = open_bench()
    assert bench.roles() == []
    assert "Open an image" in bench.status
    bench.viewer.add_image(np.zeros((20, 30), np.uint8))
    assert bench.widget.wait(20)
    assert bench.roles() == ["boxes", "objects", "points", "proposal"]


def test_the_active_image_is_the_one_to_segment(make_napari_viewer: Any, open_bench: Callable[..., Bench]):
    viewer = make_napari_viewer()
    first = viewer.add_image(np.zeros((20, 30), np.uint8), name="first")
    viewer.add_image(np.zeros((20, 30), np.uint8), name="second")
    viewer.layers.selection.active = first
    assert open_bench(viewer=viewer).widget["image"].value is first
