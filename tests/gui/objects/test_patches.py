from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Labels

from napari_sam.errors import PromptError
from napari_sam.gui.layers import RoleLayers
from napari_sam.gui.objects.committer import Committer
from napari_sam.gui.objects.patches import KEEP, REPLACE, apply_patch, plan_commit, revert_patch
from napari_sam.gui.view.planes import Plane

PLANE = Plane((1, 2), (1,), (6, 8))


def layers(proposal: np.ndarray, objects: np.ndarray) -> RoleLayers:
    return RoleLayers(points=None, boxes=None, proposal=Labels(proposal), objects=Labels(objects))


def proposed(*slices: tuple[slice, slice]) -> np.ndarray:
    array = np.zeros((3, 6, 8), np.uint16)
    for index, where in enumerate(slices, start=1):
        array[1][where] = index
    return array


def test_commit_writes_the_plane_with_the_next_ids():
    existing = np.zeros((3, 6, 8), np.uint16)
    existing[2, 0, 0] = 4
    held = layers(proposed(np.s_[0:2, 0:2], np.s_[4:6, 4:8]), existing)
    patch = Committer().commit(held, PLANE)
    assert patch.ids == (5, 6)
    assert (held.objects.data[1, 0:2, 0:2] == 5).all()
    assert (held.objects.data[1, 4:6, 4:8] == 6).all()
    assert held.objects.data.astype(bool).sum() == 4 + 8 + 1


@pytest.mark.parametrize(("overlap", "there"), [(KEEP, 9), (REPLACE, 10)])
def test_overlap_policy(overlap: str, there: int):
    existing = np.zeros((3, 6, 8), np.uint16)
    existing[1, 0, 0] = 9
    held = layers(proposed(np.s_[0:2, 0:2]), existing)
    Committer().commit(held, PLANE, overlap)
    assert held.objects.data[1, 0, 0] == there
    assert held.objects.data[1, 1, 1] == 10


def test_nothing_to_commit_says_so_and_changes_nothing():
    full = np.full((3, 6, 8), 2, np.uint16)
    with pytest.raises(PromptError, match="nothing to commit"):
        Committer().commit(layers(proposed(), full), PLANE)
    held = layers(proposed(np.s_[0:2, 0:2]), full.copy())
    with pytest.raises(PromptError, match="replace"):
        Committer().commit(held, PLANE)
    assert (held.objects.data == 2).all()


def test_ids_widen_the_type_where_they_no_longer_fit():
    existing = np.zeros((3, 6, 8), np.uint16)
    existing[0, 0, 0] = 65535
    held = layers(proposed(np.s_[0:2, 0:2]), existing)
    Committer().commit(held, PLANE)
    assert held.objects.data.dtype == np.uint32
    assert held.objects.data[1, 0, 0] == 65536
    assert held.objects.data[0, 0, 0] == 65535


def test_an_id_taken_back_is_free_again_and_painted_ids_are_not():
    held = layers(proposed(np.s_[0:2, 0:2]), np.zeros((3, 6, 8), np.uint16))
    committer = Committer()
    committer.revert(held.objects, committer.commit(held, PLANE))
    assert committer.next_free(held.objects) == 1
    committer.on_painted(7)
    assert committer.next_free(held.objects) == 8


def test_reverting_leaves_what_was_painted_by_hand_since():
    held = layers(proposed(np.s_[0:2, 0:2]), np.zeros((3, 6, 8), np.uint16))
    patch = Committer().commit(held, PLANE)
    held.objects.data_setitem(tuple(np.array([[1], [0], [0]])), 3)
    revert_patch(held.objects, patch)
    assert held.objects.data[1, 0, 0] == 3
    assert held.objects.data.astype(bool).sum() == 1


def test_naparis_own_undo_stays_consistent():
    held = layers(proposed(np.s_[0:2, 0:2]), np.zeros((3, 6, 8), np.uint16))
    Committer().commit(held, PLANE)
    held.objects.undo()
    assert not held.objects.data.any()
    held.objects.redo()
    assert held.objects.data.astype(bool).sum() == 4


def test_objects_may_live_in_zarr():
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(3, 6, 8), chunks=(1, 6, 8), dtype=np.uint16, fill_value=0
    )
    held = layers(proposed(np.s_[0:2, 0:2]), store)
    committer = Committer()
    patch = committer.commit(held, PLANE)
    assert (np.asarray(store[1])[0:2, 0:2] == 1).all()
    committer.revert(held.objects, patch)
    assert not np.asarray(store[:]).any()


@given(st.integers(0, 2**32 - 1), st.sampled_from([KEEP, REPLACE]))
def test_apply_and_revert_are_inverse(seed: int, overlap: str):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 3, (3, 6, 8)).astype(np.uint16)
    proposal = rng.integers(0, 3, (6, 8)).astype(np.uint16)
    layer = Labels(before.copy())
    patch = plan_commit(proposal, before[1], PLANE, 3, overlap)
    if patch is None:
        return
    apply_patch(layer, patch)
    changed = layer.data.copy()
    assert (changed != before).sum() == len(patch.new)
    revert_patch(layer, patch)
    np.testing.assert_array_equal(layer.data, before)
    apply_patch(layer, patch)
    np.testing.assert_array_equal(layer.data, changed)
