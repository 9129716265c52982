"""The unit of work of a run, one plane of one file, and who does it: this process, other processes, a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from napari_sam.automatic.config import RefineConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.plane import segment_plane
from napari_sam.automatic.refine import segment_plane_from_labels
from napari_sam.batch.failures import FAILURES, explain
from napari_sam.batch.results import write_result
from napari_sam.errors import Cancelled, OutputError
from napari_sam.io.open_image import open_image
from napari_sam.model.common import Progress
from napari_sam.predict.predictor import CancelCheck, Predictor


@dataclass(frozen=True)
class PlaneTask:
    """One plane of one file; can be pickled, and done anywhere where both paths are the same files.

    Attributes
    ----------
    item : int
        Number of the input file in the run.
    source : Path
        The input file.
    plane : tuple of int
        An index for each stack axis of the file; () for a single plane.
    job : AutomaticJob
    result : Path
        File to write, see :mod:`napari_sam.batch.results`.
    with_records : bool
        Whether the result holds the mask of each object too.
    prompts : Path, optional
        A labels image of the same shape, whose objects are refined instead of looking for any.
    refine : RefineConfig
        What becomes of those.
    """

    item: int
    source: Path
    plane: tuple[int, ...]
    job: AutomaticJob
    result: Path
    with_records: bool = False
    prompts: Path | None = None
    refine: RefineConfig = field(default_factory=RefineConfig)


@dataclass(frozen=True)
class TaskOutcome:
    """How a task ended.

    Attributes
    ----------
    task : PlaneTask
    seconds : float
        Time it took.
    error : str
        What went wrong, in words for the user; empty if the result was written.
    stops_the_run : bool
        Whether the next tasks would fail as well: results cannot be written.
    """

    task: PlaneTask
    seconds: float
    error: str = ""
    stops_the_run: bool = False


PlaneProgress = Callable[[PlaneTask, int, int], None]


class Executor(Protocol):
    """Does tasks."""

    def run(
        self, tasks: Iterable[PlaneTask], *, progress: PlaneProgress | None = None, cancelled: CancelCheck | None = None
    ) -> Generator[TaskOutcome, None, None]:
        """Do tasks and yield how each ended, in any order, as they end.

        Tasks are pulled as they are needed, at most a few per worker ahead: the caller may leave out those that have
        become useless. Closing the generator stops the work. A task whose worker is lost is done again. Labels and
        scores are the same, whoever does a task and however often.

        Parameters
        ----------
        tasks : iterable of PlaneTask
        progress : callable, optional
            Called with (task, done, total) while a task is worked at, by executors that can.
        cancelled : callable, optional
            Asked several times a second; True stops.

        Yields
        ------
        TaskOutcome

        Raises
        ------
        Cancelled
            If ``cancelled`` returned True; what was yielded is done.
        """


class InProcess:
    """Does tasks here, one after the other.

    Parameters
    ----------
    predictor : Predictor
        With the model of the jobs.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def run(
        self, tasks: Iterable[PlaneTask], *, progress: PlaneProgress | None = None, cancelled: CancelCheck | None = None
    ) -> Generator[TaskOutcome, None, None]:
        """Do tasks; see :class:`Executor`."""
        for task in tasks:
            yield attempt(task, self._predictor, progress=_progress_of(task, progress), cancelled=cancelled)


def attempt(
    task: PlaneTask,
    predictor: Predictor,
    *,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> TaskOutcome:
    """Do a task and tell how it ended: a plane that fails must not stop the others.

    Parameters
    ----------
    task : PlaneTask
    predictor : Predictor
    progress, cancelled : callable, optional
        As in :func:`run_task`.

    Returns
    -------
    TaskOutcome

    Raises
    ------
    Cancelled
        If ``cancelled`` returned True.
    """
    started = time.perf_counter()
    try:
        run_task(task, predictor, progress=progress, cancelled=cancelled)
    except Cancelled:
        raise
    except OutputError as error:
        return TaskOutcome(task, time.perf_counter() - started, str(error), stops_the_run=True)
    except FAILURES as error:
        return TaskOutcome(task, time.perf_counter() - started, explain(error))
    return TaskOutcome(task, time.perf_counter() - started)


def run_task(
    task: PlaneTask,
    predictor: Predictor,
    *,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> None:
    """Segment the plane of a task and write its result file, whole or not at all.

    Parameters
    ----------
    task : PlaneTask
    predictor : Predictor
        With the model of ``task.job``.
    progress : callable, optional
        Called with (done, total).
    cancelled : callable, optional
        Asked between batches; True stops.

    Raises
    ------
    FileFormatError, ImageError, OutOfMemoryError
        If the file is damaged or cannot be used, or memory is not enough.
    OutputError
        If the result cannot be written.
    Cancelled
        If ``cancelled`` returned True.
    """
    started = time.perf_counter()
    with closing(open_image(task.source)) as source:
        if task.prompts is None:
            result = segment_plane(predictor, source, task.plane, task.job, progress=progress, cancelled=cancelled)
        else:
            with closing(open_image(task.prompts)) as given:
                labels = given.read(task.plane)
            result = segment_plane_from_labels(
                predictor, source, task.plane, labels, task.job, task.refine, progress=progress, cancelled=cancelled
            )
    write_result(task.result, result, task.with_records, time.perf_counter() - started)


def with_absolute_paths(job: AutomaticJob) -> AutomaticJob:
    """Return a job whose file of weights is found from any folder: workers elsewhere have another one."""
    checkpoint = job.model.checkpoint
    return job if checkpoint is None else job.with_values({"checkpoint": os.path.abspath(checkpoint)})


def _progress_of(task: PlaneTask, progress: PlaneProgress | None) -> Progress | None:
    return None if progress is None else lambda done, total: progress(task, done, total)
