"""What autosave costs: time in the Qt thread per edit, time in its own thread, and the size of the journal.

``python benchmarks/autosave.py [EDITS]``: typical edits (click, second click, candidate, commit of an object some 60
pixels wide) on a 2048 x 2048 image, without a viewer: the calls that the widget makes, one after the other.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_sam.gui.objects.records import ObjectRecord
from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.recovery import content, journal
from napari_sam.gui.recovery.folder import JournalFolder
from napari_sam.gui.recovery.journal import Journal
from napari_sam.gui.recovery.state import ImageIdentity, header, replay
from napari_sam.gui.view.planes import Plane
from napari_sam.io.append_log import read_log

SIDE = 2048
RADIUS = 30
PLANE = Plane((0, 1), (), (SIDE, SIDE))


def main(edits: int) -> None:
    """Run the edits and print the figures."""
    image = ImageIdentity("image", "/data/image.tif", (SIDE, SIDE), "uint16")
    layer = Labels(np.zeros((SIDE, SIDE), np.uint16))
    with tempfile.TemporaryDirectory() as folder:
        files = JournalFolder(Path(folder))
        one = Journal(files.new(), header(image, layer.data.dtype, "benchmark", time.time()), print)
        spent: list[float] = []
        layer.events.paint.connect(lambda event: spent.append(timed(one, content.painted(tuple(event.value)))))
        start = time.perf_counter()
        for step in range(edits):
            edit(one, layer, step, spent)
        submitted = time.perf_counter() - start
        one.flush()
        written = time.perf_counter() - start
        path = next(files.path.glob("*.jsonl"))
        size = path.stat().st_size
        start = time.perf_counter()
        state = replay(read_log(path).entries)
        objects = len(state.labels.ids())
        read = time.perf_counter() - start
        start = time.perf_counter()
        one.submit(lambda state: one._rewrite(state) or ())
        one.flush()
        compaction = time.perf_counter() - start
        compacted = path.stat().st_size
        one.close(discard=True)
    micro = np.array(spent) * 1e6
    print(f"{edits} edits, {len(spent)} entries, {objects} objects")
    print(f"Qt thread per entry: median {np.median(micro):.0f} us, 99 % {np.percentile(micro, 99):.0f} us")
    print(f"own thread: {written / edits * 1e3:.2f} ms per edit (all submitted after {submitted:.2f} s)")
    print(f"journal: {size / 1e3:.0f} kB, {size / edits:.0f} bytes per edit; compacted {compacted / 1e3:.0f} kB")
    print(f"compaction {compaction * 1e3:.0f} ms, reading it all {read * 1e3:.0f} ms")


def edit(one: Journal, layer: Labels, step: int, spent: list[float]) -> None:
    """Do one typical edit: every fourth is a commit."""
    at = np.array([40 + 70 * (step // 4 // 28) % 1960, 40 + 70 * (step // 4 % 28)])
    state = PromptState(points=np.array([at, at + 5.5])[: 1 + step % 2], labels=("positive",) * (1 + step % 2))
    if step % 4 < 3:
        spent.append(timed(one, content.prompts(state, "point", "push")))
        return
    rows, columns = np.nonzero(np.add.outer(*[np.arange(-RADIUS, RADIUS + 1) ** 2] * 2) <= RADIUS**2)
    layer.data_setitem((rows + at[0], columns + at[1]), step // 4 + 1, refresh=False)
    spent.append(timed(one, content.prompts(dataclasses.replace(state, points=state.points[:0], labels=()), "", "")))
    spent.append(timed(one, content.records({(step, PLANE): record(step, state)})))


def record(number: int, state: PromptState) -> ObjectRecord:
    """Return what would be known of the object."""
    mask = np.add.outer(*[np.arange(-RADIUS, RADIUS + 1) ** 2] * 2) <= RADIUS**2
    packed, shape = np.packbits(mask), mask.shape
    return ObjectRecord(number, PLANE, state, 1, 0.9, "sam_lite", None, "", (3, 4), (shape[0], shape[1]), packed)


def timed(one: Journal, make: journal.Make) -> float:
    """Hand something to the journal; return the seconds that took here."""
    start = time.perf_counter()
    one.submit(make)
    return time.perf_counter() - start


if __name__ == "__main__":
    arguments: Any = sys.argv[1:]
    main(int(arguments[0]) if arguments else 1000)
