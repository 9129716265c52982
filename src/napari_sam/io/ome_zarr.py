"""Write labels as OME-Zarr, plane by plane: whole folders or none."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.inputs import stem_of
from napari_sam.io.labels import label_dtype
from napari_sam.io.units import ome_zarr_unit, plain_unit
from napari_sam.io.whole_file import whole_folder
from napari_sam.io.zarr_source import is_zarr

VERSION = "0.5"
"""Of OME-Zarr: the one on zarr 3, which ome-zarr, napari, Fiji and QuPath read, and what ome-zarr itself writes."""

_CHUNK = 1024
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


def write_label_zarr(
    path: str | PathLike[str],
    planes: Iterable[NDArray[Any]],
    shape: Sequence[int],
    highest: int,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
    axes: str | None = None,
) -> Path:
    """Write a label image as an OME-Zarr of its own: uint16, or uint32 where the highest label asks for it.

    Coarser levels, every second pixel each time until a plane fits into a chunk, are written along with every plane,
    so that nothing is read again. The image-label metadata tell viewers that these are labels.

    Parameters
    ----------
    path : path
        A folder, by custom ``NAME.zarr``. One that is there already is replaced if it is a zarr, and an error if not.
    planes : iterable of ndarray, each of shape ``shape[-2:]``
        In the order of the array.
    shape : sequence of int
        Shape of the whole.
    highest : int
        Highest label.
    scale : sequence of float, optional
        Size of a pixel along each dimension.
    unit : str, optional
        Unit of the scale of lengths, such as "um".
    axes : str, optional
        One letter per dimension, such as "TZYX"; the last ones of "TZYX" when left out.

    Returns
    -------
    Path

    Raises
    ------
    FileFormatError
        If something does not fit together, or the folder cannot be written.
    """
    path, lengths = Path(path), tuple(int(n) for n in shape)
    letters = axes or "QQQTZYX"[-len(lengths) :]
    if len(lengths) < 2 or 0 in lengths or len(letters) != len(lengths) or len(scale or lengths) != len(lengths):
        raise FileFormatError(
            f"{path} was not written: axes {letters!r} and scale {scale} do not fit labels of shape {lengths}."
        )
    if path.exists() and not (path.is_dir() and is_zarr(path)):
        raise FileFormatError(f"{path} was not written: it exists, and is not a zarr folder; choose another name.")
    with whole_folder(path) as folder:
        group = zarr.create_group(folder, zarr_format=3)
        levels = _create_levels(group, lengths, letters, label_dtype(highest))
        group.attrs["ome"] = _metadata(path, letters, len(levels), scale, unit)
        _write_planes(path, levels, planes, lengths[:-2])
    return path


def _create_levels(
    group: zarr.Group, shape: tuple[int, ...], letters: str, dtype: np.dtype[Any]
) -> list[zarr.Array[Any]]:
    height, width = shape[-2:]
    levels: list[zarr.Array[Any]] = []
    while not levels or max(levels[-1].shape[-2:]) > _CHUNK:
        step = 1 << len(levels)
        plane = (-(-height // step), -(-width // step))
        levels.append(
            group.create_array(
                str(len(levels)),
                shape=(*shape[:-2], *plane),
                chunks=(*(1 for _ in shape[:-2]), *(min(_CHUNK, n) for n in plane)),
                dtype=dtype,
                dimension_names=_names(letters),
            )
        )
    return levels


def _write_planes(
    path: Path, levels: Sequence[zarr.Array[Any]], planes: Iterable[NDArray[Any]], stack_shape: tuple[int, ...]
) -> None:
    indices = itertools.product(*(range(n) for n in stack_shape))
    for index, plane in itertools.zip_longest(indices, planes):
        if index is None or plane is None or np.shape(plane) != levels[0].shape[-2:]:
            raise FileFormatError(f"{path} was not written: its planes do not fit the shape {levels[0].shape}.")
        for i, level in enumerate(levels):
            step = 1 << i
            level[(*index, slice(None), slice(None))] = np.asarray(plane)[::step, ::step].astype(level.dtype)


def _metadata(path: Path, letters: str, levels: int, scale: Sequence[float] | None, unit: str | None) -> dict[str, Any]:
    steps = [float(step) for step in scale or [1.0] * len(letters)]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [*steps[:-2], *(step * (1 << level) for step in steps[-2:])]}
            ],
        }
        for level in range(levels)
    ]
    axes = [_axis(letter, name, unit) for letter, name in zip(letters, _names(letters), strict=True)]
    multiscale = {"name": stem_of(path), "axes": axes, "datasets": datasets, "type": "nearest"}
    return {"version": VERSION, "multiscales": [multiscale], "image-label": {"version": VERSION}}


def _axis(letter: str, name: str, unit: str | None) -> dict[str, str]:
    axis = {"name": name}
    if letter in _TYPES:
        axis["type"] = _TYPES[letter]
    if axis.get("type") == "space" and plain_unit(unit) is not None:
        axis["unit"] = str(ome_zarr_unit(plain_unit(unit)))
    return axis


def _names(letters: str) -> list[str]:
    """Name the axes by their letters in lower case; one that is there already gets a number."""
    return [
        letter.lower() + (str(letters[:i].count(letter)) if letter in letters[:i] else "")
        for i, letter in enumerate(letters)
    ]
