"""``napari-sam predict``: masks for points, boxes and a mask hint on one image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam import __version__
from napari_sam.cli.arguments import build_prompts, parse_box, parse_limits, parse_plane, parse_point
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
from napari_sam.cli.mask_file import mask_logits
from napari_sam.types import Prediction, Prompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.predict.embedding import Embedding
    from napari_sam.predict.loaded import LoadedModel

JSON_VERSION = 1


@dataclass(frozen=True)
class _Request:
    """What the command line asked for, checked as far as that is possible without the image."""

    image: Path
    output: Path
    prompts: list[Prompts]
    mask: Path | None
    multimask: bool
    plane: tuple[int, ...] | None
    limits: tuple[float, float] | None
    channels: list[int] | None


@dataclass(frozen=True)
class _Result:
    """One run: what was loaded, what was predicted, and how long each step took."""

    pixels: NDArray[Any]
    model: LoadedModel
    embedding: Embedding
    prompts: list[Prompts]
    predictions: list[Prediction]
    seconds: dict[str, float]


def predict(
    image: Annotated[Path, typer.Argument(exists=True, help="TIFF, PNG or JPEG image: grey, RGB or multi-channel.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MASKS.tif", help="Masks to write: (M, H, W) uint8, 0 or 1.")
    ],
    point: Annotated[
        list[str] | None,
        typer.Option("--point", metavar="Y,X[,LABEL]", help="A click; LABEL 1 (default): on the object, 0: beside it."),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option("--box", metavar="Y0,X0,Y1,X1", help="A box. Several boxes are several objects."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            exists=True,
            dir_okay=False,
            help="A hint: a mask image of the same size, or low-resolution logits (.npy).",
        ),
    ] = None,
    multimask: Annotated[bool, typer.Option("--multimask", help="Three candidates per object, not one.")] = False,
    plane: Annotated[
        str | None,
        typer.Option("--plane", metavar="I[,J...]", help="Plane of a stack: an index for each axis before the rows."),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option("--limits", metavar="LOW,HIGH", help="Intensities shown to the model as black and white."),
    ] = None,
    channel: Annotated[
        list[int] | None, typer.Option("--channel", min=0, help="Channel to use, up to three; counted from 0.")
    ] = None,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    json_file: JsonOption = None,
) -> None:
    """Segment what the points and boxes describe in IMAGE.

    All points, with at most one box, describe one object. With several boxes there is one object per box, and each
    point belongs to the boxes that contain it. Coordinates are rows and columns in pixels, from 0 at the centre of the
    top left pixel.
    """
    prompts = build_prompts([parse_point(text) for text in point or ()], [parse_box(text) for text in box or ()])
    shown = None if limits is None else parse_limits(limits)
    chosen = None if plane is None else parse_plane(plane)
    request = _Request(image, output, prompts, mask, multimask, chosen, shown, channel or None)
    _check(request)
    check_outputs([output, json_file], [image, mask, checkpoint])

    from napari_sam.predict.load import load_model

    started = time.perf_counter()
    loaded = load_model(model, checkpoint, device, precision, on_message=tell)
    result = _run(request, loaded, time.perf_counter() - started)
    _write_masks(output, result.predictions)
    if json_file is not None:
        write_json(json_file, _report(request, result))
    _print_summary(result, output)


def _check(request: _Request) -> None:
    if not request.prompts and request.mask is None:
        raise typer.BadParameter("give at least one --point, --box or --mask: what is to be segmented?")
    if request.mask is not None and len(request.prompts) > 1:
        raise typer.BadParameter("a mask describes one object; give at most one --box with it.", param_hint="--mask")
    if request.output.suffix.lower() not in (".tif", ".tiff"):
        raise typer.BadParameter(f"{request.output} must end in .tif or .tiff.", param_hint="--output")


def _run(request: _Request, model: LoadedModel, load_s: float) -> _Result:
    from napari_sam.io.images import read_image
    from napari_sam.predict.predictor import Predictor

    predictor = Predictor(model, on_message=tell)
    pixels = read_image(request.image, request.plane)
    started = time.perf_counter()
    embedding = predictor.encode(pixels, limits=request.limits, channels=request.channels)
    encoded = time.perf_counter()
    prompts = request.prompts
    if request.mask is not None:
        prompts = [_with_mask(prompts[0] if prompts else Prompts(), mask_logits(request.mask, embedding.frame))]
    predictions = predictor.predict_many(embedding, prompts, multimask=request.multimask)
    seconds = {"load": load_s, "encode": encoded - started, "predict": time.perf_counter() - encoded}
    return _Result(pixels, model, embedding, prompts, predictions, seconds)


def _with_mask(prompts: Prompts, logits: NDArray[np.float32]) -> Prompts:
    return Prompts(prompts.points_yx, prompts.labels, prompts.box_yxyx, logits)


def _write_masks(output: Path, predictions: list[Prediction]) -> None:
    import numpy as np

    from napari_sam.io.labels import write_masks

    write_masks(output, np.concatenate([prediction.masks for prediction in predictions]))


def _print_summary(result: _Result, output: Path) -> None:
    for number, prediction in enumerate(result.predictions):
        for candidate, (mask, score) in enumerate(zip(prediction.masks, prediction.scores, strict=True)):
            typer.echo(f"object {number} candidate {candidate}: score {score:.3f}, {int(mask.sum())} pixels")
    for note in result.embedding.notes:
        tell(note)
    typer.echo(f"wrote {output}")


def _report(request: _Request, result: _Result) -> dict[str, Any]:
    """Build the JSON file; its fields are documented in docs/cli.md and only ever added to."""
    record = result.embedding.preprocessing
    files = {"image": request.image, "mask": request.mask, "output": request.output}
    return {
        "format": "napari-sam/predict",
        "version": JSON_VERSION,
        "napari_sam": __version__,
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "image": {
            "shape": list(result.pixels.shape),
            "dtype": result.pixels.dtype.name,
            "plane": None if request.plane is None else list(request.plane),
        },
        "model": describe_model(result.model),
        "preprocessing": {
            "channels": list(record.channels),
            "limits": [list(pair) for pair in record.limits],
            "limits_from": record.source,
            "notes": list(record.notes),
        },
        "seconds": {step: round(seconds, 4) for step, seconds in result.seconds.items()},
        "prompts": [_describe_prompts(prompts) for prompts in result.prompts],
        "masks": _describe_masks(result.predictions),
    }


def _describe_prompts(prompts: Prompts) -> dict[str, Any]:
    return {
        "points_yx": [] if prompts.points_yx is None else prompts.points_yx.tolist(),
        "labels": [] if prompts.labels is None else prompts.labels.tolist(),
        "box_yxyx": None if prompts.box_yxyx is None else prompts.box_yxyx.tolist(),
        "mask": prompts.mask_logits is not None,
    }


def _describe_masks(predictions: list[Prediction]) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = []
    for number, prediction in enumerate(predictions):
        for candidate, (mask, score) in enumerate(zip(prediction.masks, prediction.scores, strict=True)):
            described.append(
                {
                    "index": len(described),
                    "prompt": number,
                    "candidate": candidate,
                    "score": round(float(score), 6),
                    "area": int(mask.sum()),
                    "box_yxyx": _bounds(mask),
                }
            )
    return described


def _bounds(mask: NDArray[np.bool_]) -> list[int] | None:
    """First and last row and column of a mask; None if it is empty."""
    import numpy as np

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    return [int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])]
