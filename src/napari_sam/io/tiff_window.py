"""A window of one page of a TIFF file, from the tiles or strips it touches and no others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam.io.layout import Selection
from napari_sam.io.tiff_pillow import read_page

_Page = tifffile.TiffPage | tifffile.TiffFrame
_JPEG = (6, 7, 33007, 34892)


def read_window(page: _Page, window: Selection) -> NDArray[Any]:
    """Read a window of a page, with Pillow's help where tifffile alone does not know the compression.

    Parameters
    ----------
    page : TiffPage or TiffFrame
        A page of rows and columns, with or without samples.
    window : tuple of slice or int
        One for each of the page's dimensions; rows and columns are slices.

    Returns
    -------
    ndarray
        As the page, cut to the window.

    Raises
    ------
    ValueError, OSError
        If a tile is damaged, or its compression is not supported.
    """
    try:
        return _read_window(page, window)
    except ValueError as error:
        whole = read_page(page) if "imagecodecs" in str(error) else None
        if whole is None:
            raise
        return whole[window]


def _read_window(page: _Page, window: Selection) -> NDArray[Any]:
    key = _keyframe(page)
    steps: dict[str, Any] = dict(zip(key.axes, window, strict=True))
    rows, columns = steps["Y"], steps["X"]
    whole = rows == slice(0, key.imagelength) and columns == slice(0, key.imagewidth)
    with _opened(page):
        if key.imagedepth > 1 or len(page.dataoffsets) <= 1 or (whole and "S" not in key.axes):
            return np.asarray(page.asarray()[window])
        count = key.samplesperpixel if key.planarconfig == 2 else 1
        planes = np.atleast_1d(np.arange(count)[steps["S"]]) if count > 1 else np.zeros(1, int)
        shape = (len(planes), rows.stop - rows.start, columns.stop - columns.start, key.samplesperpixel // count)
        filled = np.full(shape, key.nodata, key.dtype)
        for i, plane in enumerate(planes):
            for segment, top, left in _segments(page, int(plane), rows, columns):
                _paste(segment, top - rows.start, left - columns.start, filled[i])
    return _as_page(filled, key.axes, steps.get("S"))


@contextmanager
def _opened(page: _Page) -> Iterator[None]:
    """Open the file of a page for as long as it is read: a series of thousands of files has only its first one open."""
    file = page.parent.filehandle
    if not file.closed:
        yield
        return
    file.open()
    try:
        yield
    finally:
        file.close()


def _as_page(filled: NDArray[Any], axes: str, chosen: int | slice | None) -> NDArray[Any]:
    """Bring (planes, h, w, samples), the first or last of which is 1, to the axes of the page."""
    if axes.index("Y") == 0:  # samples of a pixel lie together
        return filled[0, :, :, 0] if chosen is None else np.asarray(filled[0][:, :, chosen])
    return filled[0, :, :, 0] if isinstance(chosen, int) else filled[..., 0]


def _paste(segment: NDArray[Any], top: int, left: int, target: NDArray[Any]) -> None:
    """Copy the part of a segment that lies in the target, where its corner is at (top, left)."""
    (height, width), (rows, columns) = segment.shape[:2], target.shape[:2]
    r0, r1, c0, c1 = max(top, 0), min(top + height, rows), max(left, 0), min(left + width, columns)
    target[r0:r1, c0:c1] = segment[r0 - top : r1 - top, c0 - left : c1 - left]


def _keyframe(page: _Page) -> tifffile.TiffPage:
    """Return the page that describes all those of its kind."""
    if page.keyframe is None:
        raise ValueError("the page is described nowhere")
    return page.keyframe


def _segments(page: _Page, plane: int, rows: slice, columns: slice) -> Iterator[tuple[NDArray[Any], int, int]]:
    """Decode the tiles or strips a window touches: each as (height, width, samples), and its first row and column."""
    key = _keyframe(page)
    height = key.tilelength if key.is_tiled else key.rowsperstrip
    width = key.tilewidth if key.is_tiled else key.imagewidth
    down, across = math.ceil(key.imagelength / height), math.ceil(key.imagewidth / width)
    tables = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader} if key.compression in _JPEG else {}
    for i in range(rows.start // height, math.ceil(rows.stop / height)):
        for j in range(columns.start // width, math.ceil(columns.stop / width)):
            number = (plane * down + i) * across + j
            decoded, _, _ = key.decode(_encoded(page, number), number, **tables)
            if decoded is not None:  # else a tile nobody wrote
                yield decoded[0], i * height, j * width


def _encoded(page: _Page, number: int) -> bytes | None:
    """Read the bytes of a tile or strip; None where the file leaves it out."""
    offset, count = page.dataoffsets[number], page.databytecounts[number]
    if count == 0:
        return None
    file = page.parent.filehandle
    file.seek(offset)
    content = file.read(count)
    if len(content) != count:
        raise ValueError(f"{count} bytes were expected at {offset}, {len(content)} are there")
    return bytes(content)
