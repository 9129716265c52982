"""A drawn or earlier mask as a prompt: from pixels of the image to the logits that the decoder takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam.geometry.frame import ResizeFrame

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
    side = frame.img_size // 4
    height, width = frame.logits_hw(side)
    picture = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    covered = np.zeros((side, side), np.float32)
    covered[:height, :width] = np.asarray(picture)
    covered = np.clip(covered, _CERTAINTY, 1 - _CERTAINTY)
    logits: NDArray[np.float32] = np.log(covered / (1 - covered))
    return logits
