"""The file behind ``predict --mask``: an earlier mask of the object, or the logits of an earlier prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError, PromptError

if TYPE_CHECKING:
    from napari_sam.geometry.frame import ResizeFrame


def mask_logits(path: Path, frame: ResizeFrame) -> NDArray[np.float32]:
    """Read a mask hint and bring it into the decoder's form.

    Parameters
    ----------
    path : Path
        A mask as large as the image (TIFF or PNG, or a .npy of bool or integers; everything but 0 is the object), or
        low-resolution logits (.npy of floats, as in ``Prediction.logits``).
    frame : ResizeFrame
        Where the image lies in the model's square.

    Returns
    -------
    ndarray of float32, shape (h, w)

    Raises
    ------
    FileFormatError
        If the file cannot be read.
    PromptError
        If it holds something else.
    """
    values = _read(path)
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    side = frame.img_size // 4
    if values.dtype.kind == "f" and values.shape == (side, side):
        return values.astype(np.float32)
    if values.dtype.kind in "bui" and values.shape == frame.original_hw:
        from napari_sam.predict.mask_hint import mask_to_logits

        return mask_to_logits(values != 0, frame)
    height, width = frame.original_hw
    raise PromptError(
        f"{path} holds {values.dtype} of shape {values.shape}. A mask hint is one mask of the image's shape, "
        f"({height}, {width}), in bool or integers, or this model's logits: ({side}, {side}) floats."
    )


def _read(path: Path) -> NDArray[Any]:
    if path.suffix.lower() != ".npy":
        from napari_sam.io.images import read_image

        return np.asarray(read_image(path))
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise FileFormatError(f"{path} cannot be read as a .npy file: {error}") from error
