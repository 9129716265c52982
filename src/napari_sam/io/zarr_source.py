"""OME-Zarr images (versions 0.1 to 0.5) and zarr arrays as image sources: only the chunks of a window are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr

from napari_sam.errors import FileFormatError
from napari_sam.io.array_source import ArraySource
from napari_sam.io.damage import reading
from napari_sam.io.layout import Layout, guess_axes
from napari_sam.io.units import plain_unit, unit_ratio

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
_OLD_AXES = "TCZYX"  # versions 0.1 and 0.2 had these, and said so nowhere


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return any((path / name).is_file() for name in ZARR_FILES)


def ome_attributes(group: Any) -> Mapping[str, Any]:
    """Return the metadata of OME-Zarr: under "ome" from version 0.5 on, at the top before."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def images_of(path: Path) -> list[Path]:
    """Return the images of a zarr folder: the fields of all wells of an OME-Zarr plate, else the folder itself.

    A plate that is damaged counts as one image, so that opening it tells what is wrong.
    """
    try:
        with reading(path):
            plate: Any = zarr.open(path, mode="r")
            wells = [str(well["path"]) for well in ome_attributes(plate).get("plate", {}).get("wells", ())]
            return [
                path / well / str(field["path"])
                for well in wells
                for field in ome_attributes(plate[well])["well"]["images"]
            ] or [path]
    except FileFormatError:
        return [path]


def open_zarr(path: Path) -> ArraySource:
    """Open the first image of a zarr folder at full resolution.

    Parameters
    ----------
    path : Path
        An OME-Zarr image, the folder ``bioformats2raw`` makes (its first image), an array, or a group of one array.

    Raises
    ------
    FileFormatError
        If the folder is damaged, or holds no image or several.
    """
    with reading(path):
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return _plain_source(path, node)
        attributes = ome_attributes(node)
        if "bioformats2raw.layout" in attributes and "0" in node:
            node = _member(path, node, "0")
            attributes = ome_attributes(node) if isinstance(node, zarr.Group) else {}
        if attributes.get("multiscales"):
            return _multiscale_source(path, node, attributes["multiscales"][0])
        if "plate" in attributes or "well" in attributes:
            raise FileFormatError(
                f"{path} is a plate or a well, not an image; its images lie in it, as ROW/COLUMN/FIELD of the plate."
            )
        arrays = [name for name, _ in node.arrays()]
        if len(arrays) != 1 and "0" not in arrays:
            held = f"arrays {', '.join(sorted(arrays)[:9])}" if arrays else "no array"
            raise FileFormatError(f"{path} is not an OME-Zarr image: it has no multiscales, and holds {held}.")
        return _plain_source(path, _member(path, node, arrays[0] if len(arrays) == 1 else "0"))


def _member(path: Path, group: zarr.Group, name: str) -> Any:
    try:
        return group[name]
    except KeyError as error:
        raise FileFormatError(f"{path} is damaged: it names {name!r}, but does not hold it.") from error


def _multiscale_source(path: Path, group: zarr.Group, multiscale: Mapping[str, Any]) -> ArraySource:
    level = multiscale["datasets"][0]
    array = _member(path, group, str(level["path"]))
    if not isinstance(array, zarr.Array):
        raise FileFormatError(f"{path} is damaged: {level['path']!r} is not an array.")
    axes = _axes(multiscale, array.ndim)
    letters = "".join(_letter(axis) for axis in axes)
    scale, unit = _scale(axes, letters, _product(multiscale, level, array.ndim))
    return ArraySource(array, str(path), _layout(path, letters, array.shape, scale, unit))


def _plain_source(path: Path, array: zarr.Array[Any]) -> ArraySource:
    """Open an array nobody describes, but for the names of its dimensions in zarr 3 or as xarray writes them."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    letters = "".join(str(name)[:1].upper() for name in names) if isinstance(names, Sequence) else ""
    if len(letters) != array.ndim or not {"Y", "X"} <= set(letters):
        letters = guess_axes(array.shape)
    return ArraySource(array, str(path), _layout(path, letters, array.shape, None, None))


def _layout(
    path: Path, letters: str, shape: Sequence[int], scale: tuple[float, ...] | None, unit: str | None
) -> Layout:
    try:
        return Layout(letters, tuple(int(n) for n in shape), scale, unit)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _axes(multiscale: Mapping[str, Any], ndim: int) -> list[dict[str, Any]]:
    axes = multiscale.get("axes") or list(_OLD_AXES[-ndim:])
    return [dict(axis) if isinstance(axis, Mapping) else {"name": str(axis)} for axis in axes]


def _letter(axis: Mapping[str, Any]) -> str:
    if axis.get("type") == "channel":
        return "C"
    if axis.get("type") == "time":
        return "T"
    return str(axis["name"])[:1].upper()


def _product(multiscale: Mapping[str, Any], level: Mapping[str, Any], ndim: int) -> list[float] | None:
    """Multiply the scales of the level and of the whole; None where neither says anything."""
    scales = [
        [float(step) for step in one["scale"]]
        for holder in (level, multiscale)
        for one in holder.get("coordinateTransformations") or ()
        if one.get("type") == "scale" and len(one.get("scale", ())) == ndim
    ]
    return [math.prod(steps) for steps in zip(*scales, strict=True)] if scales else None


def _scale(
    axes: Sequence[Mapping[str, Any]], letters: str, steps: list[float] | None
) -> tuple[tuple[float, ...] | None, str | None]:
    """Bring the scales to the unit of X; without a unit, a scale of ones says nothing."""
    units = dict(zip(letters, (plain_unit(axis.get("unit")) for axis in axes), strict=True))
    unit = units.get("X") or units.get("Y")
    if steps is None or (unit is None and all(step == 1 for step in steps)):
        return None, None
    wanted = {letter: "s" if letter == "T" else unit for letter in letters}
    return tuple(
        1.0 if letter in "CS" else step * (unit_ratio(units[letter], wanted[letter]) or 1.0)
        for letter, step in zip(letters, steps, strict=True)
    ), unit
