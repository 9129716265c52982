"""The embeddings of the planes and windows seen last: looked up, or read and encoded."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam.errors import Cancelled, OutOfMemoryError
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.window import Window
from napari_sam.gui.compute.candidates import PredictorLike
from napari_sam.gui.compute.jobs import Report, SegmentJob
from napari_sam.gui.compute.pictures import Pictures

if TYPE_CHECKING:
    from napari_sam.predict.cache import EmbeddingCache

RAM_FOR_EMBEDDINGS = 2**30
_SHARE_OF_RAM = 16  # at most a sixteenth of the computer's memory
_SLOW_S = 3.0

Fraction = Callable[[int, int], None]


def memory_for_embeddings() -> int:
    """Return how many bytes embeddings may take on this computer: 1 GiB, less where there is little memory."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return RAM_FOR_EMBEDDINGS
    return min(RAM_FOR_EMBEDDINGS, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE_OF_RAM)


@dataclass(frozen=True, eq=False)
class Placed:
    """An embedding and what it covers.

    Attributes
    ----------
    embedding : Embedding
        Its frame is that of the window at full resolution: prompts go in, and masks come out, in pixels of the plane.
    window : Window
        The part of the plane that was read for it.
    """

    embedding: Any
    window: Window


class Embeddings:
    """Embeddings by model, image content, plane, window and contrast, up to a number of bytes.

    Parameters
    ----------
    max_bytes : int
        Memory; what was used least recently goes first.
    report : callable
        Told what is being done.
    fraction : callable
        Told (done, total) while the model encodes.
    pictures : Pictures
        Given what the model is shown.
    """

    def __init__(self, max_bytes: int, report: Report, fraction: Fraction, pictures: Pictures) -> None:
        self._max_bytes = max_bytes
        self._report = report
        self._fraction = fraction
        self._pictures = pictures
        self._cache: EmbeddingCache | None = None
        self._windows: dict[str, Window] = {}
        self._seconds = 0.0
        self._nbytes = 0

    def clear(self) -> None:
        """Forget everything; another model makes other embeddings."""
        self._cache = None
        self._windows.clear()
        self._seconds = self._nbytes = 0

    @property
    def allow_prefetch(self) -> bool:
        """Whether one more plane is encoded quickly, and three fit into memory, as far as is known."""
        return self._seconds <= _SLOW_S and 3 * self._nbytes <= self._max_bytes

    def known(self, job: SegmentJob, window: Window | None = None) -> Placed | None:
        """Return what is there, without computing anything."""
        key = _key(job, window)
        embedding = None if self._cache is None else self._cache.get(key)
        if embedding is None:
            return None
        return Placed(embedding, self._windows.get(key) or Window(0, 0, *job.plane.shape_hw))

    def get(
        self,
        predictor: PredictorLike,
        job: SegmentJob,
        window: Window | None,
        cancelled: Callable[[], bool],
        quiet: bool = False,
    ) -> Placed:
        """Return the embedding of a window, or of the whole plane with None; read and encode it if it is not there.

        Raises
        ------
        Cancelled
            If ``cancelled`` returned True; it is asked between the blocks of the encoder.
        OutOfMemoryError
            If the window does not fit into the computer's memory.
        """
        known = self.known(job, window)
        if known is not None:
            self._pictures.use(job, known.window)
            return known
        if not quiet:
            self._report("Reading the image ...")
        pixels, covered = _read(job, window)
        if cancelled():
            raise Cancelled("Cancelled; the prompts are still there.")
        if not quiet:
            self._report("Encoding the image ...")
        start = time.perf_counter()
        progress = None if quiet else self._fraction
        embedding = predictor.encode(pixels, limits=job.limits, progress=progress, cancelled=cancelled)
        self._seconds = time.perf_counter() - start
        self._pictures.add(job, pixels, covered, predictor.image_size, tuple(getattr(embedding, "notes", ())))
        return self._keep(_key(job, window), embedding, covered)

    def _keep(self, key: str, embedding: Any, covered: Window) -> Placed:
        if covered.step > 1:
            frame = ResizeFrame((covered.height, covered.width), embedding.frame.img_size)
            embedding = replace(embedding, frame=frame)
        if self._cache is None:
            from napari_sam.predict.cache import EmbeddingCache

            self._cache = EmbeddingCache(self._max_bytes)
        self._nbytes = embedding.nbytes
        self._windows = {old: window for old, window in self._windows.items() if old in self._cache}
        self._windows[key] = covered
        return Placed(self._cache.put(key, embedding), covered)


def _key(job: SegmentJob, window: Window | None) -> str:
    return repr((job.key, window))


def _read(job: SegmentJob, window: Window | None) -> tuple[Any, Window]:
    try:
        if window is None:
            return job.read(), Window(0, 0, *job.plane.shape_hw)
        reading = job.read.window(window)
    except MemoryError as error:
        raise OutOfMemoryError(
            f"The computer's memory is not enough to read the image's plane of {job.plane.shape_hw} pixels. Close "
            "other programs, or zoom in on what you want to segment."
        ) from error
    return reading.pixels, reading.window
