"""What happens on the workers of a cluster: the model is loaded once, and used by one task at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from distributed import Worker, WorkerPlugin, get_worker

from napari_sam import __version__
from napari_sam.automatic.job import ModelConfig
from napari_sam.automatic.models import predictor_for
from napari_sam.batch.tasks import PlaneTask, TaskOutcome, attempt
from napari_sam.predict.predictor import Predictor


@dataclass(frozen=True)
class ModelFacts:
    """The model of a run, as the report has it.

    Attributes
    ----------
    name, hash, device, precision : str
    """

    name: str
    hash: str
    device: str
    precision: str


@dataclass(frozen=True)
class WorkerFacts:
    """What must be the same for all workers.

    Attributes
    ----------
    version, torch : str
        Versions of this package and of torch.
    sees_results : bool
        Whether the folder of the results is there.
    """

    version: str
    torch: str
    sees_results: bool


class ModelHolder(WorkerPlugin):
    """Keeps the model of a run on one worker.

    Parameters
    ----------
    threads : int
        Of torch: those of the client, so that results are the same.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def setup(self, worker: Worker) -> None:
        """Begin, on a worker; the model is loaded with the first task."""
        self._lock = threading.Lock()  # a worker of many threads has one GPU, and memory for one model at work
        self._predictor: Predictor | None = None
        self._stopped = False

    def teardown(self, worker: Worker) -> None:
        """Stop what is under way, and let go of the model."""
        self._stopped = True
        self._predictor = None

    def load(self, config: ModelConfig) -> ModelFacts:
        """Load the model, if this worker does not have it yet."""
        with self._lock:
            model = self._get(config).model
        return ModelFacts(model.name, model.hash, str(model.device), model.precision)

    def attempt(self, task: PlaneTask) -> TaskOutcome:
        """Do a task."""
        with self._lock:
            predictor = self._get(task.job.model)
            return attempt(task, predictor, cancelled=lambda: self._stopped)

    def _get(self, config: ModelConfig) -> Predictor:
        torch.set_num_threads(self._threads)
        if self._predictor is None:
            self._predictor = predictor_for(config)
        return self._predictor


def load_model(holder: str, config: ModelConfig) -> ModelFacts:
    """Load the model on the worker that does this."""
    return _holder(holder).load(config)


def do_task(holder: str, task: PlaneTask) -> TaskOutcome:
    """Do a task on the worker that does this."""
    return _holder(holder).attempt(task)


def look(probe: Path) -> WorkerFacts:
    """Tell what this worker has and sees."""
    return WorkerFacts(__version__, torch.__version__, probe.exists())


def _holder(name: str) -> ModelHolder:
    return cast(ModelHolder, get_worker().plugins[name])
