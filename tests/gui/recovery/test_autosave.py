"""Work that a crash interrupted comes back, in a real viewer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.recovery import autosave
from napari_sam.gui.recovery.folder import JournalFolder, state_dir
from napari_sam.gui.recovery.state import JournalState, replay
from napari_sam.io.append_log import read_log
from tests.gui.conftest import Bench
from tests.gui.recovery.samples import plain, whole

pytestmark = pytest.mark.gui

OpenBench = Callable[..., Bench]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user was told in napari's notifications."""
    texts: list[str] = []
    for name in ("show_error", "show_info", "show_warning"):
        monkeypatch.setattr(f"napari_sam.gui.segment_widget.{name}", texts.append)
    return texts


def journals() -> list[Path]:
    return sorted(JournalFolder().path.glob("*.jsonl"))


def written(bench: Bench) -> JournalState:
    """What the journal of the running session says by now."""
    journal = bench.widget._autosave.recorder.journal
    assert journal is not None
    assert settled(bench)
    return replay(read_log(JournalFolder().path / journal.name).entries)


def settled(bench: Bench) -> bool:
    recorder = bench.widget._autosave.recorder
    deadline = time.monotonic() + 5
    while recorder.pending and time.monotonic() < deadline:
        bench.widget.wait(1)
        time.sleep(0.02)
    return recorder.journal.flush(5)


def crash(bench: Bench) -> None:
    """Leave the state folder as a crash would leave it now, and close the viewer's widget without a trace."""
    assert settled(bench)
    saved = JournalFolder().path.with_name("copy")
    shutil.copytree(JournalFolder().path, saved, ignore=shutil.ignore_patterns("*.lock"))
    bench.widget.close()
    shutil.rmtree(JournalFolder().path)
    saved.rename(JournalFolder().path)


def wait_until(bench: Bench, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert bench.widget.wait(10)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def banner(bench: Bench) -> str:
    """What is offered; the windows of tests are not shown, but a hidden widget is hidden all the same."""
    return "" if bench.widget["recovery_banner"].native.isHidden() else str(bench.widget["recovery_text"].value)


def press(bench: Bench, name: str) -> None:
    bench.widget[name].native.click()
    assert bench.widget.wait(20)


def snapshot(bench: Bench) -> tuple[Any, ...]:
    state: PromptState = bench.widget.session.state
    return bench.objects.tolist(), plain(state), bench.proposal.tolist()


def annotate(bench: Bench) -> None:
    """Two objects, one painted by hand, and prompts with a choice that are not committed."""
    bench.click(20, 20)
    bench.widget.commit()
    bench.box([[40, 50], [40, 70], [60, 70], [60, 50]])
    bench.widget.commit()
    objects = bench.layer("objects")
    objects.selected_label = 9
    objects.brush_size = 3
    objects.paint((5, 70), 9)
    bench.click(40, 20)
    bench.widget.next_candidate()
    assert bench.widget.wait(20)


def test_annotate_crash_recover(
    bench: Bench, open_bench: OpenBench, make_napari_viewer: Any, image: np.ndarray, told: list[str]
):
    annotate(bench)
    before, records = snapshot(bench), {record.key: plain(record) for record in bench.widget.session.editor.records}
    assert len(records) == 2
    crash(bench)
    (old,) = journals()

    again = open_bench(image, viewer=make_napari_viewer(), contrast_limits=(0, 255), name="image")
    assert "ended unexpectedly" not in banner(again), "another name, no file: not known to be the same image"
    again.viewer.layers["image"].name = "data"
    again = reopened(again, open_bench)
    assert "The last session on this image ended unexpectedly. Recover 3 objects and 1 prompt" in banner(again)
    assert not again.objects.any(), "nothing happens unasked"
    press(again, "recover")
    assert snapshot(again) == before
    recovered = {record.key: plain(record) for record in again.widget.session.editor.records}
    assert recovered == records
    assert banner(again) == ""
    assert any("Recovered 3 objects and 1 prompt of 'data'" in text for text in told)
    wait_until(again, lambda: not old.exists())
    assert written(again).labels.ids() == {1, 2, 9}, "the old journal goes only when the new one has everything"

    again.widget.undo()
    assert again.widget.wait(20)
    assert not again.objects.any()
    assert len(again.layer("points").data) == 0
    again.widget.redo()
    assert again.widget.wait(20)
    assert snapshot(again) == before
    again.widget.commit()
    assert again.objects.max() == 10, "ids go on after the recovered ones"


def reopened(bench: Bench, open_bench: OpenBench) -> Bench:
    bench.viewer.window.remove_dock_widget(bench.widget.native)
    return open_bench(viewer=bench.viewer)


def test_discard_removes_it_and_later_asks_again(
    bench: Bench, open_bench: OpenBench, make_napari_viewer: Any, image: np.ndarray
):
    annotate(bench)
    crash(bench)
    again = open_bench(image, viewer=make_napari_viewer(), contrast_limits=(0, 255), name="data")
    assert banner(again)
    press(again, "recover_later")
    assert banner(again) == ""
    again = reopened(again, open_bench)
    assert banner(again)
    press(again, "discard_recovered")
    assert banner(again) == ""
    assert journals() == []
    assert not again.objects.any()


def test_what_is_there_is_not_overwritten(
    bench: Bench, open_bench: OpenBench, make_napari_viewer: Any, image: np.ndarray, told: list[str]
):
    annotate(bench)
    lost = bench.objects.copy()
    crash(bench)
    again = open_bench(image, viewer=make_napari_viewer(), contrast_limits=(0, 255), name="data")
    again.click(30, 30)
    again.widget.commit()
    again.click(50, 10)
    mine = again.objects.copy()
    press(again, "recover")
    np.testing.assert_array_equal(again.objects, mine)
    np.testing.assert_array_equal(again.viewer.layers["recovered objects"].data, lost)
    assert len(again.layer("points").data) == 2, "its own prompt and the recovered one"
    assert any("a layer of their own" in text for text in told)
    again.widget.undo()
    assert again.widget.wait(20)
    assert len(again.layer("points").data) == 1
    # Nobody writes that layer down: the old journal is kept, but not offered while the layer is there.
    assert len(journals()) == 2
    assert banner(again) == ""
    assert banner(reopened(again, open_bench)) == ""


def test_another_image_gets_a_hint_and_the_objects_as_a_file(
    bench: Bench,
    open_bench: OpenBench,
    make_napari_viewer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
):
    annotate(bench)
    lost = bench.objects.copy()
    crash(bench)
    other = open_bench(np.zeros((30, 30), np.uint8), viewer=make_napari_viewer(), name="other")
    assert "3 objects and 1 prompt of 'data' from" in banner(other)
    assert "open that image" in banner(other)
    assert other.widget["recover"].native.isHidden()
    monkeypatch.setattr(autosave, "ask_path", lambda parent, name: None)
    press(other, "save_recovered")
    target = tmp_path / "out" / "saved.tif"
    monkeypatch.setattr(autosave, "ask_path", lambda parent, name: target)
    press(other, "save_recovered")
    np.testing.assert_array_equal(tifffile.imread(target), lost)
    assert any(str(target) in text for text in told)
    assert len(journals()) == 1
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(autosave, "ask_path", lambda parent, name: tmp_path / "file" / "saved.tif")
    press(other, "save_recovered")
    assert "cannot be written" in told[-1]
    press(other, "discard_recovered")
    assert journals() == []


def test_a_clean_end_without_objects_leaves_nothing(bench: Bench):
    bench.click(20, 20)
    assert len(journals()) + settled(bench) == 2
    bench.widget.close()
    assert journals() == []


def test_a_clean_end_with_objects_is_offered_quietly(
    bench: Bench, open_bench: OpenBench, make_napari_viewer: Any, image: np.ndarray
):
    annotate(bench)
    bench.widget.close()
    other = open_bench(np.zeros((30, 30), np.uint8), viewer=make_napari_viewer(), name="other")
    assert banner(other) == "", "not while another image is segmented"
    again = open_bench(image, viewer=make_napari_viewer(), contrast_limits=(0, 255), name="data")
    assert banner(again).startswith("Perhaps not saved: Recover 3 objects and 1 prompt of 'data'")


def test_closing_and_opening_the_widget_goes_on_in_the_same_journal(bench: Bench, open_bench: OpenBench):
    annotate(bench)
    name = bench.widget._autosave.recorder.journal.name
    again = reopened(bench, open_bench)
    assert banner(again) == "", "everything is there to be seen"
    assert again.widget._autosave.recorder.journal.name == name
    again.layer("objects").data[0, 0] = 77  # while nobody looked, or by a script
    again.layer("objects").refresh()
    wait_until(again, lambda: 77 in written(again).labels.ids())
    assert [path.name for path in journals()] == [name]


def test_two_viewers_write_two_journals_and_offer_neither(open_bench: OpenBench, make_napari_viewer: Any):
    image = np.zeros((40, 50), np.uint8)
    first = open_bench(image, viewer=make_napari_viewer(), name="data")
    first.click(10, 10)
    first.widget.commit()
    assert settled(first)
    second = open_bench(image, viewer=make_napari_viewer(), name="data")
    assert banner(second) == ""
    second.click(30, 30)
    second.widget.commit()
    assert settled(second)
    assert len(journals()) == 2
    assert whole(written(first)).tolist() == first.objects.tolist()
    assert whole(written(second)).tolist() == second.objects.tolist()


def test_switching_images_keeps_both_journals_alive(bench: Bench, open_bench: OpenBench):
    annotate(bench)
    first, name = bench.viewer.layers["data"], bench.widget._autosave.recorder.journal.name
    objects = bench.layer("objects")
    second = bench.viewer.add_image(np.zeros((20, 30), np.uint8), name="second")
    bench.widget["image"].value = second
    assert bench.widget.wait(20)
    assert banner(bench) == ""
    points = bench.widget.session.tools.layers.points
    points.add([5, 5])
    assert bench.widget.wait(20)
    assert settled(bench)
    assert len(journals()) == 2
    bench.widget["image"].value = first
    assert bench.widget.wait(20)
    assert bench.widget._autosave.recorder.journal.name == name
    assert whole(written(bench)).tolist() == objects.data.tolist()
    assert banner(bench) == ""


def test_every_objects_layer_is_followed_whoever_paints_in_it(bench: Bench):
    bench.click(20, 20)
    bench.widget.commit()
    first = bench.layer("objects")
    bench.widget.use_objects_layer()
    bench.click(40, 60)
    assert bench.widget.wait(20)
    second = bench.widget.session.tools.layers.objects
    assert second is not first
    assert written(bench).labels.ids() == set()
    bench.widget.commit()
    first.paint((50, 10), 5)
    bench.widget["image"].value = bench.viewer.add_image(np.zeros((20, 30), np.uint8), name="second")
    assert bench.widget.wait(20)
    second.paint((50, 10), 6)
    bench.widget.undo()
    bench.widget.close()
    states = [replay(read_log(path).entries) for path in journals()]
    assert sorted(sorted(state.labels.ids()) for state in states) == [[1, 5], [1, 6]]
    assert [state.prompt_count for state in states] == [0, 0], "prompts go where the objects go"


def test_a_stack_annotated_at_random_is_recovered_exactly(
    open_bench: OpenBench, make_napari_viewer: Any, told: list[str]
):
    rng = np.random.default_rng(7)
    stack = rng.integers(0, 255, (4, 48, 56)).astype(np.uint8)
    bench = open_bench(stack, contrast_limits=(0, 255), name="stack")
    objects, viewer = bench.layer("objects"), bench.viewer
    for step in range(45):
        at = (viewer.dims.current_step[0], *rng.integers(5, 43, 2))
        if rng.random() < 0.4:
            viewer.dims.set_current_step(0, int(rng.integers(0, 4)))
            at = (viewer.dims.current_step[0], *at[1:])
        choose = [
            lambda at=at: bench.layer("points").add(at),
            lambda at=at: bench.layer("points").add(at),
            lambda at=at: bench.layer("boxes").add(_box(at), shape_type="rectangle"),
            bench.widget.commit,
            bench.widget.commit,
            bench.widget.next_candidate,
            bench.widget.undo,
            bench.widget.redo,
            bench.widget.clear,
            lambda at=at: objects.paint(at, int(rng.integers(0, 6))),
            objects.undo,
            lambda: bench.widget.delete_object(int(rng.integers(1, 6))),
            lambda: bench.widget.merge_objects([int(rng.integers(1, 6)), int(rng.integers(1, 6))]),
            lambda: bench.widget.edit_object(int(rng.integers(1, 6))),
        ]
        choose[int(rng.integers(0, len(choose)))]()
        assert bench.widget.wait(20), step
    state = written(bench)
    np.testing.assert_array_equal(whole(state), objects.data)
    assert plain(state.prompts) == plain(bench.widget.session.state)
    live = {record.key: plain(record) for record in bench.widget.session.editor.records}
    assert objects.data.any()
    assert live
    before = objects.data.copy(), plain(bench.widget.session.state)
    crash(bench)
    again = open_bench(stack, viewer=make_napari_viewer(), contrast_limits=(0, 255), name="stack")
    press(again, "recover")
    np.testing.assert_array_equal(again.objects, before[0])
    assert plain(again.widget.session.state) == before[1]
    assert {record.key: plain(record) for record in again.widget.session.editor.records} == live


def _box(at: tuple[int, ...]) -> np.ndarray[Any, Any]:
    plane, row, column = at
    return np.array([[plane, row + i * 8, column + j * 9] for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))], float)


def test_objects_that_were_saved_and_opened_again_are_not_offered(
    bench: Bench, open_bench: OpenBench, make_napari_viewer: Any, image: np.ndarray, tmp_path: Path
):
    bench.click(20, 20)
    bench.widget.commit()
    tifffile.imwrite(tmp_path / "labels.tif", bench.objects)
    bench.widget.close()
    assert len(journals()) == 1
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "labels.tif", layer_type="labels", plugin="napari")
    again = open_bench(image, viewer=viewer, contrast_limits=(0, 255), name="data")
    assert banner(again) == ""
    assert journals() == []


def test_switched_off_nothing_is_kept(bench: Bench):
    annotate(bench)
    assert settled(bench)
    assert len(journals()) == 1
    bench.widget["autosave"].value = False
    assert journals() == []
    bench.click(50, 30)
    bench.widget.commit()
    assert journals() == []
    bench.widget["autosave"].value = True
    assert whole(written(bench)).tolist() == bench.objects.tolist()


def test_off_by_the_environment(open_bench: OpenBench, image: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NAPARI_SAM_AUTOSAVE", "0")
    off = open_bench(image)
    assert off.widget["autosave"].value is False
    off.click(20, 20)
    off.widget.commit()
    off.widget.close()
    assert not state_dir().exists()


def test_damaged_and_foreign_journals_are_named_and_left(open_bench: OpenBench, image: np.ndarray, told: list[str]):
    folder = JournalFolder()
    folder.path.mkdir(parents=True)
    for number, text in enumerate([b"garbage\n", b'{"sum":"x"', b"\x00\xff" * 500]):
        (folder.path / f"20260101-00000{number}-00000000.jsonl").write_bytes(text)
    bench = open_bench(image)
    assert len([text for text in told if "cannot be used" in text and "left as it is" in text]) == 3
    assert len(journals()) == 3
    bench.click(20, 20)
    assert bench.proposal[20, 20] == 1


def test_a_torn_last_line_is_said(
    bench: Bench, open_bench: OpenBench, make_napari_viewer: Any, image: np.ndarray, told: list[str]
):
    annotate(bench)
    crash(bench)
    (old,) = journals()
    content = old.read_bytes()
    old.write_bytes(content[:-3])
    again = open_bench(image, viewer=make_napari_viewer(), contrast_limits=(0, 255), name="data")
    press(again, "recover")
    assert any("The very last action was cut off." in text for text in told)
    assert sorted(np.unique(again.objects)) == [0, 1, 2, 9]


def test_a_folder_that_cannot_be_written_is_told_once(
    open_bench: OpenBench, image: np.ndarray, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NAPARI_SAM_STATE", str(tmp_path / "file"))
    bench = open_bench(image)
    annotate(bench)
    bench.widget._autosave.recorder.journal.flush(5)
    wait_until(bench, lambda: bool(told))
    assert [text for text in told if "Autosave is off because" in text] == told
    assert len(told) == 1
    assert bench.objects.any()
