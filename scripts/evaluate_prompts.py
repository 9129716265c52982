"""Measure every kind of prompt of the Segment widget on a validation split: mean IoU of the mask that is shown.

    python scripts/evaluate_prompts.py --data DATA --model sam_lite --max-images 5

Outlines are the truth's, of ten corners, each moved at random by 6% of the object's size; scribbles run along the inner
half of an object. What is asked is what the widget asks. Prints a Markdown table; data sets count the same, photos are
apart.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from napari_sam import Predictor, load_model
from napari_sam.evaluation.clicks import ClicksConfig, choose_objects, iou
from napari_sam.geometry.clicks import interior_point, largest_error_click, mask_to_box
from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.gui.compute.asking import Recent, ask
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.prompting.shapes import area_of, scribble_points
from napari_sam.io.pairs import find_pairs
from napari_sam.training.data import PHOTO_SOURCES
from napari_sam.types import Prompts

Mask = NDArray[np.bool_]
Asked = Callable[[ObjectPrompts], Mask]


def rough_outline(truth: Mask, rng: np.random.Generator) -> PlaneMask | None:
    """Return what a hasty person draws around an object."""
    contour = max(find_contours(np.pad(truth, 1).astype(float), 0.5), key=len) - 1
    corners = contour[np.linspace(0, len(contour) - 1, 10, endpoint=False).astype(int)]
    return area_of("polygon", corners + rng.normal(0, 0.06 * np.sqrt(truth.sum()), corners.shape), truth.shape)


def stroke(truth: Mask, count: int) -> NDArray[np.float64]:
    """Return points along an object, within its inner half."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
    pixels = np.argwhere(depth >= 0.5 * depth.max()).astype(float)
    axis = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][0]
    along = np.sort(pixels @ axis)
    ordered = pixels[np.argsort(pixels @ axis)]
    return scribble_points(ordered[[0, len(ordered) // 2, -1]], max((along[-1] - along[0]) / (count - 1), 1e-3))


def kinds(truth: Mask, show: Asked, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Yield the IoU that each kind of prompt gives for one object."""
    points, labels = [interior_point(truth)], [1]
    for count in range(1, 6):
        for pieces in (False, True):
            shown = show(ObjectPrompts(Prompts(points, labels), clicked_only=pieces))
            yield f"{count} click(s)" + (", only clicked pieces" if pieces else ""), iou(shown, truth)
        point, label = largest_error_click(shown, truth)
        points, labels = [*points, point], [*labels, label]
    yield "box", iou(show(ObjectPrompts(Prompts(box_yxyx=mask_to_box(truth)))), truth)
    for count in (3, 5):
        yield f"scribble of {count}", iou(show(ObjectPrompts(Prompts(stroke(truth, count)), clicked_only=True)), truth)
    rough = rough_outline(truth, rng)
    if rough is not None:
        yield "rough outline itself", iou(rough.within(truth.shape), truth)
        yield "its box alone", iou(show(ObjectPrompts(Prompts(box_yxyx=rough.bounds))), truth)
        yield "outline", iou(show(ObjectPrompts(Prompts(box_yxyx=rough.bounds), rough)), truth)
    first = show(ObjectPrompts(Prompts(points[:1])))
    known = trimmed(PlaneMask((0, 0), first))
    if known is not None:
        point, label = largest_error_click(first, truth)
        yield "opened object and 1 click", iou(show(ObjectPrompts(Prompts([point], [label]), known, 1)), truth)


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--max-objects", type=int, default=3, help="objects per image")
    parser.add_argument("--max-images", type=int, default=5, help="images per source")
    arguments = parser.parse_args()
    predictor = Predictor(load_model(arguments.model))
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    images: dict[str, int] = defaultdict(int)
    for number, pair in enumerate(find_pairs(arguments.data, arguments.split)):
        images[pair.source] += 1
        if images[pair.source] > arguments.max_images:
            continue
        image, labels = pair.load()
        embedding: Any = predictor.encode(image)
        recent = Recent()

        def show(one: ObjectPrompts, embedding: Any = embedding, recent: Recent = recent) -> Mask:
            (answer,) = ask(predictor, embedding, [one], None, lambda: False, recent=recent)
            return np.asarray(answer.prediction.masks[answer.first])

        for index in choose_objects(labels, ClicksConfig(max_objects=arguments.max_objects)):
            for kind, value in kinds(labels == index, show, np.random.default_rng(number)):
                found[kind][pair.source].append(value)
    print("| prompt | data sets | photos |\n|---|---|---|")
    for kind, by_source in found.items():
        means = {source: float(np.mean(values)) for source, values in by_source.items()}
        groups = [[means[one] for one in means if (one in PHOTO_SOURCES) == photos] for photos in (False, True)]
        print(f"| {kind} | " + " | ".join(f"{np.mean(group):.3f}" if group else "" for group in groups) + " |")


if __name__ == "__main__":
    main()
