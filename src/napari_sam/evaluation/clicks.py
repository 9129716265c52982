"""Interactive quality: IoU after 1, 2, ... simulated clicks and with a box, object by object; number of clicks.

Protocol: the first click is the middle of the object; each next one the middle of the largest error, with the previous
logits fed back from then on. The box is the object's tight box. For one prompt, either the single-mask output counts or
the mask with the highest predicted IoU of three.

NoC@90 (number of clicks; Sofiiuk et al. 2021, *Reviving iterative training with mask guidance for interactive
segmentation*, section 4.1, and before them Xu et al. 2016) is the mean over objects of the clicks after which the IoU
first is 90 % or more, and of the most clicks that are made where it never is; NoF@90 is the number of those objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sam.evaluation.each import Failed, each_pair
from napari_sam.geometry.clicks import interior_point, largest_error_click, mask_to_box
from napari_sam.parameters import check_parameters, parameter
from napari_sam.predict.predictor import Predictor
from napari_sam.predict.preprocess import Channels, Limits
from napari_sam.types import Prompts

BoolMask = NDArray[np.bool_]
TARGETS = (80, 85, 90)
"""IoU in per cent that NoC counts clicks to."""


@dataclass(frozen=True)
class ClicksConfig:
    """What is measured.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    clicks: int = parameter(
        5, "Clicks made on every object; NoC counts objects that never get there with these.", low=1
    )
    max_objects: int = parameter(10, "Most objects of an image that are clicked on, chosen at random; 0: all.", low=0)
    min_area: int = parameter(10, "Objects with fewer pixels are left out.", low=1)
    seed: int = parameter(0, "Start of the random choice of objects.", low=0)

    def __post_init__(self) -> None:
        check_parameters(self)


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

    def load(self) -> tuple[NDArray[Any], NDArray[np.integer]]:
        """Read the image (H, W) or (H, W, C) and its labels (H, W)."""


class Segmenter(Protocol):
    """What is evaluated: a model or a classical baseline."""

    def start(self, image: NDArray[Any]) -> None:
        """Take an image, shape (H, W) or (H, W, C)."""

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
    limits, channels
        What the model sees of an image, as :meth:`Predictor.encode` takes them.
    """

    def __init__(
        self,
        predictor: Predictor,
        multimask: bool = False,
        limits: Limits | None = None,
        channels: Channels | None = None,
    ) -> None:
        self._predictor = predictor
        self._shown: tuple[Limits | None, Channels | None] = (limits, channels)
        self._multimask = multimask
        self._logits: list[NDArray[np.float32]] = []

    def start(self, image: NDArray[Any]) -> None:
        """Encode an image, shape (H, W) or (H, W, C)."""
        limits, channels = self._shown
        self._embedding = self._predictor.encode(image, limits=limits, channels=channels)
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
    on_failure: Failed[Annotated] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[ObjectScore]:
    """Measure a segmenter on annotated images.

    Parameters
    ----------
    segmenter : Segmenter
    pairs : sequence of Annotated
    config : ClicksConfig
    on_failure, progress, cancelled
        As in :func:`napari_sam.evaluation.each.each_pair`.

    Returns
    -------
    list of ObjectScore

    Raises
    ------
    NapariSamError
        If a pair cannot be used and ``on_failure`` was not given.
    Cancelled
        When ``cancelled()`` becomes true between two images.
    """
    found = each_pair(
        pairs,
        lambda pair: _score_objects(segmenter, pair, config),
        on_failure=on_failure,
        progress=progress,
        cancelled=cancelled,
    )
    return [score for scores in found for score in scores]


def _score_objects(segmenter: Segmenter, pair: Annotated, config: ClicksConfig) -> list[ObjectScore]:
    image, labels = pair.load()
    ids = choose_objects(labels, config)
    if not ids:
        return []
    truths = [labels == i for i in ids]
    segmenter.start(image)
    clicks = _click_rounds(segmenter, truths, config.clicks)
    boxes = segmenter.from_boxes([mask_to_box(truth) for truth in truths])
    return [
        ObjectScore(pair.source, pair.name, i, tuple(ious), iou(box, truth))
        for i, truth, ious, box in zip(ids, truths, clicks, boxes, strict=True)
    ]


def choose_objects(labels: NDArray[np.integer], config: ClicksConfig) -> list[int]:
    """Random objects of an image, the same for every segmenter."""
    values, areas = np.unique(labels, return_counts=True)
    ids = [int(i) for i in values[(areas >= config.min_area) & (values > 0)]]
    rng = np.random.default_rng(config.seed)
    return sorted(int(i) for i in rng.permutation(ids)[: config.max_objects or len(ids)])


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
    """Mean IoU by source: ``{source: {"objects": n, "clicks_1": ..., "clicks_5": ..., "box": ..., "noc_80": ...}}``."""
    by_source: dict[str, list[ObjectScore]] = {}
    for score in scores:
        by_source.setdefault(score.source, []).append(score)
    return {source: _means(group) for source, group in sorted(by_source.items())}


def _means(group: Sequence[ObjectScore]) -> dict[str, float]:
    ious = np.array([s.clicks for s in group])
    figures = {f"clicks_{i + 1}": float(value) for i, value in enumerate(ious.mean(axis=0))}
    return {"objects": len(group), **figures, "box": float(np.mean([s.box for s in group])), **_clicks_needed(ious)}


def _clicks_needed(ious: NDArray[np.float64]) -> dict[str, float]:
    """NoC and NoF of objects from their IoU, shape (objects, clicks)."""
    figures = {}
    for target in TARGETS:
        reached = ious >= target / 100
        never = ~reached.any(axis=1)
        figures[f"noc_{target}"] = float(np.where(never, ious.shape[1], reached.argmax(axis=1) + 1).mean())
        figures[f"nof_{target}"] = float(np.count_nonzero(never))
    return figures


def mean_over_sources(summary: dict[str, dict[str, float]], without: frozenset[str] = frozenset()) -> dict[str, float]:
    """Mean of the sources' means, every source counting the same."""
    chosen = [figures for source, figures in summary.items() if source not in without]
    keys = [key for key in chosen[0] if all(key in figures for figures in chosen)] if chosen else []
    return {key: float(np.mean([figures[key] for figures in chosen])) for key in keys}
