"""Open any image file, without reading its pixels."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from napari_sam.errors import FileFormatError
from napari_sam.io.array_source import array_source
from napari_sam.io.damage import reading
from napari_sam.io.picture_source import open_picture
from napari_sam.io.source import ImageSource
from napari_sam.io.tiff_source import open_tiff
from napari_sam.io.zarr_source import is_zarr, open_zarr

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY_START = b"\x93NUM"


def open_image(path: str | PathLike[str]) -> ImageSource:
    """Open an image, recognised by its content, whatever its name.

    Parameters
    ----------
    path : path
        TIFF (first series at full resolution; ImageJ, OME and BigTIFF included), PNG, JPEG, BMP, WebP, ``.npy``, or
        the folder of an OME-Zarr image or a zarr array.

    Returns
    -------
    ImageSource
        To be closed in the end. Its ``read`` gives (h, w) or (h, w, channels) in the file's own dtype.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged or of another format.
    """
    path = Path(path)
    if path.is_dir():
        if is_zarr(path):
            return open_zarr(path)
        raise FileFormatError(f"{path} is a folder, not an image file; an OME-Zarr image has a zarr.json or .zgroup.")
    with reading(path), path.open("rb") as file:
        start = file.read(4)
    if start in _TIFF_STARTS:
        return open_tiff(path)
    if start == _NPY_START:
        with reading(path):
            return array_source(np.load(path, mmap_mode="r", allow_pickle=False), name=str(path))
    return open_picture(path)
