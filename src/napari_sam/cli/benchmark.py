"""``napari-sam benchmark``: how fast a model is on this machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam import __version__
from napari_sam.cli.common import (
    CheckpointOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    check_outputs,
    describe_model,
    tell,
    write_json,
)
from napari_sam.types import Prompts

if TYPE_CHECKING:
    from napari_sam.predict.predictor import Predictor

JSON_VERSION = 1
_CLICK = (125.0, 206.0)


def benchmark(
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Runs of each step, after one to warm up.")] = 5,
    prompts: Annotated[int, typer.Option("--prompts", min=1, help="Prompts in the batch.")] = 64,
    json_file: JsonOption = None,
) -> None:
    """Time a model on this machine: loading, encoding an image, one click, a batch of clicks.

    The image is the bundled one (303 x 384); every image is resized to the model's input, so other sizes take about
    as long.
    """
    check_outputs([json_file], [checkpoint])
    from napari_sam.predict.load import load_model
    from napari_sam.predict.predictor import Predictor

    started = time.perf_counter()
    predictor = Predictor(load_model(model, checkpoint, device, precision, on_message=tell))
    steps = {"load": [time.perf_counter() - started], **_measure(predictor, repeats, prompts)}
    loaded = predictor.model
    typer.echo(f"{loaded.name} on {loaded.device}, {loaded.precision}, {_threads()} threads")
    for step, seconds in steps.items():
        typer.echo(f"{step:<24}{_readable(statistics.median(seconds)):>10}   (best {_readable(min(seconds))})")
    if json_file is not None:
        write_json(json_file, _report(describe_model(loaded), steps, repeats, prompts))


def _measure(predictor: Predictor, repeats: int, prompts: int) -> dict[str, list[float]]:
    from napari_sam.io.images import read_image
    from napari_sam.io.samples import sample_path

    image = read_image(sample_path("coins"))
    embedding = predictor.encode(image)
    click = Prompts([_CLICK])
    first = predictor.predict(embedding, click)
    again = Prompts([_CLICK, (125.0, 180.0)], [1, 0], mask_logits=first.logits[first.best])
    batch = _grid(image.shape[:2], prompts)
    return {
        "encode": _times(lambda: predictor.encode(image), repeats),
        "click": _times(lambda: predictor.predict(embedding, click), repeats),
        "second_click": _times(lambda: predictor.predict(embedding, again), repeats),
        f"{prompts}_prompts": _times(lambda: predictor.predict_many(embedding, batch), repeats),
    }


def _times(step: Callable[[], object], repeats: int) -> list[float]:
    step()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return seconds


def _grid(shape_hw: tuple[int, ...], count: int) -> list[Prompts]:
    """Spread `count` one-point prompts over the image."""
    height, width = shape_hw
    golden = 0.6180339887498949  # a low-discrepancy sequence: even for any count
    return [Prompts([((i + 0.5) / count * (height - 1), (i * golden) % 1.0 * (width - 1))]) for i in range(count)]


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _readable(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _report(model: dict[str, Any], steps: dict[str, list[float]], repeats: int, prompts: int) -> dict[str, Any]:
    import torch

    return {
        "format": "napari-sam/benchmark",
        "version": JSON_VERSION,
        "napari_sam": __version__,
        "machine": {
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "model": model,
        "repeats": repeats,
        "prompts": prompts,
        "seconds": {
            step: {"median": statistics.median(times), "min": min(times), "max": max(times)}
            for step, times in steps.items()
        },
    }
