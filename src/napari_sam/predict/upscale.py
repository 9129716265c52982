"""Low-resolution logits to masks of the image's size, exactly as the official ``Sam.postprocess_masks``.

Logits are interpolated to the model's square, cropped to the image, interpolated to its size and thresholded at 0,
both times bilinearly. Bilinear values are convex combinations of their neighbours, so nothing outside the
neighbourhood of the logits above a cut-off can be above it: only that part is computed, some rows at a time, and a
mask of any size needs little memory beside itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_sam.geometry.frame import ResizeFrame

_TILE_PIXELS = 1 << 17
_WIDE = 8  # torch's interpolation of a whole row costs as much as gathering an eighth of it


class Tile(NamedTuple):
    """Logits at the size of the image, in a rectangle whose first pixel is (``top``, ``left``)."""

    top: int
    left: int
    values: Tensor


class Upscaler:
    """Low-resolution logits to logits of the image's size, for all masks of one image.

    Parameters
    ----------
    frame : ResizeFrame
        The image's place in the model's square.
    size : int
        Side of the logits.
    """

    def __init__(self, frame: ResizeFrame, size: int) -> None:
        self._rows, self._columns = (
            _Axis(size, frame.img_size, frame.input_hw[axis], frame.original_hw[axis]) for axis in (0, 1)
        )

    def above(self, logits: Tensor, cut: float) -> Iterator[Tile]:
        """Upscale the logits of one mask wherever they can be above a cut-off.

        Parameters
        ----------
        logits : Tensor of float32 on the CPU, shape (size, size)
        cut : float

        Yields
        ------
        Tile
            One below the other, all equally wide; nothing outside of them is above ``cut``.
        """
        marked = logits.numpy() > cut
        top, bottom = self._rows.reached(np.flatnonzero(marked.any(axis=1)))
        left, right = self._columns.reached(np.flatnonzero(marked.any(axis=0)))
        if top >= bottom or left >= right:  # nothing, or only in the padding
            return
        rows_mid, rows = self._rows.taps(top, bottom)
        start, stop = rows_mid.span
        # Columns before rows, as torch's own bilinear interpolation does, so that rounding is the same.
        columns = self._interpolate_columns(logits[start:stop], rows_mid.shifted(start), left, right)
        step = max(1, _TILE_PIXELS // (right - left))
        for at in range(0, bottom - top, step):
            yield Tile(top + at, left, _interpolate_rows(columns, rows.part(at, at + step)))

    def _interpolate_columns(self, logits: Tensor, rows_mid: _Taps, left: int, right: int) -> Tensor:
        """Both steps of the columns, with the first step of the rows between."""
        axis = self._columns
        if right - left > axis.original // _WIDE:
            middle = _interpolate_rows(_all_columns(logits, axis.square)[:, : axis.cropped], rows_mid)
            return _all_columns(middle, axis.original)[:, left:right]
        columns_mid, columns_end = axis.taps(left, right)
        middle = _interpolate_rows(_interpolate_columns(logits, columns_mid), rows_mid)
        return _interpolate_columns(middle, columns_end)


def masks_at_image_size(logits: Tensor, frame: ResizeFrame) -> NDArray[np.bool_]:
    """Upscale and threshold the logits of one prompt's masks.

    Parameters
    ----------
    logits : Tensor of float32 on the CPU, shape (M, h, h)
        Low-resolution logits in the model's padded square.
    frame : ResizeFrame
        The image's place in that square.

    Returns
    -------
    ndarray of bool, shape (M, H, W)
    """
    masks = np.zeros((len(logits), *frame.original_hw), np.bool_)
    upscaler = Upscaler(frame, logits.shape[-1])
    for mask, low_res in zip(torch.from_numpy(masks), logits, strict=True):
        for top, left, values in upscaler.above(low_res, 0.0):
            height, width = values.shape
            torch.gt(values, 0, out=mask[top : top + height, left : left + width])
    return masks


class _Taps(NamedTuple):
    """For each output pixel along one axis: two input pixels and the weight of the second."""

    low: Tensor
    high: Tensor
    weight: Tensor
    identity: bool

    def part(self, start: int, stop: int) -> _Taps:
        """Return those of some output pixels."""
        return _Taps(self.low[start:stop], self.high[start:stop], self.weight[start:stop], self.identity)

    def shifted(self, start: int) -> _Taps:
        """Count input pixels from ``start``."""
        return _Taps(self.low - start, self.high - start, self.weight, self.identity)

    @property
    def span(self) -> tuple[int, int]:
        """Input pixels used, from the first to after the last."""
        return int(self.low[0]), int(self.high[-1]) + 1


class _Axis:
    """One axis in pixels: of the logits, the model's square, the part of it that holds the image, the image."""

    def __init__(self, low: int, square: int, cropped: int, original: int) -> None:
        self.low, self.square, self.cropped, self.original = low, square, cropped, original
        self._first = _taps(low, square).part(0, cropped)
        self._second = _taps(cropped, original)

    def reached(self, indices: NDArray[np.int64]) -> tuple[int, int]:
        """Output pixels, from the first to after the last, that some low-resolution pixels can influence."""
        if len(indices) == 0:
            return 0, 0
        start, stop = int(indices[0]), int(indices[-1]) + 1
        steps = ((self.low, self.square, self.cropped), (self.cropped, self.original, self.original))
        for source, target, limit in steps:
            scale = target / source
            # An output pixel mixes inputs less than one input pixel from it; one more pixel guards against rounding.
            start = max(0, math.floor((start - 0.5) * scale - 0.5) - 1)
            stop = min(limit, math.ceil((stop + 0.5) * scale - 0.5) + 2)
        return start, stop

    def taps(self, start: int, stop: int) -> tuple[_Taps, _Taps]:
        """Taps of both interpolations for the wanted output pixels; the second counts from the first's."""
        second = self._second.part(start, stop)
        first_needed, after_last = second.span
        return self._first.part(first_needed, after_last), second.shifted(first_needed)


def _taps(source: int, target: int) -> _Taps:
    """Source pixels and weights as in ATen's ``area_pixel_compute_source_index`` (align_corners=False), in float32."""
    scale = torch.tensor(source, dtype=torch.float32) / target
    position = (scale * (torch.arange(target, dtype=torch.float32) + 0.5) - 0.5).clamp(min=0)
    low = position.to(torch.int64).clamp(max=source - 1)
    high = (low + 1).clamp(max=source - 1)
    return _Taps(low, high, (position - low).clamp(0, 1), source == target)


def _interpolate_rows(values: Tensor, taps: _Taps) -> Tensor:
    low = values.index_select(0, taps.low)
    if taps.identity:
        return low
    weight = taps.weight[:, None]
    return low.mul_(1 - weight).add_(values.index_select(0, taps.high).mul_(weight))


def _interpolate_columns(values: Tensor, taps: _Taps) -> Tensor:
    low = values.index_select(1, taps.low)
    if taps.identity:
        return low
    return low.mul_(1 - taps.weight).add_(values.index_select(1, taps.high).mul_(taps.weight))


def _all_columns(values: Tensor, target: int) -> Tensor:
    if values.shape[1] == target:
        return values
    return F.interpolate(values[None], target, mode="linear", align_corners=False)[0]
