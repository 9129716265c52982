"""An existing labels image made better: every object keeps its id and gets the outline that the model sees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.automatic.config import LabelsConfig, RefineConfig, TileConfig
from napari_sam.automatic.contrast import plane_limits
from napari_sam.automatic.decoding import Place
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.plane import PlaneResult, plane_result
from napari_sam.automatic.prompted import Prompted, candidates_from_masks, from_masks, label_masks, mask_of
from napari_sam.automatic.select import record_of
from napari_sam.automatic.tiling import plane_tiles
from napari_sam.errors import PromptError
from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.geometry.tiles import Tile, cut_tiles
from napari_sam.geometry.window import WindowPlan
from napari_sam.io.array_source import array_source
from napari_sam.io.source import ImageSource
from napari_sam.model.common import Progress
from napari_sam.predict.predictor import CancelCheck, Predictor
from napari_sam.predict.preprocess import Channels, Limits
from napari_sam.types import MaskRecord

# Of a large plane, objects are looked at in tiles of which they take at most this part of the side.
_SHARE = 1 / 24


def refine_labels(
    predictor: Predictor,
    image: ArrayLike,
    labels: ArrayLike,
    config: RefineConfig | None = None,
    *,
    limits: Limits | None = None,
    channels: Channels | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> NDArray[Any]:
    """Refine the objects of a labels image, such as StarDist, Cellpose or a threshold gives it.

    Parameters
    ----------
    predictor : Predictor
    image : array-like, shape (H, W) or (H, W, C)
        Large images are looked at in tiles, with objects of 20 pixels and more at a sensible size.
    labels : array-like of int, shape (H, W)
        0 is background.
    config : RefineConfig, optional
        What becomes of objects that the model sees elsewhere; they stay as they are when left out.
    limits : (low, high) or one pair per channel, optional
        Values shown as black and white; percentiles when left out, and uint8 unchanged.
    channels : int or sequence of int, optional
        Channels shown to the model.
    progress : callable, optional
        Called with (done, total) objects.
    cancelled : callable, optional
        Asked between batches; True stops.

    Returns
    -------
    ndarray, shape (H, W), dtype of ``labels``
        Object i is object i of ``labels``. Where refined masks overlap, the one with the better score has the pixel.

    Raises
    ------
    PromptError
        If the labels do not fit the image.
    ImageError
        If the image cannot be used.
    Cancelled
        If ``cancelled`` returned True.
    """
    array, source = np.asarray(labels), array_source(image, "YX" if np.ndim(image) == 2 else "YXC")
    job = AutomaticJob(labels=LabelsConfig(overlap="score", background_fraction=1.0, min_visible=0.0))
    shown = _Shown(plane_limits(source, (), job.model) if limits is None else limits, channels)
    work = _Work(predictor, source, (), shown, config or RefineConfig(), progress, cancelled)
    return _refined_plane(work, array, job).labels.astype(array.dtype)


def segment_plane_from_labels(
    predictor: Predictor,
    source: ImageSource,
    plane: tuple[int, ...],
    labels: ArrayLike,
    job: AutomaticJob,
    config: RefineConfig | None = None,
    *,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> PlaneResult:
    """Segment the objects of a labels image in one plane, as ``segment_plane`` does without prompts.

    Parameters
    ----------
    predictor : Predictor
    source : ImageSource
    plane : tuple of int
        An index for each of ``source.stack_axes``; () for a single plane.
    labels : array-like of int, shape (H, W)
        The objects to ask about; 0 is background.
    job : AutomaticJob
        Its model section says what is shown, its labels section who gets a pixel of several masks and what is dropped,
        its tiles section how the plane is cut; without a tile size, by the size of the objects.
    config : RefineConfig, optional
    progress : callable, optional
        Called with (done, total) objects.
    cancelled : callable, optional
        Asked between batches; True stops.

    Returns
    -------
    PlaneResult
        With the ids of ``labels``, not 1..n: rows and records are in the order of the ids.

    Raises
    ------
    PromptError
        If the labels do not fit the plane.
    FileFormatError, ImageError, Cancelled
        As :func:`napari_sam.automatic.plane.segment_plane`.
    """
    shown = _Shown(plane_limits(source, plane, job.model), job.model.shown_channels())
    work = _Work(predictor, source, plane, shown, config or RefineConfig(), progress, cancelled)
    return _refined_plane(work, np.asarray(labels), job)


class _Shown(NamedTuple):
    """What the model is shown of the image."""

    limits: Limits | None
    channels: Channels | None


class _Work(NamedTuple):
    """What all tiles of a plane have in common."""

    predictor: Predictor
    source: ImageSource
    plane: tuple[int, ...]
    shown: _Shown
    config: RefineConfig
    progress: Progress | None
    cancelled: CancelCheck | None


def _refined_plane(work: _Work, labels: NDArray[Any], job: AutomaticJob) -> PlaneResult:
    hw = work.source.plane_hw
    if labels.shape != hw or labels.dtype.kind not in "biu":
        raise PromptError(
            f"Labels of shape {labels.shape} and type {labels.dtype} do not fit a plane of {hw} pixels of "
            f"{work.source.name}: give whole numbers, one per pixel."
        )
    masks = label_masks(labels)
    records: list[MaskRecord] = []
    ids: dict[int, int] = {}
    done = 0
    for tile, inside in _shared_out(masks, hw, work.predictor.image_size, job.tiles):
        report = None if work.progress is None else _part(work.progress, done, len(inside), len(masks))
        found = _settled(_asked(work, tile, inside, report), masks, work.config)
        done += len(inside)
        for row, label in enumerate(found.ids):
            records.append(record_of(found.candidates, row))
            ids[id(records[-1])] = int(label)
    return _with_ids(plane_result(records, hw, job), ids)


def _shared_out(
    masks: Mapping[int, PlaneMask], hw: tuple[int, int], model_side: int, config: TileConfig
) -> Iterator[tuple[Tile, dict[int, PlaneMask]]]:
    """Yield tiles and the objects to be asked about in each: small ones are looked at more closely."""
    plan = WindowPlan(hw, model_side)
    if config.tile_size or plan.is_whole:
        tiles = plane_tiles(hw, config) if config.tile_size else cut_tiles(hw, max(hw), 0)
        yield from _owned(tiles, masks)
        return
    by_side: dict[int, dict[int, PlaneMask]] = defaultdict(dict)
    for label, mask in masks.items():
        by_side[plan.side_for(max(mask.mask.shape), _SHARE)][label] = mask
    for side, members in sorted(by_side.items()):
        largest = max(max(mask.mask.shape) for mask in members.values())
        yield from _owned(cut_tiles(hw, 3 * side // 4, max(side // 8, largest)), members)


def _owned(tiles: list[Tile], masks: Mapping[int, PlaneMask]) -> Iterator[tuple[Tile, dict[int, PlaneMask]]]:
    for tile in tiles:
        inside = {label: mask for label, mask in masks.items() if tile.owns(*_middle(mask))}
        if inside:
            yield tile, inside


def _middle(mask: PlaneMask) -> tuple[float, float]:
    top, left, bottom, right = mask.bounds
    return (top + bottom) / 2, (left + right) / 2


def _asked(work: _Work, tile: Tile, masks: Mapping[int, PlaneMask], progress: Progress | None) -> Prompted:
    image = work.source.read(work.plane, tile.rows, tile.columns)
    embedding = work.predictor.encode(
        image, limits=work.shown.limits, channels=work.shown.channels, cancelled=work.cancelled
    )
    (top, left), (height, width) = tile.corner_yx, tile.hw
    seen = {
        label: trimmed(PlaneMask((0, 0), mask.shifted(-top, -left).within(tile.hw))) for label, mask in masks.items()
    }
    asked = {label: mask for label, mask in seen.items() if mask is not None}
    place = Place(work.source.plane_hw, (left, top, left + width, top + height))
    return candidates_from_masks(
        work.predictor, embedding, asked, place=place, progress=progress, cancelled=work.cancelled
    )


def _settled(found: Prompted, masks: Mapping[int, PlaneMask], config: RefineConfig) -> Prompted:
    """Return what was found, with what ran away, or was cut by its tile, treated as the parameters say."""
    candidates = found.candidates
    settled: list[PlaneMask | None] = []
    kept = []
    for row, label in enumerate(found.ids):
        mask, source = mask_of(candidates, row), masks[int(label)]
        cut = bool(candidates.near_crop_edge[row])
        ran_away = mask is None or mask.iou(source) < config.min_agreement
        if ran_away and config.runaway == "drop":
            continue
        kept.append(row)
        settled.append(source if cut or (ran_away and config.runaway == "keep") else mask)
    rest = candidates.take(np.array(kept, np.int64))
    again = from_masks(
        settled,
        Place.whole(candidates.image_hw),
        rest.predicted_iou,
        rest.stability_score,
        rest.points_xy,
    )
    again = replace(again, crops_xyxy=rest.crops_xyxy)
    return Prompted(again, found.ids[kept])


def _with_ids(result: PlaneResult, ids: Mapping[int, int]) -> PlaneResult:
    """Return the result with the ids of the labels it was made from."""
    table = np.array([0, *(ids[id(record)] for record in result.records)], np.uint32)
    rows = [replace(row, id=int(table[row.id])) for row in result.rows]
    order = np.argsort(table[1:], kind="stable")
    return PlaneResult(table[result.labels], tuple(rows[at] for at in order), tuple(result.records[at] for at in order))


def _part(progress: Progress, before: int, count: int, total: int) -> Progress:
    def report(done: int, of: int) -> None:
        progress(before + done * count // of, total)

    return report
