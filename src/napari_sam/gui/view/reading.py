"""Reads planes, and windows of planes, from full-resolution, lazy and multiscale data: what is needed and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from napari_sam.geometry.window import Window
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Image


@dataclass(frozen=True, eq=False)
class Reading:
    """A window as it was read.

    Attributes
    ----------
    pixels : ndarray, shape (h, w) or (h, w, C)
        Each the mean of ``window.step`` x ``window.step`` pixels of the plane, of fewer at the plane's end.
    window : Window
        What they cover: the requested window, widened to whole pixels of the level that was read. It may stick out of
        the plane by less than a step, or, where a level was rounded down, miss the plane's end by as much.
    """

    pixels: NDArray[Any]
    window: Window


@dataclass(frozen=True)
class _Level:
    data: Any
    factor: int
    others: tuple[int, ...]


class PlaneReader:
    """Reads one plane of an image, in a worker thread; it holds the data, no layer.

    Parameters
    ----------
    levels : sequence of array-like
        The image's data, full resolution first; more than one of a multiscale image.
    plane : Plane
        The plane to read.
    """

    def __init__(self, levels: Sequence[Any], plane: Plane) -> None:
        self._plane = plane
        full = levels[0].shape
        found = (_level(data, full, plane) for data in levels[1:])
        self._levels = [_Level(levels[0], 1, (1,) * len(plane.index)), *(level for level in found if level is not None)]

    def __call__(self) -> NDArray[Any]:
        """Return the whole plane at full resolution."""
        return np.asarray(self._levels[0].data[self._plane.slicer])

    def window(self, window: Window) -> Reading:
        """Return a window of the plane, with one pixel for about every ``window.step`` of the plane's.

        It is read from the coarsest level of a multiscale image that is fine enough.
        """
        fit = [level for level in self._levels if level.factor <= window.step]
        # Fewest pixels to read, and of several such levels the one that gives the wanted step exactly.
        level = min(fit, key=lambda level: (-level.factor, window.step % level.factor))
        shrink = window.step // level.factor
        step = level.factor * shrink
        aligned = _aligned(window, step, self._plane.shape_hw)
        pixels = np.asarray(level.data[self._slicer(level, aligned)])
        small = _shrunk(pixels, shrink)
        return Reading(small, replace(aligned, height=small.shape[0] * step, width=small.shape[1] * step))

    def _slicer(self, level: _Level, window: Window) -> tuple[int | slice, ...]:
        plane = self._plane
        selection: list[int | slice] = [slice(None)] * plane.ndim
        for axis, position, factor in zip(plane.other_axes, plane.index, level.others, strict=True):
            selection[axis] = min(position // factor, int(level.data.shape[axis]) - 1)
        rows, columns = plane.axes
        selection[rows] = slice(window.top // level.factor, -(-window.bottom // level.factor))
        selection[columns] = slice(window.left // level.factor, -(-window.right // level.factor))
        return tuple(selection)


def plane_reader(image: Image, plane: Plane) -> PlaneReader:
    """Return the reader of one plane of an image layer."""
    return PlaneReader(list(image.data) if image.multiscale else [image.data], plane)


def _level(data: Any, full: Sequence[int], plane: Plane) -> _Level | None:
    """Return a level of a multiscale image if it is a whole number of times coarser along both axes of the plane."""
    factors = [_factor(int(length), int(short)) for length, short in zip(full, data.shape, strict=True)]
    rows, columns = (factors[axis] for axis in plane.axes)
    others = [factors[axis] for axis in plane.other_axes]
    if rows is None or rows != columns or None in others:
        return None
    return _Level(data, rows, tuple(factor or 1 for factor in others))


def _factor(length: int, short: int) -> int | None:
    # Levels are rounded down or up to whole pixels: 5001 becomes 2500 or 2501, of pixels 2 wide all the same.
    factor = max(1, round(length / max(short, 1)))
    return factor if short in (length // factor, -(-length // factor)) else None


def _aligned(window: Window, step: int, shape_hw: tuple[int, int]) -> Window:
    top, left = window.top // step * step, window.left // step * step
    bottom, right = (
        min(-(-end // step) * step, -(-length // step) * step)
        for end, length in zip((window.bottom, window.right), shape_hw, strict=True)
    )
    return replace(window, top=top, left=left, height=bottom - top, width=right - left, step=step)


def _shrunk(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    if factor == 1:
        return pixels
    if pixels.ndim == 3:
        return np.stack([_shrunk(pixels[..., band], factor) for band in range(pixels.shape[2])], axis=-1)
    kind = pixels.dtype
    # Pillow has a fast mean of blocks for 8-bit and 32-bit float pictures.
    source = pixels if kind == np.uint8 else pixels.astype(np.float32)
    small = np.asarray(Pillow.fromarray(np.ascontiguousarray(source)).reduce(factor))
    if kind == np.uint8 or kind.kind not in "iu":
        return small
    return np.clip(np.rint(small), np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)
