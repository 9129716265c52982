"""A window of one page of a TIFF file, from the tiles or strips it touches and no others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam.io.layout import Selection

_Page = tifffile.TiffPage | tifffile.TiffFrame
_JPEG = (6, 7, 33007, 34892)


def read_window(page: _Page, window: Selection) -> NDArray[Any]:
    """Read a window of a page.

    Parameters
    ----------
    page : TiffPage or TiffFrame
        A page of rows and columns, with or without samples.
    window : tuple of slice
        One slice for each of the page's dimensions.

    Returns
    -------
    ndarray
        As the page, cut to the window.

    Raises
    ------
    ValueError, OSError
        If a tile is damaged, or its compression is not supported.
    """
    key = _keyframe(page)
    steps: dict[str, Any] = dict(zip(key.axes, window, strict=True))
    rows, columns = steps["Y"], steps["X"]
    whole = rows == slice(0, key.imagelength) and columns == slice(0, key.imagewidth)
    if whole or key.imagedepth > 1 or len(page.dataoffsets) <= 1:
        return np.asarray(page.asarray()[window])
    planes = key.samplesperpixel if key.planarconfig == 2 else 1
    samples = key.samplesperpixel // planes
    shape = (planes, rows.stop - rows.start, columns.stop - columns.start, samples)
    filled = np.full(shape, key.nodata, key.dtype)
    for segment, (plane, top, left) in _segments(page, planes, rows, columns):
        height, width = segment.shape[:2]
        r0, r1 = max(top, rows.start), min(top + height, rows.stop)
        c0, c1 = max(left, columns.start), min(left + width, columns.stop)
        filled[plane, r0 - rows.start : r1 - rows.start, c0 - columns.start : c1 - columns.start] = segment[
            r0 - top : r1 - top, c0 - left : c1 - left
        ]
    lengths = {"Y": shape[1], "X": shape[2], "S": planes * samples}
    return filled.reshape([lengths[letter] for letter in key.axes])


def _keyframe(page: _Page) -> tifffile.TiffPage:
    """Return the page that describes all those of its kind."""
    if page.keyframe is None:
        raise ValueError("the page is described nowhere")
    return page.keyframe


def _segments(
    page: _Page, planes: int, rows: slice, columns: slice
) -> Iterator[tuple[NDArray[Any], tuple[int, int, int]]]:
    """Decode what the window touches: each as (height, width, samples), and where it lies: (plane, top, left)."""
    key = _keyframe(page)
    height = key.tilelength if key.is_tiled else key.rowsperstrip
    width = key.tilewidth if key.is_tiled else key.imagewidth
    down, across = math.ceil(key.imagelength / height), math.ceil(key.imagewidth / width)
    tables = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader} if key.compression in _JPEG else {}
    for plane in range(planes):
        for i in range(rows.start // height, math.ceil(rows.stop / height)):
            for j in range(columns.start // width, math.ceil(columns.stop / width)):
                number = (plane * down + i) * across + j
                decoded, _, _ = key.decode(_encoded(page, number), number, **tables)
                if decoded is not None:  # a tile nobody wrote
                    yield decoded[0], (plane, i * height, j * width)


def _encoded(page: _Page, number: int) -> bytes | None:
    """Read the bytes of a tile or strip; None where the file leaves it out."""
    offset, count = page.dataoffsets[number], page.databytecounts[number]
    if count == 0:
        return None
    file = page.parent.filehandle
    with file.lock:
        if file.closed:  # a file of a series of files, opened when it is needed
            file.open()
        file.seek(offset)
        content = file.read(count)
    if len(content) != count:
        raise ValueError(f"{count} bytes were expected at {offset}, {len(content)} are there")
    return bytes(content)
