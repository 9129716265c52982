"""What the model was shown: a small picture and a report of every plane, made from the pixels read for encoding."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.window import Window
from napari_sam.gui.view.drawn import DrawnReader

if TYPE_CHECKING:
    from napari_sam.gui.compute.jobs import SegmentJob
    from napari_sam.predict.diagnose import Report

THUMBNAIL = 320
KEPT_BYTES = 32 * 2**20

Reports = tuple[tuple[object, str, "Report"], ...]


@dataclass(frozen=True, eq=False)
class ModelPicture:
    """One plane, or a window of it, as the model saw it.

    Attributes
    ----------
    thumbnail : ndarray of uint8, shape (h, w, 3)
    reports : tuple of (layer id, name, Report)
        One per layer that was drawn; id None and no name for the segmented layer itself.
    window : Window
        What was read of the plane.
    read_hw, model_hw : tuple of int
        Height and width as read, and as resized for the model.
    channels : str
        What red, green and blue are, in words.
    notes : tuple of str
        What the model's preprocessing had to say.
    """

    thumbnail: NDArray[np.uint8]
    reports: Reports
    window: Window
    read_hw: tuple[int, int]
    model_hw: tuple[int, int]
    channels: str
    notes: tuple[str, ...] = ()


class Pictures:
    """The pictures of the planes seen last; filled by the background thread, read by the Qt thread.

    Parameters
    ----------
    max_bytes : int
        Memory for thumbnails; the least recently used goes first.
    """

    def __init__(self, max_bytes: int = KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[Hashable, Hashable], ModelPicture] = OrderedDict()
        self._used: dict[Hashable, tuple[Hashable, Hashable]] = {}
        self._nbytes = 0
        self._lock = threading.Lock()

    def add(
        self, job: SegmentJob, pixels: NDArray[Any], window: Window, model_side: int, notes: tuple[str, ...] = ()
    ) -> None:
        """Keep the picture of what was just read and encoded; parameters as of :func:`picture_of`."""
        picture = picture_of(job, pixels, window, model_side, notes)
        key = (job.key, window)
        with self._lock:
            self._drop(key)
            self._kept[key] = picture
            self._used[job.key] = key
            self._nbytes += picture.thumbnail.nbytes
            while self._nbytes > self._max_bytes and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def use(self, job: SegmentJob, window: Window) -> None:
        """Note that this window of the job's plane was looked at again."""
        key = (job.key, window)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self._used[job.key] = key

    def get(self, job: SegmentJob) -> ModelPicture | None:
        """Return the picture of the window of a job's plane that was used last, or None."""
        with self._lock:
            key = self._used.get(job.key)
            return None if key is None else self._kept.get(key)

    def _drop(self, key: tuple[Hashable, Hashable]) -> None:
        picture = self._kept.pop(key, None)
        if picture is not None:
            self._nbytes -= picture.thumbnail.nbytes
            if self._used.get(key[0]) == key:
                del self._used[key[0]]


def picture_of(
    job: SegmentJob, pixels: NDArray[Any], window: Window, model_side: int, notes: tuple[str, ...]
) -> ModelPicture:
    """Return a small picture of what was encoded, and what there is to say about it.

    Parameters
    ----------
    job : SegmentJob
    pixels : ndarray
        As handed to the encoder.
    window : Window
        What the pixels cover.
    model_side : int
        Side of the model's square.
    notes : tuple of str
        The encoder's own.
    """
    from napari_sam.predict.diagnose import diagnose
    from napari_sam.predict.preprocess import resized_rgb

    read_hw = (int(pixels.shape[0]), int(pixels.shape[1]))
    thumbnail, _, _ = resized_rgb(pixels, min(THUMBNAIL, max(read_hw)), job.limits)
    drawn = job.read if isinstance(job.read, DrawnReader) else None
    if drawn is None:
        reports: Reports = ((None, "", diagnose(pixels, job.limits)),)
    else:
        pairs = zip(drawn.channels, drawn.reports, strict=True)
        reports = tuple((channel.layer_id, channel.look.name, report) for channel, report in pairs)
    model_hw = ResizeFrame(read_hw, model_side).input_hw
    return ModelPicture(thumbnail, reports, window, read_hw, model_hw, _channels_text(pixels, drawn), notes)


def exact_rgb(job: SegmentJob, picture: ModelPicture) -> NDArray[np.uint8]:
    """Return exactly what the model was shown, (h, w, 3), resized as for the model; reads the window again."""
    from napari_sam.predict.preprocess import resized_rgb

    is_whole = picture.window == Window(0, 0, *job.plane.shape_hw)
    pixels = job.read() if is_whole else job.read.window(picture.window).pixels
    rgb, _, _ = resized_rgb(pixels, max(picture.model_hw), job.limits)
    return rgb


def _channels_text(pixels: NDArray[Any], drawn: DrawnReader | None) -> str:
    if drawn is not None and len(drawn.channels) > 1:
        return "composite of " + ", ".join(channel.look.name for channel in drawn.channels)
    is_grey = pixels.ndim == 2 or (drawn is not None and drawn.is_grey)
    return "grey" if is_grey else "red, green, blue"
