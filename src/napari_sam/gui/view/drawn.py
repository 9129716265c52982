"""Reads a plane of one or several layers and draws it as napari shows it, for what limits alone cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.window import Window
from napari_sam.gui.view.reading import PlaneReader, Reading
from napari_sam.predict.composite import LayerLook, composite
from napari_sam.predict.diagnose import Report, diagnose


@dataclass(frozen=True, eq=False)
class Channel:
    """One layer of a picture: how to read it and how it looks.

    Attributes
    ----------
    layer_id : object
        ``layer.unique_id``, to find the layer again.
    read : PlaneReader
    look : LayerLook
    """

    layer_id: object
    read: PlaneReader
    look: LayerLook


class DrawnReader:
    """Reads several layers and returns what they look like together, in 8-bit RGB; in a worker thread.

    Parameters
    ----------
    channels : sequence of Channel
        Lowest first.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.channels = tuple(channels)
        self.reports: tuple[Report, ...] = ()

    @property
    def is_grey(self) -> bool:
        """Whether the picture has no colours by its making: one layer, drawn in grey."""
        luts = [channel.look.lut for channel in self.channels]
        return len(luts) == 1 and luts[0] is not None and bool(np.ptp(luts[0][:, :3], axis=1).max() == 0)

    def __call__(self) -> NDArray[np.uint8]:
        """Return the whole plane."""
        return self._draw([channel.read() for channel in self.channels])

    def window(self, window: Window) -> Reading:
        """Return a window of the plane, as :meth:`PlaneReader.window` does."""
        readings = [channel.read.window(window) for channel in self.channels]
        first = readings[0]
        return Reading(self._draw([_onto(first, reading) for reading in readings]), first.window)

    def _draw(self, layers: list[NDArray[Any]]) -> NDArray[np.uint8]:
        looks = [channel.look for channel in self.channels]
        # What spoils one channel may not show in the picture of all: judged here, where the values are.
        self.reports = tuple(diagnose(layer, look.limits) for layer, look in zip(layers, looks, strict=True))
        return composite(layers, looks)


def _onto(first: Reading, other: Reading) -> NDArray[Any]:
    """Bring what was read of another layer onto the pixels of the first; multiscale levels may differ."""
    if other.window == first.window and other.pixels.shape[:2] == first.pixels.shape[:2]:
        return other.pixels
    mine, theirs = first.window, other.window
    starts = ((mine.top, theirs.top), (mine.left, theirs.left))
    index = []
    for (start, origin), length, limit in zip(starts, first.pixels.shape[:2], other.pixels.shape[:2], strict=True):
        at = (start + (np.arange(length) + 0.5) * mine.step - origin) / theirs.step
        index.append(np.clip(np.floor(at).astype(np.intp), 0, limit - 1))
    return np.asarray(other.pixels[np.ix_(*index)])
