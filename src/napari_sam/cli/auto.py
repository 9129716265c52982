"""``napari-sam auto``: segment everything in images, stacks and folders, unattended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam.automatic.config import RefineConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.cli.batch_progress import ProgressKind, reporter
from napari_sam.cli.common import describe_model, tell
from napari_sam.cli.job import chosen_job
from napari_sam.cli.options import parameter_options
from napari_sam.cli.progress import interruptible
from napari_sam.parameters import parameters_of

if TYPE_CHECKING:
    from napari_sam.batch.tasks import Executor

FAILED = 1


Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT", help="Images and stacks (TIFF, OME-TIFF, PNG, JPEG, OME-Zarr), folders, patterns."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="A folder; or, for one input, a file ending in .tif or .zarr."),
]
JobFile = Annotated[
    Path | None,
    typer.Option("--job", metavar="F.toml", help="Read parameters from a job file."),
]
WriteJob = Annotated[
    Path | None,
    typer.Option("--write-job", metavar="F.toml", help="Write all parameters to a job file; without INPUT, only that."),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="Parameters for a kind of image: few-large, many-small or dense-cells."
    ),
]
Planes = Annotated[
    str | None,
    typer.Option("--planes", metavar="A:B", help="Planes of a stack, from A to before B; A:B,C:D for two dimensions."),
]
PromptLabels = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="LABELS",
        exists=True,
        help="Refine these labels (of StarDist, Cellpose, a threshold ...); for several inputs, a folder of them.",
    ),
]
LabelFormat = Annotated[
    str | None,
    typer.Option("--format", metavar="tif|ome-zarr", help="Format of the labels. [default: tif]"),
]
JsonMasks = Annotated[
    bool,
    typer.Option("--json-masks", help="Also write the masks as JSON in SA-1B form."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with a run that was stopped or killed."),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace the results of an earlier run."),
]
WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Processes on this machine that compute. [default: 1]"),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="A dask.distributed cluster that computes, such as tcp://host:8786."
    ),
]
Progress = Annotated[
    ProgressKind,
    typer.Option("--progress", help="auto: a bar on a terminal; json: lines of JSON on stdout; none."),
]


@parameter_options(AutomaticJob, RefineConfig, short={"model": "-m"})
def auto(
    values: dict[str, Any],
    inputs: Inputs = None,
    output: Output = None,
    job: JobFile = None,
    write_job: WriteJob = None,
    preset: PresetName = None,
    planes: Planes = None,
    prompts: PromptLabels = None,
    format: LabelFormat = None,
    json_masks: JsonMasks = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    workers: WorkerCount = None,
    scheduler: Scheduler = None,
    progress: Progress = ProgressKind.auto,
) -> None:
    """Segment everything in every plane of every INPUT.

    Parameters are the defaults, then those of --job, then those of --preset, then the options that are given. Labels
    have the shape and axes of their input. OUT also gets a table of all objects (CSV) and run.json, the report of the
    run. Exit status: 0 all done, 1 some inputs failed (each is named, the rest is written), 2 the arguments cannot be
    used, 130 stopped with Ctrl-C (--resume goes on).
    """
    of_refining = [one.name for one in parameters_of(RefineConfig) if one.name in values]
    refine = RefineConfig(**{name: values.pop(name) for name in of_refining})
    chosen = chosen_job(job, preset, values)
    if write_job is not None:
        from napari_sam.batch.jobfile import write_job as write

        typer.echo(f"wrote {write(chosen, write_job)}")
        if not inputs:
            return
    if not inputs:
        raise typer.BadParameter("name at least one image, folder or pattern.", param_hint="INPUT")
    if output is None:
        raise typer.BadParameter("say where the results go.", param_hint="--output / -o")

    from napari_sam.batch.request import BatchRequest
    from napari_sam.batch.runner import run_batch
    from napari_sam.io.inputs import find_inputs

    request = BatchRequest(
        tuple(find_inputs(inputs, tell)),
        output,
        chosen,
        format=format,
        json_masks=json_masks,
        planes=planes,
        prompts=prompts,
        refine=refine,
        resume=resume,
        overwrite=overwrite,
    )
    if workers is not None and scheduler is not None:
        raise typer.BadParameter("either processes here or a cluster, not both.", param_hint="--workers / --scheduler")
    with (
        _executor(chosen, workers or 1, scheduler) as (executor, model),
        interruptible() as cancelled,
        reporter(progress) as on_event,
    ):
        report = run_batch(request, executor, model, on_event=on_event, cancelled=cancelled)
    if report["status"] != "done":
        raise typer.Exit(FAILED)


@contextmanager
def _executor(job: AutomaticJob, workers: int, scheduler: str | None) -> Iterator[tuple[Executor, dict[str, Any]]]:
    """Load the model once in any case, where it will compute: what is wrong with it is told before the work begins."""
    from napari_sam.batch.tasks import InProcess, with_absolute_paths

    if scheduler is not None:
        from napari_sam.batch.cluster import Cluster

        with closing(Cluster(scheduler, tell)) as cluster:
            yield cluster, asdict(cluster.model(with_absolute_paths(job).model))
        return
    from napari_sam.automatic.models import predictor_for
    from napari_sam.batch.workers import Workers

    predictor = predictor_for(job.model, tell)
    model = describe_model(predictor.model)
    if workers == 1:
        yield InProcess(predictor), model
        return
    del predictor  # each worker has its own
    yield Workers(workers, tell), model
