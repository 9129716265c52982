"""Candidates from prompts instead of a grid: the objects of a labels image, points, or boxes, hundreds at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.decoding import Place, candidates_of, near_crop_edge
from napari_sam.errors import PromptError
from napari_sam.geometry.boxes import patch_box
from napari_sam.geometry.masks import PlaneMask
from napari_sam.geometry.rle import counts_to_patch, patch_to_counts
from napari_sam.model.common import Progress
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.mask_hint import prompts_from_mask
from napari_sam.predict.predictor import CancelCheck, Predictor
from napari_sam.types import Prompts


class Prompted(NamedTuple):
    """Candidates, and what they were asked for.

    Attributes
    ----------
    candidates : Candidates
    ids : ndarray of int64, shape (len(candidates),)
        Of each row: the label, or the number of the point or box, from 1.
    """

    candidates: Candidates
    ids: NDArray[np.int64]

    def best(self) -> Prompted:
        """Return of each id the row with the highest predicted IoU, ids ascending."""
        order = np.lexsort((-self.candidates.predicted_iou, self.ids))
        _, first = np.unique(self.ids[order], return_index=True)
        rows = order[first]
        return Prompted(self.candidates.take(rows), self.ids[rows])


def candidates_from_points(
    predictor: Predictor,
    embedding: Embedding,
    points_yx: ArrayLike,
    *,
    multimask: bool = True,
    place: Place | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Prompted:
    """Ask about one object under each point.

    Parameters
    ----------
    predictor : Predictor
    embedding : Embedding
    points_yx : array-like, shape (N, 2)
        (row, column) in the picture that was encoded.
    multimask : bool
        Three candidates per point (whole, part, subpart) instead of one; see :meth:`Prompted.best`.
    place : Place, optional
        Where the picture lies in the image; the whole image when left out.
    progress : callable, optional
        Called with (done, total) points.
    cancelled : callable, optional
        Asked between batches; True stops.

    Raises
    ------
    PromptError
        If a point is not finite, or outside the picture.
    Cancelled
        If ``cancelled`` returned True.
    """
    prompts = [Prompts(points_yx=[point]) for point in np.asarray(points_yx, np.float64).reshape(-1, 2)]
    return _numbered(predictor, embedding, prompts, multimask, place, progress, cancelled)


def candidates_from_boxes(
    predictor: Predictor,
    embedding: Embedding,
    boxes_yxyx: ArrayLike,
    *,
    multimask: bool = False,
    place: Place | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Prompted:
    """Ask about one object in each box, shape (N, 4) as (top, left, bottom, right).

    The rest is as in :func:`candidates_from_points`.
    """
    prompts = [Prompts(box_yxyx=box) for box in np.asarray(boxes_yxyx, np.float64).reshape(-1, 4)]
    return _numbered(predictor, embedding, prompts, multimask, place, progress, cancelled)


def candidates_from_labels(
    predictor: Predictor,
    embedding: Embedding,
    labels: ArrayLike,
    *,
    place: Place | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Prompted:
    """Ask about every object of a labels image, whatever made it: StarDist, Cellpose, a threshold, a person.

    Parameters
    ----------
    predictor : Predictor
    embedding : Embedding
    labels : array-like of int, shape (H, W)
        As large as the picture that was encoded; 0 is background. An object may have several pieces.

    Returns
    -------
    Prompted
        One row per label, ids ascending. The rest is as in :func:`candidates_from_points`.

    Raises
    ------
    PromptError
        If the labels do not fit the picture.
    """
    array = np.asarray(labels)
    if array.shape != embedding.image_hw or array.dtype.kind not in "biu":
        raise PromptError(
            f"Labels of shape {array.shape} and type {array.dtype} do not fit an image of {embedding.image_hw} pixels: "
            "give whole numbers, one per pixel."
        )
    return candidates_from_masks(
        predictor, embedding, label_masks(array), place=place, progress=progress, cancelled=cancelled
    )


def candidates_from_masks(
    predictor: Predictor,
    embedding: Embedding,
    masks: Mapping[int, PlaneMask],
    *,
    place: Place | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Prompted:
    """Ask about objects of which a mask is known, which may overlap: their ids, and masks in the picture.

    Each is asked about as a low-resolution mask with a point inside: of rough masks (too small, too large, boxes) that
    finds more than with the box around it, which holds on to the wrong outline. The rest is as in
    :func:`candidates_from_points`.
    """
    place = Place.whole(embedding.image_hw) if place is None else place
    prompts = [prompts_from_mask(mask, embedding.frame, box=False) for mask in masks.values()]
    candidates = _ask(predictor, embedding, prompts, False, place, progress, cancelled)
    return Prompted(candidates, np.array(list(masks), np.int64))


def label_masks(labels: NDArray[np.integer]) -> dict[int, PlaneMask]:
    """Return the mask of every label but 0, ids ascending.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
    """
    ids, numbers = np.unique(labels, return_inverse=True)
    if len(ids) and ids[0] < 0:
        raise PromptError(f"Labels are whole numbers from 0, got {ids[0]}.")
    skip = int(len(ids) > 0 and ids[0] == 0)
    numbered = numbers.reshape(labels.shape).astype(np.int32) + (1 - skip)
    masks = {}
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        corner = int(box[0].start), int(box[1].start)
        masks[int(ids[number - 1 + skip])] = PlaneMask(corner, numbered[box] == number)
    return masks


def from_masks(
    masks: Sequence[PlaneMask | None],
    place: Place,
    predicted_iou: NDArray[np.float32],
    stability_score: NDArray[np.float32],
    points_xy: NDArray[np.float64],
) -> Candidates:
    """Return candidates of masks in the image, one row each; None is an empty mask."""
    hw = place.image_hw
    rles = [
        np.array([hw[0] * hw[1]], np.uint32) if mask is None else patch_to_counts(mask.mask, mask.top_left, hw)
        for mask in masks
    ]
    boxes = [(0, 0, 0, 0) if mask is None else patch_box(mask.mask, mask.top_left) for mask in masks]
    boxes_xyxy = np.array(boxes, np.int64).reshape(-1, 4)
    return Candidates(
        hw,
        rles,
        boxes_xyxy,
        np.array([0 if mask is None else mask.area for mask in masks], np.int64),
        predicted_iou,
        stability_score,
        points_xy,
        np.tile(np.array(place.crop_xyxy, np.int64), (len(rles), 1)),
        near_crop_edge(boxes_xyxy, place),
    )


def mask_of(candidates: Candidates, row: int) -> PlaneMask | None:
    """Return the mask of a row, in the image; None where it is empty."""
    if candidates.areas[row] == 0:
        return None
    x0, y0, x1, y1 = (int(value) for value in candidates.boxes_xyxy[row])
    rows, columns = slice(y0, y1 + 1), slice(x0, x1 + 1)
    return PlaneMask((y0, x0), counts_to_patch(candidates.rles[row], candidates.image_hw, rows, columns))


def _numbered(
    predictor: Predictor,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    multimask: bool,
    place: Place | None,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> Prompted:
    place = Place.whole(embedding.image_hw) if place is None else place
    candidates = _ask(predictor, embedding, prompts, multimask, place, progress, cancelled)
    ids = np.repeat(np.arange(1, len(prompts) + 1), 3 if multimask else 1)
    return Prompted(candidates, ids)


def _ask(
    predictor: Predictor,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    multimask: bool,
    place: Place,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> Candidates:
    """Return all masks of prompts of one structure, none filtered, in order."""
    predictor.check(embedding, prompts)
    pieces = candidates_of(
        predictor, embedding, prompts, place=place, multimask=multimask, progress=progress, cancelled=cancelled
    )
    return Candidates.join([Candidates.empty(place.image_hw), *pieces])
