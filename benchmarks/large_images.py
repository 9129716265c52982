"""Single clicks in images far larger than the model's input: windows, the whole image shrunk, or a fixed crop.

``python -m benchmarks.large_images [--data FOLDER]``: annotated images, SOURCE/NAME_img.png and SOURCE/NAME_lab.png.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_sam.geometry.clicks import interior_point
from napari_sam.gui.compute.asking import ask
from napari_sam.gui.compute.candidates import Candidates
from napari_sam.gui.compute.engine import Engine, load_predictor
from napari_sam.gui.compute.jobs import ModelChoice, SegmentJob
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.qt.worker import Token
from napari_sam.gui.view.planes import Plane
from napari_sam.gui.view.reading import PlaneReader
from napari_sam.io.pairs import find_pairs
from napari_sam.predict.predictor import Predictor
from napari_sam.training.data import load_rgb
from napari_sam.types import Prompts

SIDE = 8192
SIZES = (12, 25, 50, 100, 200, 400, 800, 1600, 3200, 6000)
EDGES = (0, 16, 32, 64, 128, 256, 512, 1024, 2048, 100_000)
CROP = 1024
CANVAS = 900


@dataclass(frozen=True)
class Case:
    """One object: where it lies in its image."""

    label: int
    bounds: tuple[slice, slice]

    @property
    def size(self) -> int:
        """Longer side of the bounding box."""
        return max(part.stop - part.start for part in self.bounds)


@dataclass
class Scene:
    """A large image with its objects."""

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    cases: list[Case]


@dataclass
class Row:
    """What one policy gave for objects of one size class."""

    shown: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    encodes: int = 0
    seconds: float = 0.0


class Counting:
    """A predictor that counts its encodings."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.encodes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def encode(self, image: Any, **kwargs: Any) -> Any:
        """Encode and count."""
        self.encodes += 1
        return self._predictor.encode(image, **kwargs)


def drawn_scene(rng: np.random.Generator, sizes: tuple[int, ...], name: str) -> Scene:
    """Draw textured blobs of given sizes on a noisy background, none touching another."""
    image = rng.normal(90, 12, (SIDE, SIDE)).astype(np.float32)
    image += ndimage.zoom(rng.normal(0, 14, (33, 33)), SIDE / 33, order=1)[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.int32)
    for size in sorted(sizes, reverse=True):
        for _ in range(200):
            top, left = rng.integers(8, SIDE - size - 8, 2)
            if not labels[top - 8 : top + size + 8, left - 8 : left + size + 8].any():
                break
        else:
            continue
        _draw(rng, image, labels, int(top), int(left), size)
    return _scene(name, np.clip(image, 0, 255).astype(np.uint8), labels, rng, per_class=100)


def _draw(
    rng: np.random.Generator, image: NDArray[np.float32], labels: NDArray[np.int32], top: int, left: int, size: int
) -> None:
    rows, columns = np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle = np.arctan2(rows, columns)
    radius = 0.8 + 0.12 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.08 * np.sin(5 * angle + rng.uniform(0, 6))
    inside = np.hypot(rows, columns * rng.uniform(1, 1.6)) < radius
    value = rng.choice([35, 160, 190])
    texture = ndimage.zoom(rng.normal(0, 8, (9, 9)), size / 9, order=1)
    texture = np.pad(texture, ((0, max(0, size - len(texture))),) * 2, mode="edge")[:size, :size]
    where = (slice(top, top + size), slice(left, left + size))
    noise = rng.normal(0, 8, (size, size))
    image[where] = np.where(inside, value + texture + noise, image[where])
    labels[where][inside] = labels.max() + 1


def mosaic(folder: Path, zoom: int, rng: np.random.Generator, per_class: int) -> Scene:
    """Put validation images, enlarged, side by side until a large square is full."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    labels = np.zeros((SIDE, SIDE), np.int32)
    top = left = shelf = 0
    pairs = find_pairs(folder, "val")
    for pair in [pairs[i] for i in rng.permutation(len(pairs))]:
        pixels, truth = load_rgb(pair)
        size = (pixels.shape[1] * zoom, pixels.shape[0] * zoom)
        if left + size[0] > SIDE:
            top, left, shelf = top + shelf, 0, 0
        if top + size[1] > SIDE or left + size[0] > SIDE:
            continue
        where = (slice(top, top + size[1]), slice(left, left + size[0]))
        image[where] = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        large = np.asarray(Image.fromarray(truth).resize(size, Image.Resampling.NEAREST))
        labels[where] = np.where(large > 0, large + labels.max(), 0)
        left, shelf = left + size[0], max(shelf, size[1])
    return _scene(f"photos and micrographs, x {zoom}", image, labels, rng, per_class)


def _scene(
    name: str, image: NDArray[np.uint8], labels: NDArray[np.int32], rng: np.random.Generator, per_class: int
) -> Scene:
    found = ndimage.find_objects(labels)
    cases = [Case(label, bounds) for label, bounds in enumerate(found, 1) if bounds is not None]
    cases = [case for case in cases if (labels[case.bounds] == case.label).sum() >= 40]
    chosen: list[Case] = []
    for low, high in pairwise(EDGES):
        group = [case for case in cases if low <= case.size < high]
        chosen += [group[i] for i in rng.permutation(len(group))[:per_class]]
    return Scene(name, image, labels, chosen)


Policy = Callable[[Scene, Case, tuple[int, int]], Candidates]


def windows_policy(predictor: Counting, zoom: float) -> Policy:
    """Return what the widget does, for a user who sees the object at ``zoom`` times its size."""
    engine = Engine(lambda choice, warn: predictor, lambda text: None, lambda text: None)

    def click(scene: Scene, case: Case, at: tuple[int, int]) -> Candidates:
        plane = Plane((0, 1), (), scene.labels.shape)
        view = _view(case, at, zoom)
        prompts = (ObjectPrompts(Prompts([at], [1])),)
        job = SegmentJob(
            ModelChoice(), id(scene), plane, None, PlaneReader([scene.image], plane), prompts, view_yx=view
        )
        return engine.run(job, Token()).objects[0]

    return click


def _view(case: Case, at: tuple[int, int], zoom: float) -> tuple[int, int, int, int]:
    side = int(np.clip(case.size * zoom, CANVAS / 4, SIDE))
    top, left = (int(np.clip(x - side / 2, 0, SIDE - side)) for x in at)
    return top, left, top + side, left + side


def whole_policy(predictor: Counting) -> Policy:
    """Return the policy that shrinks the whole image into the model's square."""
    known: dict[int, Any] = {}

    def click(scene: Scene, case: Case, at: tuple[int, int]) -> Candidates:
        if id(scene) not in known:
            known.clear()
            known[id(scene)] = predictor.encode(scene.image)
        return ask(predictor, known[id(scene)], (ObjectPrompts(Prompts([at], [1])),), None, lambda: False)[0]

    return click


def crop_policy(predictor: Counting) -> Policy:
    """Return the policy that cuts out a square of the model's size around every click."""

    def click(scene: Scene, case: Case, at: tuple[int, int]) -> Candidates:
        top, left = (int(np.clip(x - CROP / 2, 0, SIDE - CROP)) for x in at)
        embedding = predictor.encode(scene.image[top : top + CROP, left : left + CROP])
        prompts = ObjectPrompts(Prompts([(at[0] - top, at[1] - left)], [1]))
        (found,) = ask(predictor, embedding, (prompts,), None, lambda: False)
        return Candidates(found.prediction, found.first, (top, left))

    return click


def iou(truth: NDArray[np.bool_], area: int, mask: NDArray[np.bool_], offset: tuple[int, int]) -> float:
    """Return the IoU of a mask with a truth that covers the part of the plane the mask lies in."""
    part = truth[offset[0] : offset[0] + mask.shape[0], offset[1] : offset[1] + mask.shape[1]]
    both = int((mask & part).sum())
    return both / (int(mask.sum()) + area - both)


def run(scene: Scene, policy: Policy, predictor: Counting) -> Iterator[tuple[Case, list[float], int, int, float]]:
    """Yield, for every object, the IoU of all masks, which is shown, encodings and seconds."""
    for case in scene.cases:
        truth = scene.labels == case.label
        top, left = (part.start for part in case.bounds)
        row, column = interior_point(truth[case.bounds])
        before, start = predictor.encodes, time.process_time()
        found = policy(scene, case, (row + top, column + left))
        seconds = time.process_time() - start
        scores = [iou(truth, int(truth.sum()), mask, found.top_left) for mask in found.prediction.masks]
        yield case, scores, found.first, predictor.encodes - before, seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of annotated images")
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--per-class", type=int, default=8, help="annotated objects per size class and image")
    parser.add_argument("--zooms", type=float, nargs="+", default=[8.0])
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    predictor = Counting(load_predictor(ModelChoice(options.model), print))
    scenes = [drawn_scene(rng, SIZES[:8] * 4, "drawn, small to middling")]
    scenes += [drawn_scene(rng, (size,), f"drawn, {size} px") for size in SIZES[8:]]
    if options.data is not None:
        scenes += [mosaic(options.data, zoom, rng, options.per_class) for zoom in (1, 4)]
    policies = {f"windows, view {zoom:g} x object": windows_policy(predictor, zoom) for zoom in options.zooms}
    policies |= {"whole image": whole_policy(predictor), "crop of 1024": crop_policy(predictor)}
    print("| images | policy | " + " | ".join(f"< {edge}" for edge in EDGES[1:-1]) + " | larger | encodings | CPU s |")
    print("|" + " --- |" * (len(EDGES) + 3))
    for group in ("drawn", "photos"):
        for name, policy in policies.items():
            rows: dict[int, Row] = {}
            for scene in (scene for scene in scenes if scene.name.startswith(group)):
                for case, scores, first, encodes, seconds in run(scene, policy, predictor):
                    row = rows.setdefault(next(edge for edge in EDGES if case.size < edge), Row())
                    row.shown.append(scores[first])
                    row.best.append(max(scores))
                    row.encodes += encodes
                    row.seconds += seconds
            if rows:
                print(_line(group, name, rows), flush=True)
    return 0


def _line(group: str, name: str, rows: dict[int, Row]) -> str:
    found = [rows.get(edge) for edge in EDGES[1:]]
    cells = ["" if row is None else f"{np.mean(row.shown):.2f} / {np.mean(row.best):.2f}" for row in found]
    clicks = sum(len(row.shown) for row in rows.values())
    encodes = sum(row.encodes for row in rows.values()) / clicks
    seconds = sum(row.seconds for row in rows.values()) / clicks
    return f"| {group} | {name} | " + " | ".join(cells) + f" | {encodes:.2f} | {seconds:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
