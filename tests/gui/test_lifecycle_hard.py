"""What people do to layers, windows and widgets that no tutorial shows: nothing breaks, leaks or is lost."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtWidgets import QApplication

from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor, FakeZoo

pytestmark = pytest.mark.gui

ROLES = ["boxes", "objects", "points", "proposal"]


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("napari-sam")]


def settle(seconds: float = 10, threads: int = 0) -> None:
    """Let threads end, but for some, and Qt delete what it put off."""
    deadline = time.monotonic() + seconds
    while len(worker_threads()) > threads and time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.01)
    for _ in range(3):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, 52)  # QEvent.DeferredDelete: the event loop of a test never returns
        gc.collect()
    assert len(worker_threads()) <= threads


def all_callbacks(viewer: Any) -> dict[str, int]:
    """Count the callbacks of everything in the viewer, whoever they belong to."""
    owners = {"viewer": viewer, "layers": viewer.layers, "dims": viewer.dims, "cursor": viewer.cursor}
    owners |= {"selection": viewer.layers.selection, "camera": viewer.scene.camera}
    owners |= {f"layer {index}": layer for index, layer in enumerate(viewer.layers)}
    counts = {}
    for name, owner in owners.items():
        entries = [entry for emitter in owner.events.emitters.values() for entry in emitter.callbacks]
        # napari connects every docked widget's reset_choices and forgets about it: by weak reference, and its own.
        live = [entry for entry in entries if not (isinstance(entry, tuple) and entry[1] == "reset_choices")]
        counts[name] = len(live)
    counts["keys"] = len(viewer.keymap)
    for name in ("mouse_move_callbacks", "mouse_drag_callbacks", "mouse_double_click_callbacks"):
        counts[name] = sum(len(getattr(owner, name)) for owner in (viewer, *viewer.layers))
    return counts


def close(bench: Bench, threads: int = 0) -> None:
    bench.viewer.window.remove_dock_widget(bench.widget.native)
    settle(threads=threads)


def works(bench: Bench, *position: float) -> None:
    """A click gives a mask, and it can be committed and taken back."""
    bench.click(*position)
    at = tuple(int(value) for value in position)
    assert bench.proposal[at] > 0
    bench.widget.commit()
    assert bench.widget.wait(20)
    assert bench.objects[at] > 0
    bench.widget.undo()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert bench.objects[at] == 0


# -- layers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_layers_reordered_hidden_and_renamed(bench: Bench, role: str):
    layer, layers = bench.layer(role), bench.viewer.layers
    layers.move(layers.index(layer), 0)
    layer.visible = False
    layer.name = "x"
    layers.reverse()
    assert bench.widget.wait(20)
    works(bench, 30, 40)


@pytest.mark.parametrize("role", ROLES)
def test_a_copy_of_a_layer_is_not_taken_for_it(bench: Bench, role: str):
    import copy

    original = bench.layer(role)
    duplicate = type(original).create(*(copy.deepcopy(part) for part in original.as_layer_data_tuple()))
    bench.viewer.layers.append(duplicate)
    assert bench.widget.wait(20)
    bench.viewer.layers.remove(duplicate)
    works(bench, 30, 40)
    bench.viewer.layers.append(duplicate)
    bench.viewer.layers.remove(original)
    assert bench.widget.wait(20)
    found = bench.roles()
    assert sorted(set(found)) == ROLES


def test_prompt_data_replaced_and_cleared_is_an_edit(bench: Bench):
    bench.click(30, 40)
    points = bench.layer("points")
    points.data = np.array([[10.0, 10.0], [12.0, 12.0]])
    assert bench.widget.wait(20)
    assert bench.proposal[10, 10] == 1
    assert not bench.proposal[30, 40]
    points.data = np.empty((0, 2))
    assert bench.widget.wait(20)
    assert not bench.proposal.any()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert bench.proposal[10, 10] == 1


def test_proposal_data_replaced_by_a_stranger_is_survived(bench: Bench):
    bench.click(30, 40)
    bench.layer("proposal").data = np.zeros((64, 80), np.uint16)
    assert bench.widget.wait(20)
    bench.click(32, 42)
    assert bench.proposal[30, 40] == 1
    bench.layer("proposal").data = np.zeros((9, 9), np.uint8)
    assert bench.widget.wait(20)
    bench.click(34, 44)
    bench.widget.commit()
    bench.widget.next_candidate()
    assert bench.widget.wait(20)
    assert sorted(set(bench.roles())) == ROLES


def test_objects_data_replaced_goes_on_from_there(bench: Bench):
    replaced = np.zeros((64, 80), np.uint16)
    replaced[:5, :5] = 7
    bench.layer("objects").data = replaced
    assert bench.widget.wait(20)
    bench.click(30, 40)
    bench.widget.commit()
    assert bench.widget.wait(20)
    assert bench.objects[0, 0] == 7
    assert bench.objects[30, 40] == 8


def test_objects_of_another_shape_are_not_written_to(bench: Bench):
    bench.layer("objects").data = np.zeros((10, 10), np.uint16)
    assert bench.widget.wait(20)
    bench.click(30, 40)
    bench.widget.commit()
    assert bench.widget.wait(20)
    bench.widget.undo()
    assert bench.widget.wait(20)


def test_a_layer_moved_to_another_viewer_belongs_there(make_napari_viewer: Any, open_bench: Callable[..., Bench]):
    data = np.zeros((40, 50), np.uint8)
    first = open_bench(data, viewer=make_napari_viewer())
    second = open_bench(data, viewer=make_napari_viewer())
    moved = first.layer("points")
    first.viewer.layers.remove(moved)
    second.viewer.layers.append(moved)
    assert first.widget.wait(20)
    assert second.widget.wait(20)
    assert first.roles() == ROLES
    assert first.layer("points") is not moved
    works(first, 20, 20)
    moved.add([5, 5])
    assert first.widget.wait(20)
    assert not first.proposal.any(), "the layer that went away says nothing here any more"


def test_clearing_all_layers_at_once(bench: Bench):
    bench.click(30, 40)
    bench.viewer.layers.clear()
    assert bench.widget.wait(20)
    assert [layer for layer in bench.viewer.layers if isinstance(layer, Points)] == []
    assert "Open an image" in bench.status
    assert not bench.viewer.keymap, "no keys without an image"
    bench.viewer.add_image(np.zeros((64, 80), np.uint8))
    assert bench.widget.wait(20)
    assert bench.viewer.keymap
    works(bench, 30, 40)


# -- the image -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 36), (4, 30, 36)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_image_gets_other_data_while_it_is_encoded(
    bench: Bench, fake: FakePredictor, shape: tuple[int, ...], dtype: Any
):
    bench.click(30, 40)
    fake.gate.clear()
    bench.viewer.layers[0].contrast_limits = (3, 99)
    bench.layer("points").add([20, 20])
    bench.widget.wait(0.5)
    bench.viewer.layers[0].data = np.zeros(shape, dtype)
    fake.gate.set()
    assert bench.widget.wait(20)
    bench.click(*([0] * (len(shape) - 2)), 20, 20)
    assert bench.proposal.shape == shape
    bench.widget.commit()
    objects = bench.widget.session.tools.layers.objects.data
    assert objects.shape == shape
    assert objects[..., 20, 20].any()


def test_the_model_is_switched_while_it_encodes_and_while_it_predicts(bench: Bench, fake: FakePredictor, zoo: FakeZoo):
    fake.gate.clear()
    bench.viewer.layers[0].contrast_limits = (3, 99)
    bench.layer("points").add([20, 20])
    bench.widget.wait(0.5)
    other = next(name for name in bench.widget["model"].choices if name != bench.widget["model"].value)
    bench.widget["model"].value = other
    fake.gate.set()
    assert bench.widget.wait(20)
    assert zoo.choices[-1].name == other
    assert bench.proposal[20, 20] == 1

    slow = threading.Event()
    predict = fake.predict

    def waiting(*args: Any, **kwargs: Any) -> Any:
        slow.wait(10)
        return predict(*args, **kwargs)

    fake.predict = waiting  # type: ignore[method-assign]
    bench.layer("points").add([22, 20])
    bench.widget.wait(0.3)
    bench.widget["model"].value = "sam_lite"
    slow.set()
    assert bench.widget.wait(20)
    assert zoo.choices[-1].name == "sam_lite"
    assert bench.proposal[20, 20] == 1
    assert len(bench.layer("points").data) == 2


# -- the widget ------------------------------------------------------------------------------------------------------


def test_closed_and_opened_again_nothing_is_lost(bench: Bench, open_bench: Callable[..., Bench]):
    bench.click(30, 40)
    bench.widget.commit()
    bench.click(10, 10)
    bench.box([[40, 50], [60, 70]])
    objects, points = bench.objects.copy(), bench.layer("points").data.copy()
    close(bench)
    again = open_bench(viewer=bench.viewer)
    np.testing.assert_array_equal(again.objects, objects)
    np.testing.assert_array_equal(again.layer("points").data, points)
    assert len(again.layer("boxes").data) == 1
    assert again.proposal[50, 60] > 0
    assert again.roles() == ROLES
    again.widget.undo()
    assert again.widget.wait(20)
    np.testing.assert_array_equal(again.objects, objects)


def test_two_widgets_in_one_viewer(bench: Bench, open_bench: Callable[..., Bench]):
    bench.click(30, 40)
    one = len(worker_threads())
    second = open_bench(viewer=bench.viewer)
    assert second.roles() == ROLES, "one set of layers for one image"
    assert second.widget.wait(20)
    bench.click(32, 42)
    assert second.widget.wait(20)
    second.widget.commit()
    assert second.widget.wait(20)
    assert bench.widget.wait(20)
    assert bench.objects[30, 40] == 1
    assert len(bench.layer("points").data) == 0
    works(bench, 10, 12)
    close(second, threads=one)
    works(bench, 12, 60)
    assert {str(key) for key in bench.viewer.keymap} >= {"G", "U"}
    close(bench)
    assert not bench.viewer.keymap


def test_behind_another_tab_the_keys_are_off(
    qtbot: Any, open_bench: Callable[..., Bench], make_napari_viewer: Any, image: Any
):
    from qtpy.QtWidgets import QWidget

    bench = open_bench(image, viewer=make_napari_viewer(show=True))
    dock = bench.widget.native.parent()
    other = bench.viewer.window.add_dock_widget(QWidget(), name="other")
    window = dock.parent()
    window.tabifyDockWidget(dock, other)
    qtbot.wait(200)

    def out_of_sight() -> bool:
        other.raise_()
        return not bench.viewer.keymap

    qtbot.waitUntil(out_of_sight, timeout=20_000)
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1, "what has been clicked is answered nevertheless"
    dock.raise_()
    qtbot.waitUntil(lambda: bool(bench.viewer.keymap), timeout=10_000)
    dock.setFloating(True)
    qtbot.wait(200)
    assert bench.viewer.keymap
    bench.widget.clear()
    works(bench, 20, 60)


def widgets_alive() -> int:
    gc.collect()
    return sum(type(widget).__name__ == "SegmentWidget" for widget in gc.get_objects())


def test_opening_and_closing_many_times_leaves_nothing_behind(
    open_bench: Callable[..., Bench], image: Any, make_napari_viewer: Any
):
    viewer = make_napari_viewer()
    viewer.add_image(image, contrast_limits=(0, 255))
    first = open_bench(viewer=viewer)
    first.click(30, 40)
    first.widget.commit()
    close(first)
    before, layers, threads = all_callbacks(viewer), len(viewer.layers), threading.active_count()
    alive = widgets_alive()
    for _ in range(4):
        bench = open_bench(viewer=viewer)
        bench.click(30, 40)
        bench.widget.undo()
        bench.widget.wait(20)
        close(bench)
    assert all_callbacks(viewer) == before
    assert len(viewer.layers) == layers
    assert threading.active_count() <= threads
    del bench
    assert widgets_alive() <= alive + 1


def test_a_closed_widget_and_its_image_are_freed(open_bench: Callable[..., Bench], make_napari_viewer: Any):
    viewer = make_napari_viewer()
    bench = open_bench(np.zeros((64, 80), np.uint8), viewer=viewer, contrast_limits=(0, 255))
    bench.click(30, 40)
    bench.widget.commit()
    bench.click(10, 10)
    session, background = weakref.ref(bench.widget.session), weakref.ref(bench.widget._background)
    close(bench)
    viewer.layers.clear()
    bench.widget = None
    settle()
    assert session() is None
    assert background() is None


def test_another_image_frees_the_first(bench: Bench):
    session = weakref.ref(bench.widget.session)
    second = bench.viewer.add_image(np.zeros((20, 30), np.uint8), name="second")
    assert bench.widget.wait(20)
    bench.widget["image"].value = second
    assert bench.widget.wait(20)
    bench.viewer.layers.remove(bench.viewer.layers[0])
    assert bench.widget.wait(20)
    gc.collect()
    assert session() is None


def test_the_same_message_is_not_repeated_in_a_storm(
    bench: Bench, fake: FakePredictor, monkeypatch: pytest.MonkeyPatch
):
    told: list[str] = []
    monkeypatch.setattr("napari_sam.gui.segment_widget.show_error", told.append)
    fake.fail = ValueError("broken")
    for number in range(5):
        bench.viewer.layers[0].contrast_limits = (3, 90 + number)
        assert bench.widget.wait(20)
    assert len(told) == 1
    assert "broken" in bench.status
    fake.fail = None
    works(bench, 30, 40)


def test_notices_are_let_through_again_after_a_while():
    from napari_sam.gui.notices import Notices

    now = [0.0]
    told: list[str] = []
    notices = Notices(5, lambda: now[0])
    for _ in range(3):
        notices.tell(told.append, "one")
    notices.tell(told.append, "two")
    notices.tell(told.append, "")
    now[0] = 5.5
    notices.tell(told.append, "one")
    assert told == ["one", "two", "one"]


# -- the process -----------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, time
import numpy as np
import napari
from qtpy.QtCore import QTimer
from tests.gui.fakes import FakePredictor, FakeZoo
from napari_sam.gui.segment_widget import SegmentWidget

viewer = napari.Viewer()
viewer.add_image(np.random.default_rng(0).integers(0, 255, (3, 64, 80)).astype(np.uint8))
fake = FakePredictor()
widget = SegmentWidget(viewer, FakeZoo(fake))
viewer.window.add_dock_widget(widget, name="Segment")
assert widget.wait(20)
fake.gate.clear()
viewer.dims.set_current_step(0, 2)


def quit_now():
    assert widget._background.busy, "still encoding"
    print("closing", time.time(), flush=True)
    viewer.close()


QTimer.singleShot(800, quit_now)
napari.run()
print("returned", flush=True)
"""


def test_closing_napari_while_it_encodes_ends_the_process(repository: Path, tmp_path: Path):
    script = tmp_path / "close.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(repository), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    environment["NAPARI_CONFIG"] = str(tmp_path / "settings.yaml")
    done = subprocess.run(
        [sys.executable, "-W", "error:::napari_sam", str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ended = time.time()
    assert done.returncode == 0, done.stderr
    assert "returned" in done.stdout
    # A thread that is waited for never ends here; the rest is what Python and napari take to go, on a busy machine.
    assert ended - float(done.stdout.split("closing ")[1].split()[0]) < 20
    for word in ("Traceback", "QThread", "napari_sam", "deleted"):
        assert word not in done.stderr, done.stderr


def test_a_labels_layer_of_the_user_is_nobodys_business(bench: Bench):
    mine = bench.viewer.add_labels(np.ones((64, 80), np.uint8), name="mine")
    works(bench, 30, 40)
    bench.viewer.layers.remove(mine)
    assert bench.widget.wait(20)
    assert isinstance(mine, Labels)
    assert (np.asarray(mine.data) == 1).all()
    assert mine.metadata == {}
