"""Contrast of a plane that is read tile by tile: found once, so that all tiles are shown to the model alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.job import ModelConfig
from napari_sam.geometry.tiles import cut_tiles
from napari_sam.io.source import ImageSource
from napari_sam.predict.preprocess import Limits, to_uint8_bands

_WHOLE_PIXELS = 1 << 24  # planes up to here are read whole: their limits are those of a plane without tiles
_WINDOWS = 16  # along each side of a larger plane
_WINDOW_SIDE = 128
_PART_SIDE = 2048


def plane_limits(source: ImageSource, plane: tuple[int, ...], config: ModelConfig) -> Limits | None:
    """Return the values that are shown as black and white in every tile of a plane.

    Of a plane of more than 16 million pixels 256 windows are read, spread evenly; only if a channel has a single value
    in all of these, everything is read once, a part at a time.

    Parameters
    ----------
    source : ImageSource
    plane : tuple of int
    config : ModelConfig
        Its limits are returned where there are any.

    Returns
    -------
    pairs of (low, high), or None
        None for 8-bit images, which are shown as they are.

    Raises
    ------
    FileFormatError
        If the file is damaged.
    ImageError
        If the plane has no finite value, or no such channels.
    """
    given = config.shown_limits()
    if given is not None or source.dtype == np.uint8:
        return given
    if source.plane_hw[0] * source.plane_hw[1] <= _WHOLE_PIXELS:
        sample = source.read(plane)
    else:
        sample = _windows(source, plane)
        _fill_flat_channels(sample, source, plane)
    return to_uint8_bands(sample, None, config.shown_channels())[1].limits or None


def is_blank(image: NDArray[Any]) -> bool:
    """Whether an image has no finite value: nothing was recorded there."""
    return image.dtype.kind == "f" and not np.isfinite(image).any()


def _windows(source: ImageSource, plane: tuple[int, ...]) -> NDArray[Any]:
    """Read windows on a regular grid, put together to one image."""
    rows, columns = (_spots(length) for length in source.plane_hw)
    return np.concatenate(
        [np.concatenate([source.read(plane, row, column) for column in columns], axis=1) for row in rows]
    )


def _spots(length: int) -> list[slice]:
    side = min(_WINDOW_SIDE, length)
    count = min(_WINDOWS, length // side)
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [slice(int(start), int(start) + side) for start in starts]


def _fill_flat_channels(sample: NDArray[Any], source: ImageSource, plane: tuple[int, ...]) -> None:
    """Replace a channel of which the sample shows a single value: one half by the lowest of all, one by the highest."""
    channels = sample.reshape(*sample.shape[:2], -1)
    lows, highs = _extremes(channels)
    flat = ~(lows < highs)  # NaN where nothing is finite
    if not flat.any():
        return
    for tile in cut_tiles(source.plane_hw, _PART_SIDE, 0):
        part = source.read(plane, tile.rows, tile.columns)
        low, high = _extremes(part.reshape(*part.shape[:2], -1))
        lows, highs = np.fmin(lows, low), np.fmax(highs, high)
    half = len(channels) // 2
    channels[:half, :, flat] = lows[flat]
    channels[half:, :, flat] = highs[flat]


def _extremes(channels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and highest finite value of each channel; NaN where there is none."""
    if channels.dtype.kind == "f":
        channels = np.where(np.isfinite(channels), channels, np.nan)
    return np.fmin.reduce(channels, axis=(0, 1)), np.fmax.reduce(channels, axis=(0, 1))
