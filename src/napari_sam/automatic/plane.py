"""From one plane of an image to its objects: labels, a table row and a record for each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic.generator import AutomaticMaskGenerator
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.labels import paint
from napari_sam.automatic.tiling import plane_tiles, tiled_records
from napari_sam.geometry.overlaps import label_areas
from napari_sam.io.source import ImageSource
from napari_sam.model.common import Progress
from napari_sam.predict.predictor import CancelCheck, Predictor
from napari_sam.types import MaskRecord


@dataclass(frozen=True)
class ObjectRow:
    """What is known about one object of a plane, for tables.

    Attributes
    ----------
    id : int
        Its value in the labels of the plane.
    area : int
        Pixels it has in the labels; its record may have more, where masks overlap.
    predicted_iou : float
        The model's own estimate of the mask's quality.
    stability_score : float
        IoU of the masks at a raised and a lowered threshold.
    point : (float, float)
        Row and column of the point that made it.
    bbox : (int, int, int, int)
        Top, left, bottom, right in the labels; bottom and right are the first row and column behind it.
    """

    id: int
    area: int
    predicted_iou: float
    stability_score: float
    point: tuple[float, float]
    bbox: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PlaneResult:
    """The objects of one plane.

    Attributes
    ----------
    labels : ndarray of uint32, shape (H, W)
        0 is background, ids are 1..n.
    rows : tuple of ObjectRow
        One per id, ascending.
    records : tuple of MaskRecord
        The record of each id, in the same order, in coordinates of the plane.
    """

    labels: NDArray[np.uint32] = field(repr=False)
    rows: tuple[ObjectRow, ...]
    records: tuple[MaskRecord, ...] = field(repr=False)


def segment_plane(
    predictor: Predictor,
    source: ImageSource,
    plane: tuple[int, ...],
    job: AutomaticJob,
    *,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> PlaneResult:
    """Segment everything in one plane; a large one tile by tile (``job.tiles``).

    Parameters
    ----------
    predictor : Predictor
        Its model is used, whatever ``job.model`` names; channels and limits are the job's.
    source : ImageSource
    plane : tuple of int
        An index for each of ``source.stack_axes``; () for a single plane.
    job : AutomaticJob
    progress : callable, optional
        Called with (done, total).
    cancelled : callable, optional
        Asked between batches; True stops.

    Returns
    -------
    PlaneResult

    Raises
    ------
    FileFormatError
        If the file is damaged there.
    ImageError
        If the plane cannot be used as an image.
    Cancelled
        If ``cancelled`` returned True.
    """
    generator = AutomaticMaskGenerator(predictor, job.automatic)
    tiles = plane_tiles(source.plane_hw, job.tiles)
    if len(tiles) > 1:
        records = tiled_records(generator, source, plane, tiles, job.model, progress, cancelled)
    else:
        limits, channels = job.model.shown_limits(), job.model.shown_channels()
        image = source.read(plane)
        records = generator.generate(image, limits=limits, channels=channels, progress=progress, cancelled=cancelled)
    return plane_result(records, source.plane_hw, job)


def plane_result(records: list[MaskRecord], hw: tuple[int, int], job: AutomaticJob) -> PlaneResult:
    """Make labels and table rows of the records of one plane, as :func:`segment_plane` does.

    Parameters
    ----------
    records : list of MaskRecord
    hw : (int, int)
        Height and width of the plane.
    job : AutomaticJob
    """
    labels, kept = paint(records, hw, job.labels)
    owners = tuple(records[i] for i in kept)
    areas = label_areas(labels)
    boxes = ndimage.find_objects(labels.view(np.int32), max_label=len(owners))
    rows = tuple(
        _row(number, int(areas[number]), box, record)
        for number, (box, record) in enumerate(zip(boxes, owners, strict=True), start=1)
    )
    return PlaneResult(labels, rows, owners)


def _row(number: int, area: int, box: tuple[slice, slice], record: MaskRecord) -> ObjectRow:
    ((x, y), *_) = record.point_coords
    down, across = box
    bbox = (down.start, across.start, down.stop, across.stop)
    return ObjectRow(number, area, record.predicted_iou, record.stability_score, (y, x), bbox)
