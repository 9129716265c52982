"""How well the objects of annotated images are found: scores by image, and summaries by source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.evaluation.each import Failed, each_pair
from napari_sam.evaluation.matching import MEASURES, Matching
from napari_sam.evaluation.metrics import (
    OWN_MEASURES,
    THRESHOLDS,
    InstanceScores,
    mean_by_image,
    mean_known,
    pool,
    score_labels,
)
from napari_sam.io.pairs import ImagePair, read_labels

_COUNTS = ("tp", "fp", "fn", "n_true", "n_pred")
_TOTALS = ("splits", "merges")


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image.

    Attributes
    ----------
    source, name : str
    scores : InstanceScores
    """

    source: str
    name: str
    scores: InstanceScores


def evaluate_instances(
    pairs: Sequence[ImagePair],
    segment: Callable[[ImagePair], NDArray[Any]],
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    on_failure: Failed[ImagePair] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[ImageScores]:
    """Compare what a method finds with the labels of annotated images.

    Parameters
    ----------
    pairs : sequence of ImagePair
        Single images or stacks.
    segment : callable
        Takes a pair and returns the labels that a method gives its image.
    thresholds : sequence of float
        Least IoU of a match.
    on_failure, progress, cancelled
        As in :func:`napari_sam.evaluation.each.each_pair`.

    Returns
    -------
    list of ImageScores

    Raises
    ------
    NapariSamError
        If a pair cannot be used and ``on_failure`` was not given.
    Cancelled
        When ``cancelled()`` becomes true between two images.
    """

    def measure(pair: ImagePair) -> ImageScores:
        pair.check()
        truth = read_labels(pair.label_path)
        return ImageScores(pair.source, pair.name, score_labels(_squeezed(truth), _squeezed(segment(pair)), thresholds))

    return list(each_pair(pairs, measure, on_failure=on_failure, progress=progress, cancelled=cancelled))


def _squeezed(labels: NDArray[Any]) -> NDArray[Any]:
    """Without dimensions of length 1: a stack of one plane is compared with a plane."""
    return labels.reshape([length for length in labels.shape if length != 1] or [1])


def summarise_instances(images: Iterable[ImageScores]) -> dict[str, dict[str, Any]]:
    """Summarise scores by source.

    Returns
    -------
    dict
        ``{source: {"images": n, "msa": ..., "pooled": [...], "by_image": [...], ...}}``: ``pooled`` and ``by_image``
        hold one entry per threshold, the first with all objects counting the same, the second with all images. As in
        docs/evaluation.md.
    """
    by_source: dict[str, list[InstanceScores]] = {}
    for image in images:
        by_source.setdefault(image.source, []).append(image.scores)
    return {source: _summary(scores) for source, scores in sorted(by_source.items())}


def mean_over_sources(summary: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Mean of the pooled measures of every source, each source counting the same; one entry per threshold."""
    sources = list(summary.values())
    if not sources:
        return {}
    pooled = [
        {
            "threshold": entries[0]["threshold"],
            **{name: mean_known([entry[name] for entry in entries]) for name in MEASURES},
        }
        for entries in zip(*(source["pooled"] for source in sources), strict=True)
    ]
    return {"msa": mean_known([source["msa"] for source in sources]), "pooled": pooled}


def image_rows(images: Iterable[ImageScores]) -> list[dict[str, Any]]:
    """Return one flat row per image and threshold, for a table."""
    return [
        {
            "source": image.source,
            "name": image.name,
            **matching_entry(one),
            **{name: getattr(image.scores, name) for name in OWN_MEASURES},
        }
        for image in images
        for one in image.scores.matchings
    ]


def image_entry(image: ImageScores) -> dict[str, Any]:
    """Return all scores of an image for a JSON file."""
    return {
        "source": image.source,
        "name": image.name,
        **{name: getattr(image.scores, name) for name in OWN_MEASURES},
        "thresholds": [matching_entry(one) for one in image.scores.matchings],
    }


def matching_entry(one: Matching) -> dict[str, Any]:
    """Return the counts and measures at one threshold."""
    return {"threshold": one.threshold, **{name: getattr(one, name) for name in (*_COUNTS, *MEASURES)}}


def _summary(scores: list[InstanceScores]) -> dict[str, Any]:
    pooled = pool(scores)
    means = {name: mean_known([getattr(one, name) for one in scores]) for name in OWN_MEASURES if name not in _TOTALS}
    return {
        "images": len(scores),
        "objects": pooled[0].n_true,
        **means,
        **{name: int(np.sum([getattr(one, name) for one in scores])) for name in _TOTALS},
        "pooled": [matching_entry(one) for one in pooled],
        "by_image": [{"threshold": one.threshold, **mean_by_image(scores, index)} for index, one in enumerate(pooled)],
    }
