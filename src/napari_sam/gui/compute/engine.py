"""What happens in the background thread: load the model, read the plane, encode it, ask for masks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_sam.errors import Cancelled
from napari_sam.gui.compute.candidates import Candidates, PredictorLike, ask
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.qt.worker import Token
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari_sam.predict.cache import EmbeddingCache

RAM_FOR_EMBEDDINGS = 2**30


@dataclass(frozen=True)
class ModelChoice:
    """Which model the user wants, and how it should compute."""

    name: str = "sam_lite"
    checkpoint: Path | None = None
    device: str = "auto"
    precision: str = "auto"

    @property
    def title(self) -> str:
        """Name for the status line."""
        return self.name if self.checkpoint is None else self.checkpoint.name


@dataclass(frozen=True, eq=False)
class SegmentJob:
    """One request: the prompts of one plane. Without prompts it only prepares the plane.

    Attributes
    ----------
    model : ModelChoice
    image : hashable
        Changes whenever the content of the image does.
    plane : Plane
    limits : tuple of float or None
        Values shown as black and white; None for RGB and for 8-bit images at their full range.
    read : callable
        Reads the plane, and nothing else of the image.
    prompts : tuple of ObjectPrompts
        One per object, in pixels of the plane.
    choice : int or None
        Candidate the user chose.
    fingerprint : hashable
        Of the prompts, to tell whether the answer is still the wanted one.
    """

    model: ModelChoice
    image: Hashable
    plane: Plane
    limits: tuple[float, float] | None
    read: Callable[[], NDArray[Any]] = field(repr=False)
    prompts: tuple[ObjectPrompts, ...] = ()
    choice: int | None = None
    fingerprint: Hashable = ()

    @property
    def key(self) -> Hashable:
        """What the embedding depends on."""
        return self.model, self.image, self.plane, self.limits


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one job, one entry per object, and what to tell the user about the image as the model saw it."""

    objects: tuple[Candidates, ...]
    notes: tuple[str, ...] = ()


Report = Callable[[str], None]
Factory = Callable[[ModelChoice, Report], PredictorLike]


class Engine:
    """The model in use and the embeddings of the planes seen last; used by one background thread at a time.

    Parameters
    ----------
    factory : callable
        Loads a predictor; is handed the chosen model and ``warn``.
    report : callable
        Told what is being done, in the background thread.
    warn : callable
        Told what went other than asked for (memory ran out, a precision is not used), in the background thread.
    max_bytes : int
        Memory for embeddings.
    """

    def __init__(self, factory: Factory, report: Report, warn: Report, max_bytes: int = RAM_FOR_EMBEDDINGS) -> None:
        self._factory = factory
        self._report = report
        self._warn = warn
        self._max_bytes = max_bytes
        self._embeddings: EmbeddingCache | None = None
        self._loaded: tuple[ModelChoice, PredictorLike] | None = None

    def run(self, job: SegmentJob, token: Token) -> Answer:
        """Answer one job.

        Raises
        ------
        Cancelled
            If the token says so before the answer is complete.
        NapariSamError
            If the model, the image or the prompts cannot be used.
        """
        predictor = self._predictor(job.model)
        _stop_if(token.cancelled)
        embedding = self._embedding(predictor, job, token)
        _stop_if(token.superseded)
        objects = ask(predictor, embedding, job.prompts, job.choice, token.superseded) if job.prompts else ()
        _stop_if(token.superseded)
        return Answer(objects, tuple(getattr(embedding, "notes", ())))

    def _predictor(self, choice: ModelChoice) -> PredictorLike:
        if self._loaded is None or self._loaded[0] != choice:
            self._report(f"Loading {choice.title} ...")
            # Dropped first: two large models at once may not fit.
            self._loaded = None
            self._embeddings = None
            self._loaded = (choice, self._factory(choice, self._warn))
        return self._loaded[1]

    def _embedding(self, predictor: PredictorLike, job: SegmentJob, token: Token) -> Any:
        if self._embeddings is None:
            self._embeddings = _new_cache(self._max_bytes)
        key = repr(job.key)
        known = self._embeddings.get(key)
        if known is not None:
            return known
        self._report("Reading the image ...")
        pixels = job.read()
        _stop_if(token.cancelled)
        self._report("Encoding the image ...")
        embedding = predictor.encode(pixels, limits=job.limits, cancelled=token.cancelled)
        return self._embeddings.put(key, embedding)


def load_predictor(choice: ModelChoice, on_message: Report) -> PredictorLike:
    """Load the real model; torch is imported here, in the background thread, and not before."""
    from napari_sam.predict.load import load_model
    from napari_sam.predict.predictor import Predictor

    name = choice.name if choice.checkpoint is None else None
    model = load_model(name, choice.checkpoint, choice.device, choice.precision, on_message=on_message)
    return Predictor(model, on_message=on_message)


def _new_cache(max_bytes: int) -> EmbeddingCache:
    from napari_sam.predict.cache import EmbeddingCache

    return EmbeddingCache(max_bytes)


def _stop_if(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise Cancelled("Cancelled; the prompts are still there.")
