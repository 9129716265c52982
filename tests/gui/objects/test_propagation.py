"""An object goes through the stack: slice by slice, in the background, one step of undo, corrections kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qtpy.QtWidgets import QApplication

from napari_sam.automatic.walks import Stop
from napari_sam.gui.objects.propagation import ObjectPropagation
from tests.automatic.bright import BrightModel, cone, disk, picture
from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
SHAPE = (48, 48)
RADII = [0, 6, 8, 9, 10, 9, 8, 6, 0]
Labels = NDArray[Any]


@pytest.fixture
def fake() -> BrightModel:
    return BrightModel(256)


@pytest.fixture
def truth() -> NDArray[np.bool_]:
    return cone(RADII, drift=0.5)


@pytest.fixture
def bench(open_bench: Callable[..., Bench], truth: NDArray[np.bool_]) -> Bench:
    """A cone of bright disks, object 1 painted on plane 4, which is shown."""
    return opened(open_bench, picture(truth), truth[4])


def opened(open_bench: Callable[..., Bench], stack: Labels, given: NDArray[np.bool_], at: int = 4) -> Bench:
    bench = open_bench(stack, contrast_limits=(0, 255))
    go(bench, at)
    paint(bench, at, given, 1)
    return bench


def go(bench: Bench, plane: int) -> None:
    bench.viewer.dims.set_current_step(0, plane)
    assert bench.widget.wait(20)


def paint(bench: Bench, plane: int, mask: NDArray[np.bool_], value: int) -> None:
    """As a brush does: nothing is recorded of how it was made."""
    rows, columns = np.nonzero(mask)
    bench.layer("objects").data_setitem((np.full(len(rows), plane), rows, columns), value)
    bench.layer("objects").selected_label = value or 1
    assert bench.widget.wait(20)


def propagate(bench: Bench, *arguments: Any, **options: Any) -> None:
    bench.viewer.cursor.position = (-99, -99, -99)
    bench.widget.propagate_object(*arguments, **options)
    assert bench.widget.wait(20)


def runner(bench: Bench) -> ObjectPropagation:
    found = bench.widget._propagation
    assert found is not None
    return found


def test_an_object_is_found_on_all_its_slices_and_one_undo_takes_it_back(bench: Bench, truth: NDArray[np.bool_]):
    before = bench.objects.copy()
    propagate(bench)
    assert np.array_equal(bench.objects == 1, truth)
    assert bench.status == f"Object 1 went on to 6 slices. It ends at -3=0: {Stop.EMPTY}; -3=8: {Stop.EMPTY}."
    assert bench.widget.session.history.undo_label == "propagate object 1"
    bench.widget.undo()
    assert np.array_equal(bench.objects, before)
    assert not list(bench.widget.session.editor.records)
    bench.widget.redo()
    assert np.array_equal(bench.objects == 1, truth)
    assert [record.plane.index for record in bench.widget.session.editor.records] == [(z,) for z in (5, 6, 7, 3, 2, 1)]


@pytest.mark.parametrize(("direction", "planes"), [("forward", [4, 5, 6, 7]), ("backward", [1, 2, 3, 4])])
def test_one_direction_only(bench: Bench, direction: str, planes: list[int]):
    bench.widget["direction"].value = "both" if direction == "forward" else "backward"
    propagate(bench, direction=None if direction == "backward" else direction)
    assert np.flatnonzero(bench.objects.any(axis=(1, 2))).tolist() == planes


def test_the_object_under_the_cursor_comes_first_then_the_one_selected(bench: Bench, truth: NDArray[np.bool_]):
    paint(bench, 4, disk(SHAPE, (4, 4), 2), 2)
    bench.widget.session.view.image.data[3:6, 2:7, 2:7] = 250
    bench.viewer.cursor.position = (4, 24, 24)
    bench.widget.propagate_object()
    assert bench.widget.wait(20)
    assert np.array_equal(bench.objects == 1, truth)
    bench.viewer.cursor.position = (4, 40, 4)
    bench.layer("objects").selected_label = 2
    bench.widget.propagate_object()
    assert bench.widget.wait(20)
    assert np.flatnonzero((bench.objects == 2).any(axis=(1, 2))).tolist() == [3, 4, 5]
    propagate(bench, 7)
    assert bench.status == "There is no object 7 on this slice."


def test_a_single_plane_has_no_slices(open_bench: Callable[..., Bench], truth: NDArray[np.bool_]):
    bench = open_bench(picture(truth)[4], contrast_limits=(0, 255))
    assert not bench.widget["through_stack_section"].visible
    bench.layer("objects").data_setitem(np.nonzero(truth[4]), 1)
    bench.widget.propagate_object(1)
    assert "single plane" in bench.status


def test_corrected_slices_are_kept_and_gone_on_from(open_bench: Callable[..., Bench]):
    """On plane 3 the object touches another one: both are found until a correction says where it ends."""
    left, right = disk(SHAPE, (24, 16), 7), disk(SHAPE, (24, 30), 8)
    stack = picture(np.stack([left, left, left, left | right, left, left, left, left]))
    bench = opened(open_bench, stack, left, at=1)
    bench.widget["max_growth"].value = 4
    propagate(bench)
    assert (bench.objects[3] == 1).sum() == (left | right).sum()
    go(bench, 3)
    bench.widget.edit_object(1)
    bench.click(3, 24, 16)
    proposal = bench.layer("proposal")
    proposal.data_setitem((np.full(right.sum(), 3), *np.nonzero(right)), 0)
    bench.widget.commit()
    assert bench.widget.wait(20)
    corrected = bench.objects[3].copy()
    assert (corrected == 1).sum() == (left & ~right).sum()
    paint(bench, 5, left, 1)
    paint(bench, 5, right, 0)
    painted = bench.objects[5].copy()
    propagate(bench, 1)
    assert np.array_equal(bench.objects[3], corrected)
    assert np.array_equal(bench.objects[5], painted), "painted by hand counts as corrected"
    assert all(np.array_equal(bench.objects[z] == 1, left) for z in (0, 2, 4, 6, 7))


def test_what_an_earlier_run_found_goes_where_the_next_does_not_find_it(bench: Bench, truth: NDArray[np.bool_]):
    propagate(bench)
    bench.widget["min_overlap"].value = 0.75
    propagate(bench)
    kept = np.flatnonzero(bench.objects.any(axis=(1, 2))).tolist()
    assert kept == [2, 3, 4, 5, 6]
    assert "from 2 slices it is gone" in bench.status
    bench.widget.undo()
    assert np.array_equal(bench.objects == 1, truth)


def test_where_the_object_was_erased_it_stays_away(bench: Bench, truth: NDArray[np.bool_]):
    propagate(bench)
    paint(bench, 6, truth[6], 0)
    propagate(bench)
    assert np.flatnonzero(bench.objects.any(axis=(1, 2))).tolist() == [1, 2, 3, 4, 5, 7]


@pytest.mark.parametrize("overlap", ["keep", "only background", "replace"])
def test_other_objects_are_left_alone_unless_they_shall_be_replaced(
    bench: Bench, truth: NDArray[np.bool_], overlap: str
):
    other = disk(SHAPE, (24, 30), 5)
    paint(bench, 5, other, 2)
    paint(bench, 2, truth[2], 3)
    bench.layer("objects").selected_label = 1
    bench.widget["overlap"].value = overlap
    propagate(bench)
    if overlap == "replace":
        assert np.array_equal(bench.objects == 1, truth)
        return
    assert np.array_equal(bench.objects[5] == 2, other)
    assert np.array_equal(bench.objects[5] == 1, truth[5] & ~other)
    assert np.array_equal(bench.objects[2] == 3, truth[2])
    assert not (bench.objects[1] == 1).any(), "it ends where the slice belongs to another object"
    assert f"-3=2: {Stop.TAKEN}" in bench.status
    bench.widget.undo()
    assert np.array_equal(np.unique(bench.objects), [0, 1, 2, 3])
    assert np.array_equal(bench.objects[5] == 2, other)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        QApplication.processEvents()


def test_cancel_keeps_what_was_found_and_clicks_come_first(
    bench: Bench, fake: BrightModel, truth: NDArray[np.bool_], monkeypatch: pytest.MonkeyPatch
):
    def look(*arguments: Any) -> Any:
        if (bench.objects == 1).any(axis=(1, 2)).sum() == 3:
            fake.gate.clear()
        return encode(*arguments)

    encode, found = fake.encode, lambda: int((bench.objects == 1).any(axis=(1, 2)).sum())
    monkeypatch.setattr(
        fake, "encode", lambda *a, **o: (fake.gate.clear() if found() == 3 else None, encode(*a, **o))[1]
    )
    bench.viewer.cursor.position = (-99, -99, -99)
    bench.widget.propagate_object(1)
    assert bench.widget.pending
    until(lambda: not fake.gate.is_set())
    assert bench.widget["cancel"].enabled
    assert bench.status.startswith("Object 1 goes on to -3=7 (2 of 8 slices)")
    monkeypatch.setattr(fake, "encode", encode)
    bench.layer("points").add([4, 30, 30])  # the shown slice is encoded: its answer does not wait for the run
    until(lambda: bool(bench.proposal[4].any()))
    assert runner(bench).running
    bench.widget.cancel()
    fake.gate.set()
    assert bench.widget.wait(20)
    assert not runner(bench).running
    assert not bench.widget["cancel"].enabled
    assert found() == 3
    bench.widget.undo()  # the click
    bench.widget.undo()
    assert found() == 1


def test_undo_ends_the_run_and_takes_it_back(bench: Bench, fake: BrightModel, monkeypatch: pytest.MonkeyPatch):
    bench.widget.propagate_object(1)
    until(lambda: bool(bench.objects[5].any()))
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert np.flatnonzero(bench.objects.any(axis=(1, 2))).tolist() == [4]
    assert bench.status == "Taken back: propagate object 1."


def test_prompts_on_other_slices_stay_while_it_runs(bench: Bench, truth: NDArray[np.bool_]):
    go(bench, 6)
    bench.click(6, 24, 24)
    go(bench, 4)
    propagate(bench, 1)
    assert np.array_equal(bench.objects == 1, truth)
    assert len(bench.layer("points").data) == 1
    assert bench.proposal[6].any()


def test_an_object_open_for_editing_on_a_slice_is_not_overwritten_there(bench: Bench, truth: NDArray[np.bool_]):
    propagate(bench)
    go(bench, 6)
    bench.widget.edit_object(1)
    bench.click(6, 24, 24)
    go(bench, 4)
    image = bench.viewer.layers[0].data
    image[6] = 20
    propagate(bench, 1)
    assert np.array_equal(bench.objects == 1, truth), "from plane 6, given while it is edited, plane 7 is found too"


def test_an_error_ends_the_run_and_is_shown(bench: Bench, fake: BrightModel, monkeypatch: pytest.MonkeyPatch):
    from napari_sam.errors import ImageError

    told: list[str] = []
    bench.widget.session.notice.connect(told.append)

    def fail(*arguments: Any, **options: Any) -> Any:
        raise ImageError("The disk is gone.")

    monkeypatch.setattr(fake, "encode", fail)
    propagate(bench, 1)
    assert told == ["Object 1 was stopped; it is on 0 slices more. The disk is gone."]
    assert not runner(bench).running


def test_a_piece_of_a_class_goes_through_the_stack_alone(bench: Bench, truth: NDArray[np.bool_]):
    paint(bench, 4, disk(SHAPE, (5, 40), 3), 1)
    bench.widget["mode"].value = "semantic"
    bench.viewer.cursor.position = (4, 24, 24)
    bench.widget.propagate_object()
    assert bench.widget.wait(20)
    assert np.array_equal(np.delete(bench.objects == 1, 4, axis=0), np.delete(truth, 4, axis=0))


def test_along_either_axis_of_four(open_bench: Callable[..., Bench], truth: NDArray[np.bool_]):
    stack = np.stack([picture(truth)] * 3)
    bench = open_bench(stack, contrast_limits=(0, 255), axis_labels=("t", "z", "y", "x"))
    bench.viewer.dims.current_step = (1, 4, 0, 0)
    assert bench.widget.wait(20)
    objects = bench.layer("objects")
    rows, columns = np.nonzero(truth[4])
    objects.data_setitem((np.full(len(rows), 1), np.full(len(rows), 4), rows, columns), 1)
    bench.viewer.cursor.position = (-9, -9, -9, -9)
    bench.widget.propagate_object(1)
    assert bench.widget.wait(20)
    assert np.array_equal(bench.objects[1] == 1, truth)
    assert not bench.objects[[0, 2]].any()
    bench.widget["along"].value = 0
    bench.widget.propagate_object(1)
    assert bench.widget.wait(20)
    assert all(np.array_equal(bench.objects[t, 4] == 1, truth[4]) for t in (0, 2))
    assert "t=0" not in bench.status, "the ends of the stack are no news"


def test_a_recovered_session_still_knows_what_was_only_propagated(bench: Bench):
    from napari_sam.gui.recovery.codec import record_from_json, record_to_json

    propagate(bench)
    records = list(bench.widget.session.editor.records)
    assert all(record.propagated for record in records)
    again = [record_from_json(record_to_json(record)) for record in records]
    assert all(record.propagated for record in again)
    old = record_to_json(records[0])
    del old["propagated"]
    assert not record_from_json(old).propagated, "journals of older versions"
