"""Memory and reading for planes far larger than memory: everything but the network, which costs the same per tile.

``python -m benchmarks.large_planes [--sides 4096 8192 16384]``: each plane in a process of its own. The plane is a
disk in every cell of 200 x 200 pixels, made as it is read; a threshold takes the place of the network, so that the
number of objects is known. "Memory" is the highest anonymous memory of the process beyond what it had at the start;
labels from 1 GiB on lie in a temporary file, whose pages the system may drop. With ``--model NAME`` the model segments
the plane instead (slow), and memory includes it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic import plane as plane_module
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.models import predictor_for
from napari_sam.automatic.plane import segment_plane
from napari_sam.geometry.rle import compress, patch_to_counts
from napari_sam.io.array_source import array_source
from napari_sam.types import MaskRecord

CELL = 200
RADIUS = 40
JITTER = 59  # disks keep to their cells


class Slide:
    """A lazy plane of 16 bits."""

    dtype = np.dtype(np.uint16)

    def __init__(self, side: int) -> None:
        self.shape = (side, side)
        self.pixels_read = 0

    def __getitem__(self, window: tuple[slice, slice]) -> NDArray[np.uint16]:
        rows, columns = (np.arange(part.start, part.stop)[:, None] for part in window)
        self.pixels_read += rows.size * columns.size
        cell = rows // CELL, columns.T // CELL
        noise = (cell[0] * 7919 + cell[1] * 104729) % 10007
        y = rows % CELL - CELL // 2 - noise % JITTER + JITTER // 2
        x = columns.T % CELL - CELL // 2 - noise // JITTER % JITTER + JITTER // 2
        return np.where(y * y + x * x <= RADIUS**2, 3000 + noise % 1000, 100).astype(np.uint16)


class Threshold:
    """Takes the place of the generator: bright and connected is an object."""

    def __init__(self, *_: Any) -> None:
        """Nothing to remember."""

    def generate(self, image: NDArray[Any], **_: Any) -> list[MaskRecord]:
        """Return a record of each bright piece."""
        hw = (image.shape[0], image.shape[1])
        numbers, _ = ndimage.label(image > 1000)
        records = []
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1):
            mask = numbers[rows, columns] == number
            records.append(
                MaskRecord(
                    rle=compress(patch_to_counts(mask, (rows.start, columns.start), hw), hw),
                    bbox=(columns.start, rows.start, columns.stop - columns.start - 1, rows.stop - rows.start - 1),
                    area=int(mask.sum()),
                    predicted_iou=0.9,
                    point_coords=((float(columns.start), float(rows.start)),),
                    stability_score=0.95,
                    crop_box=(0, 0, hw[1], hw[0]),
                )
            )
        return records


class Memory:
    """Watches the anonymous memory of this process, in MiB."""

    def __init__(self) -> None:
        self.start = self.highest = _anonymous()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self.highest = max(self.highest, _anonymous())
            time.sleep(0.02)


def _anonymous() -> float:
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def measure(side: int, model: str | None) -> str:
    """Segment one plane, and return a row of the table."""
    values: dict[str, Any] = {"points_per_side": 8} if model else {}
    job = AutomaticJob().with_values(values)
    memory, started = Memory(), time.process_time()
    predictor: Any = None
    if model:
        predictor = predictor_for(AutomaticJob().with_values({"model": model}).model)
    else:
        plane_module.AutomaticMaskGenerator = Threshold  # type: ignore[misc,assignment]
    slide = Slide(side)
    found = segment_plane(predictor, array_source(slide, "YX"), (), job)
    seconds = time.process_time() - started
    whole = side // CELL
    parts = [
        f"{side} x {side}",
        f"{2 * side * side >> 20:,} MiB",
        f"{slide.pixels_read / side**2:.2f}",
        f"{len(found.rows):,}",
        f"{whole * whole:,}",
        f"{memory.highest - memory.start:,.0f} MiB",
        f"{seconds:.0f} s",
    ]
    return "|" + "|".join(parts) + "|"


def main() -> None:
    """Measure planes of several sizes, each in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="+", type=int, default=[4096, 8192, 16384])
    parser.add_argument("--model", help="segment with this model and 64 points per tile")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(measure(arguments.sides[0], arguments.model))
        return
    print("|Plane|Data|Pixels read|Objects found|Whole cells|Memory|CPU|\n|---|---|---|---|---|---|---|", flush=True)
    for side in arguments.sides:
        options = ["--sides", str(side), "--here", *(["--model", arguments.model] if arguments.model else [])]
        subprocess.run([sys.executable, "-m", "benchmarks.large_planes", *options], check=True)


if __name__ == "__main__":
    main()
