"""From masks, which may overlap, to labels, which may not.

Masks take their pixels one after another, the one with the most right to them first (``LabelsConfig.overlap``); who
comes later gets what is still free. A mask of which too little is left (``min_visible``) takes nothing at all: so the
outline of a clump disappears under its members, and its remains do not become an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic.canvas import bands, canvas
from napari_sam.automatic.config import LabelsConfig
from napari_sam.errors import ImageError
from napari_sam.geometry.rle import counts_area, counts_to_patch, decompress
from napari_sam.types import MaskRecord

_SPLINTER = 0.1  # a piece of a cut mask smaller than this part of its largest piece is no part of the object


@dataclass(frozen=True, eq=False)
class _Masks:
    """Run lengths of masks, column by column, and what can be told from them without a picture."""

    counts: list[NDArray[np.uint32]]
    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]  # top, left, bottom, right; the last two are not inside
    scores: NDArray[np.float64]

    def touched_sides(self, hw: tuple[int, int]) -> NDArray[np.int64]:
        """Return the number of sides of the image that each mask touches."""
        top, left, bottom, right = self.boxes.T
        sides = [top == 0, left == 0, bottom == hw[0], right == hw[1]]
        touched: NDArray[np.int64] = np.sum(sides, axis=0, dtype=np.int64)
        return touched


def records_to_labels(
    records: Sequence[MaskRecord], shape: tuple[int, int], config: LabelsConfig | None = None
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Turn records into a label image.

    Parameters
    ----------
    records : sequence of MaskRecord
        As :meth:`AutomaticMaskGenerator.generate` gives them; they may overlap.
    shape : (int, int)
        Height and width of the image.
    config : LabelsConfig, optional
        Who gets a pixel of several masks, and which masks are dropped; the defaults when left out.

    Returns
    -------
    ndarray of uint16, or of uint32 where there are more than 65,535 objects, shape (H, W)
        0 is background. Ids are 1..n without a gap, in the order in which the objects' first pixels are read: from
        left to right, from top to bottom.

    Raises
    ------
    ImageError
        If a record belongs to an image of another size.
    """
    labels, kept = paint(records, shape, config)
    return labels.astype(np.uint16) if len(kept) <= np.iinfo(np.uint16).max else labels


def paint(
    records: Sequence[MaskRecord], shape: tuple[int, int], config: LabelsConfig | None = None
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Turn records into a label image and tell which record each id came from.

    Parameters
    ----------
    records : sequence of MaskRecord
    shape : (int, int)
        Height and width of the image.
    config : LabelsConfig, optional

    Returns
    -------
    labels : ndarray of uint32, shape (H, W)
        As :func:`records_to_labels`.
    kept : ndarray of int64, shape (n,)
        ``records[kept[i - 1]]`` is the record of id i.

    Raises
    ------
    ImageError
        If a record belongs to an image of another size.
    """
    config = config or LabelsConfig()
    hw = (int(shape[0]), int(shape[1]))
    masks = _read(records, hw)
    wanted = np.flatnonzero(_allowed(masks, hw, config))
    owners = _share_out(masks, wanted[_priority(masks, wanted, config.overlap)], hw, config)
    return _number(owners, len(records))


def _read(records: Sequence[MaskRecord], hw: tuple[int, int]) -> _Masks:
    for i, record in enumerate(records):
        if tuple(record.rle["size"]) != hw:
            height, width = record.rle["size"]
            raise ImageError(
                f"Record {i} is a mask of an image of {height} x {width} pixels, but labels of {hw[0]} x {hw[1]} were "
                "asked for; give the height and width of the image that the records were made from."
            )
    counts = [decompress(record.rle) for record in records]
    areas = np.array([counts_area(runs) for runs in counts], np.int64)
    boxes = np.array([_box(runs, hw[0]) for runs in counts], np.int64).reshape(-1, 4)
    scores = np.array([record.predicted_iou for record in records], np.float64)
    return _Masks(counts, areas, boxes, scores)


def _box(counts: NDArray[np.uint32], height: int) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of runs down the columns; the last two are not inside. All 0 for an empty mask."""
    ends = np.cumsum(counts, dtype=np.int64)
    filled = np.flatnonzero(counts[1::2]) * 2
    if len(filled) == 0:
        return (0, 0, 0, 0)
    first, last = ends[filled], ends[filled + 1] - 1
    left, right = int(first[0] // height), int(last[-1] // height) + 1
    if (first // height != last // height).any():  # a run that goes on in the next column
        return (0, left, height, right)
    return (int((first % height).min()), left, int((last % height).max()) + 1, right)


def _allowed(masks: _Masks, hw: tuple[int, int], config: LabelsConfig) -> NDArray[np.bool_]:
    sides = masks.touched_sides(hw)
    allowed = (masks.areas > 0) & (masks.areas >= config.min_area)
    if config.max_area > 0:
        allowed &= masks.areas <= config.max_area
    if config.background_fraction < 1:
        allowed &= (masks.areas < config.background_fraction * hw[0] * hw[1]) | (sides < 4)
    if config.drop_border:
        allowed &= sides == 0
    return allowed


def _priority(masks: _Masks, chosen: NDArray[np.int64], overlap: str) -> NDArray[np.int64]:
    """Order in which masks take their pixels; equals go by score, then in the order of the records."""
    areas, scores = masks.areas[chosen], masks.scores[chosen]
    keys = {"small": (-scores, areas), "large": (-scores, -areas), "score": (areas, -scores)}[overlap]
    return np.lexsort((chosen, *keys))


def _share_out(masks: _Masks, order: NDArray[np.int64], hw: tuple[int, int], config: LabelsConfig) -> NDArray[np.int32]:
    """Give the pixels away; returns row of the mask + 1 for every pixel, or 0, shape (H, W)."""
    owners: NDArray[np.int32] = canvas(hw, np.int32)
    for row in order:
        top, left, bottom, right = masks.boxes[row]
        rows, columns = slice(top, bottom), slice(left, right)
        window = owners[rows, columns]
        mask = counts_to_patch(masks.counts[row], hw, rows, columns)
        area = int(masks.areas[row])
        if config.one_piece:
            mask = _pieces_of(mask, 1.0)
            area = int(np.count_nonzero(mask))
        free = mask & (window == 0)
        visible = int(np.count_nonzero(free))
        if config.min_visible > 0 and 0 < visible < area:
            free = _pieces_of(free, 1.0 if config.one_piece else _SPLINTER)
            visible = int(np.count_nonzero(free))
        if visible > 0 and visible >= max(config.min_visible * area, config.min_area):
            window[free] = row + 1
    return owners


def _pieces_of(mask: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Leave out pieces smaller than a part of the largest one; with 1 the largest (the first of equals) is alone."""
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    if least >= 1:
        return np.asarray(pieces == sizes.argmax())
    kept: NDArray[np.bool_] = (sizes >= least * sizes.max())[pieces] & mask
    return kept


def _number(owners: NDArray[np.int32], count: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Give the owners ids 1..n in the order of their first pixels, in place."""
    first = np.full(count + 1, owners.size, np.int64)
    for rows in reversed(list(bands(owners.shape))):
        flat = owners[rows].reshape(-1)
        pixels = np.flatnonzero(flat)[::-1]  # of several values for one index the last one stays
        first[flat[pixels]] = rows.start * owners.shape[1] + pixels
    present = np.flatnonzero(first < owners.size)
    present = present[np.argsort(first[present])]
    ids = np.zeros(count + 1, np.uint32)
    ids[present] = np.arange(1, len(present) + 1)
    labels = owners.view(np.uint32)
    for rows in bands(owners.shape):
        labels[rows] = ids[labels[rows]]
    return labels, (present - 1).astype(np.int64)
