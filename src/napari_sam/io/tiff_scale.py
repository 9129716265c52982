"""Pixel size of a TIFF file, from whichever of the many places its writer chose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_sam.io.units import plain_unit, unit_ratio

_PRINT_DPI = 1300.0  # below, dots per inch are about paper: pixels of more than 20 um


def pixel_size(tiff: tifffile.TiffFile, axes: str) -> tuple[tuple[float, ...] | None, str | None]:
    """Find the size of a pixel of the first series.

    In this order: what this package and tifffile's users write beside the shape, OME-XML, ImageJ, Zeiss LSM, and the
    resolution tags; those only where they are finer than a printer's (1300 dots per inch).

    Parameters
    ----------
    tiff : TiffFile
    axes : str
        Axes of the first series.

    Returns
    -------
    scale : tuple of float, or None
        Along each axis; 1 where nothing is said. None where nothing is said of Y and X.
    unit : str or None
        Unit along Y and X, such as "um"; seconds along T.
    """
    for find in (_from_shaped, _from_ome, _from_imagej, _from_lsm, _from_resolution):
        sizes, unit = find(tiff, axes)
        if all(_is_size(sizes.get(letter)) for letter in "YX"):
            return tuple(float(sizes[c]) if _is_size(sizes.get(c)) else 1.0 for c in axes), unit
    return None, None


_Found = tuple[dict[str, Any], str | None]
_NOTHING: _Found = ({}, None)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def _from_shaped(tiff: tifffile.TiffFile, axes: str) -> _Found:
    metadata = (tiff.shaped_metadata or ({},))[0] if tiff.is_shaped else {}
    scale = metadata.get("scale")
    if not isinstance(scale, list) or len(scale) != len(axes):
        return _NOTHING
    return dict(zip(axes, scale, strict=True)), plain_unit(metadata.get("unit"))


def _from_ome(tiff: tifffile.TiffFile, axes: str) -> _Found:
    if not tiff.is_ome or not tiff.ome_metadata:
        return _NOTHING
    try:
        root = ElementTree.fromstring(tiff.ome_metadata)
    except ElementTree.ParseError:
        return _NOTHING
    pixels = next((one for one in root.iter() if one.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return _NOTHING
    units = {letter: plain_unit(pixels.get(f"PhysicalSize{letter}Unit", "um")) for letter in "XYZ"}
    sizes = {letter: _ome_number(pixels, f"PhysicalSize{letter}", units[letter], units["X"]) for letter in "XYZ"}
    sizes["T"] = _ome_number(pixels, "TimeIncrement", pixels.get("TimeIncrementUnit", "s"), "s")
    return sizes, units["X"]


def _ome_number(pixels: ElementTree.Element, name: str, unit: str | None, wanted: str | None) -> float | None:
    text = pixels.get(name)
    try:
        return None if text is None else float(text) * (unit_ratio(unit, wanted) or 1.0)
    except ValueError:
        return None


def _from_imagej(tiff: tifffile.TiffFile, axes: str) -> _Found:
    metadata: Mapping[str, Any] = tiff.imagej_metadata or {}
    unit = plain_unit(metadata.get("unit"))
    if not tiff.is_imagej or unit is None:
        return _NOTHING
    across, down = _resolution(tiff)
    sizes = {"X": across, "Y": down, "Z": metadata.get("spacing"), "T": metadata.get("finterval")}
    return sizes, unit


def _from_lsm(tiff: tifffile.TiffFile, axes: str) -> _Found:
    metadata = tiff.lsm_metadata if tiff.is_lsm else None
    if not metadata:
        return _NOTHING
    sizes: dict[str, Any] = {c: metadata.get(f"VoxelSize{c}", 0.0) * 1e6 for c in "XYZ"}  # written in metres
    sizes["T"] = metadata.get("TimeIntervall")  # sic
    return sizes, "um"


def _from_resolution(tiff: tifffile.TiffFile, axes: str) -> _Found:
    units = {2: 25_400.0, 3: 10_000.0}  # um per inch, per centimetre
    tag = tiff.pages.first.tags.get("ResolutionUnit")
    um = units.get(int(tag.value), 0.0) if tag is not None else 0.0
    sizes = dict(zip("XY", (um * step for step in _resolution(tiff)), strict=True))
    if not all(0 < size <= 25_400 / _PRINT_DPI for size in sizes.values()):
        return _NOTHING
    return sizes, "um"


def _resolution(tiff: tifffile.TiffFile) -> tuple[float, float]:
    """Width and height of a pixel in the unit of the resolution tags; 0 where there are none."""
    sizes = []
    for name in ("XResolution", "YResolution"):
        tag = tiff.pages.first.tags.get(name)
        pixels, units = tag.value if tag is not None else (0, 0)
        sizes.append(units / pixels if pixels else 0.0)
    return sizes[0], sizes[1]
