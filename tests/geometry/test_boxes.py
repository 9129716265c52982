"""Overlap and suppression of boxes, against the definition written out."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from napari_sam.geometry.boxes import box_iou, nms, patch_box

Boxes = NDArray[np.float32]


def plain_nms(boxes: Boxes, scores: NDArray[np.float32], thresh: float) -> list[int]:
    """Do what torchvision's loop does (``ops/cpu/nms_kernel.cpp``)."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    dropped, kept = set[int](), []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if i in dropped:
            continue
        kept.append(i)
        for j in range(len(boxes)):
            width = max(np.float32(0), min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]))
            height = max(np.float32(0), min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]))
            shared = width * height
            with np.errstate(invalid="ignore"):
                if float(shared / (areas[i] + areas[j] - shared)) > thresh:
                    dropped.add(j)
    return kept


def random_boxes(count: int, seed: int, size: int, side: int) -> Boxes:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, size, (count, 2))
    return np.concatenate([corner, corner + rng.integers(0, side + 1, (count, 2))], axis=1).astype(np.float32)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.integers(0, 12))
def test_the_definition(count: int, seed: int, thresh: float, side: int) -> None:
    boxes = random_boxes(count, seed, 12, side)
    scores = np.random.default_rng(seed).integers(0, 5, count).astype(np.float32)  # many ties
    assert_array_equal(nms(boxes, scores, thresh), plain_nms(boxes, scores, thresh))


def test_an_overlap_equal_to_the_threshold_is_kept() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5]]
    assert_array_equal(nms(boxes, [1, 2], 0.5), [1, 0])
    assert_array_equal(nms(boxes, [1, 2], 0.499), [1])


def test_boxes_without_area_do_not_suppress_each_other() -> None:
    assert_array_equal(nms([[3, 3, 3, 3], [3, 3, 3, 3], [0, 0, 9, 9]], [1, 1, 1], 0.1), [0, 1, 2])


def test_no_boxes() -> None:
    assert_array_equal(nms(np.zeros((0, 4)), np.zeros(0), 0.7), np.zeros(0, np.int64))


def test_iou() -> None:
    found = box_iou([[0, 0, 2, 2], [1, 1, 1, 1]], [[1, 0, 3, 2], [0, 0, 2, 2], [1, 1, 1, 1]])
    assert_array_equal(found, np.array([[1 / 3, 1, 0], [0, 0, np.nan]], np.float32))


@pytest.mark.parametrize("count", [3000, 20_000])
def test_many_boxes_take_no_time_to_notice(count: int) -> None:
    boxes = random_boxes(count, 1, 1024, 60)
    start = time.process_time()
    kept = nms(boxes, np.random.default_rng(2).random(count), 0.7)
    assert time.process_time() - start < 5
    assert 0.9 * count < len(kept) <= count


def test_box_of_a_patch() -> None:
    patch = np.zeros((5, 6), np.bool_)
    assert patch_box(patch, (10, 20)) == (0, 0, 0, 0)
    patch[1:3, 2] = True
    assert patch_box(patch, (10, 20)) == (22, 11, 22, 12)
