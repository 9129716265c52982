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

_TILE_PIXELS = 1 << 19
_WIDE = 8  # torch's interpolation of a whole row costs as much as gathering an eighth of it


class _Axis(NamedTuple):
    """Pixels along one axis: of the logits, the model's square, the part of it that holds the image, the image."""

    low: int
    square: int
    cropped: int
    original: int


class _Taps(NamedTuple):
    """For each output pixel along one axis: two input pixels and the weight of the second."""

    low: Tensor
    high: Tensor
    weight: Tensor


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
    for mask, low_res in zip(masks, logits, strict=True):
        _paint(torch.from_numpy(mask), low_res, frame)
    return masks


class Tile(NamedTuple):
    """Logits at the size of the image, in a rectangle whose first pixel is (``top``, ``left``)."""

    top: int
    left: int
    values: Tensor


def logits_above(logits: Tensor, frame: ResizeFrame, cut: float) -> Iterator[Tile]:
    """Upscale the logits of one mask wherever they can be above a cut-off.

    Parameters
    ----------
    logits : Tensor of float32 on the CPU, shape (h, h)
    frame : ResizeFrame
    cut : float

    Yields
    ------
    Tile
        One below the other, all equally wide; nothing outside of them is above ``cut``.
    """
    above = logits > cut
    y_axis, x_axis = (
        _Axis(logits.shape[axis], frame.img_size, frame.input_hw[axis], frame.original_hw[axis]) for axis in (0, 1)
    )
    top, bottom = _reached(above.any(dim=1), y_axis)
    left, right = _reached(above.any(dim=0), x_axis)
    if top >= bottom or left >= right:  # everything lies in the padding
        return
    rows_mid, rows = _both_steps(y_axis, top, bottom)
    # Columns before rows, as torch's own bilinear interpolation does, so that rounding is the same.
    if right - left > x_axis.original // _WIDE:
        middle = _interpolate_rows(_all_columns(logits, x_axis.square)[:, : x_axis.cropped], rows_mid)
        columns = _all_columns(middle, x_axis.original)[:, left:right]
    else:
        columns_mid, columns_end = _both_steps(x_axis, left, right)
        middle = _interpolate_rows(_interpolate_columns(logits, columns_mid), rows_mid)
        columns = _interpolate_columns(middle, columns_end)
    step = max(1, _TILE_PIXELS // (right - left))
    for start in range(0, bottom - top, step):
        tile = _Taps(*(part[start : start + step] for part in rows))
        yield Tile(top + start, left, _interpolate_rows(columns, tile))


def _paint(mask: Tensor, logits: Tensor, frame: ResizeFrame) -> None:
    for top, left, values in logits_above(logits, frame, 0.0):
        height, width = values.shape
        torch.gt(values, 0, out=mask[top : top + height, left : left + width])


def _reached(above: Tensor, axis: _Axis) -> tuple[int, int]:
    """Output pixels, from the first to after the last, that the marked low-resolution pixels can influence."""
    indices = above.nonzero()
    if len(indices) == 0:
        return 0, 0
    start, stop = int(indices[0]), int(indices[-1]) + 1
    steps = ((axis.low, axis.square, axis.cropped), (axis.cropped, axis.original, axis.original))
    for source, target, limit in steps:
        scale = target / source
        # An output pixel mixes inputs less than one input pixel from it; one more pixel guards against rounding.
        start = max(0, math.floor((start - 0.5) * scale - 0.5) - 1)
        stop = min(limit, math.ceil((stop + 0.5) * scale - 0.5) + 2)
    return start, stop


def _both_steps(axis: _Axis, start: int, stop: int) -> tuple[_Taps, _Taps]:
    """Taps of both interpolations along one axis for the wanted output pixels; the second counts from the first's."""
    second = _taps(axis.cropped, axis.original, start, stop)
    first_needed, last_needed = int(second.low[0]), int(second.high[-1])
    first = _taps(axis.low, axis.square, first_needed, last_needed + 1)
    return first, _Taps(second.low - first_needed, second.high - first_needed, second.weight)


def _taps(source: int, target: int, start: int, stop: int) -> _Taps:
    """Source pixels and weights as in ATen's ``area_pixel_compute_source_index`` (align_corners=False), in float32."""
    scale = torch.tensor(source, dtype=torch.float32) / target
    position = (scale * (torch.arange(start, stop, dtype=torch.float32) + 0.5) - 0.5).clamp(min=0)
    low = position.to(torch.int64).clamp(max=source - 1)
    high = (low + 1).clamp(max=source - 1)
    return _Taps(low, high, (position - low).clamp(0, 1))


def _interpolate_rows(values: Tensor, taps: _Taps) -> Tensor:
    low = values.index_select(0, taps.low)
    if not taps.weight.any():
        return low
    weight = taps.weight[:, None]
    return low.mul_(1 - weight).add_(values.index_select(0, taps.high).mul_(weight))


def _interpolate_columns(values: Tensor, taps: _Taps) -> Tensor:
    low = values.index_select(1, taps.low)
    if not taps.weight.any():
        return low
    return low.mul_(1 - taps.weight).add_(values.index_select(1, taps.high).mul_(taps.weight))


def _all_columns(values: Tensor, target: int) -> Tensor:
    if values.shape[1] == target:
        return values
    return F.interpolate(values[None], target, mode="linear", align_corners=False)[0]
