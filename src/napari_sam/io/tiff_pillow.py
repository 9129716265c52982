"""Pages of a TIFF file that tifffile cannot decompress without the imagecodecs package, decoded by Pillow's libtiff."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

_PHOTOMETRIC = (1, 2, 3, 6)  # black is zero, RGB, palette, YCbCr: those of which both make the same values


def read_page(page: tifffile.TiffPage | tifffile.TiffFrame) -> NDArray[Any] | None:
    """Decode a whole page: LZW and JPEG are common, and Pillow knows both.

    Parameters
    ----------
    page : TiffPage or TiffFrame

    Returns
    -------
    ndarray or None
        As tifffile would give it; None where Pillow does not know it either, or makes something else of it.

    Raises
    ------
    OSError
        If the page is damaged.
    """
    key = page.keyframe
    if key is None or len(page.treeindex) > 1 or int(key.photometric) not in _PHOTOMETRIC:
        return None
    try:
        with Image.open(page.parent.filehandle.path, formats=("TIFF",)) as picture:
            picture.seek(page.index)
            pixels = np.array(picture.convert("RGB") if picture.mode == "YCbCr" else picture)
    except UnidentifiedImageError:
        return None
    return pixels if pixels.shape == key.shape and pixels.dtype == key.dtype else None
