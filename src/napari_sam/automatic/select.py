"""From candidates to records: thresholds, crop edges, suppression of duplicates, small regions. No network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.regions import without_small_regions
from napari_sam.geometry.boxes import box_area, nms
from napari_sam.geometry.rle import compress, counts_area
from napari_sam.types import MaskRecord


def select(candidates: Candidates, config: AutomaticConfig) -> list[MaskRecord]:
    """Turn candidates into the records of a parameter set.

    In the order of the official code: predicted IoU, stability, crop edges, duplicates within each crop, duplicates
    between crops, small regions.

    Parameters
    ----------
    candidates : Candidates
        Found with floors at or below the thresholds.
    config : AutomaticConfig

    Returns
    -------
    list of MaskRecord
        In the order of the official code.
    """
    chosen = candidates.take(select_rows(candidates, config))
    if config.min_mask_region_area > 0:
        chosen = _cleaned(chosen, config)
    return [record_of(chosen, row) for row in range(len(chosen))]


def select_rows(candidates: Candidates, config: AutomaticConfig) -> NDArray[np.int64]:
    """Return the rows that :func:`select` makes records of, before small regions are removed; fast.

    Returns
    -------
    ndarray of int64
    """
    kept = ~candidates.near_crop_edge
    if config.pred_iou_thresh > 0:  # as in the official code, where 0 switches the filter off
        kept &= candidates.predicted_iou > np.float32(config.pred_iou_thresh)
    if config.stability_score_thresh > 0:
        kept &= candidates.stability_score >= np.float32(config.stability_score_thresh)
    rows = _suppressed_per_crop(candidates, np.flatnonzero(kept), config.box_nms_thresh)
    if config.crop_n_layers > 0:
        scores = np.float32(1) / box_area(candidates.crops_xyxy[rows])  # smaller crops win
        rows = rows[nms(candidates.boxes_xyxy[rows], scores, config.crop_nms_thresh)]
    return rows


def _suppressed_per_crop(candidates: Candidates, rows: NDArray[np.int64], iou_thresh: float) -> NDArray[np.int64]:
    crops = candidates.crops_xyxy[rows]
    starts = np.flatnonzero((crops[1:] != crops[:-1]).any(axis=1)) + 1
    kept = []
    for group in np.split(rows, starts):
        kept.append(group[nms(candidates.boxes_xyxy[group], candidates.predicted_iou[group], iou_thresh)])
    return np.concatenate(kept)


def _cleaned(chosen: Candidates, config: AutomaticConfig) -> Candidates:
    """Remove small holes and islands, then duplicates again: masks that had none win."""
    rles, boxes, areas = list(chosen.rles), chosen.boxes_xyxy.copy(), chosen.areas.copy()
    unchanged = np.ones(len(chosen), np.float32)
    for row, counts in enumerate(chosen.rles):
        cleaned = without_small_regions(counts, chosen.image_hw, config.min_mask_region_area)
        if cleaned is not None:
            rles[row], boxes[row] = cleaned
            areas[row], unchanged[row] = counts_area(rles[row]), 0
    kept = nms(boxes, unchanged, max(config.box_nms_thresh, config.crop_nms_thresh))
    return replace(chosen, rles=rles, boxes_xyxy=boxes, areas=areas).take(kept)


def record_of(chosen: Candidates, row: int) -> MaskRecord:
    """Return one row as a record."""
    x0, y0, x1, y1 = (int(value) for value in chosen.boxes_xyxy[row])
    crop_x0, crop_y0, crop_x1, crop_y1 = (int(value) for value in chosen.crops_xyxy[row])
    x, y = (float(value) for value in chosen.points_xy[row])
    return MaskRecord(
        rle=compress(chosen.rles[row], chosen.image_hw),
        bbox=(x0, y0, x1 - x0, y1 - y0),
        area=int(chosen.areas[row]),
        predicted_iou=float(chosen.predicted_iou[row]),
        point_coords=((x, y),),
        stability_score=float(chosen.stability_score[row]),
        crop_box=(crop_x0, crop_y0, crop_x1 - crop_x0, crop_y1 - crop_y0),
    )
