"""Measure what refining existing labels gains: Otsu's threshold and watershed, and rough versions of these labels.

    python scripts/evaluate_refinement.py --data DATA --sources dsb2018_fluo stardist_demo --max-images 5

Rough labels are eroded by 3 pixels, dilated by 3, or replaced by their boxes. Prints a Markdown table of F1 at three
thresholds of the IoU and the mean IoU of objects matched at 0.5, before and after.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam import Predictor, load_model
from napari_sam.automatic.refine import refine_labels
from napari_sam.evaluation.matching import Matching, matching
from napari_sam.io.pairs import find_pairs
from napari_sam.training.data import load_rgb

Labels = NDArray[np.int32]
THRESHOLDS = (0.5, 0.75, 0.9)
BORDER = 3


def watershed_labels(grey: NDArray[np.float64]) -> Labels:
    """Return what Otsu's threshold and a watershed on the distance to the background find."""
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.segmentation import watershed

    smooth = gaussian(grey, 1)
    inside = ndimage.binary_opening(smooth > threshold_otsu(smooth))
    depth = ndimage.distance_transform_edt(inside)
    peaks = peak_local_max(gaussian(depth, 1), min_distance=5, labels=ndimage.label(inside)[0])
    markers = np.zeros(grey.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-depth, markers, mask=inside), np.int32)


def rough(labels: Labels, how: str) -> Labels:
    """Return labels whose objects are "eroded", "dilated" or "boxed"; nothing is done for any other word."""
    if how not in ("eroded", "dilated", "boxed"):
        return labels
    out = np.zeros_like(labels)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        window = tuple(slice(max(0, side.start - BORDER), side.stop + BORDER) for side in box)
        mask = labels[window] == number
        if how == "boxed":
            mask = np.outer(mask.any(axis=1), mask.any(axis=0))
        elif how == "dilated":
            mask = ndimage.binary_dilation(mask, iterations=BORDER)
        else:
            smaller = ndimage.binary_erosion(mask, iterations=BORDER)
            mask = smaller if smaller.any() else mask
        out[window][mask & (out[window] == 0)] = number
    return out


def row(name: str, sums: list[Matching]) -> str:
    """Return a line of the table."""
    scores = [f"{2 * one.tp / max(2 * one.tp + one.fp + one.fn, 1):.3f}" for one in sums]
    return f"| {name} | {' | '.join(scores)} | {sums[0].matched_iou / max(sums[0].tp, 1):.3f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sources", nargs="+", default=["dsb2018_fluo", "stardist_demo"])
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--max-images", type=int, default=5, help="of each source")
    chosen = parser.parse_args()
    predictor = Predictor(load_model(chosen.model))
    print("| labels | F1@0.5 | F1@0.75 | F1@0.9 | IoU of matches |\n| --- | ---: | ---: | ---: | ---: |")
    pairs = find_pairs(chosen.data, "val")
    for source in chosen.sources:
        sums: dict[str, list[Matching]] = {}
        for pair in [pair for pair in pairs if pair.source == source][: chosen.max_images]:
            rgb, truth = load_rgb(pair)
            plain = watershed_labels(rgb.mean(axis=2))
            for how in ("watershed", "eroded", "dilated", "boxed"):
                labels = rough(plain, how)
                for name, result in ((how, labels), (f"{how}, refined", refine_labels(predictor, rgb, labels))):
                    found = matching(truth, result, THRESHOLDS)
                    known = sums.get(name)
                    sums[name] = found if known is None else [a + b for a, b in zip(known, found, strict=True)]
        for name, total in sums.items():
            print(row(f"{source}: {name}", total), flush=True)


if __name__ == "__main__":
    main()
