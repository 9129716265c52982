from __future__ import annotations

import numpy as np
import zarr
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Labels

from napari_sam.gui.objects.patches import (
    LabelPatch,
    apply_patch,
    bounding_box,
    distinct,
    joined_patches,
    plane_patch,
    revert_patch,
)
from napari_sam.gui.view.planes import Plane

PLANE = Plane((1, 2), (1,), (6, 8))


def stack() -> np.ndarray:
    return np.zeros((3, 6, 8), np.uint16)


def block(label: int = 5) -> LabelPatch:
    patch = plane_patch(PLANE, (1, 2), np.zeros((2, 3), np.uint16), np.full((2, 3), label), (label,))
    assert patch is not None
    return patch


def test_a_patch_writes_its_rectangle_of_its_plane():
    layer = Labels(stack())
    assert apply_patch(layer, block()) == 0
    assert (layer.data[1, 1:3, 2:5] == 5).all()
    assert np.count_nonzero(layer.data) == 6


def test_a_plane_along_other_axes():
    plane = Plane((0, 2), (4,), (3, 8))
    patch = plane_patch(plane, (0, 1), np.zeros((1, 2), np.uint16), np.array([[7, 8]]))
    layer = Labels(stack())
    assert patch is not None
    apply_patch(layer, patch)
    assert list(layer.data[0, 4, 1:3]) == [7, 8]
    assert patch.ids == (7, 8)


def test_nothing_to_change_is_no_patch():
    assert plane_patch(PLANE, (0, 0), np.ones((2, 2), int), np.ones((2, 2), int)) is None
    assert joined_patches([]) is None


def test_what_was_painted_by_hand_since_stays_and_is_counted():
    layer = Labels(stack())
    apply_patch(layer, block())
    layer.data_setitem(tuple(np.array([[1], [1], [2]])), 3)
    assert revert_patch(layer, block()) == 1
    assert layer.data[1, 1, 2] == 3
    assert np.count_nonzero(layer.data) == 1


def test_an_array_of_another_shape_is_left_alone():
    layer = Labels(np.zeros((2, 2), np.uint16))
    assert apply_patch(layer, block()) == 6
    assert apply_patch(Labels(np.zeros((3, 2, 2), np.uint16)), block()) == 6
    assert not layer.data.any()


def test_naparis_own_undo_stays_consistent():
    layer = Labels(stack())
    apply_patch(layer, block())
    layer.undo()
    assert not layer.data.any()
    layer.redo()
    assert np.count_nonzero(layer.data) == 6


def test_objects_may_live_in_zarr():
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(3, 6, 8), chunks=(1, 6, 8), dtype=np.uint16, fill_value=0
    )
    layer = Labels(store)
    apply_patch(layer, block())
    assert (np.asarray(store[1])[1:3, 2:5] == 5).all()
    revert_patch(layer, block())
    assert not np.asarray(store[:]).any()


def test_constant_parts_of_a_patch_take_no_memory():
    patch = plane_patch(PLANE, (0, 0), np.zeros((6, 8), np.uint16), np.full((6, 8), 5))
    assert patch is not None
    assert patch.nbytes < 48 * 2 * 4 + 32


def test_patches_of_several_planes_are_one_step():
    other = Plane((1, 2), (2,), (6, 8))
    more = plane_patch(other, (0, 0), np.zeros((1, 1), int), np.array([[9]]), (9,))
    assert more is not None
    joined = joined_patches([block(), more])
    assert joined is not None
    assert joined.ids == (5, 9)
    assert joined.fresh == (5, 9)
    layer = Labels(stack())
    apply_patch(layer, joined)
    assert layer.data[2, 0, 0] == 9


def test_bounding_box_of_nothing_and_of_something():
    mask = np.zeros((6, 8), bool)
    assert bounding_box(mask) is None
    assert bounding_box(np.zeros((0, 4))) is None
    mask[2, 3] = mask[4, 6] = True
    assert bounding_box(mask) == ((2, 3), (3, 4))


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20), st.integers(0, 2**32 - 30))
def test_distinct_is_unique_without_zero(values: list[int], offset: int):
    near = [offset + value % 20 for value in values]
    for numbers in (values, near):
        assert list(distinct(np.array(numbers, np.uint32))) == sorted(set(numbers) - {0})


@given(st.integers(0, 2**32 - 1))
def test_apply_and_revert_are_inverse(seed: int):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 3, (3, 6, 8)).astype(np.uint16)
    layer = Labels(before.copy())
    target = rng.integers(0, 4, (4, 5))
    patch = plane_patch(PLANE, (1, 2), before[1, 1:5, 2:7], target)
    if patch is None:
        return
    apply_patch(layer, patch)
    changed = layer.data.copy()
    np.testing.assert_array_equal(changed[1, 1:5, 2:7], target)
    revert_patch(layer, patch)
    np.testing.assert_array_equal(layer.data, before)
    apply_patch(layer, patch)
    np.testing.assert_array_equal(layer.data, changed)
