"""PNG, JPEG, BMP and WebP files as image sources: decoded once, when they are first read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam.io.damage import reading
from napari_sam.io.layout import Layout, Selection
from napari_sam.io.lazy_source import LazySource

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")  # not all of Pillow's: some start other programs
_DTYPES = {"1": "?", "L": "u1", "RGB": "u1", "RGBA": "u1", "I;16": "u2", "I;16B": "u2", "I": "i4", "F": "f4"}


def open_picture(path: Path) -> PictureSource:
    """Open a picture; palettes become RGB, orientation tags are not applied, so that pixels are where napari has them.

    Raises
    ------
    FileFormatError
        If the file is damaged, or not a picture.
    """
    with reading(path), Image.open(path, formats=_FORMATS) as picture:
        return PictureSource(path, _plain_mode(picture), picture.size)


class PictureSource(LazySource):
    """A picture of one plane; see :func:`open_picture`."""

    def __init__(self, path: Path, mode: str, size: tuple[int, int]) -> None:
        samples = {"RGB": (3,), "RGBA": (4,)}.get(mode, ())
        super().__init__(str(path), Layout("YXS"[: 2 + len(samples)], (size[1], size[0], *samples)), _DTYPES[mode])
        self._path = path
        self._mode = mode
        self._pixels: NDArray[Any] | None = None

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels = None

    def _load(self, selection: Selection) -> NDArray[Any]:
        if self._pixels is None:
            with Image.open(self._path, formats=_FORMATS) as picture:
                self._pixels = np.array(picture if picture.mode == self._mode else picture.convert(self._mode))
        return self._pixels[selection].copy()


def _plain_mode(picture: Image.Image) -> str:
    if picture.mode in _DTYPES:
        return picture.mode
    has_alpha = picture.mode in ("LA", "La", "PA", "RGBa") or "transparency" in picture.info
    return "RGBA" if has_alpha else "RGB"
