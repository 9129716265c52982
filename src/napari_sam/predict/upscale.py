"""Low-resolution logits to masks of the image's size, exactly as the official ``Sam.postprocess_masks``.

Logits are interpolated to the model's square, cropped to the image, interpolated to its size and thresholded at 0,
both times bilinearly. Bilinear values are convex combinations of their neighbours, so nothing outside the positive
logits' neighbourhood can be positive: only that part is computed, row by row, and a mask of any size needs little
memory beside itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam.geometry.frame import ResizeFrame

_TILE_PIXELS = 1 << 19


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


def _paint(mask: Tensor, logits: Tensor, frame: ResizeFrame) -> None:
    positive = logits > 0
    ranges = []
    for axis in (0, 1):
        inside = positive.any(dim=1 - axis).nonzero()
        if len(inside) == 0:
            return
        reach = (int(inside[0]), int(inside[-1]) + 1)
        sizes = (logits.shape[axis], frame.img_size, frame.input_hw[axis], frame.original_hw[axis])
        ranges.append(_reached(reach, sizes))
    (top, bottom), (left, right) = ranges
    if top >= bottom or left >= right:  # everything positive lies in the padding
        return
    (rows_mid, rows), (cols_mid, cols) = (
        _both_steps(logits.shape[axis], frame.img_size, frame.input_hw[axis], frame.original_hw[axis], ranges[axis])
        for axis in (0, 1)
    )
    # Columns before rows, as torch's own bilinear interpolation does, so that rounding is the same.
    columns = _interpolate_columns(_interpolate_rows(_interpolate_columns(logits, cols_mid), rows_mid), cols)
    step = max(1, _TILE_PIXELS // (right - left))
    for start in range(0, bottom - top, step):
        tile = _Taps(*(part[start : start + step] for part in rows))
        values = _interpolate_rows(columns, tile)
        torch.gt(values, 0, out=mask[top + start : top + start + len(values), left:right])


def _reached(reach: tuple[int, int], sizes: tuple[int, int, int, int]) -> tuple[int, int]:
    """Output pixels that low-resolution pixels ``reach`` can influence, along one axis."""
    low_size, square, cropped, original = sizes
    start, stop = reach
    for source, target, limit in ((low_size, square, cropped), (cropped, original, original)):
        scale = target / source
        # An output pixel mixes inputs less than one input pixel from it; one more pixel guards against rounding.
        start = max(0, math.floor((start - 0.5) * scale - 0.5) - 1)
        stop = min(limit, math.ceil((stop + 0.5) * scale - 0.5) + 2)
    return start, stop


def _both_steps(
    low_size: int, square: int, cropped: int, original: int, wanted: tuple[int, int]
) -> tuple[_Taps, _Taps]:
    """Taps of both interpolations along one axis for the wanted output pixels; the second counts from the first's."""
    second = _taps(cropped, original, wanted[0], wanted[1])
    start, stop = int(second.low[0]), int(second.high[-1]) + 1
    first = _taps(low_size, square, start, stop)
    return first, _Taps(second.low - start, second.high - start, second.weight)


def _taps(source: int, target: int, start: int, stop: int) -> _Taps:
    """Source pixels and weights as in ATen's ``area_pixel_compute_source_index`` (align_corners=False), in float32."""
    scale = torch.tensor(source, dtype=torch.float32) / target
    position = (scale * (torch.arange(start, stop, dtype=torch.float32) + 0.5) - 0.5).clamp(min=0)
    low = position.to(torch.int64).clamp(max=source - 1)
    high = (low + 1).clamp(max=source - 1)
    return _Taps(low, high, (position - low).clamp(0, 1))


def _interpolate_rows(values: Tensor, taps: _Taps) -> Tensor:
    weight = taps.weight[:, None]
    if not weight.any():
        return values[taps.low]
    return values[taps.low].mul_(1 - weight).add_(values[taps.high].mul_(weight))


def _interpolate_columns(values: Tensor, taps: _Taps) -> Tensor:
    if not taps.weight.any():
        return values[:, taps.low]
    return values[:, taps.low].mul_(1 - taps.weight).add_(values[:, taps.high].mul_(taps.weight))
