"""From candidates to records: thresholds, edges, duplicates, regions; no network."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.decoding import Place, near_crop_edge
from napari_sam.automatic.select import select, select_rows
from napari_sam.geometry.boxes import patch_box
from napari_sam.geometry.rle import mask_to_counts, rle_to_mask

HW = (60, 80)
WHOLE = (0, 0, 80, 60)


def square(top: int, left: int, side: int = 10, hw: tuple[int, int] = HW) -> NDArray[np.bool_]:
    mask = np.zeros(hw, np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def candidates(*masks: NDArray[np.bool_], crops: Any = None, **columns: Any) -> Candidates:
    count = len(masks)
    boxes = np.array([patch_box(mask) for mask in masks], np.int64).reshape(-1, 4)
    crops_xyxy = np.array([WHOLE] * count if crops is None else crops, np.int64).reshape(-1, 4)
    near = [near_crop_edge(box[None], Place(HW, tuple(crop)))[0] for box, crop in zip(boxes, crops_xyxy, strict=True)]
    return Candidates(
        masks[0].shape,
        [mask_to_counts(mask) for mask in masks],
        boxes,
        np.array([mask.sum() for mask in masks], np.int64),
        np.array(columns.get("iou", np.linspace(0.99, 0.9, count)), np.float32),
        np.array(columns.get("stability", np.full(count, 0.97)), np.float32),
        np.array([(box[0] + 0.5, box[1] + 0.25) for box in boxes]),
        crops_xyxy,
        np.array(near, np.bool_),
    )


def test_one_record() -> None:
    (record,) = select(candidates(square(5, 20), iou=[0.93]), AutomaticConfig())
    assert_array_equal(rle_to_mask(record.rle), square(5, 20))
    assert record.bbox == (20, 5, 9, 9)  # the official box is one pixel short
    assert record.area == 100
    assert record.point_coords == ((20.5, 5.25),)
    assert record.crop_box == (0, 0, 80, 60)
    assert record.predicted_iou == pytest.approx(0.93)
    assert record.stability_score == pytest.approx(0.97)


def test_thresholds_are_exclusive_for_iou_and_inclusive_for_stability() -> None:
    found = candidates(square(0, 0), square(0, 20), square(0, 40), iou=[0.5, 0.5, 0.75], stability=[1, 1, 0.5])
    config = AutomaticConfig(pred_iou_thresh=0.5, stability_score_thresh=0.5)
    assert_array_equal(select_rows(found, config), [2])


def test_zero_switches_a_filter_off() -> None:
    found = candidates(square(0, 0), square(0, 20), iou=[-0.5, 0.1], stability=[0, 0])
    config = AutomaticConfig(pred_iou_thresh=0, stability_score_thresh=0)
    assert_array_equal(select_rows(found, config), [1, 0])


def test_best_first_and_duplicates_dropped() -> None:
    found = candidates(square(0, 0), square(0, 1), square(30, 30), iou=[0.9, 0.95, 0.92])
    assert_array_equal(select_rows(found, AutomaticConfig()), [1, 2])
    assert_array_equal(select_rows(found, AutomaticConfig(box_nms_thresh=1)), [1, 2, 0])


def test_masks_cut_by_their_crop_are_dropped() -> None:
    crop = (30, 0, 80, 60)
    found = candidates(square(10, 30), square(10, 55), square(10, 55), crops=[crop, crop, WHOLE], iou=[0.9, 0.9, 0.9])
    config = AutomaticConfig(crop_n_layers=1)
    assert_array_equal(select_rows(found, config), [1])  # of the two others that of the smaller crop wins


def test_crops_are_suppressed_apart_first() -> None:
    crop = (0, 0, 80, 59)
    found = candidates(square(20, 30), square(20, 31), crops=[WHOLE, crop])
    assert_array_equal(select_rows(found, AutomaticConfig(crop_nms_thresh=1)), [0, 1])
    assert_array_equal(select_rows(found, AutomaticConfig(crop_n_layers=1)), [1])


def test_small_regions_are_removed_and_changed_masks_come_last() -> None:
    dotted = square(5, 5, 12)
    dotted[8, 8] = False
    dotted[40:42, 60] = True
    found = candidates(dotted, square(30, 30), iou=[0.99, 0.9])
    records = select(found, AutomaticConfig(min_mask_region_area=5))
    assert_array_equal([record.area for record in records], [100, 144])
    assert_array_equal(rle_to_mask(records[1].rle), square(5, 5, 12))
    assert records[1].bbox == (5, 5, 11, 11)
    assert records[1].predicted_iou == pytest.approx(0.99)


def test_nothing_selected() -> None:
    found = candidates(square(0, 0))
    assert select(found, AutomaticConfig(pred_iou_thresh=1.5)) == []
    for config in (AutomaticConfig(), AutomaticConfig(crop_n_layers=1, min_mask_region_area=10)):
        assert select(Candidates.empty(HW), config) == []


def test_select_of_thousands_takes_well_under_a_second() -> None:
    hw, rng = (1024, 1024), np.random.default_rng(0)
    sides = rng.integers(20, 200, 3000)
    corners = rng.integers(0, 800, (3000, 2))
    masks = [square(*corners[i], sides[i], hw) for i in range(40)]
    some = candidates(*masks)
    found = some.take(np.arange(3000) % 40)
    boxes = np.concatenate([corners, corners + sides[:, None]], axis=1)
    found.boxes_xyxy[:] = boxes
    start = time.process_time()
    rows = select_rows(found, AutomaticConfig())
    assert time.process_time() - start < 1
    assert len(rows) > 1000
