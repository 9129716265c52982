"""Segment everything in one image: a grid of points, three masks each, the good ones kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.decoding import Floors, Place, candidates_of
from napari_sam.automatic.fast import coarse_to_fine
from napari_sam.automatic.job import suited
from napari_sam.automatic.select import select
from napari_sam.errors import ParameterError
from napari_sam.geometry.grid import crop_boxes, layer_grids
from napari_sam.model.common import Progress
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.predictor import CancelCheck, Predictor
from napari_sam.predict.preprocess import Channels, Limits, checked_array, to_uint8_rgb
from napari_sam.types import MaskRecord, Prompts


class AutomaticMaskGenerator:
    """Automatic mask generation with the names, defaults and results of the official ``SamAutomaticMaskGenerator``.

    Parameters
    ----------
    predictor : Predictor
    config : AutomaticConfig, optional
        Thresholds that were left at their defaults become those that suit the model: sam_lite needs lower ones.
    point_grids : sequence of array-like, shape (N, 2), optional
        Own points (x, y in [0, 1]) for the image and each zoom layer, instead of regular grids.

    Raises
    ------
    ParameterError
        If the number of grids is not ``config.crop_n_layers + 1``, or a point is not in the unit square.
    """

    def __init__(
        self,
        predictor: Predictor,
        config: AutomaticConfig | None = None,
        point_grids: Sequence[ArrayLike] | None = None,
    ) -> None:
        self.predictor = predictor
        self.config = suited(config or AutomaticConfig(), predictor.model.name)
        self._grids = _grids(self.config, point_grids)

    def generate(
        self,
        image: ArrayLike,
        *,
        limits: Limits | None = None,
        channels: Channels | None = None,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> list[MaskRecord]:
        """Segment an image.

        Parameters
        ----------
        image : array-like, shape (H, W) or (H, W, C)
        limits, channels
            As in :meth:`Predictor.encode`. Crops are shown with the contrast of the whole image.
        progress : callable, optional
            Told (done, total) points, over all crops.
        cancelled : callable, optional
            Asked within encoding and between batches of points; True stops.

        Returns
        -------
        list of MaskRecord
            Empty where nothing is found.

        Raises
        ------
        ImageError, OutOfMemoryError, Cancelled
            As :meth:`Predictor.encode`.
        """
        found = self.candidates(image, limits=limits, channels=channels, progress=progress, cancelled=cancelled)
        return select(found, self.config)

    def candidates(
        self,
        image: ArrayLike,
        *,
        limits: Limits | None = None,
        channels: Channels | None = None,
        iou_floor: float | None = None,
        stability_floor: float | None = None,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Candidates:
        """Find all candidates of an image; parameters and errors as in :meth:`iter_candidates`."""
        array = checked_array(image)
        pieces = self.iter_candidates(
            array,
            limits=limits,
            channels=channels,
            iou_floor=iou_floor,
            stability_floor=stability_floor,
            progress=progress,
            cancelled=cancelled,
        )
        return Candidates.join([Candidates.empty((array.shape[0], array.shape[1])), *pieces])

    def iter_candidates(
        self,
        image: ArrayLike,
        *,
        limits: Limits | None = None,
        channels: Channels | None = None,
        iou_floor: float | None = None,
        stability_floor: float | None = None,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Iterator[Candidates]:
        """Yield what is found, one piece per decoded batch of points, crop after crop.

        Parameters
        ----------
        image, limits, channels, progress, cancelled
            As in :meth:`generate`.
        iou_floor, stability_floor : float, optional
            What a mask has to exceed, and to reach, to be a candidate; the thresholds when left out. With lower
            floors the thresholds can be lowered later (:func:`napari_sam.automatic.select.select`) without the network.

        Yields
        ------
        Candidates
            Some may hold no mask.

        Raises
        ------
        ImageError, OutOfMemoryError, Cancelled
            As :meth:`Predictor.encode`. What was yielded before stays valid.
        """
        array = checked_array(image)
        floors = self._floors(iou_floor, stability_floor)
        hw = array.shape[0], array.shape[1]
        crops = crop_boxes(hw, self.config.crop_n_layers, self.config.crop_overlap_ratio)
        done, total = 0, sum(len(self._grids[crop.layer]) for crop in crops)
        if progress is not None:
            progress(0, total)
        if len(crops) > 1:
            array, limits, channels = to_uint8_rgb(array, limits, channels)[0], None, None
        for crop in crops:
            part = array[crop.y0 : crop.y1, crop.x0 : crop.x1]
            embedding = self.predictor.encode(part, limits=limits, channels=channels, cancelled=cancelled)
            told = None if progress is None else partial(_tell, progress, done, total)
            yield from self._crop_candidates(embedding, Place(hw, crop.xyxy), crop.layer, floors, told, cancelled)
            done += len(self._grids[crop.layer])

    def _crop_candidates(
        self,
        embedding: Embedding,
        place: Place,
        layer: int,
        floors: Floors,
        progress: Progress | None,
        cancelled: CancelCheck | None,
    ) -> Iterator[Candidates]:
        """Ask the points of one crop."""
        height, width = embedding.image_hw
        grid = self._grids[layer]

        def ask(chosen: NDArray[np.int64], floors: Floors, progress: Progress | None) -> Iterator[Candidates]:
            points = grid[chosen] * np.array([width, height], np.float64)
            return candidates_of(
                self.predictor,
                embedding,
                [Prompts(points_yx=[(y, x)]) for x, y in points],
                floors=floors,
                place=place,
                points_xy=points,
                most=self.config.points_per_batch,
                progress=progress,
                cancelled=cancelled,
            )

        if self.config.mode == "fast":
            yield from coarse_to_fine(ask, grid, place, self.config, floors, progress)
        else:
            yield from ask(np.arange(len(grid)), floors, progress)

    def _floors(self, iou: float | None, stability: float | None) -> Floors:
        config = self.config
        if iou is None:  # 0 switches the filter off, as in the official code
            iou = config.pred_iou_thresh if config.pred_iou_thresh > 0 else float("-inf")
        if stability is None:
            stability = config.stability_score_thresh
        return Floors(iou, stability, config.stability_score_offset)


def _grids(config: AutomaticConfig, point_grids: Sequence[ArrayLike] | None) -> list[NDArray[np.float64]]:
    if point_grids is None:
        return layer_grids(config.points_per_side, config.crop_n_layers, config.crop_n_points_downscale_factor)
    grids: list[NDArray[Any]] = [np.asarray(grid, np.float64) for grid in point_grids]
    if len(grids) != config.crop_n_layers + 1:
        raise ParameterError(
            f"{len(grids)} point_grids were given, but with crop_n_layers={config.crop_n_layers} there must be "
            f"{config.crop_n_layers + 1}: one for the image and one for each layer."
        )
    for index, grid in enumerate(grids):
        if grid.ndim != 2 or grid.shape[1] != 2 or not ((grid >= 0) & (grid <= 1)).all():
            raise ParameterError(f"point_grids[{index}] must have shape (N, 2): x and y, each between 0 and 1.")
    return grids


def _tell(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    """Report the points of one crop among those of all."""
    progress(before + done, total)
