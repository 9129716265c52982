"""TIFF files as image sources: memory-mapped where they are not compressed, tile by tile where they are."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.damage import reading
from napari_sam.io.layout import Layout, Selection, guess_axes
from napari_sam.io.lazy_source import LazySource
from napari_sam.io.tiff_scale import pixel_size
from napari_sam.io.tiff_window import read_window


def open_tiff(path: Path) -> TiffSource:
    """Open the first series of a TIFF file (ImageJ, OME and BigTIFF included) at full resolution.

    Raises
    ------
    FileFormatError
        If the file is damaged, or holds no image.
    """
    with reading(path), _complaints() as complaints:
        tiff = tifffile.TiffFile(path)
        try:
            source = TiffSource(path, tiff)
            if complaints:
                raise FileFormatError(f"{path} is truncated: it refers to places behind its end ({complaints[0]}).")
            return source
        except BaseException:
            tiff.close()
            raise


class TiffSource(LazySource):
    """An open TIFF file; see :func:`open_tiff`."""

    def __init__(self, path: Path, tiff: tifffile.TiffFile) -> None:
        if not tiff.series:
            raise FileFormatError(f"{path} is a TIFF file without an image in it.")
        series = tiff.series[0]
        shape = tuple(int(n) for n in series.shape)
        _check_complete(path, tiff, shape)
        axes = _plain_axes(series.axes, shape)
        scale, unit = pixel_size(tiff, series.axes)
        try:
            layout = Layout(axes, shape, scale, unit)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error
        super().__init__(str(path), layout, series.dtype)
        self._tiff = tiff
        self._series = series
        self._mapped = _memory_map(tiff, series)
        self._whole: NDArray[Any] | None = None
        self._lock = threading.Lock()  # a file has one position

    def close(self) -> None:
        """Close the file."""
        self._mapped = self._whole = None
        self._tiff.close()

    def _load(self, selection: Selection) -> NDArray[Any]:
        if self._mapped is not None:
            return np.array(self._mapped[selection])
        with self._lock:
            return self._load_decoded(selection)

    def _load_decoded(self, selection: Selection) -> NDArray[Any]:
        page_shape = self._series.keyframe.shape
        leading = self.shape[: len(self.shape) - len(page_shape)]
        if self.shape[len(leading) :] == page_shape and math.prod(leading) == len(self._series):
            return self._load_pages(selection[: len(leading)], selection[len(leading) :], leading)
        if self._whole is None:  # an unusual order of planes in pages: all that is left is to read everything
            self._whole = np.asarray(self._series.asarray())
        return np.array(self._whole[selection])

    def _load_pages(self, which: Selection, window: Selection, leading: tuple[int, ...]) -> NDArray[Any]:
        numbers = np.asarray(np.arange(len(self._series)).reshape(leading)[which])
        pages = [self._load_page(int(number), window) for number in numbers.reshape(-1)]
        return np.stack(pages).reshape(numbers.shape + pages[0].shape)

    def _load_page(self, number: int, window: Selection) -> NDArray[Any]:
        page = self._series[number]
        if page is None:
            raise FileFormatError(
                f"{self.name}: page {number} is missing: the file, or one it belongs to, is incomplete."
            )
        return read_window(page, window)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile only logs where it leaves out pages or the description, and goes on without them."""
    found: list[str] = []
    thread = threading.get_ident()

    def collect(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.thread == thread and ("invalid page offset" in text or "TiffTag 270 " in text):
            found.append(text)
            return False  # told as an error instead
        return True

    logger = logging.getLogger("tifffile")
    logger.addFilter(collect)
    try:
        yield found
    finally:
        logger.removeFilter(collect)


def _memory_map(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> NDArray[Any] | None:
    if series.is_multifile or series.transform is not None or series.dataoffset is None:
        return None
    dtype = tiff.byteorder + series.dtype.char
    return np.asarray(tiff.filehandle.memmap_array(dtype, series.shape, offset=series.dataoffset))


def _check_complete(path: Path, tiff: tifffile.TiffFile, shape: tuple[int, ...]) -> None:
    """Refuse a stack whose later pages were cut off, which otherwise reads as its first plane."""
    found, expected = math.prod(shape), 0
    if tiff.is_shaped and tiff.shaped_metadata:
        expected = math.prod(tiff.shaped_metadata[0].get("shape", ()))
    elif tiff.is_imagej and tiff.imagej_metadata:
        expected = int(tiff.imagej_metadata.get("images", 1)) * tiff.pages.first.size
    if expected > found:
        raise FileFormatError(f"{path} is truncated: it describes {expected} values, but holds {found}.")


def _plain_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Correct a common misnomer: (H, W, C) arrays of few channels, written without axes, are labelled as a stack."""
    if len(axes) == 3 and axes[0] in "QI" and guess_axes(shape) == "YXS":
        return "YXS"
    return axes
