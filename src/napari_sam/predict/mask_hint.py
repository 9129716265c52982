"""A drawn or earlier mask as a prompt: from pixels of the image to the logits that the decoder takes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam.geometry.clicks import interior_point, mask_to_box
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.masks import PlaneMask
from napari_sam.types import Prompts

_CERTAINTY = 1e-3
"""How far from 0 and 1 the probabilities stay: logits between -6.9 and 6.9, the usual range of the decoder's own."""


def mask_to_logits(mask: NDArray[np.bool_], frame: ResizeFrame) -> NDArray[np.float32]:
    """Turn a mask into low-resolution logits, as ``Prompts.mask_logits`` takes them.

    The mask is averaged over the pixels of the low-resolution square (a quarter of the model's side); the padding is
    background. The share of a pixel that is covered becomes its logit, ``log(p / (1 - p))``.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
    frame : ResizeFrame
        Of the image that the mask belongs to.

    Returns
    -------
    ndarray of float32, shape (img_size // 4, img_size // 4)

    Raises
    ------
    ValueError
        If the mask is not as large as the image.
    """
    if mask.shape != frame.original_hw:
        raise ValueError(f"the mask has shape {mask.shape}, its image {frame.original_hw}")
    return patch_to_logits(PlaneMask((0, 0), mask), frame)


def patch_to_logits(patch: PlaneMask, frame: ResizeFrame) -> NDArray[np.float32]:
    """Turn a mask of part of an image into low-resolution logits, as :func:`mask_to_logits` does.

    Only the part is looked at, so that hundreds of small masks of a large image cost little. A pixel whose middle lies
    exactly between two of the low-resolution square may be counted for the other one.

    Parameters
    ----------
    patch : PlaneMask
        In pixels of the image; what sticks out is left out.
    frame : ResizeFrame
        Of the image.

    Returns
    -------
    ndarray of float32, shape (img_size // 4, img_size // 4)
    """
    side = frame.img_size // 4
    covered = np.zeros((side, side), np.float32)
    (top, left, bottom, right), lengths = patch.bounds, zip(frame.original_hw, frame.logits_hw(side), strict=True)
    spans = [_span(*ends, *along) for ends, along in zip(((top, bottom), (left, right)), lengths, strict=True)]
    if all(span is not None for span in spans):
        (rows, source_rows, low_y, high_y), (columns, source_columns, low_x, high_x) = (s for s in spans if s)
        cut = patch.shifted(-source_rows.start, -source_columns.start).within(
            (source_rows.stop - source_rows.start, source_columns.stop - source_columns.start)
        )
        size = columns.stop - columns.start, rows.stop - rows.start
        picture = Image.fromarray(cut.astype(np.float32))
        mean = picture.resize(size, Image.Resampling.BOX, box=(low_x, low_y, high_x, high_y))
        covered[rows, columns] = np.asarray(mean)
    covered = np.clip(covered, _CERTAINTY, 1 - _CERTAINTY)
    logits: NDArray[np.float32] = np.log(covered / (1 - covered))
    return logits


def prompts_from_mask(
    patch: PlaneMask, frame: ResizeFrame, *, box: bool = True, point: bool = True, logits: bool = True
) -> Prompts:
    """Ask for an object whose mask is roughly known.

    Parameters
    ----------
    patch : PlaneMask
        In pixels of the image; not empty, and inside it.
    frame : ResizeFrame
        Of the image.
    box, point, logits : bool
        What to ask with: the smallest box around the mask, the pixel farthest from its border, its logits.
    """
    corner = np.array(patch.top_left, np.float64)
    return Prompts(
        (corner + interior_point(patch.mask))[None] if point else None,
        None,
        mask_to_box(patch.mask) + np.tile(corner, 2) if box else None,
        patch_to_logits(patch, frame) if logits else None,
    )


def _span(first: int, last: int, length: int, small: int) -> tuple[slice, slice, float, float] | None:
    """Along one axis: low-resolution pixels that a mask reaches, pixels to read for them, and where they lie in these.

    None where the mask lies outside of the image.
    """
    first, last = max(first, 0), min(last, length - 1)
    if last < first:
        return None
    scale = length / small
    low, high = int(first / scale), min(math.ceil((last + 1) / scale), small)
    # One pixel of margin: the filter reaches half a pixel beyond the box it averages over.
    start, stop = max(math.floor(low * scale) - 1, 0), min(math.ceil(high * scale) + 1, length)
    return slice(low, high), slice(start, stop), low * scale - start, min(high * scale - start, stop - start)
