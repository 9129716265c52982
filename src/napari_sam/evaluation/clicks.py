"""Interactive quality: IoU after 1, 2, ... simulated clicks and with a box, object by object.

Protocol: the first click is the middle of the object; each next one the middle of the largest error, with the previous
logits fed back from then on. The box is the object's tight box. For one prompt, either the single-mask output counts or
the mask with the highest predicted IoU of three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import Cancelled
from napari_sam.geometry.clicks import interior_point, largest_error_click, mask_to_box
from napari_sam.predict.predictor import Predictor
from napari_sam.types import Prompts

BoolMask = NDArray[np.bool_]


@dataclass(frozen=True)
class ClicksConfig:
    """What is measured: clicks per object, at most ``max_objects`` random objects per image of ``min_area`` or more."""

    clicks: int = 5
    max_objects: int = 10
    min_area: int = 10
    seed: int = 0


@dataclass(frozen=True)
class ObjectScore:
    """IoU of one object after 1, 2, ... clicks, and with a box."""

    source: str
    name: str
    object_id: int
    clicks: tuple[float, ...]
    box: float


class Annotated(Protocol):
    """An annotated image: ``source``, ``name`` and ``load() -> (image, labels)``."""

    @property
    def source(self) -> str:
        """Data set the image belongs to."""

    @property
    def name(self) -> str:
        """Name within the source."""

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Read the image (H, W, 3) and its labels (H, W)."""


class Segmenter(Protocol):
    """What is evaluated: a model or a classical baseline."""

    def start(self, image: NDArray[np.uint8]) -> None:
        """Take an image, shape (H, W, 3)."""

    def from_clicks(self, points_yx: list[list[tuple[int, int]]], labels: list[list[int]]) -> list[BoolMask]:
        """Masks of several objects, from all of each object's clicks so far."""

    def from_boxes(self, boxes_yxyx: list[NDArray[np.float64]]) -> list[BoolMask]:
        """Masks of several objects, from a box each."""


class SamSegmenter:
    """A :class:`Predictor` under the protocol above.

    Parameters
    ----------
    predictor : Predictor
    multimask : bool
        For a first click or a box, take the mask with the highest predicted IoU of three, not the single-mask output.
    """

    def __init__(self, predictor: Predictor, multimask: bool = False) -> None:
        self._predictor = predictor
        self._multimask = multimask
        self._logits: list[NDArray[np.float32]] = []

    def start(self, image: NDArray[np.uint8]) -> None:
        """Encode an image, shape (H, W, 3)."""
        self._embedding = self._predictor.encode(image)
        self._logits = []

    def from_clicks(self, points_yx: list[list[tuple[int, int]]], labels: list[list[int]]) -> list[BoolMask]:
        """Masks of several objects from all clicks so far, one click more each call."""
        first = len(points_yx[0]) == 1
        previous = [None] * len(points_yx) if first else self._logits
        prompts = [
            Prompts(points_yx=p, labels=k, mask_logits=m) for p, k, m in zip(points_yx, labels, previous, strict=True)
        ]
        predictions = self._predictor.predict_many(self._embedding, prompts, multimask=first and self._multimask)
        self._logits = [p.logits[p.best] for p in predictions]
        return [p.masks[p.best] for p in predictions]

    def from_boxes(self, boxes_yxyx: list[NDArray[np.float64]]) -> list[BoolMask]:
        """Masks of several objects, from a box each."""
        prompts = [Prompts(box_yxyx=box) for box in boxes_yxyx]
        predictions = self._predictor.predict_many(self._embedding, prompts, self._multimask)
        return [p.masks[p.best] for p in predictions]


def iou(a: BoolMask, b: BoolMask) -> float:
    """Intersection over union of two masks; 0 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def evaluate_clicks(
    segmenter: Segmenter,
    pairs: Sequence[Annotated],
    config: ClicksConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[ObjectScore]:
    """Measure a segmenter on annotated images.

    Raises
    ------
    Cancelled
        When ``cancelled()`` becomes true between two images.
    """
    scores: list[ObjectScore] = []
    for done, pair in enumerate(pairs):
        if cancelled is not None and cancelled():
            raise Cancelled(f"Evaluation stopped after {done} of {len(pairs)} images.")
        image, labels = pair.load()
        ids = choose_objects(labels, config)
        if ids:
            truths = [labels == i for i in ids]
            segmenter.start(image)
            clicks = _click_rounds(segmenter, truths, config.clicks)
            boxes = segmenter.from_boxes([mask_to_box(t) for t in truths])
            for i, truth, object_clicks, box in zip(ids, truths, clicks, boxes, strict=True):
                scores.append(ObjectScore(pair.source, pair.name, i, tuple(object_clicks), iou(box, truth)))
        if progress is not None:
            progress(done + 1, len(pairs))
    return scores


def choose_objects(labels: NDArray[np.int32], config: ClicksConfig) -> list[int]:
    """Random objects of an image, the same for every segmenter."""
    areas = np.bincount(labels.ravel())
    ids = [int(i) for i in np.flatnonzero(areas >= config.min_area) if i > 0]
    rng = np.random.default_rng(config.seed)
    return sorted(int(i) for i in rng.permutation(ids)[: config.max_objects])


def _click_rounds(segmenter: Segmenter, truths: list[BoolMask], rounds: int) -> list[list[float]]:
    points = [[interior_point(t)] for t in truths]
    labels = [[1] for _ in truths]
    ious: list[list[float]] = [[] for _ in truths]
    for round_ in range(rounds):
        masks = segmenter.from_clicks(points, labels)
        for i, (mask, truth) in enumerate(zip(masks, truths, strict=True)):
            ious[i].append(iou(mask, truth))
            if round_ + 1 < rounds:
                point, label = largest_error_click(mask, truth)
                points[i].append(point)
                labels[i].append(label)
    return ious


def summarise(scores: Iterable[ObjectScore]) -> dict[str, dict[str, float]]:
    """Mean IoU by source: ``{source: {"objects": n, "clicks_1": ..., "clicks_5": ..., "box": ...}}``."""
    by_source: dict[str, list[ObjectScore]] = {}
    for score in scores:
        by_source.setdefault(score.source, []).append(score)
    return {source: _means(group) for source, group in sorted(by_source.items())}


def _means(group: Sequence[ObjectScore]) -> dict[str, float]:
    clicks = np.array([s.clicks for s in group]).mean(axis=0)
    figures = {f"clicks_{i + 1}": float(v) for i, v in enumerate(clicks)}
    return {"objects": len(group), **figures, "box": float(np.mean([s.box for s in group]))}


def mean_over_sources(summary: dict[str, dict[str, float]], without: frozenset[str] = frozenset()) -> dict[str, float]:
    """Mean of the sources' means, every source counting the same."""
    chosen = [figures for source, figures in summary.items() if source not in without]
    return {key: float(np.mean([f[key] for f in chosen])) for key in chosen[0]} if chosen else {}
