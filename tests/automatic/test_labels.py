"""Records to labels: who gets a pixel, who is dropped, and in which order objects are numbered."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.automatic.config import LabelsConfig
from napari_sam.automatic.labels import paint, records_to_labels
from napari_sam.errors import ImageError
from napari_sam.geometry.rle import compress, mask_to_counts
from napari_sam.types import MaskRecord

HW = (40, 60)


def record(mask: np.ndarray, score: float = 0.9) -> MaskRecord:
    height, width = mask.shape
    rle = compress(mask_to_counts(mask), (height, width))
    return MaskRecord(rle, (0, 0, 0, 0), int(mask.sum()), score, ((0.0, 0.0),), 0.97, (0, 0, width, height))


def box(top: int, left: int, bottom: int, right: int, score: float = 0.9) -> MaskRecord:
    mask = np.zeros(HW, bool)
    mask[top:bottom, left:right] = True
    return record(mask, score)


def pixels(labels: np.ndarray) -> list[int]:
    return np.bincount(labels.ravel())[1:].tolist()


def test_no_records_are_no_objects() -> None:
    labels = records_to_labels([], HW)
    assert labels.dtype == np.uint16
    assert labels.shape == HW
    assert not labels.any()


def test_ids_follow_the_order_of_reading_whatever_the_order_of_the_records() -> None:
    records = [box(20, 5, 25, 10), box(2, 40, 6, 50), box(2, 10, 30, 13)]
    labels, kept = paint(records, HW)
    assert kept.tolist() == [2, 1, 0]
    assert labels[2, 10] == 1
    assert labels[2, 40] == 2
    assert labels[20, 5] == 3
    assert np.array_equal(paint(records[::-1], HW)[0], labels)


def test_small_masks_lie_over_large_ones_unless_asked_otherwise() -> None:
    records = [box(5, 5, 25, 25, score=0.99), box(10, 10, 14, 14, score=0.8)]
    assert records_to_labels(records, HW)[12, 12] == 2
    assert pixels(records_to_labels(records, HW)) == [384, 16]
    assert pixels(records_to_labels(records, HW, LabelsConfig(overlap="large"))) == [400]
    assert pixels(records_to_labels(records, HW, LabelsConfig(overlap="score"))) == [400]
    better = [records[0], box(10, 10, 14, 14, score=0.999)]
    assert pixels(records_to_labels(better, HW, LabelsConfig(overlap="score"))) == [384, 16]


def test_of_equally_large_masks_the_better_one_wins() -> None:
    records = [box(5, 5, 10, 15, score=0.9), box(5, 8, 10, 18, score=0.95)]
    labels, kept = paint(records, HW, LabelsConfig(min_visible=0))
    assert kept.tolist() == [0, 1]
    assert pixels(labels) == [15, 50]


def test_area_limits() -> None:
    records = [box(0, 0, 2, 2), box(5, 5, 10, 10), box(20, 0, 40, 20)]
    assert pixels(records_to_labels(records, HW, LabelsConfig(min_area=5))) == [25, 400]
    assert pixels(records_to_labels(records, HW, LabelsConfig(max_area=399))) == [4, 25]
    # no object of the result is smaller than asked for, even where others took its pixels
    overlapping = [box(5, 5, 15, 15), box(5, 12, 25, 32)]
    assert min(pixels(records_to_labels(overlapping, HW, LabelsConfig(min_area=90)))) >= 90


def test_a_mask_of_everything_is_background_by_rule() -> None:
    around = np.ones(HW, bool)
    around[10:20, 10:20] = False
    records = [record(around), box(10, 10, 20, 20)]
    assert pixels(records_to_labels(records, HW)) == [100]
    assert len(pixels(records_to_labels(records, HW, LabelsConfig(background_fraction=1)))) == 2
    # large, but on three sides only: an object
    assert pixels(records_to_labels([box(0, 0, 40, 59)], HW)) == [40 * 59]
    # on all four sides, but thin: an object
    cross = np.zeros(HW, bool)
    cross[20], cross[:, 30] = True, True
    assert pixels(records_to_labels([record(cross)], HW)) == [99]


@pytest.mark.parametrize("window", [(0, 5, 4, 9), (5, 0, 9, 4), (36, 5, 40, 9), (5, 56, 9, 60)])
def test_objects_at_the_border_can_be_dropped(window: tuple[int, int, int, int]) -> None:
    records = [box(*window), box(1, 1, 39, 59)]
    assert pixels(records_to_labels(records, HW, LabelsConfig(drop_border=True))) == [38 * 58]


def test_a_clump_disappears_under_its_members_and_leaves_no_gap_in_the_ids() -> None:
    clump = box(4, 4, 15, 31)
    members = [box(5, 5, 14, 17), box(5, 18, 14, 30)]
    labels, kept = paint([clump, *members], HW)
    assert kept.tolist() == [1, 2]
    assert pixels(labels) == [108, 108]
    assert pixels(records_to_labels([clump, *members], HW, LabelsConfig(min_visible=0)))[0] == 297 - 216


def test_a_mask_that_is_covered_wholly_vanishes() -> None:
    labels, kept = paint([box(5, 5, 10, 10), box(5, 5, 10, 10, score=0.95)], HW, LabelsConfig(min_visible=0))
    assert kept.tolist() == [1]
    assert set(np.unique(labels)) == {0, 1}


def test_what_lies_under_a_dropped_mask_gets_its_pixels() -> None:
    large, clump = box(0, 0, 30, 40), box(4, 4, 15, 31)
    labels, kept = paint([large, clump, box(5, 5, 14, 17), box(5, 18, 14, 30)], HW)
    assert kept.tolist() == [0, 2, 3]
    assert labels[4, 4] == 1


def test_splinters_of_a_cut_mask_go_but_halves_stay() -> None:
    bar = box(10, 0, 20, 60)
    with_splinter = paint([bar, box(5, 2, 25, 20)], HW)[0]  # leaves 2 columns on the left, 40 on the right
    assert with_splinter[15, 0] == 0
    assert pixels(with_splinter) == [360, 400]
    halves = paint([bar, box(5, 25, 25, 35)], HW)[0]
    assert halves[15, 0] == halves[15, 59] != 0


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(ImageError, match="40 x 60 pixels, but labels of 60 x 40"):
        records_to_labels([box(1, 1, 5, 5)], (60, 40))


def test_empty_masks_are_no_objects() -> None:
    assert pixels(records_to_labels([record(np.zeros(HW, bool)), box(1, 1, 3, 3)], HW)) == [4]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["small", "large", "score"]))
def test_it_is_what_painting_whole_masks_one_over_the_other_gives(seed: int, overlap: str) -> None:
    """Without any rule that drops masks: pictures painted in plain numpy, least important first."""
    rng = np.random.default_rng(seed)
    hw = (int(rng.integers(1, 30)), int(rng.integers(1, 30)))
    masks = [rng.random(hw) < rng.choice([0.02, 0.3, 0.9]) for _ in range(rng.integers(1, 8))]
    scores = rng.choice([0.8, 0.9, 0.95], len(masks)).tolist()
    config = LabelsConfig(overlap=overlap, min_visible=0, background_fraction=1)
    records = [record(mask, score) for mask, score in zip(masks, scores, strict=True)]
    labels, kept = paint(records, hw, config)
    areas = [int(mask.sum()) for mask in masks]
    keys = {
        "small": lambda i: (areas[i], -scores[i], i),
        "large": lambda i: (-areas[i], -scores[i], i),
        "score": lambda i: (-scores[i], areas[i], i),
    }
    expected = np.full(hw, -1)
    for i in sorted(range(len(masks)), key=keys[overlap], reverse=True):
        expected[masks[i]] = i
    painted = np.concatenate([[-1], kept])[labels]
    assert np.array_equal(painted, expected)
    assert set(labels.ravel().tolist()) - {0} == set(range(1, len(kept) + 1))
    first = [np.flatnonzero(labels == i + 1)[0] for i in range(len(kept))]
    assert first == sorted(first)


def test_thousands_of_small_masks_take_no_time_that_grows_with_the_image() -> None:
    rng = np.random.default_rng(0)
    hw = (1500, 1500)
    counts = []
    for top, left in rng.integers(0, 1480, (3000, 2)):
        start = int(left) * hw[0] + int(top)
        runs = [start, *([12, hw[0] - 12] * 11), 12]
        counts.append(np.array([*runs, hw[0] * hw[1] - sum(runs)], np.uint32))
    records = [
        MaskRecord(compress(runs, hw), (0, 0, 0, 0), 144, 0.9, ((0.0, 0.0),), 0.97, (0, 0, *hw)) for runs in counts
    ]
    started = time.process_time()
    labels, kept = paint(records, hw)
    whole = time.process_time() - started
    started = time.process_time()
    for _ in range(30):  # one in a hundred, the obvious way
        (labels == 5).sum()
    obvious = (time.process_time() - started) * 100
    assert len(kept) > 2000
    assert whole < obvious


def test_objects_are_one_piece_where_that_is_asked_for() -> None:
    mask = np.zeros((20, 40), np.bool_)
    mask[2:8, 2:12] = True  # the object
    mask[12:15, 30:36] = True  # an island on its neighbour
    neighbour = np.zeros_like(mask)
    neighbour[10:18, 28:38] = True
    records = [record(mask, 0.9), record(neighbour, 0.8)]
    as_they_are = records_to_labels(records, mask.shape, LabelsConfig(overlap="score"))
    assert np.array_equal(as_they_are == 1, mask)
    whole = records_to_labels(records, mask.shape, LabelsConfig(overlap="score", one_piece=True))
    assert (whole[2:8, 2:12] == 1).all()
    assert np.array_equal(whole == 2, neighbour)
