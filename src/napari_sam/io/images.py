"""Read an image file into numpy: TIFF, PNG, JPEG (and BMP, WebP), one plane of it, channels last."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_sam.errors import FileFormatError

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")  # not all of Pillow's: some start other programs
_AS_THEY_ARE = ("1", "L", "RGB", "RGBA", "I;16", "I;16B", "I", "F")
_DAMAGE = (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, struct.error, zlib.error, SyntaxError)
_FEW_CHANNELS = 4


def read_image(path: str | PathLike[str], plane: int | Sequence[int] | None = None) -> NDArray[Any]:
    """Read one two-dimensional image.

    Parameters
    ----------
    path : path
        A TIFF (first series, full resolution), PNG, JPEG, BMP or WebP file, recognised by its content.
    plane : int or sequence of int, optional
        Which plane of a stack: one index per axis that is neither rows, columns nor channels, in the file's order.
        Only that plane is read where the file allows it.

    Returns
    -------
    ndarray, shape (H, W) or (H, W, C)
        The file's own dtype. Palettes become RGB; orientation tags are not applied, so that pixels are where napari
        shows them.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, of another format, or a stack of which no plane was chosen.
    """
    path = Path(path)
    chosen = () if plane is None else tuple(int(i) for i in np.atleast_1d(np.asarray(plane)))
    try:
        with path.open("rb") as file:
            start = file.read(4)
        image = _read_tiff(path, chosen) if start in _TIFF_STARTS else _read_picture(path, chosen)
    except FileNotFoundError as error:
        raise FileFormatError(f"The image {path} does not exist.") from error
    except IsADirectoryError as error:
        raise FileFormatError(f"{path} is a folder, not an image file.") from error
    except UnidentifiedImageError as error:
        raise FileFormatError(f"{path} is not a TIFF, PNG, JPEG, BMP or WebP file.") from error
    except Image.DecompressionBombError as error:
        raise FileFormatError(f"{path} is too large for this format ({error}); save it as TIFF.") from error
    except _DAMAGE as error:
        raise FileFormatError(f"{path} cannot be read: {_advice(error)}") from error
    if image.size == 0:
        raise FileFormatError(f"{path} holds an empty image of shape {image.shape}.")
    return image


def _advice(error: Exception) -> str:
    if "imagecodecs" in str(error):
        return f"its compression is not supported without a further package ({error}); pip install imagecodecs."
    return f"it is damaged, truncated or of an unsupported kind ({str(error) or type(error).__name__})."


def _read_picture(path: Path, plane: tuple[int, ...]) -> NDArray[Any]:
    with Image.open(path, formats=_PICTURE_FORMATS) as picture:
        if any(plane):
            raise FileFormatError(f"{path} holds a single plane, but plane {plane} was asked for.")
        if picture.mode in _AS_THEY_ARE:
            return np.array(picture)
        has_alpha = picture.mode in ("LA", "La", "PA", "RGBa") or "transparency" in picture.info
        return np.array(picture.convert("RGBA" if has_alpha else "RGB"))


def _read_tiff(path: Path, plane: tuple[int, ...]) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tiff:
        if not tiff.series:
            raise FileFormatError(f"{path} is a TIFF file without an image in it.")
        series = tiff.series[0]
        _check_complete(path, tiff, tuple(series.shape))
        shape, axes = tuple(series.shape), _plain_axes(series.axes, tuple(series.shape))
        channel_axis = next((axes.index(name) for name in "SC" if name in axes), None)
        stack_axes = [i for i, name in enumerate(axes) if name not in "YX" and i != channel_axis]
        index = _plane_index(path, axes, shape, stack_axes, plane)
        image = _load_plane(tiff, series, index, stack_axes)
    kept = [name for i, name in enumerate(axes) if i not in stack_axes]
    order = [kept.index("Y"), kept.index("X")]
    if channel_axis is not None:
        order.append(kept.index(axes[channel_axis]))
    image = image.transpose(order)
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _check_complete(path: Path, tiff: tifffile.TiffFile, shape: tuple[int, ...]) -> None:
    """Refuse a stack whose later pages were cut off, which otherwise reads as its first plane."""
    found, expected = int(np.prod(shape)), 0
    if tiff.is_shaped and tiff.shaped_metadata:
        expected = int(np.prod(tiff.shaped_metadata[0].get("shape", ())))
    elif tiff.is_imagej and tiff.imagej_metadata:
        expected = int(tiff.imagej_metadata.get("images", 1)) * tiff.pages.first.size
    if expected > found:
        raise FileFormatError(f"{path} is truncated: it describes {expected} values, but holds {found}.")


def _plain_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Correct a common misnomer: (H, W, C) arrays of few channels, written without axes, are labelled as a stack."""
    if len(axes) == 3 and axes[0] in "QI" and shape[2] <= _FEW_CHANNELS < min(shape[:2]):
        return "YXS"
    return axes


def _plane_index(
    path: Path, axes: str, shape: tuple[int, ...], stack_axes: list[int], plane: tuple[int, ...]
) -> tuple[int, ...]:
    if "Y" not in axes or "X" not in axes:
        raise FileFormatError(f"{path} holds no image plane: its axes are {axes}, its shape {shape}.")
    lengths = [shape[i] for i in stack_axes]
    if not plane and all(length == 1 for length in lengths):
        return (0,) * len(lengths)
    if len(plane) != len(lengths) or any(not 0 <= i < n for i, n in zip(plane, lengths, strict=True)):
        names = "".join(axes[i] for i in stack_axes)
        asked = f"plane {plane} was asked for" if plane else "no plane was chosen"
        wanted = f"one index for each of {names} (lengths {lengths})" if names else "no plane: it is a single image"
        raise FileFormatError(f"{path} has axes {axes} and shape {shape}, but {asked}. Choose {wanted}.")
    return plane


def _load_plane(
    tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, index: tuple[int, ...], stack_axes: list[int]
) -> NDArray[Any]:
    """Read as little as possible: one page, or a mapped part of the file; else the whole series."""
    lengths = [series.shape[i] for i in stack_axes]
    leading = stack_axes == list(range(len(stack_axes)))
    page_shape = tuple(series.shape[len(stack_axes) :])
    if leading and len(series.pages) == int(np.prod(lengths)):
        page = series.pages[int(np.ravel_multi_index(index, lengths)) if lengths else 0]
        if page is not None and tuple(page.shape) == page_shape:
            return np.asarray(page.asarray())
    selection: list[Any] = [slice(None)] * len(series.shape)
    for axis, i in zip(stack_axes, index, strict=True):
        selection[axis] = i
    if series.dataoffset is not None:
        mapped = tiff.filehandle.memmap_array(
            tiff.byteorder + series.dtype.char, series.shape, offset=series.dataoffset
        )
        return np.array(mapped[tuple(selection)])
    return np.asarray(series.asarray()[tuple(selection)])
