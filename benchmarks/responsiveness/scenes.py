"""What is done in the window, and what is measured meanwhile. Each scene runs in a process of its own."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt

from benchmarks.responsiveness.desk import ClickTimes, Desk
from benchmarks.responsiveness.memory import resident_mb
from benchmarks.responsiveness.options import Options
from benchmarks.responsiveness.pictures import (
    LIMITS,
    LazyStack,
    Position,
    dask_stack,
    large_objects,
    plane,
    small_objects,
    zarr_stack,
)
from benchmarks.responsiveness.probe import TimedApplication, run_until

Report = dict[str, Any]
SMALL, LARGE = "small", "large"


def _desk() -> Desk:
    app = TimedApplication(sys.argv[:1])
    app.setApplicationName("responsiveness")
    return Desk(app)


def loop(options: Options) -> Report:
    """Watch the event loop while the widget opens, encodes, predicts, commits, undoes."""
    desk = _desk()
    heart = desk.heart
    desk.viewer.add_image(plane(0, options.size), contrast_limits=LIMITS)
    desk.idle(0.5)
    heart.enter("napari idle")
    desk.idle(1.0)
    heart.enter("open the widget")
    run_until(lambda: True, 1, desk.open_widget)
    heart.enter("import torch, load the model, encode")
    desk.do(lambda: None)
    desk.watch_proposal()
    heart.enter(None)
    desk.idle(0.5)
    for number in range(options.encodings):
        heart.enter("encode")
        desk.do(lambda number=number: _change_contrast(desk, number))
        heart.enter(None)
        desk.idle(0.5)
    clicks = _work(desk, options)
    report = {
        "phases": {name: beats.summary() for name, beats in heart.phases.items()},
        "clicks": clicks,
        "garbage_ms": [1000 * pause for pause in sorted(heart.collections.pauses)[-3:]],
        "baselines": _baselines(desk, options),
    }
    desk.close()
    return report


def _change_contrast(desk: Desk, number: int) -> None:
    desk.viewer.layers[0].contrast_limits = (LIMITS[0], LIMITS[1] - 1 - number)


def _work(desk: Desk, options: Options) -> Report:
    """Click, cycle, commit object after object; then take all back and do it again."""
    small = small_objects(0, options.size)[: options.clicks]
    large = [_beside(middle, number) for number in range(options.clicks // 2) for middle in large_objects(options.size)]
    times = {SMALL: [_object(desk, *position, True) for position in small]}
    times[LARGE] = [_object(desk, *position, number < 2) for number, position in enumerate(large[: options.clicks])]
    for phase, key in (("undo", Qt.Key.Key_U), ("redo", Qt.Key.Key_J)):
        for _ in range(4 * options.clicks):
            desk.heart.enter(phase)
            desk.do(lambda key=key: desk.press(key))
            desk.heart.enter(None)
    return {kind: _click_report(found) for kind, found in times.items()}


def _beside(middle: Position, number: int) -> Position:
    """Return another pixel of the same large object, so that no answer is a repetition."""
    return middle[0] + 5 * number, middle[1] - 3 * number


def _object(desk: Desk, row: int, column: int, commit: bool) -> tuple[ClickTimes, bool]:
    heart = desk.heart
    heart.enter("predict")
    times = desk.timed_click(row, column)
    heart.enter(None)
    hit = desk.mask_at(row, column)
    heart.enter("cycle candidates")
    for _ in range(2):
        desk.do(lambda: desk.press(Qt.Key.Key_N))
    heart.enter("commit" if commit else "clear")
    desk.do(lambda: desk.press(Qt.Key.Key_G if commit else Qt.Key.Key_K))
    heart.enter(None)
    desk.idle(0.05)
    return times, hit


def _click_report(found: Sequence[tuple[ClickTimes, bool]]) -> Report:
    return {
        "to_layer_ms": _ms([times.to_layer for times, _ in found]),
        "to_screen_ms": _ms([times.to_screen for times, _ in found]),
        "to_final_ms": _ms([times.to_final for times, _ in found]),
        "hits": sum(hit for _, hit in found),
        "clicks": len(found),
    }


def _ms(seconds: list[float]) -> Report:
    values = [1000 * second for second in seconds]
    return {"p50": statistics.median(values), "p90": float(np.percentile(values, 90)), "max": max(values)}


def _baselines(desk: Desk, options: Options) -> Report:
    """Do the same work the simple way: in the Qt thread, and on the whole plane."""
    from napari_sam.predict.load import load_model
    from napari_sam.predict.predictor import Predictor
    from napari_sam.types import Prompts

    predictor = Predictor(load_model())
    image = np.asarray(desk.viewer.layers[0].data)
    proposal = desk.layer("proposal")
    mask = np.zeros(image.shape, np.uint16)
    row, column = small_objects(0, options.size)[0]
    mask[row - 40 : row + 40, column - 40 : column + 40] = 1
    embedding = predictor.encode(image, limits=LIMITS)

    def rewrite() -> None:
        proposal.data[...] = mask
        proposal.refresh(extent=False)

    steps: dict[str, Callable[[], object]] = {
        "encode in the Qt thread": lambda: predictor.encode(image, limits=LIMITS),
        "predict in the Qt thread": lambda: predictor.predict(embedding, Prompts([(row, column)])),
        "write and draw the whole plane": rewrite,
    }
    for name, step in steps.items():
        for _ in range(options.encodings):
            desk.heart.enter(name)
            run_until(lambda: True, 30, step)
            desk.heart.enter(None)
            desk.idle(0.2)
    return {name: desk.heart.phases[name].summary() for name in steps}


def stack(options: Options) -> Report:
    """Time from opening a lazy stack to the first mask: before torch is imported, and after."""
    desk = _desk()
    middle = (options.planes - 1) // 2  # where napari opens it
    with tempfile.TemporaryDirectory() as folder:
        on_disk = zarr_stack(Path(folder), options.planes, options.size, middle)
        report = {
            "gigabytes": float(np.prod(on_disk.shape) * 2 / 1e9),
            "torch_was_imported": "torch" in sys.modules,
            "cold_dask_s": _first_mask(desk, dask_stack(options.planes, options.size)),
        }
        report["scroll"] = _scroll(desk, middle, options)
        desk.viewer.layers.clear()
        desk.idle(0.5)
        report["warm_zarr_s"] = _first_mask(desk, on_disk)
        desk.viewer.layers.clear()
        desk.idle(0.5)
        report["warm_dask_s"] = _first_mask(desk, dask_stack(options.planes, options.size))
        report["resident_mb"] = resident_mb()
        desk.close()
    return report


def _first_mask(desk: Desk, data: Any) -> Report:
    """Open a stack and click a large object in it as soon as it is drawn; return the seconds to each step."""
    row, column = large_objects(data.shape[1])[0]
    began = time.perf_counter()
    steps = {}

    def open_stack() -> None:
        desk.viewer.add_image(data, contrast_limits=LIMITS)
        steps["image"] = time.perf_counter() - began
        if desk.widget is None:
            desk.open_widget()

    run_until(lambda: desk.widget is not None and desk.has("points") and desk.has("proposal"), 60, open_stack)
    desk.idle(0.05)  # the window has been drawn
    desk.watch_proposal()
    steps["ready_for_the_click"] = time.perf_counter() - began
    desk.timed_click(row, column)
    steps["mask_on_screen"] = desk.painted_at - began
    steps["hit"] = float(desk.mask_at(row, column))
    return steps


def _scroll(desk: Desk, middle: int, options: Options) -> Report:
    """Move through the stack: the event loop's pauses with our layers in it, and without."""
    ours = [desk.layer(role) for role in ("points", "boxes", "proposal", "objects")]
    for phase, visible in (("scroll, with the widget's layers", True), ("scroll, without them", False)):
        for layer in ours:
            layer.visible = visible
        desk.idle(0.3)
        for step in range(min(12, options.planes // 3)):
            desk.heart.enter(phase)
            run_until(lambda: True, 10, lambda step=step: desk.viewer.dims.set_current_step(0, middle - step))
            desk.idle(0.02)
            desk.heart.enter(None)
    for layer in ours:
        layer.visible = True
    desk.viewer.dims.set_current_step(0, middle)
    desk.do(lambda: None)
    return {name: beats.summary() for name, beats in desk.heart.phases.items()}


def memory(options: Options) -> Report:
    """Visit slice after slice, click in each: what the process keeps."""
    desk = _desk()
    side = min(options.size, 1024)
    desk.viewer.add_image(LazyStack(options.visits + 1, side), contrast_limits=LIMITS)
    desk.do(desk.open_widget)
    embeddings = desk.limit_embeddings(options.embedding_mb * 2**20)
    found = []
    for z in range(options.visits + 1):
        desk.do(lambda z=z: desk.viewer.dims.set_current_step(0, z))
        if z % 4 == 0:
            row, column = small_objects(z, side)[0]
            desk.do(lambda at=(z, row, column): desk.layer("points").add(list(at)))
        if z % max(options.visits // 10, 1) == 0:
            found.append({"visited": z, "resident_mb": resident_mb(), "embeddings_mb": embeddings() / 2**20})
    report = {"side": side, "budget_mb": options.embedding_mb, "visits": found}
    desk.close()
    return report


SCENES: dict[str, Callable[[Options], Report]] = {"loop": loop, "stack": stack, "memory": memory}
