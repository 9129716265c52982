"""From prompts to candidates: decode a batch, drop what is not confident or not stable, encode the rest as runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam.automatic.candidates import Candidates
from napari_sam.geometry.boxes import patch_box
from napari_sam.geometry.rle import patch_to_counts
from napari_sam.model.common import Progress
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.predictor import CancelCheck, ConfidentLogits, Predictor
from napari_sam.predict.upscale import Upscaler
from napari_sam.types import Prompts

_NEAR_EDGE = 20  # pixels


class Floors(NamedTuple):
    """What a mask has to reach to become a candidate.

    Attributes
    ----------
    iou : float
        Its predicted IoU has to be above this.
    stability : float
        Its stability score has to reach this.
    offset : float
        How far the cut-off of the logits is moved for the stability score.
    """

    iou: float = float("-inf")
    stability: float = 0.0
    offset: float = 1.0


class Place(NamedTuple):
    """Where in the image an embedding's picture lies: a crop (x0, y0, x1, y1) of an image of ``image_hw`` pixels."""

    image_hw: tuple[int, int]
    crop_xyxy: tuple[int, int, int, int]

    @classmethod
    def whole(cls, image_hw: tuple[int, int]) -> Place:
        """Return the place of an embedding of the whole image."""
        return cls(image_hw, (0, 0, image_hw[1], image_hw[0]))


def candidates_of(
    predictor: Predictor,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    *,
    floors: Floors = Floors(),  # noqa: B008 (immutable)
    place: Place | None = None,
    points_xy: NDArray[np.float64] | None = None,
    multimask: bool = True,
    most: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[Candidates]:
    """Ask about any number of prompts and yield what was found, one piece per decoded batch.

    Parameters
    ----------
    predictor : Predictor
    embedding : Embedding
    prompts : sequence of Prompts
        In pixels of the picture that was encoded. Not checked; see :meth:`Predictor.check`.
    floors : Floors
        Masks that do not reach these are dropped as early as possible.
    place : Place, optional
        Where the picture lies in the image; the whole image when left out.
    points_xy : ndarray, shape (len(prompts), 2), optional
        The point reported for each prompt, in pixels of the picture; when left out its first positive point, else the
        middle of its box, else the middle of the picture.
    multimask : bool
        Three masks per prompt instead of one.
    most : int, optional
        Prompts decoded at a time, at most.
    progress : callable, optional
        Told (done, total) prompts before each piece.
    cancelled : callable, optional
        Asked between batches; True stops.

    Yields
    ------
    Candidates
        Possibly none of them; prompts of the same structure come together, otherwise in order.

    Raises
    ------
    Cancelled
        If ``cancelled`` returned True; what was yielded before stays valid.
    """
    place = Place.whole(embedding.image_hw) if place is None else place
    points = _points_of(prompts, embedding.image_hw) if points_xy is None else np.asarray(points_xy, np.float64)
    points = points + np.array(place.crop_xyxy[:2], np.float64)
    upscaler = Upscaler(embedding.frame, 4 * predictor.model.config.grid_size)
    done = 0
    for found in predictor.iter_confident(embedding, prompts, multimask, floors.iou, most, cancelled):
        piece = _piece(found, upscaler, place, points, floors)
        done += len(found.asked)
        if progress is not None:
            progress(done, len(prompts))
        yield piece


def _points_of(prompts: Sequence[Prompts], hw: tuple[int, int]) -> NDArray[np.float64]:
    points = np.empty((len(prompts), 2))
    for point, prompt in zip(points, prompts, strict=True):
        yx = (np.array(hw) - 1) / 2
        if prompt.box_yxyx is not None:
            yx = prompt.box_yxyx.reshape(2, 2).mean(axis=0)
        if prompt.points_yx is not None and prompt.labels is not None and (prompt.labels == 1).any():
            yx = prompt.points_yx[prompt.labels == 1][0]
        point[:] = yx[::-1]
    return points


class _Cut(NamedTuple):
    """One mask: its pixels in a patch that holds them, and how many lie above the raised and the lowered cut-off."""

    patch: NDArray[np.bool_]
    corner_yx: tuple[int, int]
    raised: int
    lowered: int

    @property
    def stability(self) -> float:
        """IoU of the masks at both cut-offs; 0 where both are empty (official: 0/0, which passes no filter either)."""
        return float(np.float32(self.raised) / np.float32(self.lowered)) if self.lowered else 0.0


def _cut(logits: Tensor, upscaler: Upscaler, offset: float) -> _Cut:
    """Threshold one mask at the size of the image, only where it can be above the lowered cut-off."""
    raised = lowered = 0
    tiles, corner = [np.zeros((0, 0), np.bool_)], None
    for top, left, values in upscaler.above(logits, -offset):
        corner = (top, left) if corner is None else corner
        raised += int(torch.count_nonzero(values > offset))
        lowered += int(torch.count_nonzero(values > -offset))
        tiles.append((values > 0).numpy())
    patch = np.concatenate(tiles[1:]) if len(tiles) > 2 else tiles[-1]
    return _Cut(patch, corner or (0, 0), raised, lowered)


def _piece(
    found: ConfidentLogits, upscaler: Upscaler, place: Place, points: NDArray[np.float64], floors: Floors
) -> Candidates:
    rows, rles, boxes, stability = [], [], [], []
    x0, y0 = place.crop_xyxy[:2]
    with torch.inference_mode():
        for row, logits in enumerate(found.logits):
            cut = _cut(logits, upscaler, floors.offset)
            if cut.stability < np.float32(floors.stability):  # in float32, as the official code does
                continue
            rows.append(row)
            stability.append(cut.stability)
            box = patch_box(cut.patch, cut.corner_yx)
            boxes.append((box[0] + x0, box[1] + y0, box[2] + x0, box[3] + y0))
            corner = cut.corner_yx[0] + y0, cut.corner_yx[1] + x0
            rles.append(patch_to_counts(cut.patch, corner, place.image_hw))
    boxes_xyxy = np.array(boxes, np.int64).reshape(-1, 4)
    return Candidates(
        place.image_hw,
        rles,
        boxes_xyxy,
        np.array([int(counts[1::2].sum(dtype=np.int64)) for counts in rles], np.int64),
        found.scores[rows],
        np.array(stability, np.float32),
        points[found.prompts[rows]],
        np.tile(np.array(place.crop_xyxy, np.int64), (len(rows), 1)),
        near_crop_edge(boxes_xyxy, place),
        floors.iou,
        floors.stability,
    )


def near_crop_edge(boxes_xyxy: NDArray[np.int64], place: Place) -> NDArray[np.bool_]:
    """Whether masks are cut by their crop: a side within 20 pixels of the crop's edge but not of the image's.

    Parameters
    ----------
    boxes_xyxy : ndarray of int64, shape (N, 4)
        In the image.
    place : Place

    Returns
    -------
    ndarray of bool, shape (N,)
    """
    height, width = place.image_hw
    near_crop = np.abs(boxes_xyxy - np.array(place.crop_xyxy)) <= _NEAR_EDGE
    near_image = np.abs(boxes_xyxy - np.array([0, 0, width, height])) <= _NEAR_EDGE
    near: NDArray[np.bool_] = (near_crop & ~near_image).any(axis=1)
    return near
