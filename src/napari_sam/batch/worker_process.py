"""What a worker process does: it loads the model once, then does one task after another."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from napari_sam.automatic.job import ModelConfig
from napari_sam.automatic.models import predictor_for
from napari_sam.batch.failures import FAILURES, explain
from napari_sam.batch.tasks import PlaneTask, TaskOutcome, attempt
from napari_sam.errors import Cancelled, NapariSamError, WorkerError
from napari_sam.predict.predictor import Predictor

_PROGRESS_EVERY_S = 0.2


@dataclass(frozen=True)
class Settings:
    """What all tasks of a worker have in common.

    Attributes
    ----------
    threads : int
        Of torch: those of a single process, so that sums are taken in the same order and results are the same.
    gpu : str or None
        The only GPU that this worker sees, as ``CUDA_VISIBLE_DEVICES`` names it; None leaves that as it is.
    """

    threads: int
    gpu: str | None = None


# What a worker tells its parent.


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class Broken:
    """The model cannot be loaded: no worker will do better."""

    error: NapariSamError


@dataclass(frozen=True)
class Said:
    """Something for the user."""

    text: str


@dataclass(frozen=True)
class Progressed:
    """How far the task is."""

    done: int
    total: int


Told = Ready | Broken | Said | Progressed | TaskOutcome


def serve(connection: Connection[Told, PlaneTask], settings: Settings) -> None:
    """Do the tasks that come through a connection until it is closed; the entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    if settings.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = settings.gpu  # before torch first looks
    torch.set_num_threads(settings.threads)
    predictor: Predictor | None = None
    try:
        while True:
            task = connection.recv()
            predictor = predictor or _load(task.job.model, connection.send)
            if predictor is None:
                return
            told = attempt(
                task, predictor, progress=_Throttle(connection.send), cancelled=lambda: _is_closed(connection)
            )
            connection.send(told)
    except (EOFError, OSError, Cancelled):
        return  # nobody wants the rest


def _is_closed(connection: Connection[Told, PlaneTask]) -> bool:
    """Whether the parent has closed its end, or is no more: it sends nothing else while a task is under way."""
    try:
        return connection.poll()
    except OSError:
        return True


def _load(config: ModelConfig, tell: Callable[[Told], None]) -> Predictor | None:
    try:
        predictor = predictor_for(config, lambda text: tell(Said(text)))
    except NapariSamError as error:
        tell(Broken(error))
        return None
    except FAILURES as error:  # told by the parent, and not only in this process's traceback
        tell(Broken(WorkerError(f"A worker could not load the model: {explain(error)}")))
        return None
    tell(Ready())
    return predictor


class _Throttle:
    """Passes progress on, but not every step of it."""

    def __init__(self, tell: Callable[[Told], None]) -> None:
        self._tell = tell
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= _PROGRESS_EVERY_S:
            self._last = now
            self._tell(Progressed(done, total))
