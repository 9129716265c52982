"""``napari-sam evaluate``: how good a model, or the labels of any tool, is on annotated images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam.automatic.job import AutomaticJob
from napari_sam.cli.common import check_outputs, describe_model, tell
from napari_sam.cli.evaluation_report import Findings, print_tables, write_outputs
from napari_sam.cli.job import chosen_job
from napari_sam.cli.options import parameter_options
from napari_sam.cli.progress import ProgressLine, interruptible
from napari_sam.errors import NapariSamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.evaluation.each import Named
    from napari_sam.io.pairs import ImagePair
    from napari_sam.predict.predictor import Predictor

FAILED = 1
_DEFAULT_CLICKS = 5


@dataclass(frozen=True)
class _Request:
    """What the command line asked for."""

    data: Path
    predictions: Path | None
    split: str | None
    clicks: int | None
    max_objects: int
    automatic: bool
    thresholds: tuple[float, ...]
    job: AutomaticJob
    outputs: dict[str, Path | None] = field(default_factory=dict)


_Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Annotated images: SOURCE/NAME_img.png + SOURCE/NAME_lab.png, or images/ + labels/.",
    ),
]
_Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="NAME",
        help="Part of the data: train, val or all. [default: val where there is a splits.json, else all]",
    ),
]
_Clicks = Annotated[
    int | None,
    typer.Option("--clicks", metavar="N", min=1, help="Click N times on each object. [default without --automatic: 5]"),
]
_MaxObjects = Annotated[
    int, typer.Option("--max-objects", min=0, help="Most objects of an image to click on, chosen at random; 0: all.")
]
_Automatic = Annotated[bool, typer.Option("--automatic", help="Segment everything, and compare the labels.")]
_Predictions = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        metavar="DIR",
        help="Compare these labels of any tool, without a model: NAME.tif, NAME_labels.tif, NAME_cp_masks.png ...",
    ),
]
_Thresholds = Annotated[
    str | None,
    typer.Option("--thresholds", metavar="IOU,IOU...", help="Least IoU of a match. [default: 0.5,0.55 to 0.95]"),
]
_Preset = Annotated[
    str | None, typer.Option("--preset", metavar="NAME", help="For --automatic: few-large, many-small or dense-cells.")
]
_JobFile = Annotated[
    Path | None, typer.Option("--job", metavar="F.toml", help="Parameters of --automatic from a job file.")
]
_Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write all scores as JSON.")]
_Csv = Annotated[
    Path | None, typer.Option("--csv", dir_okay=False, help="Write a table: a row for each image, or each object.")
]
_Plot = Annotated[Path | None, typer.Option("--plot", dir_okay=False, help="Draw the curves: PNG, PDF or SVG.")]


@parameter_options(AutomaticJob, short={"model": "-m"})
def evaluate(
    values: dict[str, Any],
    data: _Data,
    split: _Split = None,
    clicks: _Clicks = None,
    max_objects: _MaxObjects = 10,
    automatic: _Automatic = False,
    predictions: _Predictions = None,
    thresholds: _Thresholds = None,
    preset: _Preset = None,
    job: _JobFile = None,
    json_file: _Json = None,
    csv_file: _Csv = None,
    plot_file: _Plot = None,
) -> None:
    """Measure a model, or the labels of any tool, on annotated images.

    Clicks: mean IoU after 1 to N simulated clicks (the next one in the middle of the largest error) and with a box,
    and clicks needed for an IoU of 80, 85 and 90 %. Labels (--automatic, --predictions): precision, recall, F1,
    accuracy (AP) and panoptic quality at IoU thresholds, mSA, splits and merges. Definitions: docs/evaluation.md.
    Exit status: 0 all images measured, 1 some could not be (each is named, the rest is measured), 2 the arguments
    cannot be used.
    """
    if predictions is not None and (automatic or clicks is not None):
        raise typer.BadParameter("labels are compared without a model: leave out --automatic and --clicks.")
    if clicks is None and not automatic and predictions is None:
        clicks = _DEFAULT_CLICKS
    outputs = {"json": json_file, "csv": csv_file, "plot": plot_file}
    check_outputs(outputs.values(), [job])
    request = _Request(
        data,
        predictions,
        split,
        clicks,
        max_objects,
        automatic,
        _thresholds(thresholds),
        chosen_job(job, preset, values),
        outputs,
    )
    with interruptible() as cancelled:
        findings = _measure(request, cancelled)
    print_tables(findings)
    failed = write_outputs(findings, **outputs)
    if failed or findings.failures:
        raise typer.Exit(FAILED)


def _thresholds(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (0.0,)
    if not all(0 < value <= 1 for value in values):
        raise typer.BadParameter(f"{text!r} is not IOU,IOU..., each above 0 and at most 1.", param_hint="--thresholds")
    return values


def _measure(request: _Request, cancelled: Callable[[], bool]) -> Findings:
    from napari_sam.automatic.models import predictor_for
    from napari_sam.io.pairs import find_pairs

    split = request.split
    if split is None and (request.data / "splits.json").is_file():
        split = "val"
    pairs = find_pairs(request.data, None if split == "all" else split)
    findings = Findings(str(request.data), split or "all", len(pairs))
    if request.predictions is not None:
        _compare(request, pairs, findings, _reader(request.predictions, pairs), cancelled)
        findings.predictions = str(request.predictions)
        return findings
    predictor = predictor_for(request.job.model, tell)
    findings.model = describe_model(predictor.model)
    if request.automatic:
        findings.parameters = request.job.values()
        _compare(request, pairs, findings, _segmenter(request.job, predictor, cancelled), cancelled)
    if request.clicks is not None:
        _click(request, pairs, findings, predictor, cancelled)
    return findings


def _reader(folder: Path, pairs: list[ImagePair]) -> Callable[[ImagePair], NDArray[Any]]:
    from napari_sam.io.pairs import read_labels
    from napari_sam.io.predictions import check_predictions_folder, find_prediction

    check_predictions_folder(folder, pairs)
    return lambda pair: read_labels(find_prediction(folder, pair))


def _segmenter(
    job: AutomaticJob, predictor: Predictor, cancelled: Callable[[], bool]
) -> Callable[[ImagePair], NDArray[Any]]:
    from napari_sam.automatic.stack import segment_stack

    def segment(pair: ImagePair) -> NDArray[Any]:
        labels: NDArray[Any] = segment_stack(pair.image_path, job, predictor=predictor, cancelled=cancelled)
        return labels

    return segment


def _compare(
    request: _Request,
    pairs: list[ImagePair],
    findings: Findings,
    segment: Callable[[ImagePair], NDArray[Any]],
    cancelled: Callable[[], bool],
) -> None:
    from napari_sam.evaluation.instances import evaluate_instances
    from napari_sam.evaluation.metrics import THRESHOLDS

    line = ProgressLine("images")
    findings.thresholds = request.thresholds or THRESHOLDS
    findings.instances = evaluate_instances(
        pairs,
        segment,
        findings.thresholds,
        on_failure=_failed("labels", findings),
        progress=line,
        cancelled=cancelled,
    )
    line.close()


def _click(
    request: _Request,
    pairs: list[ImagePair],
    findings: Findings,
    predictor: Predictor,
    cancelled: Callable[[], bool],
) -> None:
    from napari_sam.evaluation.clicks import ClicksConfig, SamSegmenter, evaluate_clicks

    line = ProgressLine("images, with clicks")
    model = request.job.model
    findings.clicks_config = ClicksConfig(clicks=request.clicks or _DEFAULT_CLICKS, max_objects=request.max_objects)
    findings.clicks = evaluate_clicks(
        SamSegmenter(predictor, limits=model.shown_limits(), channels=model.shown_channels()),
        pairs,
        findings.clicks_config,
        on_failure=_failed("clicks", findings),
        progress=line,
        cancelled=cancelled,
    )
    line.close()


def _failed(step: str, findings: Findings) -> Callable[[Named, NapariSamError], None]:
    def remember(pair: Named, error: NapariSamError) -> None:
        findings.failures.append({"source": pair.source, "name": pair.name, "step": step, "error": str(error)})
        typer.echo(f"napari-sam: {pair.source}/{pair.name} was left out: {error}", err=True)

    return remember
