"""Measure what fast mode saves and what it misses, on a validation split, beside a grid with half the points per side.

    python scripts/evaluate_fast.py --data DATA --model sam_lite --max-images 2

Each image is asked once, with the exact grid; fast mode is then replayed from the answers, so the points it asks and
the masks it finds are its own. *Found*: part of the exact mode's masks that overlap one of the other mode's with an
IoU of at least 0.5 and 0.9. Recall and F1 (IoU 0.5) are those of the labels against the truth. With ``--time`` fast
mode is also run by itself, for the ratio of CPU times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.decoding import Floors, Place
from napari_sam.automatic.fast import coarse_to_fine
from napari_sam.automatic.generator import AutomaticMaskGenerator
from napari_sam.automatic.job import AutomaticJob, ModelConfig
from napari_sam.automatic.labels import records_to_labels
from napari_sam.automatic.models import predictor_for
from napari_sam.automatic.select import select
from napari_sam.evaluation.matching import Matching, matching
from napari_sam.geometry.grid import point_grid
from napari_sam.geometry.rle import rle_to_mask
from napari_sam.io.images import read_image
from napari_sam.io.pairs import ImagePair, find_pairs, read_labels
from napari_sam.model.common import Progress
from napari_sam.predict.predictor import Predictor
from napari_sam.types import MaskRecord


@dataclass(frozen=True)
class Outcome:
    """What one mode did on one image."""

    asked: int
    masks: int
    found: tuple[float, float]
    matched: Matching


def measure(answers: Candidates, sparse: Candidates, truth: NDArray[np.integer], job: AutomaticJob) -> list[Outcome]:
    """Compare exact mode, fast mode and a sparse grid.

    Parameters
    ----------
    answers, sparse : Candidates
        All answers to the grid, and to the grid of half as many points per side; floors at or below all thresholds.
    truth : ndarray of int, shape (H, W)
    job : AutomaticJob
    """
    config, points = job.automatic, job.automatic.points_per_side**2
    records = select(answers, config)
    outcomes = []
    asked, found = _replay(answers, config)
    modes = ((points, records), (asked, select(found, config)), (points // 4, select(sparse, config)))
    for count, chosen in modes:
        labels = records_to_labels(chosen, truth.shape, job.labels)
        matched = matching(truth, labels)[0]
        outcomes.append(Outcome(count, len(chosen), _found(records, chosen), matched))
    return outcomes


def _replay(answers: Candidates, config: AutomaticConfig) -> tuple[int, Candidates]:
    """Run fast mode on known answers; the number of points asked, and what was found."""
    height, width = answers.image_hw
    grid = point_grid(config.points_per_side)
    side = config.points_per_side
    column, row = np.floor(answers.points_xy / (width, height) * side).astype(np.int64).T
    point = row * side + column
    asked = 0

    def ask(chosen: NDArray[np.int64], floors: Floors, progress: Progress | None) -> Iterator[Candidates]:
        nonlocal asked
        asked += len(chosen)
        yield answers.take(np.isin(point, chosen))

    floors = Floors(answers.iou_floor, answers.stability_floor, config.stability_score_offset)
    pieces = list(coarse_to_fine(ask, grid, Place.whole(answers.image_hw), config, floors))
    return asked, Candidates.join(pieces)


def _found(expected: Sequence[MaskRecord], records: Sequence[MaskRecord]) -> tuple[float, float]:
    """Part of the expected masks that one of the records overlaps with an IoU of at least 0.5 and 0.9."""
    if not expected or not records:
        return (float(not expected),) * 2
    a, b = (np.stack([rle_to_mask(one.rle)[::2, ::2].ravel() for one in some]) for some in (expected, records))
    shared = a.astype(np.float32) @ b.T.astype(np.float32)
    best = (shared / np.maximum(a.sum(1)[:, None] + b.sum(1) - shared, 1)).max(axis=1)
    return float((best >= 0.5).mean()), float((best >= 0.9).mean())


def table(outcomes: dict[str, list[list[Outcome]]]) -> str:
    """Markdown: a row for each source, and one for all images; exact / fast / half the points per side."""
    lines = [
        "| source | masks | points asked, fast | found by fast (IoU 0.5, 0.9) | found by half the points per side "
        "| recall | F1 |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = {**outcomes, "**all**": [image for images in outcomes.values() for image in images]}
    for source, images in rows.items():
        modes = list(zip(*images, strict=True))
        asked = sum(one.asked for one in modes[1]) / sum(one.asked for one in modes[0])
        found = [np.mean([one.found for one in mode], axis=0) for mode in modes]
        matched = [_sum([one.matched for one in mode]) for mode in modes]
        cells = [
            source,
            " / ".join(str(sum(one.masks for one in mode)) for mode in modes),
            f"{asked:.0%}",
            *(f"{share[0]:.1%}, {share[1]:.1%}" for share in found[1:]),
            " / ".join(f"{one.recall:.2f}" for one in matched),
            " / ".join(f"{one.f1:.2f}" for one in matched),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _sum(matched: Sequence[Matching]) -> Matching:
    total = matched[0]
    for one in matched[1:]:
        total = total + one
    return total


def _all_answers(predictor: Predictor, config: AutomaticConfig, image: NDArray[np.generic]) -> Candidates:
    """Ask a grid, and keep what either the thresholds or fast mode need."""
    return AutomaticMaskGenerator(predictor, config).candidates(
        image,
        iou_floor=min(config.pred_iou_thresh, config.skip_iou_thresh),
        stability_floor=min(config.stability_score_thresh, config.skip_stability_thresh),
    )


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--max-images", type=int, default=2, help="images per source")
    parser.add_argument("--time", action="store_true", help="run fast mode by itself too")
    options = parser.parse_args()
    job = AutomaticJob(model=ModelConfig(options.model))
    predictor = predictor_for(job.model)
    chosen: dict[str, list[ImagePair]] = {}
    for pair in find_pairs(options.data, options.split):
        chosen.setdefault(pair.source, []).append(pair)
    outcomes: dict[str, list[list[Outcome]]] = {}
    seconds = np.zeros(2)
    config = job.automatic
    halved = replace(config, points_per_side=config.points_per_side // 2)
    for source, pairs in chosen.items():
        for pair in pairs[: options.max_images]:
            image = read_image(pair.image_path)
            start = time.process_time()
            answers = _all_answers(predictor, config, image)
            seconds[0] += time.process_time() - start
            sparse = _all_answers(predictor, halved, image)
            outcomes.setdefault(source, []).append(measure(answers, sparse, read_labels(pair.label_path), job))
            if options.time:
                start = time.process_time()
                _all_answers(predictor, replace(config, mode="fast"), image)
                seconds[1] += time.process_time() - start
    print("Exact mode / fast mode / half the points per side\n\n" + table(outcomes))
    if options.time:
        print(f"\nCPU time of fast mode: {seconds[1] / seconds[0]:.0%} of exact mode's")


if __name__ == "__main__":
    main()
