"""Write label images and mask stacks as TIFF: whole files or none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import ArrayLike, NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.units import unit_ratio
from napari_sam.io.whole_file import whole_file

_CLASSIC_LIMIT = (1 << 32) - (1 << 26)  # offsets of a classic TIFF have 32 bits; the rest is for tags


def write_labels(
    path: str | PathLike[str],
    labels: ArrayLike,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
) -> Path:
    """Write a label image: uint16, or uint32 where an id exceeds 65,535; zlib; BigTIFF when needed.

    Parameters
    ----------
    path : path
        Overwritten if it exists. Missing folders are made.
    labels : array-like of integers or bool, at least 2 dimensions
        0 is background.
    axes : str, optional
        One letter per dimension, such as "ZYX"; the last ones of "TZYX" when left out.
    scale : sequence of float, optional
        Size of a pixel along each dimension.
    unit : str, optional
        Unit of ``scale``, such as "um".

    Returns
    -------
    Path

    Raises
    ------
    FileFormatError
        If the labels are not whole numbers from 0 to 4,294,967,295, ``axes`` or ``scale`` do not fit them, or the
        file cannot be written.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "bui":
        raise FileFormatError(f"Labels must be whole numbers, got {array.dtype}.")
    lowest, highest = (int(array.min()), int(array.max())) if array.size else (0, 0)
    array = array.astype(label_dtype(highest if lowest >= 0 else lowest), copy=False)
    return _write(Path(path), array, array.shape, array.dtype, axes, scale, unit)


def write_label_planes(
    path: str | PathLike[str],
    planes: Iterable[NDArray[Any]],
    shape: Sequence[int],
    highest: int,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
    axes: str | None = None,
) -> Path:
    """Write a label image plane by plane, so that it need not fit into memory; as :func:`write_labels` otherwise.

    Parameters
    ----------
    path : path
        Overwritten if it exists. Missing folders are made.
    planes : iterable of ndarray, each of shape ``shape[-2:]``
        In the order of the array.
    shape : sequence of int
        Shape of the whole.
    highest : int
        Highest label: decides between uint16 and uint32.
    scale : sequence of float, optional
        Size of a pixel along each dimension.
    unit : str, optional
        Unit of ``scale``, such as "um".
    axes : str, optional
        One letter per dimension, such as "TZYX"; the last ones of "TZYX" when left out.

    Returns
    -------
    Path

    Raises
    ------
    FileFormatError
        If ``highest``, ``axes`` or ``scale`` do not fit, or the file cannot be written.
    """
    dtype = label_dtype(highest)
    typed = (np.asarray(plane).astype(dtype, copy=False) for plane in planes)
    return _write(Path(path), typed, tuple(int(n) for n in shape), dtype, axes, scale, unit)


def label_dtype(highest: int) -> np.dtype[Any]:
    """Return uint16, or uint32 where the highest label asks for it.

    Raises
    ------
    FileFormatError
        If it does not fit into 32 bits.
    """
    if not 0 <= highest <= np.iinfo(np.uint32).max:
        raise FileFormatError(f"Labels must lie between 0 and 4,294,967,295, got {highest}.")
    return np.dtype(np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32)


def write_masks(
    path: str | PathLike[str],
    masks: ArrayLike,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
) -> Path:
    """Write masks as a (M, H, W) stack of uint8, 0 or 1; masks may overlap.

    Parameters
    ----------
    path : path
        Overwritten if it exists. Missing folders are made.
    masks : array-like of bool, shape (M, H, W)
    scale : sequence of 2 float, optional
        Height and width of a pixel.
    unit : str, optional
        Unit of ``scale``, such as "um".

    Returns
    -------
    Path

    Raises
    ------
    FileFormatError
        If the shape is another, or the file cannot be written.
    """
    array = np.asarray(masks)
    if array.ndim != 3 or 0 in array.shape or array.dtype.kind not in "bui":
        raise FileFormatError(f"Masks must be bool of shape (M, H, W), got {array.dtype} of shape {array.shape}.")
    full_scale = None if scale is None else (1.0, *scale)
    array = (array != 0).astype(np.uint8)
    return _write(Path(path), array, array.shape, array.dtype, "QYX", full_scale, unit)


def _write(
    path: Path,
    content: NDArray[Any] | Iterator[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: str | None,
    scale: Sequence[float] | None,
    unit: str | None,
) -> Path:
    if len(shape) < 2 or 0 in shape:
        raise FileFormatError(f"{path} was not written: an array of shape {shape} is not an image.")
    axes = axes or "QQQTZYX"[-len(shape) :]
    if len(axes) != len(shape) or (scale is not None and len(scale) != len(shape)):
        raise FileFormatError(
            f"{path} was not written: axes {axes!r} and scale {scale} do not fit an array of shape {shape}."
        )
    with whole_file(path) as temporary:
        tifffile.imwrite(
            temporary,
            content,
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            bigtiff=math.prod(shape) * dtype.itemsize > _CLASSIC_LIMIT,
            metadata=_metadata(axes, scale, unit),
            **_resolution(axes, scale, unit),
        )
    return path


def _metadata(axes: str, scale: Sequence[float] | None, unit: str | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": axes}
    if scale is not None:
        metadata |= {"scale": [float(step) for step in scale], "unit": unit or "pixel"}
    return metadata


def _resolution(axes: str, scale: Sequence[float] | None, unit: str | None) -> dict[str, Any]:
    """TIFF's own resolution tags (pixels per centimetre, x before y), where the unit is a length they can express."""
    per_centimetre = unit_ratio("cm", unit)
    if scale is None or per_centimetre is None or "Y" not in axes or "X" not in axes:
        return {}
    steps = [float(scale[axes.index(name)]) for name in "XY"]
    if min(steps) <= 0:
        return {}
    return {"resolution": tuple(per_centimetre / step for step in steps), "resolutionunit": "CENTIMETER"}
