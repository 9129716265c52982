"""Measure how one object is taken through a stack, on synthetic stacks with truth: spheres, nuclei, branching tubes.

    python scripts/evaluate_propagation.py --model sam_lite --objects 4

Every object is given on its largest plane and propagated both ways. Printed per stack: the mean IoU with the truth over
all planes of the objects (0 where a plane was not reached), over the planes that were reached, and how often a walk
ended where the object does: at the plane after its last one (exactly), or at most one plane away (nearly; a walk that
ends early loses the thin cap of the object, one that goes on finds something else).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam import Predictor, load_model
from napari_sam.automatic.propagate import PropagateConfig, propagate_object
from napari_sam.predict.cache import EmbeddingCache

Volume = NDArray[np.uint8]
Truth = NDArray[np.uint16]


def spheres(dark: bool, seed: int, shape: tuple[int, int, int] = (32, 256, 256)) -> tuple[Volume, Truth]:
    """Return noisy bright or dark spheres, half as many planes high as pixels wide, that do not touch."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    signal, truth = np.full(shape, 90.0, np.float32), np.zeros(shape, np.uint16)
    for _ in range(400):
        radius = rng.uniform(10, 26)
        centre = rng.uniform((radius / 2, radius, radius), np.subtract(shape, (radius / 2, radius, radius)))
        distance = np.sqrt((2 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        if not truth[distance < radius + 3].any():
            truth[distance < radius] = truth.max() + 1
            signal[distance < radius] = rng.uniform(25, 45) if dark else rng.uniform(140, 200)
    noise = rng.normal(0, 20 if dark else 14, shape)
    return _as_uint8(ndimage.gaussian_filter(signal, (0.5, 1.2, 1.2)) + noise), truth


def nuclei(seed: int, shape: tuple[int, int, int] = (24, 256, 256), count: int = 45) -> tuple[Volume, Truth]:
    """Return textured ellipsoids with soft borders that may touch; the brightest owns a voxel."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    signal, truth = np.full(shape, 260.0, np.float32), np.zeros(shape, np.uint16)
    for number in range(1, count + 1):
        centre = rng.uniform((2, 8, 8), np.subtract(shape, (2, 8, 8)))
        radii = rng.uniform((3.0, 9.0, 9.0), (6.0, 17.0, 17.0))
        axes = [(one - at) / radius for one, at, radius in zip((z, y, x), centre, radii, strict=True)]
        distance = np.sqrt(axes[0] ** 2 + axes[1] ** 2 + axes[2] ** 2)
        waves = np.sin(y / rng.uniform(2, 4)) * np.cos(x / rng.uniform(2, 4))
        bright = rng.uniform(900, 2400) / (1 + np.exp(np.clip((distance - 1) * 9, -30, 30))) * (1 + 0.15 * waves)
        truth[(distance < 1) & (bright >= signal)] = number
        signal = np.maximum(signal, bright)
    counts = rng.poisson(signal)
    return _as_uint8(255 * (counts - 200.0) / 2600), truth


def tubes(seed: int, shape: tuple[int, int, int] = (32, 256, 256)) -> tuple[Volume, Truth]:
    """Return dark winding tubes of uneven texture that fork, in mottled surroundings."""
    rng = np.random.default_rng(seed)
    signal = 110 + 120 * ndimage.gaussian_filter(rng.normal(0, 1, shape), (1, 4, 4)).astype(np.float32)
    truth, (y, x) = np.zeros(shape, np.uint16), np.ogrid[: shape[1], : shape[2]]
    for number, (row, column) in enumerate(((60, 60), (60, 190), (190, 60), (190, 190)), start=1):
        radius, fork, (down, right) = rng.uniform(11, 18), rng.integers(10, 20), rng.normal(0, 1, 2)
        for plane in range(rng.integers(0, 4), rng.integers(24, shape[0])):
            at = row + down * plane + 4 * np.sin(plane / 5), column + right * plane + 4 * np.cos(plane / 6)
            apart, width = (2.0 * (plane - fork), 0.8 * radius) if plane >= fork else (0.0, radius)
            for sign in (-1, 1):
                disk = (y - at[0] - sign * apart) ** 2 + (x - at[1] - sign * apart / 2) ** 2 < width**2
                truth[plane][disk] = number
                signal[plane][disk] = np.broadcast_to(60 + 20 * np.sin(y / 3), disk.shape)[disk]
    return _as_uint8(ndimage.gaussian_filter(signal, (0, 1, 1)) + rng.normal(0, 12, shape)), truth


def _as_uint8(values: NDArray[np.floating]) -> Volume:
    return np.clip(values, 0, 255).astype(np.uint8)


def walks(predictor: Predictor, stack: Volume, truth: Truth, objects: int) -> Iterator[tuple[list[float], list[int]]]:
    """Yield, per object, the IoU on each of its planes, and by how many planes its two ends were missed."""
    areas = np.stack([np.bincount(plane.ravel(), minlength=truth.max() + 1) for plane in truth])
    whole = [number for number in range(1, truth.max() + 1) if np.count_nonzero(areas[:, number]) >= 6]
    for number in whole[:objects]:
        given = int(areas[:, number].argmax())
        planes = np.flatnonzero(areas[:, number])
        found = {
            step.position: step.mask.within(truth.shape[1:])
            for step in propagate_object(predictor, stack, {given: truth[given] == number}, PropagateConfig())
            if step.mask is not None
        }
        scores = []
        for plane in set(planes) - {given}:
            mask, true = found.get(int(plane), np.zeros(truth.shape[1:], bool)), truth[plane] == number
            scores.append(np.count_nonzero(mask & true) / np.count_nonzero(mask | true))
        reached = [given, *found]
        yield scores, [int(max(reached) - planes.max()), int(planes.min() - min(reached))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="sam_lite")
    parser.add_argument("--checkpoint")
    parser.add_argument("--objects", type=int, default=4, help="at most this many objects of each stack")
    chosen = parser.parse_args()
    model = load_model(None if chosen.checkpoint else chosen.model, chosen.checkpoint)
    lines = [
        "| stack | objects | IoU, all planes | IoU, reached | ends exactly | ends nearly |",
        "| --- |" + " ---: |" * 5,
    ]
    stacks = {
        "bright spheres": spheres(False, 0),
        "dark spheres": spheres(True, 5),
        "nuclei": nuclei(3),
        "forking tubes": tubes(1),
    }
    for name, (stack, truth) in stacks.items():
        predictor = Predictor(model, EmbeddingCache(2**30))  # the planes are encoded once for all objects
        results = list(walks(predictor, stack, truth, chosen.objects))
        scores = np.array([score for one, _ in results for score in one])
        ends = np.abs([end for _, both in results for end in both])
        lines.append(
            f"| {name} | {len(results)} | {scores.mean():.2f} | {scores[scores > 0].mean():.2f} "
            f"| {np.mean(ends == 0):.0%} | {np.mean(ends <= 1):.0%} |"
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
