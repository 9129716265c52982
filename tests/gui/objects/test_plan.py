from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.gui.objects.plan import KEEP, ONLY_BACKGROUND, OVERLAPS, REPLACE, plan_commit

BACKGROUND = np.zeros((4, 10), np.uint16)


def full(*columns: slice | int, label: int = 1) -> np.ndarray:
    proposal = np.zeros((4, 10), np.uint16)
    for where in columns:
        proposal[:, where] = label
    return proposal


def test_keep_leaves_what_is_there():
    existing = full(slice(0, 3), label=7)
    target = plan_commit(full(slice(0, 6)), existing, [9], KEEP).target
    assert (target[:, :3] == 7).all()
    assert (target[:, 3:6] == 9).all()


def test_replace_overwrites():
    target = plan_commit(full(slice(0, 6)), full(slice(0, 3), label=7), [9], REPLACE).target
    assert (target[:, :6] == 9).all()


@pytest.mark.parametrize(("free", "is_refused"), [(0, True), (3, True), (4, False)])
def test_keep_refuses_what_is_less_than_a_tenth_free(free: int, is_refused: bool):
    existing = full(slice(0, 10), label=7)
    existing.ravel()[:free] = 0
    plan = plan_commit(full(slice(0, 10)), existing, [9], KEEP)
    assert plan.refused == ({1: 7} if is_refused else {})
    assert (plan.target == 9).sum() == (0 if is_refused else free)


def test_only_background_writes_a_single_free_pixel():
    existing = full(slice(0, 10), label=7)
    existing[2, 2] = 0
    plan = plan_commit(full(slice(0, 10)), existing, [9], ONLY_BACKGROUND)
    assert plan.target[2, 2] == 9
    assert (plan.target == 7).sum() == 39


def test_one_of_several_may_be_refused():
    proposal = full(slice(0, 2)) + full(slice(5, 7), label=2)
    plan = plan_commit(proposal, full(slice(0, 3), label=7), [9, 10], KEEP)
    assert plan.refused == {1: 7}
    assert (plan.target[:, 5:7] == 10).all()


def test_an_edited_object_gives_up_and_gains_pixels():
    existing = full(slice(0, 4), label=3) + full(8, label=5)
    plan = plan_commit(full(slice(2, 9)), existing, [3], KEEP, {3: existing == 3})
    assert not plan.target[:, :2].any()
    assert (plan.target[:, 2:8] == 3).all()
    assert (plan.target[:, 8] == 5).all()


def test_pixels_of_the_same_id_that_were_not_opened_stay():
    existing = full(slice(0, 4), label=3)
    opened = existing == 3
    opened[:, 0] = False
    plan = plan_commit(full(3), existing, [3], KEEP, {3: opened})
    assert (plan.target[:, 0] == 3).all()
    assert not plan.target[:, 1:3].any()


def test_an_edited_object_is_never_refused():
    existing = full(slice(1, 10), label=7) + full(0, label=3)
    plan = plan_commit(full(slice(0, 10)), existing, [3], KEEP, {3: existing == 3})
    assert plan.refused == {}
    assert (plan.target[:, 0] == 3).all()


def test_a_class_merges_with_itself():
    existing = full(slice(0, 6), label=2)
    plan = plan_commit(full(slice(4, 8)), existing, [2], KEEP)
    assert plan.refused == {}
    assert (plan.target[:, :8] == 2).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from(OVERLAPS))
def test_only_what_is_proposed_changes_and_only_as_the_policy_says(seed: int, overlap: str):
    rng = np.random.default_rng(seed)
    existing = rng.integers(0, 4, (5, 6)).astype(np.uint16)
    proposal = rng.integers(0, 3, (5, 6)).astype(np.uint16)
    plan = plan_commit(proposal, existing, [11, 12], overlap)
    changed = plan.target != existing
    assert not (changed & (proposal == 0)).any()
    assert np.isin(plan.target[changed], [11, 12]).all()
    if overlap == REPLACE:
        assert (changed == (proposal > 0)).all()
    else:
        assert not (changed & (existing > 0)).any()
    if overlap == ONLY_BACKGROUND:
        assert (changed == ((proposal > 0) & (existing == 0))).all()
