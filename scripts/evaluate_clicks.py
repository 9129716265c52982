"""Measure interactive quality on a validation split: mean IoU after 1 to 5 simulated clicks and with a box.

    python scripts/evaluate_clicks.py --data DATA --model sam_lite --json scores.json
    python scripts/evaluate_clicks.py --data DATA --baseline          # flood fill and random walker, same clicks

Prints a Markdown table by source; photos are reported beside the mean over the other sources.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam.evaluation.clicks import (
    ClicksConfig,
    SamSegmenter,
    Segmenter,
    evaluate_clicks,
    mean_over_sources,
    summarise,
)
from napari_sam.io.pairs import find_pairs
from napari_sam.training.data import PHOTO_SOURCES


class ClassicalSegmenter:
    """Flood fill from the first click, random walker once there is a negative click; random walker for boxes."""

    WALK_SIDE = 192
    TOLERANCE = 0.12  # of the image's 1-99 percentile range

    def start(self, image: NDArray[np.uint8]) -> None:
        """Take an image, grey or RGB: the mean over its channels, smoothed by a Gaussian of 1 pixel."""
        from skimage.filters import gaussian

        grey = gaussian(image.mean(axis=2) if image.ndim == 3 else image.astype(float), 1.0)
        low, high = np.percentile(grey, (1, 99))
        self._grey = (grey - low) / max(high - low, 1e-6)

    def from_clicks(self, points_yx: list[list[tuple[int, int]]], labels: list[list[int]]) -> list[NDArray[np.bool_]]:
        """Masks of several objects from their clicks."""
        return [self._clicked(p, k) for p, k in zip(points_yx, labels, strict=True)]

    def _clicked(self, points: list[tuple[int, int]], labels: list[int]) -> NDArray[np.bool_]:
        from skimage.segmentation import flood

        if 0 not in labels:
            return np.any([flood(self._grey, p, tolerance=self.TOLERANCE) for p in points], axis=0)
        rows, columns = np.array(points).T
        reach = 60 + max(np.ptp(rows), np.ptp(columns))
        top, left = max(rows.min() - reach, 0), max(columns.min() - reach, 0)
        window = np.s_[top : rows.max() + reach, left : columns.max() + reach]
        seeds = np.zeros(self._grey[window].shape, np.int32)
        for row, column, label in zip(rows - top, columns - left, labels, strict=True):
            seeds[row, column] = 1 if label else 2
        return self._walk(window, seeds)

    def from_boxes(self, boxes_yxyx: list[NDArray[np.float64]]) -> list[NDArray[np.bool_]]:
        """Random walker from the middle third of the box against the box's frame."""
        return [self._boxed(box.astype(int)) for box in boxes_yxyx]

    def _boxed(self, box: NDArray[np.int64]) -> NDArray[np.bool_]:
        top, left = max(box[0] - 1, 0), max(box[1] - 1, 0)
        window = np.s_[top : box[2] + 2, left : box[3] + 2]
        height, width = self._grey[window].shape
        seeds = np.full((height, width), 2, np.int32)
        seeds[1:-1, 1:-1] = 0
        thirds = np.s_[
            height // 3 : max(2 * height // 3, height // 3 + 1), width // 3 : max(2 * width // 3, width // 3 + 1)
        ]
        seeds[thirds] = 1
        return self._walk(window, seeds)

    def _walk(self, window: tuple[slice, slice], seeds: NDArray[np.int32]) -> NDArray[np.bool_]:
        from skimage.segmentation import random_walker

        grey = self._grey[window]
        step = -(-max(grey.shape) // self.WALK_SIDE)  # a large window is walked on every step-th pixel
        coarse = np.zeros(grey[::step, ::step].shape, np.int32)
        for label in (2, 1):
            rows, columns = np.nonzero(seeds == label)
            coarse[rows // step, columns // step] = label
        walked = random_walker(grey[::step, ::step], coarse, beta=1000, mode="cg_j") == 1
        mask = np.zeros(self._grey.shape, bool)
        mask[window] = walked.repeat(step, axis=0).repeat(step, axis=1)[: grey.shape[0], : grey.shape[1]]
        return mask


def markdown(summary: dict[str, dict[str, float]]) -> str:
    """Table of the sources, their mean, and the photos' mean."""
    photos = {s: f for s, f in summary.items() if s in PHOTO_SOURCES}
    rows = {
        **{s: f for s, f in summary.items() if s not in PHOTO_SOURCES},
        "**mean of these**": mean_over_sources(summary, PHOTO_SOURCES),
        **photos,
    }
    keys = [k for k in ("clicks_1", "clicks_2", "clicks_3", "clicks_5", "box") if any(k in f for f in rows.values())]
    lines = ["| source | objects | " + " | ".join(keys) + " |", "|---|" + "---|" * (len(keys) + 1)]
    for source, figures in rows.items():
        objects = "" if source.startswith("**") else f"{figures['objects']:.0f}"
        lines.append(
            f"| {source} | {objects} | " + " | ".join(f"{figures[k]:.3f}" for k in keys if k in figures) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse arguments, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--multimask", action="store_true", help="for one prompt, the best-scored of three masks")
    parser.add_argument("--baseline", action="store_true", help="classical methods instead of a model")
    parser.add_argument("--max-objects", type=int, default=10, help="objects per image")
    parser.add_argument("--max-images", type=int, default=0, help="images per source (0: all)")
    parser.add_argument("--clicks", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    pairs = find_pairs(arguments.data, arguments.split)
    if arguments.max_images:
        seen: dict[str, int] = {}
        kept = []
        for pair in pairs:
            seen[pair.source] = seen.get(pair.source, 0) + 1
            if seen[pair.source] <= arguments.max_images:
                kept.append(pair)
        pairs = kept
    segmenter: Segmenter = ClassicalSegmenter()
    if not arguments.baseline:
        from napari_sam import Predictor, load_model

        name = None if arguments.checkpoint else arguments.model
        segmenter = SamSegmenter(Predictor(load_model(name, checkpoint=arguments.checkpoint)), arguments.multimask)
    config = ClicksConfig(clicks=arguments.clicks, max_objects=arguments.max_objects)
    scores = evaluate_clicks(segmenter, pairs, config)
    summary = summarise(scores)
    print(markdown(summary))
    if arguments.json:
        means = {"non_photo": mean_over_sources(summary, PHOTO_SOURCES)}
        arguments.json.write_text(json.dumps({"sources": summary, "means": means}, indent=1))


if __name__ == "__main__":
    main()
