"""Committing, opening again, deleting and merging, as users do it, in a viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels

from tests.gui.conftest import Bench


def disk(row: float, column: float, radius: float = 9, shape: tuple[int, int] = (64, 80)) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def commit(bench: Bench, *position: float) -> None:
    bench.click(*position)
    bench.widget.commit()
    assert bench.widget.wait(20)


def point_at(bench: Bench, *position: float) -> None:
    bench.viewer.cursor.position = position


def edit(bench: Bench, object_id: int | None = None) -> None:
    bench.widget.edit_object(object_id)
    assert bench.widget.wait(20)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was notified, in napari's corner of the window."""
    texts: list[str] = []
    monkeypatch.setattr("napari_sam.gui.segment_widget.show_info", texts.append)
    return texts


# -- commit --------------------------------------------------------------------------------------------------------


def test_the_same_thing_twice_is_refused_and_the_prompts_stay(bench: Bench):
    commit(bench, 30, 30)
    before = bench.objects.copy()
    commit(bench, 30, 30)
    assert "object 1 already" in bench.status
    np.testing.assert_array_equal(bench.objects, before)
    assert len(bench.layer("points").data) == 1
    bench.widget["overlap"].value = "replace"
    bench.widget.commit()
    assert set(np.unique(bench.objects)) == {0, 2}


def test_only_background_fills_what_is_free(bench: Bench):
    commit(bench, 30, 30)
    bench.layer("objects").data[30, 30] = 0
    bench.widget["overlap"].value = "only background"
    commit(bench, 30, 30)
    assert bench.objects[30, 30] == 2
    assert (bench.objects == 2).sum() == 1


def test_of_several_boxes_the_one_that_is_there_is_left_out(bench: Bench):
    bench.box([[10, 10], [10, 20], [20, 20], [20, 10]])
    bench.widget.commit()
    bench.box([[10, 10], [10, 20], [20, 20], [20, 10]])
    bench.box([[40, 40], [40, 50], [50, 50], [50, 40]])
    bench.widget.commit()
    assert set(np.unique(bench.objects)) == {0, 1, 2}
    assert "Left out 1" in bench.status


def test_committing_to_an_object_goes_on_with_it(bench: Bench):
    commit(bench, 20, 20)
    bench.widget.continue_object()
    assert bench.widget["object_id"].value == 1
    commit(bench, 45, 60)
    assert "object 1" in bench.status
    assert (bench.objects == 1).sum() == disk(20, 20).sum() + disk(45, 60).sum()
    bench.widget.continue_object()
    assert bench.widget["object_id"].value == 0
    commit(bench, 20, 60)
    assert bench.objects.max() == 2


def test_several_objects_cannot_share_one_id(bench: Bench):
    bench.widget["object_id"].value = 5
    bench.box([[10, 10], [10, 20], [20, 20], [20, 10]])
    bench.box([[40, 40], [40, 50], [50, 50], [50, 40]])
    bench.widget.commit()
    assert "cannot all be object 5" in bench.status
    assert not bench.objects.any()


def test_a_commit_past_65535_widens_the_layer_and_undo_still_works(bench: Bench):
    bench.layer("objects").data_setitem((np.array([0]), np.array([0])), 65535)
    commit(bench, 30, 30)
    assert bench.objects.dtype == np.uint32
    assert bench.objects[30, 30] == 65536
    bench.widget.undo()
    assert bench.objects[30, 30] == 0
    assert bench.objects[0, 0] == 65535
    for _ in ("our undo", "our commit", "the painted pixel"):
        bench.layer("objects").undo()
    assert not bench.objects.any()
    bench.widget.redo()
    assert bench.objects[30, 30] == 65536


# -- edit ----------------------------------------------------------------------------------------------------------


def test_an_object_opened_again_brings_back_its_prompts_and_choice(bench: Bench):
    bench.click(30, 30)
    bench.widget.next_candidate()
    bench.widget.commit()
    committed = bench.objects.copy()
    assert committed.astype(bool).sum() == disk(30, 30, 13).sum()
    edit(bench, 1)
    np.testing.assert_array_equal(bench.layer("points").data, [[30, 30]])
    np.testing.assert_array_equal(bench.proposal.astype(bool), committed.astype(bool))
    assert "candidate 3 of 3" in bench.status
    assert "Editing object 1" in bench.status
    np.testing.assert_array_equal(bench.objects, committed)
    bench.widget.next_candidate()
    bench.widget.commit()
    assert (bench.objects == 1).sum() == bench.objects.astype(bool).sum() == disk(30, 30, 5).sum()


def test_a_box_comes_back_too(bench: Bench):
    bench.box([[10, 10], [10, 30], [30, 30], [30, 10]])
    bench.widget.commit()
    edit(bench, 1)
    assert bench.layer("boxes").nshapes == 1
    bench.widget.commit()
    assert "stays as it was" in bench.status
    assert set(np.unique(bench.objects)) == {0, 1}


def test_a_painted_object_opens_as_it_is_and_stays_so(bench: Bench):
    commit(bench, 30, 30)
    bench.layer("objects").data_setitem((np.array([2, 2]), np.array([70, 71])), 1)
    painted = bench.objects.copy()
    edit(bench, 1)
    assert len(bench.layer("points").data) == 0
    np.testing.assert_array_equal(bench.proposal.astype(bool), painted.astype(bool))
    bench.widget.commit()
    np.testing.assert_array_equal(bench.objects, painted)


def test_clear_leaves_the_object_as_it_was(bench: Bench):
    commit(bench, 30, 30)
    before = bench.objects.copy()
    edit(bench, 1)
    bench.click(30, 50)
    bench.widget.clear()
    assert not bench.proposal.any()
    np.testing.assert_array_equal(bench.objects, before)
    commit(bench, 50, 60)
    assert bench.objects.max() == 2


def test_editing_keeps_out_of_other_objects(bench: Bench):
    commit(bench, 30, 20)
    commit(bench, 30, 42)
    other = bench.objects == 2
    edit(bench, 1)
    bench.widget.next_candidate()
    bench.widget.commit()
    np.testing.assert_array_equal(bench.objects == 2, other)
    assert (bench.objects == 1).sum() > disk(30, 20).sum()


def test_undo_of_an_edit_brings_back_pixels_and_prompts(bench: Bench):
    commit(bench, 30, 30)
    before = bench.objects.copy()
    edit(bench, 1)
    bench.widget.next_candidate()
    bench.widget.commit()
    assert not np.array_equal(bench.objects, before)
    bench.widget.undo()
    assert bench.widget.wait(20)
    np.testing.assert_array_equal(bench.objects, before)
    assert len(bench.layer("points").data) == 1
    assert bench.widget.session.state.masks[bench.widget.session.plane].object_id == 1
    bench.widget.undo()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert not bench.widget.session.state.masks
    assert len(bench.layer("points").data) == 0
    np.testing.assert_array_equal(bench.objects, before)


def test_prompts_put_aside_by_editing_come_back_with_undo(bench: Bench):
    commit(bench, 30, 30)
    bench.click(50, 60)
    edit(bench, 1)
    np.testing.assert_array_equal(bench.layer("points").data, [[30, 30]])
    bench.widget.undo()
    np.testing.assert_array_equal(bench.layer("points").data, [[50, 60]])


def test_what_is_painted_while_editing_stays(bench: Bench):
    commit(bench, 30, 30)
    edit(bench, 1)
    bench.layer("objects").data_setitem((np.array([30]), np.array([30])), 9)
    bench.widget.next_candidate()
    bench.widget.commit()
    assert bench.objects[30, 30] == 9
    bench.widget.undo()
    assert bench.objects[30, 30] == 9


def test_which_object_is_meant(bench: Bench):
    commit(bench, 20, 20)
    commit(bench, 45, 60)
    point_at(bench, 20, 20)
    edit(bench)
    assert "Editing object 1" in bench.status
    bench.widget.clear()
    point_at(bench, 2, 2)
    bench.layer("objects").selected_label = 2
    edit(bench)
    assert "Editing object 2" in bench.status
    bench.widget.clear()
    bench.layer("objects").selected_label = 77
    edit(bench)
    assert "Point at an object" in bench.status
    edit(bench, 77)
    assert "no object 77" in bench.status


# -- delete and merge ----------------------------------------------------------------------------------------------


def test_delete_is_one_step(bench: Bench):
    commit(bench, 20, 20)
    commit(bench, 45, 60)
    before = bench.objects.copy()
    point_at(bench, 20, 20)
    bench.widget.delete_object()
    assert set(np.unique(bench.objects)) == {0, 2}
    assert "Deleted object 1" in bench.status
    assert bench.widget["undo"].tooltip.startswith("Undo: delete object 1")
    bench.widget.undo()
    np.testing.assert_array_equal(bench.objects, before)
    bench.widget.redo()
    assert set(np.unique(bench.objects)) == {0, 2}


def test_an_undone_deletion_remembers_how_the_object_was_made(bench: Bench):
    commit(bench, 20, 20)
    bench.widget.delete_object(1)
    bench.widget.undo()
    edit(bench, 1)
    assert len(bench.layer("points").data) == 1


def test_deleting_what_is_being_edited_ends_the_editing(bench: Bench):
    commit(bench, 20, 20)
    edit(bench, 1)
    bench.widget.delete_object(1)
    assert bench.widget.wait(20)
    assert not bench.objects.any()
    assert not bench.proposal.any()
    commit(bench, 45, 60)
    assert bench.objects.max() == 2


def test_merge_joins_the_one_under_the_cursor_to_the_selected_one(bench: Bench):
    commit(bench, 20, 20)
    commit(bench, 45, 60)
    before = bench.objects.copy()
    bench.layer("objects").selected_label = 1
    point_at(bench, 45, 60)
    bench.widget.merge_objects()
    assert set(np.unique(bench.objects)) == {0, 1}
    assert "Object 2 joined object 1" in bench.status
    bench.widget.undo()
    np.testing.assert_array_equal(bench.objects, before)
    bench.widget.merge_objects([2, 1])
    assert set(np.unique(bench.objects)) == {0, 2}


@pytest.mark.parametrize(("ids", "message"), [([1], "takes two"), ([9, 1], "no object 9"), ([1, 9], "no object 9")])
def test_merging_nonsense_says_why_not(bench: Bench, ids: list[int], message: str):
    commit(bench, 20, 20)
    bench.widget.merge_objects(ids)
    assert message in bench.status
    assert bench.objects.max() == 1


# -- stacks --------------------------------------------------------------------------------------------------------


def stack_bench(open_bench: Callable[..., Bench]) -> Bench:
    return open_bench(np.zeros((6, 64, 80), np.uint8), contrast_limits=(0, 255))


def go_to(bench: Bench, z: int) -> None:
    bench.viewer.dims.set_point(0, z)
    assert bench.widget.wait(20)


def test_an_object_is_annotated_slice_by_slice_deleted_and_brought_back(open_bench: Callable[..., Bench]):
    bench = stack_bench(open_bench)
    for z in (1, 2, 4):
        go_to(bench, z)
        commit(bench, z, 30, 30)
        bench.widget["object_id"].value = 1
    assert set(np.unique(bench.objects)) == {0, 1}
    before = bench.objects.copy()
    go_to(bench, 2)
    edit(bench, 1)
    bench.widget.next_candidate()
    bench.widget.commit()
    np.testing.assert_array_equal(np.delete(bench.objects, 2, 0), np.delete(before, 2, 0))
    bench.widget.undo()
    bench.widget.delete_object(1)
    assert not bench.objects.any()
    assert "on 3 slices" in bench.status
    bench.widget.undo()
    np.testing.assert_array_equal(bench.objects, before)


# -- semantic mode -------------------------------------------------------------------------------------------------


def test_in_semantic_mode_objects_of_a_class_share_its_id(bench: Bench):
    bench.widget["mode"].value = "semantic"
    bench.widget["class_id"].value = 3
    bench.widget["class_name"].value = "nucleus"
    commit(bench, 20, 20)
    commit(bench, 22, 28)
    commit(bench, 45, 60)
    assert set(np.unique(bench.objects)) == {0, 3}
    assert "class 3 (nucleus)" in bench.status
    layer = bench.layer("objects")
    assert dict(layer.features.set_index("index")["label"]) == {3: "nucleus"}
    assert layer.metadata["napari_sam"]["classes"] == {3: "nucleus"}
    bench.widget["class_id"].value = 4
    assert bench.widget["class_name"].value == ""
    bench.widget["class_id"].value = 3
    assert bench.widget["class_name"].value == "nucleus"


def test_classes_keep_out_of_each_other_as_the_overlap_says(bench: Bench):
    bench.widget["mode"].value = "semantic"
    commit(bench, 30, 30)
    bench.widget["class_id"].value = 2
    commit(bench, 30, 40)
    assert (bench.objects == 1).sum() == disk(30, 30).sum()
    bench.widget["overlap"].value = "replace"
    commit(bench, 30, 40)
    assert (bench.objects == 2).sum() == disk(30, 40).sum()


def test_in_semantic_mode_a_piece_is_edited_deleted_and_given_another_class(bench: Bench):
    bench.widget["mode"].value = "semantic"
    commit(bench, 20, 20)
    commit(bench, 45, 60)
    point_at(bench, 45, 60)
    edit(bench)
    np.testing.assert_array_equal(bench.proposal.astype(bool), disk(45, 60))
    bench.widget.next_candidate()
    bench.widget.commit()
    assert bench.widget.wait(20)
    np.testing.assert_array_equal(bench.objects == 1, disk(20, 20) | disk(45, 60, 13))
    bench.layer("objects").selected_label = 5
    bench.widget.merge_objects()
    np.testing.assert_array_equal(bench.objects == 5, disk(45, 60, 13))
    bench.widget.undo()
    bench.widget.delete_object()
    np.testing.assert_array_equal(bench.objects == 1, disk(20, 20))


def test_switching_the_mode_rewrites_nothing_and_says_so_once(told: list[str], bench: Bench):
    commit(bench, 20, 20)
    before = bench.objects.copy()
    bench.widget["mode"].value = "semantic"
    bench.widget["mode"].value = "instance"
    bench.widget["mode"].value = "semantic"
    assert [text for text in told if "begun in instance mode" in text]
    np.testing.assert_array_equal(bench.objects, before)


def test_an_empty_layer_may_be_begun_in_either_mode(told: list[str], bench: Bench):
    commit(bench, 20, 20)
    bench.widget.undo()
    bench.widget["mode"].value = "semantic"
    commit(bench, 20, 20)
    assert not told


# -- the layer under our hands -------------------------------------------------------------------------------------


def test_the_objects_layer_deleted_while_editing(told: list[str], bench: Bench):
    commit(bench, 20, 20)
    commit(bench, 45, 60)
    edit(bench, 2)
    bench.viewer.layers.remove(bench.layer("objects"))
    assert bench.widget.wait(20)
    assert bench.proposal.any()
    bench.widget.commit()
    assert set(np.unique(bench.objects)) == {0, 2}
    assert any("went with it" in text for text in told)
    for _ in range(8):
        bench.widget.undo()
    for _ in range(8):
        bench.widget.redo()
    assert bench.widget.wait(20)


def test_other_data_of_the_same_shape(bench: Bench):
    commit(bench, 20, 20)
    other = np.zeros((64, 80), np.uint16)
    other[60, 70] = 30
    bench.layer("objects").data = other
    commit(bench, 45, 60)
    assert set(np.unique(bench.objects)) == {0, 30, 31}
    bench.widget.undo()
    bench.widget.undo()
    assert set(np.unique(bench.objects)) == {0, 30}


@pytest.mark.parametrize("other", [np.zeros((5, 6), np.uint16), np.ones((64, 80), np.uint8)])
def test_data_that_does_not_fit_is_left_alone_and_a_new_layer_made(told: list[str], bench: Bench, other: np.ndarray):
    commit(bench, 20, 20)
    old = bench.layer("objects")
    edit(bench, 1)
    old.data = other.copy()
    bench.widget.commit()
    assert bench.widget.wait(20)
    np.testing.assert_array_equal(old.data, other)
    assert bench.layer("objects") is not old
    assert any("no longer fits" in text for text in told)
    bench.widget.commit()
    assert bench.objects.max() == 1
    bench.widget.undo()
    bench.widget.redo()


# -- adopting ------------------------------------------------------------------------------------------------------


def existing(dtype: Any) -> np.ndarray:
    data = np.zeros((64, 80), dtype)
    data[5:9, 5:9] = 1
    return data


def test_a_labels_layer_that_can_take_objects_is_adopted(told: list[str], bench: Bench):
    layer = bench.viewer.add_labels(existing(np.int32), name="cells")
    bench.widget.use_objects_layer(layer)
    assert bench.layer("objects") is layer
    commit(bench, 40, 40)
    assert layer.data.dtype == np.int32
    assert set(np.unique(layer.data)) == {0, 1, 2}
    assert bench.viewer.layers["objects"].metadata["napari_sam"].get("role") is None
    assert "cells" in told[-1]


@pytest.mark.parametrize("kind", ["uint8", "bool", "read-only", "negative", "dask"])
def test_what_cannot_take_objects_is_copied_and_stays_as_it_is(told: list[str], bench: Bench, kind: str):
    data: Any = existing({"uint8": np.uint8, "bool": bool, "negative": np.int32}.get(kind, np.uint16))
    if kind == "negative":
        data[0, 0] = -1
    if kind == "read-only":
        data.flags.writeable = False
    if kind == "dask":
        import dask.array as da

        data = da.from_array(data)
    layer = bench.viewer.add_labels(data, name="cells")
    before = np.array(layer.data)
    bench.widget.use_objects_layer(layer)
    commit(bench, 40, 40)
    copy = bench.layer("objects")
    assert copy is not layer
    assert copy.name == "cells (objects)"
    assert set(np.unique(copy.data)) == {0, 1, 2}
    np.testing.assert_array_equal(np.array(layer.data), before)
    assert "stays as it is" in told[-1]


def test_a_layer_of_another_shape_is_refused(told: list[str], bench: Bench):
    before = bench.layer("objects")
    bench.widget.use_objects_layer(bench.viewer.add_labels(np.zeros((3, 4), np.uint16)))
    assert "cannot take" in told[-1]
    assert bench.layer("objects") is before


def test_undo_goes_where_the_commit_went(bench: Bench):
    commit(bench, 20, 20)
    first = bench.layer("objects")
    bench.widget.use_objects_layer(None)
    commit(bench, 20, 20)
    second = bench.layer("objects")
    assert second is not first
    assert second.data.max() == 1
    bench.widget.undo()
    bench.widget.undo()
    assert not second.data.any()
    assert first.data.any()
    bench.widget.undo()
    bench.widget.undo()
    assert not first.data.any()
    assert isinstance(first, Labels)
