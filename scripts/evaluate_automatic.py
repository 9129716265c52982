"""Measure "segment everything" on a validation split, beside Otsu's threshold with a watershed on the same images.

    python scripts/evaluate_automatic.py --data DATA --json scores.json
    python scripts/evaluate_automatic.py --data DATA --presets many-small --sources ampis_powder --max-images 4

Every preset is measured on every image; the table shows the best one of each source. The classical method is given
every help: for each source, the polarity (bright or dark objects), the smoothing, the distance between seeds and the
smallest area that do best on up to six *training* images of that source. F1 and accuracy (AP) at an IoU of 0.5 over
all objects of a source, mSA by image.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.models import predictor_for
from napari_sam.automatic.presets import PRESETS, apply_preset
from napari_sam.automatic.stack import segment_stack
from napari_sam.evaluation.instances import evaluate_instances, image_entry, summarise_instances
from napari_sam.io.images import read_image
from napari_sam.io.pairs import ImagePair, find_pairs

TUNING_IMAGES = 6
SPARSE_SOURCES = frozenset({"coco_ccby", "coco_mval_ccby", "colicoords_brightfield"})
"""Sources in which not every object is labelled: what is found beside the labels would count as wrong."""


@dataclass(frozen=True)
class Watershed:
    """Otsu's threshold, then a watershed of the distance to the border from its maxima."""

    dark: bool
    sigma: float
    distance: int
    min_area: int

    def __call__(self, pair: ImagePair) -> NDArray[np.int32]:
        """Labels of an image, shape (H, W)."""
        from skimage.feature import peak_local_max
        from skimage.filters import threshold_otsu
        from skimage.segmentation import watershed

        image = read_image(pair.image_path).astype(np.float64)
        grey = ndimage.gaussian_filter(image.mean(axis=2) if image.ndim == 3 else image, self.sigma)
        if grey.min() == grey.max():
            return np.zeros(grey.shape, np.int32)
        level = threshold_otsu(grey)
        objects = ndimage.binary_fill_holes(grey < level if self.dark else grey > level)
        depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(objects), 1.0)
        components = ndimage.label(objects)[0]
        peaks = peak_local_max(depth, min_distance=self.distance, labels=components, exclude_border=False)
        seeds = np.zeros(grey.shape, np.int32)
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        labels: NDArray[np.int32] = watershed(-depth, seeds, mask=objects)
        small = np.bincount(labels.ravel()) < self.min_area
        labels[small[labels]] = 0
        return labels


SETTINGS = [Watershed(*values) for values in product((False, True), (1.0, 2.0), (3, 5, 8, 12, 18), (10, 50))]


def best_watershed(training: Sequence[ImagePair]) -> Watershed:
    """Choose the settings with the highest F1 on training images."""
    return max(SETTINGS, key=lambda method: _summary(training, method)["pooled"][0]["f1"])


def _summary(pairs: Sequence[ImagePair], segment: Callable[[ImagePair], NDArray[Any]]) -> dict[str, Any]:
    images = evaluate_instances(pairs, segment, (0.5, 0.75))
    (figures,) = summarise_instances(images).values()
    return {**figures, "scores": [image_entry(image) for image in images]}


def spread(pairs: Sequence[ImagePair], most: int) -> list[ImagePair]:
    """At most so many of the pairs, evenly from first to last."""
    step = max(1, -(-len(pairs) // most)) if most else 1
    return list(pairs)[::step]


def by_source(pairs: Sequence[ImagePair]) -> dict[str, list[ImagePair]]:
    """Pairs of each source."""
    found: dict[str, list[ImagePair]] = {}
    for pair in pairs:
        found.setdefault(pair.source, []).append(pair)
    return found


def measure(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (source, {"presets": {name: figures}, "watershed": figures}), source after source."""
    base = AutomaticJob().with_values({"model": arguments.model, "mode": arguments.mode})
    jobs = {name: apply_preset(base, name) for name in arguments.presets}
    predictor = predictor_for(base.model)
    training = by_source(find_pairs(arguments.data, "train"))
    for source, pairs in by_source(find_pairs(arguments.data, arguments.split)).items():
        if source in SPARSE_SOURCES or (arguments.sources and source not in arguments.sources):
            continue
        chosen = spread(pairs, arguments.max_images)
        method = best_watershed(spread(training.get(source, pairs), TUNING_IMAGES))
        found: dict[str, Any] = {"watershed": {**_summary(chosen, method), "settings": repr(method)}, "presets": {}}
        for name, job in jobs.items():
            segment = partial(_segment, job=job, predictor=predictor)
            found["presets"][name] = _summary(chosen, segment)
            print(f"<!-- {source}, {name}: F1 {found['presets'][name]['pooled'][0]['f1']:.3f} -->", flush=True)
        yield source, found


def _segment(pair: ImagePair, job: AutomaticJob, predictor: Any) -> NDArray[Any]:
    labels: NDArray[Any] = segment_stack(pair.image_path, job, predictor=predictor)
    return labels


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """Table of the sources: the best preset, and the watershed."""
    lines = [
        "| source | images | objects | preset | F1 | AP | mSA | watershed F1 | AP | mSA |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for source, found in results.items():
        preset = max(found["presets"], key=lambda name: found["presets"][name]["pooled"][0]["f1"])
        ours, theirs = found["presets"][preset], found["watershed"]
        figures = [
            value
            for one in (ours, theirs)
            for value in (one["pooled"][0]["f1"], one["pooled"][0]["accuracy"], one["msa"])
        ]
        cells = [source, str(ours["images"]), str(ours["objects"]), preset, *(f"{value:.3f}" for value in figures)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--mode", default="exact", choices=["exact", "fast"])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--sources", nargs="+", default=[], help="only these (all that are labelled whole)")
    parser.add_argument("--max-images", type=int, default=0, help="images per source (0: all)")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {}
    for source, found in measure(arguments):
        results[source] = found
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    print(markdown(results))


if __name__ == "__main__":
    main()
